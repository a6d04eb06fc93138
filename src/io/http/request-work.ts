/**
 * What all requests together may hold and do: the bytes of their bodies, and turns on the event loop.
 *
 * Promise: bodies under way never hold more than {@link HTTP_LIMITS.bytesInFlight}, beside a little
 * for each connection, so that a push of the usual size is never refused because of others. Reading
 * bodies never keeps the loop for longer than one piece of work and {@link HTTP_LIMITS.turnMs}: what
 * is small goes first, so that it does not wait for what is large.
 */

import { setImmediate as nextTurn } from 'node:timers';
import { setImmediate } from 'node:timers/promises';
import type { HttpCounters } from './counters.ts';
import type { Exchange } from './exchange.ts';
import { HTTP_LIMITS, type LimitName } from './limits.ts';

export class RequestWork {
  readonly #counters: HttpCounters;
  readonly #waiting: Turn[] = [];
  #isRunning = false;
  /** Work that did not have to wait, since the event loop last did what else there is. */
  #spentMs = 0;
  #heldBytes = 0;

  constructor(counters: HttpCounters) {
    this.#counters = counters;
  }

  /** Counts a request, or a part of one, that was refused because of a limit. */
  over(limit: LimitName): void {
    this.#counters.overLimit(limit);
  }

  /** What one request holds, until its answer has left. */
  holding(exchange: Exchange): Holding {
    const { connection } = exchange;
    let bytes = 0;
    const shared = (): number => Math.max(0, connection.heldBytes - HTTP_LIMITS.bytesOfEach);
    const change = (by: number): void => {
      const before = shared();
      bytes += by;
      connection.heldBytes += by;
      const more = shared() - before;
      if (more === 0) return;
      this.#heldBytes += more;
      this.#counters.bytesInFlight(this.#heldBytes);
    };
    exchange.onEnd(() => change(-bytes));
    return {
      take: (more) => {
        // A client that has left needs no memory, and nobody would give it back.
        if (exchange.isOver) return false;
        change(more);
        return shared() === 0 || this.#heldBytes <= HTTP_LIMITS.bytesInFlight;
      },
    };
  }

  /** Runs a piece of work when it is its turn; `size` is that of the whole, small ones go first. */
  async turn<T>(size: number, work: () => T): Promise<T> {
    if (!this.#isRunning && this.#spentMs < HTTP_LIMITS.turnMs) return this.#atOnce(work);
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ run, size });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Nobody waits, and little was done: a turn of its own would only make the answer late. */
  #atOnce<T>(work: () => T): T {
    if (this.#spentMs === 0) nextTurn(() => (this.#spentMs = 0));
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      this.#spentMs += performance.now() - startedAt;
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await setImmediate();
      const startedAt = performance.now();
      do {
        this.#smallest()?.run();
        // Whoever waits for this piece asks here for the next one.
        await Promise.resolve();
      } while (this.#waiting.length > 0 && performance.now() - startedAt < HTTP_LIMITS.turnMs);
    }
    this.#isRunning = false;
  }

  /** The first of the smallest. There are no more of them than connections. */
  #smallest(): Turn | undefined {
    let best = 0;
    for (let i = 1; i < this.#waiting.length; i++) {
      if ((this.#waiting[i]?.size ?? 0) < (this.#waiting[best]?.size ?? 0)) best = i;
    }
    return this.#waiting.splice(best, 1)[0];
  }
}

interface Turn {
  readonly size: number;
  readonly run: () => void;
}

export interface Holding {
  /** Whether that many more bytes may be held; if not, the request ends with an answer. */
  readonly take: (bytes: number) => boolean;
}
