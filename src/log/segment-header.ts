/**
 * The first 256 bytes of a segment: whose it is, where it begins, and all that must be known there.
 *
 * A header is written, synced and renamed into place in one step, so it is also the record of what
 * made it: a full predecessor, a conflict that cut the log, a snapshot that replaced it, or damage
 * after which it was restarted. That is why a segment holds one unbroken run of entries and needs no
 * record for any of them.
 *
 * Promise: with the headers alone one can tell which entries each segment answers for.
 */

import type { Digest } from './disk.ts';
import { ID_BYTES_MAX, type HardState, type LogIdentity, type LogPoint } from './entry.ts';
import { getUint64, putUint64 } from './uint64.ts';

/** Why a segment was begun. The place in this list is the byte on disk. */
const BEGUN_BY = ['creation', 'rotation', 'conflict', 'snapshot', 'salvage'] as const;

export interface SegmentHeader extends LogIdentity {
  /** From 1, one more for each segment, never used again. */
  readonly sequence: number;
  readonly begunBy: (typeof BEGUN_BY)[number];
  /** The entry before the first of this segment. */
  readonly previous: LogPoint;
  /** Entries before this one were dropped on purpose; any other hole is damage. */
  readonly keptFrom: number;
  /** As of the beginning, so that dropping earlier segments loses no vote. */
  readonly hardState: HardState;
  /** Entries were lost to damage, and the leader has yet to bring them back. */
  readonly isHealing: boolean;
}

export type DecodedHeader =
  | { readonly ok: true; readonly header: SegmentHeader }
  | { readonly ok: false; readonly code: 'corrupt' | 'newer-format'; readonly what: string };

export const HEADER_BYTES = 256;

/** Raised whenever a reader of the older version would read something else than was meant. */
export const FORMAT_VERSION = 1;

// The magic, the version and the CRC keep their places in every later version, so that an old
// program can distinguish a newer store from a damaged one.
const MAGIC = new TextEncoder().encode('TOCSINLG');
const AT = {
  version: 8,
  begunBy: 10,
  isHealing: 11,
  sequence: 16,
  previousIndex: 24,
  previousTerm: 32,
  previousChain: 40,
  keptFrom: 72,
  hardTerm: 80,
  hardCommit: 88,
  hardVote: 96,
  clusterId: 144,
  nodeId: 192,
  crc: HEADER_BYTES - 4,
} as const;

export function encodeHeader(header: SegmentHeader, digest: Digest): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint16(AT.version, FORMAT_VERSION, true);
  bytes[AT.begunBy] = BEGUN_BY.indexOf(header.begunBy);
  bytes[AT.isHealing] = Number(header.isHealing);
  putUint64(view, AT.sequence, header.sequence);
  putUint64(view, AT.previousIndex, header.previous.index);
  putUint64(view, AT.previousTerm, header.previous.term);
  bytes.set(header.previous.chain, AT.previousChain);
  putUint64(view, AT.keptFrom, header.keptFrom);
  putUint64(view, AT.hardTerm, header.hardState.term);
  putUint64(view, AT.hardCommit, header.hardState.commit);
  putId(bytes, AT.hardVote, header.hardState.vote ?? '');
  putId(bytes, AT.clusterId, header.clusterId);
  putId(bytes, AT.nodeId, header.nodeId);
  view.setUint32(AT.crc, digest.crc32(bytes.subarray(0, AT.crc)), true);
  return bytes;
}

/** Decodes the beginning of a segment file, whatever its content. */
export function decodeHeader(bytes: Uint8Array, digest: Digest): DecodedHeader {
  if (bytes.length < HEADER_BYTES) {
    return corrupt(`the file has ${bytes.length} bytes, less than the header of a segment`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) return corrupt('this is no segment of a log');
  if (view.getUint32(AT.crc, true) !== digest.crc32(bytes.subarray(0, AT.crc))) {
    return corrupt('the checksum of the segment header does not match');
  }
  const version = view.getUint16(AT.version, true);
  if (version > FORMAT_VERSION) {
    const what = `written in log format ${version}; this program reads up to ${FORMAT_VERSION}`;
    return { ok: false, code: 'newer-format', what };
  }
  const header = readFields(bytes, view);
  return header === undefined
    ? corrupt('the segment header holds values that no log has')
    : { ok: true, header };
}

/** UTF-8 bytes of an id; throws when it would not fit its field. */
export function encodeId(id: string): Uint8Array {
  const bytes = new TextEncoder().encode(id);
  if (bytes.length > ID_BYTES_MAX) {
    throw new RangeError(`the id "${id}" takes ${bytes.length} bytes, at most ${ID_BYTES_MAX} fit`);
  }
  return bytes;
}

function readFields(bytes: Uint8Array, view: DataView): SegmentHeader | undefined {
  const begunBy = BEGUN_BY[bytes[AT.begunBy] ?? BEGUN_BY.length];
  const healing = bytes[AT.isHealing] ?? 0;
  const sequence = getUint64(view, AT.sequence);
  const index = getUint64(view, AT.previousIndex);
  const term = getUint64(view, AT.previousTerm);
  const keptFrom = getUint64(view, AT.keptFrom);
  const hardTerm = getUint64(view, AT.hardTerm);
  const commit = getUint64(view, AT.hardCommit);
  const vote = getId(bytes, AT.hardVote);
  const clusterId = getId(bytes, AT.clusterId);
  const nodeId = getId(bytes, AT.nodeId);
  if (begunBy === undefined || sequence === undefined || keptFrom === undefined) return undefined;
  if (index === undefined || term === undefined || healing > 1) return undefined;
  if (hardTerm === undefined || commit === undefined || vote === undefined) return undefined;
  if (clusterId === undefined || nodeId === undefined) return undefined;
  const chain = bytes.slice(AT.previousChain, AT.previousChain + 32);
  return {
    sequence,
    begunBy,
    previous: { index, term, chain },
    keptFrom,
    hardState: { term: hardTerm, vote: vote === '' ? null : vote, commit },
    isHealing: healing === 1,
    clusterId,
    nodeId,
  };
}

/** Writes an id into its field of 48 bytes: its length, then its text. */
export function putId(bytes: Uint8Array, offset: number, id: string): void {
  const text = encodeId(id);
  bytes[offset] = text.length;
  bytes.set(text, offset + 1);
}

/** Reads an id; undefined when its length is impossible. */
export function getId(bytes: Uint8Array, offset: number): string | undefined {
  const length = bytes[offset] ?? 0;
  if (length > ID_BYTES_MAX) return undefined;
  return new TextDecoder().decode(bytes.subarray(offset + 1, offset + 1 + length));
}

function corrupt(what: string): DecodedHeader {
  return { ok: false, code: 'corrupt', what };
}
