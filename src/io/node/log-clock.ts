/**
 * The time that entries carry: the wall clock, made to go forward only.
 *
 * Promise: it never goes back and never stands still. When the wall clock steps back, log time goes
 * on at half pace until the wall has caught up: deadlines come late by as long as they would have
 * taken, and not by the whole step.
 */

import type { Clock } from '../ports.ts';

/** The wall has caught up after twice the step; until then timers take twice their time. */
const PACE_WHILE_AHEAD = 0.5;

export class LogClock {
  readonly #clock: Clock;
  /** With fractions, so that many short steps add up. */
  #time: number;
  #readAtMs: number;

  constructor(clock: Clock, notBefore: number) {
    this.#clock = clock;
    this.#time = notBefore;
    this.#readAtMs = clock.monotonicMs();
  }

  /** Whole epoch milliseconds. */
  now(): number {
    const nowMs = this.#clock.monotonicMs();
    const slow = this.#time + (nowMs - this.#readAtMs) * PACE_WHILE_AHEAD;
    this.#time = Math.max(this.#clock.now(), slow);
    this.#readAtMs = nowMs;
    return Math.floor(this.#time);
  }

  /** An entry of this time was applied: none after it may be older. */
  advanceTo(at: number): void {
    this.now();
    this.#time = Math.max(this.#time, at);
  }
}
