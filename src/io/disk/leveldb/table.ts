/**
 * One table of LevelDB (doc/table_format.md), read block by block.
 *
 * Promise: a block is believed only when its checksum is right; all else throws
 * {@link LevelDamage} with the place.
 */

import type { FileHandle } from 'node:fs/promises';
import { Cursor, MalformedBytes, hasChecksum, keyText, LevelDamage } from './bytes.ts';
import { unpackSnappy } from './snappy.ts';
import { TRAILER_BYTES } from './version.ts';

/** A key at one moment; the higher sequence is the newer. */
export interface Entry {
  readonly key: string;
  readonly sequence: number;
  /** Null when the key was deleted. */
  readonly value: Buffer | null;
}

/** Keys from `gt` to `lt`, both left out. */
export interface KeyRange {
  readonly gt: string;
  readonly lt: string;
}

export class Table {
  /** Name of the file. */
  readonly file: string;
  readonly #handle: FileHandle;
  readonly #size: number;
  #index: Promise<readonly BlockHandle[]> | null = null;

  constructor(file: string, handle: FileHandle, size: number) {
    this.file = file;
    this.#handle = handle;
    this.#size = size;
  }

  /** What the table says last about a key, or null when it says nothing. */
  async get(key: string): Promise<Entry | null> {
    const blocks = await this.#blocks();
    let [low, high] = [0, blocks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((blocks[middle] as BlockHandle).last < key) low = middle + 1;
      else high = middle;
    }
    const block = blocks[low];
    if (block === undefined) return null;
    return (await this.#entries(block)).find((entry) => entry.key === key) ?? null;
  }

  /** All that the table says about keys in a range; damaged blocks are given in their place. */
  async *scan({ gt, lt }: KeyRange): AsyncGenerator<Entry | LevelDamage> {
    let isBehind = false;
    for (const block of await this.#blocks()) {
      if (block.last <= gt) continue;
      if (isBehind) return;
      isBehind = block.last >= lt;
      try {
        yield* (await this.#entries(block)).filter(({ key }) => key > gt && key < lt);
      } catch (error) {
        if (!(error instanceof LevelDamage)) throw error;
        yield error;
      }
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The index is read once; whether it could be read is remembered, too. */
  #blocks(): Promise<readonly BlockHandle[]> {
    return (this.#index ??= this.#readIndex());
  }

  async #readIndex(): Promise<readonly BlockHandle[]> {
    if (this.#size < FOOTER_BYTES) throw new LevelDamage(this.file, 'it has no footer');
    const at = this.#size - FOOTER_BYTES;
    const footer = await this.#read(at, FOOTER_BYTES);
    if (footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) {
      throw new LevelDamage(this.file, 'it has no footer', at);
    }
    const index = this.#parsed(at, () => {
      const cursor = new Cursor(footer);
      cursor.varint();
      cursor.varint();
      return { at: cursor.varint(), size: cursor.varint() };
    });
    const block = await this.#block(index.at, index.size);
    return this.#parsed(index.at, () =>
      entriesIn(block).map(({ internal, value }) => {
        const cursor = new Cursor(value);
        const last = keyText(internal.subarray(0, -TRAILER_BYTES));
        return { last, at: cursor.varint(), size: cursor.varint() };
      }),
    );
  }

  async #entries({ at, size }: BlockHandle): Promise<readonly Entry[]> {
    const block = await this.#block(at, size);
    return this.#parsed(at, () => entriesIn(block).map(entryOf));
  }

  /** A block unpacked, after its checksum was compared. */
  async #block(at: number, size: number): Promise<Buffer> {
    if (size > BLOCK_BYTES_MAX || at + size + BLOCK_TRAILER_BYTES > this.#size) {
      throw new LevelDamage(this.file, 'a block lies outside the file', at);
    }
    const bytes = await this.#read(at, size + BLOCK_TRAILER_BYTES);
    if (!hasChecksum(bytes.subarray(0, size + 1), bytes.readUInt32LE(size + 1))) {
      throw new LevelDamage(this.file, 'a block has another checksum', at);
    }
    const packed = bytes.subarray(0, size);
    const type = bytes[size];
    if (type === 0) return packed;
    if (type !== 1) throw new LevelDamage(this.file, `a block is packed in way ${type}`, at);
    return this.#parsed(at, () => unpackSnappy(packed, BLOCK_BYTES_MAX));
  }

  async #read(at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle
        .read(bytes, done, length - done, at + done)
        .catch((error: Error) => {
          throw new LevelDamage(this.file, error.message, at);
        });
      if (bytesRead === 0) throw new LevelDamage(this.file, 'it is cut off', at);
      done += bytesRead;
    }
    return bytes;
  }

  #parsed<T>(at: number, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (error instanceof MalformedBytes) throw new LevelDamage(this.file, error.message, at);
      throw error;
    }
  }
}

interface BlockHandle {
  /** No key in the block is above this one, and none in the next is below it. */
  readonly last: string;
  readonly at: number;
  readonly size: number;
}

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;

/** A type and a checksum stand behind each block. */
const BLOCK_TRAILER_BYTES = 5;

/** A block holds at least one value; none of ours is near this size. */
const BLOCK_BYTES_MAX = 256 * 1024 * 1024;

interface BlockEntry {
  readonly internal: Buffer;
  readonly value: Buffer;
}

/** Entries share the beginning of their keys with the one before; restarts are not needed here. */
function entriesIn(block: Buffer): BlockEntry[] {
  if (block.length < 4) throw new MalformedBytes('a block is too short');
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  if (end < 0) throw new MalformedBytes('a block is too short');
  const cursor = new Cursor(block.subarray(0, end));
  const entries: BlockEntry[] = [];
  let before: Buffer = Buffer.alloc(0);
  while (!cursor.isAtEnd) {
    const [shared, own, length] = [cursor.varint(), cursor.varint(), cursor.varint()];
    if (shared > before.length) throw new MalformedBytes('a key has no beginning');
    const internal = Buffer.concat([before.subarray(0, shared), cursor.take(own)]);
    if (internal.length < TRAILER_BYTES) throw new MalformedBytes('a key is too short');
    entries.push({ internal, value: cursor.take(length) });
    before = internal;
  }
  return entries;
}

function entryOf({ internal, value }: BlockEntry): Entry {
  const at = internal.length - TRAILER_BYTES;
  // The lowest of the eight bytes is the type: 1 a value, 0 a deletion.
  const sequence = internal.readUIntLE(at + 1, 6) + (internal[at + 7] as number) * 2 ** 48;
  const isDeleted = internal[at] === 0;
  return { key: keyText(internal.subarray(0, at)), sequence, value: isDeleted ? null : value };
}
