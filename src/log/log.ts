/**
 * The log: appends in groups, reads back, drops what is no longer kept.
 *
 * Promise: what `append` has acknowledged is there after any crash, or opening reports that it is not.
 * Getters and readers show what is durable, and nothing else. It does not interpret the data
 * or when to prune, and it starts nothing by itself.
 */

import { type Append } from './append.ts';
import { VOTE_RECORD_FILE, isSameVote } from './vote-record.ts';
import type { LogFailed, LogRefusal } from './damage.ts';
import type { LogModules } from './disk.ts';
import {
  FRESH_HARD_STATE,
  GENESIS,
  type HardState,
  type LogEntry,
  type LogIdentity,
  type TermRun,
} from './entry.ts';
import { recover, type CutTail } from './recovery.ts';
import { createSegment, sortSegments } from './segment-file.ts';
import { encodeId } from './segment-header.ts';
import { SegmentedLog } from './segmented-log.ts';
import { listQuarantined, type QuarantinedFile } from './quarantine.ts';

export interface LogOptions extends LogIdentity {
  /** Whether an empty directory may become a new log. */
  readonly create: boolean;
  /** A segment is closed before it grows beyond this. Default 16 MiB. */
  readonly segmentBytesMax?: number;
  /**
   * Entries from here on are checked while opening; older segments whenever they are read.
   * Default 1: everything. A node passes the entry after its snapshot.
   */
  readonly verifyFrom?: number;
}

export interface SegmentInfo {
  readonly file: string;
  readonly sequence: number;
  /** The entries that it answers for; none when `lastIndex` is below `firstIndex`. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly bytes: number;
  readonly closed: boolean;
  readonly compressed: boolean;
}

export interface CompressionReport {
  readonly segments: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface Log {
  readonly identity: LogIdentity;
  /** One more than `lastIndex` when the log holds nothing. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Hash over every entry up to the last: equal on all nodes at an equal index. 32 bytes. */
  readonly lastChain: Uint8Array;
  readonly hardState: HardState;
  /** Set for good by the first disk error. */
  readonly failure: LogFailed | undefined;
  /**
   * This log was salvaged: entries that were acknowledged may be missing. The node must not vote or
   * campaign before {@link Log.markHealed}; restore the consensus core as damaged.
   */
  readonly isHealing: boolean;
  /** Files of damaged logs that a salvage kept for people to look at, as of the opening. */
  readonly quarantined: readonly QuarantinedFile[];

  /**
   * Resolves when all of it is durable. `data` must not change before that. Rejects with
   * {@link LogFailed} after a disk error, and with a RangeError when the request makes no sense.
   */
  append(append: Append): Promise<void>;
  /**
   * Entries [from, to] as far as they exist; `data` are views, to be copied if they are kept for
   * long. Throws LogDamaged at a segment that is damaged, and a RangeError below `firstIndex`.
   */
  read(from: number, to: number): AsyncGenerator<LogEntry, void, undefined>;
  /** The term of an entry, or of the one before the checked part; undefined for all others. */
  termAt(index: number): number | undefined;
  /** The runs of terms in the checked part. */
  termRuns(): readonly TermRun[];
  /** The chain at an entry, or at the one before the first. Throws LogDamaged. */
  chainAt(index: number): Promise<Uint8Array | undefined>;
  segments(): readonly SegmentInfo[];
  /** Drops the closed segments that hold nothing from `beforeIndex` on, and returns how many. */
  prune(beforeIndex: number): Promise<number>;
  /** Compresses the closed segments one after the other. Meant to run beside everything else. */
  compressClosed(): Promise<CompressionReport>;
  /**
   * Ends the healing, durably: the log holds again all that it ever acknowledged. Does nothing to a
   * log that is not healing.
   */
  markHealed(): Promise<void>;
  /**
   * From here on the log is known to lack entries that it acknowledged, durably: {@link Log.isHealing}
   * holds until {@link Log.markHealed}. Does nothing to a log that is healing.
   */
  markHealing(): Promise<void>;
  /**
   * From here on the log is that of another cluster, which begins with the history of this one: the
   * way out when a majority is lost for good. Durable when it resolves; a log that was healing is
   * taken as it is. Entries before it keep their places and their chain.
   */
  beginEpoch(clusterId: string): Promise<void>;
  /** Waits for what was appended and lets go of the files. */
  close(): Promise<void>;
}

export type OpenLogResult =
  | {
      readonly ok: true;
      readonly log: Log;
      readonly cut: CutTail | undefined;
      /**
       * A sentence for people when the second copy of the vote was not as it should be; it was written
       * anew from the log.
       */
      readonly repaired: string | undefined;
    }
  | { readonly ok: false; readonly refusal: LogRefusal };

/** Default size of a segment: a new one every second at full speed, and cheap to hold whole. */
const SEGMENT_BYTES = 16 * 1024 * 1024;

/** A segment is read whole, so one of this size and one append must stay below IMAGE_BYTES_MAX. */
const SEGMENT_BYTES_LIMIT = 64 * 1024 * 1024;

/** Opens the log of this node, or returns why not. Nothing is changed when it is refused. */
export async function openLog(options: LogOptions, modules: LogModules): Promise<OpenLogResult> {
  checkId('cluster', options.clusterId);
  checkId('node', options.nodeId);
  const segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES;
  if (!(segmentBytesMax <= SEGMENT_BYTES_LIMIT)) {
    throw new RangeError(`segments of ${segmentBytesMax} bytes; at most ${SEGMENT_BYTES_LIMIT}`);
  }
  const identity = { clusterId: options.clusterId, nodeId: options.nodeId };
  const recovery = { ...identity, verifyFrom: options.verifyFrom ?? 1 };
  let result = await recover(recovery, modules);
  const isNew = !result.ok && result.refusal.code === 'empty' && options.create;
  if (isNew) {
    await createFirstSegment(identity, modules);
    result = await recover(recovery, modules);
  }
  if (!result.ok) return result;
  const quarantined = await listQuarantined(modules.disk);
  const log = new SegmentedLog(result, { ...identity, segmentBytesMax, quarantined }, modules);
  if (!isSameVote(result.vote, log.hardState)) {
    // The crash came between the vote record and the append, which was not acknowledged.
    await log.append({ hardState: { ...log.hardState, ...result.vote }, entries: [] });
  }
  const { cut, voteRecordProblem } = result;
  const isRepaired = voteRecordProblem !== undefined && !isNew;
  const repaired = isRepaired
    ? repairedMessage(voteRecordProblem, modules.disk.directory)
    : undefined;
  return { ok: true, log, cut, repaired };
}

function repairedMessage(problem: string, directory: string): string {
  return (
    `${directory}/${VOTE_RECORD_FILE}, the second copy of term and vote, was not as it should be: ` +
    `${problem}. The log is intact, so it was rewritten.`
  );
}

function checkId(what: string, id: string): void {
  if (encodeId(id).length === 0) throw new RangeError(`the ${what} id is empty`);
}

async function createFirstSegment(identity: LogIdentity, modules: LogModules): Promise<void> {
  // An earlier try may have been cut off.
  const { leftovers } = sortSegments(await modules.disk.list());
  for (const leftover of leftovers) await modules.disk.remove(leftover);
  const file = await createSegment(
    {
      ...identity,
      sequence: 1,
      begunBy: 'creation',
      previous: GENESIS,
      keptFrom: 1,
      hardState: FRESH_HARD_STATE,
      isHealing: false,
    },
    modules,
  );
  await file.close();
}
