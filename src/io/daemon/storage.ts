/**
 * Opens what a data directory holds: its lock, who its node is, its snapshots, its log, in this order.
 *
 * Promise: existing data never begins a new cluster; whatever cannot be trusted is refused with a
 * sentence that names the place and the fix. The one thing set aside without asking is a snapshot
 * store that cannot be opened, because the log can make a new one.
 */

import { rename } from 'node:fs/promises';
import path from 'node:path';
import { nextEpoch } from '../../log/epoch.ts';
import type { LogModules } from '../../log/disk.ts';
import type { LogIdentity } from '../../log/entry.ts';
import { isLaterEpoch } from '../../log/epoch.ts';
import { readLogIdentity } from '../../log/recovery.ts';
import { brotliCompressor } from '../disk/compressor.ts';
import { nodeDigest } from '../disk/digest.ts';
import { lockDataDirectory } from '../disk/real-disk-lock.ts';
import { makePrivate } from '../disk/private-files.ts';
import { createRealDisk } from '../disk/real-disk.ts';
import { SyncTimes, timedDisk } from '../node/sync-times.ts';
import { openSnapshotStore, type OpenedSnapshotStore } from '../disk/snapshot-store.ts';
import { forkAsSingleNode, type ForkedCluster } from '../node/epoch.ts';
import { openData, type OpenedData } from '../node/open.ts';
import { START_ANEW } from '../node/restore.ts';
import type { Clock, Logger, Random, SnapshotStore } from '../ports.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { NodeFile } from './node-file.ts';

/** Copies of what must not be forgotten, beside the folders that people put back. */
export const WITNESS_FOLDER = 'acknowledged';

export interface StorageModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

export interface StorageRefusal {
  readonly ok: false;
  readonly exit: ExitCode;
  readonly message: string;
}

export type StorageResult = { readonly ok: true; readonly storage: Storage } | StorageRefusal;

/** Opens a data directory, which is made when it is missing. */
export async function openStorage(
  directory: string,
  modules: StorageModules,
): Promise<StorageResult> {
  const locked = await lockDataDirectory(directory);
  if (!locked.ok) {
    const exit = locked.code === 'in-use' ? EXIT.inUse : EXIT.refused;
    return { ok: false, exit, message: locked.message };
  }
  const closers = [() => locked.lock.release()];
  const result = await openParts(directory, modules, closers);
  if (!result.ok) await closeAll(closers);
  return result;
}

async function openParts(
  directory: string,
  { clock, logger, random }: StorageModules,
  closers: (() => Promise<void>)[],
): Promise<StorageResult> {
  await closeToOthers(directory, logger);
  const witness = path.join(directory, WITNESS_FOLDER);
  const syncTimes = new SyncTimes(clock);
  const log: LogModules = {
    disk: timedDisk(await createRealDisk({ directory: path.join(directory, 'log') }), syncTimes),
    witness: timedDisk(await createRealDisk({ directory: witness }), syncTimes),
    digest: nodeDigest,
    compressor: brotliCompressor,
    // Checking a long log must not hold up whatever else the process does.
    yieldToEventLoop: () => new Promise((resolve) => setImmediate(resolve)),
  };
  const opened = await openSnapshots(path.join(directory, 'snapshots'), logger);
  if (!opened.ok) return corrupt(opened.message);
  const snapshots = opened.store;
  closers.push(() => snapshots.close());
  const identity = (await readLogIdentity(log)) ?? null;
  // Where the file is missing, the log may have been started often before: no clock has counted as
  // far as this one shows.
  const fresh = { nodeId: identity?.nodeId ?? random.uuid(), starts: clock.now() };
  const places = { directory, copies: witness };
  const file = await NodeFile.open(places, fresh).catch((error: Error) => error);
  if (file instanceof Error) return corrupt(file.message);
  if (file.problem !== null) logger.warn('node.json written anew', { problem: file.problem });
  const problem = ownerProblem(directory, file, identity);
  if (problem !== null) return corrupt(problem);
  // The log is ahead by one epoch: a process ended while it made a cluster of one of it.
  const known = file.facts.clusterId;
  const isRecovering =
    identity !== null && known !== null && identity.clusterId === nextEpoch(known);
  if (identity !== null && !isRecovering) await file.change({ clusterId: identity.clusterId });
  return {
    ok: true,
    storage: new Storage(directory, {
      file,
      log,
      syncTimes,
      snapshots,
      logger,
      closers,
      isRecovering,
    }),
  };
}

interface Parts {
  readonly file: NodeFile;
  readonly log: LogModules;
  /** Of the disk of the log. */
  readonly syncTimes: SyncTimes;
  readonly snapshots: SnapshotStore;
  readonly logger: Logger;
  readonly closers: (() => Promise<void>)[];
  readonly isRecovering: boolean;
}

export class Storage {
  readonly #directory: string;
  readonly #parts: Parts;

  constructor(directory: string, parts: Parts) {
    this.#directory = directory;
    this.#parts = parts;
  }

  get file(): NodeFile {
    return this.#parts.file;
  }

  /** The cluster whose log lies here; null where there is none yet. */
  get clusterId(): string | null {
    return this.#parts.file.facts.clusterId;
  }

  /** Whether {@link forkAsSingleNode} was begun by a process that ended before it was complete. */
  get isRecovering(): boolean {
    return this.#parts.isRecovering;
  }

  /** What the syncs of the log take. */
  get syncTimes(): SyncTimes {
    return this.#parts.syncTimes;
  }

  get snapshots(): SnapshotStore {
    return this.#parts.snapshots;
  }

  /** Opens the log, or begins one for a cluster that this node founds or was let into. */
  async openData(
    clusterId: string,
    segmentBytesMax?: number,
  ): Promise<{ readonly ok: true; readonly data: OpenedData } | StorageRefusal> {
    const { closers, file } = this.#parts;
    const opened = await this.#open(clusterId, segmentBytesMax);
    if (!opened.ok) return opened;
    closers.push(() => opened.data.log.close());
    await file.change({ clusterId });
    return opened;
  }

  /** Makes of the log that is here that of a cluster of one, with a history; completes what was begun. */
  async forkAsSingleNode(
    clusterId: string,
  ): Promise<{ readonly ok: true; readonly recovered: ForkedCluster } | StorageRefusal> {
    const opened = await this.#open(clusterId);
    if (!opened.ok) return opened;
    const { log } = opened.data;
    const recovered = await forkAsSingleNode(log, clusterId);
    await log.close();
    await this.file.change({ clusterId: recovered.clusterId, others: [], isStandalone: true });
    return { ok: true, recovered };
  }

  async #open(
    clusterId: string,
    segmentBytesMax?: number,
  ): Promise<{ readonly ok: true; readonly data: OpenedData } | StorageRefusal> {
    const { file, log, logger, snapshots } = this.#parts;
    const { founds, nodeId, others } = file.facts;
    const opened = await openData(
      {
        fresh: { clusterId, nodeId },
        founds,
        hasOthers: others.length > 0,
        ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
      },
      { log, logger, snapshots },
    );
    return opened.ok ? opened : corrupt(`${this.#directory}: ${opened.message}`);
  }

  close(): Promise<void> {
    return closeAll(this.#parts.closers);
  }
}

async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  for (const closer of closers.splice(0).toReversed()) await closer();
}

function corrupt(message: string): StorageRefusal {
  return { ok: false, exit: EXIT.corrupt, message };
}

/** A sentence when the parts of the directory do not belong together. */
function ownerProblem(
  directory: string,
  { facts }: NodeFile,
  identity: LogIdentity | null,
): string | null {
  if (identity === null) {
    if (facts.clusterId === null) return null;
    return (
      `${directory}: this node is a member of cluster ${facts.clusterId}, and its log is gone. ` +
      START_ANEW
    );
  }
  if (identity.nodeId === facts.nodeId) return otherCluster(directory, facts.clusterId, identity);
  return (
    `${directory}: node.json is of node ${facts.nodeId} and the log is of node ${identity.nodeId}. ` +
    'Do not mix two data directories; if the log is the right one, remove node.json.'
  );
}

/** A later epoch in the log is what a `--standalone` leaves that was cut off; everything else is a mix. */
function otherCluster(
  directory: string,
  clusterId: string | null,
  log: LogIdentity,
): string | null {
  if (clusterId === null || clusterId === log.clusterId) return null;
  if (isLaterEpoch(log.clusterId, clusterId)) return null;
  return (
    `${directory}: node.json is of cluster ${clusterId} and the log is of cluster ${log.clusterId}: one of ` +
    'them was put back from a copy. Do not mix two data directories, or two moments of one: start with an ' +
    'empty data directory, a member with --join.'
  );
}

/** A log holds all that anybody was ever notified of, and the configuration with its secrets. */
async function closeToOthers(directory: string, logger: Logger): Promise<void> {
  const { count, left } = await makePrivate(directory);
  if (count > 0) {
    logger.warn('data directory was open to others than its owner: it is not any more', {
      directory,
      files: count,
      hint: 'whoever could read it may know the secrets of the configuration: consider new ones',
    });
  }
  if (left.length === 0) return;
  logger.warn('data directory is open to others than its owner', {
    directory,
    files: left,
    hint: 'take the rights of group and others away, or run this as the owner of the files',
  });
}

/** Opens the snapshot store; one that LevelDB cannot open is set aside and begun anew. */
async function openSnapshots(folder: string, logger: Logger): Promise<OpenedSnapshotStore> {
  const opened = await openSnapshotStore({ folder });
  if (opened.ok || opened.code !== 'damaged') return opened;
  const aside = `${folder}.damaged-${Date.now()}`;
  await rename(folder, aside);
  logger.warn('snapshot store set aside: it cannot be opened; the log will make a new one', {
    aside,
    problem: opened.message,
  });
  return openSnapshotStore({ folder });
}
