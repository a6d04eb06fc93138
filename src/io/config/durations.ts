/**
 * Spans of time as Prometheus writes them: `1h30m`, `90s`, `1d`, `100ms`. A year is 365 days, a
 * day 24 hours, as in prometheus/common `model.ParseDuration`.
 */

import { bad, good, type Parsed } from './parsed.ts';

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const YEAR_MS = 365 * DAY_MS;

/** Go keeps a duration in 63 bits of nanoseconds; a longer one is a mistake in any file. */
const DURATION_MAX_MS = 9_223_372_036_854;

const UNITS_MS = [YEAR_MS, 7 * DAY_MS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, 1];
const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Milliseconds of a Prometheus duration; `0` needs no unit. */
export function parseDuration(text: string): Parsed<number> {
  if (text === '0') return good(0);
  const match = text === '' ? null : DURATION.exec(text);
  if (match === null) return notADuration(text);
  return bounded(
    text,
    UNITS_MS.reduce((sum, unitMs, i) => sum + Number(match[i + 1] ?? 0) * unitMs, 0),
  );
}

const GO_DURATION = /^(?:\d+(?:\.\d*)?(?:h|ms|m|s|us|µs|ns))+$/;
const GO_UNITS_MS = new Map([
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
  ['ms', 1],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ns', 1e-6],
]);

/**
 * Milliseconds of a Go duration (`1.5s`, `1h`), which a few keys of Alertmanager take, or of a
 * Prometheus one. What is shorter than a millisecond is rounded up.
 */
export function parseGoDuration(text: string): Parsed<number> {
  if (!GO_DURATION.test(text)) return parseDuration(text);
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµ]+)/g)) {
    sum += Number(amount) * (GO_UNITS_MS.get(unit ?? '') ?? 0);
  }
  return bounded(text, Math.ceil(sum));
}

/** A duration as people write it: `5m`, `1h30m`, `0s`. */
export function durationText(durationMs: number): string {
  const names = ['y', 'w', 'd', 'h', 'm', 's', 'ms'];
  let restMs = durationMs;
  let text = '';
  UNITS_MS.forEach((unitMs, i) => {
    const count = Math.floor(restMs / unitMs);
    restMs -= count * unitMs;
    if (count > 0) text += `${count}${names[i] ?? ''}`;
  });
  return text === '' ? '0s' : text;
}

function bounded(text: string, value: number): Parsed<number> {
  return value <= DURATION_MAX_MS ? good(value) : bad(`"${text}" is over 292 years`);
}

function notADuration(text: string): Parsed<number> {
  return bad(`"${text}" is not a duration`, durationHint(text));
}

function durationHint(text: string): string {
  if (text.startsWith('-')) return 'a duration cannot be negative';
  if (/^\d+$/.test(text)) return `give it a unit, for example ${text}s`;
  if (/^\d*\.\d+/.test(text)) return 'durations have no fractions: write 1h30m for 1.5h';
  return 'write for example 30s, 5m, 1h30m or 1d, the largest unit first';
}
