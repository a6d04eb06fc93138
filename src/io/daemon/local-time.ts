/**
 * Reads the clock in an IANA time zone, through the zone rules inside Node.js.
 *
 * Promise: correct on both edges of daylight saving time, since it asks for the fields of an
 * instant and never adds an offset. Two builds may know different rules, which is why only the
 * leader asks, when it decides, and never the fold.
 */

import type { LocalTime, LocalTimeIn } from '../../projections/muting.ts';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const formats = new Map<string, Intl.DateTimeFormat>();

export const localTimeIn: LocalTimeIn = (epochMs, zone): LocalTime => {
  const parts = new Map(
    formatFor(zone)
      .formatToParts(epochMs)
      .map(({ type, value }) => [type, value]),
  );
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  const [year, month] = [number('year'), number('month')];
  return {
    minuteOfDay: number('hour') * 60 + number('minute'),
    weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? ''),
    day: number('day'),
    daysInMonth: new Date(Date.UTC(year, month, 0)).getUTCDate(),
    month,
    year,
  };
};

/** Making a format costs a thousand times as much as using it. */
function formatFor(zone: string): Intl.DateTimeFormat {
  const entry = formats.get(zone);
  if (entry !== undefined) return entry;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone === '' ? 'UTC' : zone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    weekday: 'short',
    hour: 'numeric',
    minute: 'numeric',
  });
  formats.set(zone, format);
  return format;
}
