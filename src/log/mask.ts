/**
 * The mask over the groups of a segment file, which distinguishes "never written" from "written as zeros".
 *
 * After a power loss a sector that was never written reads as 512 zeros. Columns of readings hold
 * long runs of zeros too, so without a mask one flipped bit beside such a run would look like a torn
 * write, and recovery would cut off an entry that was acknowledged. With it no written sector is
 * zero, nor one bit away from it, unless it is made on purpose.
 *
 * Promise: applying it twice gives the bytes back. It hides nothing and protects nothing else.
 */

/** What a disk writes whole or not at all. */
export const SECTOR_BYTES = 512;

const MASK = xorshift32(0x746f6373, SECTOR_BYTES);
const MASK_WORDS = new Uint32Array(MASK.buffer);
/** They are a power of two, so that a place is found without a division. */
const LAST_WORD = MASK_WORDS.length - 1;

/** Masks or unmasks `bytes` in place; they begin at `fileOffset`, a multiple of 4. */
export function applyMask(bytes: Uint8Array, fileOffset: number): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes.length - (bytes.length % 4) : 0;
  const words = new Uint32Array(bytes.buffer, aligned === 0 ? 0 : bytes.byteOffset, aligned / 4);
  const first = (fileOffset % SECTOR_BYTES) / 4;
  // Every byte of the log comes by here, so nothing in the loop may cost more than a load.
  for (let i = 0; i < words.length; i++) {
    words[i] = (words[i] as number) ^ (MASK_WORDS[(first + i) & LAST_WORD] as number);
  }
  for (let i = aligned; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ maskAt(fileOffset + i);
}

/** True when unmasked bytes [from, to) of a file are stored as zeros only. */
export function isUnwritten(unmasked: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (unmasked[at] !== maskAt(at)) return false;
  return true;
}

function maskAt(fileOffset: number): number {
  return MASK[fileOffset % SECTOR_BYTES] ?? 0;
}

/** Marsaglia's 32-bit xorshift, its words laid out little-endian. */
function xorshift32(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(length));
  let word = seed;
  for (let offset = 0; offset < length; offset += 4) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    view.setUint32(offset, word, true);
  }
  return new Uint8Array(view.buffer);
}
