/** The senders of carbon lines: one process for each member, each with its own share of the series. */

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { adopt, kill, pause } from './process.ts';
import type { Cluster } from './members.ts';

export interface LoadOptions {
  readonly port: number;
  /** Its series: from this one … */
  readonly from: number;
  /** … to the one before this. */
  readonly to: number;
}

/** What a sender may send: so many readings in all, or so many a second from now on. */
export interface Allowance {
  readonly readings?: number;
  readonly perSecond?: number;
}

/**
 * Readings that may be under way. Nothing slows a carbon sender down, so a sender without such a
 * bound measures how fast a node throws readings away.
 */
const WINDOW = 1_000_000;
/** Each look costs every member some milliseconds, so there are few of them. */
const LOOK_EVERY_MS = 100;

export class CarbonSenders {
  readonly #cluster: Cluster;
  readonly #series: number;
  readonly #children: readonly ChildProcess[];
  /** What had come to its end before the first reading of these senders. */
  readonly #endedBefore: number;

  private constructor(
    cluster: Cluster,
    series: number,
    children: readonly ChildProcess[],
    endedBefore: number,
  ) {
    this.#cluster = cluster;
    this.#series = series;
    this.#children = children;
    this.#endedBefore = endedBefore;
  }

  static async start(cluster: Cluster, series: number): Promise<CarbonSenders> {
    const { members } = cluster;
    const program = new URL('carbon-load.js', import.meta.url);
    const children = members.map(({ addresses }, i) => {
      const options: LoadOptions = {
        port: Number(addresses.carbon.split(':')[1]),
        from: Math.floor((series * i) / members.length),
        to: Math.floor((series * (i + 1)) / members.length),
      };
      return adopt(fork(program, [JSON.stringify(options)]));
    });
    const before = await ended(cluster);
    const senders = new CarbonSenders(cluster, series, children, before);
    await Promise.all(children.map((child) => once(child, 'message')));
    return senders;
  }

  get children(): readonly ChildProcess[] {
    return this.#children;
  }

  /** Sends until every member knows every series by its id, and each sender's parser does, too. */
  async teach(): Promise<void> {
    const readings = this.#endedBefore + Math.max(3 * this.#series, 20_000);
    // Names are long, so fewer may be under way.
    await this.#flow((now) => now < readings, WINDOW / 20);
  }

  /** Sends as fast as all members apply, for so long. */
  async flood(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    await this.#flow(() => performance.now() < endMs, WINDOW);
  }

  /** Sends so many readings a second, until another word. */
  steady(perSecond: number): void {
    for (const child of this.#children) {
      child.send({ perSecond: perSecond / this.#children.length } satisfies Allowance);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => kill(child)));
  }

  async #flow(goesOn: (ended: number) => boolean, window: number): Promise<void> {
    for (let now = await ended(this.#cluster); goesOn(now); now = await ended(this.#cluster)) {
      const share = (now - this.#endedBefore + window) / this.#children.length;
      for (const child of this.#children) child.send({ readings: share } satisfies Allowance);
      await pause(LOOK_EVERY_MS);
    }
  }
}

/** Readings that are under way no more: every member has applied them, or one has dropped them. */
async function ended(cluster: Cluster): Promise<number> {
  const [applied, dropped] = await Promise.all([
    cluster.metrics('tocsin_observations_applied_total'),
    cluster.metrics('tocsin_observations_dropped_total'),
  ]);
  return Math.min(...applied) + dropped.reduce((sum, each) => sum + each, 0);
}
