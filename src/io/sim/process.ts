/**
 * One process of a simulated world: the production node, started on what its disk holds.
 *
 * Promise: it starts by the same steps as the daemon. Killing its clock ends it as `kill -9` would,
 * if its disk and stores keep the pace of that clock. What outlives it belongs to the world and is
 * passed in.
 */

import type { Compressor, Digest, Disk } from '../../log/disk.ts';
import type { LogIdentity } from '../../log/entry.ts';
import type { Log } from '../../log/log.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import { SyncTimes, timedDisk } from '../node/sync-times.ts';
import { Node } from '../node/node.ts';
import type { NodeOptions } from '../node/options.ts';
import { openData } from '../node/open.ts';
import type { Logger, NodeObserver, Notifier, Random, SnapshotStore, Transport } from '../ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface ProcessOptions extends Omit<NodeOptions, 'addresses' | 'externalUrl' | 'version'> {
  readonly version?: string;
  /** Who a log belongs to that begins here. */
  readonly identity: LogIdentity;
  /** Whether a log that begins here is that of a new cluster. */
  readonly founds: boolean;
  readonly hasOthers: boolean;
  readonly segmentBytesMax: number;
}

export interface ProcessModules {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly disk: Disk;
  /** The directory beside the log, with copies of its durable mark and its vote record. */
  readonly witnessDisk: Disk;
  readonly digest: Digest;
  readonly snapshots: SnapshotStore;
  readonly transport: Transport;
  readonly notifiers: readonly Notifier[];
  readonly localTimeIn: LocalTimeIn;
  readonly logger: Logger;
  readonly observer: NodeObserver;
  /** File descriptors that the process may still open; not known when left out. */
  readonly descriptorsFree?: () => number;
  /** Called when the node gives up. */
  readonly onFailure?: (error: Error) => void;
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
  const { descriptorsFree, digest, logger, snapshots } = modules;
  const syncTimes = new SyncTimes(modules.clock);
  const disk = timedDisk(modules.disk, syncTimes);
  const witness = timedDisk(modules.witnessDisk, syncTimes);
  const opened = await openData(
    { ...options, fresh: options.identity },
    { log: { disk, witness, digest, compressor: storing }, logger, snapshots },
  );
  if (!opened.ok) throw new Error(opened.message);
  const { log, snapshot, start } = opened.data;
  const failures: Error[] = [];
  const node = new Node(
    {
      version: 'simulated',
      ...options,
      addresses: () => ({ http: `${options.name}:9093`, peer: `${options.name}:9094` }),
      externalUrl: () => `http://${options.name}:9093`,
    },
    {
      ...modules,
      log,
      vitals: {
        syncMs: () => syncTimes.recentMs(),
        descriptorsFree: () => descriptorsFree?.() ?? null,
      },
      notifiers: new Map(modules.notifiers.map((notifier) => [notifier.type, notifier])),
      onFailure: (error) => {
        failures.push(error);
        modules.onFailure?.(error);
      },
    },
    start,
    snapshot,
  );
  node.start();
  return { log, node, failures };
}

/** Packs nothing: a real compressor works on a thread of its own, in real time. */
const storing: Compressor = {
  compress: (bytes) => Promise.resolve(Uint8Array.from(bytes)),
  decompress: (bytes) => Promise.resolve(Uint8Array.from(bytes)),
};
