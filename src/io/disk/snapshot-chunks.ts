/**
 * The chunks of a snapshot store: the pages of states under the hash of their bytes.
 *
 * Promise: a chunk that is known to be stored is neither encoded, hashed nor written again; bytes
 * are given out only when they have the hash that they were asked for by. All work is cut into
 * slices, and what is written is on the disk when the call ends.
 */

import { encodeCanonical } from '../../log/codec.ts';
import { pagesOf, stateFrom, type StatePage } from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import type { Manifest } from '../ports.ts';
import type { LevelFolder } from './level-open.ts';
import { chunkKey, MANIFEST_KEYS, sha256Hex, type Chunk } from './snapshot-format.ts';
import { READ_AHEAD, readChunk, readPages } from './snapshot-read.ts';
import { PageHashes } from './snapshot-root.ts';
import type { EventLoopYield } from './event-loop-yield.ts';
import { BATCH_KEYS_MAX, type SnapshotWrites } from './snapshot-writes.ts';

/** A chunk is copied once more for LevelDB, and the copy is made on the event loop. */
const BATCH_BYTES_MAX = 1024 * 1024;

export interface ChunksModules {
  readonly db: LevelFolder;
  readonly writes: SnapshotWrites;
}

/** What writing a state cost. */
interface WrittenState {
  readonly chunks: readonly Chunk[];
  readonly chunksWritten: number;
  readonly chunkBytes: number;
}

export class StoredChunks {
  readonly #db: LevelFolder;
  readonly #writes: SnapshotWrites;
  readonly #batchBytesMax: number;
  readonly #hashes = new PageHashes();
  /** Hashes of chunks that this process has verified or written. */
  readonly #stored = new Set<string>();
  #hasGarbage = true;

  constructor({ db, writes }: ChunksModules, batchBytesMax: number = BATCH_BYTES_MAX) {
    this.#db = db;
    this.#writes = writes;
    this.#batchBytesMax = batchBytesMax;
  }

  /** Verified bytes; null when there are none. What has rotted is written again by the next save. */
  async read(hash: string): Promise<Uint8Array | null> {
    const bytes = await readChunk(this.#db, hash);
    if (bytes === null) this.#stored.delete(hash);
    return bytes;
  }

  /** Those of `hashes` that are not stored, each once. Memory is not trusted: all are read. */
  async lacking(hashes: Iterable<string>, slices: EventLoopYield): Promise<Set<string>> {
    const asked = [...new Set(hashes)];
    const missing = new Set<string>();
    for (let from = 0; from < asked.length; from += READ_AHEAD) {
      const some = asked.slice(from, from + READ_AHEAD);
      const values = await Promise.all(some.map((hash) => this.read(hash)));
      for (const [i, hash] of some.entries()) if (values[i] === null) missing.add(hash);
      if (slices.isOver()) await slices.pause();
    }
    return missing;
  }

  /** The state that a manifest names, or a sentence about the first thing that is wrong with it. */
  async readState(manifest: Manifest, slices: EventLoopYield): Promise<State | string> {
    const pages: StatePage[] = [];
    for await (const read of readPages(this.#db, manifest)) {
      if (!read.ok) return read.problem;
      pages.push(read);
      this.#stored.add(read.hash);
      this.#hashes.set(read.page, read.hash);
      if (slices.isOver()) await slices.pause();
    }
    try {
      return stateFrom(pages);
    } catch (error) {
      return `snapshot ${manifest.index}: ${(error as Error).message}`;
    }
  }

  /** Writes the pages that are not stored yet. The state is immutable, so pausing is safe. */
  async writeState(state: State, slices: EventLoopYield): Promise<WrittenState> {
    const chunks: Chunk[] = [];
    const batches = this.#batches(slices);
    for (const { path, page } of pagesOf(state)) {
      const known = this.#hashes.get(page);
      if (known !== undefined && this.#stored.has(known)) {
        chunks.push([path, known]);
      } else {
        const bytes = encodeCanonical(page);
        const hash = known ?? sha256Hex(bytes);
        this.#hashes.set(page, hash);
        chunks.push([path, hash]);
        if (!this.#stored.has(hash)) batches.add(hash, bytes);
      }
      await batches.step();
    }
    await batches.end();
    return { chunks, chunksWritten: batches.count, chunkBytes: batches.bytes };
  }

  /**
   * Writes what another member sent, if it is wanted and has the bytes of its hash; each that is
   * written is taken off `wanted`.
   */
  async writeWanted(
    chunks: readonly (readonly [hash: string, bytes: Uint8Array])[],
    wanted: Set<string>,
    slices: EventLoopYield,
  ): Promise<void> {
    const batches = this.#batches(slices, (hashes) => {
      for (const hash of hashes) wanted.delete(hash);
    });
    for (const [hash, bytes] of chunks) {
      if (wanted.has(hash) && sha256Hex(bytes) === hash) batches.add(hash, bytes);
      await batches.step();
    }
    await batches.end();
  }

  /** Whether something was deleted since the room was given back last, also by an earlier process. */
  get hasGarbage(): boolean {
    return this.#hasGarbage;
  }

  /** A part of the keys at a time, so that only so much is on the disk twice. */
  async reclaim(): Promise<void> {
    for (const digit of '0123456789abcdef') {
      await this.#writes.compact(chunkKey(digit), chunkKey(`${digit}g`));
    }
    await this.#writes.compact(MANIFEST_KEYS.gt, MANIFEST_KEYS.lt);
    this.#hasGarbage = false;
  }

  async delete(hashes: readonly string[]): Promise<void> {
    if (hashes.length > 0) this.#hasGarbage = true;
    for (let from = 0; from < hashes.length; from += BATCH_KEYS_MAX) {
      const some = hashes.slice(from, from + BATCH_KEYS_MAX);
      for (const hash of some) this.#stored.delete(hash);
      await this.#writes.batch(some.map((hash) => ({ type: 'del', key: chunkKey(hash) })));
    }
  }

  /**
   * Every batch is synced. Syncing the manifest alone would not do: LevelDB may have begun a new
   * log file since, and then only that one is synced.
   */
  #batches(
    slices: EventLoopYield,
    onWritten: (hashes: readonly string[]) => void = () => {},
  ): Batches {
    const put = async (batch: ReadonlyMap<string, Uint8Array>): Promise<void> => {
      await this.#writes.batch(
        [...batch].map(([hash, value]) => ({ type: 'put', key: chunkKey(hash), value })),
      );
      const hashes = [...batch.keys()];
      for (const hash of hashes) this.#stored.add(hash);
      onWritten(hashes);
    };
    return new Batches(put, slices, this.#batchBytesMax);
  }
}

/** Chunks on their way to the disk, gathered into writes of bounded size. */
class Batches {
  /** Chunks and bytes that were written. */
  count = 0;
  bytes = 0;
  readonly #put: (batch: ReadonlyMap<string, Uint8Array>) => Promise<void>;
  readonly #slices: EventLoopYield;
  readonly #bytesMax: number;
  readonly #waiting = new Map<string, Uint8Array>();
  #waitingBytes = 0;

  constructor(
    put: (batch: ReadonlyMap<string, Uint8Array>) => Promise<void>,
    slices: EventLoopYield,
    bytesMax: number,
  ) {
    this.#put = put;
    this.#slices = slices;
    this.#bytesMax = bytesMax;
  }

  add(hash: string, bytes: Uint8Array): void {
    if (this.#waiting.has(hash)) return;
    this.#waiting.set(hash, bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Writes when there is enough to write, and lets other work run when a slice is over. */
  async step(): Promise<void> {
    const isFull = this.#waitingBytes >= this.#bytesMax || this.#waiting.size >= BATCH_KEYS_MAX;
    if (isFull) await this.end();
    else if (this.#slices.isOver()) await this.#slices.pause();
  }

  /** Writes what waits. */
  async end(): Promise<void> {
    if (this.#waiting.size === 0) return;
    await this.#put(this.#waiting);
    this.count += this.#waiting.size;
    this.bytes += this.#waitingBytes;
    this.#waiting.clear();
    this.#waitingBytes = 0;
    await this.#slices.pause();
  }
}
