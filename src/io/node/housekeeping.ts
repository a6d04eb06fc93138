/**
 * What keeps restarts short and the disk from filling: snapshots, compression of closed segments,
 * retention of the history that replay reads.
 *
 * Promise: the log is cut only below a snapshot that is durable, and only past the retention; one
 * task runs at a time, and none of them holds up an append.
 */

import { decodeBatch } from '../../log/codec.ts';
import { LogDamaged } from '../../log/damage.ts';
import type { Log, SegmentInfo } from '../../log/log.ts';
import { reducerVersionOf } from '../../projections/reducers.ts';
import type { ConfigAt } from '../../raft/types.ts';
import type { Clock, Logger, NodeObserver, SnapshotStore, View } from '../ports.ts';
import { entryTypeOf } from './entries.ts';
import { hex } from './restore.ts';

export interface HousekeepingOptions {
  /** Entries after which a snapshot is taken, so that a restart has little to fold. */
  readonly snapshotEntries: number;
  /** Milliseconds after which one is taken anyway if anything was applied. */
  readonly snapshotMs: number;
  /** History is kept for so long … */
  readonly retentionMs: number;
  /** … or until it takes so many bytes. */
  readonly retentionBytes: number;
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
  readonly onFailure: (error: Error) => void;
}

/** A state with all that its snapshot says of it. */
interface Point extends View {
  readonly config: ConfigAt;
}

/** Snapshots kept: enough to start from an older one, and for replay to prove itself against. */
const SNAPSHOTS_KEPT = 48;
/** How often retention and compression look around. */
const ROUND_MS = 60_000;
/**
 * A node that begins with so many entries to fold takes its first snapshot soon: if it were killed
 * again and again before it takes one, it would have more to fold each time, and never be done.
 */
const FOLDED_MAX = 1_000;
const FIRST_ROUND_MS = 5_000;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #modules: HousekeepingModules;
  #snapshotIndex: number;
  #snapshotAt: number;
  #running: Promise<void> | null = null;
  #cancelRound: () => void = () => undefined;
  #stopped = false;

  constructor(options: HousekeepingOptions, modules: HousekeepingModules, snapshotIndex: number) {
    this.#options = options;
    this.#modules = modules;
    this.#snapshotIndex = snapshotIndex;
    const isFarBehind = modules.log.lastIndex - snapshotIndex > FOLDED_MAX;
    this.#snapshotAt = isFarBehind ? -Infinity : modules.clock.monotonicMs();
  }

  start(): void {
    this.#nextRound(FIRST_ROUND_MS);
  }

  /**
   * Called after each applied entry. Snapshots are taken at the same indexes on all members, so that
   * their roots can be compared.
   */
  applied(index: number): void {
    if (index % this.#options.snapshotEntries !== 0) return;
    const point = this.#point();
    this.#run(() => this.#snapshot(point));
  }

  /** A snapshot of the leader took the place of the state. */
  installed(index: number): void {
    this.#snapshotIndex = Math.max(this.#snapshotIndex, index);
    this.#snapshotAt = this.#modules.clock.monotonicMs();
  }

  /**
   * The snapshot at `index` cannot be read, and another member needs it. If it is the newest, another
   * is taken now: what has rotted is written again with it.
   */
  replace(index: number): void {
    if (index !== this.#snapshotIndex) return;
    const point = this.#point();
    if (point.index === index) return;
    // If something else runs just now, the leader will offer it again, and this is asked again.
    this.#run(() => {
      this.#modules.logger.warn('snapshot unreadable', { index, mend: 'another is taken now' });
      return this.#snapshot(point);
    });
  }

  /** Begins nothing more. */
  halt(): void {
    this.#stopped = true;
    this.#cancelRound();
  }

  /** Takes a last snapshot, so that the next start folds nothing. */
  async stop(): Promise<void> {
    this.halt();
    await this.#running;
    if (this.#modules.log.failure === undefined) await this.#snapshot(this.#point());
  }

  #nextRound(delayMs: number): void {
    this.#cancelRound = this.#modules.clock.after(delayMs, () => {
      this.#run(async () => {
        if (this.#isSnapshotOld()) await this.#snapshot(this.#point());
        await this.#compact();
        await this.#retain();
      });
      if (!this.#stopped) this.#nextRound(ROUND_MS);
    });
  }

  #run(task: () => Promise<void>): void {
    if (this.#running !== null || this.#stopped) return;
    this.#running = task()
      .catch((error: unknown) => this.#modules.onFailure(error as Error))
      .finally(() => {
        this.#running = null;
      });
  }

  #isSnapshotOld(): boolean {
    const { clock } = this.#modules;
    return clock.monotonicMs() - this.#snapshotAt >= this.#options.snapshotMs;
  }

  /** What a snapshot would hold if it were taken now. */
  #point(): Point {
    return { ...this.#modules.view(), config: this.#modules.configAt() };
  }

  async #snapshot({ state, index, term, at, config }: Point): Promise<void> {
    const { clock, log, logger, observer, onSnapshot, snapshots } = this.#modules;
    if (index <= this.#snapshotIndex) return;
    const chain = await log.chainAt(index);
    if (chain === undefined) throw new Error(`the log has no chain hash for index ${index}`);
    const { clusterId } = log.identity;
    const written = await snapshots.save(state, {
      reducerVersion: reducerVersionOf(state),
      clusterId,
      index,
      term,
      at,
      chain: hex(chain),
      config,
    });
    await snapshots.prune(SNAPSHOTS_KEPT);
    // Meanwhile a newer one may have come from the leader.
    if (index <= this.#snapshotIndex) return;
    this.#snapshotIndex = index;
    this.#snapshotAt = clock.monotonicMs();
    observer.snapshotTaken(written);
    onSnapshot(index, written.manifest.root);
    logger.debug('snapshot taken', {
      index,
      chunks: written.chunksWritten,
      bytes: written.bytesWritten,
      tookMs: written.tookMs,
    });
  }

  /** A closed segment that rotted is told and left alone: only a replay would read it again. */
  async #compact(): Promise<void> {
    try {
      await this.#modules.log.compactClosed();
    } catch (error) {
      if (!(error instanceof LogDamaged)) throw error;
      this.#modules.logger.error('history damaged', { problem: error.message });
    }
  }

  /** Drops the oldest closed segments that are past the retention and below the snapshot. */
  async #retain(): Promise<void> {
    const { log, logger } = this.#modules;
    const keepFrom = await this.#firstIndexToKeep();
    if (keepFrom <= log.firstIndex) return;
    const files = await log.prune(keepFrom);
    if (files === 0) return;
    logger.info('history dropped', { files, firstIndex: log.firstIndex });
  }

  async #firstIndexToKeep(): Promise<number> {
    const { clock, log } = this.#modules;
    const { retentionBytes, retentionMs } = this.#options;
    const closed = log.segments().filter((segment) => segment.closed);
    let bytes = log.segments().reduce((sum, segment) => sum + segment.bytes, 0);
    let keepFrom = log.firstIndex;
    for (const [i, segment] of closed.entries()) {
      if (segment.lastIndex >= this.#snapshotIndex) break;
      const isOld = clock.now() - (await this.#endOf(closed.slice(i))) > retentionMs;
      if (!isOld && bytes <= retentionBytes) break;
      bytes -= segment.bytes;
      keepFrom = segment.lastIndex + 1;
    }
    return keepFrom;
  }

  /**
   * The time of the newest command in the first of these segments, or of one after it when it holds
   * none or has rotted: it is at least as old. Now if there is none at all.
   */
  async #endOf(segments: readonly SegmentInfo[]): Promise<number> {
    for (const segment of segments) {
      try {
        const at = await this.#newestIn(segment);
        if (at !== undefined) return at;
      } catch (error) {
        if (!(error instanceof LogDamaged)) throw error;
        this.#modules.logger.error('history damaged', { problem: error.message });
      }
    }
    return this.#modules.clock.now();
  }

  async #newestIn({ firstIndex, lastIndex }: SegmentInfo): Promise<number | undefined> {
    const { log } = this.#modules;
    for (let index = lastIndex; index >= firstIndex; index--) {
      for await (const entry of log.read(index, index)) {
        if (entryTypeOf(entry) === 'command') return decodeBatch(entry.data).at;
      }
    }
    return undefined;
  }
}
