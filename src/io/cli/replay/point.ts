/**
 * Where a range of the log begins or ends, as people write it: an index, a time, or so long ago.
 *
 * Promise: a time is read only when it says its zone (or is a bare day, which is UTC), so that the
 * same words mean the same entries on every machine.
 */

import { parseDuration } from '../../config/durations.ts';
import { bad, good, type Parsed } from '../../config/parsed.ts';

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
  if (/^\d{1,15}$/.test(text)) return good({ kind: 'index', index: Number(text) });
  if (text.startsWith('-')) {
    const ago = parseDuration(text.slice(1));
    return ago.ok ? good({ kind: 'time', at: now - ago.value }) : bad(ago.message, HINT);
  }
  const at = TIME.test(text) ? Date.parse(text.replace(' ', 'T').toUpperCase()) : NaN;
  return Number.isNaN(at)
    ? bad(`"${text}" is no place in the log`, HINT)
    : good({ kind: 'time', at });
}

const HINT = 'write an index such as 1200, a time such as 2026-01-05T03:00:00Z, or -2h';

export function isBefore(point: Point, index: number, at: number): boolean {
  return point.kind === 'index' ? point.index < index : point.at < at;
}

export function isAfter(point: Point, index: number, at: number): boolean {
  return point.kind === 'index' ? point.index > index : point.at > at;
}
