/**
 * Carbon's plaintext protocol, out of the bytes of one sender: `name value [time]\n`.
 *
 * Promise: the same bytes give the same readings however they are cut into chunks; memory is one
 * line; a bad line costs itself and no other. A known name never becomes a string: see
 * {@link SeriesTable}. The time of a reading is checked and then left aside, since a reading is
 * judged when it arrives (docs/adr/0002).
 */

import { readDecimal, type Cursor } from './decimal.ts';
import type { DropReason, IntakeLedger } from './intake-ledger.ts';
import type { ReadingBatch } from './reading-batch.ts';
import { normalSeriesName } from './series-name.ts';
import { bytesOf, type Bytes, type SeriesTable } from './series-table.ts';

/** Bytes of a line without its newline: twice the longest name, far above what collectors send. */
export const LINE_BYTES_MAX = 8 * 1024;

export interface CarbonLinesModules {
  readonly table: SeriesTable;
  readonly batch: ReadingBatch;
  readonly ledger: IntakeLedger;
}

export class CarbonLines {
  readonly #table: SeriesTable;
  readonly #batch: ReadingBatch;
  readonly #ledger: IntakeLedger;
  readonly #cursor: Cursor = { at: 0 };
  /** The start of a line whose end has not come yet, with room for the newline. */
  readonly #pending = bytesOf(Buffer.alloc(LINE_BYTES_MAX + 1));
  #pendingLength = 0;
  /** True in the rest of a line that was too long. */
  #skipping = false;

  constructor(modules: CarbonLinesModules) {
    this.#table = modules.table;
    this.#batch = modules.batch;
    this.#ledger = modules.ledger;
  }

  /** Reads the next bytes of a stream. */
  read(chunk: Buffer): void {
    const first = this.#pendingLength > 0 || this.#skipping ? this.#finishLine(chunk) : 0;
    const afterLast = chunk.lastIndexOf(NEWLINE) + 1;
    if (first < afterLast) this.#readLines(bytesOf(chunk), first, afterLast);
    this.#keep(chunk.subarray(Math.max(first, afterLast)));
  }

  /** Reads a datagram: it is whole, so its last line needs no newline. */
  readDatagram(datagram: Buffer): void {
    this.read(datagram);
    this.read(LINE_END);
  }

  /** The stream is over. A line without an end may be half a number: it is not a reading. */
  end(): void {
    if (this.#pendingLength > 0) this.#drop('cut-off', this.#pending.bytes, 0, this.#pendingLength);
    this.#pendingLength = 0;
  }

  /** Completes the pending line from a chunk; gives the place after it. */
  #finishLine(chunk: Buffer): number {
    const newline = chunk.indexOf(NEWLINE);
    if (newline < 0) return 0;
    this.#keep(chunk.subarray(0, newline));
    if (!this.#skipping) {
      this.#pending.bytes[this.#pendingLength] = NEWLINE;
      this.#readLines(this.#pending, 0, this.#pendingLength + 1);
    }
    this.#pendingLength = 0;
    this.#skipping = false;
    return newline + 1;
  }

  #keep(part: Buffer): void {
    if (this.#skipping) return;
    if (this.#pendingLength + part.length > LINE_BYTES_MAX) {
      this.#pending.bytes.set(
        part.subarray(0, LINE_BYTES_MAX - this.#pendingLength),
        this.#pendingLength,
      );
      this.#drop('too-long', this.#pending.bytes, 0, LINE_BYTES_MAX);
      this.#pendingLength = 0;
      this.#skipping = true;
      return;
    }
    this.#pending.bytes.set(part, this.#pendingLength);
    this.#pendingLength += part.length;
  }

  /** Reads whole lines; the byte before `end` is a newline, which every loop below stops at. */
  #readLines(text: Bytes, start: number, end: number): void {
    this.#cursor.at = start;
    while (this.#cursor.at < end) this.#readLine(text);
  }

  #readLine(text: Bytes): void {
    const { bytes } = text;
    const cursor = this.#cursor;
    const lineAt = cursor.at;
    skipBlanks(bytes, cursor);
    const nameAt = cursor.at;
    const id = this.#table.find(text, cursor);
    const nameEnd = cursor.at;
    skipBlanks(bytes, cursor);
    const value = readDecimal(bytes, cursor);
    const whole = skipTime(bytes, cursor) && bytes[cursor.at] === NEWLINE;
    const fits = cursor.at - lineAt <= LINE_BYTES_MAX;
    if (!whole || !fits || !Number.isFinite(value)) return this.#refuse(bytes, lineAt, value);
    cursor.at++;
    if (id >= 0) this.#batch.add(id, value);
    else this.#addUnknown(bytes, nameAt, nameEnd, value);
  }

  /** The first readings of a series, until the node has given it an id and the table knows it. */
  #addUnknown(bytes: Buffer, start: number, end: number, value: number): void {
    const spelling = bytes.subarray(start, end);
    const name = normalSeriesName(decoded(spelling));
    if (name === null) return this.#drop('bad-name', bytes, start, end);
    const id = this.#batch.addNamed(name, value);
    if (id >= 0) this.#table.add(spelling, id);
  }

  /** Passes over a line that is no reading, and says why unless it is empty. */
  #refuse(bytes: Buffer, lineAt: number, value: number): void {
    const newline = bytes.indexOf(NEWLINE, lineAt);
    this.#cursor.at = newline + 1;
    if (newline - lineAt > LINE_BYTES_MAX) return this.#drop('too-long', bytes, lineAt, newline);
    const line = bytes.toString('latin1', lineAt, newline);
    if (line.trim() === '') return;
    const hasNoSize = NOT_FINITE.test(line) || Math.abs(value) === Infinity;
    this.#drop(hasNoSize ? 'not-a-number' : 'bad-line', bytes, lineAt, newline);
  }

  #drop(reason: DropReason, bytes: Buffer, start: number, end: number): void {
    this.#ledger.receive(1);
    // Latin-1 shows every byte: what is not ASCII looks odd, but nothing is lost or guessed.
    this.#ledger.drop(reason, 1, () => bytes.toString('latin1', start, end));
  }
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const LINE_END = Buffer.of(NEWLINE);

/** A line whose value is one of the words for what has no size. */
const NOT_FINITE = /^\s*\S+\s+[+-]?(?:nan|inf|infinity)(?:\s+\S+)?\s*$/i;

/** Tab, vertical tab, form feed, carriage return and space. */
function isBlank(byte: number): boolean {
  return byte === SPACE || (byte > NEWLINE && byte <= 0x0d) || byte === 0x09;
}

function skipBlanks(bytes: Buffer, cursor: Cursor): void {
  while (isBlank(bytes[cursor.at] as number)) cursor.at++;
}

/**
 * Skips the third field, if there is one, and the blanks around it. False when what stands there
 * is no time: a number of seconds since 1970, with or without a fraction, or -1 for "now".
 */
function skipTime(bytes: Buffer, cursor: Cursor): boolean {
  const valueEnd = cursor.at;
  skipBlanks(bytes, cursor);
  if (bytes[cursor.at] === NEWLINE) return true;
  if (cursor.at === valueEnd) return false;
  const time = readDecimal(bytes, cursor);
  skipBlanks(bytes, cursor);
  return (time >= 0 && time <= TIME_SECONDS_MAX) || time === -1;
}

/** The end of what the log can hold as a time, in seconds: the year 10889. */
const TIME_SECONDS_MAX = 281_474_976_710;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a name, or the empty text, which names nothing, when it is not UTF-8. */
function decoded(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return '';
  }
}
