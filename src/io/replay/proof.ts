/**
 * The proof that a replay is what happened: at the index of every snapshot that it passes, the
 * root of the folded state must be the root that was recorded, and the hash of the log's chain too.
 *
 * Promise: the first difference is narrowed down to the entries between two snapshots, to the rows
 * that differ, and to the first of those entries that writes one of them here.
 */

import { encodeCanonical } from '../../log/codec.ts';
import { readLog } from '../../log/read-log.ts';
import { pagesOf } from '../../projections/snapshot-pages.ts';
import type { State } from '../../projections/state.ts';
import { rootOf, type PageHashes } from '../disk/snapshot-root.ts';
import { rowsOfPage } from '../../projections/page-rows.ts';
import { Fold } from './fold.ts';
import type { ManifestHead, Recording } from './recording.ts';

/** A snapshot that is not what the replay came to. */
export interface Difference {
  readonly index: number;
  readonly at: number;
  readonly what: 'root' | 'chain';
  readonly recorded: string;
  readonly replayed: string;
  /** The version of the fold that took the snapshot. */
  readonly reducerVersion: number;
  /** Only of the first root that differs: those behind it follow from it. */
  readonly origin: Origin | null;
}

/** Where a difference came from, as well as that can be known. */
export interface Origin {
  /** The last index at which the roots were the same; 0 is the beginning. */
  readonly provenUpTo: number;
  /** The first entry after that which writes one of the rows here; 0 when none does. */
  readonly firstWriter: number;
  /** Up to {@link ROWS_SHOWN} rows. */
  readonly rows: readonly RowDifference[];
  /** All rows that differ in the pages that were looked at. */
  readonly rowCount: number;
}

/** One row as it was recorded and as it was replayed; null where there is none. */
export interface RowDifference {
  readonly table: string;
  readonly key: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

/** Enough to see a pattern; a whole table is for `tocsin snapshot show`. */
const ROWS_SHOWN = 10;

/** Pages in which rows are looked for: a fault that spreads would differ in all of them. */
const PAGES_READ = 10;

/** A state that is known to be what was recorded, and the index after which it was. */
interface Proven {
  readonly index: number;
  readonly state: State;
}

export class Proof {
  /** Snapshots whose root was compared, and how many were the same. */
  compared = 0;
  matched = 0;
  readonly differences: Difference[] = [];
  readonly #recording: Recording;
  readonly #hashes: PageHashes;
  #next = 0;
  #proven: Proven | null;

  constructor(recording: Recording, hashes: PageHashes, start: Proven) {
    this.#recording = recording;
    this.#hashes = hashes;
    this.#proven = start;
  }

  /** The index of the next snapshot to compare with; Infinity when there is none. */
  get nextIndex(): number {
    return this.#recording.manifests[this.#next]?.index ?? Infinity;
  }

  /** A state was taken up from a snapshot: it proves nothing, but what follows may be compared. */
  resumeFrom(index: number, state: State): void {
    this.#proven = { index, state };
  }

  /** The state is not known from here on. */
  invalidate(): void {
    this.#proven = null;
  }

  /** Compares at `index`; `state` is null where it is not known. */
  async check(index: number, state: State | null, chain: Uint8Array): Promise<void> {
    while (this.nextIndex < index) this.#next++;
    const manifest = this.#recording.manifests[this.#next];
    if (manifest === undefined || manifest.index !== index) return;
    this.#next++;
    const replayedChain = Buffer.from(chain).toString('hex');
    if (replayedChain !== manifest.chain) this.#differs(manifest, 'chain', replayedChain, null);
    if (state === null || this.#proven === null || this.#proven.index === index) return;
    this.compared++;
    const replayed = rootOf(state, this.#hashes, manifest.reducerVersion);
    if (replayed === manifest.root) {
      this.matched++;
      this.#proven = { index, state };
      return;
    }
    const isFirst = !this.differences.some(({ what }) => what === 'root');
    const origin = isFirst ? await this.#originOf(manifest, state, this.#proven) : null;
    this.#differs(manifest, 'root', replayed, origin);
  }

  #differs(
    manifest: ManifestHead,
    what: Difference['what'],
    replayed: string,
    origin: Origin | null,
  ): void {
    const { index, at, reducerVersion, [what]: recorded } = manifest;
    this.differences.push({ index, at, what, recorded, replayed, reducerVersion, origin });
  }

  async #originOf(manifest: ManifestHead, state: State, proven: Proven): Promise<Origin> {
    const paths = await this.#differingPaths(manifest, state);
    const recorded = await this.#recordedRows(manifest, paths);
    const replayed = rowsAt(state, paths);
    const differing = [...new Set([...recorded.keys(), ...replayed.keys()])]
      .filter((id) => !sameRow(recorded.get(id), replayed.get(id)))
      .sort();
    return {
      provenUpTo: proven.index,
      firstWriter: await this.#firstWriter(manifest.index, proven, paths, differing),
      rows: differing
        .slice(0, ROWS_SHOWN)
        .map((id) => shown(id, recorded.get(id), replayed.get(id))),
      rowCount: differing.length,
    };
  }

  async #differingPaths({ index }: ManifestHead, state: State): Promise<ReadonlySet<string>> {
    const read = await this.#recording.snapshots?.manifest(index);
    const recorded = new Map(read?.ok === true ? read.manifest.chunks : []);
    const paths: string[] = [];
    for (const { path, page } of pagesOf(state)) {
      if (recorded.get(path) !== this.#hashes.get(page)) paths.push(path);
      recorded.delete(path);
    }
    // What is left was recorded, and is not in the replayed state.
    return new Set([...paths, ...recorded.keys()].slice(0, PAGES_READ));
  }

  async #recordedRows(
    { index }: ManifestHead,
    paths: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, unknown>> {
    const { snapshots } = this.#recording;
    const rows = new Map<string, unknown>();
    const read = await snapshots?.manifest(index);
    if (snapshots === null || read?.ok !== true) return rows;
    const chunks = read.manifest.chunks.filter(([path]) => paths.has(path));
    for await (const page of snapshots.pages({ ...read.manifest, chunks })) {
      if (page.ok) addRows(rows, page.path, page.page);
    }
    return rows;
  }

  /** Folds from the last proven state once more, and looks when one of the rows changes. */
  async #firstWriter(
    to: number,
    { index, state }: Proven,
    paths: ReadonlySet<string>,
    differing: readonly string[],
  ): Promise<number> {
    const fold = new Fold();
    fold.resumeFrom(index, state);
    let before = rowsAt(state, paths);
    for await (const item of readLog({ from: index + 1, to }, this.#recording.log)) {
      if (item.kind !== 'entry') continue;
      const folded = fold.entry(item.entry);
      if (folded === null || folded.before === null || folded.after === null) continue;
      if (samePages(folded.before, folded.after, paths)) continue;
      const after = rowsAt(folded.after, paths);
      if (differing.some((id) => before.get(id) !== after.get(id))) return item.entry.index;
      before = after;
    }
    return 0;
  }
}

/** The rows in some pages of a state, by table and key. */
function rowsAt(state: State, paths: ReadonlySet<string>): ReadonlyMap<string, unknown> {
  const rows = new Map<string, unknown>();
  for (const path of paths) {
    const page = pageAt(state, path);
    if (page !== undefined) addRows(rows, path, page);
  }
  return rows;
}

function samePages(a: State, b: State, paths: ReadonlySet<string>): boolean {
  for (const path of paths) if (pageAt(a, path) !== pageAt(b, path)) return false;
  return true;
}

/** The page at a path of `snapshot-pages.ts`, such as `alerts/3/17`, `foldTimers/29` or `facts`. */
function pageAt(state: State, path: string): object | undefined {
  const [name = '', ...steps] = path.split('/');
  const part = (state as unknown as Tree)[name] as Tree | undefined;
  const top = (part?.['directories'] as Tree | undefined) ?? part;
  return steps.reduce((level, step) => level?.[step] as Tree | undefined, top);
}

type Tree = Readonly<Record<string, unknown>>;

function addRows(rows: Map<string, unknown>, path: string, page: object): void {
  for (const { table, key, row } of rowsOfPage(path, page)) rows.set(`${table} ${key}`, row);
}

/** Equal data has equal bytes, whatever the order of its keys. */
function sameRow(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(encodeCanonical(a), encodeCanonical(b)) === 0;
}

/** A configuration holds secrets, so of its row only the fact that it differs is shown. */
function shown(id: string, recorded: unknown, replayed: unknown): RowDifference {
  const [table = '', ...key] = id.split(' ');
  const hidden = (row: unknown): unknown =>
    row === undefined ? null : table === 'config' ? '<not shown>' : row;
  return { table, key: key.join(' '), recorded: hidden(recorded), replayed: hidden(replayed) };
}
