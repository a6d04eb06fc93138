/**
 * Where a range of the log begins or ends, as people write it: an index, a time, seconds since 1970,
 * or so long ago.
 *
 * Promise: a time is read only when it says its zone (or is a bare day, which is UTC), so that the
 * same words mean the same entries on every machine.
 */

import { parseDuration } from '../config/durations.ts';
import { bad, good, type Parsed } from '../config/parsed.ts';

export type Point =
  | { readonly kind: 'index'; readonly index: number }
  /** Epoch milliseconds. */
  | { readonly kind: 'time'; readonly at: number };

/** A part of the log; both ends belong to it. */
export interface Range {
  readonly from: Point | null;
  readonly to: Point | null;
}

const TIME = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?$/;

/** Reads a point; `now` is what `-2h` counts back from. */
export function parsePoint(text: string, now: number): Parsed<Point> {
  if (/^0+$/.test(text)) return bad('there is no entry 0: the first entry is 1', HINT);
  if (/^\d{1,15}$/.test(text)) return good({ kind: 'index', index: Number(text) });
  if (text.startsWith('@')) return epoch(text);
  if (text.startsWith('-')) {
    const ago = parseDuration(text.slice(1));
    return ago.ok ? good({ kind: 'time', at: now - ago.value }) : bad(ago.message, HINT);
  }
  const at = TIME.test(text) ? Date.parse(text.replace(' ', 'T').toUpperCase()) : NaN;
  return Number.isNaN(at) || !isDay(text)
    ? bad(`"${text}" is no place in the log`, HINT)
    : good({ kind: 'time', at });
}

const HINT =
  'write an index such as 1200, a time such as 2026-01-05T03:00:00Z, @1767582000 for seconds since ' +
  '1970, or -2h';

/** `Date.parse` takes the 30th of February for the 2nd of March. */
function isDay(text: string): boolean {
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

const EPOCH = /^@(\d{1,15}(?:\.\d{1,3})?)(ms)?$/;

/** The end of the year 9999: what lies behind it was meant in milliseconds. */
const EPOCH_SECONDS_MAX = 253_402_300_799;

/** Reads `@1767582000` and `@1767582000123ms`. */
function epoch(text: string): Parsed<Point> {
  const [, number, unit] = EPOCH.exec(text) ?? [];
  if (number === undefined) return bad(`"${text}" is no time since 1970`, HINT);
  const at = Math.round(unit === 'ms' ? Number(number) : Number(number) * 1_000);
  if (at <= EPOCH_SECONDS_MAX * 1_000) return good({ kind: 'time', at });
  const hint = unit === 'ms' ? HINT : `write ${text}ms for milliseconds`;
  return bad(`"${text}" lies behind the year 9999`, hint);
}

/** Whether a range ends before it begins, as far as the points alone can tell. */
export function isReversed({ from, to }: Range): boolean {
  if (from === null || to === null) return false;
  if (from.kind === 'index') return to.kind === 'index' && from.index > to.index;
  return to.kind === 'time' && from.at > to.at;
}

export function isBefore(point: Point, index: number, at: number): boolean {
  return point.kind === 'index' ? point.index < index : point.at < at;
}

export function isAfter(point: Point, index: number, at: number): boolean {
  return point.kind === 'index' ? point.index > index : point.at > at;
}
