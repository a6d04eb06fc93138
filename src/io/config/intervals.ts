/**
 * `time_intervals` and the deprecated `mute_time_intervals`: named times of day, week and year.
 *
 * Promise: ranges are those of Alertmanager's timeinterval package: `times` without their end,
 * all others with both ends, days of the month from the end when negative.
 */

import { LIMITS } from '../../commands/limits.ts';
import type { IntervalPart, TimeInterval } from '../../commands/config.ts';
import { fields, leaf, list, maybe, name, refuse } from './fields.ts';
import { bad, good, type Parsed } from './parsed.ts';
import type { Path } from './problems.ts';
import type { Reader } from './reader.ts';

type IntervalRange = IntervalPart['times'][number];

const MINUTES_OF_DAY = 1_440;
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

/** Minutes since midnight. */
const timeOfDay = leaf((text) => {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  if (minute <= MINUTES_OF_DAY) return good(minute);
  return bad(`"${text}" is not a time of day`, 'write HH:MM from 00:00 to 24:00');
});

const times = fields({ start_time: timeOfDay, end_time: timeOfDay })
  .superRefine(({ start_time: start, end_time: end }, context) => {
    if (start < end) return;
    const hint = 'split a range over midnight: one to 24:00 and one from 00:00';
    refuse(context, ['end_time'], 'is not after start_time', hint);
  })
  .transform((range) => ({ from: range.start_time, to: range.end_time }));

/** What a range without a value is in Go: Sunday as a day of the week, never as anything else. */
const NO_RANGE: IntervalRange = { from: 0, to: 0 };

const weekdays = rangeOf('a day of the week', 'monday:friday', (word) => {
  const day = WEEKDAYS.indexOf(word);
  return day < 0 ? null : day;
});

const months = rangeOf('a month', 'may:august or 5:8', (word) => {
  const month = MONTHS.indexOf(word) + 1;
  return month > 0 ? month : numberIn(word, 1, 12);
});

const years = rangeOf('a year', '2026:2028', (word) => numberIn(word, 1, 9_999));

const daysOfMonth = rangeOf(
  'a day of the month',
  '1:15, or -3:-1 for the last three',
  (word) => (word === '0' ? null : numberIn(word, -31, 31)),
  (range) => {
    if (range.from < 0 && range.to > 0) return false;
    // The shortest month has 28 days: what is backwards there is a mistake in all of them.
    const [from, to] = [range.from, range.to].map((day) => (day < 0 ? 28 + day : day));
    return (from ?? 0) <= (to ?? 0);
  },
);

function partFields(localZone: string) {
  const zone = leaf((text) => {
    if (text === '') return good('UTC');
    return text === 'Local' ? good(localZone) : checkZone(text);
  });
  return fields({
    times: maybe(list(times, NO_RANGE)),
    weekdays: maybe(list(weekdays, NO_RANGE)),
    days_of_month: maybe(list(daysOfMonth, NO_RANGE)),
    months: maybe(list(months, NO_RANGE)),
    years: maybe(list(years, NO_RANGE)),
    location: maybe(zone),
  }).transform((given): IntervalPart => ({
    times: given.times ?? [],
    weekdays: given.weekdays ?? [],
    daysOfMonth: given.days_of_month ?? [],
    months: given.months ?? [],
    years: given.years ?? [],
    zone: given.location ?? 'UTC',
  }));
}

/** A part without a value has no condition. */
const ALWAYS: IntervalPart = {
  times: [],
  weekdays: [],
  daysOfMonth: [],
  months: [],
  years: [],
  zone: 'UTC',
};

/** `localZone` is what `location: Local` means, as an IANA name. */
export function readIntervals(reader: Reader, localZone: string): readonly TimeInterval[] {
  const intervalFields = fields({
    name: name(LIMITS.name),
    time_intervals: maybe(list(partFields(localZone), ALWAYS)),
  });
  const placeByName = new Map<string, Path>();
  return ['mute_time_intervals', 'time_intervals'].flatMap((section) =>
    reader.items(reader.sections[section], [section]).flatMap(([value, path]) => {
      const given = reader.read(intervalFields, value, path);
      if (given === undefined) return [];
      const other = placeByName.get(given.name);
      if (other !== undefined) {
        const message = `a time interval "${given.name}" stands on line ${reader.placeOf(other).line} already`;
        reader.problem([...path, 'name'], message, 'names are unique: rename one');
      }
      placeByName.set(given.name, [...path, 'name']);
      return [{ name: given.name, parts: given.time_intervals ?? [] }];
    }),
  );
}

/** A single member or `first:last`, in any case. */
function rangeOf(
  what: string,
  example: string,
  member: (word: string) => number | null,
  ordered: (range: IntervalRange) => boolean = (range) => range.from <= range.to,
) {
  return leaf((text): Parsed<IntervalRange> => {
    const words = text.toLowerCase().split(':');
    const from = member(words[0] ?? '');
    const to = member(words.at(-1) ?? '');
    if (words.length > 2 || from === null || to === null) {
      return bad(`"${text}" is not ${what}, nor a range of them`, `write for example ${example}`);
    }
    if (ordered({ from, to })) return good({ from, to });
    return bad(`"${text}" ends before it starts`, 'split it into two ranges');
  });
}

function numberIn(word: string, min: number, max: number): number | null {
  const value = /^[-+]?\d+$/.test(word) ? Number(word) : NaN;
  return value >= min && value <= max ? value : null;
}

function checkZone(text: string): Parsed<string> {
  try {
    if (/^[A-Za-z]/.test(text)) {
      new Intl.DateTimeFormat('en', { timeZone: text });
      return good(text);
    }
  } catch {
    // Intl throws for an unknown zone; the problem is reported below.
  }
  return bad(`"${text}" is not a time zone`, 'write an IANA name, for example Europe/Berlin');
}
