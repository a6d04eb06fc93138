/**
 * Reads a log without owning it: for tools, on a store that a daemon may be writing to.
 *
 * Segments are only ever appended to, and every group has its own checksum, so reading them while they grow is safe:
 * what is not complete yet is the tail, and reading stops there. Damage is reported with its place,
 * and reading goes on behind it with what can be decoded.
 *
 * Promise: never writes, never takes a lock, and never gives an entry whose checksums do not match.
 * It does not decide whether the log may be used: `openLog` does.
 */

import { lastIndexes } from './closed-segment.ts';
import type { LogDamage } from './damage.ts';
import type { Digest, ReadModules } from './disk.ts';
import { readMark, type DurablePlace } from './durable-mark.ts';
import { FRESH_HARD_STATE, type LogEntry } from './entry.ts';
import { chainOfFrame } from './group.ts';
import type { Unpacked } from './packed.ts';
import { loadImage, segmentFileName, sortSegments, type SegmentName } from './segment-file.ts';
import { decodeHeader, HEADER_BYTES } from './segment-header.ts';
import { findLaterGroup, tailBefore, viewOf, walkGroup, type WalkTail } from './segment.ts';

export interface LogRange {
  /** The first entry wanted; default: the first there is. */
  readonly from?: number;
  /** The last entry wanted; default: the last there is. */
  readonly to?: number;
}

export type LogItem =
  | { readonly kind: 'entry'; readonly entry: LogEntry; readonly chain: Uint8Array }
  /** A place that no crash explains. Entries may be missing from here to the next one given. */
  | { readonly kind: 'damage'; readonly damage: LogDamage }
  /** Bytes at the end that are no complete group: being written just now, or cut off by a crash. */
  | {
      readonly kind: 'tail';
      readonly file: string;
      readonly offset: number;
      readonly bytes: number;
    };

/** The entries of a range in order, and the damage between them. `data` and `chain` are views. */
export async function* readLog(
  range: LogRange,
  modules: ReadModules,
): AsyncGenerator<LogItem, void, undefined> {
  const { from = 1, to = Number.MAX_SAFE_INTEGER } = range;
  // The mark is read before the segments: then it cannot be ahead of what is read from them.
  const mark = await readMark(modules);
  const { names } = sortSegments(await modules.disk.list());
  const firsts = names.map(({ firstIndex }) => firstIndex);
  const lasts = lastIndexes(firsts, Number.MAX_SAFE_INTEGER);
  for (const [i, name] of names.entries()) {
    const lastIndex = lasts[i] ?? 0;
    if ((names[i - 1]?.sequence ?? name.sequence - 1) !== name.sequence - 1) {
      yield damaged(name, 0, 'the segment before it is missing', name.firstIndex - 1);
    }
    if (lastIndex < Math.max(from, name.firstIndex) || name.firstIndex > to) continue;
    const loaded = await loadEitherForm(name, modules);
    // A segment that vanished was pruned meanwhile, and so were all before it.
    if (loaded === undefined) continue;
    const required = requiredOf(name, i === names.length - 1, lastIndex, mark);
    for (const item of walk(name, loaded, required, modules.digest)) {
      if (item.kind !== 'entry') yield item;
      else if (item.entry.index > Math.min(to, lastIndex)) break;
      else if (item.entry.index >= from) yield item;
    }
  }
}

/** What a segment must hold, or else something was lost. */
interface Required {
  readonly lastIndex: number;
  /** Everything before this byte was synced, so nothing there is a torn write. */
  readonly bytes: number;
}

function requiredOf(
  name: SegmentName,
  isNewest: boolean,
  lastIndex: number,
  mark: DurablePlace | undefined,
): Required {
  if (!isNewest) return { lastIndex, bytes: Infinity };
  if (mark?.sequence === name.sequence) return { lastIndex: mark.index, bytes: mark.offset };
  // The mark names a later segment, which is missing: this one was closed.
  const wasClosed = mark !== undefined && mark.sequence > name.sequence;
  return wasClosed ? { lastIndex: mark.index, bytes: Infinity } : { lastIndex: 0, bytes: 0 };
}

/** Everything that a segment holds; steps over what is damaged to the next intact group. */
function* walk(
  name: SegmentName,
  loaded: Unpacked,
  required: Required,
  digest: Digest,
): Generator<LogItem> {
  const { image } = loaded;
  const { sequence } = name;
  const view = viewOf(image);
  const start = readHeader(name, image, digest);
  if (start.what !== undefined) yield damaged(name, 0, start.what, name.firstIndex - 1);
  if (loaded.fault !== undefined) {
    yield damaged(name, loaded.fault.offset, loaded.fault.what, name.firstIndex - 1);
  }
  let { tail } = start;
  for (let offset = HEADER_BYTES; offset < image.length;) {
    const group = walkGroup(image, view, { sequence, offset }, tail, digest);
    if ('tail' in group) {
      for (const { frame, offset: at } of group.frames) {
        if (frame.kind !== 'entry') continue;
        yield { kind: 'entry', entry: frame.entry, chain: chainOfFrame(image, at) };
      }
      ({ tail, end: offset } = group);
      continue;
    }
    const next = findLaterGroup(image, { sequence, offset }, digest);
    if (next === undefined && offset >= required.bytes) {
      yield { kind: 'tail', file: segmentFileName(name), offset, bytes: image.length - offset };
      return;
    }
    yield damaged(name, group.offset, group.what, tail.index);
    if (next === undefined) return;
    offset = next;
    tail = { ...tail, chain: undefined };
  }
  if (tail.index < required.lastIndex) {
    const what = `the file ends before entry ${required.lastIndex}, which it held`;
    yield damaged(name, image.length, what, tail.index);
  }
}

/** Where a segment begins; by its name alone when its header cannot be read. */
function readHeader(
  name: SegmentName,
  image: Uint8Array,
  digest: Digest,
): { readonly tail: WalkTail; readonly what?: string } {
  const decoded = decodeHeader(image, digest);
  const isNamedRight =
    decoded.ok &&
    decoded.header.sequence === name.sequence &&
    decoded.header.previous.index === name.firstIndex - 1;
  if (isNamedRight) return { tail: tailBefore(decoded.header) };
  const tail: WalkTail = {
    index: name.firstIndex - 1,
    term: 0,
    chain: undefined,
    hardState: FRESH_HARD_STATE,
    keptFrom: 1,
  };
  return { tail, what: decoded.ok ? 'it is another segment under this name' : decoded.what };
}

/** The daemon may compress a segment between our listing and our reading. */
async function loadEitherForm(
  name: SegmentName,
  modules: ReadModules,
): Promise<Unpacked | undefined> {
  const listed = await loadImage(segmentFileName(name), modules);
  return listed ?? loadImage(segmentFileName({ ...name, packed: true }), modules);
}

function damaged(name: SegmentName, offset: number, what: string, intactUpTo: number): LogItem {
  const file = segmentFileName(name);
  return { kind: 'damage', damage: { file, offset, what, index: intactUpTo + 1, intactUpTo } };
}
