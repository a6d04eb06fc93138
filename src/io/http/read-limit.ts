/**
 * How many requests that read are under way at once. The others wait in a bounded queue.
 *
 * Promise: a read is under way until its response has left; whatever becomes of its connection, its
 * place is free afterwards. While others wait, a client that takes nothing loses its place after
 * {@link HTTP_LIMITS.readStallMs}, so clients that do not read delay others by little more than that.
 */

import type { MiddlewareHandler } from 'hono';
import type { Clock } from '../ports.ts';
import { problem } from './answers.ts';
import type { Connections } from './connections.ts';
import type { Exchange } from './exchange.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv } from './env.ts';

const LOOK_EVERY_MS = 100;

interface Waiter {
  readonly exchange: Exchange;
  readonly untilMs: number;
  readonly resolve: (hasPlace: boolean) => void;
}

export class ReadLimit {
  readonly #atOnce: number;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly #connections: Pick<Connections, 'cut'>;
  readonly #underWay = new Set<Exchange>();
  #queue: Waiter[] = [];
  #isLooking = false;

  constructor(
    atOnce: number,
    clock: Pick<Clock, 'monotonicMs' | 'after'>,
    connections: Pick<Connections, 'cut'>,
  ) {
    this.#atOnce = atOnce;
    this.#clock = clock;
    this.#connections = connections;
  }

  /** Goes before routes that read; requests that change something pass. */
  readonly limit: MiddlewareHandler<HttpEnv> = async (c, next) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return next();
    if (await this.#enter(c.get('exchange'))) return next();
    c.get('work').over('concurrent-reads');
    c.header('Retry-After', '1');
    const message = `Limit of concurrent GET requests reached (${this.#atOnce}), try again later.`;
    return problem(c, 503, message);
  };

  /** Whether `exchange` has a place; false when there is none within {@link HTTP_LIMITS.readWaitMs}. */
  #enter(exchange: Exchange): Promise<boolean> | boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#underWay.size >= this.#atOnce) this.#cutStalled(nowMs);
    if (this.#underWay.size < this.#atOnce && this.#queue.length === 0) return this.#take(exchange);
    if (this.#queue.length >= HTTP_LIMITS.readsWaiting) return false;
    return new Promise((resolve) => {
      this.#queue.push({ exchange, untilMs: nowMs + HTTP_LIMITS.readWaitMs, resolve });
      // One that has gone gives its place in the queue to another.
      exchange.onEnd(() => this.#advance());
      this.#lookLater();
    });
  }

  #take(exchange: Exchange): true {
    this.#underWay.add(exchange);
    exchange.onEnd(() => {
      this.#underWay.delete(exchange);
      this.#advance();
    });
    return true;
  }

  #advance(): void {
    const nowMs = this.#clock.monotonicMs();
    const queue = this.#queue;
    this.#queue = [];
    for (const waiter of queue) {
      const { exchange, resolve, untilMs } = waiter;
      if (exchange.isOver || nowMs >= untilMs) resolve(false);
      else if (this.#underWay.size < this.#atOnce) resolve(this.#take(exchange));
      else this.#queue.push(waiter);
    }
  }

  /** Takes the place of the client that has taken nothing for longest. */
  #cutStalled(nowMs: number): void {
    let longest: Exchange | null = null;
    let longestMs: number = HTTP_LIMITS.readStallMs;
    for (const exchange of this.#underWay) {
      const stalledMs = exchange.stalledMs(nowMs);
      if (stalledMs < longestMs) continue;
      longest = exchange;
      longestMs = stalledMs;
    }
    if (longest !== null) this.#connections.cut(longest, 'reader-for-room');
  }

  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#clock.after(LOOK_EVERY_MS, () => {
      this.#isLooking = false;
      for (let places = this.#queue.length; places > 0; places--) {
        this.#cutStalled(this.#clock.monotonicMs());
      }
      this.#advance();
      if (this.#queue.length > 0) this.#lookLater();
    });
  }
}
