/**
 * Makes a data directory out of a backup: that of a cluster of one, which goes on from its state.
 *
 * Promise: nothing, or all of it: it is made beside the directory and moved there when it is on the disk.
 * The cluster is the next epoch of the one of the backup, so its members are refused and do not go on beside it.
 */

import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { nextEpoch } from '../../log/epoch.ts';
import { openLog } from '../../log/log.ts';
import { createSegment } from '../../log/segment-file.ts';
import { stateFrom, type StatePage } from '../../projections/snapshot-pages.ts';
import { EMPTY_CONFIG, encodeConfState } from '../../raft/confchange.ts';
import { BackupDamaged, type BackupHead } from '../disk/backup-format.ts';
import { brotliCompressor } from '../disk/compressor.ts';
import { nodeDigest } from '../disk/digest.ts';
import { createRealDisk } from '../disk/real-disk.ts';
import { openSnapshotStore } from '../disk/snapshot-store.ts';
import { toLogEntry } from '../node/entries.ts';
import { NodeFile } from './node-file.ts';
import { WITNESS_FOLDER } from './storage.ts';

export interface RestoredCluster {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly index: number;
}

/** `directory` must be empty or missing. Throws {@link BackupDamaged}, or what the file system throws. */
export async function createRestoredCluster(
  directory: string,
  head: BackupHead,
  pages: readonly StatePage[],
): Promise<RestoredCluster> {
  const target = path.resolve(directory);
  const folder = `${target}.restoring-${process.pid}`;
  await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
  await mkdir(folder, { mode: 0o700 });
  try {
    const founded = await fill(folder, head, pages);
    // Over an empty directory, or to a name that is free.
    await rename(folder, target);
    await syncFolder(path.dirname(target));
    return founded;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  folder: string,
  head: BackupHead,
  pages: readonly StatePage[],
): Promise<RestoredCluster> {
  const { at, index, reducerVersion, term } = head;
  const nodeId = randomUUID();
  const clusterId = nextEpoch(head.clusterId);
  const confState = { ...EMPTY_CONFIG, voters: [nodeId] };
  // The history before has its own chain, which nothing here can continue.
  const chain = nodeDigest.sha256(new TextEncoder().encode(`${clusterId} ${nodeId} ${index}`));
  const store = await openSnapshotStore({ folder: path.join(folder, 'snapshots') });
  if (!store.ok) throw new Error(store.message);
  await store.store.save(stateOf(pages), {
    reducerVersion,
    clusterId,
    index,
    term,
    at,
    chain: Buffer.from(chain).toString('hex'),
    config: { index: 0, confState },
  });
  await store.store.close();

  const witness = path.join(folder, WITNESS_FOLDER);
  const modules = {
    disk: await createRealDisk({ directory: path.join(folder, 'log') }),
    witness: await createRealDisk({ directory: witness }),
    digest: nodeDigest,
    compressor: brotliCompressor,
  };
  const segment = await createSegment(
    {
      clusterId,
      nodeId,
      sequence: 1,
      begunBy: 'snapshot',
      previous: { index, term, chain },
      keptFrom: index + 1,
      hardState: { term, vote: null, commit: index },
      isHealing: false,
    },
    modules,
  );
  await segment.close();
  const opened = await openLog(
    { clusterId, nodeId, create: false, verifyFrom: index + 1 },
    modules,
  );
  if (!opened.ok) throw new Error(opened.refusal.message);
  const first = {
    term: term + 1,
    index: index + 1,
    type: 'config',
    data: encodeConfState(confState),
  } as const;
  await opened.log.append({
    hardState: { term: term + 1, vote: null, commit: index + 1 },
    entries: [toLogEntry(first)],
  });
  await opened.log.close();
  const file = await NodeFile.open(
    { directory: folder, copies: witness },
    { nodeId, starts: Date.now() },
  );
  await file.change({ clusterId });
  return { clusterId, nodeId, index };
}

function stateOf(pages: readonly StatePage[]): ReturnType<typeof stateFrom> {
  try {
    return stateFrom(pages);
  } catch (error) {
    throw new BackupDamaged((error as Error).message);
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
