/**
 * A progress bar on a terminal, and nothing at all where nobody watches.
 *
 * How far the log goes is not known before it is read, so the bar counts segments, and within one
 * the entries.
 */

import type { Writable } from 'node:stream';

export class Progress {
  readonly #stream: Writable;
  readonly #isShown: boolean;
  readonly #segments: readonly number[];
  #segment = 0;
  #drawnAt = -Infinity;
  #isDrawn = false;

  /** `segments`: the first index of each, ascending. */
  constructor(stream: Writable & { readonly isTTY?: boolean }, segments: readonly number[]) {
    this.#stream = stream;
    this.#isShown = stream.isTTY === true;
    this.#segments = segments;
  }

  /** The replay has come to an index. */
  at(index: number): void {
    if (!this.#isShown) return;
    const now = performance.now();
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#isDrawn = true;
    const done = Math.round(this.#share(index) * WIDTH);
    const bar = '#'.repeat(done).padEnd(WIDTH, '.');
    this.#stream.write(`\r[${bar}] entry ${index.toLocaleString('en-US')}`);
  }

  /** Takes the bar away, so that what is printed next stands alone. */
  clear(): void {
    if (this.#isDrawn) this.#stream.write('\r\u001b[K');
    this.#isDrawn = false;
  }

  #share(index: number): number {
    const firsts = this.#segments;
    while (index >= (firsts[this.#segment + 1] ?? Infinity)) this.#segment++;
    const first = firsts[this.#segment] ?? 0;
    const next = firsts[this.#segment + 1];
    const within = next === undefined ? 0 : (index - first) / (next - first);
    return Math.min(1, Math.max(0, (this.#segment + within) / firsts.length));
  }
}

const WIDTH = 30;
/** Ten times a second is smooth enough. */
const REDRAW_MS = 100;
