/**
 * Opens what a data directory holds: its lock, its snapshots, its log, in this order.
 *
 * Promise: existing data never begins a new cluster; whatever cannot be trusted is refused with a
 * sentence that names the place and the mend. The one thing set aside without asking is a snapshot
 * store that cannot be opened, because the log can make a new one.
 */

import { rename } from 'node:fs/promises';
import path from 'node:path';
import { openLog, type Log } from '../../log/log.ts';
import { readLogIdentity } from '../../log/recovery.ts';
import type { LogModules } from '../../log/disk.ts';
import { brotliCompressor } from '../disk/compressor.ts';
import { nodeDigest } from '../disk/digest.ts';
import { lockDataDirectory } from '../disk/real-disk-lock.ts';
import { createRealDisk } from '../disk/real-disk.ts';
import { openSnapshotStore, type OpenedSnapshotStore } from '../disk/snapshot-store.ts';
import { beginCluster, restore, type StartPoint } from '../node/restore.ts';
import type { LoadedSnapshot, Logger, Random, SnapshotStore } from '../ports.ts';
import { EXIT, type ExitCode } from './exit.ts';

export interface Storage {
  readonly log: Log;
  readonly snapshots: SnapshotStore;
  readonly start: StartPoint;
  /** The snapshot that the start is based on; index 0 when there is none. */
  readonly snapshot: { readonly index: number; readonly root: string };
  /** Whether this directory has just begun a cluster of its own. */
  readonly isNew: boolean;
  close(): Promise<void>;
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
  modules: { readonly logger: Logger; readonly random: Random },
): Promise<StorageResult> {
  const locked = await lockDataDirectory(directory);
  if (!locked.ok) {
    const exit = locked.code === 'in-use' ? EXIT.inUse : EXIT.refused;
    return { ok: false, exit, message: locked.message };
  }
  const closers = [() => locked.lock.release()];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  const result = await openParts(directory, modules, closers);
  if (!result.ok) {
    await close();
    return result;
  }
  return { ok: true, storage: { ...result.parts, close } };
}

type Parts = Omit<Storage, 'close'>;

async function openParts(
  directory: string,
  { logger, random }: { readonly logger: Logger; readonly random: Random },
  closers: (() => Promise<void>)[],
): Promise<{ readonly ok: true; readonly parts: Parts } | StorageRefusal> {
  const logModules: LogModules = {
    disk: await createRealDisk({ directory: path.join(directory, 'log') }),
    digest: nodeDigest,
    compressor: brotliCompressor,
    // Checking a long log must not hold up whatever else the process does.
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  };
  const opened = await openSnapshots(path.join(directory, 'snapshots'), logger);
  if (!opened.ok) return { ok: false, exit: EXIT.corrupt, message: opened.message };
  const snapshots = opened.store;
  closers.push(() => snapshots.close());
  const loaded = await snapshots.load();
  for (const problem of loaded.problems) logger.warn('snapshot damaged', { problem });

  const identity = await readLogIdentity(logModules);
  const isNew = identity === undefined && loaded.manifest === null;
  if (identity === undefined && !isNew) return logIsMissing(directory, loaded);
  const log = await openLog(
    {
      ...(identity ?? { clusterId: random.uuid(), nodeId: random.uuid() }),
      create: isNew,
      verifyFrom: (loaded.manifest?.index ?? 0) + 1,
    },
    logModules,
  );
  if (!log.ok) return { ok: false, exit: EXIT.corrupt, message: log.refusal.message };
  closers.push(() => log.log.close());
  if (log.cut !== undefined) logger.warn('torn tail cut, as after a crash', { ...log.cut });

  if (isNew) await beginCluster(log.log);
  const restored = await restore(loaded, log.log);
  if (!restored.ok) {
    return { ok: false, exit: EXIT.corrupt, message: `${directory}: ${restored.message}` };
  }
  const { index, root } = loaded.manifest ?? { index: 0, root: '' };
  return {
    ok: true,
    parts: { log: log.log, snapshots, start: restored.start, snapshot: { index, root }, isNew },
  };
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

function logIsMissing(directory: string, { manifest }: LoadedSnapshot): StorageRefusal {
  return {
    ok: false,
    exit: EXIT.corrupt,
    message:
      `${directory}: there is a snapshot at index ${manifest?.index} but no log. ` +
      'Put the log folder back, or start with an empty data directory.',
  };
}
