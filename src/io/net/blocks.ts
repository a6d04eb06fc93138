/**
 * Blocks: the pieces in which bytes travel between members. A header of 16 bytes (a tag of 8, the
 * length and the CRC-32 of what follows, both unsigned and with the high byte first), then that.
 * With a secret, frames have a message authentication code in the place of tag and checksum.
 *
 * Promise: a block is given out whole and unharmed, or not at all, however the bytes were cut on
 * their way; a length is judged before anything is allocated for it. Knows no meaning of a block.
 */

import { crc32 } from 'node:zlib';

const AT = { size: 8, crc: 12 };
export const TAG_BYTES = 8;
export const HEADER_BYTES = 16;

/** Makes headers for the frames of one connection, in the order in which they leave. */
export interface Sealer {
  headerOf(payload: Uint8Array): Uint8Array;
}

/** Judges the frames of one connection, in the order in which they arrive. */
export interface Opener {
  accepts(tag: Uint8Array): boolean;
  /** Whether the payload is the one for which the header was made. */
  isWhole(header: Uint8Array, payload: Uint8Array): boolean;
}

/** How both directions of a connection are guarded. */
export interface Seals {
  readonly sealer: Sealer;
  readonly opener: Opener;
}

/** Guards against accidents alone: all frames have one tag, and a checksum each. */
export function plainSeals(tag: Uint8Array): Seals {
  return {
    sealer: { headerOf: (payload) => headerOf(tag, payload) },
    opener: { accepts: (other) => Buffer.compare(tag, other) === 0, isWhole: hasChecksum },
  };
}

export function hasChecksum(header: Uint8Array, payload: Uint8Array): boolean {
  return crc32(payload) === Buffer.from(header.buffer, header.byteOffset).readUInt32BE(AT.crc);
}

/** What goes in front of `payload`. */
export function headerOf(tag: Uint8Array, payload: Uint8Array): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.set(tag);
  header.writeUInt32BE(payload.length, AT.size);
  header.writeUInt32BE(crc32(payload), AT.crc);
  return header;
}

/** A block in one piece, for payloads that are small. */
export function blockOf(tag: Uint8Array, payload: Uint8Array): Uint8Array {
  return Buffer.concat([headerOf(tag, payload), payload]);
}

/** Which blocks may come next, and who takes them. */
export interface Expected extends Opener {
  readonly sizeBytesMax: number;
  /** `payload` belongs to the taker. */
  take(payload: Uint8Array): void;
}

export type BlockProblem =
  | { readonly kind: 'tag'; readonly tag: Uint8Array }
  | { readonly kind: 'size'; readonly sizeBytes: number; readonly sizeBytesMax: number }
  | { readonly kind: 'checksum' };

/** Puts blocks together. After a problem it reads nothing more: nobody knows where a block begins. */
export class BlockReader {
  #expected: Expected;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #payload: Uint8Array | null = null;
  #payloadBytes = 0;
  #stopped = false;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  /** Also between two blocks of the same chunk. */
  expect(expected: Expected): void {
    this.#expected = expected;
  }

  /** Ignores whatever still comes. */
  stop(): void {
    this.#stopped = true;
    this.#payload = null;
  }

  /** Takes what arrived; hands out each block that it completes. */
  read(chunk: Uint8Array): BlockProblem | null {
    let rest = chunk;
    while (rest.length > 0 && !this.#stopped) {
      rest =
        this.#payload === null ? this.#fillHeader(rest) : this.#fillPayload(rest, this.#payload);
      const problem = this.#advance();
      if (problem !== null) {
        this.stop();
        return problem;
      }
    }
    return null;
  }

  #fillHeader(bytes: Uint8Array): Uint8Array {
    const part = bytes.subarray(0, HEADER_BYTES - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    return bytes.subarray(part.length);
  }

  #fillPayload(bytes: Uint8Array, payload: Uint8Array): Uint8Array {
    const part = bytes.subarray(0, payload.length - this.#payloadBytes);
    payload.set(part, this.#payloadBytes);
    this.#payloadBytes += part.length;
    return bytes.subarray(part.length);
  }

  /** Goes on where a header or a payload is complete; an empty payload is so at once. */
  #advance(): BlockProblem | null {
    if (this.#payload === null && this.#headerBytes === HEADER_BYTES) {
      const problem = this.#headerProblem();
      if (problem !== null) return problem;
      this.#payload = new Uint8Array(this.#header.readUInt32BE(AT.size));
      this.#payloadBytes = 0;
    }
    if (this.#payload === null || this.#payloadBytes < this.#payload.length) return null;
    return this.#finish(this.#payload);
  }

  #headerProblem(): BlockProblem | null {
    const tag = this.#header.subarray(0, TAG_BYTES);
    if (!this.#expected.accepts(tag)) return { kind: 'tag', tag: Uint8Array.from(tag) };
    const sizeBytes = this.#header.readUInt32BE(AT.size);
    const { sizeBytesMax } = this.#expected;
    return sizeBytes > sizeBytesMax ? { kind: 'size', sizeBytes, sizeBytesMax } : null;
  }

  #finish(payload: Uint8Array): BlockProblem | null {
    if (!this.#expected.isWhole(this.#header, payload)) return { kind: 'checksum' };
    this.#payload = null;
    this.#headerBytes = 0;
    this.#expected.take(payload);
    return null;
  }
}
