/**
 * Which snapshots are kept: the older they are, the fewer, so that the state can be had at any time
 * of which there is a log, and folding on from the snapshot before it stays short.
 *
 * Promise: a pure function of what is listed. Time is that of the log, and slots begin at round
 * minutes, hours and quarters of days, so members that took their snapshots at the same indexes keep
 * the same ones. Applied again it drops nothing, and what a later, coarser slot needs is still there.
 */

import type { KeptSnapshot, SnapshotStock } from '../ports.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const QUARTER_DAY_MS = 6 * HOUR_MS;

/** Snapshots of the last hour, from the newest back. */
export const RECENT_MAX = 60;
/** After the last hour the first of each hour, for so long; then the first of each quarter of a day. */
export const HOURLY_SLOTS = 24;
/** Folding so many readings takes a tool about ten seconds. */
export const READINGS_BETWEEN_MAX = 10_000_000;

/**
 * The indexes to keep, the oldest first. The newest is always among them, and so is the one at which
 * a log begins that begins with entry `firstIndex`. `snapshots` may come in any order.
 */
export function keptOf(snapshots: readonly KeptSnapshot[], firstIndex: number): readonly number[] {
  const all = snapshots.toSorted((a, b) => a.index - b.index);
  const newest = all.at(-1);
  if (newest === undefined) return [];
  const kept = new Set<KeptSnapshot>([newest, ...recent(all, newest)]);
  const base = all.findLast(({ index }) => index < firstIndex);
  if (base !== undefined) kept.add(base);
  // A log that an earlier build has cut begins before its first snapshot.
  const first = all.find(({ index }) => index >= firstIndex - 1);
  if (first !== undefined) kept.add(first);
  for (const each of firstOfSlots(all, HOUR_MS)) {
    if (slotsBetween(each, newest, HOUR_MS) <= HOURLY_SLOTS) kept.add(each);
  }
  for (const each of firstOfSlots(all, QUARTER_DAY_MS)) kept.add(each);
  return bridged(all, kept).map(({ index }) => index);
}

/**
 * What goes when only `kept` are to stay. A damaged snapshot is evidence: it goes only when all that
 * stay are newer. Throws a RangeError when nothing good would be left.
 */
export function droppedFrom(
  { good, damaged }: SnapshotStock,
  kept: readonly number[],
): readonly number[] {
  if (good.length === 0) return [];
  const stay = new Set(kept);
  const oldest = good.find(({ index }) => stay.has(index))?.index;
  if (oldest === undefined) throw new RangeError('at least one snapshot must be kept');
  const indexes = good.map(({ index }) => index).filter((index) => !stay.has(index));
  return [...damaged.filter((index) => index < oldest), ...indexes];
}

/**
 * Those of the last hour, if there are not too many of them: a busy node takes more than one in a
 * minute. Then the first of each minute goes before the others.
 */
function recent(all: readonly KeptSnapshot[], newest: KeptSnapshot): readonly KeptSnapshot[] {
  const inHour = all.filter((each) => slotsBetween(each, newest, MINUTE_MS) < RECENT_MAX);
  const firsts = firstOfSlots(inHour, MINUTE_MS);
  const wanted = new Set([newest, ...firsts.toReversed(), ...inHour.toReversed()]);
  return [...wanted].slice(0, RECENT_MAX);
}

/**
 * Adds one wherever too many readings would lie between two neighbours: if possible the first of a
 * minute, which all members have.
 */
function bridged(
  all: readonly KeptSnapshot[],
  kept: ReadonlySet<KeptSnapshot>,
): readonly KeptSnapshot[] {
  const counted = all.filter(({ readings }) => readings !== null);
  const firsts = new Set([...kept, ...firstOfSlots(counted, MINUTE_MS)]);
  const some = bridgedBy(
    all.filter((each) => firsts.has(each)),
    kept,
  );
  return bridgedBy(all, new Set(some));
}

/** The same, by the last of `all` that is near enough. */
function bridgedBy(
  all: readonly KeptSnapshot[],
  kept: ReadonlySet<KeptSnapshot>,
): readonly KeptSnapshot[] {
  const counted = all.filter(({ readings }) => readings !== null);
  const nextOf = new Map(counted.map((each, i) => [each, counted[i + 1]?.readings ?? null]));
  let last: number | null = null;
  return all.filter((each) => {
    const next = nextOf.get(each) ?? null;
    const isFar = last !== null && next !== null && next - last > READINGS_BETWEEN_MAX;
    // The last count stays, or next time it would not be known that it was far away.
    if (!kept.has(each) && !isFar && each !== counted.at(-1)) return false;
    last = each.readings ?? last;
    return true;
  });
}

function firstOfSlots(all: readonly KeptSnapshot[], slotMs: number): readonly KeptSnapshot[] {
  return all.filter((each, i) => {
    const before = all[i - 1];
    return before === undefined || slotsBetween(before, each, slotMs) > 0;
  });
}

function slotsBetween(from: KeptSnapshot, to: KeptSnapshot, slotMs: number): number {
  return Math.floor(to.at / slotMs) - Math.floor(from.at / slotMs);
}
