/**
 * Of each series that Graphite gives, the newest point with a value, once; and what of an answer
 * cannot be judged, also once.
 *
 * Promise: no series of an answer costs another one anything. Memory is bounded by what answers
 * hold, where series come and go.
 */

import type { DropReason } from './ingest-counters.ts';
import { lateBeforeSeconds } from './point-time.ts';
import type { Fault, Reading } from './polling.ts';
import { describe, type RawPoint, type Rendered, type RenderedSeries } from './rendered-json.ts';
import { monitorSeriesName } from './series-name.ts';

export interface NewestPointsOptions {
  /** A name that the monitor itself observes, and that no series may have. */
  readonly ownName: string;
  readonly intervalMs: number;
  /** Points whose time is further back are late, unless their series has steps that are as long. */
  readonly lateAfterMs: number;
}

export interface Taken {
  readonly readings: readonly Reading[];
  readonly faults: readonly Fault[];
  /** Series that are there and whose newest point is late. */
  readonly mentions: readonly string[];
}

/** The times of the newest points of a name that were observed or counted, in seconds. */
interface Seen {
  observed: number;
  bad: number;
  /** Of another series that has the name, too. */
  duplicate: number;
}

interface GoodPoint {
  readonly value: number;
  readonly seconds: number;
}

export class NewestPoints {
  readonly #options: NewestPointsOptions;
  readonly #seen = new Map<string, Seen>();

  constructor(options: NewestPointsOptions) {
    this.#options = options;
  }

  take({ odd, series }: Rendered, nowMs: number): Taken {
    const faults = new Faults();
    for (const item of odd) faults.add('bad-point', item);
    const readings: Reading[] = [];
    const mentions: string[] = [];
    const inAnswer = new Map<string, GoodPoint | null>([[this.#options.ownName, null]]);
    for (const rendered of series) {
      const name = monitorSeriesName(rendered.target);
      const seen = this.#seenOf(name ?? rendered.target.slice(0, BAD_NAME_LENGTH_MAX));
      const newest = takeNewest(rendered, seen, faults);
      if (newest === null) continue;
      if (name === null) {
        if (newest.seconds > seen.observed) faults.add('bad-name', rendered.target);
        seen.observed = Math.max(seen.observed, newest.seconds);
        continue;
      }
      const other = inAnswer.get(name);
      if (other !== undefined) {
        // Targets that overlap give one series twice, which is no harm.
        const isSame = other?.value === newest.value && other.seconds === newest.seconds;
        if (isSame || newest.seconds <= seen.duplicate) continue;
        seen.duplicate = newest.seconds;
        faults.add('duplicate-name', duplicateText(name, newest, other));
        continue;
      }
      inAnswer.set(name, newest);
      if (newest.seconds <= seen.observed) continue;
      seen.observed = newest.seconds;
      if (newest.seconds < this.#lateBefore(rendered, nowMs)) {
        faults.add('late', `${name} ${newest.value} ${newest.seconds}`);
        mentions.push(name);
      } else {
        readings.push([name, newest.value]);
      }
    }
    this.#forgetAllBut(series);
    return { readings, mentions, faults: faults.all };
  }

  /** A series of days is not late after an hour, nor is what nobody asked for meanwhile. */
  #lateBefore(rendered: RenderedSeries, nowMs: number): number {
    const { intervalMs, lateAfterMs } = this.#options;
    const limitMs = Math.max(lateAfterMs, 2 * intervalMs, 3 * stepMs(rendered));
    return lateBeforeSeconds(nowMs, limitMs);
  }

  #seenOf(key: string): Seen {
    const entry = this.#seen.get(key);
    if (entry !== undefined) return entry;
    const seen = { observed: -Infinity, bad: -Infinity, duplicate: -Infinity };
    this.#seen.set(key, seen);
    return seen;
  }

  /** Those of this answer are the ones that are still about. */
  #forgetAllBut(series: readonly RenderedSeries[]): void {
    if (this.#seen.size <= NAMES_MAX) return;
    const current = new Set(series.map(({ target }) => monitorSeriesName(target)));
    for (const name of this.#seen.keys()) {
      if (!current.has(name)) this.#seen.delete(name);
    }
  }
}

/** What is remembered of a name that nothing may have; it may be as long as an answer. */
const BAD_NAME_LENGTH_MAX = 256;

/** Ten times what one answer can hold. */
const NAMES_MAX = 100_000;

/** The newest point with a value; what is no value counts as a fault when it is seen first. */
function takeNewest(rendered: RenderedSeries, seen: Seen, faults: Faults): GoodPoint | null {
  let newest: GoodPoint | null = null;
  let newestBad = seen.bad;
  for (const point of rendered.points) {
    const { value, seconds } = point;
    if (value === null) continue;
    const reason = faultOf(point);
    if (reason === null) {
      if (newest === null || seconds >= newest.seconds)
        newest = { value: value as number, seconds };
      continue;
    }
    // A point without a time cannot be told from itself in the next answer: it counts each time.
    if (seconds <= seen.bad) continue;
    if (seconds > newestBad) newestBad = seconds;
    faults.add(reason, `${rendered.target} ${describe(value)} ${seconds}`);
  }
  seen.bad = newestBad;
  return newest;
}

function faultOf({ value, seconds }: RawPoint): DropReason | null {
  if (value === 'NaN') return 'not-a-number';
  if (typeof value !== 'number' || Number.isNaN(seconds)) return 'bad-point';
  return Number.isFinite(value) ? null : 'not-a-number';
}

/** The shortest distance of two points, which Graphite gives in equal steps; 0 for a single point. */
function stepMs({ points }: RenderedSeries): number {
  let step = Infinity;
  for (let i = 1; i < points.length; i++) {
    const distance = (points[i]?.seconds ?? NaN) - (points[i - 1]?.seconds ?? NaN);
    if (distance > 0 && distance < step) step = distance;
  }
  return step === Infinity ? 0 : step * 1_000;
}

function duplicateText(name: string, dropped: GoodPoint, other: GoodPoint | null): string {
  const judged = other === null ? "the monitor's own" : other.value;
  return `${name} (judged: ${judged}, not judged: ${dropped.value})`;
}

/** Collects faults by reason. */
class Faults {
  readonly #byReason = new Map<DropReason, { count: number; readonly samples: string[] }>();

  add(reason: DropReason, sample: string): void {
    const entry = this.#byReason.get(reason) ?? { count: 0, samples: [] };
    this.#byReason.set(reason, entry);
    entry.count++;
    if (entry.samples.length < SAMPLES_MAX)
      entry.samples.push(sample.slice(0, SAMPLE_LENGTH_MAX).toWellFormed());
  }

  get all(): readonly Fault[] {
    return [...this.#byReason].map(([reason, { count, samples }]) => ({
      reason,
      count,
      sample: samples.join(', '),
    }));
  }
}

/** Enough to see what they have in common. */
const SAMPLES_MAX = 5;
const SAMPLE_LENGTH_MAX = 200;
