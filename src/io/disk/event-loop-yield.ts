/** Long work cut into slices, so that a node that takes a snapshot still answers in time. */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

/** What a slice needs of the world; injected so that a test can stop work at any point. */
export interface Pace {
  /** Milliseconds from an arbitrary start. Never goes back. */
  monotonicMs(): number;
  /** Lets other work run. */
  pause(): Promise<void>;
}

export const realPace: Pace = {
  monotonicMs: () => performance.now(),
  pause: () => setImmediate(),
};

/** A tenth of the shortest heartbeat interval: nobody notices a pause of this length. */
const SLICE_MS_MAX = 5;

export class EventLoopYield {
  readonly #pace: Pace;
  #began: number;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.#began = pace.monotonicMs();
  }

  /** True when the caller has worked long enough; asked often, because awaiting costs more. */
  isOver(): boolean {
    return this.#pace.monotonicMs() - this.#began >= SLICE_MS_MAX;
  }

  async pause(): Promise<void> {
    await this.#pace.pause();
    this.#began = this.#pace.monotonicMs();
  }
}
