/**
 * Carbon's plaintext protocol, out of the bytes of one sender: `name value [time]\n`.
 *
 * Promise: the same bytes give the same readings however they are cut into chunks; memory is one
 * line; a bad line costs itself and no other. A known name never becomes a string: see
 * {@link SeriesTable}. The time of a reading is checked and then left aside, since a reading is
 * judged when it arrives (docs/adr/0002), unless it arrives too late to be judged (docs/adr/0014).
 */

import type { Clock } from '../ports.ts';
import { readDecimal, type Cursor } from './decimal.ts';
import type { DropReason, IngestCounters } from './ingest-counters.ts';
import type { ReadingBatch } from './reading-batch.ts';
import { lateBeforeSeconds, NOW_SECONDS, pointSeconds } from './point-time.ts';
import { normalSeriesName } from './series-name.ts';
import { bytesOf, type Bytes, type SeriesTable } from './series-table.ts';

/** Bytes of a line without its newline: twice the longest name, far above what collectors send. */
export const LINE_BYTES_MAX = 8 * 1024;

export interface CarbonLinesModules {
  readonly table: SeriesTable;
  readonly batch: ReadingBatch;
  readonly ledger: IngestCounters;
  readonly clock: Clock;
}

export interface CarbonLinesOptions {
  /** Readings whose own time is further back than this are late; 0 for no limit. */
  readonly lateAfterMs: number;
}

export class CarbonLines {
  readonly #lateAfterMs: number;
  readonly #clock: Clock;
  readonly #table: SeriesTable;
  readonly #batch: ReadingBatch;
  readonly #ledger: IngestCounters;
  readonly #cursor: Cursor = { at: 0 };
  /** The start of a line whose end has not come yet, with room for the newline. */
  readonly #pending = bytesOf(Buffer.alloc(LINE_BYTES_MAX + 1));
  #pendingLength = 0;
  /** True in the rest of a line that was too long. */
  #skipping = false;
  /** As of the last bytes that came. */
  #lateBefore = -Infinity;

  constructor({ lateAfterMs }: CarbonLinesOptions, modules: CarbonLinesModules) {
    this.#lateAfterMs = lateAfterMs;
    this.#clock = modules.clock;
    this.#table = modules.table;
    this.#batch = modules.batch;
    this.#ledger = modules.ledger;
  }

  /** Reads the next bytes of a stream. */
  read(chunk: Buffer): void {
    this.#lateBefore = lateBeforeSeconds(this.#clock.now(), this.#lateAfterMs);
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
    const seconds = readTime(bytes, cursor);
    const whole = seconds >= 0 && bytes[cursor.at] === NEWLINE;
    const fits = cursor.at - lineAt <= LINE_BYTES_MAX;
    if (!whole || !fits || !Number.isFinite(value)) return this.#refuse(bytes, lineAt, value);
    const isLate = seconds < this.#lateBefore;
    if (isLate) this.#drop('late', bytes, lineAt, cursor.at);
    cursor.at++;
    if (id < 0) this.#takeUnknown(bytes, nameAt, nameEnd, isLate ? null : value);
    else if (!isLate) this.#batch.add(id, value);
  }

  /**
   * The first readings of a series, until the node has given it an id and the table knows it. A late
   * one has no value, and makes the series known all the same: it may be missing.
   */
  #takeUnknown(bytes: Buffer, start: number, end: number, value: number | null): void {
    const spelling = bytes.subarray(start, end);
    const name = normalSeriesName(decoded(spelling));
    if (name === null) {
      if (value !== null) this.#drop('bad-name', bytes, start, end);
      return;
    }
    const id = value === null ? this.#batch.mention(name) : this.#batch.addNamed(name, value);
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
    this.#ledger.drop(reason, CARBON, 1, () => bytes.toString('latin1', start, end));
  }
}

/** What readings from here name as their source. */
export const CARBON = 'carbon';

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
 * Reads the third field, if there is one, and passes over the blanks around it. Gives seconds since
 * 1970, or NaN when what stands there is no time. No time means now, and so do -1 and `N`.
 */
function readTime(bytes: Buffer, cursor: Cursor): number {
  const valueEnd = cursor.at;
  skipBlanks(bytes, cursor);
  if (bytes[cursor.at] === NEWLINE) return NOW_SECONDS;
  if (cursor.at === valueEnd) return NaN;
  if (bytes[cursor.at] === LETTER_N) {
    cursor.at++;
    skipBlanks(bytes, cursor);
    return NOW_SECONDS;
  }
  const seconds = pointSeconds(readDecimal(bytes, cursor));
  skipBlanks(bytes, cursor);
  return seconds;
}

const LETTER_N = 0x4e;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a name, or the empty text, which names nothing, when it is not UTF-8. */
function decoded(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return '';
  }
}
