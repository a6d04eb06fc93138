/** What must be undone at the end, in the opposite order of how it came about. */

import type { Logger } from '../ports.ts';

interface Cleanup {
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

export class Cleanups {
  readonly #logger: Logger;
  readonly #cleanups: Cleanup[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(name: string, run: () => Promise<void> | void): void {
    this.#cleanups.push({ name, run });
  }

  /** Runs all, newest first; one that fails is logged and keeps none of the others from running. */
  async run(): Promise<void> {
    for (const { name, run } of this.#cleanups.splice(0).toReversed()) {
      try {
        await run();
      } catch (error) {
        this.#logger.error('stop failed', { part: name, error: String(error) });
      }
    }
  }
}
