/**
 * Which configuration holds at which index.
 *
 * Promise: the newest configuration in the log is in force, committed or not (paper, section 6), so
 * truncating the entry that holds it brings the one before back. Kept: those after the last
 * snapshot, and the one it was taken under.
 */

import { EMPTY_CONFIG } from './confchange.ts';
import type { ConfigAt } from './types.ts';

export class ConfigHistory {
  #history: ConfigAt[];

  constructor(history: readonly ConfigAt[]) {
    this.#history = history.length > 0 ? [...history] : [{ index: 0, confState: EMPTY_CONFIG }];
    const rising = this.#history.every((at, i) => at.index > (this.#history[i - 1]?.index ?? -1));
    if (!rising) throw new Error('raft: restored configurations are not in rising order');
  }

  get current(): ConfigAt {
    return this.#last(this.#history);
  }

  /** The configuration in force at `index`; the oldest known if that is before all. */
  at(index: number): ConfigAt {
    return this.#last(this.#history.filter((at, i) => i === 0 || at.index <= index));
  }

  push(config: ConfigAt): void {
    this.#history.push(config);
  }

  truncateFrom(index: number): void {
    this.#history = this.#history.filter((at, i) => i === 0 || at.index < index);
  }

  resetTo(config: ConfigAt): void {
    this.#history = [config];
  }

  /** Forgets what was in force before `index`. */
  trimTo(index: number): void {
    const base = this.at(index);
    this.#history = this.#history.filter((at) => at.index >= base.index);
  }

  #last(history: readonly ConfigAt[]): ConfigAt {
    const last = history.at(-1);
    if (last === undefined) throw new Error('raft: no configuration is known');
    return last;
  }
}
