/**
 * Opening what is there: inspects the files, decides whether a crash explains all of it, and
 * only then puts it right.
 *
 * A crash can leave six things: a half-made file with the ending `.tmp`, a packed segment beside
 * its plain form, segments that were being dropped or quarantined, a mark that lags behind, a vote record one
 * append ahead, and a torn group at the very end. Each is repaired without a message. Everything else is
 * damage, and nothing is touched.
 *
 * Promise: no entry that was acknowledged is dropped here, whatever single fault the files have.
 * What is accepted is on disk when this returns.
 */

import {
  VOTE_RECORD_FILE,
  describeVote,
  isLaterVote,
  isSameVote,
  checkVoteRecord,
  readVoteRecord,
  writeVoteRecord,
  type VoteRecord,
  type VoteRecordCheck,
  type FoundVoteRecord,
  type Vote,
} from './vote-record.ts';
import { lastIndexes, loadClosed, type SegmentRef } from './closed-segment.ts';
import { damageMessage, type LogDamage, type LogRefusal } from './damage.ts';
import type { Disk, DiskFile, LogModules, ReadModules } from './disk.ts';
import type { LogIdentity, LogPoint, TermRun } from './entry.ts';
import {
  laterPlace,
  MARK_FILE,
  openMark,
  pairOf,
  readMark,
  type DurableMark,
  type DurablePlace,
} from './durable-mark.ts';
import type { Tail } from './group.ts';
import { applyMask } from './mask.ts';
import { decodeHeader, HEADER_BYTES, type SegmentHeader } from './segment-header.ts';
import {
  loadImage,
  readOrNothing,
  segmentFileName,
  sortSegments,
  UNFINISHED,
  UNREADABLE,
  withFile,
  type SegmentName,
} from './segment-file.ts';
import { quarantineName } from './quarantine.ts';
import { findLaterGroup, looksTorn, noteTerm, scanSegment, type SegmentScan } from './segment.ts';

/** The unacknowledged end of a write that a crash cut off, which recovery removed. */
export interface CutTail {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A log that is whole and on disk. */
export interface OpenedLog {
  readonly ok: true;
  /** In the order of writing; the last one is open for appending. */
  readonly segments: readonly SegmentRef[];
  readonly active: {
    readonly header: SegmentHeader;
    readonly file: DiskFile;
    readonly frames: number[];
    readonly end: number;
  };
  readonly tail: Tail;
  /** Terms from the entry after `base` on were checked. */
  readonly base: LogPoint;
  readonly runs: TermRun[];
  readonly mark: DurableMark;
  /** Term and vote of the vote record; the log must record them when it has others. */
  readonly vote: Vote;
  /** What was wrong with the vote record beside the segments, which was rewritten. */
  readonly voteRecordProblem: string | undefined;
  readonly cut: CutTail | undefined;
}

export interface RecoveryOptions extends LogIdentity {
  /** Segments that end before this entry are not read now, but whenever they are read. */
  readonly verifyFrom: number;
}

export async function recover(
  options: RecoveryOptions,
  modules: LogModules,
): Promise<OpenedLog | { readonly ok: false; readonly refusal: LogRefusal }> {
  const inspection = await inspect(options, modules);
  if ('code' in inspection) return { ok: false, refusal: inspection };
  return repair(inspection, modules);
}

/**
 * To whom the log in this directory belongs, by the newest header that is readable, or else by the
 * vote record; undefined when there is no log, or nothing of it is readable.
 */
export async function readLogIdentity(
  modules: ReadModules & Pick<LogModules, 'witness'>,
): Promise<LogIdentity | undefined> {
  const { names } = sortSegments(await modules.disk.list());
  for (const name of names.toReversed()) {
    const segment = await readSegmentRef(name, modules);
    if ('header' in segment) {
      const { clusterId, nodeId } = segment.header;
      return { clusterId, nodeId };
    }
  }
  const found = await readVoteRecord(modules);
  const voteRecord = found?.voteRecord ?? (await readWitness(modules)).voteRecord?.voteRecord;
  if (voteRecord === undefined) return undefined;
  const { clusterId, nodeId } = voteRecord;
  return { clusterId, nodeId };
}

interface Inspection {
  readonly segments: readonly SegmentRef[];
  /** Files that a crash left behind and that are not needed. */
  readonly leftovers: readonly string[];
  readonly hasMark: boolean;
  /** The later one of the two marks. */
  readonly mark: DurablePlace | undefined;
  readonly ownVote: VoteRecordCheck;
  /** The result of comparing the vote record of the witness. */
  readonly witnessVote: VoteRecordCheck;
  readonly active: Active;
  readonly runs: TermRun[];
  readonly base: LogPoint;
}

interface Active {
  readonly segment: SegmentRef;
  readonly file: string;
  readonly image: Uint8Array;
  readonly scan: SegmentScan;
}

/** Looks at everything and changes nothing. */
async function inspect(
  options: RecoveryOptions,
  modules: LogModules,
): Promise<Inspection | LogRefusal> {
  const { directory } = modules.disk;
  const listed = await modules.disk.list();
  const { names, leftovers } = sortSegments(listed);
  const witness = await readWitness(modules);
  const mark = laterPlace(await readMark(modules), witness.mark);
  const voteRecord = await readVoteRecord(modules);
  const newest = names.at(-1);
  if (newest === undefined) {
    const isBlank =
      voteRecord === undefined && witness.voteRecord === undefined && mark === undefined;
    if (isBlank) return emptyRefusal(directory);
    if (listed.length === 0) return goneRefusal(directory);
    if (mark !== undefined) return corrupt(missing(mark), directory);
    return corrupt(VOTE_RECORD_ALONE, directory);
  }
  const active = await readActive(newest, options, mark, modules);
  if ('code' in active) return active;

  const { tail } = active.scan;
  const allLast = lastIndexes(
    names.map(({ firstIndex }) => firstIndex),
    tail.index,
  );
  const dropped = names.slice(0, -1).filter((_, i) => (allLast[i] ?? 0) < tail.keptFrom);
  const closed: SegmentRef[] = [];
  for (const name of names.slice(dropped.length, -1)) {
    const segment = await readSegmentRef(name, modules);
    if ('code' in segment) return segment;
    closed.push(segment);
  }
  const segments = [...closed, active.segment];
  const hole = findHole(names.slice(dropped.length), tail.keptFrom);
  if (hole !== undefined) return corrupt(hole, directory);
  const verified = await verify(segments, active, options, modules);
  if ('what' in verified) return corrupt(verified, directory);
  const log = {
    clusterId: options.clusterId,
    nodeId: options.nodeId,
    vote: tail.hardState,
    end: { sequence: newest.sequence, offset: active.scan.end },
  };
  const ownVote = checkVoteRecord(voteRecord, log);
  if (typeof ownVote === 'string') return corrupt(contradiction(ownVote, active), directory);
  const witnessVote = checkVoteRecord(witness.voteRecord, log);
  if (typeof witnessVote === 'string') {
    return corrupt(contradiction(witnessVote, active), modules.witness?.directory ?? directory);
  }
  if (isLaterVote(witnessVote.vote, ownVote.vote) && isLaterVote(ownVote.vote, witnessVote.vote)) {
    const what = `it has ${describeVote(ownVote.vote)}, and its copy has ${describeVote(witnessVote.vote)}`;
    return corrupt(contradiction(what, active), directory);
  }
  return {
    segments,
    leftovers: [...leftovers, ...dropped.map(segmentFileName)],
    hasMark: listed.includes(MARK_FILE),
    mark,
    ownVote,
    witnessVote,
    active,
    ...verified,
  };
}

/** What the other directory holds; nothing where there is none. */
export async function readWitness({
  digest,
  witness,
}: Pick<LogModules, 'digest' | 'witness'>): Promise<{
  readonly mark: DurablePlace | undefined;
  readonly voteRecord: FoundVoteRecord | undefined;
}> {
  if (witness === undefined) return { mark: undefined, voteRecord: undefined };
  const modules = { disk: witness, digest };
  return { mark: await readMark(modules), voteRecord: await readVoteRecord(modules) };
}

async function readSegmentRef(
  name: SegmentName,
  modules: ReadModules,
): Promise<SegmentRef | LogRefusal> {
  const { directory } = modules.disk;
  const file = segmentFileName(name);
  const intactUpTo = name.firstIndex - 1;
  const damage = { file, offset: 0, index: name.firstIndex, intactUpTo };
  const found = await readHead(file, modules);
  if (typeof found === 'string') return corrupt({ ...damage, what: found }, directory);
  const decoded = decodeHeader(found.head, modules.digest);
  if (!decoded.ok) {
    if (decoded.code === 'corrupt') return corrupt({ ...damage, what: decoded.what }, directory);
    const message = `${directory}/${file} was ${decoded.what}. Start the newer program again.`;
    return { code: 'newer-format', ...damage, message };
  }
  const { header } = decoded;
  if (header.sequence !== name.sequence || header.previous.index + 1 !== name.firstIndex) {
    const what = `it holds segment ${header.sequence}, which begins at entry ${header.previous.index + 1}`;
    return corrupt({ ...damage, what }, directory);
  }
  return { header, packed: name.packed, bytes: found.bytes };
}

/** The header of a segment and the size of its file, or why they cannot be had. */
async function readHead(
  file: string,
  { disk }: ReadModules,
): Promise<{ readonly bytes: number; readonly head: Uint8Array } | string> {
  const found = await withFile(disk, file, async (open) => {
    return { bytes: await open.size(), head: await readOrNothing(open, 0, HEADER_BYTES) };
  });
  if (found === undefined) return 'the file vanished';
  return found.head.length === 0 && found.bytes > 0 ? UNREADABLE : found;
}

/** Reads the newest segment and classifies its end. */
async function readActive(
  name: SegmentName,
  options: RecoveryOptions,
  mark: DurablePlace | undefined,
  modules: LogModules,
): Promise<Active | LogRefusal> {
  const { directory } = modules.disk;
  const file = segmentFileName(name);
  const segment = await readSegmentRef(name, modules);
  if ('code' in segment) return segment;
  const foreign = checkOwner(segment, file, options, directory);
  if (foreign !== undefined) return foreign;
  const loaded = await loadImage(file, modules);
  const image = loaded?.image ?? new Uint8Array(0);
  const scan = await scanSegment(image, segment.header, modules);
  const { index } = scan.tail;
  const damage = (offset: number, what: string): LogRefusal =>
    corrupt({ file, offset, index: index + 1, intactUpTo: index, what }, directory);

  if (mark !== undefined && mark.sequence > name.sequence) {
    return damage(image.length, `segment ${mark.sequence} comes after it and is missing`);
  }
  if (name.packed) return damage(image.length, 'the segment after it is missing');
  const fault = loaded?.fault ?? scan.fault;
  const durableEnd = mark?.sequence === name.sequence ? mark.offset : 0;
  if (fault === undefined) {
    if (durableEnd <= scan.end) return { segment, file, image, scan };
    return damage(scan.end, `the file was synced up to byte ${durableEnd} and is shorter now`);
  }
  const wasSynced =
    durableEnd > scan.end ||
    findLaterGroup(image, { sequence: name.sequence, offset: scan.end }, modules.digest) !==
      undefined;
  const isTorn = !wasSynced && scan.fault !== undefined && looksTorn(image, scan.end, scan.fault);
  return isTorn ? { segment, file, image, scan } : damage(fault.offset, fault.what);
}

function checkOwner(
  { header }: SegmentRef,
  file: string,
  expected: LogIdentity,
  directory: string,
): LogRefusal | undefined {
  const place = { file, offset: 0, index: 0, intactUpTo: 0 };
  if (header.clusterId !== expected.clusterId) {
    const message =
      `the log in ${directory} belongs to cluster ${header.clusterId}, not ${expected.clusterId}. ` +
      'Give this node its own data directory.';
    return { code: 'other-cluster', ...place, message };
  }
  if (header.nodeId !== expected.nodeId) {
    const message =
      `the log in ${directory} belongs to node ${header.nodeId}, not ${expected.nodeId}. ` +
      'Give each node its own data directory.';
    return { code: 'other-node', ...place, message };
  }
  return undefined;
}

/** A segment that should be there and is not. */
function findHole(names: readonly SegmentName[], keptFrom: number): LogDamage | undefined {
  const [oldest] = names;
  if (oldest !== undefined && oldest.firstIndex > keptFrom) {
    const what = `the segments before it, from entry ${keptFrom} on, are missing`;
    return {
      file: segmentFileName(oldest),
      offset: 0,
      index: keptFrom,
      intactUpTo: keptFrom - 1,
      what,
    };
  }
  for (const [i, name] of names.entries()) {
    const next = names[i + 1];
    if (next === undefined || next.sequence === name.sequence + 1) continue;
    const what = `segment ${name.sequence + 1} should come before it`;
    const index = name.firstIndex;
    return { file: segmentFileName(next), offset: 0, index, intactUpTo: index - 1, what };
  }
  return undefined;
}

/** Reads every closed segment that answers for entries from `verifyFrom` on. */
async function verify(
  segments: readonly SegmentRef[],
  active: Active,
  options: RecoveryOptions,
  modules: LogModules,
): Promise<{ base: LogPoint; runs: TermRun[] } | LogDamage> {
  const firsts = segments.map(({ header }) => header.previous.index + 1);
  const lasts = lastIndexes(firsts, active.scan.tail.index);
  let base: LogPoint | undefined;
  const runs: TermRun[] = [];
  for (const [i, segment] of segments.slice(0, -1).entries()) {
    const upTo = lasts[i] ?? 0;
    if (upTo < options.verifyFrom || upTo < (firsts[i] ?? 0)) continue;
    const loaded = await loadClosed(segment, upTo, segments.slice(i + 1), modules);
    if (loaded === undefined) throw new Error(`segment ${segment.header.sequence} vanished`);
    if ('what' in loaded) return loaded;
    base ??= segment.header.previous;
    for (const run of loaded.scan.runs) {
      if (run.from <= upTo) noteTerm(runs, { index: run.from, term: run.term });
    }
  }
  for (const run of active.scan.runs) noteTerm(runs, { index: run.from, term: run.term });
  return { base: base ?? active.segment.header.previous, runs };
}

/** Carries out what was decided. From here on the directory changes. */
async function repair(inspection: Inspection, modules: LogModules): Promise<OpenedLog> {
  const { disk } = modules;
  const { segment, file: name, image, scan } = inspection.active;
  await removeLeftovers(inspection, modules);
  const file = await disk.open(name);
  const bytes = image.length - scan.end;
  if (bytes > 0) await file.truncate(scan.end);
  await rewriteLastGroup(file, inspection);
  await file.sync();
  const own = await openMark(inspection.hasMark, modules);
  await disk.syncDirectory();
  const { clusterId, nodeId, sequence } = segment.header;
  const place = { sequence, offset: scan.end };
  await own.write({ ...place, index: scan.tail.index });
  // Neither of the two may be lost, whichever directory was put back from a copy.
  const isNews = isLaterVote(inspection.witnessVote.vote, inspection.ownVote.vote);
  const { term, vote } = isNews ? inspection.witnessVote.vote : inspection.ownVote.vote;
  const voteRecord = { clusterId, nodeId, term, vote, place };
  const { problem } = inspection.ownVote;
  if (problem !== undefined || isNews) await writeVoteRecord(voteRecord, modules);
  const { witness, digest } = modules;
  const mark =
    witness === undefined
      ? own
      : pairOf(own, await openWitness(witness, { digest, index: scan.tail.index, voteRecord }));
  return {
    ok: true,
    segments: inspection.segments,
    active: { header: segment.header, file, frames: scan.frames, end: scan.end },
    tail: { ...scan.tail, chain: scan.tail.chain.slice() },
    base: inspection.base,
    runs: inspection.runs,
    mark,
    vote: { term, vote },
    voteRecordProblem: problem,
    cut: bytes > 0 ? { file: name, offset: scan.end, bytes } : undefined,
  };
}

/** Writes what the log holds now to the witness, durably. */
async function openWitness(
  disk: Disk,
  {
    digest,
    index,
    voteRecord,
  }: Pick<LogModules, 'digest'> & { index: number; voteRecord: VoteRecord },
): Promise<DurableMark> {
  const files = await disk.list();
  for (const file of files) if (file.endsWith(UNFINISHED)) await disk.remove(file);
  const { voteRecord: known, problem } = (await readVoteRecord({ disk, digest })) ?? NO_VOTE_RECORD;
  const isOther = known?.clusterId !== voteRecord.clusterId || known.nodeId !== voteRecord.nodeId;
  if (problem !== undefined || isOther || !isSameVote(known, voteRecord)) {
    await writeVoteRecord(voteRecord, { disk, digest });
  }
  const mark = await openMark(files.includes(MARK_FILE), { disk, digest });
  await disk.syncDirectory();
  await mark.write({ ...voteRecord.place, index });
  await mark.sync();
  return mark;
}

const NO_VOTE_RECORD: FoundVoteRecord = { voteRecord: undefined, problem: 'it is missing' };

/** Files that a crash left behind go; those of a log that was salvaged are kept under other names. */
async function removeLeftovers(
  { leftovers, active }: Inspection,
  { disk }: LogModules,
): Promise<void> {
  const { begunBy, sequence } = active.segment.header;
  for (const leftover of leftovers) {
    if (begunBy === 'salvage' && !leftover.endsWith(UNFINISHED)) {
      await disk.rename(leftover, quarantineName(leftover, sequence));
    } else {
      await disk.remove(leftover);
    }
  }
}

/**
 * Writes the last group over itself. After a failed sync the kernel may hold pages that it believes
 * to be on disk and that are not; a sync alone would report success and write nothing.
 */
async function rewriteLastGroup(file: DiskFile, { active, mark }: Inspection): Promise<void> {
  const { scan, image, segment } = active;
  const isKnownDurable = mark?.sequence === segment.header.sequence && mark.offset >= scan.end;
  if (isKnownDurable || scan.lastGroup === scan.end) return;
  const group = image.slice(scan.lastGroup, scan.end);
  applyMask(group, scan.lastGroup);
  await file.write(scan.lastGroup, group);
}

function emptyRefusal(directory: string): LogRefusal {
  const message = `there is no log in ${directory}.`;
  return { code: 'empty', file: '', offset: 0, index: 1, intactUpTo: 0, message };
}

/** What was acknowledged is known outside of the log directory, in which nothing is left. */
function goneRefusal(directory: string): LogRefusal {
  const message =
    `${directory}: this node had a log, and its log is gone. ` +
    'Let this node rejoin with an empty data directory, or restore it from a backup.';
  return { code: 'corrupt', file: '', offset: 0, index: 1, intactUpTo: 0, message };
}

function missing(mark: DurablePlace): LogDamage {
  const what = `it records that segment ${mark.sequence} was written, and no segment is there`;
  return { file: MARK_FILE, offset: 0, index: 1, intactUpTo: 0, what };
}

const VOTE_RECORD_ALONE: LogDamage = {
  file: VOTE_RECORD_FILE,
  offset: 0,
  index: 1,
  intactUpTo: 0,
  what: 'it was written beside a log, and no segment is there',
};

function contradiction(what: string, { scan }: Active): LogDamage {
  const { index } = scan.tail;
  return { file: VOTE_RECORD_FILE, offset: 0, index: index + 1, intactUpTo: index, what };
}

function corrupt(damage: LogDamage, directory: string): LogRefusal {
  const { what: _, ...place } = damage;
  return { code: 'corrupt', ...place, message: damageMessage(damage, directory) };
}
