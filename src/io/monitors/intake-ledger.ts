/**
 * What became of the readings that arrived: how many, and why some were dropped.
 *
 * Promise: a reading that is lost is counted under its reason and shown in the log, with a sample,
 * but never more often than every few seconds, because bad input comes in floods.
 */

import type { Clock, Logger } from '../ports.ts';

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
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** What the metrics read. */
export interface IntakeCounters {
  /** Readings that arrived, whatever became of them. */
  readonly received: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

export interface IntakeLedgerModules {
  readonly clock: Clock;
  readonly logger: Logger;
}

export class IntakeLedger implements IntakeCounters {
  received = 0;
  readonly dropped = noneDropped();
  readonly #modules: IntakeLedgerModules;
  readonly #shown = new Map<DropReason, { readonly atMs: number; readonly count: number }>();

  constructor(modules: IntakeLedgerModules) {
    this.#modules = modules;
  }

  receive(count: number): void {
    this.received += count;
  }

  /** Counts readings that arrived before and were lost; `sample` shows one of them to people. */
  drop(reason: DropReason, count: number, sample: () => string): void {
    this.dropped[reason] += count;
    const { clock, logger } = this.#modules;
    const shown = this.#shown.get(reason);
    const nowMs = clock.monotonicMs();
    if (shown !== undefined && nowMs - shown.atMs < SHOW_EVERY_MS) return;
    const total = this.dropped[reason];
    this.#shown.set(reason, { atMs: nowMs, count: total });
    logger.warn('readings dropped', {
      reason,
      count: total - (shown?.count ?? 0),
      total,
      sample: sample().slice(0, SAMPLE_LENGTH_MAX),
    });
  }
}

/** Rare enough to read, often enough to see that it goes on. */
const SHOW_EVERY_MS = 10_000;

/** Enough to know the sender by; a whole line may be 8 KiB. */
const SAMPLE_LENGTH_MAX = 120;

function noneDropped(): Record<DropReason, number> {
  return Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
}
