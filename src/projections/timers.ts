/**
 * Timers: an index of "what is due next?", as rows of the state.
 *
 * Promise: setting a timer copies a bucket, not the index; asking for the next due time costs
 * nothing while the index has not changed. A timer may be out of date: whoever is woken looks at
 * the row again, so a deadline that only moves later need not move its timer.
 */

import type { Draft } from 'immer';
import { isEmpty } from './pages.ts';
import { hashOf } from './table.ts';

/** By minute of the epoch, then by a hash of the key: key → time in epoch milliseconds. */
export type Timers = Readonly<
  Record<number, Readonly<Record<number, Readonly<Record<string, number>>>>>
>;

type MutableTimers = Record<number, Record<number, Record<string, number>>>;

export interface Timer {
  readonly key: string;
  readonly at: number;
}

const MINUTE_MS = 60_000;
const BUCKET_MASK = 63;

export function setTimer(draft: Draft<Timers>, key: string, at: number): void {
  const timers = draft as MutableTimers;
  const minute = (timers[Math.floor(at / MINUTE_MS)] ??= {});
  const bucket = (minute[hashOf(key) & BUCKET_MASK] ??= {});
  bucket[key] = at;
}

/** Removes a timer; `at` is the time it was set to, which is how it is found. */
export function clearTimer(draft: Draft<Timers>, key: string, at: number): void {
  const timers = draft as MutableTimers;
  const slot = Math.floor(at / MINUTE_MS);
  const minute = timers[slot];
  const bucket = minute?.[hashOf(key) & BUCKET_MASK];
  if (minute === undefined || bucket === undefined || bucket[key] !== at) return;
  delete bucket[key];
  if (!isEmpty(bucket)) return;
  delete minute[hashOf(key) & BUCKET_MASK];
  if (isEmpty(minute)) delete timers[slot];
}

/** Timers with `at <= now`, earliest first and then by key, at most `countMax` of them. */
export function dueTimers(timers: Timers, now: number, countMax: number): readonly Timer[] {
  if (nextTimer(timers) > now) return [];
  const due: Timer[] = [];
  for (const slot of Object.keys(timers)) {
    if (Number(slot) * MINUTE_MS > now) continue;
    for (const bucket of Object.values(timers[Number(slot)] ?? {})) {
      for (const [key, at] of Object.entries(bucket)) if (at <= now) due.push({ key, at });
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
  let next = Infinity;
  for (const bucket of Object.values(timers[firstSlot] ?? {})) {
    next = Math.min(next, earliestOf(bucket));
  }
  earliest.set(timers, next);
  return next;
}

/** Answers that are already known, by object identity: the objects never change. */
const earliest = new WeakMap<object, number>();

function earliestOf(bucket: Readonly<Record<string, number>>): number {
  const known = earliest.get(bucket);
  if (known !== undefined) return known;
  let next = Infinity;
  for (const key in bucket) next = Math.min(next, bucket[key] ?? Infinity);
  earliest.set(bucket, next);
  return next;
}

function byTimeThenKey(a: Timer, b: Timer): number {
  if (a.at !== b.at) return a.at - b.at;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
