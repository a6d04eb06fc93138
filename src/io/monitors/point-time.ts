/**
 * The time that comes with a point, and whether the point still says something about now.
 *
 * Promise: a point is judged when it arrives (docs/adr/0002), unless its own time is further back
 * than a limit (docs/adr/0014). A time ahead of ours is a wrong clock, not a late point.
 */

/** The end of what the log can hold as a time, in seconds: the year 10889. */
const TIME_SECONDS_MAX = 281_474_976_710;

/** Seconds of the year 5138: what is above is a number of milliseconds. */
const SECONDS_MAX = 100_000_000_000;

/** What a point of now has for its time, since it is later than every limit. */
export const NOW_SECONDS = Infinity;

/**
 * Seconds since 1970 out of the number that stands for a time: seconds, milliseconds, or -1 for now.
 * NaN when it is none of them.
 */
export function pointSeconds(time: number): number {
  if (time >= 0 && time <= SECONDS_MAX) return time;
  if (time === -1) return NOW_SECONDS;
  const seconds = time / 1_000;
  return seconds > 0 && seconds <= TIME_SECONDS_MAX ? seconds : NaN;
}

/** Whether a point with this time, as it came, can be judged at `nowMs`. */
export function lateness(
  time: number,
  { nowMs, limitMs }: { readonly nowMs: number; readonly limitMs: number },
): 'on-time' | 'late' | 'no-time' {
  const seconds = pointSeconds(time);
  if (Number.isNaN(seconds)) return 'no-time';
  return seconds < lateBeforeSeconds(nowMs, limitMs) ? 'late' : 'on-time';
}

/** Points from before this are late, in seconds since 1970; a limit of 0 ms is none. */
export function lateBeforeSeconds(nowMs: number, limitMs: number): number {
  return limitMs === 0 ? -Infinity : (nowMs - limitMs) / 1_000;
}
