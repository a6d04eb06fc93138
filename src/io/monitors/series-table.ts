/**
 * The ids of known series by the bytes of their names: what makes a reading of a known series
 * cost no string.
 *
 * Promise: an answer is right (every byte is compared) and memory is bounded; a name that is not
 * in here is only slower. It knows nothing of lines or tags: two spellings of one name may stand
 * here with the same id. Ids are never reused, so nothing is ever taken out.
 */

import type { Cursor } from './decimal.ts';

/** Bytes, and the same bytes as a view that reads four of them at once. */
export interface Bytes {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function bytesOf(bytes: Buffer): Bytes {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

export interface SeriesTableOptions {
  /** Names kept. Two million take about 150 MB, and are twice what a node is built for. */
  readonly namesMax: number;
  /** Bytes of names kept, so that two million names of 4 KiB cannot take 8 GB. */
  readonly bytesMax: number;
}

const DEFAULTS: SeriesTableOptions = { namesMax: 2_000_000, bytesMax: 256 * 1024 * 1024 };

export class SeriesTable {
  readonly #options: SeriesTableOptions;
  /** Records of id, length and name, one behind the other in the order in which they came. */
  #records = bytesOf(Buffer.alloc(32 * 1024));
  #recordsEnd = 0;
  #size = 0;
  /** Open addressing: the hash of a name, and the place of its record plus one; 0 is free. */
  #slots = new Int32Array(2_048);
  #slotMask = 1_023;
  /** The record behind the one found last. Senders keep an order, so it is a good guess. */
  #guess = 0;

  constructor(options: SeriesTableOptions = DEFAULTS) {
    this.#options = options;
  }

  /** Names held. */
  get size(): number {
    return this.#size;
  }

  /**
   * The id of the name at the cursor, or -1; either way the cursor moves to the name's end. A
   * name goes on to the first byte that is a blank or a control character; there must be one.
   */
  find(text: Bytes, cursor: Cursor): number {
    const start = cursor.at;
    if (this.#guess === this.#recordsEnd) this.#guess = 0;
    const guess = this.#guess;
    const length = this.#lengthAt(guess);
    if (
      length > 0 &&
      endsAt(text.bytes, start + length) &&
      this.#isAt(guess, text, start, length)
    ) {
      cursor.at = start + length;
      this.#guess = guess + HEAD + length;
      return this.#records.view.getInt32(guess);
    }
    const hash = readName(text.bytes, cursor);
    return this.#probe(text, start, cursor.at - start, hash);
  }

  /** Remembers a name that {@link find} did not know. Does nothing when the table is full. */
  add(name: Buffer, id: number): void {
    const record = this.#recordsEnd;
    const end = record + HEAD + name.length;
    if (this.#size >= this.#options.namesMax || end > this.#options.bytesMax) return;
    this.#makeRoom(end);
    this.#records.view.setInt32(record, id);
    this.#records.view.setInt32(record + 4, name.length);
    this.#records.bytes.set(name, record + HEAD);
    this.#recordsEnd = end;
    this.#size++;
    this.#occupy(hashOf(name), record + 1);
  }

  /** The length of a record's name; 0 where there is no record. */
  #lengthAt(record: number): number {
    return this.#size === 0 ? 0 : this.#records.view.getInt32(record + 4);
  }

  #isAt(record: number, text: Bytes, start: number, length: number): boolean {
    return sameBytes(this.#records, record + HEAD, text, start, length);
  }

  #probe(text: Bytes, start: number, length: number, hash: number): number {
    const slots = this.#slots;
    let at = firstSlot(hash) & this.#slotMask;
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const record = (slots[2 * at + 1] as number) - 1;
      if (record < 0) return -1;
      if (
        slots[2 * at] === hash &&
        this.#lengthAt(record) === length &&
        this.#isAt(record, text, start, length)
      ) {
        this.#guess = record + HEAD + length;
        return this.#records.view.getInt32(record);
      }
      at = (at + 1) & this.#slotMask;
    }
    return -1;
  }

  /** Puts a record in the first free slot. Crafted names that crowd one place are left out. */
  #occupy(hash: number, recordPlusOne: number): void {
    let at = firstSlot(hash) & this.#slotMask;
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      if (this.#slots[2 * at + 1] === 0) {
        this.#slots[2 * at] = hash;
        this.#slots[2 * at + 1] = recordPlusOne;
        return;
      }
      at = (at + 1) & this.#slotMask;
    }
  }

  /** Doubles what is full: at most half of the slots are taken, which keeps probes short. */
  #makeRoom(end: number): void {
    if (end > this.#records.bytes.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#records.bytes.length));
      grown.set(this.#records.bytes);
      this.#records = bytesOf(grown);
    }
    if (2 * this.#size > this.#slotMask) this.#rehash();
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    this.#slotMask = old.length - 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] !== 0) this.#occupy(old[i] as number, old[i + 1] as number);
    }
  }
}

/** Bytes of a record before its name: the id and the length. */
const HEAD = 8;

/** Slots looked at before giving up. Names made to collide then cost this much and no more. */
const PROBES_MAX = 64;

/** All bytes up to the blank end a name: control characters are no part of one. */
const BLANK = 0x20;

/** 32-bit FNV-1a: one multiplication a byte, while the bytes are looked at anyway. */
const HASH_SEED = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

function endsAt(bytes: Buffer, at: number): boolean {
  return at < bytes.length && (bytes[at] as number) <= BLANK;
}

/** Moves the cursor to the end of the name and gives the name's hash. */
function readName(bytes: Buffer, cursor: Cursor): number {
  let at = cursor.at;
  let hash = HASH_SEED;
  let byte = bytes[at] as number;
  while (byte > BLANK) {
    hash = Math.imul(hash ^ byte, HASH_PRIME);
    byte = bytes[++at] as number;
  }
  cursor.at = at;
  return hash;
}

function hashOf(name: Buffer): number {
  return name.reduce((hash, byte) => Math.imul(hash ^ byte, HASH_PRIME), HASH_SEED);
}

/** FNV mixes its high bits best, so they are folded into the low ones that pick the slot. */
function firstSlot(hash: number): number {
  return hash ^ (hash >>> 15);
}

function sameBytes(a: Bytes, aAt: number, b: Bytes, bAt: number, length: number): boolean {
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    if (a.view.getInt32(aAt + i) !== b.view.getInt32(bAt + i)) return false;
  }
  for (; i < length; i++) {
    if (a.bytes[aAt + i] !== b.bytes[bAt + i]) return false;
  }
  return true;
}
