/**
 * What the node needs of its environment and what adapters may ask of the node, as interfaces.
 *
 * Boundary: adapters (disk, http, monitors, notify …) import this file and the pure folders, never
 * one another. The daemon binds these ports to the real system, the simulator to a virtual one.
 */

import type { Actor } from '../commands/actor.ts';
import type { Admin } from '../commands/admin.ts';
import type { Batch, Command } from '../commands/command.ts';
import type { Observe } from '../commands/observe.ts';
import type { Notification, State } from '../projections/state.ts';
import type { Transition } from '../projections/transaction.ts';
import type { ConfigAt, Effect } from '../raft/types.ts';

/** Wall time for stamps, monotonic time for durations, timers for both. */
export interface Clock {
  /** Epoch milliseconds. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start. Never goes back. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs`; the result cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

/** Chance, injected so that a simulated run can be repeated. */
export interface Random {
  /** From 0 inclusive to 1 exclusive. */
  next(): number;
  /** A fresh RFC 4122 UUID. */
  uuid(): string;
}

/** Facts beside a log line: `{index: 7, file: 'a'}`. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Levels are defined in CONTRIBUTING.md. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/**
 * What became of a proposal. `indeterminate` means that the outcome is unknown: it may be in the log.
 * The others mean that it is not.
 */
export type Proposed =
  | { readonly ok: true; readonly index: number; readonly at: number }
  | {
      readonly ok: false;
      readonly code: 'busy' | 'stopping' | 'failed' | 'malformed' | 'not-leader' | 'indeterminate';
      readonly message: string;
    };

/** Where inputs put what they have received. */
export interface Ingest {
  /** The id of a series as far as this node has applied the log, or -1. */
  seriesId(name: string): number;
  /** Commits commands. Resolves after they are on disk and applied here. Never rejects. */
  propose(commands: readonly Command[]): Promise<Proposed>;
  /**
   * Takes readings that nobody waits for (carbon, monitors). Each of them is in the log in the end,
   * or `lost` is called for it, whenever that turns out: the caller counts and shows it. Answers
   * false when none was taken. A reading that is malformed costs none of the others.
   */
  offer(readings: Observe, lost: OnReadingsLost): boolean;
}

/** Readings that were offered and will not be judged. */
export interface LostReadings {
  /** Why; `indeterminate` means that they may be in the log all the same. */
  readonly code: Extract<Proposed, { ok: false }>['code'];
  readonly count: number;
  /** What people see of it: one of the readings, or a sentence. */
  readonly sample: string;
}

/** Must not throw. */
export type OnReadingsLost = (lost: LostReadings) => void;

/** The state as of one index. */
export interface View {
  readonly state: State;
  readonly index: number;
  readonly term: number;
  /** The time of the entry at `index`. */
  readonly at: number;
}

export type Role = 'follower' | 'candidate' | 'leader' | 'learner';

/** A node at a glance, for `tocsin status`, `/tocsin/v1/status` and the metrics. */
export interface NodeStatus {
  readonly name: string;
  readonly nodeId: string;
  readonly clusterId: string;
  /** Whether it decides everything and notifies nobody. */
  readonly shadow: boolean;
  readonly role: Role;
  readonly term: number;
  /** The leader's name, or null when none is known. */
  readonly leader: string | null;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  /** Hex SHA-256 of the state at `snapshotIndex`. */
  readonly snapshotRoot: string;
  readonly startedAt: number;
  /** What the log takes on disk. */
  readonly logBytes: number;
  readonly members: readonly MemberStatus[];
}

export interface MemberStatus {
  readonly name: string;
  readonly nodeId: string;
  readonly peerAddress: string;
  readonly httpAddress: string;
  readonly role: Role;
  /** Entries that it lacks, as the leader sees it; null where that is unknown. */
  readonly lag: number | null;
  /** Milliseconds since the leader received a message of it; null where that is unknown. */
  readonly silentMs: number | null;
  /** How far its clock is ahead of this node's; null without a recent frame. */
  readonly clockOffsetMs: number | null;
  /** What it reported last of its fitness to lead; null where that is unknown. */
  readonly fitness: FitnessReport | null;
}

/** How well a member could do the work of a leader, by its own figures. */
export interface Fitness {
  /** What syncs of its disk take, in milliseconds; null without one in the last 30 seconds. */
  readonly syncMs: number | null;
  /** How late its event loop is, in milliseconds. */
  readonly lagMs: number;
  /** File descriptors that it may still open; null where the system does not report them. */
  readonly descriptorsFree: number | null;
  /** Keys of integrations to which it could not connect, of those that it tried lately. */
  readonly unreachable: readonly string[];
}

export interface FitnessReport extends Fitness {
  /** Milliseconds since the member reported it. */
  readonly ageMs: number;
}

/** What keeps a leader from its work, so that another member takes its place. */
export type TransferReason = 'receivers' | 'descriptors' | 'disk' | 'event loop';

/** What a process can report of its machine. Asked with every tick: it answers from memory. */
export interface Vitals {
  /** What syncs of the log's disk take, in milliseconds; null without one in the last 30 seconds. */
  syncMs(): number | null;
  /** File descriptors that may still be opened; null where the system does not report them. */
  descriptorsFree(): number | null;
}

/** A monitor that this node runs, at a glance. */
export interface MonitorReport {
  readonly name: string;
  readonly type: string;
  readonly polls: number;
  /** Polls that gave nothing but the fact that they failed. */
  readonly failures: number;
  /** Why the last poll failed; null when it did not. */
  readonly problem: string | null;
  /** Readings of answers that could not be judged since the monitor was started. */
  readonly dropped: readonly DroppedOfMonitor[];
  /** Another monitor that gives a series of the same name, and the name. */
  readonly shared: { readonly monitor: string; readonly series: string } | null;
}

export interface DroppedOfMonitor {
  readonly reason: string;
  readonly count: number;
  /** Of the last poll that had some. */
  readonly sample: string;
  /** When that was, in epoch milliseconds. */
  readonly at: number;
}

/** Log time, against which everything in the state is compared. */
export interface LogTime {
  /** Epoch milliseconds; never before the last entry that was applied. */
  readonly at: number;
  /** How far the wall clock, as far as it is believed, is ahead of it. */
  readonly offsetMs: number;
}

/** The node as the HTTP server and the metrics see it. */
export interface NodeHandle extends Ingest {
  view(): View;
  status(): NodeStatus;
  /** True when a leader is known and this node has applied what was committed when it started. */
  ready(): boolean;
  /** Whether this node leads and has applied all that was committed before. */
  isServing(): boolean;
  /** What time it is in the log, and by the clock that people and senders go by. */
  time(): LogTime;
  /** Takes the wall clock for right at once, for `actor`. Answers how far it is ahead of log time. */
  acceptClock(actor?: Actor): number;
  /**
   * Has the log record what an administrator asks for. Nothing waits for it; a request that could not
   * be recorded is logged.
   */
  record(request: Omit<Admin, 'kind'>): void;
  /** Changes who belongs to the cluster, here or through the leader. Never rejects. */
  changeMembership(change: MembershipChange): Promise<MembershipAnswer>;
  /** Calls `listener` after each applied entry, until the result is called. */
  onApplied(listener: (view: View) => void): () => void;
}

/** An entry that was applied, with what it did. */
export interface AppliedEntry {
  readonly index: number;
  readonly batch: Batch;
  readonly transitions: readonly Transition[];
}

/** Notified of what the node does, for metrics and logs. Must not throw and must not wait. */
export interface NodeObserver {
  /** An entry of this node became durable, so long after it was handed to the log. */
  appended(seconds: number): void;
  applied(entry: AppliedEntry): void;
  snapshotTaken(written: SnapshotWritten): void;
  /** What consensus has asked for, before the node does it. */
  carriedOut?(effect: Effect): void;
  /** This node led, could not do its work, and has begun to transfer leadership. */
  transferring?(reason: TransferReason): void;
  /**
   * Who else belongs to the cluster, and where, as far as this node knows: told when it starts, and
   * again when that changes; an address that is not known is empty. Not told while the node knows of no configuration, or may have lost the newest.
   * To be remembered outside of the log: it says whether others can bring back what is lost.
   */
  membersChanged?(others: readonly PeerAddress[]): void;
}

/** The confirmation of a quorum that this process leads. */
export interface Confirmation {
  /**
   * Whether it may still be relied on: a process that stood still may have a successor. To be asked
   * in the turn in which the first byte is written, and again before a later one.
   */
  isFresh(): boolean;
}

/** One try at notifying one integration, handed to its notifier. */
export interface Delivery {
  readonly id: string;
  readonly notification: Notification;
  /** The number of this try, from 1. */
  readonly try: number;
  /** Stable over all tries and nodes: `<cluster id>/<notification id>`. */
  readonly idempotencyKey: string;
  /** JSON of the integration's own settings. */
  readonly settings: string;
  readonly externalUrl: string;
  /**
   * Asks a quorum whether this process leads. A sender asks when it is connected, and writes the first
   * byte only while the confirmation is fresh; otherwise its result is `retry`.
   */
  readonly confirm: () => Promise<Confirmation>;
}

export interface DeliveryResult {
  readonly result: 'delivered' | 'retry' | 'rejected' | 'unknown';
  /** HTTP status or the like; 0 without an answer. */
  readonly status: number;
  readonly detail: string;
  /** Whether a connection to the receiver was made; left out where this try does not show it. */
  readonly connected?: boolean;
}

/** A sender of one integration type. Never rejects: a fault is a result. */
export interface Notifier {
  readonly type: string;
  send(delivery: Delivery, signal: AbortSignal): Promise<DeliveryResult>;
  /**
   * Whether this process can connect to the receiver of these settings: as for a notification, with TLS
   * where that is due, but nothing is asked or sent. Never rejects.
   */
  probe(settings: string, signal: AbortSignal): Promise<boolean>;
}

/** The facts of a snapshot, and the list of its chunks. */
export interface Manifest {
  readonly format: number;
  readonly reducerVersion: number;
  readonly clusterId: string;
  readonly index: number;
  readonly term: number;
  /** Time of the entry at `index`. */
  readonly at: number;
  /** Hex chain hash of the log at `index`, so that a snapshot and a log can be matched. */
  readonly chain: string;
  /** Who the members are at `index`, by node id. */
  readonly config: ConfigAt;
  /** Hex SHA-256 over the sorted list of chunks. */
  readonly root: string;
  /** Path of each page, and the hex SHA-256 of its bytes. */
  readonly chunks: readonly (readonly [path: string, hash: string])[];
}

/** A snapshot on its way in from another member. */
export interface IncomingSnapshot {
  readonly manifest: Manifest;
  /** Hex SHA-256 of the chunks that are not here yet, in the order in which to ask for them. */
  missing(): readonly string[];
  /** Stores chunks that have the bytes of their hash and are asked for; ignores all others. */
  put(chunks: readonly (readonly [hash: string, bytes: Uint8Array])[]): Promise<void>;
  /**
   * Call when nothing is missing: the snapshot is durable from then on, and its state is given.
   * Rejects with `UnusableSnapshot`, and nothing changed, when the chunks do not make up the state
   * that the manifest names, or another snapshot took its place.
   */
  finish(): Promise<State>;
}

export type ReceiveResult =
  | { readonly ok: true; readonly incoming: IncomingSnapshot }
  | { readonly ok: false; readonly problem: string };

/** What a snapshot cost, for the metrics. */
export interface SnapshotWritten {
  readonly manifest: Manifest;
  readonly chunksWritten: number;
  readonly bytesWritten: number;
  readonly tookMs: number;
}

export type SnapshotMeta = Omit<Manifest, 'format' | 'root' | 'chunks'>;

/** Readings folded since an earlier snapshot: how far apart two of them are for a fold. */
export interface FoldedReadings {
  /** Index of the earlier snapshot; 0 is the initial state. */
  readonly since: number;
  readonly count: number;
}

/** A snapshot as it is listed for those who decide what to keep. */
export interface KeptSnapshot {
  readonly index: number;
  /** Time of the entry at `index`, in epoch milliseconds. */
  readonly at: number;
  /**
   * Readings up to it, counted from any beginning: only differences mean something. Null where nobody
   * counted them: it was taken by a build that did not, or came from another member.
   */
  readonly readings: number | null;
}

/** What a store holds. */
export interface SnapshotStock {
  /** The oldest first. */
  readonly good: readonly KeptSnapshot[];
  /** Indexes of those that were found damaged. */
  readonly damaged: readonly number[];
}

/** What start-up found: the newest snapshot that verifies, and a sentence for each that does not. */
export interface LoadedSnapshot {
  readonly manifest: Manifest | null;
  readonly state: State;
  readonly problems: readonly string[];
  /** It came from another member, and the log may not have begun anew after it yet. */
  readonly isReceived: boolean;
}

export interface SnapshotStore {
  /** Reads and verifies the newest good snapshot; an empty store gives the initial state. */
  load(): Promise<LoadedSnapshot>;
  /** Stores what changed since the last snapshot, in slices that never hold the event loop. */
  save(state: State, meta: SnapshotMeta, folded?: FoldedReadings): Promise<SnapshotWritten>;
  /** What is kept. The first call clears up after what was cut short. */
  list(): Promise<SnapshotStock>;
  /** Forgets the snapshots at these indexes, and the chunks that only they used. */
  drop(indexes: readonly number[]): Promise<void>;
  /** Bytes that the store takes on the disk, with what is forgotten and not given back yet. */
  bytes(): Promise<number>;
  /** Gives back to the disk what was forgotten. False when there is nothing to give back. */
  reclaim(): Promise<boolean>;
  /** The bytes of the manifest at `index`, for another member; null when it is not kept (any more). */
  manifestBytes(index: number): Promise<Uint8Array | null>;
  /** The verified bytes of a chunk, or null. */
  chunk(hash: string): Promise<Uint8Array | null>;
  /**
   * Begins to take in a snapshot of which another member sent the manifest. Chunks of an earlier try
   * are not missing any more, also after a restart. One at a time: a later call replaces it.
   */
  receive(manifestBytes: Uint8Array): Promise<ReceiveResult>;
  close(): Promise<void>;
}

/** How urgent a frame is: control frames never wait behind bulk ones. */
export type Channel = 'control' | 'bulk';

/** Where a member listens for its peers, as HOST:PORT. */
export interface PeerAddress {
  readonly nodeId: string;
  readonly address: string;
}

/**
 * The way to the other members. Frames may be lost, doubled, late and out of order; a frame that
 * arrives is whole, and comes from the member that it names.
 */
export interface Transport {
  /** Who takes what arrives. Called once, before anything is sent. */
  attach(receiver: PeerReceiver): void;
  /** Never throws, never waits: what finds no way is dropped. */
  send(to: string, frame: Uint8Array, channel: Channel): void;
  /**
   * The level of frames that the process of a member reads, as its hello gives it; null while none of its
   * processes is connected to this node.
   */
  framesLevel(nodeId: string): number | null;
  /** Whom to stay connected with; replaces the list before. */
  setPeers(peers: readonly PeerAddress[]): void;
}

/** Why a frame was not taken. */
export interface FrameProblem {
  readonly problem: string;
  /** No correct member sends such a frame: the connection must end. */
  readonly isAbsurd: boolean;
}

/** The node as its transport sees it. */
export interface PeerReceiver {
  /**
   * `frame` belongs to the receiver from now on. `incarnation` is the one with which the sender made
   * the connection. Answers why the frame was not taken, or null. Never throws.
   */
  onFrame(from: string, frame: Uint8Array, incarnation: number): FrameProblem | null;
  /** A connection to `to` broke, or cannot be made. */
  onUnreachable(to: string): void;
  /** The member `by` does not let this process in: it saw a later start of this node, or another process. */
  onOutdated(by: string): void;
  /** Why `nodeId` may not talk to this cluster (it was removed from it), or null. */
  refusalFor(nodeId: string): string | null;
  /** A node asks to become a member, or a member announces its address. Never rejects. */
  onJoin(applicant: JoinRequest): Promise<JoinAnswer>;
}

/** Who wants to be a member. */
export interface Candidate {
  readonly nodeId: string;
  readonly name: string;
  readonly peerAddress: string;
  readonly httpAddress: string;
}

/** A request of a candidate to join. */
export interface JoinRequest extends Candidate {
  /** The cluster of its data; empty for a node without data. */
  readonly clusterId: string;
}

/** What a person may change about who belongs to the cluster; `node` is a node id. */
export type MembershipChange = {
  /** Who asks; absent where that is unknown. */
  readonly actor?: Actor | undefined;
} & (
  | { readonly op: 'remove'; readonly node: string }
  /** Null leaves the choice to the leader. */
  | { readonly op: 'transfer'; readonly node: string | null }
);

/** What became of a request to change who belongs to the cluster. */
export interface MembershipAnswer {
  /** `retry`: not now. `refused`: never like this. `unknown`: it may have happened. */
  readonly code: 'ok' | 'retry' | 'refused' | 'unknown';
  readonly message: string;
}

export type JoinAnswer =
  | { readonly ok: true; readonly clusterId: string }
  /**
   * `retry`: nothing is wrong with the candidate, but nobody can admit it just now. `superseded`: its
   * cluster was recovered elsewhere, and goes on without its data.
   */
  | {
      readonly ok: false;
      readonly code: 'retry' | 'refused' | 'superseded';
      readonly message: string;
    };

/** What the status page is drawn from. */
export interface PageFacts {
  readonly view: View;
  readonly status: NodeStatus;
  readonly isReady: boolean;
  readonly monitors: readonly MonitorReport[];
  /** Epoch milliseconds. */
  readonly now: number;
  /** False when the reader has stopped the page from refreshing itself. */
  readonly refreshes: boolean;
}

export interface StatusPage {
  /** A whole HTML document; its links are relative. */
  readonly html: (facts: PageFacts) => string;
  /** Files that the document names, by name. */
  readonly assets: Readonly<Record<string, { readonly type: string; readonly body: string }>>;
}
