/**
 * Whether anybody listened all the time, as far as this node knows: a leader that was stopped or
 * suspended did not, nor did a cluster without a leader.
 *
 * Promise: the first entry after such a time says since when nobody listened, before anything else.
 */

import type { Command } from '../../commands/command.ts';
import { GAP_MS } from '../../projections/gaps.ts';
import type { LogClock } from './log-clock.ts';

export class Attendance {
  readonly #name: string;
  readonly #logClock: LogClock;
  /** Log time when this node last led, or last heard from whoever leads. */
  #seenAt: number;
  /** Set when nobody may have listened for a while, until an entry has said so. */
  #absentSince: number | null = null;
  /** Log time when a leader was heard of again after that. */
  #heardAgainAt = 0;

  constructor(name: string, logClock: LogClock, appliedAt: number) {
    this.#name = name;
    this.#logClock = logClock;
    this.#seenAt = appliedAt;
  }

  /** A leader notes that it is there, a tick apart at most; gives the time of the log. */
  leads(): number {
    const now = this.#logClock.now();
    if (now - this.#seenAt > GAP_MS) this.#absentSince ??= this.#seenAt;
    this.#seenAt = now;
    return now;
  }

  /**
   * Another leads, and has just said something. After a silence it may have stood still itself: then it
   * gives leadership up within a tick, and whoever leads next must know. If it goes on, only this node
   * was away.
   */
  follows(): void {
    const now = this.#logClock.now();
    if (now - this.#seenAt > GAP_MS) {
      this.#absentSince ??= this.#seenAt;
      this.#heardAgainAt = now;
    } else if (now - this.#heardAgainAt > GAP_MS) {
      this.#absentSince = null;
    }
    this.#seenAt = now;
  }

  /** What the next entry of a leader must say first. */
  absence(): readonly Command[] {
    return this.#absentSince === null ? [] : [this.#lead(this.#absentSince)];
  }

  /** How a leader begins. An entry that was applied was heard of by somebody who led. */
  begins(appliedAt: number): Command {
    const since = this.#absentSince ?? this.#seenAt;
    this.#absentSince = null;
    this.#seenAt = this.#logClock.now();
    return this.#lead(appliedAt === 0 ? 0 : Math.max(appliedAt, since));
  }

  /** An entry has said it. */
  said(): void {
    this.#absentSince = null;
  }

  #lead(previousAt: number): Command {
    return { kind: 'lead', node: this.#name, previousAt };
  }
}
