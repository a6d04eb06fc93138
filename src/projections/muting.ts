/**
 * Time intervals: whether one holds at a time, and which of them mute a route.
 *
 * Promise: time zones are not known here: the caller passes a function, because zone rules differ
 * between builds, so they may be used when deciding and never when folding.
 */

import type { Config, IntervalPart, TimeInterval } from '../commands/config.ts';
import type { RouteNode } from './routing.ts';

/** An instant as a wall clock in a time zone shows it. */
export interface LocalTime {
  /** From 0 to 1439. */
  readonly minuteOfDay: number;
  /** Sunday is 0. */
  readonly weekday: number;
  /** From 1. */
  readonly day: number;
  readonly daysInMonth: number;
  /** From 1. */
  readonly month: number;
  readonly year: number;
}

/** Reads a clock in an IANA zone. */
export type LocalTimeIn = (epochMs: number, zone: string) => LocalTime;

/** Names of the intervals because of which a route is mute now. */
export function mutingIntervalsOf(
  config: Config,
  { route }: RouteNode,
  now: number,
  localTimeIn: LocalTimeIn,
): readonly string[] {
  const isIn = (name: string): boolean => {
    const interval = config.timeIntervals.find((each) => each.name === name);
    return interval !== undefined && intervalHolds(interval, now, localTimeIn);
  };
  const muted = route.muteIntervals.filter(isIn);
  if (route.activeIntervals.length === 0 || route.activeIntervals.some(isIn)) return muted;
  return [...muted, ...route.activeIntervals.map((name) => `outside ${name}`)];
}

export function intervalHolds(
  interval: TimeInterval,
  now: number,
  localTimeIn: LocalTimeIn,
): boolean {
  return interval.parts.some((part) => partHolds(part, localTimeIn(now, part.zone)));
}

function partHolds(part: IntervalPart, local: LocalTime): boolean {
  return (
    holds(part.times, (range) => range.from <= local.minuteOfDay && local.minuteOfDay < range.to) &&
    holds(part.weekdays, (range) => within(range, local.weekday)) &&
    holds(part.daysOfMonth, (range) => withinMonth(range, local)) &&
    holds(part.months, (range) => within(range, local.month)) &&
    holds(part.years, (range) => within(range, local.year))
  );
}

interface IntervalRange {
  readonly from: number;
  readonly to: number;
}

function holds(ranges: readonly IntervalRange[], test: (range: IntervalRange) => boolean): boolean {
  return ranges.length === 0 || ranges.some(test);
}

function within(range: IntervalRange, value: number): boolean {
  return range.from <= value && value <= range.to;
}

/** Days count from the end of the month when negative; a range is cut to the month's length. */
function withinMonth(range: IntervalRange, { day, daysInMonth }: LocalTime): boolean {
  const from = range.from < 0 ? daysInMonth + range.from + 1 : range.from;
  const to = range.to < 0 ? daysInMonth + range.to + 1 : range.to;
  return Math.max(1, from) <= day && day <= Math.min(daysInMonth, to);
}
