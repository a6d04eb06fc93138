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
import type { Ingest } from '../../ports.ts';
import { Problems } from '../answers.ts';
import { BodyFault, Oversized } from '../json-slices.ts';
import { HTTP_LIMITS, type LimitName } from '../limits.ts';
import type { HttpModules } from '../modules.ts';

export interface Reading {
  readonly series: string;
  readonly value: number;
  /** Its own time is too far back: it is not judged (docs/adr/0014). */
  readonly isLate: boolean;
}

type Names = Pick<HttpModules, 'lateness' | 'normalSeriesName'>;

/** The readings of one body, which comes in slices. */
export class Readings {
  readonly #names: Names;
  readonly #over: (limit: LimitName) => void;
  readonly #readings: Reading[] = [];
  readonly problems = new Problems();

  constructor(names: Names, over: (limit: LimitName) => void) {
    this.#names = names;
    this.#over = over;
  }

  get value(): readonly Reading[] {
    return this.#readings;
  }

  /** How many there were, good and bad. */
  get count(): number {
    return this.#readings.length + this.problems.count;
  }

  /** Reads a slice of the list in JSON; `first` is the place of its first item in the body. */
  readJson(posted: readonly unknown[], first: number): void {
    for (let i = 0; i < posted.length; i++) {
      this.#add(ofJson(posted[i], this.#names), () => `readings[${first + i}]`);
    }
  }

  /** Reads `name value [time]` lines, as carbon takes them. */
  readLines(lines: readonly string[], first: number): void {
    for (let i = 0; i < lines.length; i++) {
      const line = (lines[i] ?? '').trim();
      if (line !== '') this.#add(this.#ofLine(line), () => `line ${first + i + 1}`);
    }
  }

  #ofLine(line: string): Reading | string {
    if (line.length <= HTTP_LIMITS.lineLength) return ofLine(line, this.#names);
    this.#over('line-length');
    return `has over ${HTTP_LIMITS.lineLength} characters`;
  }

  #add(reading: Reading | string, place: () => string): void {
    if (this.count === HTTP_LIMITS.readingsPerRequest) throw tooMany();
    if (typeof reading === 'string') this.problems.add(`${place()}: ${reading}`);
    else this.#readings.push(reading);
  }
}

function tooMany(): BodyFault {
  const message = `the body has over ${HTTP_LIMITS.readingsPerRequest} readings: send it in parts`;
  return new BodyFault(413, message, 'items');
}

/** The readings as commands, each small enough for one log entry. */
export function* observeCommands(intake: Ingest, readings: readonly Reading[]): Generator<Observe> {
  let start = 0;
  let nameLength = 0;
  for (let i = 0; i < readings.length; i++) {
    const { length } = readings[i]?.series ?? '';
    const isFull =
      nameLength + length > HTTP_LIMITS.textPerCommand ||
      i - start === HTTP_LIMITS.readingsPerCommand;
    if (isFull) {
      yield observe(intake, readings.slice(start, i));
      start = i;
      nameLength = 0;
    }
    nameLength += length;
  }
  if (readings.length > start) yield observe(intake, readings.slice(start));
}

function ofJson(posted: unknown, names: Names): Reading | string {
  if (posted instanceof Oversized) return posted.message;
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

function observe(intake: Ingest, readings: readonly Reading[]): Observe {
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
