/**
 * One segment as an image in memory: walks its groups, checks all of it, and classifies what ends it.
 *
 * Promise: a group is taken whole or not at all; the first byte that is wrong stops the walk and is
 * named. Whether that byte means a crash or damage is decided here too, from the shape alone.
 */

import type { Digest, ReadModules } from './disk.ts';
import type { LogPoint, TermRun } from './entry.ts';
import {
  ALIGNMENT,
  chainFollows,
  chainOfFrame,
  decodeFrame,
  decodeGroupHeader,
  GROUP_HEADER_BYTES,
  type Frame,
  type Tail,
} from './group.ts';
import { isUnwritten, SECTOR_BYTES } from './mask.ts';
import { HEADER_BYTES, type SegmentHeader } from './segment-header.ts';

/** What checking takes; see {@link ReadModules.yieldToEventLoop}. */
export type Scanning = Pick<ReadModules, 'digest' | 'yieldToEventLoop'>;

/** Small entries take some five milliseconds for so many bytes, large ones far less. */
const YIELD_BYTES = 256 * 1024;

/** A place where the walk could not go on. */
export interface Fault {
  readonly offset: number;
  readonly what: string;
  /** Where the faulty group ends by its own account; the end of the file when it gives none. */
  readonly groupEnd: number;
}

export interface SegmentScan {
  /** Where each entry's frame begins, the first one at place 0. */
  readonly frames: number[];
  /** What the intact groups add up to. */
  readonly tail: Tail;
  readonly runs: TermRun[];
  /** Where the last intact group begins; {@link SegmentScan.end} when there is none. */
  readonly lastGroup: number;
  /** Where the intact groups end. */
  readonly end: number;
  readonly fault: Fault | undefined;
}

/** As a {@link Tail}; the chain is undefined where a hole came before and nothing can be compared. */
export type WalkTail = Omit<Tail, 'chain'> & { readonly chain: Uint8Array | undefined };

export interface WalkedGroup {
  readonly frames: readonly { readonly frame: Frame; readonly offset: number }[];
  readonly tail: WalkTail;
  readonly end: number;
}

/** What a segment starts from, by its header. */
export function tailBefore(header: SegmentHeader): Tail {
  return { ...header.previous, hardState: header.hardState, keptFrom: header.keptFrom };
}

/** Checks a whole unmasked image and indexes its entries. */
export async function scanSegment(
  image: Uint8Array,
  header: SegmentHeader,
  { digest, yieldToEventLoop }: Scanning,
): Promise<SegmentScan> {
  const view = viewOf(image);
  const frames: number[] = [];
  const runs: TermRun[] = [];
  let tail: WalkTail = tailBefore(header);
  let { chain } = header.previous;
  let end = HEADER_BYTES;
  let lastGroup = end;
  let breathedAt = end;
  let fault: Fault | undefined;
  while (end < image.length) {
    const group = walkGroup(image, view, { sequence: header.sequence, offset: end }, tail, digest);
    if ('what' in group) {
      fault = group;
      break;
    }
    for (const { frame, offset } of group.frames) {
      if (frame.kind !== 'entry') continue;
      frames.push(offset);
      noteTerm(runs, frame.entry);
    }
    lastGroup = end;
    ({ tail, end } = group);
    chain = tail.chain ?? chain;
    if (end - breathedAt >= YIELD_BYTES) {
      await yieldToEventLoop?.();
      breathedAt = end;
    }
  }
  return { frames, runs, lastGroup, end, fault, tail: { ...tail, chain } };
}

/** Checks one group against everything before it. */
export function walkGroup(
  image: Uint8Array,
  view: DataView,
  place: { readonly sequence: number; readonly offset: number },
  before: WalkTail,
  digest: Digest,
): WalkedGroup | Fault {
  const header = decodeGroupHeader(image, view, place, digest);
  if (typeof header === 'string') {
    return { offset: place.offset, what: header, groupEnd: image.length };
  }
  const end = place.offset + GROUP_HEADER_BYTES + header.bodyBytes;
  const faultAt = (offset: number, what: string): Fault => ({ offset, what, groupEnd: end });
  if (end > image.length) return faultAt(place.offset, 'the file ends inside a group');

  const frames: { frame: Frame; offset: number }[] = [];
  let tail = before;
  let offset = place.offset + GROUP_HEADER_BYTES;
  while (offset < end) {
    const frame = decodeFrame(image, view, offset, end, digest);
    if (typeof frame === 'string') return faultAt(offset, frame);
    const next = follow(tail, frame, image, offset, digest);
    if (typeof next === 'string') return faultAt(offset, next);
    frames.push({ frame, offset });
    tail = next;
    offset = frame.end;
  }
  if (frames.length !== header.frameCount) {
    return faultAt(offset, `the group has ${frames.length} frames, not ${header.frameCount}`);
  }
  return { frames, tail, end };
}

/** The offset of the next valid group header after `offset`: whatever came before it was synced. */
export function findLaterGroup(
  image: Uint8Array,
  place: { readonly sequence: number; readonly offset: number },
  digest: Digest,
): number | undefined {
  const view = viewOf(image);
  const first = (Math.floor(place.offset / ALIGNMENT) + 1) * ALIGNMENT;
  for (let offset = first; offset + GROUP_HEADER_BYTES <= image.length; offset += ALIGNMENT) {
    const header = decodeGroupHeader(image, view, { sequence: place.sequence, offset }, digest);
    if (typeof header !== 'string') return offset;
  }
  return undefined;
}

/**
 * True when the group at `groupAt` looks like a write that a crash cut off: the file ends inside
 * it, or one of its sectors was never written (the rule of etcd's wal).
 */
export function looksTorn(image: Uint8Array, groupAt: number, fault: Fault): boolean {
  const endsEarly = image.length - groupAt < GROUP_HEADER_BYTES || fault.groupEnd > image.length;
  if (endsEarly) return true;
  // Nothing is written behind a group before it is synced.
  if (image.length > fault.groupEnd) return false;
  let from = groupAt;
  while (from < fault.groupEnd) {
    const sectorEnd = (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES;
    const to = Math.min(sectorEnd, fault.groupEnd);
    if (isUnwritten(image, from, to)) return true;
    from = to;
  }
  return false;
}

/** Adds a term to the runs when it is a new one. */
export function noteTerm(
  runs: TermRun[],
  entry: { readonly index: number; readonly term: number },
): void {
  if (runs.at(-1)?.term !== entry.term) runs.push({ from: entry.index, term: entry.term });
}

export function viewOf(image: Uint8Array): DataView {
  return new DataView(image.buffer, image.byteOffset, image.byteLength);
}

/** The tail after one more frame, or why that frame is not valid here. */
function follow(
  tail: WalkTail,
  frame: Frame,
  image: Uint8Array,
  offset: number,
  digest: Digest,
): WalkTail | string {
  switch (frame.kind) {
    case 'hardState':
      return { ...tail, hardState: frame.hardState };
    case 'keptFrom':
      return { ...tail, keptFrom: frame.keptFrom };
    case 'entry': {
      const { index, term, data } = frame.entry;
      const follows = tail.chain === undefined ? index > tail.index : index === tail.index + 1;
      if (!follows) return `entry ${index} is where entry ${tail.index + 1} belongs`;
      if (term < tail.term) return `entry ${index} is of term ${term}, after term ${tail.term}`;
      if (
        tail.chain !== undefined &&
        !chainFollows(image, offset, data.length, tail.chain, digest)
      ) {
        return `entry ${index} does not continue the hash chain`;
      }
      const { hardState, keptFrom } = tail;
      return { index, term, chain: chainOfFrame(image, offset), hardState, keptFrom };
    }
  }
}

/** True when both points name the same history. */
export function samePoint(a: LogPoint, b: LogPoint): boolean {
  return (
    a.index === b.index && a.term === b.term && a.chain.every((byte, i) => byte === b.chain[i])
  );
}
