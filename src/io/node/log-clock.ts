/**
 * The time that entries carry: it goes on by the monotonic clock and follows the wall clock slowly.
 *
 * Promise: it never goes back, and no leap of a wall clock is in it. A change of the wall clock is believed
 * once it has held for half a minute. Log time is then set forward, or slowed down; the leader that sets it must
 * record that in the log, so that nothing is due earlier for it. A node that follows takes the time of
 * its leader, so that the next leader goes on where this one stops.
 *
 * The wall clock is the middle one of all voters with a recent frame: one that is wrong decides nothing. Of
 * two middle ones what was believed before holds, as far as it lies between them.
 */

import type { Clock } from '../ports.ts';

/** What holds for so long is no leap. */
const BELIEF_MS = 30_000;
/** Readings of other clocks are off by the time of travel. */
const TOLERANCE_MS = 500;
/** How log time is brought to the believed wall clock. */
interface Manner {
  /** By how much faster it goes while it is behind, and slower while it is ahead. */
  readonly faster: number;
  readonly slower: number;
  /** By more than this it is set forward. It is never set back. */
  readonly slewedMsMax: number;
}

/** Deadlines move with a step, so it does no harm; a slew makes `for` that much longer or shorter. */
const GENTLY: Manner = { faster: 0.01, slower: 0.01, slewedMsMax: 1_000 };
/**
 * By the first version of the fold deadlines do not move, and times of clients are compared with log time
 * as they are: it must be right soon.
 */
const SOON: Manner = { faster: 1, slower: 0.5, slewedMsMax: 600_000 };

/** One clock, or two of which neither is known to be right. */
export interface Middle {
  readonly low: number;
  readonly high: number;
}

export interface LogClockModules {
  readonly clock: Clock;
  /** How far the middle one of the clocks of all voters is ahead of this one's. */
  readonly middle: () => Middle;
  /** Whether all members can read that log time was set. */
  readonly knowsSteps: () => boolean;
}

export class LogClock implements Clock {
  readonly #modules: LogClockModules;
  /** With fractions, so that many short steps add up. */
  #time: number;
  #readAtMs: number;
  /** No entry that was applied is later. */
  #floor: number;
  /** The believed wall clock, as its difference to the monotonic one. */
  #believed: number;
  /** A difference that has held since then (monotonic milliseconds). */
  #candidate: { readonly difference: number; readonly sinceMs: number } | null = null;
  #leads = false;
  /** Until there is a leader, only the wall clock counts. */
  #isSettled = false;
  #isAccepted = false;

  constructor(modules: LogClockModules, notBefore: number) {
    const { clock } = modules;
    this.#modules = modules;
    this.#readAtMs = clock.monotonicMs();
    this.#believed = clock.now() - this.#readAtMs;
    this.#floor = notBefore;
    this.#time = Math.max(notBefore, clock.now());
  }

  /** Whole epoch milliseconds. */
  now(): number {
    const nowMs = this.monotonicMs();
    const elapsed = nowMs - this.#readAtMs;
    this.#readAtMs = nowMs;
    this.#time += elapsed;
    if (!this.#isSettled) {
      this.#time = Math.max(this.#floor, this.#believed + nowMs);
    } else if (this.#leads) {
      const behind = this.#believed + nowMs - this.#time;
      const { faster, slower } = this.#manner();
      if (behind > 0) this.#time += Math.min(behind, elapsed * faster);
      else this.#time += Math.max(behind, -elapsed * slower);
    }
    return Math.floor(this.#time);
  }

  monotonicMs(): number {
    return this.#modules.clock.monotonicMs();
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#modules.clock.after(delayMs, task);
  }

  /** How far the clock that people and senders go by is ahead of log time, as far as it is believed. */
  offsetMs(): number {
    const now = this.now();
    return Math.round(this.#believed + this.#readAtMs - now);
  }

  /**
   * Looks at the clocks, with every tick. Answers by how much a leader has set log time forward: 0, or
   * more than it could slew.
   */
  tick(leads: boolean): number {
    if (leads) this.settle();
    if (leads || !this.#isSettled) this.#believe();
    else this.#candidate = null;
    this.#leads = leads;
    const behind = this.offsetMs();
    const { slewedMsMax } = this.#isAccepted ? GENTLY : this.#manner();
    const isFar = behind > slewedMsMax;
    this.#isAccepted &&= !leads;
    if (!leads || !isFar) return 0;
    this.#time += behind;
    return behind;
  }

  /** From now on the wall clock must prove itself: called when a node begins to lead. */
  settle(): void {
    if (this.#isSettled) return;
    // The frames of members that have just voted for it may be the first that it has received.
    this.#believed = this.#difference();
    this.now();
    this.#isSettled = true;
  }

  /** An entry of this time was applied: none after it may be older. */
  advanceTo(at: number): void {
    this.#floor = Math.max(this.#floor, at);
    this.now();
    this.#time = Math.max(this.#time, at);
  }

  /**
   * A leader sends the time, and how far the clock that it believes is ahead: it has frames of all
   * voters, a node that follows only of its leader. The frame was under way for a while.
   */
  follow(at: number, offsetMs: number): void {
    const now = this.now();
    this.#isSettled = true;
    if (at > now || now - at > TOLERANCE_MS) this.#time = Math.max(at, this.#floor);
    const believed = at + offsetMs - this.#readAtMs;
    if (Math.abs(believed - this.#believed) > TOLERANCE_MS) this.#believed = believed;
  }

  /** An operator confirms that this wall clock is right. Answers how far it is ahead of log time. */
  accept(): number {
    const { clock } = this.#modules;
    this.#believed = clock.now() - clock.monotonicMs();
    this.#candidate = null;
    this.#isAccepted = true;
    return this.offsetMs();
  }

  #manner(): Manner {
    return this.#modules.knowsSteps() ? GENTLY : SOON;
  }

  #believe(): void {
    const difference = this.#difference();
    const nowMs = this.monotonicMs();
    if (!this.#isSettled) this.#believed = difference;
    if (Math.abs(difference - this.#believed) <= TOLERANCE_MS) {
      this.#candidate = null;
    } else if (
      this.#candidate === null ||
      Math.abs(difference - this.#candidate.difference) > TOLERANCE_MS
    ) {
      this.#candidate = { difference, sinceMs: nowMs };
    } else if (nowMs - this.#candidate.sinceMs >= BELIEF_MS) {
      this.#believed = difference;
      this.#candidate = null;
    }
  }

  #difference(): number {
    const { clock, middle } = this.#modules;
    const own = clock.now() - clock.monotonicMs();
    const { low, high } = middle();
    // A node that has just started knows the log: the sooner after it the likelier. A step can follow.
    const before = this.#isSettled ? this.#believed : this.#floor - clock.monotonicMs();
    return Math.min(Math.max(before, own + low), own + high);
  }
}

/** The middle one of several clocks, in milliseconds ahead of one's own; of an even number two. */
export function middleOf(aheadMs: readonly number[]): Middle {
  const sorted = aheadMs.toSorted((a, b) => a - b);
  return {
    low: sorted[(sorted.length - 1) >> 1] ?? 0,
    high: sorted[sorted.length >> 1] ?? 0,
  };
}
