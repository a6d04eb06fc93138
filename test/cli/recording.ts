/**
 * Real data directories for the tools: the log of a scenario written by the log, snapshots of its
 * states written by the snapshot store, on a real disk.
 */

import { EMPTY_CONFIG } from '../../src/raft/confchange.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { brotliCompressor } from '../../src/io/disk/compressor.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { createRealDisk } from '../../src/io/disk/real-disk.ts';
import { openSnapshotStore } from '../../src/io/disk/snapshot-store.ts';
import { hex } from '../../src/io/node/restore.ts';
import { decodeBatch } from '../../src/log/codec.ts';
import type { LogEntry } from '../../src/log/entry.ts';
import { openLog, type Log } from '../../src/log/log.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { REDUCER_VERSION, type State } from '../../src/projections/state.ts';
import { onTestFinished } from 'vitest';

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface RecordingSketch {
  /** Encoded batches: the entry at index 1 first. */
  readonly batches: readonly Uint8Array[];
  /** Indexes at which a snapshot is taken. */
  readonly snapshotsAt?: readonly number[];
  readonly segmentBytesMax?: number;
  readonly clusterId?: string;
  /** Of the fold that takes the snapshots; default: this build's. */
  readonly reducerVersion?: number;
  /** What is stored instead of the state at an index: a fold with a fault. */
  readonly disturb?: (state: State, index: number) => State;
}

/** Writes a data directory; the log is left open for the test to prune or grow. */
export async function record(folder: string, sketch: RecordingSketch): Promise<Log> {
  const { batches, snapshotsAt = [], disturb = (state) => state } = sketch;
  const log = await logIn(folder, sketch);
  const opened = await openSnapshotStore({ folder: path.join(folder, 'snapshots') });
  if (!opened.ok) throw new Error(opened.message);
  const projection = new Projection(INITIAL_STATE);
  let waiting: LogEntry[] = [];
  const append = async (): Promise<void> => {
    await log.append({ entries: waiting });
    waiting = [];
  };
  for (const [i, data] of batches.entries()) {
    const index = i + 1;
    const batch = decodeBatch(data);
    waiting.push({ term: 1, index, type: 1, data });
    // An append never spans segments, so small segments need small appends.
    if (sketch.segmentBytesMax !== undefined) await append();
    projection.apply(index, batch);
    if (!snapshotsAt.includes(index)) continue;
    if (waiting.length > 0) await append();
    const chain = await log.chainAt(index);
    if (chain === undefined) throw new Error(`no chain at ${index}`);
    await opened.store.save(disturb(projection.state, index), {
      reducerVersion: sketch.reducerVersion ?? REDUCER_VERSION,
      clusterId: log.identity.clusterId,
      index,
      term: 1,
      at: batch.at,
      chain: hex(chain),
      config: { index: 0, confState: { ...EMPTY_CONFIG, voters: [log.identity.nodeId] } },
    });
  }
  if (waiting.length > 0) await append();
  await opened.store.close();
  return log;
}

async function logIn(
  folder: string,
  { segmentBytesMax, clusterId = 'cluster' }: RecordingSketch,
): Promise<Log> {
  const disk = await createRealDisk({ directory: path.join(folder, 'log') });
  const result = await openLog(
    {
      clusterId,
      nodeId: 'node-1',
      create: true,
      ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
    },
    { disk, digest: nodeDigest, compressor: brotliCompressor },
  );
  if (!result.ok) throw new Error(result.refusal.message);
  const { log } = result;
  onTestFinished(() => log.close());
  return log;
}

/** A stream that keeps what is written to it. */
export class Captured extends Writable {
  readonly isTTY: boolean;
  text = '';

  constructor({ isTTY = false } = {}) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  get lines(): readonly string[] {
    return this.text.split('\n').slice(0, -1);
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

/** A reader that takes one piece and leaves, as `head` does. */
export class Leaving extends Writable {
  pieces = 0;

  override _write(_chunk: unknown, _encoding: string, done: (error?: Error) => void): void {
    this.pieces++;
    done(this.pieces > 1 ? Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }) : undefined);
  }
}
