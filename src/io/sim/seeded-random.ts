/**
 * The Random port from a seed (mulberry32): the same seed gives the same numbers. For spreading,
 * not for secrets.
 */

import type { Random } from '../ports.ts';

export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    return this.#word() / 2 ** 32;
  }

  uuid(): string {
    const words = Array.from({ length: 4 }, () => this.#word().toString(16).padStart(8, '0'));
    const digits = words.join('');
    // RFC 4122: version 4, and a variant digit of 8, 9, a or b.
    const variant = ((parseInt(digits.charAt(16), 16) & 3) | 8).toString(16);
    return [
      digits.slice(0, 8),
      digits.slice(8, 12),
      `4${digits.slice(13, 16)}`,
      `${variant}${digits.slice(17, 20)}`,
      digits.slice(20),
    ].join('-');
  }

  #word(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
