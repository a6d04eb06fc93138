/**
 * One process of a simulated world: the production node, started on what its disk holds.
 *
 * Promise: it starts by the same steps as the daemon (snapshot, log, restore, node). Killing its
 * clock ends it as `kill -9` would, if its disk and stores keep the pace of that clock. What
 * outlives it belongs to the world and is passed in.
 */

import type { Compressor, Digest, Disk } from '../../log/disk.ts';
import type { LogIdentity } from '../../log/entry.ts';
import { openLog, type Log } from '../../log/log.ts';
import { readLogIdentity } from '../../log/recovery.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import { Node, type NodeOptions } from '../node/node.ts';
import { restore } from '../node/restore.ts';
import type { Logger, NodeObserver, Notifier, Random, SnapshotStore } from '../ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface ProcessOptions extends Omit<NodeOptions, 'addresses' | 'externalUrl'> {
  /** Who a log belongs to that begins here. */
  readonly identity: LogIdentity;
  readonly segmentBytesMax: number;
}

export interface ProcessModules {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly disk: Disk;
  readonly digest: Digest;
  readonly snapshots: SnapshotStore;
  readonly notifiers: readonly Notifier[];
  readonly localTimeIn: LocalTimeIn;
  readonly logger: Logger;
  readonly observer: NodeObserver;
}

export interface Process {
  readonly log: Log;
  readonly node: Node;
  /** Errors for which the node gave up. */
  readonly failures: readonly Error[];
}

/** Starts a process. Rejects with the sentence of whatever refuses to start. */
export async function startProcess(
  options: ProcessOptions,
  modules: ProcessModules,
): Promise<Process> {
  const { disk, digest, snapshots } = modules;
  const logModules = { disk, digest, compressor: storing };
  const loaded = await snapshots.load();
  const identity = await readLogIdentity(logModules);
  const opened = await openLog(
    {
      ...(identity ?? options.identity),
      create: identity === undefined && loaded.manifest === null,
      verifyFrom: (loaded.manifest?.index ?? 0) + 1,
      segmentBytesMax: options.segmentBytesMax,
    },
    logModules,
  );
  if (!opened.ok) throw new Error(opened.refusal.message);
  const { log } = opened;
  const restored = await restore(loaded, log);
  if (!restored.ok) throw new Error(restored.message);
  const failures: Error[] = [];
  const { index, root } = loaded.manifest ?? { index: 0, root: '' };
  const node = new Node(
    {
      ...options,
      addresses: () => ({ http: `${options.name}:9093`, peer: `${options.name}:9094` }),
      externalUrl: () => `http://${options.name}:9093`,
    },
    {
      ...modules,
      log,
      notifiers: new Map(modules.notifiers.map((notifier) => [notifier.type, notifier])),
      onFailure: (error) => failures.push(error),
    },
    restored.start,
    { index, root },
  );
  node.start();
  return { log, node, failures };
}

/** Packs nothing: a real compressor works on a thread of its own, in real time. */
const storing: Compressor = {
  compress: (bytes) => Promise.resolve(Uint8Array.from(bytes)),
  decompress: (bytes) => Promise.resolve(Uint8Array.from(bytes)),
};
