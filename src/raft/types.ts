/**
 * The words of consensus: every input, effect and message of the core as plain data.
 *
 * Promise: all of it can be copied, logged, encoded and compared by value. Nothing here depends on
 * disks, sockets or clocks; time is ticks, and identity of nodes beyond a name (cluster id,
 * incarnation, epoch) is checked by the envelope in which a host carries messages.
 */

/** Name of a member; it stays with its data directory and is never given to another. */
export type NodeId = string;

/** The host's own tag for a request; the core hands it back and never looks inside. */
export type Ref = number;

export type EntryType = 'command' | 'noop' | 'config';

/** One slot of the log. Indexes start at 1; terms never fall along the log. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/**
 * What must never be lost (paper, figure 2, "persistent state").
 *
 * `commit` is a convenience: losing its newest value is safe, so it rides along with other writes.
 */
export interface HardState {
  readonly term: number;
  readonly vote: NodeId | null;
  readonly commit: number;
}

/**
 * A configuration. While `votersOutgoing` is not empty it is joint (thesis 4.3): decisions then need
 * a majority of `voters` and a majority of `votersOutgoing`.
 *
 * Lists are sorted by code unit and free of duplicates, so equal configurations are equal bytes.
 */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing side that become learners once the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
  /** Learners which the leader makes voters by itself as soon as they have caught up. */
  readonly promote: readonly NodeId[];
  /** Whether the leader leaves the joint configuration by itself once it is committed. */
  readonly autoLeave: boolean;
}

/** A configuration and the index of the log entry that holds it (0: given at bootstrap). */
export interface ConfigAt {
  readonly index: number;
  readonly confState: ConfState;
}

export interface ConfChange {
  /**
   * `voter`: make it a voter at once · `join`: learner, promoted when caught up ·
   * `learner`: learner for good (demotes a voter) · `remove`: neither.
   */
  readonly op: 'voter' | 'join' | 'learner' | 'remove';
  readonly node: NodeId;
}

/** What a snapshot covers; its content is the host's. */
export interface SnapshotPosition {
  readonly index: number;
  readonly term: number;
  readonly config: ConfigAt;
}

/** A run of entries of one term: from `from` up to the next run or the end of the log. */
export interface TermRun {
  readonly term: number;
  readonly from: number;
}

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

// ---------------------------------------------------------------------------------------------
// Messages between members

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** Term of the sender, save for `preVote` and its granting reply: there the term of the election that would follow. */
  readonly term: number;
}

export interface PreVote extends Envelope {
  readonly type: 'preVote';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface PreVoteReply extends Envelope {
  readonly type: 'preVoteReply';
  readonly granted: boolean;
}

export interface Vote extends Envelope {
  readonly type: 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The leader itself requested this election, so voters need not protect it (thesis 4.2.3). */
  readonly transfer: boolean;
}

export interface VoteReply extends Envelope {
  readonly type: 'voteReply';
  readonly granted: boolean;
}

export interface Append extends Envelope {
  readonly type: 'append';
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

export interface AppendReply extends Envelope {
  readonly type: 'appendReply';
  readonly ok: boolean;
  /** Accepted: the log equals the leader's up to here, durably. Refused: the `prevIndex` refused. */
  readonly index: number;
  /** Refused only: the last place where the logs may still agree, and the term there. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  /** Refused only: the sender lost entries that it had accepted, so the leader must drop what it recorded. */
  readonly lost: boolean;
}

export interface Heartbeat extends Envelope {
  readonly type: 'heartbeat';
  readonly commit: number;
  /** Number of the latest round of reads; the reply that carries it back confirms leadership. */
  readonly round: number;
}

export interface HeartbeatReply extends Envelope {
  readonly type: 'heartbeatReply';
  readonly round: number;
}

/** Sent when the snapshot's content is already with the receiver: "install it now". */
export interface SnapshotReady extends Envelope {
  readonly type: 'snapshot';
  readonly snapshot: SnapshotPosition;
}

export interface TimeoutNow extends Envelope {
  readonly type: 'timeoutNow';
}

export interface ReadIndexAsk extends Envelope {
  readonly type: 'readIndex';
  readonly readId: number;
}

export interface ReadIndexReply extends Envelope {
  readonly type: 'readIndexReply';
  readonly readId: number;
  /** Commit index of a leader whose leadership was confirmed after the question was put. */
  readonly index: number;
  /** Last index of the leader's log at that time: the goal of a damaged node. */
  readonly lastIndex: number;
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | SnapshotReady
  | TimeoutNow
  | ReadIndexAsk
  | ReadIndexReply;

// ---------------------------------------------------------------------------------------------
// Inputs

export type Input =
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'propose'; readonly ref: Ref; readonly data: Uint8Array }
  | { readonly type: 'readIndex'; readonly ref: Ref }
  /** Without `to`, the voter that is furthest along is chosen. */
  | { readonly type: 'transfer'; readonly ref: Ref; readonly to?: NodeId }
  | {
      readonly type: 'confChange';
      readonly ref: Ref;
      /** None: leave a joint configuration that does not leave by itself. */
      readonly changes: readonly ConfChange[];
      /** `configIndex` of the configuration that the change was made for: compare and set. */
      readonly expectedIndex: number;
      /** `explicit` stays joint until a request to leave; default `auto`. */
      readonly leave?: 'auto' | 'explicit';
    }
  /** Every `persist` up to this id is durable, in order. Acknowledging the last one is enough. */
  | { readonly type: 'persisted'; readonly id: number }
  /** The state machine holds everything up to `index`. */
  | { readonly type: 'applied'; readonly index: number }
  /** Answer to `readEntries`; no entries means that they could not be read just now. */
  | { readonly type: 'entriesRead'; readonly id: number; readonly entries: readonly Entry[] }
  /** The host took a snapshot of its state at `index` (durably). */
  | { readonly type: 'snapshotTaken'; readonly index: number }
  /** The host dropped its log up to `index`, which a snapshot covers. */
  | { readonly type: 'compacted'; readonly index: number }
  /** `done` of `total` parts of the snapshot are safe with `to`. */
  | {
      readonly type: 'snapshotProgress';
      readonly to: NodeId;
      readonly index: number;
      readonly done: number;
      readonly total: number;
    }
  /** All parts are with `to`, or the transfer broke off. */
  | {
      readonly type: 'snapshotSent';
      readonly to: NodeId;
      readonly index: number;
      readonly ok: boolean;
    }
  /** Messages to `to` are being lost. */
  | { readonly type: 'unreachable'; readonly to: NodeId }
  /** The disk or the event loop stalled: give up leadership and do not campaign until `recovered`. */
  | { readonly type: 'stalled' }
  /**
   * The disk of this node is that of an earlier moment: another member remembers that this node has been
   * in `term`, and has held more of it. What it voted and acknowledged meanwhile is lost here.
   */
  | { readonly type: 'rolledBack'; readonly term: number }
  | { readonly type: 'recovered' };

// ---------------------------------------------------------------------------------------------
// Effects

export type RejectReason =
  /** Not the leader; `leader` names it if it is known. */
  | 'not-leader'
  /** Leadership is being handed over. Try again there. */
  | 'transferring'
  /** Too many bytes wait for commit, or too many reads wait for a quorum. Try again later. */
  | 'overloaded'
  /** The entry is over `entryBytesMax` and will never be taken. */
  | 'too-large'
  /** The leader has not yet committed an entry of its term, or a change is still in progress. */
  | 'config-pending'
  /** `expectedIndex` is not the index of the configuration in force. */
  | 'config-mismatch'
  /** The change makes no sense for the configuration in force: see `detail`. */
  | 'config-invalid'
  /** No such voter to hand over to. */
  | 'no-target'
  /** The leader did not answer in one election timeout, or another took its place. */
  | 'no-answer';

export interface Persist {
  readonly type: 'persist';
  /** Rises by one. The host writes in this order and acknowledges in this order. */
  readonly id: number;
  /** Present when it changed. */
  readonly hardState?: HardState;
  /** First drop every entry from this index on. */
  readonly truncateFrom?: number;
  /** Then append these; contiguous with what is there. */
  readonly entries: readonly Entry[];
  /** Before all else: the log restarts empty after this snapshot, whose content is already here. */
  readonly snapshot?: SnapshotPosition;
  /** False when only `commit` moved: no need to sync for it (losing it is safe). */
  readonly sync: boolean;
}

export type Effect =
  /**
   * Make durable in one atomic group, then answer `persisted`. Messages that depend on it are
   * withheld by the core and come out of that later step, so they cannot leave too early.
   */
  | Persist
  /** May leave at once, in any order; may be lost. */
  | { readonly type: 'send'; readonly messages: readonly Message[] }
  /** Committed and durable here: fold in this order, then answer `applied`. */
  | { readonly type: 'apply'; readonly entries: readonly Entry[] }
  /** Durable here: replace the state machine by it (in order with `apply`), then answer `applied`. */
  | { readonly type: 'installSnapshot'; readonly snapshot: SnapshotPosition }
  /** Read durable entries of [from, to], as many as fit in `bytesMax` but at least one. */
  | {
      readonly type: 'readEntries';
      readonly id: number;
      readonly from: number;
      readonly to: number;
      readonly bytesMax: number;
    }
  /** Move the snapshot's parts to `to`, from part `resumeAt` on; report progress and the end. */
  | {
      readonly type: 'sendSnapshot';
      readonly to: NodeId;
      readonly snapshot: SnapshotPosition;
      readonly resumeAt: number;
    }
  | { readonly type: 'cancelSnapshot'; readonly to: NodeId }
  /** A read at `ref` is linearizable once `index` is applied here. */
  | { readonly type: 'readReady'; readonly ref: Ref; readonly index: number }
  | {
      readonly type: 'roleChanged';
      readonly role: Role;
      readonly term: number;
      readonly leader: NodeId | null;
    }
  /** The configuration in force changed: at append, and back again if the entry is truncated. */
  | { readonly type: 'configChanged'; readonly index: number; readonly confState: ConfState }
  /** In the log at (term, index). Done when an entry with both is applied. */
  | {
      readonly type: 'accepted';
      readonly ref: Ref;
      readonly term: number;
      readonly index: number;
    }
  /** Certainly not in the log, and never will be. */
  | {
      readonly type: 'rejected';
      readonly ref: Ref;
      readonly reason: RejectReason;
      readonly leader: NodeId | null;
      readonly detail?: string;
    }
  /** The message changed nothing: its sender does not belong here, or no correct member sends it. */
  | {
      readonly type: 'refused';
      readonly message: Message;
      readonly kind: 'non-member' | 'absurd';
      readonly problem: string;
    }
  /** Was accepted, but leadership was lost before it was known to be committed: it may be either. */
  | {
      readonly type: 'indeterminate';
      readonly ref: Ref;
      readonly term: number;
      readonly index: number;
    }
  | { readonly type: 'transferEnded'; readonly ref: Ref; readonly moved: boolean }
  /** A damaged node holds again all that was ever committed; it votes from now on. */
  | { readonly type: 'healed' };

// ---------------------------------------------------------------------------------------------
// Making a core

/** Every bound of the core. Bytes count an entry's data plus a fixed overhead. */
export interface Limits {
  /** A proposal over this is refused: it could never be sent in one frame. */
  readonly entryBytesMax: number;
  /** Bytes in one append message; a single entry may be larger. */
  readonly appendBytesMax: number;
  /** Append messages to one peer that may await their reply. */
  readonly inflightMessagesMax: number;
  /** The same in bytes, so that a slow link holds little memory. */
  readonly inflightBytesMax: number;
  /** Back-pressure: uncommitted bytes over which the leader refuses proposals. */
  readonly uncommittedBytesMax: number;
  /** Bytes in one `apply`. */
  readonly applyBytesMax: number;
  /** Bytes emitted by `apply` and not yet answered by `applied`. */
  readonly applyInflightBytesMax: number;
  /** Recent entries kept in memory for peers; older ones are read by the host. */
  readonly windowBytesMax: number;
  /** Reads that may await a quorum. */
  readonly readsMax: number;
  /** A learner in `promote` is promoted when at most this many entries behind. */
  readonly promoteLagMax: number;
  /** A snapshot without progress for so long is sent again from where it stopped. */
  readonly snapshotStallTicks: number;
  /** A write without acknowledgement for so long counts as a stalled disk. */
  readonly persistStallTicks: number;
}

export interface RaftOptions {
  readonly id: NodeId;
  /** Ticks without a leader before an election; randomised up to twice as long. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Must differ between nodes and between starts of one node. */
  readonly seed: number;
  readonly limits?: Partial<Limits>;
}

/** What the host found on its disk. */
export interface Restored {
  readonly hardState: HardState;
  /**
   * Configurations in rising order: the newest at or below `appliedIndex` (or given at bootstrap,
   * index 0), then each `config` entry of the log after it. Empty for a node that will be invited.
   */
  readonly configs: readonly ConfigAt[];
  /** The entry before the first one that the log still holds; zeros if nothing was dropped. */
  readonly compacted: { readonly index: number; readonly term: number };
  readonly lastIndex: number;
  /** Runs of terms covering (compacted.index, lastIndex]. */
  readonly terms: readonly TermRun[];
  readonly snapshot: SnapshotPosition | null;
  /** What the state machine holds after start, at least the snapshot's index. */
  readonly appliedIndex: number;
  /** Parts of the log were lost: no vote and no campaign until `healed`. The term must be intact. */
  readonly damaged?: boolean;
}

export interface PeerStatus {
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly match: number;
  readonly next: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  readonly ticksSinceContact: number;
  readonly snapshot: {
    readonly index: number;
    readonly done: number;
    readonly total: number;
  } | null;
}

export interface RaftStatus {
  readonly id: NodeId;
  readonly role: Role;
  readonly term: number;
  readonly vote: NodeId | null;
  readonly leader: NodeId | null;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Highest index of the present log that is on this disk. */
  readonly durableIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly config: ConfigAt;
  readonly configCommitted: boolean;
  readonly uncommittedBytes: number;
  readonly windowBytes: number;
  readonly pendingPersists: number;
  readonly pendingReads: number;
  readonly transferTarget: NodeId | null;
  readonly stalled: boolean;
  readonly damaged: boolean;
  readonly electionElapsed: number;
  /** Leader only, sorted by name: every other member. */
  readonly peers: Readonly<Record<NodeId, PeerStatus>>;
}

export interface Raft {
  /**
   * Takes one input to its end; the effects are to be carried out in the order given. Throws on what
   * cannot happen (a broken host, two leaders in a term): then this core must not be used again.
   */
  step(input: Input): readonly Effect[];
  status(): RaftStatus;
  /** The configuration that was in force at `index`, from the last snapshot on. */
  configAt(index: number): ConfigAt;
}
