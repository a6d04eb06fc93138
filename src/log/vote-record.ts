/**
 * The vote record: a second copy of the term and the vote, outside of the segments.
 *
 * Entries that are lost come back from the leader; a lost vote does not come back,
 * and a node that votes twice in a term can elect two leaders. So the vote record is written before
 * the append that carries a new term or vote, and it contains the place of that append in the log. It
 * names the owner, too, because the headers of the segments may be what is damaged.
 *
 * Promise: two equal records, pages apart, replaced by one rename: a power cut leaves the old file or
 * the new one, and one fault leaves a record. It is never older than what was acknowledged, and never
 * more than one append ahead of the log.
 */

import type { Digest, Disk, ReadableDisk } from './disk.ts';
import type { HardState, LogIdentity } from './entry.ts';
import { readOrNothing, UNFINISHED, withFile } from './segment-file.ts';
import { getId, putId } from './segment-header.ts';
import { viewOf } from './segment.ts';
import { getUint64, putUint64 } from './uint64.ts';

/** A term, and the candidate that got this node's vote in it. */
export type Vote = Pick<HardState, 'term' | 'vote'>;

/** Where the next group of the log was to begin. */
export interface LogPlace {
  readonly sequence: number;
  readonly offset: number;
}

export interface VoteRecord extends LogIdentity, Vote {
  /** Everything before was synced when this was written; the append with this vote begins there. */
  readonly place: LogPlace;
}

/** What the file holds. */
export interface FoundVoteRecord {
  /** Undefined when it cannot be known: no record is readable, or two of them disagree. */
  readonly voteRecord: VoteRecord | undefined;
  /** What is wrong with it; with one good record left the vote is still known. */
  readonly problem: string | undefined;
}

/** The result of comparing the vote record with an intact log. */
export interface VoteRecordCheck {
  /** The later one of the vote record's vote and the log's. */
  readonly vote: Vote;
  /** Why the file must be rewritten. */
  readonly problem: string | undefined;
}

interface Modules {
  readonly disk: ReadableDisk;
  readonly digest: Digest;
}

export const VOTE_RECORD_FILE = 'ballot.copy';

const RECORD_BYTES = 256;
/** A bad page of a disk takes this much with it. */
const PAGE_BYTES = 4096;
const RECORDS_AT = [0, PAGE_BYTES] as const;

const VERSION = 1;
const MAGIC = new TextEncoder().encode('TOCSINBC');
const AT = {
  version: 8,
  term: 16,
  sequence: 24,
  offset: 32,
  vote: 48,
  clusterId: 96,
  nodeId: 144,
  crc: RECORD_BYTES - 4,
} as const;

/** Reads the vote record; undefined when there is no such file. */
export async function readVoteRecord({
  disk,
  digest,
}: Modules): Promise<FoundVoteRecord | undefined> {
  // One by one, so that a page which the disk cannot read leaves the other one.
  const records = await withFile(disk, VOTE_RECORD_FILE, async (file) => [
    await readOrNothing(file, RECORDS_AT[0], RECORD_BYTES),
    await readOrNothing(file, RECORDS_AT[1], RECORD_BYTES),
  ]);
  if (records === undefined) return undefined;
  const [first, second] = records.map((record) => decodeRecord(record, digest));
  const voteRecord = first ?? second;
  if (voteRecord === undefined)
    return { voteRecord, problem: 'neither of its records is readable' };
  if (first === undefined || second === undefined) {
    return { voteRecord, problem: 'one of its two records is not readable' };
  }
  if (isSameRecord(records)) return { voteRecord, problem: undefined };
  return { voteRecord: undefined, problem: 'its two records disagree' };
}

/** Replaces the vote record. It is durable when this resolves. */
export async function writeVoteRecord(
  voteRecord: VoteRecord,
  { disk, digest }: Modules & { readonly disk: Disk },
): Promise<void> {
  const record = encodeRecord(voteRecord, digest);
  const file = await disk.create(VOTE_RECORD_FILE + UNFINISHED);
  try {
    for (const offset of RECORDS_AT) await file.write(offset, record);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(VOTE_RECORD_FILE + UNFINISHED, VOTE_RECORD_FILE);
  await disk.syncDirectory();
}

/**
 * Compares the vote record with a log that looks intact and ends at `end`. A text is damage: the vote
 * record names something that the log no longer holds.
 */
export function checkVoteRecord(
  found: FoundVoteRecord | undefined,
  log: LogIdentity & { readonly vote: Vote; readonly end: LogPlace },
): VoteRecordCheck | string {
  if (found === undefined) return { vote: log.vote, problem: 'it is missing' };
  const { voteRecord, problem } = found;
  if (voteRecord === undefined) return { vote: log.vote, problem };
  if (voteRecord.clusterId !== log.clusterId || voteRecord.nodeId !== log.nodeId) {
    return { vote: log.vote, problem: `it belongs to ${ownerOf(voteRecord)}` };
  }
  const ahead = comparePlaces(voteRecord.place, log.end);
  if (ahead > 0) {
    const { sequence, offset } = voteRecord.place;
    return `the log was synced up to byte ${offset} of segment ${sequence} and is shorter now`;
  }
  if (isSameVote(voteRecord, log.vote)) return { vote: log.vote, problem };
  if (!isLaterVote(voteRecord, log.vote)) {
    return { vote: log.vote, problem: `it is older than the log: ${describeVote(voteRecord)}` };
  }
  // A crash between the two writes. The append was to begin where the log ends, and is not there.
  if (ahead === 0 && !isLaterVote(log.vote, voteRecord)) {
    return { vote: { term: voteRecord.term, vote: voteRecord.vote }, problem };
  }
  return `it has ${describeVote(voteRecord)}, and the log goes on and has ${describeVote(log.vote)}`;
}

/** True when a node that knows only `known` could break a promise that `vote` made. */
export function isLaterVote(vote: Vote, known: Vote): boolean {
  if (vote.term !== known.term) return vote.term > known.term;
  return vote.vote !== null && vote.vote !== known.vote;
}

export function isSameVote(a: Vote, b: Vote): boolean {
  return a.term === b.term && a.vote === b.vote;
}

export function describeVote({ term, vote }: Vote): string {
  return `term ${term} with ${vote === null ? 'no vote' : `a vote for ${vote}`}`;
}

export function ownerOf({ clusterId, nodeId }: LogIdentity): string {
  return `node ${nodeId} of cluster ${clusterId}`;
}

function comparePlaces(a: LogPlace, b: LogPlace): number {
  return a.sequence === b.sequence ? a.offset - b.offset : a.sequence - b.sequence;
}

function isSameRecord([a, b]: readonly Uint8Array[]): boolean {
  return a !== undefined && b !== undefined && a.every((byte, i) => byte === b[i]);
}

function encodeRecord(voteRecord: VoteRecord, digest: Digest): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = viewOf(bytes);
  bytes.set(MAGIC);
  view.setUint16(AT.version, VERSION, true);
  putUint64(view, AT.term, voteRecord.term);
  putUint64(view, AT.sequence, voteRecord.place.sequence);
  putUint64(view, AT.offset, voteRecord.place.offset);
  putId(bytes, AT.vote, voteRecord.vote ?? '');
  putId(bytes, AT.clusterId, voteRecord.clusterId);
  putId(bytes, AT.nodeId, voteRecord.nodeId);
  view.setUint32(AT.crc, digest.crc32(bytes.subarray(0, AT.crc)), true);
  return bytes;
}

function decodeRecord(bytes: Uint8Array, digest: Digest): VoteRecord | undefined {
  if (bytes.length < RECORD_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(AT.crc, true) !== digest.crc32(bytes.subarray(0, AT.crc))) return undefined;
  if (view.getUint16(AT.version, true) !== VERSION) return undefined;
  const term = getUint64(view, AT.term);
  const sequence = getUint64(view, AT.sequence);
  const offset = getUint64(view, AT.offset);
  const vote = getId(bytes, AT.vote);
  const clusterId = getId(bytes, AT.clusterId);
  const nodeId = getId(bytes, AT.nodeId);
  if (term === undefined || sequence === undefined || offset === undefined) return undefined;
  if (vote === undefined || clusterId === undefined || nodeId === undefined) return undefined;
  return {
    clusterId,
    nodeId,
    term,
    vote: vote === '' ? null : vote,
    place: { sequence, offset },
  };
}
