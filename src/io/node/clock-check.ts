/**
 * A node whose clock is far off must not stamp what the cluster remembers.
 *
 * Promise: it gives leadership up, and stands for none, while its clock differs from those of a
 * majority of the voters by more than the limit; it logs when that begins and when it ends.
 * A node that reaches no majority cannot lead anyway.
 */

import type { Input } from '../../raft/types.ts';
import type { Logger } from '../ports.ts';

export interface ClockCheckModules {
  readonly logger: Logger;
  readonly step: (input: Input) => void;
}

/** Clocks kept by NTP differ by less than a second; `for` and silences are counted in seconds. */
const OFFSET_MS_MAX = 15_000;

export class ClockCheck {
  readonly #modules: ClockCheckModules;
  #isOff = false;

  constructor(modules: ClockCheckModules) {
    this.#modules = modules;
  }

  /** Looks at the clocks of the other voters, minus this one's; null for those without a recent frame. */
  check(voters: number, offsetsMs: readonly (number | null)[]): void {
    const far = offsetsMs.filter((offset) => offset !== null && Math.abs(offset) > OFFSET_MS_MAX);
    const isOff = far.length > voters / 2;
    if (isOff === this.#isOff) return;
    this.#isOff = isOff;
    const { logger, step } = this.#modules;
    if (isOff) {
      logger.error('clock differs from those of most members: this node will not lead', {
        offsetsMs: far.map((offset) => Math.round(offset ?? 0)),
        limitMs: OFFSET_MS_MAX,
      });
      step({ type: 'stalled' });
    } else {
      logger.info('clock agrees with those of the other members again');
      step({ type: 'recovered' });
    }
  }
}
