/**
 * Times on the wire of API v2: what Alertmanager writes, and every form that it reads.
 *
 * Promise: a text is read here exactly when go-openapi's `strfmt.DateTime` reads it, and means the
 * same millisecond.
 */

/** What Go clients send, and expect, for a time that is not set. */
const UNSET = '0001-01-01T00:00:00.000Z';
const UNSET_MS = Date.parse(UNSET);

/** Epoch milliseconds as text; 0 is "not set". */
export function alertmanagerTime(epochMs: number): string {
  return epochMs === 0 ? UNSET : new Date(epochMs).toISOString();
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const FORM =
  /^(\d{4})-(\d\d)-(\d\d)([T ])(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * Epoch milliseconds, negative before 1970; 0 when the time is absent, empty or Go's zero time; null
 * when it is no time. The first moment of 1970 is read as the next one, since 0 means "not set".
 */
export function readTime(value: unknown): number | null {
  if (value === undefined || value === null || value === '') return 0;
  if (typeof value !== 'string') return null;
  const match = FORM.exec(value);
  if (match === null) return null;
  const [, year, month, day, separator, hour, minute, second, fraction = '', zone = ''] = match;
  if (!isLayout({ separator, second, fraction, zone })) return null;
  const offsetMs = offsetOf(zone);
  const midnight = midnightOf(Number(year), Number(month), Number(day));
  if (offsetMs === null || midnight === null) return null;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second ?? 0) > 59) return null;
  const clockMs = Number(hour) * HOUR_MS + Number(minute) * MINUTE_MS + Number(second ?? 0) * 1_000;
  const epochMs = midnight + clockMs + Number(fraction.padEnd(3, '0').slice(0, 3)) - offsetMs;
  if (epochMs === UNSET_MS && !/[1-9]/.test(fraction)) return 0;
  return epochMs === 0 ? 1 : epochMs;
}

/** The log has no time before 1970; what is earlier is moved to its first moment. */
export function storedTime(epochMs: number): number {
  return epochMs === 0 ? 0 : Math.max(1, epochMs);
}

interface Layout {
  readonly separator: string | undefined;
  readonly second: string | undefined;
  readonly fraction: string;
  readonly zone: string;
}

/** Upstream tries ten layouts in turn; these are the forms that one of them takes. */
function isLayout({ separator, second, fraction, zone }: Layout): boolean {
  if (separator === ' ') return second !== undefined && zone === '';
  if (second === undefined) return zone === '' || zone === 'Z';
  // Only the layouts with three and with six digits take an offset that has no colon.
  const isBare = zone.length === '+0000'.length;
  return !isBare || fraction.length === 3 || fraction.length === 6;
}

/** Milliseconds east of Greenwich; null when no place is that far away. */
function offsetOf(zone: string): number | null {
  if (zone === '' || zone === 'Z') return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 24 || minutes > 60) return null;
  return (zone.startsWith('-') ? -1 : 1) * (hours * HOUR_MS + minutes * MINUTE_MS);
}

/** The first moment of a day in UTC; null when the calendar has no such day. */
function midnightOf(year: number, month: number, day: number): number | null {
  // `Date.UTC` would take the year 26 for 1926.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : null;
}
