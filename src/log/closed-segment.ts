/**
 * Which entries each segment answers for, and reading a closed one with every check.
 *
 * A conflict begins a new segment below the end of the log, so an older segment may hold entries
 * that no longer count. Only the list of segments shows up to which entry each one counts.
 *
 * Promise: a loaded segment holds every entry it answers for, and joins its successor hash by hash.
 */

import type { LogDamage } from './damage.ts';
import type { ReadModules } from './disk.ts';
import type { LogEntry, LogPoint } from './entry.ts';
import { chainOfFrame, entryAt } from './group.ts';
import type { SegmentHeader } from './segment-header.ts';
import { loadImage, nameOf } from './segment-file.ts';
import { samePoint, scanSegment, viewOf, type SegmentScan } from './segment.ts';

/** A segment on disk, by its header. */
export interface SegmentRef {
  readonly header: SegmentHeader;
  readonly packed: boolean;
  /** Size of its file. */
  readonly bytes: number;
}

/** A closed segment in memory. */
export interface LoadedSegment {
  readonly header: SegmentHeader;
  readonly image: Uint8Array;
  readonly scan: SegmentScan;
}

/** For each segment in the order of writing, the last entry that no later segment replaces. */
export function lastIndexes(firstIndexes: readonly number[], lastIndex: number): number[] {
  let last = lastIndex;
  return firstIndexes
    .toReversed()
    .map((firstIndex) => {
      const own = last;
      last = Math.min(last, firstIndex - 1);
      return own;
    })
    .toReversed();
}

/** The place in the list of the segment that answers for an entry, or -1. */
export function findSegment(segments: readonly SegmentRef[], index: number): number {
  return segments.findLastIndex(({ header }) => header.previous.index < index);
}

/**
 * Loads and checks a closed segment that is followed by `later` ones and answers for entries up to
 * `upTo`. Undefined when its file is gone.
 */
export async function loadClosed(
  segment: SegmentRef,
  upTo: number,
  later: readonly SegmentRef[],
  modules: ReadModules,
): Promise<LoadedSegment | LogDamage | undefined> {
  const file = nameOf(segment.header, segment.packed);
  const loaded = await loadImage(file, modules);
  if (loaded === undefined) return undefined;
  const { image } = loaded;
  const scan = await scanSegment(image, segment.header, modules);
  const intactUpTo = Math.min(scan.tail.index, upTo);
  const damage = (offset: number, what: string): LogDamage => {
    return { file, offset, index: intactUpTo + 1, intactUpTo, what };
  };
  const fault = loaded.fault ?? scan.fault;
  if (fault !== undefined) return damage(fault.offset, fault.what);
  if (scan.tail.index < upTo) return damage(scan.end, `entry ${scan.tail.index + 1} is missing`);
  const joint = later.find(({ header }) => header.previous.index === upTo)?.header.previous;
  if (upTo < segment.header.previous.index) return { header: segment.header, image, scan };
  if (joint !== undefined && !samePoint(joint, pointAt({ ...segment, image, scan }, upTo))) {
    return damage(scan.end, `the segment after it does not continue entry ${upTo}`);
  }
  return { header: segment.header, image, scan };
}

/** The point at an entry of a loaded segment, or at the one before its first. */
export function pointAt({ header, image, scan }: LoadedSegment, index: number): LogPoint {
  const offset = scan.frames[index - header.previous.index - 1];
  if (offset === undefined) return header.previous;
  const term = scan.runs.findLast((run) => run.from <= index)?.term ?? header.previous.term;
  return { index, term, chain: chainOfFrame(image, offset) };
}

/** Entries [from, to] of a loaded segment; their data are views into its image. */
export function* entriesOf(
  { header, image, scan }: LoadedSegment,
  from: number,
  to: number,
): Generator<LogEntry> {
  const view = viewOf(image);
  const first = header.previous.index + 1;
  for (let index = from; index <= to; index++) {
    const offset = scan.frames[index - first];
    if (offset === undefined) return;
    yield entryAt(image, view, offset);
  }
}
