/**
 * The limits of the history: log and snapshots together reach back so far and take so many bytes.
 *
 * Promise: the limit of bytes wins over every rule about what is worth keeping; only the newest
 * snapshot and the log after it stay. The oldest snapshot goes first, then the log before the next one,
 * so that what is kept of the log can be folded. No entry goes for its age before it is as old as that.
 */

import type { Log } from '../../log/log.ts';
import type { Clock, KeptSnapshot, Logger, SnapshotStore } from '../ports.ts';
import { droppedFrom } from './thinning.ts';

export interface RetentionOptions {
  /** Entries after which a snapshot is taken. */
  readonly snapshotEntries: number;
  /** History is kept for so long … */
  readonly retentionMs: number;
  /** … or until log and snapshots take so many bytes. */
  readonly retentionBytes: number;
}

export interface RetentionModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Log;
  readonly snapshots: SnapshotStore;
  /** Index of the newest snapshot that consensus was notified of. */
  readonly newest: () => number;
  /** Takes a snapshot now. False when there would be nothing new in it. */
  readonly takeSnapshot: () => Promise<boolean>;
  /** Entries up to `index` are about to be dropped. Called before they are. */
  readonly onCut: (index: number) => void;
}

/**
 * Dropping begins before the limit is reached: until the next look some more is written, and what is
 * compressed lies there twice for a moment.
 */
const HEADROOM = 1 / 8;
/** Steps of one look; the next one goes on. */
const STEPS_MAX = 500;
/** A beginning of the log without a snapshot is cut at once if so many snapshots fit in it at most. */
const SHORT_STRETCH = 5;

/** The log is dropped by whole segments, so they are small where little may be kept. */
const SEGMENT_PART = 1 / 32;
const SEGMENT_BYTES_MIN = 256 * 1024;
const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;

/** The size of segments that suits a limit. */
export function segmentBytesMaxFor(retentionBytes: number): number {
  const part = Math.floor(retentionBytes * SEGMENT_PART);
  return Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, part));
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #modules: RetentionModules;
  readonly #bytesMax: number;
  #isOver = false;

  constructor(options: RetentionOptions, modules: RetentionModules) {
    this.#options = options;
    this.#modules = modules;
    this.#bytesMax = options.retentionBytes * (1 - HEADROOM);
  }

  async enforce(): Promise<void> {
    await this.#enforceAge();
    await this.#enforceBytes();
  }

  /** The log begins at the newest snapshot that is as old as that. */
  async #enforceAge(): Promise<void> {
    const { clock, log } = this.#modules;
    const before = clock.now() - this.#options.retentionMs;
    const snapshots = await this.#usable();
    const base = snapshots.findLast(({ at }) => at <= before);
    if (base === undefined) return;
    const isFirst = base.index === snapshots[0]?.index && base.index < log.firstIndex;
    if (!isFirst) await this.#beginAt(base.index);
  }

  async #enforceBytes(): Promise<void> {
    const { snapshots } = this.#modules;
    for (let step = 0; step < STEPS_MAX; step++) {
      if ((await this.#bytes()) <= this.#bytesMax) {
        this.#isOver = false;
        return;
      }
      if (await snapshots.reclaim()) continue;
      if (await this.#dropOldest()) continue;
      if ((await this.#canCutMore()) && (await this.#modules.takeSnapshot())) continue;
      await this.#warnOverLimit();
      return;
    }
  }

  async #bytes(): Promise<number> {
    const { log, snapshots } = this.#modules;
    const ofLog = log.segments().reduce((sum, { bytes }) => sum + bytes, 0);
    return ofLog + (await snapshots.bytes());
  }

  /** False when there is nothing that may go. */
  async #dropOldest(): Promise<boolean> {
    const [oldest, next] = await this.#usable();
    if (oldest === undefined) return false;
    if (await this.#cutStretch(oldest)) return true;
    if (next === undefined) return false;
    await this.#beginAt(next.index);
    return true;
  }

  /**
   * Cuts the log before the oldest snapshot. The stretch is short, unless an earlier build kept few
   * snapshots: then it goes segment by segment, since people may still want to read it.
   */
  async #cutStretch({ index }: KeptSnapshot): Promise<boolean> {
    const { log } = this.#modules;
    const [segment] = log.segments();
    if (segment === undefined || !segment.closed || segment.lastIndex > index) return false;
    const isShort = index - log.firstIndex <= SHORT_STRETCH * this.#options.snapshotEntries;
    return (await this.#cut(isShort ? index : segment.lastIndex)) > 0;
  }

  /** Whether a snapshot taken now would let closed segments go. */
  async #canCutMore(): Promise<boolean> {
    const newest = this.#modules.newest();
    return this.#modules.log.segments().some(({ closed, lastIndex }) => {
      return closed && lastIndex > newest;
    });
  }

  /** Drops the snapshots before the one at `index`, then the log before it. */
  async #beginAt(index: number): Promise<void> {
    const { snapshots } = this.#modules;
    const stock = await snapshots.list();
    const kept = stock.good.map((each) => each.index).filter((each) => each >= index);
    await snapshots.drop(droppedFrom(stock, kept));
    await this.#cut(index);
  }

  async #cut(index: number): Promise<number> {
    const { log, logger, onCut } = this.#modules;
    if (index < log.firstIndex) return 0;
    onCut(index);
    const files = await log.prune(index + 1);
    if (files > 0) logger.info('history dropped', { files, firstIndex: log.firstIndex });
    return files;
  }

  /** A snapshot that came from the leader is no base before it is installed. */
  async #usable(): Promise<readonly KeptSnapshot[]> {
    const newest = this.#modules.newest();
    const { good } = await this.#modules.snapshots.list();
    return good.filter(({ index }) => index <= newest);
  }

  async #warnOverLimit(): Promise<void> {
    if (this.#isOver) return;
    const bytes = await this.#bytes();
    if (bytes <= this.#options.retentionBytes) return;
    this.#isOver = true;
    this.#modules.logger.warn('history takes more room than it may', {
      bytes,
      retentionBytes: this.#options.retentionBytes,
      hint: 'what is left is the newest snapshot and the log after it: raise --retention',
    });
  }
}
