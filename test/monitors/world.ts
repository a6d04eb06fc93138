/**
 * The world of a monitor under test: a clock that stands until it is moved, an intake that keeps
 * what it is offered, a logger that remembers.
 */

import type { Observe } from '../../src/commands/observe.ts';
import type { Clock, Ingest, LogFields, Logger, OnReadingsLost } from '../../src/io/ports.ts';

export class StandingClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #tasks: { readonly dueMs: number; readonly task: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = { dueMs: this.#nowMs + delayMs, task };
    this.#tasks.push(entry);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry);
    };
  }

  /** Lets time pass, and runs what falls due in it. */
  pass(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      const next = this.#tasks.filter(({ dueMs }) => dueMs <= endMs).sort(byDue)[0];
      if (next === undefined) break;
      this.#tasks = this.#tasks.filter((other) => other !== next);
      this.#nowMs = next.dueMs;
      next.task();
    }
    this.#nowMs = endMs;
  }

  get waiting(): number {
    return this.#tasks.length;
  }
}

function byDue(a: { readonly dueMs: number }, b: { readonly dueMs: number }): number {
  return a.dueMs - b.dueMs;
}

/** The clock of this machine, for tests with real sockets. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Keeps what it is offered, and interns names when the test says that they are applied. */
export class KeepingIntake implements Ingest {
  readonly offered: Observe[] = [];
  full = false;
  asked = 0;
  readonly #ids = new Map<string, number>();
  #waiting: (() => void)[] = [];

  seriesId(name: string): number {
    this.asked++;
    return this.#ids.get(name) ?? -1;
  }

  propose(): Promise<never> {
    throw new Error('a monitor offers, it does not propose');
  }

  offer(readings: Observe, lost: OnReadingsLost): boolean {
    if (this.full) {
      lost({ code: 'busy', count: readings.ids.length, sample: 'full' });
      return false;
    }
    this.offered.push(readings);
    for (const wake of this.#waiting.splice(0)) wake();
    return true;
  }

  /** Gives every name that came so far its id, as the fold would. */
  apply(): void {
    for (const name of this.offered.flatMap(({ names }) => names)) {
      if (!this.#ids.has(name)) this.#ids.set(name, this.#ids.size);
    }
  }

  /** All readings so far as `[name, value]`. */
  readings(): (readonly [string, number])[] {
    const nameById = new Map([...this.#ids].map(([name, id]) => [id, name]));
    return this.offered.flatMap(({ names, ids, values }) =>
      [...ids].map((id, i) => {
        const name = id < 0 ? names[-1 - id] : nameById.get(id);
        return [name ?? `unknown id ${id}`, values[i] ?? NaN] as const;
      }),
    );
  }

  /** Resolves when at least this many readings have come. */
  async until(count: number): Promise<void> {
    while (this.readings().length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export class KeepingLogger implements Logger {
  readonly lines: Logged[] = [];

  debug(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'debug', message, fields });
  }

  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'info', message, fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'warn', message, fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'error', message, fields });
  }
}
