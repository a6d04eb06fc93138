/**
 * Reading a snapshot store without trusting it: what LevelDB gives back is believed only when its
 * hash is right, and what is missing, wrong or unreadable is named.
 *
 * Promise: nothing here throws on a damaged store. Serves the daemon and the tools alike.
 */

import { MalformedCommand } from '../../commands/schema.ts';
import { decodeCanonical } from '../../log/codec.ts';
import { restoredPage } from '../../projections/snapshot-pages.ts';
import type { Manifest } from '../ports.ts';
import type { LevelFolder } from './level-open.ts';
import {
  CHUNK_KEYS,
  chunkKey,
  decodeManifest,
  INCOMING_KEY,
  MANIFEST_KEYS,
  manifestIndexOf,
  manifestKey,
  ownHashOf,
  READINGS_KEYS,
  readingsKey,
  RECEIVED_KEY,
  sha256Hex,
  type DecodedManifest,
} from './snapshot-format.ts';

/** What is read of a database: LevelDB for the daemon, our own reader for the tools. */
export interface SnapshotRecords {
  /** Undefined when there is no such key. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Both ends are left out. */
  keys(range: {
    readonly gt: string;
    readonly lt: string;
    readonly reverse?: boolean;
  }): AsyncIterable<string>;
}

export interface SnapshotListing {
  /** Indexes of the snapshots, the newest first. */
  readonly indexes: readonly number[];
  readonly problems: readonly string[];
}

export async function listSnapshots(db: SnapshotRecords): Promise<SnapshotListing> {
  const indexes: number[] = [];
  const problems: string[] = [];
  const strange: string[] = [];
  try {
    for await (const key of db.keys({ ...MANIFEST_KEYS, reverse: true })) {
      const index = manifestIndexOf(key);
      if (index === null) strange.push(JSON.stringify(key));
      else indexes.push(index);
    }
  } catch (error) {
    problems.push(`the list of snapshots is not whole: ${(error as Error).message}`);
  }
  const [key] = strange;
  if (key !== undefined) {
    const more = strange.length > 1 ? `, and ${strange.length - 1} more like it` : '';
    problems.push(`the key ${key} is that of no snapshot${more}`);
  }
  const isEmpty = indexes.length === 0 && problems.length === 0;
  if (isEmpty && (await hasChunks(db)) && (await readIncoming(db))?.ok !== true) {
    problems.push(
      'there are chunks but no snapshot: the first save was cut short, or the list is lost',
    );
  }
  return { indexes, problems };
}

/** The manifest of the snapshot that is on its way in; null when none is. */
export async function readIncoming(db: SnapshotRecords): Promise<DecodedManifest | null> {
  const read = await readValue(db, INCOMING_KEY);
  if (read.ok) return decodeManifest(read.bytes);
  const { fault } = read;
  return fault === MISSING ? null : { ok: false, code: 'damaged', problem: fault };
}

/** The bytes of a manifest that can be read, or null. */
export async function readManifestBytes(
  db: SnapshotRecords,
  index: number,
): Promise<Uint8Array | null> {
  const read = await readValue(db, manifestKey(index));
  if (!read.ok) return null;
  const decoded = decodeManifest(read.bytes);
  return decoded.ok && decoded.manifest.index === index ? read.bytes : null;
}

/** Whether the snapshot at `index` came from another member. */
export async function wasReceived(db: SnapshotRecords, index: number): Promise<boolean> {
  const [manifest, received] = await Promise.all([
    readManifestBytes(db, index),
    readValue(db, RECEIVED_KEY),
  ]);
  return manifest !== null && received.ok && equal(ownHashOf(manifest), received.bytes);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Readings folded up to the snapshot at `index`, or null when that is not known. */
export async function readReadings(db: SnapshotRecords, index: number): Promise<number | null> {
  const read = await readValue(db, readingsKey(index));
  return read.ok ? countIn(read.bytes) : null;
}

/** The newest count of readings that is known of a snapshot up to `index`; 0 when none is. */
export async function readReadingsUpTo(db: LevelFolder, index: number): Promise<number> {
  const range = { gt: READINGS_KEYS.gt, lte: readingsKey(index), reverse: true } as const;
  try {
    for await (const bytes of db.values(range)) {
      const count = countIn(bytes);
      if (count !== null) return count;
    }
  } catch {
    // What cannot be read is not known.
  }
  return 0;
}

function countIn(bytes: Uint8Array): number | null {
  const digits = /^\d{1,15}$/.exec(Buffer.from(bytes).toString('latin1'))?.[0];
  return digits === undefined ? null : Number(digits);
}

/** The bytes of a chunk if they have its hash, or null. */
export async function readChunk(db: SnapshotRecords, hash: string): Promise<Uint8Array | null> {
  const read = await readValue(db, chunkKey(hash));
  return read.ok && sha256Hex(read.bytes) === hash ? read.bytes : null;
}

export async function readManifest(db: SnapshotRecords, index: number): Promise<DecodedManifest> {
  const read = await readValue(db, manifestKey(index));
  if (!read.ok) return inSnapshot(index, { ok: false, code: 'damaged', problem: read.fault });
  const decoded = decodeManifest(read.bytes);
  if (decoded.ok && decoded.manifest.index !== index) {
    const problem = `is that of index ${decoded.manifest.index}`;
    return inSnapshot(index, { ok: false, code: 'damaged', problem });
  }
  return inSnapshot(index, decoded);
}

export type ReadPage =
  | {
      readonly ok: true;
      readonly path: string;
      readonly hash: string;
      /** Bytes of the chunk. */
      readonly size: number;
      readonly page: object;
    }
  | {
      readonly ok: false;
      readonly path: string;
      readonly hash: string;
      /** A sentence that names the snapshot, the page and the chunk. */
      readonly problem: string;
      /** What is wrong, a predicate; save for its place, the same for all that was lost with it. */
      readonly fault: string;
    };

/** All pages of a snapshot in the order of its list, each verified. */
export async function* readPages(
  db: SnapshotRecords,
  { index, chunks }: Manifest,
): AsyncGenerator<ReadPage> {
  for (let from = 0; from < chunks.length; from += READ_AHEAD) {
    const some = chunks.slice(from, from + READ_AHEAD);
    const values = await Promise.all(some.map(([, hash]) => readValue(db, chunkKey(hash))));
    for (const [i, [path, hash]] of some.entries()) {
      const value = values[i] ?? { ok: false, fault: 'was not read' };
      const page = value.ok ? pageIn(value.bytes, { path, hash }) : value.fault;
      if (typeof page !== 'string') {
        yield { ok: true, path, hash, size: value.ok ? value.bytes.length : 0, page };
        continue;
      }
      const problem = `snapshot ${index}: page ${path}, chunk ${hash}, ${page}`;
      yield { ok: false, path, hash, problem, fault: page };
    }
  }
}

/** Chunks asked for at once: enough to keep the thread pool busy, a few megabytes at most. */
export const READ_AHEAD = 32;

type ReadValue =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** A predicate. */
  | { readonly ok: false; readonly fault: string };

const MISSING = 'is missing';

async function readValue(db: SnapshotRecords, key: string): Promise<ReadValue> {
  try {
    const bytes = await db.get(key);
    return bytes === undefined ? { ok: false, fault: MISSING } : { ok: true, bytes };
  } catch (error) {
    return { ok: false, fault: `cannot be read: ${(error as Error).message}` };
  }
}

/** The page in verified bytes, or what is wrong with them. */
function pageIn(
  bytes: Uint8Array,
  { path, hash }: { readonly path: string; readonly hash: string },
): object | string {
  if (sha256Hex(bytes) !== hash) return 'is damaged: its bytes have another hash';
  try {
    const page = decodeCanonical(bytes);
    return typeof page === 'object' && page !== null ? restoredPage(path, page) : 'is not a page';
  } catch (error) {
    if (error instanceof MalformedCommand) return `is malformed: ${error.message}`;
    throw error;
  }
}

async function hasChunks(db: SnapshotRecords): Promise<boolean> {
  try {
    for await (const _ of db.keys(CHUNK_KEYS)) return true;
    return false;
  } catch {
    return true;
  }
}

function inSnapshot(index: number, decoded: DecodedManifest): DecodedManifest {
  if (decoded.ok) return decoded;
  return { ...decoded, problem: `snapshot ${index}: its manifest ${decoded.problem}` };
}
