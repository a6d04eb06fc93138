/**
 * `POST observations`: readings from scripts and agents, as JSON or as carbon lines, committed
 * before the answer.
 *
 * Promise: all or nothing is read, and every fault is named by its place, because whoever posts
 * here wants to know (the carbon port is for those who do not). A reading that is too old to be judged
 * is no fault: it is counted, and its series is known from then on. A series that comes twice in one
 * body is judged twice, in the order of the body: its sender has one, other than a Graphite.
 */

import type { Observe } from '../../../commands/observe.ts';
import type { Intake } from '../../ports.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { HttpModules } from '../modules.ts';

export interface Reading {
  readonly series: string;
  readonly value: number;
  /** Its own time is too far back: it is not judged (docs/adr/0014). */
  readonly isLate: boolean;
}

export type Readings =
  | { readonly ok: true; readonly value: readonly Reading[] }
  | { readonly ok: false; readonly problems: readonly string[]; readonly count: number };

type Names = Pick<HttpModules, 'lateness' | 'normalSeriesName'>;

/** Readings out of `{"readings": […]}` or of the bare list. */
export function readingsOfJson(posted: unknown, names: Names): Readings {
  const list = Array.isArray(posted) ? posted : fieldOf(posted, 'readings');
  if (!Array.isArray(list)) {
    return { ok: false, count: 0, problems: ['the body is neither a list nor {"readings": […]}'] };
  }
  return collected(list as readonly unknown[], 'readings', (each) => ofJson(each, names));
}

/** Readings out of `name value [time]` lines, as carbon takes them. */
export function readingsOfLines(text: string, names: Names): Readings {
  const lines = text.split('\n').map((line) => line.trim());
  return collected(lines, 'line', (line) => (line === '' ? null : ofLine(line, names)));
}

/** The readings as commands, each small enough for one log entry. */
export function observeCommands(intake: Intake, readings: readonly Reading[]): readonly Observe[] {
  const commands: Observe[] = [];
  let start = 0;
  let nameLength = 0;
  const cut = (end: number): void => {
    if (end > start) commands.push(observe(intake, readings.slice(start, end)));
    start = end;
    nameLength = 0;
  };
  for (const [i, { series }] of readings.entries()) {
    if (nameLength + series.length > HTTP_LIMITS.textPerCommand) cut(i);
    if (i - start === HTTP_LIMITS.readingsPerCommand) cut(i);
    nameLength += series.length;
  }
  cut(readings.length);
  return commands;
}

/** Applies `read` to each item; null is nothing, a text is what is wrong with it. */
function collected<Item>(
  items: readonly Item[],
  what: 'readings' | 'line',
  read: (item: Item) => Reading | string | null,
): Readings {
  const readings: Reading[] = [];
  const problems: string[] = [];
  let count = 0;
  for (let i = 0; i < items.length; i++) {
    const reading = read(items[i] as Item);
    if (reading === null) continue;
    count++;
    const place = what === 'line' ? `line ${i + 1}` : `readings[${i}]`;
    if (typeof reading === 'string') problems.push(`${place}: ${reading}`);
    else readings.push(reading);
  }
  return problems.length === 0 ? { ok: true, value: readings } : { ok: false, problems, count };
}

function ofJson(posted: unknown, names: Names): Reading | string {
  const value = fieldOf(posted, 'value');
  if (typeof value !== 'number') return 'value is not a number';
  if (!Number.isFinite(value)) return 'value is not finite';
  const series = fieldOf(posted, 'series');
  if (typeof series !== 'string') return 'series is not text';
  const time = fieldOf(posted, 'time') ?? -1;
  const seconds = typeof time === 'string' ? Date.parse(time) / 1_000 : time;
  if (typeof seconds !== 'number') return 'time is not a number';
  return named(series, value, { time: seconds, text: time }, names);
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

function ofLine(line: string, names: Names): Reading | string {
  const [series = '', value = '', given = '-1', ...rest] = line.split(/[ \t]+/);
  if (value === '' || rest.length > 0) return 'is not "name value" or "name value time"';
  if (!DECIMAL.test(value) || !Number.isFinite(Number(value))) {
    return `value ${JSON.stringify(value.slice(0, 40))} is not a finite number`;
  }
  const time = given === 'N' ? '-1' : given;
  if (!DECIMAL.test(time)) return `time ${JSON.stringify(given.slice(0, 40))} is not a number`;
  return named(series, Number(value), { time: Number(time), text: time }, names);
}

/** A reading is judged when it arrives (docs/adr/0002), unless its time is too far back. */
function named(
  series: string,
  value: number,
  { time, text }: { readonly time: number; readonly text: unknown },
  { lateness, normalSeriesName }: Names,
): Reading | string {
  const name = normalSeriesName(series);
  if (name === null) return `nothing may be called ${JSON.stringify(series.slice(0, 80))}`;
  const judged = lateness(time);
  if (judged === 'no-time') {
    const given = JSON.stringify(typeof text === 'string' ? text.slice(0, 40) : text);
    return `time ${given} is not a time: give seconds since 1970, or -1 for now`;
  }
  return { series: name, value, isLate: judged === 'late' };
}

function observe(intake: Intake, readings: readonly Reading[]): Observe {
  const places = new Map<string, number>();
  const ids: number[] = [];
  const values: number[] = [];
  for (const { isLate, series, value } of readings) {
    const id = intake.seriesId(series);
    const place = places.get(series) ?? places.size;
    if (id < 0) places.set(series, place);
    if (isLate) continue;
    ids.push(id >= 0 ? id : -1 - place);
    values.push(value);
  }
  return {
    kind: 'observe',
    source: SOURCE,
    names: [...places.keys()],
    ids: Int32Array.from(ids),
    values: Float64Array.from(values),
  };
}

/** What such readings name as their source in the log. */
const SOURCE = 'push';

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
