/**
 * The Clock port of one simulated process.
 *
 * Promise: timers and monotonic time follow the time line of the world; the wall clock is set apart
 * from it and may be stepped, as by a person or by NTP. A killed process runs nothing any more.
 */

import type { Clock } from '../ports.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Timers of Node.js fire at once when they are set further ahead than this. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export interface VirtualClockOptions {
  /** What the wall clock shows when the world begins, in whole epoch milliseconds. */
  readonly epochMs: number;
}

export class VirtualClock implements Clock {
  readonly #time: VirtualTime;
  #epochMs: number;
  #isKilled = false;
  #frozenUntilMs = 0;
  /** What the monotonic clock has lost while the machine was suspended. */
  #suspendedMs = 0;
  #timersFired = 0;
  /** Cancels each task that this process waits for. */
  readonly #waiting = new Set<() => void>();

  constructor({ epochMs }: VirtualClockOptions, { time }: { readonly time: VirtualTime }) {
    this.#epochMs = epochMs;
    this.#time = time;
  }

  /** How many timers have fired: wake-ups of this process. */
  get timersFired(): number {
    return this.#timersFired;
  }

  get isKilled(): boolean {
    return this.#isKilled;
  }

  now(): number {
    return this.#epochMs + Math.floor(this.#time.nowMs);
  }

  monotonicMs(): number {
    return this.#time.nowMs - this.#suspendedMs;
  }

  after(delayMs: number, task: () => void): () => void {
    if (!(delayMs <= DELAY_MS_MAX)) {
      throw new RangeError(`a timer of ${delayMs} ms: a real one would fire at once`);
    }
    // As in Node.js: whole milliseconds, at least one.
    return this.whenAwake(Math.max(1, Math.trunc(delayMs)), () => {
      this.#timersFired++;
      task();
    });
  }

  /**
   * Resolves after `delayMs`, 0 being later in this instant; never, if the process is killed
   * meanwhile. The pace of disks and stores, so that what a dead process had begun stays undone.
   */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.whenAwake(delayMs, resolve));
  }

  /** Sets the wall clock forward, or back with a negative number. */
  stepWall(ms: number): void {
    this.#epochMs += ms;
  }

  /** Sets the wall clock right. */
  setWall(epochMs: number): void {
    this.#epochMs = epochMs - Math.floor(this.#time.nowMs);
  }

  /** The process stands still for so long (SIGSTOP, a stalled host); what falls due waits. */
  freeze(ms: number): void {
    this.#frozenUntilMs = this.#time.nowMs + ms;
  }

  /** The machine is suspended for so long: its monotonic clock stands still, too, and the wall goes on. */
  suspend(ms: number): void {
    this.freeze(ms);
    this.#suspendedMs += ms;
  }

  get isFrozen(): boolean {
    return this.#time.nowMs < this.#frozenUntilMs;
  }

  /** The process is gone: none of its timers will fire. */
  kill(): void {
    this.#isKilled = true;
    for (const cancel of this.#waiting) cancel();
  }

  /** Runs `task` after `delayMs`, or once the process stands still no more; never if it is killed. */
  whenAwake(delayMs: number, task: () => void): () => void {
    if (this.#isKilled) return () => undefined;
    let cancelTask = this.#time.after(delayMs, () => {
      this.#waiting.delete(cancel);
      const frozenMs = this.#frozenUntilMs - this.#time.nowMs;
      if (frozenMs > 0) cancelTask = this.whenAwake(frozenMs, task);
      else task();
    });
    const cancel = (): void => {
      this.#waiting.delete(cancel);
      cancelTask();
    };
    this.#waiting.add(cancel);
    return cancel;
  }
}
