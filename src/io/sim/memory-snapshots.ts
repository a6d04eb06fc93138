/**
 * The SnapshotStore port in memory: a shelf that outlives processes, and a store for each of them.
 *
 * Promise: pages are encoded and decoded for real and checked against their hash, and only what was
 * saved to the end is there for the next process. Unlike the real store it encodes every page
 * every time.
 */

import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import type { Digest } from '../../log/disk.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import {
  pagesOf,
  stateFrom,
  type StatePage,
  restoredPage,
} from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import type {
  LoadedSnapshot,
  Manifest,
  SnapshotMeta,
  SnapshotStore,
  SnapshotWritten,
} from '../ports.ts';

export interface MemorySnapshotsModules {
  readonly digest: Digest;
  /**
   * Resolves when a write is to finish, by default at once. A snapshot takes two: its pages, then
   * its manifest. One that never resolves is a process that died.
   */
  readonly pace?: (write: 'pages' | 'manifest') => Promise<void>;
}

/** What lies on the shelf: manifests by index, and the bytes of pages by their hash. */
interface Shelf {
  readonly manifests: Map<number, Manifest>;
  readonly pages: Map<string, Uint8Array>;
}

export class MemorySnapshots implements SnapshotStore {
  readonly #modules: MemorySnapshotsModules;
  readonly #shelf: Shelf;

  constructor(
    modules: MemorySnapshotsModules,
    shelf: Shelf = { manifests: new Map(), pages: new Map() },
  ) {
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
    bytes[0] = (bytes[0] ?? 0) ^ 1;
  }

  load(): Promise<LoadedSnapshot> {
    const problems: string[] = [];
    for (const index of this.indexes()) {
      const manifest = this.#shelf.manifests.get(index);
      const pages = manifest?.chunks.map((chunk) => this.#read(chunk)) ?? [];
      const damaged = pages.find((page) => typeof page === 'string');
      if (manifest !== undefined && damaged === undefined) {
        const state = stateFrom(pages.filter((page) => typeof page !== 'string'));
        return Promise.resolve({ manifest, state, problems });
      }
      problems.push(`snapshot ${index}: ${String(damaged)}`);
    }
    return Promise.resolve({ manifest: null, state: INITIAL_STATE, problems });
  }

  async save(state: State, meta: SnapshotMeta): Promise<SnapshotWritten> {
    const { manifests, pages: shelf } = this.#shelf;
    const pages = [...pagesOf(state)].map(({ path, page }) => {
      const bytes = encodeCanonical(page);
      return { path, bytes, hash: this.#hash(bytes) };
    });
    const fresh = pages.filter(({ hash }) => !shelf.has(hash));
    await this.#modules.pace?.('pages');
    for (const { hash, bytes } of fresh) shelf.set(hash, bytes);
    const chunks = pages.map(({ path, hash }) => [path, hash] as const);
    const root = this.#hash(encodeCanonical([meta.reducerVersion, chunks]));
    await this.#modules.pace?.('manifest');
    const manifest: Manifest = { ...meta, format: 2, root, chunks };
    manifests.set(meta.index, manifest);
    const bytesWritten = fresh.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return { manifest, chunksWritten: fresh.length, bytesWritten, tookMs: 0 };
  }

  prune(keep: number): Promise<void> {
    const { manifests, pages } = this.#shelf;
    for (const index of this.indexes().slice(keep)) manifests.delete(index);
    const used = this.#used(this.indexes());
    for (const hash of pages.keys()) if (!used.has(hash)) pages.delete(hash);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A page, or what is wrong with it. */
  #read([path, hash]: Manifest['chunks'][number]): StatePage | string {
    const bytes = this.#shelf.pages.get(hash);
    if (bytes === undefined) return `page ${path} is missing`;
    if (this.#hash(bytes) !== hash) return `page ${path} is damaged`;
    return { path, page: restoredPage(path, decodeCanonical(bytes) as object) };
  }

  #used(indexes: readonly number[]): ReadonlySet<string> {
    return new Set(
      indexes.flatMap(
        (index) => this.#shelf.manifests.get(index)?.chunks.map(([, hash]) => hash) ?? [],
      ),
    );
  }

  #hash(bytes: Uint8Array): string {
    return Array.from(this.#modules.digest.sha256(bytes), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join('');
  }
}
