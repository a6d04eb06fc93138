/**
 * Everything the core remembers, and how it comes back after a start.
 *
 * The modules beside this file are the rules; this is what they act on. It exists within one
 * `step` at a time and is never shared with the host.
 */

import { ConfigHistory } from './configs.ts';
import { resolveLimits } from './limits.ts';
import { LogView } from './log.ts';
import type { Progress } from './progress.ts';
import { createRandom } from './random.ts';
import type { Random } from './random.ts';
import type {
  ConfState,
  Effect,
  Limits,
  Message,
  NodeId,
  RaftOptions,
  Ref,
  Restored,
  Role,
  SnapshotPosition,
} from './types.ts';
import { Writes } from './writes.ts';

/** An entry that this leader appended and has not committed. */
export interface UncommittedEntry {
  readonly ref: Ref | null;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/** A read at the leader: its own (`ref`) or a follower's (`readId`). */
export type Read =
  | { readonly from: 'self'; readonly ref: Ref }
  | { readonly from: 'peer'; readonly node: NodeId; readonly readId: number };

export interface ReadRound {
  readonly round: number;
  readonly index: number;
  readonly reads: readonly Read[];
}

export interface Transfer {
  readonly ref: Ref;
  readonly to: NodeId;
  readonly startTick: number;
  /** The message `timeoutNow` was sent to the target. */
  timeoutNowSent: boolean;
}

export interface RaftState {
  readonly id: NodeId;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly limits: Limits;
  readonly random: Random;

  term: number;
  vote: NodeId | null;
  commit: number;
  readonly log: LogView;
  readonly configs: ConfigHistory;
  readonly writes: Writes;
  snapshot: SnapshotPosition | null;

  role: Role;
  leader: NodeId | null;
  tick: number;
  electionElapsed: number;
  electionTimeout: number;
  heartbeatElapsed: number;
  votes: Map<NodeId, boolean>;
  stalledByHost: boolean;
  damaged: boolean;
  /** Damaged: the leader's last index, requested after the start, and the term of that leader. */
  healGoal: { readonly term: number; readonly index: number } | null;

  /** Leader only: everyone but itself. */
  peers: Map<NodeId, Progress>;
  proposals: UncommittedEntry[];
  uncommittedBytes: number;
  transfer: Transfer | null;
  round: number;
  rounds: ReadRound[];
  waitingReads: Read[];

  /** Follower only: reads for which the leader has not answered yet. */
  pendingReadIndex: Map<number, { readonly ref: Ref | null; readonly tick: number }>;
  nextReadId: number;

  applied: number;
  /** Everything up to here was handed to the host to apply. */
  applying: number;
  applyInflight: { readonly last: number; readonly bytes: number }[];
  /** A snapshot that the log restarts from, until it is durable and handed to the host. */
  install: SnapshotPosition | null;
  fetchId: number | null;
  lastFetchId: number;

  /** What the running step has gathered. */
  effects: Effect[];
  outbox: Message[];
  /** Messages that rest on what this step writes, or on writes still under way. */
  withheld: Message[];
}

export function restore(options: RaftOptions, restored: Restored): RaftState {
  const limits = resolveLimits(options);
  const random = createRandom(options.seed);
  const log = new LogView(restored, limits.windowBytesMax);
  const { term, vote } = restored.hardState;
  checkRestored(restored, log);
  const committed = Math.max(restored.hardState.commit, restored.appliedIndex, log.compactedIndex);
  const commit = Math.min(committed, log.lastIndex);
  return {
    id: options.id,
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    limits,
    random,
    term,
    vote,
    commit,
    log,
    configs: new ConfigHistory(restored.configs),
    writes: new Writes({ term, vote, commit: restored.hardState.commit }),
    snapshot: restored.snapshot,
    role: 'follower',
    leader: null,
    tick: 0,
    electionElapsed: 0,
    electionTimeout: options.electionTicks + random.below(options.electionTicks),
    heartbeatElapsed: 0,
    votes: new Map(),
    stalledByHost: false,
    damaged: restored.damaged ?? false,
    healGoal: null,
    peers: new Map(),
    proposals: [],
    uncommittedBytes: 0,
    transfer: null,
    round: 0,
    rounds: [],
    waitingReads: [],
    pendingReadIndex: new Map(),
    // A reply to a question from before the last start must not answer a new one.
    nextReadId: random.below(0x8000_0000) * 0x10_0000,
    applied: restored.appliedIndex,
    applying: restored.appliedIndex,
    applyInflight: [],
    install: null,
    fetchId: null,
    lastFetchId: 0,
    effects: [],
    outbox: [],
    withheld: [],
  };
}

export function config(state: RaftState): ConfState {
  return state.configs.current.confState;
}

export function configCommitted(state: RaftState): boolean {
  return state.configs.current.index <= state.commit;
}

/** Only then is the commit index of the leader certain (thesis 6.4; paper, section 8). */
export function committedInOwnTerm(state: RaftState): boolean {
  return state.log.term(state.commit) === state.term;
}

/** A disk that does not acknowledge, or a host that reports it. */
export function isStalled(state: RaftState): boolean {
  return state.stalledByHost || state.writes.ageTicks(state.tick) >= state.limits.persistStallTicks;
}

function checkRestored(restored: Restored, log: LogView): void {
  const { hardState, appliedIndex, snapshot } = restored;
  const places =
    `first ${log.firstIndex}, last ${log.lastIndex}, commit ${hardState.commit}, ` +
    `applied ${appliedIndex}, snapshot ${snapshot?.index ?? 0}`;
  if (hardState.commit > log.lastIndex && restored.damaged !== true) {
    throw new Error(
      `raft: the log ends before what was committed (${places}); ` +
        'entries were lost, so restore it as damaged and let it heal from the leader',
    );
  }
  if (hardState.term < log.lastTerm) {
    throw new Error(
      `raft: term ${hardState.term} is older than the log's last term ${log.lastTerm}; ` +
        'a promise may have been lost, so this member must be replaced',
    );
  }
  if (appliedIndex > log.lastIndex) {
    throw new Error(
      `raft: the state is ahead of the log (${places}); restore the log as empty after the snapshot`,
    );
  }
  if (appliedIndex < log.compactedIndex || (snapshot?.index ?? 0) < log.compactedIndex) {
    throw new Error(`raft: no snapshot covers the start of the log (${places})`);
  }
}
