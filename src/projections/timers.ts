/**
 * Timers: an index of "what is due next?", as rows of the state.
 *
 * Promise: setting a timer copies a bucket, not the index; asking for the next due time costs
 * nothing while the index has not changed. A timer may be out of date: whoever is woken looks at
 * the row again, so a deadline that only moves later need not move its timer.
 */

import { isEmpty } from './pages.ts';
import { entries, Rewrite, type Directories } from './table.ts';

/** By minute of the epoch, then by a hash of the key: key → time in epoch milliseconds. */
export type Timers = Readonly<Record<number, Directories<number>>>;

export interface Timer {
  readonly key: string;
  readonly at: number;
}

const MINUTE_MS = 60_000;
/** The earliest time under a node, where it is known: the objects never change. */
const earliest = new WeakMap<object, number>();
const NONE: Directories<number> = {};

/** A timer that is set or cleared; `at` is the time that it is set to, which is how it is found. */
export interface TimerChange extends Timer {
  readonly set: boolean;
}

/** The same timers but for these changes, in their order. */
export function changedTimers(timers: Timers, changes: Iterable<TimerChange>): Timers {
  const minutes = new Map<number, Rewrite<number>>();
  /** The earliest time; undefined once what was the earliest may be gone. */
  let first = earliest.get(timers);
  for (const { key, at, set } of changes) {
    const slot = Math.floor(at / MINUTE_MS);
    let minute = minutes.get(slot);
    if (minute === undefined) {
      minute = new Rewrite(timers[slot] ?? NONE);
      minutes.set(slot, minute);
    }
    minute.change(key, (before) => {
      const after = set ? at : before === at ? undefined : before;
      if (before !== after && before === first) first = undefined;
      if (set && first !== undefined) first = Math.min(first, at);
      return after;
    });
  }
  const all: Record<number, Directories<number>> = { ...timers };
  let isChanged = false;
  for (const [slot, minute] of minutes) {
    const directories = minute.finish();
    if (directories === (timers[slot] ?? NONE)) continue;
    isChanged = true;
    if (isEmpty(directories)) delete all[slot];
    else all[slot] = directories;
  }
  if (!isChanged) return timers;
  if (first !== undefined) earliest.set(all, first);
  return all;
}

/** Timers with `at <= now`, earliest first and then by key, at most `countMax` of them. */
export function dueTimers(timers: Timers, now: number, countMax: number): readonly Timer[] {
  if (nextTimer(timers) > now) return [];
  const due: Timer[] = [];
  for (const [slot, directories] of Object.entries(timers)) {
    if (Number(slot) * MINUTE_MS > now) continue;
    for (const [key, at] of entries({ size: 0, directories })) {
      if (at <= now) due.push({ key, at });
    }
  }
  return due.sort(byTimeThenKey).slice(0, countMax);
}

/** The earliest time in the index, or Infinity. */
export function nextTimer(timers: Timers): number {
  const known = earliest.get(timers);
  if (known !== undefined) return known;
  let firstSlot = Infinity;
  for (const slot in timers) firstSlot = Math.min(firstSlot, Number(slot));
  const minute = timers[firstSlot];
  const next = minute === undefined ? Infinity : earliestIn(minute);
  earliest.set(timers, next);
  return next;
}

/** The earliest time under a node; only what has changed since the last question is walked. */
function earliestIn(node: object): number {
  const known = earliest.get(node);
  if (known !== undefined) return known;
  let next = Infinity;
  for (const child of Object.values(node)) {
    next = Math.min(next, typeof child === 'number' ? child : earliestIn(child as object));
  }
  earliest.set(node, next);
  return next;
}

function byTimeThenKey(a: Timer, b: Timer): number {
  if (a.at !== b.at) return a.at - b.at;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
