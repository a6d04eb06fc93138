/**
 * Whether this node was there all the time. Time that has leapt was not lived through: the machine was
 * suspended, the process was stopped, or the wall clock was set forward.
 *
 * Promise: the first entry after such a time says that nobody listened, before anything else.
 */

import type { Command } from '../../commands/command.ts';
import type { LogClock } from './log-clock.ts';

/** A leader that was not there for longer than this says so: the fold ignores shorter gaps. */
const ABSENCE_MS = 10_000;

export class Attendance {
  readonly #name: string;
  readonly #logClock: LogClock;
  /** Log time when this node last did anything; a tick at the latest. */
  #seenAt: number;
  /** Set when it had done nothing for long, until an entry has said so. */
  #absentSince: number | null = null;

  constructor(name: string, logClock: LogClock) {
    this.#name = name;
    this.#logClock = logClock;
    this.#seenAt = logClock.now();
  }

  /** Notes that this node is there, and gives the time of the log. */
  now(): number {
    const now = this.#logClock.now();
    if (now - this.#seenAt > ABSENCE_MS) this.#absentSince ??= this.#seenAt;
    this.#seenAt = now;
    return now;
  }

  /** What the next entry must say first. */
  absence(): readonly Command[] {
    if (this.#absentSince === null) return [];
    return [{ kind: 'lead', node: this.#name, previousAt: this.#absentSince }];
  }

  /** An entry has said it. */
  said(): void {
    this.#absentSince = null;
  }
}
