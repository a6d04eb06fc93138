/**
 * Salvage: a node whose log is damaged goes on as a member that has lost entries.
 *
 * Everything that the log holds is quarantined, and a new one begins after a snapshot that is known to
 * be good, with the term and the vote of the vote record. The new log is marked as healing, and
 * stays so through crashes and snapshots until the leader has brought back what was lost.
 *
 * Promise: one rename decides. Before it the damaged log is as it was and is refused again; after it
 * the next opening quarantines the old files and continues. Where term and vote cannot be known for
 * certain nothing is changed, because a node that votes twice in a term can split a cluster.
 *
 * Boundary: it does not check whether there is a leader to heal from. A cluster with a single voter has
 * none, and must not call this.
 */

import {
  VOTE_RECORD_FILE,
  describeVote,
  isLaterVote,
  ownerOf,
  readVoteRecord,
  type VoteRecord,
  type FoundVoteRecord,
  type Vote,
} from './vote-record.ts';
import type { LogRefusal } from './damage.ts';
import type { LogModules, ReadModules } from './disk.ts';
import { readMark } from './durable-mark.ts';
import type { LogIdentity, LogPoint } from './entry.ts';
import { readWitness } from './recovery.ts';
import { openLog, type LogOptions, type OpenLogResult } from './log.ts';
import {
  createSegment,
  loadImage,
  readOrNothing,
  segmentFileName,
  sortSegments,
  UNFINISHED,
  withFile,
  type SegmentName,
} from './segment-file.ts';
import { decodeHeader, HEADER_BYTES, type SegmentHeader } from './segment-header.ts';
import { findLaterGroup, tailBefore, viewOf, walkGroup, type WalkTail } from './segment.ts';

export interface SalvageOptions extends Omit<LogOptions, 'create' | 'verifyFrom'> {
  /** Where the newest good snapshot ends; GENESIS when there is none. */
  readonly restartAfter: LogPoint;
}

/** Quarantines a damaged log and opens its replacement, or returns why that is not possible. */
export async function salvage(
  { restartAfter, ...options }: SalvageOptions,
  modules: LogModules,
): Promise<OpenLogResult> {
  const { disk } = modules;
  const files = await disk.list();
  const { names } = sortSegments(files);
  const voteRecord = await knownVote(options, names, restartAfter, modules);
  if (typeof voteRecord === 'string')
    return { ok: false, refusal: refusalOf(voteRecord, disk.directory) };
  for (const file of files) if (file.endsWith(UNFINISHED)) await disk.remove(file);
  const { index } = restartAfter;
  const file = await createSegment(
    {
      clusterId: options.clusterId,
      nodeId: options.nodeId,
      begunBy: 'salvage',
      sequence: await nextSequence(names, voteRecord, modules),
      previous: restartAfter,
      keptFrom: index + 1,
      hardState: { term: voteRecord.term, vote: voteRecord.vote, commit: index },
      isHealing: true,
    },
    modules,
  );
  await file.close();
  return openLog({ ...options, create: false, verifyFrom: index + 1 }, modules);
}

/** Higher than any that was ever used, as far as the files on disk show. */
async function nextSequence(
  names: readonly SegmentName[],
  { place }: VoteRecord,
  modules: LogModules,
): Promise<number> {
  const own = await readMark(modules);
  const { mark, voteRecord } = await readWitness(modules);
  const witnessed = [mark?.sequence ?? 0, voteRecord?.voteRecord?.place.sequence ?? 0];
  const known = [place.sequence, own?.sequence ?? 0, ...names.map(({ sequence }) => sequence)];
  return Math.max(...known, ...witnessed) + 1;
}

/** The later one of the two vote records, or why they do not give term and vote for certain. */
async function knownVote(
  owner: LogIdentity,
  names: readonly SegmentName[],
  { index, term }: LogPoint,
  modules: LogModules,
): Promise<VoteRecord | string> {
  const own = voteRecordOf(owner, await readVoteRecord(modules));
  const witnessed = voteRecordOf(owner, (await readWitness(modules)).voteRecord);
  const voteRecord = laterVoteRecord(own, witnessed);
  if (typeof voteRecord === 'string') return voteRecord;
  const old = `${VOTE_RECORD_FILE}, the second copy of them, is out of date: ${describeVote(voteRecord)}`;
  if (voteRecord.term < term) return `${old}, and the snapshot at ${index} is of term ${term}`;
  // The log may be unreadable in part, but no vote in it may be later than the vote record.
  for await (const { file, vote } of votesIn(names, modules)) {
    if (isLaterVote(vote, voteRecord)) return `${old}, and ${file} holds ${describeVote(vote)}`;
  }
  return voteRecord;
}

function voteRecordOf(
  { clusterId, nodeId }: LogIdentity,
  found: FoundVoteRecord | undefined,
): VoteRecord | string {
  if (found === undefined) return `${VOTE_RECORD_FILE}, the second copy of them, is missing`;
  const { voteRecord } = found;
  if (voteRecord === undefined)
    return `in ${VOTE_RECORD_FILE}, the second copy of them, ${found.problem}`;
  if (voteRecord.clusterId === clusterId && voteRecord.nodeId === nodeId) return voteRecord;
  return `${VOTE_RECORD_FILE}, the second copy of them, belongs to ${ownerOf(voteRecord)}`;
}

/** A vote record that cannot be used does not contradict the other one. */
function laterVoteRecord(
  own: VoteRecord | string,
  witnessed: VoteRecord | string,
): VoteRecord | string {
  if (typeof witnessed === 'string') return own;
  if (typeof own === 'string') return witnessed;
  const isNews = isLaterVote(witnessed, own);
  if (isNews && isLaterVote(own, witnessed)) {
    return `the two copies of ${VOTE_RECORD_FILE} disagree: ${describeVote(own)} and ${describeVote(witnessed)}`;
  }
  return isNews ? witnessed : own;
}

/** Every vote that is readable in the headers, and in the groups of the newest segment. */
async function* votesIn(
  names: readonly SegmentName[],
  modules: ReadModules,
): AsyncGenerator<{ readonly file: string; readonly vote: Vote }> {
  for (const [i, name] of names.entries()) {
    const file = segmentFileName(name);
    const header = await readableHeader(file, modules);
    if (header === undefined) continue;
    yield { file, vote: header.hardState };
    if (i < names.length - 1) continue;
    const image = (await loadImage(file, modules))?.image ?? NOTHING;
    for (const vote of votesInGroups(image, header, modules)) yield { file, vote };
  }
}

async function readableHeader(
  file: string,
  { disk, digest }: ReadModules,
): Promise<SegmentHeader | undefined> {
  const head = await withFile(disk, file, (open) => readOrNothing(open, 0, HEADER_BYTES));
  const decoded = decodeHeader(head ?? NOTHING, digest);
  return decoded.ok ? decoded.header : undefined;
}

/** Steps over what is damaged to the next intact group. */
function* votesInGroups(
  image: Uint8Array,
  header: SegmentHeader,
  { digest }: ReadModules,
): Generator<Vote> {
  const view = viewOf(image);
  const { sequence } = header;
  let tail: WalkTail = tailBefore(header);
  for (let offset: number | undefined = HEADER_BYTES; offset !== undefined;) {
    const group = walkGroup(image, view, { sequence, offset }, tail, digest);
    if ('tail' in group) {
      ({ tail, end: offset } = group);
      yield tail.hardState;
      // An entry of a term is as good a proof of that term as a vote.
      yield { term: tail.term, vote: null };
    } else {
      offset = findLaterGroup(image, { sequence, offset }, digest);
      tail = { ...tail, chain: undefined };
    }
  }
}

const NOTHING = new Uint8Array(0);

function refusalOf(why: string, directory: string): LogRefusal {
  const message =
    `the log in ${directory} is damaged, and the term and vote of this node cannot be known: ${why}. ` +
    'A node that may have lost its vote must not come back under its old name: remove this ' +
    'member from the cluster and let it join again with an empty data directory.';
  return {
    code: 'vote-unknown',
    file: VOTE_RECORD_FILE,
    offset: 0,
    index: 0,
    intactUpTo: 0,
    message,
  };
}
