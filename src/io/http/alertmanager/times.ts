/**
 * Times on the wire of API v2: RFC 3339 with milliseconds, and Go's zero time for "not set".
 */

/** What Go clients send, and expect, for a time that is not set. */
const UNSET = '0001-01-01T00:00:00.000Z';

/** Epoch milliseconds as text; 0 is "not set". */
export function timeText(epochMs: number): string {
  return epochMs === 0 ? UNSET : new Date(epochMs).toISOString();
}

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Epoch milliseconds; 0 when the time is absent, empty or the zero time; null when it is no time.
 * A moment before 1970 is moved to its first millisecond, since 0 already means "not set".
 */
export function readTime(value: unknown): number | null {
  if (value === undefined || value === null || value === '') return 0;
  if (typeof value !== 'string') return null;
  const match = RFC_3339.exec(value);
  if (match === null) return null;
  const [, year, month, day] = match;
  if (year === '0001') return 0;
  const epochMs = Date.parse(value);
  if (Number.isNaN(epochMs) || Number(day) > daysIn(Number(year), Number(month))) return null;
  return Math.max(1, epochMs);
}

/** `Date.parse` would take the 31st of February for the 3rd of March. */
function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
