/**
 * Log lines that may come in floods, because somebody else decides how often.
 *
 * Promise: of lines with the same key one is written in a minute, and the next one says how many
 * were left out; keys of strangers cannot fill the memory.
 */

import type { Clock, LogFields, Logger } from '../ports.ts';

const EVERY_MS = 60_000;
const KEYS_MAX = 256;
/** Stands for every key that finds no room. */
const OTHERS = '';

interface Written {
  readonly atMs: number;
  leftOut: number;
}

export class QuietLines {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #written = new Map<string, Written>();

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  warn(key: string, message: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs();
    const slot = this.#slot(`${message} ${key}`, nowMs);
    const before = this.#written.get(slot);
    if (before !== undefined && nowMs - before.atMs < EVERY_MS) {
      before.leftOut++;
      return;
    }
    this.#written.set(slot, { atMs: nowMs, leftOut: 0 });
    const leftOut = before?.leftOut ?? 0;
    this.#logger.warn(message, leftOut === 0 ? fields : { ...fields, leftOut });
  }

  #slot(key: string, nowMs: number): string {
    if (this.#written.has(key) || this.#written.size < KEYS_MAX) return key;
    for (const [old, { atMs }] of this.#written) {
      if (nowMs - atMs >= EVERY_MS) this.#written.delete(old);
    }
    return this.#written.size < KEYS_MAX ? key : OTHERS;
  }
}
