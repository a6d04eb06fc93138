/**
 * The snapshot store over LevelDB: pages of state under the hash of their bytes, and a manifest
 * for each snapshot that names them. Snapshots are taken here, or come from another member.
 *
 * Promise: a snapshot costs what changed since the last one, and what arrives from another member
 * costs what lacks. A manifest is written, synced, after all its chunks are, so a crash leaves the
 * snapshots before it. A loaded state is one that was saved, byte for byte, or is refused.
 */

import { INITIAL_STATE } from '../../projections/initial.ts';
import { REDUCERS_MAX } from '../../projections/reducers.ts';
import { UnusableSnapshot } from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import type {
  FoldedReadings,
  IncomingSnapshot,
  KeptSnapshot,
  LoadedSnapshot,
  Manifest,
  SnapshotMeta,
  SnapshotStock,
  SnapshotStore,
  SnapshotWritten,
  ReceiveResult,
} from '../ports.ts';
import { bytesIn, openLevel, type LevelFolder, type LevelRefusalCode } from './level-open.ts';
import { StoredChunks } from './snapshot-chunks.ts';
import {
  CHUNK_KEYS,
  chunkList,
  decodeManifest,
  encodeManifest,
  INCOMING_KEY,
  rootOfList,
  SNAPSHOT_FORMAT,
  type Chunk,
} from './snapshot-format.ts';
import { lostSnapshot, newestIn } from './snapshot-newest.ts';
import {
  listSnapshots,
  readIncoming,
  readManifest,
  readManifestBytes,
  readReadings,
  readReadingsUpTo,
  wasReceived,
} from './snapshot-read.ts';
import { ChunkReferences } from './snapshot-references.ts';
import { realPace, EventLoopYield, type Pace } from './event-loop-yield.ts';
import { SnapshotWrites } from './snapshot-writes.ts';

export interface SnapshotStoreOptions {
  /** The LevelDB folder, `<data-dir>/snapshots`. */
  readonly folder: string;
  /** Bytes of chunks in one write. */
  readonly batchBytesMax?: number;
}

export type OpenedSnapshotStore =
  | { readonly ok: true; readonly store: SnapshotStore }
  | {
      readonly ok: false;
      readonly code: LevelRefusalCode | 'newer-format';
      readonly message: string;
    };

export { SnapshotWriteFailed } from './snapshot-writes.ts';

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
  return reducerVersion <= REDUCERS_MAX
    ? null
    : `snapshot ${index}: it was folded by version ${reducerVersion}, and this build has ` +
        `version ${REDUCERS_MAX}: use a newer tocsin`;
}

/** A snapshot on its way in. */
interface Arriving {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  /** Chunks that are not here yet. */
  readonly wanted: Set<string>;
}

class LevelSnapshotStore implements SnapshotStore {
  readonly #db: LevelFolder;
  readonly #folder: string;
  readonly #pace: Pace;
  readonly #writes: SnapshotWrites;
  readonly #chunks: StoredChunks;
  /** Indexes of snapshots that were found damaged, or tried and not used. */
  readonly #damaged = new Set<number>();
  /** The snapshots whose manifest can be read, by index; known once references are counted. */
  readonly #listed = new Map<number, KeptSnapshot>();
  /** Who uses which chunk; null until they are counted. */
  #references: ChunkReferences | null = null;
  /** What was taken in last by this process; null once it is finished. */
  #arriving: Arriving | null = null;
  /** The end of the operation that runs; operations that write never overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(db: LevelFolder, { folder, batchBytesMax }: SnapshotStoreOptions, pace: Pace) {
    this.#db = db;
    this.#folder = folder;
    this.#pace = pace;
    this.#writes = new SnapshotWrites(db, folder);
    this.#chunks = new StoredChunks({ db, writes: this.#writes }, batchBytesMax);
  }

  load(): Promise<LoadedSnapshot> {
    return this.#inTurn(() => this.#load());
  }

  save(state: State, meta: SnapshotMeta, folded?: FoldedReadings): Promise<SnapshotWritten> {
    return this.#inTurn(() => this.#save(state, meta, folded));
  }

  list(): Promise<SnapshotStock> {
    return this.#inTurn(() => this.#list());
  }

  drop(indexes: readonly number[]): Promise<void> {
    return this.#inTurn(() => this.#drop(indexes));
  }

  bytes(): Promise<number> {
    return bytesIn(this.#folder);
  }

  /** Only what writes waits for it: it takes its turn, and reading does not. */
  reclaim(): Promise<boolean> {
    return this.#inTurn(() => this.#reclaim());
  }

  /** Does not wait for its turn: a member that catches up need not wait for a save. */
  manifestBytes(index: number): Promise<Uint8Array | null> {
    return readManifestBytes(this.#db, index);
  }

  chunk(hash: string): Promise<Uint8Array | null> {
    return this.#chunks.read(hash);
  }

  receive(manifestBytes: Uint8Array): Promise<ReceiveResult> {
    return this.#inTurn(() => this.#takeIn(manifestBytes));
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
    const lost = lostSnapshot(await newestIn(this.#folder), indexes);
    const problems = lost === null ? [...found] : [lost, ...found];
    const slices = new EventLoopYield(this.#pace);
    for (const index of indexes) {
      const read = await readManifest(this.#db, index);
      const state = read.ok ? await this.#stateOf(read.manifest, slices) : read.problem;
      if (read.ok && typeof state === 'object') {
        const isReceived = await wasReceived(this.#db, index);
        return { manifest: read.manifest, state, problems, isReceived };
      }
      if (typeof state === 'string') problems.push(state);
      this.#damaged.add(index);
    }
    return { manifest: null, state: INITIAL_STATE, problems, isReceived: false };
  }

  /** The state of a snapshot, or a sentence about the first thing that is wrong with it. */
  async #stateOf(manifest: Manifest, slices: EventLoopYield): Promise<State | string> {
    return newerFold(manifest) ?? (await this.#chunks.readState(manifest, slices));
  }

  async #save(
    state: State,
    meta: SnapshotMeta,
    folded: FoldedReadings | undefined,
  ): Promise<SnapshotWritten> {
    const began = this.#pace.monotonicMs();
    const slices = new EventLoopYield(this.#pace);
    const { chunks, chunksWritten, chunkBytes } = await this.#chunks.writeState(state, slices);
    const list = chunkList(chunks);
    await slices.pause();
    const root = rootOfList(meta.reducerVersion, list);
    const manifest = { ...meta, format: SNAPSHOT_FORMAT, root, chunks: list.chunks };
    const bytes = encodeManifest(manifest, list);
    await slices.pause();
    const readings = folded === undefined ? null : await this.#readingsUpTo(folded);
    await this.#writes.manifest({ index: meta.index, bytes, readings }, 'here');
    await this.#stored(manifest, readings);
    const tookMs = this.#pace.monotonicMs() - began;
    return { manifest, chunksWritten, bytesWritten: chunkBytes + bytes.length, tookMs };
  }

  /** Notes a snapshot that is durable now, in place of what had its index before. */
  async #stored({ index, at, chunks }: Manifest, readings: number | null): Promise<void> {
    this.#damaged.delete(index);
    if (this.#references !== null) this.#listed.set(index, { index, at, readings });
    const freed = this.#references?.set(index, hashesOf(chunks)) ?? [];
    await this.#chunks.delete(freed);
  }

  /** Where the count at `since` is not known, it goes on from the one before: it never goes back. */
  async #readingsUpTo({ since, count }: FoldedReadings): Promise<number> {
    return (await readReadingsUpTo(this.#db, since)) + count;
  }

  async #takeIn(bytes: Uint8Array): Promise<ReceiveResult> {
    const decoded = decodeManifest(bytes);
    if (!decoded.ok) return { ok: false, problem: `its manifest ${decoded.problem}` };
    const { manifest } = decoded;
    const newer = newerFold(manifest);
    if (newer !== null) return { ok: false, problem: newer };
    const known = this.#arriving;
    if (known !== null && Buffer.compare(known.bytes, bytes) === 0) {
      return { ok: true, incoming: this.#incoming(known) };
    }
    const hashes = hashesOf(manifest.chunks);
    const wanted = await this.#chunks.lacking(hashes, new EventLoopYield(this.#pace));
    // The bytes may lie in a frame of the sender's, which is not to be kept.
    const arriving = { bytes: Uint8Array.from(bytes), manifest, wanted };
    await this.#writes.batch([{ type: 'put', key: INCOMING_KEY, value: arriving.bytes }]);
    this.#arriving = arriving;
    await this.#chunks.delete(this.#references?.set('incoming', hashes) ?? []);
    return { ok: true, incoming: this.#incoming(arriving) };
  }

  #incoming(arriving: Arriving): IncomingSnapshot {
    return {
      manifest: arriving.manifest,
      missing: () => [...arriving.wanted],
      put: (chunks) => this.#inTurn(() => this.#put(arriving, chunks)),
      finish: () => this.#inTurn(() => this.#finish(arriving)),
    };
  }

  async #put(
    arriving: Arriving,
    chunks: readonly (readonly [hash: string, bytes: Uint8Array])[],
  ): Promise<void> {
    // Nothing would name them, so nothing would ever remove them.
    if (this.#arriving !== arriving) return;
    await this.#chunks.writeWanted(chunks, arriving.wanted, new EventLoopYield(this.#pace));
  }

  async #finish(arriving: Arriving): Promise<State> {
    const { bytes, manifest, wanted } = arriving;
    const { index } = manifest;
    if (this.#arriving !== arriving) {
      throw new UnusableSnapshot(
        `snapshot ${index} is not on its way in any more: another one took its place`,
      );
    }
    if (wanted.size > 0) {
      throw new UnusableSnapshot(
        `snapshot ${index} cannot be finished: ${wanted.size} chunks are missing`,
      );
    }
    const slices = new EventLoopYield(this.#pace);
    const state = await this.#stateOf(manifest, slices);
    if (typeof state === 'string') {
      // What has rotted since it came can be asked for again.
      for (const hash of await this.#chunks.lacking(hashesOf(manifest.chunks), slices)) {
        wanted.add(hash);
      }
      throw new UnusableSnapshot(state);
    }
    await this.#writes.manifest({ index, bytes, readings: null }, 'member');
    this.#arriving = null;
    await this.#stored(manifest, null);
    this.#references?.remove('incoming');
    return state;
  }

  async #list(): Promise<SnapshotStock> {
    await this.#forgetOvertaken(await this.#counted());
    const listed = [...this.#listed.values()].filter(({ index }) => !this.#damaged.has(index));
    return { good: listed.sort((a, b) => a.index - b.index), damaged: [...this.#damaged] };
  }

  /** Their manifests go first, so that none is left without its chunks. */
  async #drop(indexes: readonly number[]): Promise<void> {
    const references = await this.#counted();
    const known = new Set(references.indexes());
    const dropped = indexes.filter((index) => known.has(index));
    if (dropped.length === 0) return;
    await this.#writes.forget(dropped);
    for (const index of dropped) {
      this.#damaged.delete(index);
      this.#listed.delete(index);
      await this.#chunks.delete(references.remove(index));
    }
  }

  async #reclaim(): Promise<boolean> {
    if (!this.#chunks.hasGarbage) return false;
    await this.#chunks.reclaim();
    return true;
  }

  async #counted(): Promise<ChunkReferences> {
    return (this.#references ??= await this.#countReferences());
  }

  /**
   * Forgets a snapshot that an earlier process began to take in, when there is a newer one by now:
   * nobody will send the rest.
   */
  async #forgetOvertaken(references: ChunkReferences): Promise<void> {
    if (this.#arriving !== null) return;
    const read = await readIncoming(this.#db);
    if (read === null) return;
    const newest = references.indexes().find((index) => !this.#damaged.has(index)) ?? -1;
    if (read.ok && read.manifest.index > newest) return;
    await this.#writes.batch([{ type: 'del', key: INCOMING_KEY }]);
    await this.#chunks.delete(references.remove('incoming'));
  }

  /** Counts who uses what, and clears up after saves that were cut short. */
  async #countReferences(): Promise<ChunkReferences> {
    const references = new ChunkReferences();
    const { indexes, problems } = await listSnapshots(this.#db);
    let areAllKnown = problems.length === 0;
    for (const index of indexes) {
      const read = await readManifest(this.#db, index);
      if (read.ok) {
        const readings = await readReadings(this.#db, index);
        this.#listed.set(index, { index, at: read.manifest.at, readings });
      } else {
        this.#damaged.add(index);
      }
      references.set(index, read.ok ? hashesOf(read.manifest.chunks) : []);
      areAllKnown &&= read.ok;
      await this.#pace.pause();
    }
    const incoming = await readIncoming(this.#db);
    if (incoming?.ok === true) references.set('incoming', hashesOf(incoming.manifest.chunks));
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
    await this.#chunks.delete(unused);
  }
}

function hashesOf(chunks: readonly Chunk[]): readonly string[] {
  return chunks.map(([, hash]) => hash);
}
