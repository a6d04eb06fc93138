/**
 * The SnapshotStore port in memory: a shelf that outlives processes, and a store for each of them.
 *
 * Promise: pages and manifests are encoded and decoded for real and checked against their hash, and only
 * what was saved to the end is there for the next process. What the real store believes, refuses and
 * writes again, this one does, too; like that one it encodes a page once for as long as it is the same
 * object. Its manifests have bytes of their own kind, which the real store does not read.
 */

import { MalformedCommand } from '../../commands/schema.ts';
import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import type { Digest } from '../../log/disk.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import { THIS_BUILD, type Build } from '../../projections/reducers.ts';
import {
  pagesOf,
  stateFrom,
  type StatePage,
  restoredPage,
  UnusableSnapshot,
} from '../../projections/snapshot-pages.ts';
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

export interface MemorySnapshotsModules {
  readonly digest: Digest;
  /**
   * Resolves when a write is to finish, by default at once. A snapshot takes two: its pages, then
   * its manifest; one from another member takes more: its manifest as that of one on its way, its
   * pages as they come, its manifest. One that never resolves is a process that died.
   */
  readonly pace?: (write: 'pages' | 'manifest') => Promise<void>;
  /** The build that uses the store, if it is not this one. */
  readonly build?: Build;
}

/** The format of the manifests in here. */
const FORMAT = 2;
const HASH_BYTES = 32;

/** What lies on the shelf. */
interface Shelf {
  /** The bytes of manifests by index. */
  readonly manifests: Map<number, Uint8Array>;
  /** Readings folded up to a snapshot, by its index, where they were counted. */
  readonly readings: Map<number, number>;
  /** The bytes of pages by their hash. */
  readonly pages: Map<string, Uint8Array>;
  /** The manifest of a snapshot on its way in. */
  incoming: Uint8Array | null;
  /** The hash with which the manifest begins of the last one that came from another member. */
  received: string | null;
  /** There may be pages that nothing needs. */
  isUntidy: boolean;
}

/** A page as it is stored. */
interface Encoded {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

type Decoded =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly problem: string };

/** What was taken in last in this life of the process. */
interface Arriving {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly wanted: Set<string>;
}

export class MemorySnapshots implements SnapshotStore {
  readonly #modules: MemorySnapshotsModules;
  readonly #shelf: Shelf;
  readonly #build: Build;
  /** Hashes of the pages that this process has verified or written; all others are written again. */
  readonly #stored = new Set<string>();
  /** Indexes of snapshots that were found damaged. */
  readonly #damaged = new Set<number>();
  readonly #encoded = new WeakMap<object, Encoded>();
  readonly #decoded = new WeakMap<Uint8Array, Decoded>();
  #arriving: Arriving | null = null;
  /** The end of the operation that runs; operations that write never overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(modules: MemorySnapshotsModules, shelf: Shelf = emptyShelf()) {
    this.#modules = modules;
    this.#build = modules.build ?? THIS_BUILD;
    this.#shelf = shelf;
  }

  /** The store as the next process finds it. Throws when it is newer than the build of that process. */
  reopened(modules: MemorySnapshotsModules = this.#modules): MemorySnapshots {
    const next = new MemorySnapshots(modules, this.#shelf);
    const newest = this.indexes().find((index) => next.#read(index).ok);
    const read = newest === undefined ? undefined : next.#read(newest);
    const newer = read?.ok === true ? next.#newer(read.manifest) : null;
    if (newer !== null) throw new Error(newer);
    return next;
  }

  /** A store with what is in this one now, for itself. */
  copied(): MemorySnapshots {
    const { manifests, pages, readings, ...marks } = this.#shelf;
    return new MemorySnapshots(this.#modules, {
      ...marks,
      manifests: new Map([...manifests].map(([index, bytes]) => [index, bytes.slice()])),
      readings: new Map(readings),
      pages: new Map([...pages].map(([hash, bytes]) => [hash, bytes.slice()])),
    });
  }

  /** Indexes of the snapshots, newest first. */
  indexes(): readonly number[] {
    return [...this.#shelf.manifests.keys()].toSorted((a, b) => b - a);
  }

  /** Bit rot in the manifest of the snapshot at `index`; `at`, from 0 to 1, says where. */
  flipBitOfManifest(index: number, at: number): void {
    const { manifests } = this.#shelf;
    manifests.set(index, flipped(manifests.get(index), at));
  }

  /** The same in the page of this hash, which all snapshots lose that have it. */
  flipBitOfPage(hash: string, at: number): void {
    const { pages } = this.#shelf;
    pages.set(hash, flipped(pages.get(hash), at));
  }

  /** Hashes of the pages of the snapshot at `index`: none when its manifest cannot be read. */
  pagesOf(index: number): readonly string[] {
    const read = this.#read(index);
    return read.ok ? read.manifest.chunks.map(([, hash]) => hash) : [];
  }

  /** Bit rot in one page of the snapshot at `index` that no other snapshot has. */
  damage(index: number): void {
    const shared = this.#used(this.indexes().filter((each) => each !== index));
    const own = this.pagesOf(index).find((hash) => !shared.has(hash));
    if (own === undefined) throw new Error(`snapshot ${index} has no page of its own`);
    this.flipBitOfPage(own, 0);
  }

  load(): Promise<LoadedSnapshot> {
    const problems: string[] = [];
    for (const index of this.indexes()) {
      const read = this.#read(index);
      const state = read.ok ? this.#stateOf(read.manifest) : read.problem;
      if (read.ok && typeof state === 'object') {
        const isReceived = this.#shelf.received === ownHashOf(this.#shelf.manifests.get(index));
        return Promise.resolve({ manifest: read.manifest, state, problems, isReceived });
      }
      if (typeof state === 'string') problems.push(state);
      this.#damaged.add(index);
    }
    return Promise.resolve({ manifest: null, state: INITIAL_STATE, problems, isReceived: false });
  }

  save(state: State, meta: SnapshotMeta, folded?: FoldedReadings): Promise<SnapshotWritten> {
    return this.#inTurn(async () => {
      const pages = [...pagesOf(state)].map(({ path, page }) => ({ path, ...this.#encode(page) }));
      const fresh = pages.filter(({ hash }) => !this.#stored.has(hash));
      const wasUntidy = this.#shelf.isUntidy;
      this.#shelf.isUntidy = true;
      await this.#modules.pace?.('pages');
      for (const { hash, bytes } of fresh) this.#store(hash, bytes);
      const chunks = pages.map(({ path, hash }) => [path, hash] as const);
      const root = this.#rootOf(meta.reducerVersion, chunks);
      await this.#modules.pace?.('manifest');
      const manifest: Manifest = { ...meta, format: FORMAT, root, chunks };
      const readings = folded && this.#readingsUpTo(folded.since) + folded.count;
      this.#keep(manifest, this.#encodeManifest(manifest), readings);
      this.#shelf.isUntidy = wasUntidy;
      const bytesWritten = fresh.reduce((sum, { bytes }) => sum + bytes.length, 0);
      return { manifest, chunksWritten: fresh.length, bytesWritten, tookMs: 0 };
    });
  }

  list(): Promise<SnapshotStock> {
    return this.#inTurn(() => {
      for (const index of this.indexes()) if (!this.#read(index).ok) this.#damaged.add(index);
      this.#forgetOvertaken();
      if (this.#shelf.isUntidy) this.#tidy();
      return Promise.resolve({ good: this.#usable(), damaged: [...this.#damaged] });
    });
  }

  drop(indexes: readonly number[]): Promise<void> {
    return this.#inTurn(() => {
      const dropped = indexes.filter((index) => this.#shelf.manifests.has(index));
      for (const index of dropped) {
        this.#shelf.manifests.delete(index);
        this.#shelf.readings.delete(index);
        this.#damaged.delete(index);
      }
      if (dropped.length > 0) this.#tidy();
      return Promise.resolve();
    });
  }

  bytes(): Promise<number> {
    const { manifests, pages } = this.#shelf;
    return Promise.resolve(
      [...manifests.values(), ...pages.values()].reduce((sum, { length }) => sum + length, 0),
    );
  }

  /** What is dropped in here takes no room from then on. */
  reclaim(): Promise<boolean> {
    return Promise.resolve(false);
  }

  /** The newest count that is known of a snapshot up to `index`; 0 when none is. */
  #readingsUpTo(index: number): number {
    const known = [...this.#shelf.readings].filter(([at]) => at <= index);
    return known.sort(([a], [b]) => b - a)[0]?.[1] ?? 0;
  }

  #usable(): readonly KeptSnapshot[] {
    const good = this.indexes().filter((index) => !this.#damaged.has(index));
    return good.toReversed().flatMap((index) => {
      const read = this.#read(index);
      const readings = this.#shelf.readings.get(index) ?? null;
      return read.ok ? [{ index, at: read.manifest.at, readings }] : [];
    });
  }

  /** Of what an earlier process began to take in, nobody will send the rest. */
  #forgetOvertaken(): void {
    const { incoming } = this.#shelf;
    if (incoming === null || this.#arriving !== null) return;
    const decoded = this.#decode(incoming);
    const newest = this.indexes().find((index) => !this.#damaged.has(index)) ?? -1;
    if (!decoded.ok || decoded.manifest.index <= newest) this.#shelf.incoming = null;
  }

  #tidy(): void {
    const { incoming, pages } = this.#shelf;
    const indexes = this.indexes();
    // What an unreadable manifest uses is not known, so nothing may be called unused.
    const areAllKnown = indexes.every((index) => this.#read(index).ok);
    this.#shelf.isUntidy = incoming !== null || !areAllKnown;
    if (!areAllKnown) return;
    const used = this.#used(indexes);
    for (const hash of pages.keys()) {
      if (used.has(hash)) continue;
      pages.delete(hash);
      this.#stored.delete(hash);
    }
  }

  manifestBytes(index: number): Promise<Uint8Array | null> {
    const bytes = this.#read(index).ok ? this.#shelf.manifests.get(index) : undefined;
    return Promise.resolve(bytes === undefined ? null : Uint8Array.from(bytes));
  }

  chunk(hash: string): Promise<Uint8Array | null> {
    const bytes = this.#good(hash);
    return Promise.resolve(bytes === null ? null : Uint8Array.from(bytes));
  }

  receive(manifestBytes: Uint8Array): Promise<ReceiveResult> {
    return this.#inTurn(async () => {
      const decoded = this.#decodeAnew(manifestBytes);
      if (!decoded.ok) return { ok: false, problem: `its manifest ${decoded.problem}` };
      const { manifest } = decoded;
      const newer = this.#newer(manifest);
      if (newer !== null) return { ok: false, problem: newer };
      const known = this.#arriving;
      if (known !== null && Buffer.compare(known.bytes, manifestBytes) === 0) {
        return { ok: true, incoming: this.#incoming(known) };
      }
      const hashes = manifest.chunks.map(([, hash]) => hash);
      const wanted = new Set(hashes.filter((hash) => this.#good(hash) === null));
      await this.#modules.pace?.('manifest');
      const bytes = Uint8Array.from(manifestBytes);
      this.#shelf.incoming = bytes;
      this.#shelf.isUntidy = true;
      this.#arriving = { bytes, manifest, wanted };
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
    const { bytes, manifest, wanted } = arriving;
    const { index } = manifest;
    if (this.#arriving !== arriving)
      throw new UnusableSnapshot(`snapshot ${index} is not on its way in any more`);
    if (wanted.size > 0)
      throw new UnusableSnapshot(`snapshot ${index} lacks ${wanted.size} chunks`);
    const state = this.#stateOf(manifest);
    if (typeof state === 'string') {
      for (const [, hash] of manifest.chunks) if (this.#good(hash) === null) wanted.add(hash);
      throw new UnusableSnapshot(state);
    }
    await this.#modules.pace?.('manifest');
    this.#keep(manifest, bytes);
    this.#shelf.received = ownHashOf(bytes);
    this.#shelf.incoming = null;
    this.#arriving = null;
    return state;
  }

  /** Puts a manifest on the shelf. */
  #keep(manifest: Manifest, bytes: Uint8Array, readings?: number): void {
    this.#shelf.manifests.set(manifest.index, bytes);
    if (readings === undefined) this.#shelf.readings.delete(manifest.index);
    else this.#shelf.readings.set(manifest.index, readings);
    this.#decoded.set(bytes, { ok: true, manifest });
    this.#damaged.delete(manifest.index);
  }

  /** The state that a manifest names, or what is wrong with the first page that cannot be read. */
  #stateOf(manifest: Manifest): State | string {
    const newer = this.#newer(manifest);
    if (newer !== null) return newer;
    const pages: StatePage[] = [];
    for (const [path, hash] of manifest.chunks) {
      const bytes = this.#good(hash);
      if (bytes === null) {
        const problem = this.#shelf.pages.has(hash) ? 'damaged' : 'missing';
        return `snapshot ${manifest.index}: page ${path} is ${problem}`;
      }
      const page = restoredPage(path, decodeCanonical(bytes) as object);
      this.#encoded.set(page, { bytes, hash });
      this.#stored.add(hash);
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
    if (bytes !== undefined && this.#hash(bytes) === hash) return bytes;
    this.#stored.delete(hash);
    return null;
  }

  #store(hash: string, bytes: Uint8Array): void {
    this.#shelf.pages.set(hash, bytes);
    this.#stored.add(hash);
  }

  /** Hashes of the pages that these snapshots and the one on its way in have. */
  #used(indexes: readonly number[]): ReadonlySet<string> {
    const { incoming } = this.#shelf;
    const arriving = incoming === null ? null : this.#decode(incoming);
    const chunks = arriving?.ok === true ? arriving.manifest.chunks : [];
    const hashes = indexes.flatMap((index) => this.pagesOf(index));
    return new Set([...chunks.map(([, hash]) => hash), ...hashes]);
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

  /** The manifest at `index`, or a sentence that names it. */
  #read(index: number): Decoded {
    const bytes = this.#shelf.manifests.get(index);
    const decoded = bytes === undefined ? wrong('is missing') : this.#decode(bytes);
    return decoded.ok ? decoded : wrong(`snapshot ${index}: its manifest ${decoded.problem}`);
  }

  #decode(bytes: Uint8Array): Decoded {
    const known = this.#decoded.get(bytes);
    if (known !== undefined) return known;
    const decoded = this.#decodeAnew(bytes);
    this.#decoded.set(bytes, decoded);
    return decoded;
  }

  #decodeAnew(bytes: Uint8Array): Decoded {
    const body = bytes.subarray(HASH_BYTES);
    if (this.#hash(body) !== ownHashOf(bytes)) return wrong('is damaged');
    try {
      const manifest = decodeCanonical(body) as Manifest;
      const { chunks, format, reducerVersion, root } = manifest;
      const isWhole = format > FORMAT || this.#rootOf(reducerVersion, chunks) === root;
      return isWhole
        ? { ok: true, manifest }
        : wrong('is damaged: its root hash is not that of its chunks');
    } catch (error) {
      if (error instanceof MalformedCommand) return wrong(`is malformed: ${error.message}`);
      throw error;
    }
  }

  /** The sentence about a snapshot that is newer than the build that uses this store. */
  #newer({ format, index, reducerVersion }: Manifest): string | null {
    if (format <= FORMAT && reducerVersion <= this.#build.reducersMax) return null;
    return (
      `snapshot ${index}: it has format ${format} and was folded by version ${reducerVersion}, and ` +
      `this build has ${FORMAT} and ${this.#build.reducersMax}: use a newer tocsin`
    );
  }

  #rootOf(reducerVersion: number, chunks: Manifest['chunks']): string {
    return this.#hash(encodeCanonical([reducerVersion, chunks]));
  }

  #hash(bytes: Uint8Array): string {
    return hex(this.#modules.digest.sha256(bytes));
  }
}

function emptyShelf(): Shelf {
  return {
    manifests: new Map(),
    readings: new Map(),
    pages: new Map(),
    incoming: null,
    received: null,
    isUntidy: false,
  };
}

function wrong(problem: string): Decoded {
  return { ok: false, problem };
}

/** The hash with which a manifest begins. */
function ownHashOf(manifest: Uint8Array | undefined): string | null {
  return manifest === undefined ? null : hex(manifest.subarray(0, HASH_BYTES));
}

/** Other bytes, so that what was known of them is known no more. */
function flipped(bytes: Uint8Array | undefined, at: number): Uint8Array {
  if (bytes === undefined) throw new RangeError('nothing is stored there');
  const bit = Math.floor(at * 8 * bytes.length);
  const offset = bit >> 3;
  return bytes.with(offset, (bytes[offset] ?? 0) ^ (1 << (bit & 7)));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
