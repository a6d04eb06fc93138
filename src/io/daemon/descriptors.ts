/**
 * How many file descriptors this process may still open.
 *
 * Promise: looked at every few seconds and never twice at once; a look that fails for want of a
 * descriptor is the answer 0. Where the system has no /proc the number is not known.
 */

import { readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../ports.ts';

const LOOK_EVERY_MS = 2_000;

export class Descriptors {
  readonly #clock: Clock;
  #free: number | null = null;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  /** Looks until it is stopped. */
  constructor(clock: Clock) {
    this.#clock = clock;
    void this.#look();
  }

  /** Null where it is not known. */
  free(): number | null {
    return this.#free;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #look(): Promise<void> {
    try {
      // Others may change the limit of a running process.
      const limit = limitIn(await readFile('/proc/self/limits', 'utf8'));
      const open = (await readdir('/proc/self/fd')).length;
      this.#free = limit === null ? null : Math.max(0, limit - open);
    } catch (error) {
      this.#free = isExhausted(error) ? 0 : null;
    }
    if (this.#isStopped) return;
    this.#cancel = this.#clock.after(LOOK_EVERY_MS, () => void this.#look());
  }
}

/** The soft limit, which the system enforces; null when there is none. */
function limitIn(limits: string): number | null {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? null : Number(soft);
}

function isExhausted(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}
