/**
 * Reads the JSON of Graphite's render API, as the Graphites that are about write it.
 *
 * Promise: a series that makes no sense costs itself, and a point that makes no sense costs itself.
 */

import { isUtf8 } from 'node:buffer';

/** A point as it came: whatever stands there for a value, and its time in seconds or NaN. */
export interface RawPoint {
  readonly value: unknown;
  readonly seconds: number;
}

export interface RenderedSeries {
  readonly target: string;
  readonly points: readonly RawPoint[];
}

export interface Rendered {
  readonly series: readonly RenderedSeries[];
  /** Items of the answer that are no series, as people may see them. */
  readonly odd: readonly string[];
}

/** Null when the answer as a whole is none: no JSON list, or a list in which nothing is a series. */
export function readRendered(body: Buffer): Rendered | null {
  const answer = parsedJson(body.toString());
  if (!Array.isArray(answer)) return null;
  const hasBadBytes = !isUtf8(body);
  const series: RenderedSeries[] = [];
  const odd: string[] = [];
  for (const item of answer as readonly unknown[]) {
    const { target, datapoints } = (item ?? {}) as Readonly<Record<string, unknown>>;
    const isNamed = typeof target === 'string' && !(hasBadBytes && target.includes(REPLACEMENT));
    if (isNamed && isSeriesOfPoints(datapoints))
      series.push({ target, points: datapoints.map(pointOf) });
    else odd.push(`${describe(target)} with ${describe(datapoints)} for datapoints`);
  }
  return series.length === 0 && odd.length > 0 ? null : { series, odd };
}

/** What stands in a decoded text for bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';

/** A list of which nothing is a point has another meaning than datapoints. */
function isSeriesOfPoints(datapoints: unknown): datapoints is readonly unknown[] {
  if (!Array.isArray(datapoints)) return false;
  return datapoints.length === 0 || datapoints.some((point) => Array.isArray(point));
}

function pointOf(point: unknown): RawPoint {
  // A null among the points is none, while one that stands for a value is a point without one.
  if (!Array.isArray(point)) return { value: point ?? 'null', seconds: NaN };
  const [value, seconds] = point as readonly unknown[];
  const isTime = typeof seconds === 'number' && Number.isFinite(seconds);
  return { value, seconds: isTime ? seconds : NaN };
}

/**
 * Graphite before 1.1 and other Python servers write `NaN` and `Infinity`, which are no JSON: they
 * are read as what they mean, or as a value that is no number.
 */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(STRING_OR_WORD, wordAsJson));
    } catch {
      return null;
    }
  }
}

/** A whole string, so that words in it are passed over, or one of the words. */
const STRING_OR_WORD = /"(?:[^"\\]|\\.)*"|-?\b(?:Infinity|NaN)\b/g;

function wordAsJson(found: string): string {
  if (found.startsWith('"')) return found;
  if (found.endsWith('NaN')) return '"NaN"';
  return found.startsWith('-') ? '-1e9999' : '1e9999';
}

/** A part of an answer in a few words. It may be large, or deep, so it is not written out. */
export function describe(part: unknown): string {
  if (Array.isArray(part)) return 'a list';
  switch (typeof part) {
    case 'string':
      return JSON.stringify(part.slice(0, TEXT_LENGTH_MAX));
    case 'number':
    case 'boolean':
      return String(part);
    case 'object':
      return part === null ? 'null' : 'an object';
    default:
      return 'nothing';
  }
}

const TEXT_LENGTH_MAX = 80;
