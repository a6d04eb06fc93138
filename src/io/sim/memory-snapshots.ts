/**
 * The SnapshotStore port in memory: a shelf that outlives processes, and a store for each of them.
 *
 * Promise: pages are encoded and decoded for real and checked against their hash, and only what was
 * saved to the end is there for the next process. Like the real store it encodes a page once for as
 * long as it is the same object. Its manifests have bytes of their own kind, which the real store does not read.
 */

import { MalformedCommand } from '../../commands/schema.ts';
import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import type { Digest } from '../../log/disk.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import { REDUCERS_MAX } from '../../projections/reducers.ts';
import {
  pagesOf,
  stateFrom,
  type StatePage,
  restoredPage,
} from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import type {
  IncomingSnapshot,
  LoadedSnapshot,
  Manifest,
  SnapshotMeta,
  SnapshotStore,
  SnapshotWritten,
  TakenIn,
} from '../ports.ts';

export interface MemorySnapshotsModules {
  readonly digest: Digest;
  /**
   * Resolves when a write is to finish, by default at once. A snapshot takes two: its pages, then
   * its manifest; one from another member takes more: its manifest as that of one on its way, its
   * pages as they come, its manifest. One that never resolves is a process that died.
   */
  readonly pace?: (write: 'pages' | 'manifest') => Promise<void>;
}

/** The format of the manifests in here. */
const FORMAT = 2;
const HASH_BYTES = 32;

/** What lies on the shelf. */
interface Shelf {
  /** Manifests by index. */
  readonly manifests: Map<number, Manifest>;
  /** The bytes of pages by their hash. */
  readonly pages: Map<string, Uint8Array>;
  /** The manifest of a snapshot on its way in. */
  incoming: Manifest | null;
  /** The last one that came from another member. */
  received: Manifest | null;
  /** There may be pages that nothing needs. */
  isUntidy: boolean;
}

/** A page as it is stored. */
interface Encoded {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** What was taken in last in this life of the process. */
interface Arriving {
  readonly manifest: Manifest;
  readonly wanted: Set<string>;
}

export class MemorySnapshots implements SnapshotStore {
  readonly #modules: MemorySnapshotsModules;
  readonly #shelf: Shelf;
  /** Pages that were found damaged: the next save mends them. */
  readonly #rotten = new Set<string>();
  readonly #encoded = new WeakMap<object, Encoded>();
  #arriving: Arriving | null = null;
  /** The end of the operation that runs; operations that write never overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(modules: MemorySnapshotsModules, shelf: Shelf = emptyShelf()) {
    this.#modules = modules;
    this.#shelf = shelf;
  }

  /** The store as the next process finds it. */
  reopened(modules: MemorySnapshotsModules = this.#modules): MemorySnapshots {
    return new MemorySnapshots(modules, this.#shelf);
  }

  /** Indexes of the snapshots, newest first. */
  indexes(): readonly number[] {
    return [...this.#shelf.manifests.keys()].sort((a, b) => b - a);
  }

  /** Bit rot in one page of the snapshot at `index` that no other snapshot has. */
  damage(index: number): void {
    const shared = this.#used(this.indexes().filter((each) => each !== index));
    const chunks = this.#shelf.manifests.get(index)?.chunks ?? [];
    const [, hash = ''] = chunks.find(([, each]) => !shared.has(each)) ?? [];
    const bytes = this.#shelf.pages.get(hash);
    if (bytes === undefined) throw new Error(`snapshot ${index} has no page of its own`);
    this.#shelf.pages.set(hash, bytes.with(0, (bytes[0] ?? 0) ^ 1));
  }

  load(): Promise<LoadedSnapshot> {
    const problems: string[] = [];
    for (const index of this.indexes()) {
      const manifest = this.#shelf.manifests.get(index);
      if (manifest === undefined) continue;
      const state = this.#stateOf(manifest);
      if (typeof state === 'object') {
        const isReceived = this.#shelf.received === manifest;
        return Promise.resolve({ manifest, state, problems, isReceived });
      }
      problems.push(state);
    }
    return Promise.resolve({ manifest: null, state: INITIAL_STATE, problems, isReceived: false });
  }

  save(state: State, meta: SnapshotMeta): Promise<SnapshotWritten> {
    return this.#inTurn(async () => {
      const { manifests, pages: shelf } = this.#shelf;
      const pages = [...pagesOf(state)].map(({ path, page }) => ({ path, ...this.#encode(page) }));
      const fresh = pages.filter(({ hash }) => !shelf.has(hash) || this.#rotten.has(hash));
      const wasUntidy = this.#shelf.isUntidy;
      this.#shelf.isUntidy = true;
      await this.#modules.pace?.('pages');
      for (const { hash, bytes } of fresh) this.#store(hash, bytes);
      const chunks = pages.map(({ path, hash }) => [path, hash] as const);
      const root = this.#hash(encodeCanonical([meta.reducerVersion, chunks]));
      await this.#modules.pace?.('manifest');
      const manifest: Manifest = { ...meta, format: FORMAT, root, chunks };
      manifests.set(meta.index, manifest);
      this.#shelf.isUntidy = wasUntidy;
      const bytesWritten = fresh.reduce((sum, { bytes }) => sum + bytes.length, 0);
      return { manifest, chunksWritten: fresh.length, bytesWritten, tookMs: 0 };
    });
  }

  prune(keep: number): Promise<void> {
    return this.#inTurn(() => {
      const { incoming, manifests, pages } = this.#shelf;
      const [newest = -1] = this.indexes();
      const old = this.indexes().slice(keep);
      for (const index of old) manifests.delete(index);
      const isOvertaken = incoming !== null && incoming.index <= newest;
      // Of what an earlier process began to take in, nobody will send the rest.
      if (isOvertaken && this.#arriving === null) this.#shelf.incoming = null;
      if (old.length === 0 && !this.#shelf.isUntidy) return Promise.resolve();
      const used = this.#used(this.indexes());
      for (const hash of pages.keys()) if (!used.has(hash)) pages.delete(hash);
      this.#shelf.isUntidy = this.#shelf.incoming !== null;
      return Promise.resolve();
    });
  }

  manifestBytes(index: number): Promise<Uint8Array | null> {
    const manifest = this.#shelf.manifests.get(index);
    return Promise.resolve(manifest === undefined ? null : this.#encodeManifest(manifest));
  }

  chunk(hash: string): Promise<Uint8Array | null> {
    const bytes = this.#good(hash);
    return Promise.resolve(bytes === null ? null : Uint8Array.from(bytes));
  }

  takeIn(manifestBytes: Uint8Array): Promise<TakenIn> {
    return this.#inTurn(async () => {
      const manifest = this.#decode(manifestBytes);
      if (typeof manifest === 'string') return { ok: false, problem: manifest };
      const known = this.#arriving;
      if (known !== null && sameManifest(known.manifest, manifest)) {
        return { ok: true, incoming: this.#incoming(known) };
      }
      const hashes = manifest.chunks.map(([, hash]) => hash);
      const wanted = new Set(hashes.filter((hash) => this.#good(hash) === null));
      await this.#modules.pace?.('manifest');
      this.#shelf.incoming = manifest;
      this.#shelf.isUntidy = true;
      this.#arriving = { manifest, wanted };
      return { ok: true, incoming: this.#incoming(this.#arriving) };
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
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
    const { wanted } = arriving;
    if (this.#arriving !== arriving) return;
    const good = chunks.filter(([hash, bytes]) => wanted.has(hash) && this.#hash(bytes) === hash);
    if (good.length === 0) return;
    await this.#modules.pace?.('pages');
    for (const [hash, bytes] of good) {
      this.#store(hash, Uint8Array.from(bytes));
      wanted.delete(hash);
    }
  }

  async #finish(arriving: Arriving): Promise<State> {
    const { manifest, wanted } = arriving;
    const { index } = manifest;
    if (this.#arriving !== arriving)
      throw new Error(`snapshot ${index} is not on its way in any more`);
    if (wanted.size > 0) throw new Error(`snapshot ${index} lacks ${wanted.size} chunks`);
    const state = this.#stateOf(manifest);
    if (typeof state === 'string') {
      for (const [, hash] of manifest.chunks) if (this.#good(hash) === null) wanted.add(hash);
      throw new Error(state);
    }
    await this.#modules.pace?.('manifest');
    this.#shelf.manifests.set(index, manifest);
    this.#shelf.received = manifest;
    this.#shelf.incoming = null;
    this.#arriving = null;
    return state;
  }

  /** The state that a manifest names, or what is wrong with the first page that cannot be read. */
  #stateOf(manifest: Manifest): State | string {
    const pages: StatePage[] = [];
    for (const [path, hash] of manifest.chunks) {
      const bytes = this.#good(hash);
      if (bytes === null) {
        const problem = this.#shelf.pages.has(hash) ? 'damaged' : 'missing';
        return `snapshot ${manifest.index}: page ${path} is ${problem}`;
      }
      const page = restoredPage(path, decodeCanonical(bytes) as object);
      this.#encoded.set(page, { bytes, hash });
      pages.push({ path, page });
    }
    try {
      return stateFrom(pages);
    } catch (error) {
      return `snapshot ${manifest.index}: ${(error as Error).message}`;
    }
  }

  /** The bytes of a page if they have its hash. */
  #good(hash: string): Uint8Array | null {
    const bytes = this.#shelf.pages.get(hash);
    if (bytes === undefined) return null;
    if (this.#hash(bytes) === hash) return bytes;
    this.#rotten.add(hash);
    return null;
  }

  #store(hash: string, bytes: Uint8Array): void {
    this.#shelf.pages.set(hash, bytes);
    this.#rotten.delete(hash);
  }

  /** Hashes of the pages that these snapshots and the one on its way in have. */
  #used(indexes: readonly number[]): ReadonlySet<string> {
    const { incoming, manifests } = this.#shelf;
    const users = [incoming, ...indexes.map((index) => manifests.get(index))];
    return new Set(users.flatMap((user) => user?.chunks.map(([, hash]) => hash) ?? []));
  }

  #encode(page: object): Encoded {
    const known = this.#encoded.get(page);
    if (known !== undefined) return known;
    const bytes = encodeCanonical(page);
    const encoded = { bytes, hash: this.#hash(bytes) };
    this.#encoded.set(page, encoded);
    return encoded;
  }

  #encodeManifest(manifest: Manifest): Uint8Array {
    const body = encodeCanonical(manifest);
    const bytes = new Uint8Array(HASH_BYTES + body.length);
    bytes.set(this.#modules.digest.sha256(body));
    bytes.set(body, HASH_BYTES);
    return bytes;
  }

  /** A manifest that this build can use, or a sentence. */
  #decode(bytes: Uint8Array): Manifest | string {
    const body = bytes.subarray(HASH_BYTES);
    if (this.#hash(body) !== hex(bytes.subarray(0, HASH_BYTES))) return 'its manifest is damaged';
    try {
      const manifest = decodeCanonical(body) as Manifest;
      const isNewer = manifest.format > FORMAT || manifest.reducerVersion > REDUCERS_MAX;
      return isNewer ? 'it is of a newer tocsin' : manifest;
    } catch (error) {
      if (error instanceof MalformedCommand) return `its manifest is malformed: ${error.message}`;
      throw error;
    }
  }

  #hash(bytes: Uint8Array): string {
    return hex(this.#modules.digest.sha256(bytes));
  }
}

function emptyShelf(): Shelf {
  return {
    manifests: new Map(),
    pages: new Map(),
    incoming: null,
    received: null,
    isUntidy: false,
  };
}

function sameManifest(a: Manifest, b: Manifest): boolean {
  return Buffer.compare(encodeCanonical(a), encodeCanonical(b)) === 0;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
