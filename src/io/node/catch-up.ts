/**
 * Snapshots on their way between members: the leader offers one, the other asks for the chunks that
 * it lacks, as often as it takes, and reports when it has all.
 *
 * Promise: only what lacks is sent; what has arrived need not be sent again, whichever member leads and
 * however often it breaks off; nothing is installed before every chunk is verified and durable.
 */

import { isLaterEpoch } from '../../log/epoch.ts';
import { UnusableSnapshot } from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import type { Input } from '../../raft/types.ts';
import type { IncomingSnapshot, Logger, Manifest, SnapshotStore } from '../ports.ts';
import type { Frame } from './wire.ts';

export interface CatchUpModules {
  readonly clusterId: string;
  readonly logger: Logger;
  readonly snapshots: SnapshotStore;
  readonly send: (to: string, frame: Frame) => void;
  /** Gives the core an input. */
  readonly step: (input: Input) => void;
  readonly appliedIndex: () => number;
  /** The snapshot at `index`, which another member needs, cannot be read here. */
  readonly onUnreadable: (index: number) => void;
  readonly onFailure: (error: Error) => void;
}

/** A snapshot that is here, verified and durable. */
export interface ReceivedSnapshot {
  readonly manifest: Manifest;
  readonly state: State;
}

interface Arriving {
  from: string;
  readonly incoming: IncomingSnapshot;
  /** When chunks were last asked for, in ticks. */
  askedAtTick: number;
  isBusy: boolean;
}

/** Chunks asked for at once, and the bytes after which an answer is cut short. */
const CHUNKS_PER_ASK = 512;
const ANSWER_BYTES = 1024 * 1024;
/** Without an answer for so long, it is asked again. */
const ASK_AGAIN_TICKS = 5;

export class CatchUp {
  readonly #modules: CatchUpModules;
  #arriving: Arriving | null = null;
  #received: ReceivedSnapshot | null = null;
  #tick = 0;

  constructor(modules: CatchUpModules) {
    this.#modules = modules;
  }

  /** The snapshot at `index`, if it has arrived since this process started. */
  received(index: number): ReceivedSnapshot | null {
    return this.#received?.manifest.index === index ? this.#received : null;
  }

  /** How far a snapshot has come in; null when none does. */
  get progress(): { readonly index: number; readonly missing: number } | null {
    if (this.#arriving === null) return null;
    const { incoming } = this.#arriving;
    return { index: incoming.manifest.index, missing: incoming.missing().length };
  }

  tick(): void {
    this.#tick++;
    const arriving = this.#arriving;
    if (arriving === null || arriving.isBusy) return;
    if (this.#tick - arriving.askedAtTick >= ASK_AGAIN_TICKS) this.#ask(arriving);
  }

  /** Leader: begins to bring the snapshot at `index` to `to`. */
  async offer(to: string, index: number): Promise<void> {
    const { onFailure, send, snapshots } = this.#modules;
    try {
      const manifest = await snapshots.manifestBytes(index);
      if (manifest === null) this.#giveUp(to, index);
      else send(to, { kind: 'offer', manifest });
    } catch (error) {
      onFailure(error as Error);
    }
  }

  /** Takes a frame of this business; answers whether it was one. */
  onFrame(from: string, frame: Frame): boolean {
    const { onFailure, step } = this.#modules;
    switch (frame.kind) {
      case 'offer':
        this.#onOffer(from, frame.manifest).catch(onFailure);
        return true;
      case 'want':
        this.#onWant(from, frame).catch(onFailure);
        return true;
      case 'chunks':
        this.#onChunks(from, frame).catch(onFailure);
        return true;
      case 'have':
        step({ type: 'snapshotSent', to: from, index: frame.index, ok: true });
        return true;
      case 'gone':
        if (this.#arriving?.incoming.manifest.index === frame.index) this.#arriving = null;
        return true;
      default:
        return false;
    }
  }

  async #onOffer(from: string, manifestBytes: Uint8Array): Promise<void> {
    const { appliedIndex, clusterId, logger, send, snapshots } = this.#modules;
    if (this.#arriving?.isBusy === true) return;
    const taken = await snapshots.receive(manifestBytes);
    if (!taken.ok || !isOurs(taken.incoming.manifest, clusterId)) {
      const problem = taken.ok ? 'it is of another cluster' : taken.problem;
      logger.warn('snapshot not taken', { from, problem });
      return;
    }
    const { incoming } = taken;
    const { index } = incoming.manifest;
    if (index <= appliedIndex() || this.received(index) !== null) {
      send(from, { kind: 'have', index });
      return;
    }
    const arriving = { from, incoming, askedAtTick: this.#tick, isBusy: false };
    this.#arriving = arriving;
    const { length } = incoming.missing();
    logger.info('snapshot offered', { from, index, missing: length });
    if (length === 0) await this.#finish(arriving);
    else this.#ask(arriving);
  }

  #ask(arriving: Arriving): void {
    const { incoming, from } = arriving;
    arriving.askedAtTick = this.#tick;
    const missing = incoming.missing();
    this.#modules.send(from, {
      kind: 'want',
      index: incoming.manifest.index,
      hashes: missing.slice(0, CHUNKS_PER_ASK),
      missing: missing.length,
      total: incoming.manifest.chunks.length,
    });
  }

  async #onWant(to: string, want: Extract<Frame, { kind: 'want' }>): Promise<void> {
    const { send, snapshots, step } = this.#modules;
    const { index, missing, total } = want;
    step({ type: 'snapshotProgress', to, index, done: Math.max(0, total - missing), total });
    const chunks: { readonly hash: string; readonly bytes: Uint8Array }[] = [];
    let size = 0;
    let isGone = false;
    for (const hash of want.hashes) {
      const bytes = await snapshots.chunk(hash);
      if (bytes === null) {
        // The others are looked at, too: the store writes again what it has found unreadable.
        isGone = true;
      } else if (!isGone) {
        chunks.push({ hash, bytes });
        size += bytes.length;
        if (size >= ANSWER_BYTES) break;
      }
    }
    if (isGone) {
      send(to, { kind: 'gone', index });
      this.#giveUp(to, index);
      return;
    }
    send(to, { kind: 'chunks', index, chunks });
  }

  /** It was pruned meanwhile, or is damaged here: a newer one will do, which somebody has to take. */
  #giveUp(to: string, index: number): void {
    const { onUnreadable, step } = this.#modules;
    step({ type: 'snapshotSent', to, index, ok: false });
    onUnreadable(index);
  }

  async #onChunks(from: string, frame: Extract<Frame, { kind: 'chunks' }>): Promise<void> {
    const arriving = this.#arriving;
    if (arriving === null || arriving.isBusy) return;
    const { incoming } = arriving;
    if (incoming.manifest.index !== frame.index) return;
    arriving.isBusy = true;
    await incoming.put(frame.chunks.map(({ hash, bytes }) => [hash, bytes] as const));
    arriving.isBusy = false;
    if (this.#arriving !== arriving) return;
    arriving.from = from;
    if (incoming.missing().length > 0) this.#ask(arriving);
    else await this.#finish(arriving);
  }

  async #finish(arriving: Arriving): Promise<void> {
    const { incoming, from } = arriving;
    const { manifest } = incoming;
    const { logger, send } = this.#modules;
    arriving.isBusy = true;
    const state = await this.#stateOf(arriving);
    if (state === null) return;
    this.#received = { manifest, state };
    this.#arriving = null;
    logger.info('snapshot received', { from, index: manifest.index });
    send(from, { kind: 'have', index: manifest.index });
  }

  /** Null when what a member sent is no state: it is asked for again when it is offered again. */
  async #stateOf(arriving: Arriving): Promise<State | null> {
    try {
      return await arriving.incoming.finish();
    } catch (error) {
      if (!(error instanceof UnusableSnapshot)) throw error;
      this.#modules.logger.warn('snapshot not taken', {
        from: arriving.from,
        problem: error.message,
      });
      if (this.#arriving === arriving) this.#arriving = null;
      return null;
    }
  }
}

/** A snapshot of an earlier epoch is a part of the history of this cluster. */
function isOurs({ clusterId: its }: Manifest, clusterId: string): boolean {
  return its === clusterId || isLaterEpoch(clusterId, its);
}
