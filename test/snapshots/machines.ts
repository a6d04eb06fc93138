/**
 * Machines with a snapshot store of either kind, for the stories about snapshots that travel. What
 * holds for one kind must hold for the other, or the simulator proves nothing about the daemon.
 */

import path from 'node:path';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import type { LevelFolder } from '../../src/io/disk/level-open.ts';
import {
  chunkKey,
  chunkList,
  encodeManifest,
  manifestKey,
  rootOfList,
} from '../../src/io/disk/snapshot-format.ts';
import type { IncomingSnapshot, Manifest, SnapshotStore } from '../../src/io/ports.ts';
import { MemorySnapshots } from '../../src/io/sim/memory-snapshots.ts';
import { encodeCanonical } from '../../src/log/codec.ts';
import { flipped, inDatabase, openStore, temporaryFolder } from './store.ts';

export interface Machine {
  /** The store of the process that runs. */
  readonly store: SnapshotStore;
  /** The process ends, and the next one begins with what it left, less a bit that flipped meanwhile. */
  restart(rot?: Rot): Promise<void>;
}

/** What rots: the manifest at an index, or the page of a hash. */
export type Rot = { readonly manifest: number } | { readonly page: string };

export interface Kind {
  /** A machine with an empty store; `whileStoring` is called when chunks are checked but not stored. */
  machine(whileStoring?: () => void): Promise<Machine>;
  /** A manifest as a store of this kind writes it, whatever it says. */
  manifestBytes(manifest: Manifest): Uint8Array;
}

const openMachines: Machine[] = [];

export async function closeMachines(): Promise<void> {
  for (const { store } of openMachines.splice(0)) await store.close();
}

const onLevel: Kind = {
  machine: async (whileStoring = () => undefined) => {
    const folder = path.join(temporaryFolder(), 'snapshots');
    let now = 0;
    const pace = {
      // Every slice is over at once, so that there is a pause after every chunk.
      monotonicMs: () => (now += 5),
      pause: () => {
        whileStoring();
        return Promise.resolve();
      },
    };
    let store = await openStore(folder, { pace });
    const machine: Machine = {
      get store() {
        return store;
      },
      restart: async (rot) => {
        await store.close();
        if (rot !== undefined) await inDatabase(folder, (db) => flipIn(db, rot));
        store = await openStore(folder, { pace });
      },
    };
    openMachines.push(machine);
    return machine;
  },
  manifestBytes: (manifest) => {
    const list = chunkList(manifest.chunks);
    return encodeManifest({ ...manifest, root: rootOfList(manifest.reducerVersion, list) }, list);
  },
};

async function flipIn(db: LevelFolder, rot: Rot): Promise<void> {
  const key = 'page' in rot ? chunkKey(rot.page) : manifestKey(rot.manifest);
  await db.put(key, flipped(await db.get(key)));
}

const inMemory: Kind = {
  machine: (whileStoring = () => undefined) => {
    const pace = () => {
      whileStoring();
      return Promise.resolve();
    };
    let store = new MemorySnapshots({ digest: nodeDigest, pace });
    const machine: Machine = {
      get store() {
        return store;
      },
      restart: async (rot) => {
        await store.close();
        if (rot !== undefined && 'page' in rot) store.flipBitOfPage(rot.page, 0.5);
        if (rot !== undefined && 'manifest' in rot) store.flipBitOfManifest(rot.manifest, 0.5);
        store = store.reopened();
      },
    };
    return Promise.resolve(machine);
  },
  manifestBytes: (manifest) => {
    const root = nodeDigest.sha256(encodeCanonical([manifest.reducerVersion, manifest.chunks]));
    const body = encodeCanonical({ ...manifest, root: Buffer.from(root).toString('hex') });
    return Buffer.concat([nodeDigest.sha256(body), body]);
  },
};

export const KINDS: readonly (readonly [name: string, kind: Kind])[] = [
  ['in LevelDB', onLevel],
  ['in memory', inMemory],
];

/** Begins to take in the snapshot at `index` of another store. */
export async function offer(
  from: SnapshotStore,
  index: number,
  to: SnapshotStore,
): Promise<IncomingSnapshot> {
  const bytes = await from.manifestBytes(index);
  if (bytes === null) throw new Error(`snapshot ${index} is not kept`);
  const taken = await to.receive(bytes);
  if (!taken.ok) throw new Error(taken.problem);
  return taken.incoming;
}

/** Brings chunks, one after the other; gives back how many there were. */
export async function bring(
  from: SnapshotStore,
  incoming: IncomingSnapshot,
  hashes: readonly string[] = incoming.missing(),
): Promise<number> {
  for (const hash of hashes) await incoming.put([[hash, await chunkOf(from, hash)]]);
  return hashes.length;
}

/** Sends the snapshot at `index` from one store to the other, to the end. */
export async function transfer(from: SnapshotStore, index: number, to: SnapshotStore) {
  const incoming = await offer(from, index, to);
  const sent = await bring(from, incoming);
  return { sent, manifest: incoming.manifest, state: await incoming.finish() };
}

export async function chunkOf(from: SnapshotStore, hash: string): Promise<Uint8Array> {
  const bytes = await from.chunk(hash);
  if (bytes === null) throw new Error(`chunk ${hash} is not kept`);
  return bytes;
}

export function hashesOf({ chunks }: Manifest): readonly string[] {
  return [...new Set(chunks.map(([, hash]) => hash))];
}

/** Those of `hashes` that a store has. */
export async function storedOf(
  store: SnapshotStore,
  hashes: readonly string[],
): Promise<readonly string[]> {
  const chunks = await Promise.all(hashes.map((hash) => store.chunk(hash)));
  return hashes.filter((_, i) => chunks[i] !== null);
}
