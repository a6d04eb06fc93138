/**
 * Numbers and checksums as LevelDB writes them. Every read is checked against the end of the
 * bytes, since the bytes may be damaged.
 */

/**
 * Something is wrong with a file of LevelDB. The message is a sentence with the file, and ends in
 * the place where there is one.
 */
export class LevelDamage extends Error {
  /** `at` is a byte of the file, or null when it is the file as a whole. */
  constructor(file: string, what: string, at: number | null = null) {
    super(`${file} is damaged: ${what}${at === null ? '' : `, at byte ${at}`}`);
  }
}

/** The bytes are not what they should be. Whoever knows the file makes it {@link LevelDamage}. */
export class MalformedBytes extends Error {}

/** Reads one value after the other. Throws {@link MalformedBytes}. */
export class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** A number in groups of seven bits, the lowest first. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= VARINT_FACTOR_MAX; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new MalformedBytes('a number is cut off');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new MalformedBytes('a number has too many bytes');
  }

  /** So many bytes, not copied. */
  take(length: number): Buffer {
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) throw new MalformedBytes('a value is cut off');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** Bytes with their length in front. */
  slice(): Buffer {
    return this.take(this.varint());
  }
}

/** Ten groups of seven bits hold 64 bits. Numbers above 2^53 lose digits; no length is as large. */
const VARINT_FACTOR_MAX = 128 ** 9;

/** LevelDB orders keys by their bytes; as Latin-1, text in JavaScript has that order. */
export function keyText(bytes: Buffer): string {
  return bytes.toString('latin1');
}

/** True when `stored` is LevelDB's masked CRC-32C of `bytes`. */
export function hasChecksum(bytes: Uint8Array, stored: number): boolean {
  const crc = crc32c(bytes);
  // A checksum over bytes that hold checksums would be weak, so LevelDB stores another number.
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  return masked === stored;
}

/** CRC-32C (Castagnoli), which Node's zlib does not have. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  // A plain loop: an iterator would cost ten times as much for each byte.
  for (let i = 0; i < bytes.length; i++) {
    crc = (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0x82f63b78 ^ (crc >>> 1) : crc >>> 1;
  return crc >>> 0;
});
