/**
 * Groups and frames: how records become bytes, and how bytes become records again.
 *
 * A group is what one write and one sync make durable. It counts whole or not at all, so its header
 * contains its length, its segment and its place: a later group is proof that the
 * earlier ones were on disk, because it was written only after their sync.
 *
 * Promise: every byte of a group is under a checksum or a check, lengths are compared with what is
 * there before anything is allocated or followed, and nothing in here throws on hostile bytes.
 */

import type { Digest } from './disk.ts';
import type { HardState, LogEntry, LogPoint } from './entry.ts';
import { encodeId } from './segment-header.ts';
import { getUint64, putUint64 } from './uint64.ts';

export const GROUP_HEADER_BYTES = 32;

/** Every group and frame begins at a multiple of this, so that masks and scans go by whole words. */
export const ALIGNMENT = 8;

const GROUP_MAGIC = 0x50524754; // "TGRP"

const KIND = { entry: 1, hardState: 2, keptFrom: 3 } as const;

const PLAIN_FRAME_BYTES = 32;
const CHAIN_BYTES = 32;
const ENTRY_FRAME_BYTES = PLAIN_FRAME_BYTES + CHAIN_BYTES;

const GROUP_AT = { magic: 0, crc: 4, sequence: 8, offset: 16, length: 24, frames: 28 } as const;

// The two checksums come first: what the chain covers is then one unbroken run of bytes.
const FRAME_AT = {
  crc: 0,
  payloadCrc: 4,
  length: 8,
  kind: 12,
  type: 13,
  zero: 14,
  index: 16,
  term: 24,
  chain: PLAIN_FRAME_BYTES,
} as const;

/** What the records up to some place add up to. */
export interface Tail extends LogPoint {
  readonly hardState: HardState;
  /** Entries before this one were dropped on purpose. */
  readonly keptFrom: number;
}

/** What goes into one group. The entries follow the tail's without a gap. */
export interface GroupContent {
  readonly hardState?: HardState;
  readonly keptFrom?: number;
  readonly entries: readonly LogEntry[];
}

export interface EncodedGroup {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tail: Tail;
  /** Where in the segment file each entry's frame begins. */
  readonly frames: readonly number[];
}

export interface GroupHeader {
  readonly bodyBytes: number;
  readonly frameCount: number;
}

export type Frame =
  | { readonly kind: 'entry'; readonly entry: LogEntry; readonly end: number }
  | { readonly kind: 'hardState'; readonly hardState: HardState; readonly end: number }
  | { readonly kind: 'keptFrom'; readonly keptFrom: number; readonly end: number };

/** Bytes that an entry takes on disk, beside its share of a group header. */
export function entryFrameBytes(dataBytes: number): number {
  return ENTRY_FRAME_BYTES + padded(dataBytes);
}

/** Lays out a group for `offset` in the segment with this sequence number. */
export function encodeGroup(
  content: GroupContent,
  place: { readonly sequence: number; readonly offset: number; readonly tail: Tail },
  digest: Digest,
): EncodedGroup {
  const vote = encodeId(content.hardState?.vote ?? '');
  let size = GROUP_HEADER_BYTES;
  if (content.hardState !== undefined) size += PLAIN_FRAME_BYTES + padded(vote.length);
  if (content.keptFrom !== undefined) size += PLAIN_FRAME_BYTES;
  for (const entry of content.entries) size += entryFrameBytes(entry.data.length);

  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const frames: number[] = [];
  let at = GROUP_HEADER_BYTES;
  if (content.hardState !== undefined) {
    const { term, commit } = content.hardState;
    at = putFrame(
      bytes,
      view,
      at,
      { kind: KIND.hardState, index: commit, term, data: vote },
      digest,
    );
  }
  if (content.keptFrom !== undefined) {
    const frame = { kind: KIND.keptFrom, index: content.keptFrom, term: 0, data: NOTHING };
    at = putFrame(bytes, view, at, frame, digest);
  }
  let { chain } = place.tail;
  for (const entry of content.entries) {
    frames.push(place.offset + at);
    const start = at;
    at = putFrame(bytes, view, at, { kind: KIND.entry, ...entry }, digest, chain);
    chain = bytes.subarray(start + FRAME_AT.chain, start + ENTRY_FRAME_BYTES);
  }
  const count =
    frames.length +
    Number(content.hardState !== undefined) +
    Number(content.keptFrom !== undefined);
  putGroupHeader(view, bytes, { ...place, bodyBytes: size - GROUP_HEADER_BYTES, count }, digest);
  return { bytes, frames, tail: tailAfter(place.tail, content, chain.slice()) };
}

/** The header of the group at `offset`, or what is wrong with it. */
export function decodeGroupHeader(
  image: Uint8Array,
  view: DataView,
  place: { readonly sequence: number; readonly offset: number },
  digest: Digest,
): GroupHeader | string {
  const { offset } = place;
  if (image.length - offset < GROUP_HEADER_BYTES) return 'the file ends inside a group header';
  if (view.getUint32(offset + GROUP_AT.magic, true) !== GROUP_MAGIC) return 'no group begins here';
  const covered = image.subarray(offset + GROUP_AT.sequence, offset + GROUP_HEADER_BYTES);
  if (view.getUint32(offset + GROUP_AT.crc, true) !== digest.crc32(covered)) {
    return 'the checksum of the group header does not match';
  }
  const isHere =
    getUint64(view, offset + GROUP_AT.sequence) === place.sequence &&
    getUint64(view, offset + GROUP_AT.offset) === offset;
  if (!isHere) return 'the group header belongs to another place';
  return {
    bodyBytes: view.getUint32(offset + GROUP_AT.length, true),
    frameCount: view.getUint32(offset + GROUP_AT.frames, true),
  };
}

/** The frame at `offset`, which may not reach beyond `limit`; or what is wrong with it. */
export function decodeFrame(
  image: Uint8Array,
  view: DataView,
  offset: number,
  limit: number,
  digest: Digest,
): Frame | string {
  if (limit - offset < PLAIN_FRAME_BYTES) return 'a frame does not fit its group';
  const kind = image[offset + FRAME_AT.kind];
  const headerBytes = kind === KIND.entry ? ENTRY_FRAME_BYTES : PLAIN_FRAME_BYTES;
  const length = view.getUint32(offset + FRAME_AT.length, true);
  const end = offset + headerBytes + padded(length);
  if (end > limit) return 'a frame does not fit its group';
  const covered = image.subarray(offset + FRAME_AT.payloadCrc, offset + headerBytes);
  if (view.getUint32(offset + FRAME_AT.crc, true) !== digest.crc32(covered)) {
    return 'the checksum of a frame header does not match';
  }
  const data = image.subarray(offset + headerBytes, offset + headerBytes + length);
  if (view.getUint32(offset + FRAME_AT.payloadCrc, true) !== digest.crc32(data)) {
    return 'the checksum of a payload does not match';
  }
  for (let at = offset + headerBytes + length; at < end; at++) {
    if (image[at] !== 0) return 'the padding of a frame is not zero';
  }
  const index = getUint64(view, offset + FRAME_AT.index);
  const term = getUint64(view, offset + FRAME_AT.term);
  if (index === undefined || term === undefined) return 'a frame holds a number beyond 2^53';
  switch (kind) {
    case KIND.entry:
      return { kind: 'entry', entry: entryAt(image, view, offset), end };
    case KIND.hardState: {
      const vote = length === 0 ? null : new TextDecoder().decode(data);
      return { kind: 'hardState', hardState: { term, vote, commit: index }, end };
    }
    case KIND.keptFrom:
      return { kind: 'keptFrom', keptFrom: index, end };
    default:
      return `a frame is of kind ${kind}, which this format does not have`;
  }
}

/** The entry whose frame begins at `offset`, in bytes that were checked before. */
export function entryAt(image: Uint8Array, view: DataView, offset: number): LogEntry {
  const start = offset + ENTRY_FRAME_BYTES;
  return {
    term: getUint64(view, offset + FRAME_AT.term) ?? 0,
    index: getUint64(view, offset + FRAME_AT.index) ?? 0,
    type: image[offset + FRAME_AT.type] ?? 0,
    data: image.subarray(start, start + view.getUint32(offset + FRAME_AT.length, true)),
  };
}

/** The chain that is stored in the entry frame at `offset`: a view, not a copy. */
export function chainOfFrame(image: Uint8Array, offset: number): Uint8Array {
  return image.subarray(offset + FRAME_AT.chain, offset + ENTRY_FRAME_BYTES);
}

/** True when the entry frame at `offset` is what follows `previous` in the chain. */
export function chainFollows(
  image: Uint8Array,
  offset: number,
  dataBytes: number,
  previous: Uint8Array,
  digest: Digest,
): boolean {
  const stored = chainOfFrame(image, offset);
  const expected = stored.slice();
  stored.set(previous);
  const hash = hashFrame(image, offset, dataBytes, digest);
  stored.set(expected);
  return hash.every((byte, i) => byte === expected[i]);
}

interface RawFrame {
  readonly kind: number;
  readonly type?: number;
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** Writes a frame and gives the offset after it. Entries carry the chain, the others do not. */
function putFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  frame: RawFrame,
  digest: Digest,
  previousChain?: Uint8Array,
): number {
  const headerBytes = previousChain === undefined ? PLAIN_FRAME_BYTES : ENTRY_FRAME_BYTES;
  view.setUint32(at + FRAME_AT.payloadCrc, digest.crc32(frame.data), true);
  view.setUint32(at + FRAME_AT.length, frame.data.length, true);
  bytes[at + FRAME_AT.kind] = frame.kind;
  bytes[at + FRAME_AT.type] = frame.type ?? 0;
  putUint64(view, at + FRAME_AT.index, frame.index);
  putUint64(view, at + FRAME_AT.term, frame.term);
  bytes.set(frame.data, at + headerBytes);
  if (previousChain !== undefined) {
    bytes.set(previousChain, at + FRAME_AT.chain);
    bytes.set(hashFrame(bytes, at, frame.data.length, digest), at + FRAME_AT.chain);
  }
  const covered = bytes.subarray(at + FRAME_AT.payloadCrc, at + headerBytes);
  view.setUint32(at + FRAME_AT.crc, digest.crc32(covered), true);
  return at + headerBytes + padded(frame.data.length);
}

/** SHA-256 of an entry frame that contains the previous chain in the place of its own. */
function hashFrame(bytes: Uint8Array, at: number, dataBytes: number, digest: Digest): Uint8Array {
  return digest.sha256(bytes.subarray(at + FRAME_AT.length, at + ENTRY_FRAME_BYTES + dataBytes));
}

function putGroupHeader(
  view: DataView,
  bytes: Uint8Array,
  group: {
    readonly sequence: number;
    readonly offset: number;
    readonly bodyBytes: number;
    readonly count: number;
  },
  digest: Digest,
): void {
  view.setUint32(GROUP_AT.magic, GROUP_MAGIC, true);
  putUint64(view, GROUP_AT.sequence, group.sequence);
  putUint64(view, GROUP_AT.offset, group.offset);
  view.setUint32(GROUP_AT.length, group.bodyBytes, true);
  view.setUint32(GROUP_AT.frames, group.count, true);
  const covered = bytes.subarray(GROUP_AT.sequence, GROUP_HEADER_BYTES);
  view.setUint32(GROUP_AT.crc, digest.crc32(covered), true);
}

function tailAfter(tail: Tail, content: GroupContent, chain: Uint8Array): Tail {
  const last = content.entries.at(-1) ?? tail;
  return {
    index: last.index,
    term: last.term,
    chain,
    hardState: content.hardState ?? tail.hardState,
    keptFrom: content.keptFrom ?? tail.keptFrom,
  };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
