/**
 * The keys and bytes of a snapshot store: what `snapshots/README.md` describes as a table.
 *
 * Promise: every value proves itself. A chunk is found under the hash of its bytes; a manifest
 * begins with the hash of the rest and then its format number, in this and every later format, so
 * that an old build can tell a newer store from a damaged one. Knows no database.
 */

import { hash } from 'node:crypto';
import {
  flag,
  list,
  MalformedCommand,
  record,
  text,
  time,
  whole,
  type Schema,
} from '../../commands/schema.ts';
import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import { EMPTY_CONFIG } from '../../raft/confchange.ts';
import type { ConfigAt } from '../../raft/types.ts';
import type { Manifest } from '../ports.ts';

export const SNAPSHOT_FORMAT = 2;

/** Path of a page, and the hex SHA-256 of its bytes. */
export type Chunk = readonly [path: string, hash: string];

/** Ranges of keys. `0` is the character after `/`. */
export const CHUNK_KEYS = { gt: 'chunk/', lt: 'chunk0' } as const;
export const MANIFEST_KEYS = { gt: 'manifest/', lt: 'manifest0' } as const;

/** The manifest of a snapshot of which chunks are still on their way from another member. */
export const INCOMING_KEY = 'incoming';

/** The hash with which the manifest of the last snapshot begins that came from another member. */
export const RECEIVED_KEY = 'received';

/** Readings folded up to a snapshot, beside its manifest: builds that do not know it need not. */
export const READINGS_KEYS = { gt: 'readings/' } as const;

export function readingsKey(index: number): string {
  return `readings/${digitsOf(index)}`;
}

export function chunkKey(chunkHash: string): string {
  return `chunk/${chunkHash}`;
}

/** Zeros in front, so that keys sort as their indexes do. */
export function manifestKey(index: number): string {
  return `manifest/${digitsOf(index)}`;
}

function digitsOf(index: number): string {
  return String(index).padStart(INDEX_DIGITS, '0');
}

/** The index in a manifest's key, or null when the key is none. */
export function manifestIndexOf(key: string): number | null {
  const digits = /^manifest\/(\d{16})$/.exec(key)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Digits of the largest index. */
const INDEX_DIGITS = 16;

export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** A list of chunks in the order of their paths, encoded once for the root and the manifest. */
export interface ChunkList {
  readonly chunks: readonly Chunk[];
  readonly bytes: Uint8Array;
}

export function chunkList(chunks: readonly Chunk[]): ChunkList {
  const sorted = chunks.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const flat = sorted.flatMap(([path, chunkHash]) => [path, Buffer.from(chunkHash, 'hex')]);
  return { chunks: sorted, bytes: encodeCanonical(flat) };
}

/** The root: hex SHA-256 over the version of the fold and the list of chunks. */
export function rootOfList(reducerVersion: number, { bytes }: ChunkList): string {
  return sha256Hex(encodeCanonical([reducerVersion, bytes]));
}

/** The hash of a manifest, with which its bytes begin. */
export function ownHashOf(manifestBytes: Uint8Array): Uint8Array {
  return manifestBytes.subarray(0, HASH_BYTES);
}

/** The bytes of a manifest. */
export function encodeManifest(manifest: Manifest, chunks: ChunkList): Uint8Array {
  const fields = encodeCanonical([headSchema.encode(manifest, 'manifest'), chunks.bytes]);
  const body = Buffer.alloc(FORMAT_BYTES + fields.length);
  body.writeUInt32BE(manifest.format);
  body.set(fields, FORMAT_BYTES);
  return Buffer.concat([Buffer.from(sha256Hex(body), 'hex'), body]);
}

export type DecodedManifest =
  | { readonly ok: true; readonly manifest: Manifest }
  | { readonly ok: false; readonly code: 'damaged' | 'newer-format'; readonly problem: string };

/**
 * Reads and checks a manifest: its own hash, its format, its fields and its root. A problem is a
 * predicate, such as `is damaged: …`.
 */
export function decodeManifest(bytes: Uint8Array): DecodedManifest {
  const body = bytes.subarray(HASH_BYTES);
  const written = Buffer.from(ownHashOf(bytes)).toString('hex');
  if (body.length < FORMAT_BYTES || sha256Hex(body) !== written) {
    return damaged('is damaged: its bytes do not have the hash that they begin with');
  }
  const format = Buffer.from(body.subarray(0, FORMAT_BYTES)).readUInt32BE();
  if (format > SNAPSHOT_FORMAT) {
    const problem = `has format ${format}, and this build reads up to ${SNAPSHOT_FORMAT}: use a newer tocsin`;
    return { ok: false, code: 'newer-format', problem };
  }
  try {
    return manifestFrom(format, decodeCanonical(body.subarray(FORMAT_BYTES)));
  } catch (error) {
    if (error instanceof MalformedCommand) return damaged(`is malformed: ${error.message}`);
    throw error;
  }
}

const HASH_BYTES = 32;
const FORMAT_BYTES = 4;

/** The deepest path is `notifications/31/31`; timers have the minute of the epoch in theirs. */
const PATH_CHARACTERS_MAX = 64;

const shortText = text(1_024);
const hexHash = text(2 * HASH_BYTES);

const wholeNumber = whole(0, Number.MAX_SAFE_INTEGER);
const nodeIds = list(shortText, 1_024);

const confState = record({
  voters: nodeIds,
  votersOutgoing: nodeIds,
  learners: nodeIds,
  learnersNext: nodeIds,
  promote: nodeIds,
  autoLeave: flag,
});

/** The head of a manifest, in a format that says with `config` who the members are. */
function headWith(config: Schema<ConfigAt>) {
  return record({
    reducerVersion: whole(1, 1_000_000),
    clusterId: shortText,
    index: wholeNumber,
    term: wholeNumber,
    at: time,
    chain: hexHash,
    config,
    root: hexHash,
  });
}

const headSchema = headWith(record({ index: wholeNumber, confState }));

/** Format 1 knew voters alone, and no entry that made them so. It is read, never written. */
const headSchema1 = headWith({
  encode: () => {
    throw new Error('a manifest of format 1 is not written any more');
  },
  decode: (wire, where) => ({
    index: 0,
    confState: { ...EMPTY_CONFIG, voters: nodeIds.decode(wire, where) },
  }),
});

function manifestFrom(format: number, wire: unknown): DecodedManifest {
  const [head, listBytes] = Array.isArray(wire) ? (wire as readonly unknown[]) : [];
  if (!(listBytes instanceof Uint8Array)) throw new MalformedCommand('manifest', 'has no chunks');
  const chunks = chunksFrom(decodeCanonical(listBytes));
  const schema = format === 1 ? headSchema1 : headSchema;
  const manifest = { format, ...schema.decode(head, 'manifest'), chunks };
  if (rootOfList(manifest.reducerVersion, { chunks, bytes: listBytes }) !== manifest.root) {
    return damaged('is damaged: its root hash is not that of its chunks');
  }
  return { ok: true, manifest };
}

const pathSchema = text(PATH_CHARACTERS_MAX);

function chunksFrom(flat: unknown): readonly Chunk[] {
  if (!Array.isArray(flat) || flat.length % 2 !== 0) {
    throw new MalformedCommand('manifest.chunks', 'are not pairs');
  }
  const chunks: Chunk[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const where = `manifest.chunks[${i / 2}]`;
    const bytes: unknown = flat[i + 1];
    if (!(bytes instanceof Uint8Array) || bytes.length !== HASH_BYTES) {
      throw new MalformedCommand(where, 'has no SHA-256');
    }
    chunks.push([pathSchema.decode(flat[i], where), Buffer.from(bytes).toString('hex')]);
  }
  return chunks;
}

function damaged(problem: string): DecodedManifest {
  return { ok: false, code: 'damaged', problem };
}
