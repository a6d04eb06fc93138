/**
 * What became of the readings that arrived: how many, and why some were dropped.
 *
 * Promise: a reading that is lost is counted under its reason and shown in the log, with a sample,
 * but never more often than every few seconds, because bad input comes in floods, and less and less
 * often while it goes on.
 */

import type { Clock, Logger, LostReadings } from '../ports.ts';

/** Why readings are dropped. */
export const DROP_REASONS = [
  /** The node takes readings slower than they come. */
  'queue-full',
  /** Not two or three fields, or a value or time that is no number. */
  'bad-line',
  /** Unprintable, too long, or with tags that Graphite would refuse. */
  'bad-name',
  /** NaN or infinite, which no condition can judge. */
  'not-a-number',
  /** A line over the limit. */
  'too-long',
  /** A connection that ended in the middle of a line: its last digits may be missing. */
  'cut-off',
  /** Its own time is older than the limit: it says nothing about now. */
  'late',
  /** A part of an answer that is no series, or no pair of a number and a time. */
  'bad-point',
  /** Another series of the same answer has the same name, and another value. */
  'duplicate-name',
  /** The log would not take it. */
  'malformed',
  /** It was taken, and this node could not bring it into the log: it stopped, or failed. */
  'not-committed',
  /** The same, and nobody knows whether it is in the log. */
  'indeterminate',
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** What the metrics read. */
export interface IngestCounterTotals {
  /** Readings that arrived, whatever became of them. */
  readonly received: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

export interface IngestCountersModules {
  readonly clock: Clock;
  readonly logger: Logger;
}

export class IngestCounters implements IngestCounterTotals {
  received = 0;
  readonly dropped = noneDropped();
  readonly #modules: IngestCountersModules;
  /** What the log has shown, by reason and source. */
  readonly #shown = new Map<string, Shown>();

  constructor(modules: IngestCountersModules) {
    this.#modules = modules;
  }

  receive(count: number): void {
    this.received += count;
  }

  /** Counts readings of a source that were lost; `sample` shows one of them to people. */
  drop(reason: DropReason, source: string, count: number, sample: () => string): void {
    if (count === 0) return;
    this.dropped[reason] += count;
    const { clock, logger } = this.#modules;
    const shown = this.#shownOf(`${reason} ${source}`);
    shown.count += count;
    shown.total += count;
    const nowMs = clock.monotonicMs();
    const sinceMs = nowMs - shown.atMs;
    if (sinceMs < shown.waitMs) return;
    const goesOn = sinceMs < 2 * shown.waitMs;
    shown.waitMs = goesOn ? Math.min(2 * shown.waitMs, SHOW_EVERY_MS_MAX) : SHOW_EVERY_MS;
    logger.warn('readings dropped', {
      reason,
      source,
      count: shown.count,
      total: shown.total,
      sample: sample().slice(0, SAMPLE_LENGTH_MAX).toWellFormed(),
    });
    shown.atMs = nowMs;
    shown.count = 0;
  }

  /** Counts what was lost after it had been offered. */
  lose(source: string, { code, count, sample }: LostReadings): void {
    this.drop(REASON_BY_CODE[code], source, count, () => sample);
  }

  #shownOf(key: string): Shown {
    const known = this.#shown.get(key);
    if (known !== undefined) return known;
    // Monitors come and go with reloads: those that went are shown anew if they come back.
    if (this.#shown.size >= SOURCES_SHOWN_MAX) this.#shown.clear();
    const shown = { atMs: -Infinity, waitMs: SHOW_EVERY_MS, count: 0, total: 0 };
    this.#shown.set(key, shown);
    return shown;
  }
}

interface Shown {
  /** When a line was last written, in monotonic milliseconds. */
  atMs: number;
  /** How long the next line waits: longer and longer while it goes on. */
  waitMs: number;
  /** Lost since then. */
  count: number;
  total: number;
}

const REASON_BY_CODE: Readonly<Record<LostReadings['code'], DropReason>> = {
  busy: 'queue-full',
  malformed: 'malformed',
  stopping: 'not-committed',
  failed: 'not-committed',
  'not-leader': 'not-committed',
  indeterminate: 'indeterminate',
};

/** Reasons times sources; far more than one configuration has monitors that lose something. */
const SOURCES_SHOWN_MAX = 4_096;

/** Rare enough to read, often enough to see that it goes on. */
const SHOW_EVERY_MS = 10_000;
const SHOW_EVERY_MS_MAX = 3_600_000;

/** Enough to know the sender by; a whole line may be 8 KiB. */
const SAMPLE_LENGTH_MAX = 120;

function noneDropped(): Record<DropReason, number> {
  return Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
}
