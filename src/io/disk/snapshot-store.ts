/**
 * The snapshot store over LevelDB: pages of state under the hash of their bytes, and a manifest
 * for each snapshot that names them.
 *
 * Promise: a snapshot costs what changed since the last one. A manifest is written, synced, after
 * all its chunks are, so a crash leaves the snapshots before it. A loaded state is one that was
 * saved, byte for byte, or is refused. After a failed write nothing more is written: LevelDB that
 * goes on after a full disk loses what it acknowledges.
 */

import { open } from 'node:fs/promises';
import { encodeCanonical } from '../../log/codec.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import { pagesOf, stateFrom, type StatePage } from '../../projections/snapshot-pages.ts';
import { REDUCER_VERSION, type State } from '../../projections/state.ts';
import type {
  LoadedSnapshot,
  Manifest,
  SnapshotMeta,
  SnapshotStore,
  SnapshotWritten,
} from '../ports.ts';
import { openLevel, type LevelFolder, type LevelRefusalCode } from './level-open.ts';
import {
  CHUNK_KEYS,
  chunkKey,
  chunkList,
  encodeManifest,
  manifestKey,
  rootOfList,
  sha256Hex,
  SNAPSHOT_FORMAT,
  type Chunk,
} from './snapshot-format.ts';
import { lostSnapshot, writeNewest } from './snapshot-newest.ts';
import { listSnapshots, readManifest, readPages } from './snapshot-read.ts';
import { ChunkReferences } from './snapshot-references.ts';
import { PageHashes } from './snapshot-root.ts';
import { realPace, Slices, type Pace } from './snapshot-slices.ts';

export interface SnapshotStoreOptions {
  /** The LevelDB folder, `<data-dir>/snapshots`. */
  readonly folder: string;
  /** Bytes of chunks in one write; see {@link BATCH_BYTES_MAX}. */
  readonly batchBytesMax?: number;
}

export type OpenedSnapshotStore =
  | { readonly ok: true; readonly store: SnapshotStore }
  | {
      readonly ok: false;
      readonly code: LevelRefusalCode | 'newer-format';
      readonly message: string;
    };

/** A write failed. The store refuses all further writes; end the process. */
export class SnapshotWriteFailed extends Error {
  readonly code = 'snapshot-write-failed';
}

/** Opens the store, and creates it when its folder is not there yet or holds nothing. */
export async function openSnapshotStore(
  options: SnapshotStoreOptions,
  pace: Pace = realPace,
): Promise<OpenedSnapshotStore> {
  const opened = await openLevel(options.folder);
  if (!opened.ok) return opened;
  const newer = await newerFormatIn(opened.db);
  if (newer === null) return { ok: true, store: new LevelSnapshotStore(opened.db, options, pace) };
  await opened.db.close();
  return { ok: false, code: 'newer-format', message: `${options.folder}: ${newer}` };
}

/** A chunk is copied once more for LevelDB, and the copy is made on the event loop. */
const BATCH_BYTES_MAX = 1024 * 1024;

/** Keys in one write: LevelDB's wrapper takes some ten microseconds for each, on the event loop. */
const BATCH_KEYS_MAX = 250;

/** The sentence about the newest readable manifest if it, or its fold, is newer than this build. */
async function newerFormatIn(db: LevelFolder): Promise<string | null> {
  const { indexes } = await listSnapshots(db);
  for (const index of indexes) {
    const read = await readManifest(db, index);
    if (!read.ok && read.code === 'damaged') continue;
    if (!read.ok) return read.problem;
    return newerFold(read.manifest);
  }
  return null;
}

function newerFold({ index, reducerVersion }: Manifest): string | null {
  return reducerVersion <= REDUCER_VERSION
    ? null
    : `snapshot ${index}: it was folded by version ${reducerVersion}, and this build has ` +
        `version ${REDUCER_VERSION}: use a newer tocsin`;
}

type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

class LevelSnapshotStore implements SnapshotStore {
  readonly #db: LevelFolder;
  readonly #folder: string;
  readonly #batchBytesMax: number;
  readonly #pace: Pace;
  readonly #hashes = new PageHashes();
  /** Hashes of chunks that this process has verified or written. */
  readonly #stored = new Set<string>();
  /** Indexes of snapshots that were found damaged, or tried and not used. */
  readonly #damaged = new Set<number>();
  /** Who uses which chunk; null until the first prune has counted. */
  #references: ChunkReferences | null = null;
  #failure: SnapshotWriteFailed | null = null;
  /** The end of the operation that runs; operations never overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(db: LevelFolder, { folder, batchBytesMax }: SnapshotStoreOptions, pace: Pace) {
    this.#db = db;
    this.#folder = folder;
    this.#batchBytesMax = batchBytesMax ?? BATCH_BYTES_MAX;
    this.#pace = pace;
  }

  load(): Promise<LoadedSnapshot> {
    return this.#inTurn(() => this.#load());
  }

  save(state: State, meta: SnapshotMeta): Promise<SnapshotWritten> {
    return this.#inTurn(() => this.#save(state, meta));
  }

  prune(keep: number): Promise<void> {
    return this.#inTurn(() => this.#prune(keep));
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#db.close());
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #load(): Promise<LoadedSnapshot> {
    const { indexes, problems: found } = await listSnapshots(this.#db);
    const lost = await lostSnapshot(this.#folder, indexes);
    const problems = lost === null ? [...found] : [lost, ...found];
    for (const index of indexes) {
      const read = await readManifest(this.#db, index);
      const state = read.ok ? await this.#stateOf(read.manifest) : read.problem;
      if (read.ok && typeof state === 'object') return { manifest: read.manifest, state, problems };
      if (typeof state === 'string') problems.push(state);
      this.#damaged.add(index);
    }
    return { manifest: null, state: INITIAL_STATE, problems };
  }

  /** The state of a snapshot, or a sentence about the first thing that is wrong with it. */
  async #stateOf(manifest: Manifest): Promise<State | string> {
    const newer = newerFold(manifest);
    if (newer !== null) return newer;
    const pages: StatePage[] = [];
    for await (const read of readPages(this.#db, manifest)) {
      if (!read.ok) return read.problem;
      pages.push(read);
      this.#stored.add(read.hash);
      this.#hashes.set(read.page, read.hash);
    }
    try {
      return stateFrom(pages);
    } catch (error) {
      return `snapshot ${manifest.index}: ${(error as Error).message}`;
    }
  }

  async #save(state: State, meta: SnapshotMeta): Promise<SnapshotWritten> {
    const began = this.#pace.monotonicMs();
    const slices = new Slices(this.#pace);
    const { chunks, chunksWritten, chunkBytes } = await this.#writeChunks(state, slices);
    const list = chunkList(chunks);
    await slices.pause();
    const root = rootOfList(meta.reducerVersion, list);
    const manifest = { ...meta, format: SNAPSHOT_FORMAT, root, chunks: list.chunks };
    const bytes = encodeManifest(manifest, list);
    await slices.pause();
    await this.#write([{ type: 'put', key: manifestKey(meta.index), value: bytes }]);
    await this.#orFail(() => writeNewest(this.#folder, meta.index));
    await this.#orFail(() => this.#syncFolder());
    this.#damaged.delete(meta.index);
    this.#references?.set(
      meta.index,
      list.chunks.map(([, hash]) => hash),
    );
    const tookMs = this.#pace.monotonicMs() - began;
    return { manifest, chunksWritten, bytesWritten: chunkBytes + bytes.length, tookMs };
  }

  /** Writes the pages that are not stored yet. The state is immutable, so pausing is safe. */
  async #writeChunks(
    state: State,
    slices: Slices,
  ): Promise<{ chunks: readonly Chunk[]; chunksWritten: number; chunkBytes: number }> {
    const chunks: Chunk[] = [];
    const batch = new Map<string, Uint8Array>();
    let batchBytes = 0;
    let chunksWritten = 0;
    let chunkBytes = 0;
    const writeBatch = async (): Promise<void> => {
      await this.#putChunks(batch);
      chunksWritten += batch.size;
      chunkBytes += batchBytes;
      batch.clear();
      batchBytes = 0;
      await slices.pause();
    };
    for (const { path, page } of pagesOf(state)) {
      const known = this.#hashes.get(page);
      if (known !== undefined && this.#stored.has(known)) {
        chunks.push([path, known]);
      } else {
        const bytes = encodeCanonical(page);
        const hash = known ?? sha256Hex(bytes);
        this.#hashes.set(page, hash);
        chunks.push([path, hash]);
        if (!this.#stored.has(hash) && !batch.has(hash)) {
          batch.set(hash, bytes);
          batchBytes += bytes.length;
        }
      }
      const isFull = batchBytes >= this.#batchBytesMax || batch.size >= BATCH_KEYS_MAX;
      if (isFull) await writeBatch();
      else if (slices.isOver()) await slices.pause();
    }
    if (batch.size > 0) await writeBatch();
    return { chunks, chunksWritten, chunkBytes };
  }

  /**
   * Every batch is synced. Syncing the manifest alone would not do: LevelDB may have begun a new
   * log file since, and then only that one is synced.
   */
  async #putChunks(batch: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const writes = [...batch].map(([hash, value]): Write => ({
      type: 'put',
      key: chunkKey(hash),
      value,
    }));
    await this.#write(writes);
    for (const hash of batch.keys()) this.#stored.add(hash);
  }

  /** Forgets old snapshots; their manifests first, so that none is left without its chunks. */
  async #prune(keep: number): Promise<void> {
    if (!Number.isInteger(keep) || keep < 1) {
      throw new RangeError(`at least one snapshot must be kept, not ${keep}`);
    }
    const references = (this.#references ??= await this.#countReferences());
    const dropped = this.#indexesToDrop(references.indexes(), keep);
    if (dropped.length === 0) return;
    await this.#write(dropped.map((index) => ({ type: 'del', key: manifestKey(index) })));
    await this.#orFail(() => this.#syncFolder());
    for (const index of dropped) {
      this.#damaged.delete(index);
      await this.#deleteChunks(references.remove(index));
    }
  }

  /** A damaged snapshot is evidence: it goes only with what is older than `keep` good ones. */
  #indexesToDrop(indexes: readonly number[], keep: number): readonly number[] {
    let good = 0;
    return indexes.filter((index) => {
      if (good >= keep) return true;
      if (!this.#damaged.has(index)) good++;
      return false;
    });
  }

  /** Counts who uses what, and clears up after saves that were cut short. */
  async #countReferences(): Promise<ChunkReferences> {
    const references = new ChunkReferences();
    const { indexes, problems } = await listSnapshots(this.#db);
    let areAllKnown = problems.length === 0;
    for (const index of indexes) {
      const read = await readManifest(this.#db, index);
      if (!read.ok) this.#damaged.add(index);
      references.set(index, read.ok ? read.manifest.chunks.map(([, hash]) => hash) : []);
      areAllKnown &&= read.ok;
      await this.#pace.pause();
    }
    // What an unreadable manifest uses is not known, so nothing may be called unused.
    if (areAllKnown) await this.#deleteUnused(references);
    return references;
  }

  async #deleteUnused(references: ChunkReferences): Promise<void> {
    const unused: string[] = [];
    for await (const key of this.#db.keys(CHUNK_KEYS)) {
      const hash = key.slice(CHUNK_KEYS.gt.length);
      if (!references.has(hash)) unused.push(hash);
    }
    await this.#deleteChunks(unused);
  }

  async #deleteChunks(hashes: readonly string[]): Promise<void> {
    for (let from = 0; from < hashes.length; from += BATCH_KEYS_MAX) {
      const some = hashes.slice(from, from + BATCH_KEYS_MAX);
      for (const hash of some) this.#stored.delete(hash);
      await this.#write(some.map((hash) => ({ type: 'del', key: chunkKey(hash) })));
    }
  }

  /** Writes and syncs LevelDB's log; see {@link #syncFolder} for the rest. */
  async #write(writes: Write[]): Promise<void> {
    await this.#orFail(() => this.#db.batch(writes, { sync: true }));
  }

  /** Runs a write; the first failure is remembered and refuses all that comes after. */
  async #orFail(write: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    try {
      await write();
    } catch (error) {
      this.#failure = new SnapshotWriteFailed(
        `${this.#folder} cannot be written: ${(error as Error).message}. Nothing more is written ` +
          'to it by this process: see to the disk, then start again',
        { cause: error },
      );
      throw this.#failure;
    }
  }

  /** LevelDB syncs a log file that it begins, but not the folder's entry for it. */
  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
