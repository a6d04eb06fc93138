/**
 * What a replay cannot know: stretches of the log behind which the state is not given by what is there.
 *
 * Promise: pure. A stretch is as long as it may be, so whatever lies outside of it is known.
 */

import type { Point, Range } from './point.ts';

/** Why the state is not known. */
export type UnknownCause =
  /** The log begins later: it was cut by its retention, or its node joined later. */
  | 'before the log'
  /** Entries in the midst of the log, or at its end, are not there or cannot be read. */
  | 'entries missing'
  /** An intact entry is of a kind that this build does not know. */
  | 'entry unreadable'
  /** The range begins where the log has ended. */
  | 'after the log';

/** Entries whose effects are not known, both ends included. */
export interface Unknown {
  readonly cause: UnknownCause;
  readonly from: number;
  /** What is later than this may belong to it; 0 where not even that is known. */
  readonly fromAt: number;
  /** The entry behind which a snapshot gives the state; null when none does. */
  readonly to: number | null;
  /** The time of that entry; 0 when there is none. */
  readonly toAt: number;
  /** The entries that are not there; both 0 when all are, `missingTo` null where nobody knows. */
  readonly missingFrom: number;
  readonly missingTo: number | null;
}

/** Whether a range holds anything that is not known. */
export function touches({ from, to }: Range, unknown: Unknown): boolean {
  return !beginsBehind(from, unknown) && !endsBefore(to, unknown);
}

/** An entry of the same millisecond as the last unknown one may be that one. */
function beginsBehind(from: Point | null, unknown: Unknown): boolean {
  if (from === null || unknown.to === null) return false;
  return from.kind === 'index' ? from.index > unknown.to : from.at > unknown.toAt;
}

function endsBefore(to: Point | null, unknown: Unknown): boolean {
  if (to === null) return false;
  return to.kind === 'index' ? to.index < unknown.from : to.at < unknown.fromAt;
}
