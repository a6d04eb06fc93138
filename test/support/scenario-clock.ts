/**
 * The wall clock of a zone, read with this Node's own zone rules, as a daemon does. Tests may ask
 * `Intl`; the fold may not, which is why the desk hands this in.
 */

import type { LocalTime } from '../../src/projections/muting.ts';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const formats = new Map<string, Intl.DateTimeFormat>();

export function localTimeIn(epochMs: number, zone: string): LocalTime {
  const parts = new Map(
    formatOf(zone)
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
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  formats.set(zone, format);
  return format;
}
