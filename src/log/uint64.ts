/**
 * Integers of 64 bits in little-endian bytes, as far as a number can hold them.
 *
 * Promise: what is read is either exact or undefined; no BigInt is made on the append path.
 */

const WORD = 0x1_0000_0000;

/** Writes a whole number from 0 to 2^53 - 1. */
export function putUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % WORD, true);
  view.setUint32(offset + 4, Math.floor(value / WORD), true);
}

/** Reads one; undefined when it is larger than a number can hold exactly. */
export function getUint64(view: DataView, offset: number): number | undefined {
  const value = view.getUint32(offset + 4, true) * WORD + view.getUint32(offset, true);
  return Number.isSafeInteger(value) ? value : undefined;
}
