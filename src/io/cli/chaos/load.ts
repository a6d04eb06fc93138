/**
 * The load: new alerts pushed to random members, each until somebody answers 200, and carbon lines
 * to one member after the other.
 *
 * Promise: what waits is bounded. When so many pushes wait that no more fit, new alerts are left
 * out: a cluster that is away for minutes is not flooded when it is back.
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Random } from '../../ports.ts';
import { ALERT_LABEL, ALERT_LIFE_MS } from './config.ts';

export interface LoadOptions {
  readonly alertsPerSecond: number;
  readonly readingsPerSecond: number;
  /** Where the members take alerts and readings, HOST:PORT each. */
  readonly targets: readonly { readonly http: string; readonly carbon: string }[];
  readonly random: Random;
}

/** One alert that was pushed; times are those of `performance.now()`. */
export interface Push {
  readonly alert: string;
  readonly firstAtMs: number;
  /** When somebody answered 200; null before that. */
  ackedAtMs: number | null;
  /** When it ends by itself, in epoch milliseconds. */
  readonly endsAt: number;
  tries: number;
}

const TICK_MS = 100;
/** A member that is frozen answers nothing: ask another one. */
const ANSWER_LIMIT_MS = 2_000;
const PAUSE_MS = 100;
const WAITING_MAX = 1_000;
/** A connection of a relay lives for minutes; here it shall meet all members in a short run, too. */
const CARBON_STAY_MS = 5_000;
const SERIES = 200;

export class Load {
  readonly pushes: Push[] = [];
  readingsSent = 0;
  /** Alerts that were not even tried, because too many waited. */
  leftOut = 0;
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ connections: 32 });
  readonly #underWay = new Set<Promise<void>>();
  readonly #loops: readonly Promise<void>[];
  #isMaking = true;
  #isOver = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#loops = [
      this.#everyTick(options.alertsPerSecond, (count) => this.#pushNew(count)),
      this.#stream(),
    ];
  }

  get acknowledged(): number {
    return this.pushes.reduce((sum, { ackedAtMs }) => sum + (ackedAtMs === null ? 0 : 1), 0);
  }

  /** Makes nothing new, and waits for what is under way, but not longer than `limitMs`. */
  async stop(limitMs: number): Promise<void> {
    this.#isMaking = false;
    await Promise.all(this.#loops);
    await Promise.race([Promise.all(this.#underWay), sleep(limitMs, undefined, { ref: false })]);
    this.#isOver = true;
    await Promise.all(this.#underWay);
    await this.#agent.destroy();
  }

  /** Calls `make` with how many are due since the last time, so that a late timer loses none. */
  async #everyTick(perSecond: number, make: (count: number) => void): Promise<void> {
    const beganMs = performance.now();
    let made = 0;
    while (this.#isMaking) {
      const due = Math.floor(((performance.now() - beganMs) / 1_000) * perSecond);
      if (due > made) make(due - made);
      made = due;
      await sleep(TICK_MS);
    }
  }

  #pushNew(count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.#underWay.size >= WAITING_MAX) {
        this.leftOut++;
        continue;
      }
      const push = {
        alert: `a${this.pushes.length}`,
        firstAtMs: performance.now(),
        ackedAtMs: null,
        endsAt: Date.now() + ALERT_LIFE_MS,
        tries: 0,
      };
      this.pushes.push(push);
      const done = this.#push(push).finally(() => this.#underWay.delete(done));
      this.#underWay.add(done);
    }
  }

  async #push(push: Push): Promise<void> {
    const body = JSON.stringify([
      {
        labels: { alertname: 'Chaos', severity: 'critical', [ALERT_LABEL]: push.alert },
        annotations: { summary: 'Pushed by tocsin chaos' },
        endsAt: new Date(push.endsAt).toISOString(),
      },
    ]);
    while (!this.#isOver) {
      push.tries++;
      if (await this.#post(body)) {
        push.ackedAtMs = performance.now();
        return;
      }
      await sleep(PAUSE_MS);
    }
  }

  /** Whether a member that is picked at random answered 200. */
  async #post(body: string): Promise<boolean> {
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), ANSWER_LIMIT_MS);
    try {
      const answer = await request(`http://${this.#target().http}/api/v2/alerts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        dispatcher: this.#agent,
        signal: giveUp.signal,
      });
      await answer.body.dump();
      return answer.statusCode === 200;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async #stream(): Promise<void> {
    const { readingsPerSecond } = this.#options;
    if (readingsPerSecond === 0) return;
    let line = new CarbonLine('');
    await this.#everyTick(readingsPerSecond, (count) => {
      if (line.isOver) {
        line.close();
        line = new CarbonLine(this.#target().carbon);
      }
      if (line.send(this.#readings(count))) this.readingsSent += count;
    });
    line.close();
  }

  #readings(count: number): string {
    const { random } = this.#options;
    const at = Math.floor(Date.now() / 1_000);
    let text = '';
    for (let i = 0; i < count; i++) {
      const series = Math.floor(random.next() * SERIES);
      text += `chaos.host${series}.load ${Math.floor(random.next() * 100)} ${at}\n`;
    }
    return text;
  }

  #target(): LoadOptions['targets'][number] {
    const { random, targets } = this.#options;
    return targets[Math.floor(random.next() * targets.length)] ?? { http: '', carbon: '' };
  }
}

/** A connection to a carbon port, for a while. */
class CarbonLine {
  readonly #socket: Socket | null;
  readonly #untilMs = performance.now() + CARBON_STAY_MS;

  constructor(address: string) {
    const [host = '', port] = address.split(':');
    this.#socket = address === '' ? null : connect(Number(port), host);
    // Carbon has no answer: a line that is lost with its connection is lost.
    this.#socket?.on('error', () => undefined);
  }

  get isOver(): boolean {
    return this.#socket === null || this.#socket.destroyed || performance.now() > this.#untilMs;
  }

  /** False when the member takes no more at the moment. */
  send(lines: string): boolean {
    if (this.#socket === null || this.#socket.writableNeedDrain) return false;
    this.#socket.write(lines);
    return true;
  }

  close(): void {
    this.#socket?.destroySoon();
  }
}
