/**
 * What keeps restarts short and the disk from filling: snapshots, compression of closed segments,
 * retention of the history that replay reads.
 *
 * Promise: the log is cut only below a snapshot that is durable, and only past the retention; one
 * task runs at a time, and none of them holds up an append.
 */

import type { Batch } from '../../commands/command.ts';
import { LogDamaged } from '../../log/damage.ts';
import type { Log } from '../../log/log.ts';
import { reducerVersionOf } from '../../projections/reducers.ts';
import type { ConfigAt } from '../../raft/types.ts';
import type { Clock, Logger, NodeObserver, SnapshotStore, View } from '../ports.ts';
import { hex } from './restore.ts';
import { Retention, type RetentionOptions } from './retention.ts';
import { droppedFrom, keptOf } from './thinning.ts';

export interface HousekeepingOptions extends RetentionOptions {
  /** One is taken at the first entry of each such span of the log's time, if anything comes. */
  readonly snapshotMs: number;
}

export interface HousekeepingModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Log;
  readonly snapshots: SnapshotStore;
  readonly observer: NodeObserver;
  readonly view: () => View;
  /** The configuration of the cluster as of the view. */
  readonly configAt: () => ConfigAt;
  readonly onSnapshot: (index: number, root: string) => void;
  /** Entries up to `index` are about to be dropped. */
  readonly onCut: (index: number) => void;
  readonly onFailure: (error: Error) => void;
}

/** Where the projection stands when the node starts. */
export interface HousekeepingStart {
  readonly snapshotIndex: number;
  /** Time of the log up to there. */
  readonly at: number;
}

/** An entry that was applied; `batch` is null where consensus alone is concerned. */
export interface Applied {
  readonly index: number;
  /** Bytes of the entry. */
  readonly bytes: number;
  readonly batch: Batch | null;
}

/** A state with all that its snapshot says of it. */
interface Point extends View {
  readonly config: ConfigAt;
  /** Readings folded by this process up to here. */
  readonly readings: number;
}

/** How often retention and compression look around when nothing else makes them. */
const ROUND_MS = 60_000;
const FIRST_ROUND_MS = 5_000;
/** Retention looks after each snapshot, and when this part of what may be kept was written. */
const LOOK_PART = 1 / 16;
/** After so many readings since the last span began one more is taken: they take seconds to fold. */
const READINGS_MAX = 5_000_000;
/** One more is taken after this part of what may be kept, so that little goes at a time. */
const SNAPSHOT_PART = 1 / 8;
/**
 * A node that begins with so many entries to fold takes its first snapshot soon: if it were killed
 * again and again before it takes one, it would have more to fold each time, and never be done.
 */
const FOLDED_MAX = 1_000;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #modules: HousekeepingModules;
  readonly #retention: Retention;
  #isFarBehind: boolean;
  #snapshotIndex: number;
  /** Time of the last entry. */
  #at: number;
  /** Readings folded by this process, up to now and up to the newest snapshot. */
  #readings = 0;
  #readingsSaved = 0;
  /** Readings and bytes since the span of the log's time began. */
  #readingsInSpan = 0;
  #bytesInSpan = 0;
  #bytesSinceLook = 0;
  /** The state of which a snapshot is taken next. */
  #due: Point | null = null;
  #saving: Promise<void> | null = null;
  #looking: Promise<void> | null = null;
  #compressing: Promise<void> | null = null;
  #cancelRound: () => void = () => undefined;
  #stopped = false;

  constructor(
    options: HousekeepingOptions,
    modules: HousekeepingModules,
    { snapshotIndex, at }: HousekeepingStart,
  ) {
    this.#options = options;
    this.#modules = modules;
    this.#snapshotIndex = snapshotIndex;
    this.#at = at;
    this.#isFarBehind = modules.log.lastIndex - snapshotIndex > FOLDED_MAX;
    this.#retention = new Retention(options, {
      ...modules,
      newest: () => this.#snapshotIndex,
      takeSnapshot: () => this.#takeNow(),
    });
  }

  start(): void {
    this.#nextRound(FIRST_ROUND_MS);
  }

  /**
   * Called after each applied entry. Snapshots are taken at the same indexes on all members, so that
   * their roots can be compared and all keep the same ones: what is asked here is in the log.
   */
  applied(applied: Applied): void {
    if (this.#isDueAfter(applied)) this.#take(this.#point());
    this.#bytesSinceLook += applied.bytes;
    if (this.#bytesSinceLook >= this.#options.retentionBytes * LOOK_PART) this.#look();
  }

  #isDueAfter({ index, batch, bytes }: Applied): boolean {
    const isAtMultiple = index % this.#options.snapshotEntries === 0;
    if (batch === null) return isAtMultiple;
    const { snapshotMs } = this.#options;
    // The first entry of all has nothing before it.
    const beginsSpan =
      this.#at > 0 && Math.floor(batch.at / snapshotMs) > Math.floor(this.#at / snapshotMs);
    this.#at = batch.at;
    const readings = readingsIn(batch);
    this.#readings += readings;
    const before = beginsSpan ? 0 : this.#readingsInSpan;
    this.#readingsInSpan = before + readings;
    const isMuch =
      Math.floor(this.#readingsInSpan / READINGS_MAX) > Math.floor(before / READINGS_MAX);
    const bytesBefore = beginsSpan ? 0 : this.#bytesInSpan;
    this.#bytesInSpan = bytesBefore + bytes;
    const part = this.#options.retentionBytes * SNAPSHOT_PART;
    const isLarge = Math.floor(this.#bytesInSpan / part) > Math.floor(bytesBefore / part);
    return isAtMultiple || beginsSpan || isMuch || isLarge;
  }

  /** A snapshot of the leader took the place of the state. */
  installed(index: number, at: number): void {
    this.#snapshotIndex = Math.max(this.#snapshotIndex, index);
    this.#at = at;
    this.#readingsSaved = this.#readings;
    this.#readingsInSpan = 0;
    this.#bytesInSpan = 0;
    this.#due = null;
    this.#look();
  }

  /**
   * The snapshot at `index` cannot be read, and another member needs it. If it is the newest, another
   * is taken now: what has rotted is written again with it.
   */
  replace(index: number): void {
    if (index !== this.#snapshotIndex) return;
    const point = this.#point();
    // If one is taken just now, the leader will offer it, and this is asked again.
    if (point.index === index || this.#saving !== null) return;
    this.#modules.logger.warn('snapshot unreadable', { index, hint: 'another is taken now' });
    this.#take(point);
  }

  /** Begins nothing more. */
  halt(): void {
    this.#stopped = true;
    this.#due = null;
    this.#cancelRound();
  }

  /** Takes a last snapshot, so that the next start folds nothing. */
  async stop(): Promise<void> {
    this.halt();
    await Promise.all([this.#saving, this.#looking, this.#compressing]);
    if (this.#modules.log.failure === undefined) await this.#snapshot(this.#point());
  }

  #nextRound(delayMs: number): void {
    this.#cancelRound = this.#modules.clock.after(delayMs, () => {
      if (this.#isFarBehind) this.#take(this.#point());
      this.#isFarBehind = false;
      this.#look();
      this.#compress();
      if (!this.#stopped) this.#nextRound(ROUND_MS);
    });
  }

  /** Takes a snapshot as soon as the one that is being taken is done; of several the newest. */
  #take(point: Point): void {
    if (this.#stopped) return;
    this.#due = point;
    this.#saving ??= this.#saveDue();
  }

  async #saveDue(): Promise<void> {
    try {
      for (let point = this.#due; point !== null; point = this.#due) {
        this.#due = null;
        await this.#snapshot(point);
        this.#look();
      }
    } catch (error) {
      this.#due = null;
      this.#modules.onFailure(error as Error);
    } finally {
      this.#saving = null;
    }
  }

  async #takeNow(): Promise<boolean> {
    const before = this.#snapshotIndex;
    this.#take(this.#point());
    await this.#saving;
    return this.#snapshotIndex > before;
  }

  /** Enforces the limits of the history; what is compressed meanwhile does not hold that up. */
  #look(): void {
    if (this.#looking !== null || this.#stopped) return;
    this.#bytesSinceLook = 0;
    this.#looking = this.#retention
      .enforce()
      .catch((error: unknown) => this.#modules.onFailure(error as Error))
      .finally(() => {
        this.#looking = null;
      });
  }

  /** What a snapshot would hold if it were taken now. */
  #point(): Point {
    const { configAt, view } = this.#modules;
    return { ...view(), config: configAt(), readings: this.#readings };
  }

  async #snapshot({ state, index, term, at, config, readings }: Point): Promise<void> {
    const { log, logger, observer, onSnapshot, snapshots } = this.#modules;
    if (index <= this.#snapshotIndex) return;
    const chain = await log.chainAt(index);
    // The log begins anew after a snapshot of the leader, which is about to be installed.
    if (chain === undefined && index < log.firstIndex) return;
    if (chain === undefined) throw new Error(`the log has no chain hash for index ${index}`);
    const { clusterId } = log.identity;
    const written = await snapshots.save(
      state,
      {
        reducerVersion: reducerVersionOf(state),
        clusterId,
        index,
        term,
        at,
        chain: hex(chain),
        config,
      },
      { since: this.#snapshotIndex, count: readings - this.#readingsSaved },
    );
    // Meanwhile a newer one may have come from the leader.
    if (index > this.#snapshotIndex) {
      this.#snapshotIndex = index;
      this.#readingsSaved = readings;
      observer.snapshotTaken(written);
      onSnapshot(index, written.manifest.root);
    }
    logger.debug('snapshot taken', {
      index,
      chunks: written.chunksWritten,
      bytes: written.bytesWritten,
      tookMs: written.tookMs,
    });
    await this.#thin();
  }

  /**
   * The limits come later; this is what is worth keeping. One that came from the leader stands for
   * nothing before it is installed, so it takes no other's place, and is not dropped either.
   */
  async #thin(): Promise<void> {
    const { log, snapshots } = this.#modules;
    const stock = await snapshots.list();
    const newest = this.#snapshotIndex;
    const own = stock.good.filter(({ index }) => index <= newest);
    const later = stock.good.flatMap(({ index }) => (index > newest ? [index] : []));
    await snapshots.drop(droppedFrom(stock, [...keptOf(own, log.firstIndex), ...later]));
  }

  #compress(): void {
    if (this.#compressing !== null || this.#stopped) return;
    this.#compressing = this.#compressClosed()
      .catch((error: unknown) => this.#modules.onFailure(error as Error))
      .finally(() => {
        this.#compressing = null;
      });
  }

  /** A closed segment that is damaged is reported and left alone: only a replay would read it again. */
  async #compressClosed(): Promise<void> {
    try {
      await this.#modules.log.compressClosed();
    } catch (error) {
      if (!(error instanceof LogDamaged)) throw error;
      this.#modules.logger.error('history damaged', { problem: error.message });
    }
  }
}

function readingsIn({ commands }: Batch): number {
  let count = 0;
  for (const command of commands) if (command.kind === 'observe') count += command.ids.length;
  return count;
}
