/**
 * The cluster under test: its members as processes, the wires between them, and what the command
 * has seen of its elections.
 *
 * Promise: when the command ends, in whatever way, no member lives on.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import type { Random } from '../../ports.ts';
import { Member, type MemberPlace, type OwnEnd } from './member.ts';
import { alertsOf, owesPages, statusOf, type MemberStatus } from './member-status.ts';
import { canListen, freePorts } from './ports.ts';
import { PROXY_HOST, Wires } from './wires.ts';

export interface ClusterOptions {
  readonly nodes: number;
  readonly directory: string;
  /** The text of the configuration file of all members. */
  readonly config: string;
  readonly random: Random;
}

const GUARD = fileURLToPath(new URL('./guard.js', import.meta.url));

/** How often the members are asked who leads, and in which term. */
const WATCH_MS = 500;
/** How often something is asked that should come about soon. */
const POLL_MS = 200;
/** After an end of its own a member is begun again, but not as fast as a crash loop turns. */
const REVIVE_MS = 1_000;

export class Cluster {
  readonly members: readonly Member[];
  /** Null where the machine has no second loopback address, or there is only one member. */
  readonly wires: Wires | null;
  /** Processes that ended by themselves. */
  readonly ownEnds: OwnEnd[] = [];
  /** The terms in which a leader was seen, and who it was. */
  readonly leaders = new Map<number, string>();
  readonly #agent = new Agent({ connections: 4 });
  readonly #guard: ChildProcess;
  readonly #killAll = (): void => {
    for (const member of this.members) member.killNow();
  };
  #isOver = false;

  private constructor(
    places: readonly MemberPlace[],
    wires: Wires | null,
    directory: string,
    configFile: string,
  ) {
    this.wires = wires;
    this.#guard = spawn(process.execPath, [GUARD], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.stdin?.on('error', () => undefined);
    const modules = {
      directory,
      config: configFile,
      watch: (name: string, pid?: number) =>
        void this.#guard.stdin?.write(pid === undefined ? `${name}\n` : `${name} ${pid}\n`),
      onOwnEnd: (end: OwnEnd) => {
        this.ownEnds.push(end);
        setTimeout(() => this.#revive(end.name), REVIVE_MS).unref();
      },
    };
    this.members = places.map((place) => new Member(place, modules));
    process.on('exit', this.#killAll);
  }

  /** Begins all members, which find each other in their own time. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { nodes, directory, config, random } = options;
    const hasDoors = nodes > 1 && (await canListen(PROXY_HOST, 0));
    const doorHost = hasDoors ? [PROXY_HOST] : [];
    const ports = await freePorts(3 * nodes, ['127.0.0.1', ...doorHost], random);
    const places = placesOf(ports, hasDoors);
    const configFile = path.join(directory, 'tocsin.yml');
    await mkdir(directory, { recursive: true });
    await writeFile(configFile, config);
    const wires = hasDoors ? new Wires(places.map(({ name }) => name)) : null;
    for (const { name, peer } of places) await wires?.open(name, Number(peer.split(':')[1]));
    const cluster = new Cluster(places, wires, directory, configFile);
    for (const member of cluster.members) member.start();
    void cluster.#watchElections();
    return cluster;
  }

  statusOf({ place }: Member): Promise<MemberStatus | null> {
    return statusOf(place.http, this.#agent);
  }

  alertsOf({ place }: Member, label: string): Promise<ReadonlySet<string> | null> {
    return alertsOf(place.http, label, this.#agent);
  }

  /** The member that leads in the newest term that anybody knows of. */
  async leader(): Promise<Member | null> {
    const statuses = await Promise.all(this.members.map((member) => this.statusOf(member)));
    const newest = statuses
      .filter((status) => status !== null)
      .reduce((max, { term }) => Math.max(max, term), 0);
    const at = statuses.findIndex((status) => status?.role === 'leader' && status.term === newest);
    return this.members[at] ?? null;
  }

  /** Waits until a member knows a leader and has caught up; false when that took too long. */
  async untilReady(member: Member, limitMs: number, signal?: AbortSignal): Promise<boolean> {
    return until(async () => (await this.statusOf(member))?.ready === true, limitMs, signal);
  }

  /**
   * Waits until all are ready, have applied the same, and owe nobody a page. Gives back the index;
   * null when that took too long.
   */
  async untilSettled(limitMs: number, signal?: AbortSignal): Promise<number | null> {
    let before = -1;
    let settledAt: number | null = null;
    await until(
      async () => {
        const index = await this.#commonIndex();
        if (index !== null && index === before && !(await this.#owesPages())) settledAt = index;
        before = index ?? -1;
        return settledAt !== null;
      },
      limitMs,
      signal,
    );
    return settledAt;
  }

  /** Mends what is broken: wires, frozen and dead members. */
  heal(): void {
    this.wires?.heal();
    for (const member of this.members) {
      member.thaw();
      member.start();
    }
  }

  /** Stops all in order; the names of those that had to be killed. */
  async stop(): Promise<readonly string[]> {
    this.#isOver = true;
    const stopped = await Promise.all(this.members.map((member) => member.stop()));
    return this.members.filter((_, i) => stopped[i] === false).map(({ name }) => name);
  }

  /** Kills what lives, and lets go of everything. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#killAll();
    process.off('exit', this.#killAll);
    this.wires?.close();
    this.#guard.stdin?.end();
    await this.#agent.destroy();
  }

  #revive(name: string): void {
    if (this.#isOver) return;
    this.members.find((member) => member.name === name)?.start();
  }

  async #watchElections(): Promise<void> {
    while (!this.#isOver) {
      const statuses = await Promise.all(this.members.map((member) => this.statusOf(member)));
      for (const status of statuses) {
        if (status !== null && status.leader !== null) {
          this.leaders.set(status.term, status.leader);
        }
      }
      await sleep(WATCH_MS, undefined, { ref: false });
    }
  }

  async #commonIndex(): Promise<number | null> {
    const statuses = await Promise.all(this.members.map((member) => this.statusOf(member)));
    const index = statuses[0]?.appliedIndex ?? 0;
    const isSettled = statuses.every(
      (status) =>
        status?.ready === true && status.appliedIndex === index && status.commitIndex === index,
    );
    return isSettled ? index : null;
  }

  async #owesPages(): Promise<boolean> {
    const [first] = this.members;
    return first !== undefined && owesPages(first.place.http, this.#agent);
  }
}

/** Where each member listens; three ports each. */
function placesOf(ports: readonly number[], hasDoors: boolean): readonly MemberPlace[] {
  const [, founderPeer] = ports;
  // What a member advertises counts for its HTTP, too, which needs no door.
  const host = hasDoors ? PROXY_HOST : '127.0.0.1';
  return Array.from({ length: ports.length / 3 }, (_, i) => {
    const [http, peer, carbon] = ports.slice(3 * i);
    return {
      name: `node${i + 1}`,
      http: `${host}:${http}`,
      peer: `127.0.0.1:${peer}`,
      carbon: `127.0.0.1:${carbon}`,
      advertise: hasDoors ? PROXY_HOST : null,
      join: i === 0 ? null : `${host}:${founderPeer}`,
    };
  });
}

async function until(
  holds: () => Promise<boolean>,
  limitMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline || signal?.aborted === true) return false;
    await sleep(POLL_MS);
  }
  return true;
}
