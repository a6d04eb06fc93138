/** A clock that moves only when a test moves it; timers fire on the way, in their order. */

import type { Clock } from '../../src/io/ports.ts';

interface Task {
  readonly at: number;
  readonly run: () => void;
}

export class HandClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #tasks = new Set<Task>();

  constructor(now: number) {
    this.#now = now;
    this.#start = now;
  }

  now(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now - this.#start;
  }

  after(delayMs: number, run: () => void): () => void {
    const task = { at: this.#now + delayMs, run };
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#tasks].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#tasks.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }
}
