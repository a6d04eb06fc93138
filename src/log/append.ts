/**
 * A request to append, and the rules that it must meet before anything is written.
 *
 * Promise: what passes here extends the log without a gap, never back in terms, and never cuts off
 * what was committed. A request that does not pass is a bug of the caller and changes nothing.
 */

import {
  APPEND_BYTES_MAX,
  ENTRY_BYTES_MAX,
  type HardState,
  type LogEntry,
  type LogPoint,
} from './entry.ts';
import { entryFrameBytes } from './group.ts';
import { encodeId } from './segment-header.ts';

/** What is to be made durable in one atomic step, in this order. */
export interface Append {
  /** A snapshot replaces the log: it restarts after this point. */
  readonly restartAfter?: LogPoint;
  /** A conflict: every entry from this index on is dropped. */
  readonly truncateFrom?: number;
  /**
   * A new term or vote may be on disk before the rest of the append, and never after it. A vote that
   * was given is not taken back within its term.
   */
  readonly hardState?: HardState;
  /** Without gaps, from the entry after the last one on. */
  readonly entries: readonly LogEntry[];
  /** False: nothing but `hardState.commit` moved, and losing that is safe. It rides along later. */
  readonly sync?: boolean;
}

/** What the log will be when everything accepted so far is written. */
export interface Expected {
  readonly index: number;
  readonly term: number;
  readonly hardState: HardState;
}

/** True when a new segment must begin elsewhere than where the log ends. */
export function cutsLog({ restartAfter, truncateFrom }: Append): boolean {
  return restartAfter !== undefined || truncateFrom !== undefined;
}

/** Bytes that the entries will take in a segment. */
export function appendBytes({ entries }: Append): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryFrameBytes(entry.data.length);
  return bytes;
}

/** What is expected after this append. Throws a RangeError when it makes no sense. */
export function checkAppend(append: Append, before: Expected): Expected {
  let { index, term } = before;
  const { restartAfter, truncateFrom, entries } = append;
  const hardState = append.hardState ?? before.hardState;
  if (restartAfter !== undefined) ({ index, term } = checkRestart(restartAfter, before));
  if (truncateFrom !== undefined) {
    checkTruncation(truncateFrom, index, before.hardState.commit);
    index = truncateFrom - 1;
    // The entry there may still wait to be written; its term is compared when it is.
    term = 0;
  }
  for (const entry of entries) {
    checkEntry(entry, index, term);
    ({ index, term } = entry);
  }
  if (appendBytes(append) > APPEND_BYTES_MAX) {
    throw new RangeError(`an append of more than ${APPEND_BYTES_MAX} bytes: split it`);
  }
  checkHardState(hardState, before.hardState, index);
  if (append.sync === false && (entries.length > 0 || cutsLog(append))) {
    throw new RangeError('only an append without entries may go without a sync');
  }
  return { index, term, hardState };
}

function checkEntry(entry: LogEntry, lastIndex: number, lastTerm: number): void {
  const { index, term, type, data } = entry;
  if (index !== lastIndex + 1) {
    throw new RangeError(`entry ${index} does not follow entry ${lastIndex}`);
  }
  if (!Number.isSafeInteger(term) || term < lastTerm) {
    throw new RangeError(`entry ${index} has term ${term} after term ${lastTerm}`);
  }
  if (!Number.isInteger(type) || type < 0 || type > 255) {
    throw new RangeError(`entry ${index} has type ${type}; it must be from 0 to 255`);
  }
  if (data.length > ENTRY_BYTES_MAX) {
    throw new RangeError(
      `entry ${index} has ${data.length} bytes; at most ${ENTRY_BYTES_MAX} fit in one entry`,
    );
  }
}

function checkHardState(next: HardState, before: HardState, lastIndex: number): void {
  if (next === before) return;
  encodeId(next.vote ?? '');
  if (!Number.isSafeInteger(next.term) || next.term < before.term) {
    throw new RangeError(`the term cannot go from ${before.term} to ${next.term}`);
  }
  if (next.term === before.term && before.vote !== null && next.vote !== before.vote) {
    throw new RangeError(
      `the vote of term ${next.term} went to ${before.vote} and cannot go to ${next.vote ?? 'no candidate'}`,
    );
  }
  if (!Number.isSafeInteger(next.commit) || next.commit < before.commit) {
    throw new RangeError(`the commit index cannot go from ${before.commit} to ${next.commit}`);
  }
  if (next.commit > lastIndex) {
    throw new RangeError(`entry ${next.commit} cannot be committed: the last one is ${lastIndex}`);
  }
}

function checkTruncation(truncateFrom: number, lastIndex: number, commit: number): void {
  if (!Number.isSafeInteger(truncateFrom) || truncateFrom > lastIndex + 1) {
    throw new RangeError(`cannot truncate from ${truncateFrom}: the last entry is ${lastIndex}`);
  }
  if (truncateFrom <= commit) {
    throw new RangeError(`cannot truncate from ${truncateFrom}: ${commit} is committed`);
  }
}

function checkRestart(point: LogPoint, before: Expected): LogPoint {
  if (!Number.isSafeInteger(point.index) || point.index < before.hardState.commit) {
    throw new RangeError(
      `the log cannot restart after ${point.index}: ${before.hardState.commit} is committed`,
    );
  }
  if (!Number.isSafeInteger(point.term) || point.chain.length !== 32) {
    throw new RangeError(`the log cannot restart after ${point.index}: no such point`);
  }
  return point;
}
