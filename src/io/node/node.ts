/**
 * The node: the loop that joins consensus, log and projections.
 *
 * propose → persist and replicate → committed → fold → decide. Promise: a proposal is answered only
 * after its entry is durable on a majority and folded here; nothing is folded that is not committed;
 * nothing is decided by a node that does not lead. Boundary: it knows ports and the pure folders
 * only, so the simulator runs this same file on a virtual clock, disk and network. The core is
 * stepped from one queue of inputs, never from within itself, so effects keep the order in which
 * the core gave them.
 */

import type { Command } from '../../commands/command.ts';
import type { SetMember } from '../../commands/membership.ts';
import type { Observe } from '../../commands/observe.ts';
import { MalformedCommand } from '../../commands/schema.ts';
import { decodeBatch, encodeBatch } from '../../log/codec.ts';
import { ENTRY_BYTES_MAX, type HardState } from '../../log/entry.ts';
import { isLaterEpoch } from '../../log/epoch.ts';
import type { Log } from '../../log/log.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import { Projection } from '../../projections/projection.ts';
import { REDUCERS_MAX } from '../../projections/reducers.ts';
import type { Member, State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import { members } from '../../raft/confchange.ts';
import { createRaft } from '../../raft/core.ts';
import type {
  ConfChange,
  ConfigAt,
  Effect,
  Entry,
  Input,
  NodeId,
  Raft,
  RaftStatus,
} from '../../raft/types.ts';
import type {
  Applicant,
  Clock,
  JoinAnswer,
  Logger,
  MembershipAnswer,
  MembershipChange,
  NodeHandle,
  NodeObserver,
  NodeStatus,
  Notifier,
  PeerReceiver,
  Proposed,
  Random,
  Role,
  SnapshotStore,
  Transport,
  View,
} from '../ports.ts';
import { CatchUp } from './catch-up.ts';
import { ClockCheck } from './clock-check.ts';
import { Decider } from './decider.ts';
import { fromLogEntry, toLogEntry } from './entries.ts';
import { Guests, type Guest } from './guests.ts';
import { Housekeeping, type HousekeepingOptions } from './housekeeping.ts';
import { LogClock } from './log-clock.ts';
import { memberStatuses, roleIn } from './member-status.ts';
import { Membership } from './membership.ts';
import { Peers } from './peers.ts';
import { ENTRY_BYTES, ProposalQueue, type Proposal } from './proposals.ts';
import { Requests, type Request } from './requests.ts';
import { bytesOfHex, type StartPoint } from './restore.ts';
import { RootComparison } from './roots.ts';
import { Sender } from './sender.ts';
import { isShadowCluster, strangerProblem } from './shadow.ts';
import type { Frame } from './wire.ts';

/** The configuration file of this process. */
export interface NodeConfiguration {
  /** Hex hash of what the file says. */
  readonly hash: () => string;
  /** The command that applies it; null when the state has just this one. */
  readonly commandFor: (state: State) => Command | null;
}

export interface NodeOptions extends HousekeepingOptions {
  readonly name: string;
  /** Rises with every start of this node. */
  readonly incarnation: number;
  /** Of the program, for people. */
  readonly version: string;
  /** Where this node is reached; asked late, since a port of 0 is known only once it is bound. */
  readonly addresses: () => { readonly http: string; readonly peer: string };
  /** What notifications call this cluster when the configuration has no external URL. */
  readonly externalUrl: () => string;
  /** Length of one tick of consensus. */
  readonly tickMs: number;
  /** Holds all flushes after taking the lead, as Alertmanager's `--dispatch.start-delay`. */
  readonly startDelayMs: number;
  readonly configuration: NodeConfiguration;
}

export interface NodeModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log: Log;
  readonly snapshots: SnapshotStore;
  readonly transport: Transport;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly localTimeIn: LocalTimeIn;
  readonly observer: NodeObserver;
  /** Called once when the node can go on no more; the process must end. */
  readonly onFailure: (error: Error) => void;
}

/** Entries of this node that may await their commit: one is written while the next is filled. */
const ENTRIES_IN_FLIGHT_MAX = 2;
/** How long a stop waits for sends that are under way, and for the disk. */
const DRAIN_MS = 3_000;
/** A leader that was not there for longer than this says so: the fold ignores shorter gaps. */
const ABSENCE_MS = 10_000;
/** Whoever waits for a proposal is answered within this, whatever the cluster does. */
const PATIENCE_MS = 10_000;
const ELECTION_TICKS = 10;
/** A leader that is not heard of for this long has missed one sign of life of five. */
const HEARTBEAT_TICKS = 2;
/** Bytes of entries in the batch of a request that may travel as a control frame. */
const CONTROL_BYTES_MAX = 4_096;

/** An entry that this node has proposed and that is not applied yet. */
interface Pending {
  readonly own: readonly Proposal[];
  readonly request: Request | null;
  /** Whether the request is named in the entry, so that it may be proposed again. */
  readonly isNamed: boolean;
  readonly guests: readonly Guest[];
  readonly at: number;
}

/** What became of an entry. */
type Fate =
  | { readonly type: 'applied'; readonly index: number }
  | {
      readonly type: 'refused';
      readonly code: 'not-leader' | 'busy' | 'malformed';
      message: string;
    }
  | { readonly type: 'unknown'; readonly message: string };

type ForwardedFrame = Extract<Frame, { kind: 'forwarded' }>;
type ForwardAnswer = Pick<ForwardedFrame, 'result'> &
  Partial<Pick<ForwardedFrame, 'index' | 'at' | 'message'>>;

const ANSWER_CHARACTERS_MAX = 4_096;

export class Node implements NodeHandle, PeerReceiver {
  readonly #options: NodeOptions;
  readonly #modules: NodeModules;
  readonly #id: NodeId;
  readonly #raft: Raft;
  #projection: Projection;
  readonly #sender: Sender;
  readonly #decider: Decider;
  readonly #housekeeping: Housekeeping;
  readonly #peers: Peers;
  readonly #catchUp: CatchUp;
  readonly #membership: Membership;
  readonly #clockCheck: ClockCheck;
  readonly #roots = new RootComparison();
  readonly #startedAt: number;

  readonly #inputs: Input[] = [];
  #isStepping = false;
  #cancelTick: () => void = () => undefined;
  #ticks = 0;
  #refusedAtTick = -1;
  #tickedAtMs: number;

  readonly #queue = new ProposalQueue();
  readonly #requests = new Requests(this.#queue);
  readonly #guests = new Guests();
  /** Proposed entries by the ref under which the core knows them, until it gives them an index. */
  readonly #byRef = new Map<number, Pending>();
  readonly #byIndex = new Map<number, Pending & { readonly term: number }>();
  #nextRef = 1;
  #isFlushScheduled = false;
  #isIntroducing = false;

  readonly #reads = new Map<number, (confirmed: boolean) => void>();
  readonly #transfers = new Map<number, (moved: boolean) => void>();
  readonly #listeners = new Set<(view: View) => void>();
  #lastPersist: Promise<void> = Promise.resolve();
  #hardState: HardState | null = null;

  #appliedIndex: number;
  #appliedTerm: number;
  #appliedAt: number;
  readonly #logClock: LogClock;
  /** Log time when this node last did anything; a tick at the latest. */
  #awakeAt: number;
  /** Set when it had done nothing for long, until an entry has said so. */
  #absentSince: number | null = null;
  #role: Role = 'follower';
  #term = 0;
  #leader: string | null = null;
  /** Who else belongs, as the observer was told last. */
  #othersTold: string | null = null;
  /** The term in which this node has appended `lead`; proposals wait for it. */
  #leadingTerm = 0;
  /** A follower answers reads once it has applied what was committed when it found its leader. */
  #readyFrom: number | null = null;
  #snapshot = { index: 0, root: '' };
  #olderSnapshotIndex = 0;
  #phase: 'running' | 'stopping' | 'failed' = 'running';
  #stopped: Promise<void> | null = null;
  /** Whether the configuration had this node in it when it was last looked at. */
  #isMember = false;
  readonly #led: Promise<void>;
  #markLed: () => void = () => undefined;

  constructor(
    options: NodeOptions,
    modules: NodeModules,
    start: StartPoint,
    snapshot: { readonly index: number; readonly root: string },
  ) {
    const { clock, log } = modules;
    this.#options = options;
    this.#modules = modules;
    this.#id = log.identity.nodeId;
    this.#projection = start.projection;
    this.#appliedIndex = start.appliedIndex;
    this.#appliedTerm = start.restored.snapshot?.term ?? 0;
    this.#appliedAt = start.appliedAt;
    this.#logClock = new LogClock(clock, start.appliedAt);
    this.#awakeAt = this.#logClock.now();
    this.#tickedAtMs = clock.monotonicMs();
    this.#snapshot = snapshot;
    this.#startedAt = clock.now();
    this.#led = new Promise((resolve) => {
      this.#markLed = resolve;
    });
    this.#raft = createRaft(
      {
        id: this.#id,
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        seed: Math.floor(modules.random.next() * 2 ** 32),
        // The codec's limit is the one that people meet.
        limits: { entryBytesMax: ENTRY_BYTES_MAX },
      },
      start.restored,
    );
    const self = { ...log.identity, incarnation: options.incarnation };
    this.#peers = new Peers(self, modules);
    this.#clockCheck = new ClockCheck({ ...modules, step: (input) => this.#step(input) });
    const state = (): State => this.#projection.state;
    this.#sender = new Sender(
      {
        node: options.name,
        clusterId: log.identity.clusterId,
        externalUrl: options.externalUrl,
      },
      {
        ...modules,
        state,
        confirmLeadership: () => this.#confirmLeadership(),
        report: (outcome) => void this.#report(outcome),
      },
    );
    this.#decider = new Decider(
      { senders: new Set(modules.notifiers.keys()) },
      {
        ...modules,
        state,
        sender: this.#sender,
        now: () => this.#logClock.now(),
        propose: (commands) => this.#proposeOwn(commands),
      },
    );
    this.#housekeeping = new Housekeeping(
      options,
      {
        ...modules,
        view: () => this.view(),
        configAt: () => this.#configApplied(),
        onSnapshot: (index, root) => this.#onSnapshot(index, root),
        onFailure: (error) => this.#fail(error),
      },
      snapshot.index,
    );
    this.#catchUp = new CatchUp({
      ...modules,
      clusterId: log.identity.clusterId,
      send: (to, frame) => this.#peers.send(to, frame, 'bulk'),
      step: (input) => this.#step(input),
      appliedIndex: () => this.#appliedIndex,
      onFailure: (error) => this.#fail(error),
    });
    const { nodeId } = log.identity;
    this.#membership = new Membership(
      { nodeId, incarnation: options.incarnation },
      {
        ...modules,
        state,
        raft: () => this.#raft.status(),
        isLeading: () => this.#isLeading(),
        propose: (commands) => this.#proposeOwn(commands),
        change: (changes, expectedIndex) => this.#changeConfig(changes, expectedIndex),
        transfer: (to) => this.#transfer(to),
        send: (to, frame) => this.#peers.send(to, frame, 'control'),
        setPeers: (peers) => modules.transport.setPeers(peers),
        onOthers: () => this.#tellMembers(),
      },
    );
    for (const { nodeId, address } of start.hints) this.#membership.hint(nodeId, address);
    modules.transport.attach(this);
  }

  /** Starts ticking. Returns at once: no leader is waited for. */
  start(): void {
    this.#membership.refreshPeers();
    this.#housekeeping.start();
    this.#tick();
  }

  /** Resolves when this node first leads and has folded all that was committed before. */
  whenLeading(): Promise<void> {
    return this.#led;
  }

  /**
   * Stops: lets sends finish for a moment, hands leadership over, takes no more input, takes a last
   * snapshot. The log and the snapshot store stay open for whoever opened them. Safe to call twice.
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    if (this.#phase === 'failed') return;
    this.#decider.stop();
    // An attempt that is being written will be sent: left behind, it would be in doubt.
    await this.#settled();
    await this.#sender.drain(DRAIN_MS);
    if (this.#isLeading() && this.#isCluster()) await this.#transfer(null);
    if (!this.#hasFailed()) this.#phase = 'stopping';
    await this.#settled();
    this.#cancelTick();
    if (!this.#hasFailed()) await this.#housekeeping.stop();
  }

  // -------------------------------------------------------------------------------------------
  // What neighbours ask

  seriesId(name: string): number {
    return this.#projection.seriesId(name);
  }

  propose(commands: readonly Command[]): Promise<Proposed> {
    return new Promise((resolve) => {
      const refusal = this.#refusal();
      if (refusal !== null) resolve(refusal);
      else if (this.#queue.add(commands, this.#nowMs(), resolve)) this.#flushSoon();
      else resolve({ ok: false, code: 'busy', message: 'too much waits for the disk: try again' });
    });
  }

  /** For what the node itself must say as leader; whoever leads next says it anew. */
  #proposeOwn(commands: readonly Command[]): Promise<Proposed> {
    return new Promise((resolve) => {
      const refusal = this.#refusal();
      if (refusal !== null) {
        resolve(refusal);
      } else {
        this.#queue.addOwn(commands, this.#nowMs(), resolve);
        this.#flushSoon();
      }
    });
  }

  offer(readings: Observe): boolean {
    if (this.#refusal() !== null || !this.#queue.add([readings], this.#nowMs())) return false;
    this.#flushSoon();
    return true;
  }

  view(): View {
    return {
      state: this.#projection.state,
      index: this.#appliedIndex,
      term: this.#appliedTerm,
      at: this.#appliedAt,
    };
  }

  ready(): boolean {
    if (this.#phase !== 'running' || this.#projection.state.config === null) return false;
    if (this.#role === 'leader') return this.#isLeading();
    return this.#readyFrom !== null && this.#appliedIndex >= this.#readyFrom;
  }

  leads(): boolean {
    return this.#phase === 'running' && this.#isLeading();
  }

  status(): NodeStatus {
    const { log } = this.#modules;
    const { nodeId, clusterId } = log.identity;
    const { commitIndex } = this.#raft.status();
    return {
      name: this.#options.name,
      nodeId,
      clusterId,
      shadow: isShadowCluster(clusterId),
      role: this.#role,
      term: this.#term,
      leader: this.#leader === null ? null : this.#nameOf(this.#leader),
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      commitIndex,
      appliedIndex: this.#appliedIndex,
      snapshotIndex: this.#snapshot.index,
      snapshotRoot: this.#snapshot.root,
      startedAt: this.#startedAt,
      logBytes: log.segments().reduce((sum, { bytes }) => sum + bytes, 0),
      members: memberStatuses(this.#raft.status(), this.#projection.state, {
        nodeId,
        name: this.#options.name,
        ...this.#options.addresses(),
        tickMs: this.#options.tickMs,
        clockOffsetMs: (node) => this.#peers.clockOffsetMs(node),
      }),
    };
  }

  /** What consensus shows of itself. */
  raftStatus(): RaftStatus {
    return this.#raft.status();
  }

  onApplied(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changeMembership(request: MembershipChange): Promise<MembershipAnswer> {
    return this.#membership.ask(request);
  }

  /** Somebody says where a member is now. */
  hint(node: NodeId, address: string): void {
    this.#membership.hint(node, address);
  }

  // -------------------------------------------------------------------------------------------
  // What peers send

  onFrame(from: NodeId, data: Uint8Array): void {
    if (this.#phase === 'failed') return;
    const received = this.#peers.receive(from, data);
    if (received === null) return;
    const { frame, incarnation } = received;
    switch (frame.kind) {
      case 'raft':
        for (const message of frame.messages) this.#step({ type: 'message', message });
        return;
      case 'forward':
        this.#onForward(from, incarnation, frame);
        return;
      case 'forwarded':
        this.#onForwarded(frame);
        return;
      case 'root':
        this.#judge(this.#roots.other(from, frame.index, frame.root, this.#leader));
        return;
      default:
        if (!this.#catchUp.onFrame(from, frame)) this.#membership.onFrame(from, frame);
    }
  }

  onUnreachable(to: NodeId): void {
    this.#step({ type: 'unreachable', to });
  }

  refusalFor(node: NodeId): string | null {
    return this.#membership.refusalFor(node);
  }

  async onJoin({ clusterId: theirs, ...candidate }: Applicant): Promise<JoinAnswer> {
    const { clusterId } = this.#modules.log.identity;
    const problem = strangerProblem(candidate.name, theirs, clusterId);
    if (problem !== null) {
      const code = isLaterEpoch(clusterId, theirs) ? 'superseded' : 'refused';
      return { ok: false, code, message: problem };
    }
    this.hint(candidate.nodeId, candidate.peerAddress);
    const answer = await this.#membership.ask({ op: 'join', ...candidate });
    if (answer.code === 'ok') return { ok: true, clusterId };
    const code = answer.code === 'refused' ? 'refused' : 'retry';
    return { ok: false, code, message: answer.message };
  }

  // -------------------------------------------------------------------------------------------
  // Proposals

  #refusal(): Extract<Proposed, { ok: false }> | null {
    switch (this.#phase) {
      case 'running':
        return null;
      case 'stopping':
        return { ok: false, code: 'stopping', message: 'this node is stopping' };
      case 'failed':
        return { ok: false, code: 'failed', message: 'the disk of this node has failed' };
    }
  }

  /** Waits for the end of the current task, so that all it proposes shares one entry. */
  #flushSoon(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#phase === 'failed') return;
    if (this.#isLeading()) this.#fillEntries();
    else if (this.#role !== 'leader') this.#forwardRequests();
  }

  /** Leader: makes entries of all that waits here. */
  #fillEntries(): void {
    while (this.#mayPropose()) {
      const own = this.#queue.takeOwn();
      let room = ENTRY_BYTES - own.reduce((sum, { bytes }) => sum + bytes, 0);
      const request = room > 0 ? this.#requests.next(room) : null;
      room -= request?.bytes ?? 0;
      const isAlone = own.length === 0 && request === null;
      const guests = room > 0 ? this.#guests.take(room, isAlone) : [];
      if (isAlone && guests.length === 0) return;
      this.#submit(own, request, guests);
    }
  }

  /** Consensus that takes no proposal just now is asked again with the next tick. */
  #mayPropose(): boolean {
    if (this.#refusedAtTick === this.#ticks) return false;
    return this.#isLeading() && this.#inFlight() < ENTRIES_IN_FLIGHT_MAX;
  }

  #isLeading(): boolean {
    return this.#role === 'leader' && this.#leadingTerm === this.#term;
  }

  #inFlight(): number {
    return this.#byRef.size + this.#byIndex.size;
  }

  /** Makes one entry; a part that cannot be encoded does not spoil the others. */
  #submit(own: readonly Proposal[], request: Request | null, guests: readonly Guest[]): void {
    const at = this.#awake();
    const isNamed = request !== null && this.#isCluster();
    const pending: Pending = { own, request, isNamed, guests, at };
    if (request !== null) this.#requests.markSent(request, this.#id, this.#ticks);
    try {
      const data = encodeBatch({
        at,
        commands: [...this.#absence(), ...this.#commandsOf(pending)],
      });
      this.#absentSince = null;
      this.#propose(pending, (ref) => ({ type: 'propose', ref, data }));
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      this.#submitApart(pending, error.message);
    }
  }

  #propose(pending: Pending, inputFor: (ref: number) => Input): void {
    const ref = this.#nextRef++;
    this.#byRef.set(ref, pending);
    this.#step(inputFor(ref));
  }

  /** What the node itself says, then its own request, then those of others under their names. */
  #commandsOf({ own, request, isNamed, guests }: Pending): readonly Command[] {
    const commands = own.flatMap((proposal) => proposal.commands);
    if (request !== null) {
      if (isNamed) {
        const { incarnation } = this.#options;
        const { sequence } = request;
        const { settledBelow } = this.#requests;
        commands.push({ kind: 'request', node: this.#id, incarnation, sequence, settledBelow });
      }
      for (const command of request.commands) commands.push(command);
    }
    for (const { from, incarnation, sequence, settledBelow, ...guest } of guests) {
      commands.push({ kind: 'request', node: from, incarnation, sequence, settledBelow });
      for (const command of guest.commands) commands.push(command);
    }
    return commands;
  }

  #submitApart(pending: Pending, problem: string): void {
    const { own, request, guests } = pending;
    const parts = own.length + (request === null ? 0 : 1) + guests.length;
    if (parts > 1) {
      for (const proposal of own) this.#submit([proposal], null, []);
      if (request !== null) this.#submit([], request, []);
      for (const guest of guests) this.#submit([], null, [guest]);
    } else if (request !== null && request.proposals.length > 1) {
      this.#requests.split(request);
      this.#flushSoon();
    } else {
      this.#close(pending, { type: 'refused', code: 'malformed', message: problem });
    }
  }

  /** Follower: hands requests to the leader. */
  #forwardRequests(): void {
    const notLeading = {
      ok: false,
      code: 'not-leader',
      message: 'this node does not lead',
    } as const;
    for (;;) {
      const own = this.#queue.takeOwn();
      if (own.length === 0) break;
      for (const { settle } of own) settle?.(notLeading);
    }
    const to = this.#leader;
    if (to === null || to === this.#id) return;
    while (this.#requests.hasRoom()) {
      const request = this.#requests.next(ENTRY_BYTES);
      if (request === null) return;
      this.#forward(request, to);
    }
  }

  #forward(request: Request, to: NodeId): void {
    try {
      const batch = encodeBatch({ at: 0, commands: request.commands });
      this.#requests.markSent(request, to, this.#ticks);
      const { sequence } = request;
      const { settledBelow } = this.#requests;
      const channel = batch.length > CONTROL_BYTES_MAX ? 'bulk' : 'control';
      this.#peers.send(to, { kind: 'forward', sequence, settledBelow, batch }, channel);
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      this.#refuseRequest(request, error.message);
    }
  }

  /** One of its proposals makes no sense: they are tried one by one. */
  #refuseRequest(request: Request, message: string): void {
    if (request.proposals.length > 1) this.#requests.split(request);
    else this.#requests.settle(request, { ok: false, code: 'malformed', message });
    this.#flushSoon();
  }

  /** Leader: a member hands over a request of its own. */
  #onForward(from: NodeId, incarnation: number, frame: Extract<Frame, { kind: 'forward' }>): void {
    const { sequence, settledBelow, batch } = frame;
    if (!this.#isLeading() || this.#phase !== 'running') {
      this.#answerForward({ from, incarnation, sequence }, { result: 'not-leader' });
      return;
    }
    try {
      const { commands } = decodeBatch(batch);
      const bytes = batch.length + CONTROL_BYTES_MAX;
      const guest = { from, incarnation, sequence, settledBelow, commands, bytes };
      if (this.#guests.add(guest)) this.#flushSoon();
      else this.#answerForward(guest, { result: 'busy' });
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      const { message } = error;
      this.#answerForward({ from, incarnation, sequence }, { result: 'malformed', message });
    }
  }

  #answerForward(
    { from: to, incarnation: life, sequence }: Pick<Guest, 'from' | 'incarnation' | 'sequence'>,
    { result, index = 0, at = 0, message = '' }: ForwardAnswer,
  ): void {
    const text = message.slice(0, ANSWER_CHARACTERS_MAX).toWellFormed();
    const frame = { kind: 'forwarded', life, sequence, result, index, at, message: text } as const;
    this.#peers.send(to, frame, 'control');
  }

  /** Follower: what became of a request. */
  #onForwarded(frame: Extract<Frame, { kind: 'forwarded' }>): void {
    const request = this.#requests.find(frame.sequence);
    // What an earlier life of this node asked has the same number, and is not the same request.
    if (request === undefined || frame.life !== this.#options.incarnation) return;
    if (frame.result === 'ok') {
      this.#requests.commit(request, frame.index, frame.at);
      this.#requests.applied(this.#appliedIndex);
      this.#flushSoon();
    } else if (frame.result === 'malformed') {
      this.#refuseRequest(request, frame.message);
    } else {
      // At once would be a storm.
      this.#requests.retryNextTick(request, this.#ticks);
    }
  }

  /**
   * Notes that this node is there, and gives the time of the log. Time that has leapt was not lived
   * through: the machine was suspended, the process was stopped, or the wall clock was set forward.
   */
  #awake(): number {
    const now = this.#logClock.now();
    if (now - this.#awakeAt > ABSENCE_MS) this.#absentSince ??= this.#awakeAt;
    this.#awakeAt = now;
    return now;
  }

  /** What an entry must say first after such a time: nobody listened. */
  #absence(): readonly Command[] {
    if (this.#absentSince === null) return [];
    return [{ kind: 'lead', node: this.#options.name, previousAt: this.#absentSince }];
  }

  /** Resolves when everything that was proposed is applied or refused, or after a while. */
  async #settled(): Promise<void> {
    const { clock } = this.#modules;
    const until = clock.monotonicMs() + DRAIN_MS;
    while (this.#inFlight() > 0 || !this.#queue.isEmpty || !this.#requests.isEmpty) {
      if (this.#hasFailed() || clock.monotonicMs() > until) return;
      await new Promise<void>((resolve) => clock.after(5, resolve));
    }
  }

  /** Tells everyone who had a part in an entry what became of it. */
  #close({ own, request, isNamed, guests, at }: Pending, fate: Fate): void {
    const result = proposedOf(fate, at);
    const answer = answerOf(fate, at);
    for (const { settle } of own) settle?.(result);
    if (request !== null) {
      const isFinal = result.ok || result.code === 'malformed';
      if (isFinal || (fate.type === 'unknown' && !isNamed)) this.#requests.settle(request, result);
      else this.#requests.retry(request);
    }
    for (const guest of guests) {
      this.#guests.done(guest);
      this.#answerForward(guest, answer);
    }
  }

  /** Records what became of a try, here or through whoever leads by now. */
  async #report(outcome: Command): Promise<void> {
    const result = await this.#proposeOwn([outcome]);
    if (!result.ok && result.code !== 'stopping') await this.propose([outcome]);
  }

  #confirmLeadership(): Promise<boolean> {
    const term = this.#term;
    const askedAtMs = this.#nowMs();
    return new Promise((resolve) => {
      const ref = this.#nextRef++;
      // A follower is given an answer, too: by its leader.
      this.#reads.set(ref, (isConfirmed) => {
        // A process that stood still finds old answers: another may have been elected since.
        const isFresh = this.#nowMs() - askedAtMs < ELECTION_TICKS * this.#options.tickMs;
        resolve(isConfirmed && isFresh && this.#role === 'leader' && this.#term === term);
      });
      this.#step({ type: 'readIndex', ref });
    });
  }

  #changeConfig(changes: readonly ConfChange[], expectedIndex: number): Promise<Proposed> {
    return new Promise((settle) => {
      const own = [{ commands: [], bytes: 0, since: this.#nowMs(), settle }];
      const at = this.#logClock.now();
      const pending = { own, request: null, isNamed: false, guests: [], at };
      this.#propose(pending, (ref) => ({ type: 'confChange', ref, changes, expectedIndex }));
    });
  }

  #transfer(to: NodeId | null): Promise<boolean> {
    return new Promise((resolve) => {
      const ref = this.#nextRef++;
      this.#transfers.set(ref, resolve);
      this.#step(to === null ? { type: 'transfer', ref } : { type: 'transfer', ref, to });
    });
  }

  // -------------------------------------------------------------------------------------------
  // The loop

  #tick(): void {
    const nowMs = this.#nowMs();
    const wasAway = nowMs - this.#tickedAtMs > ELECTION_TICKS * this.#options.tickMs;
    this.#tickedAtMs = nowMs;
    this.#ticks++;
    this.#awake();
    // Another may lead by now, and what this node would say as leader is of the past.
    if (wasAway && this.#role === 'leader') {
      this.#step({ type: 'stalled' });
      this.#step({ type: 'recovered' });
    }
    this.#step({ type: 'tick' });
    if (this.#hasFailed()) return;
    this.#requests.retryUnanswered(this.#leader, this.#ticks);
    this.#requests.expire(nowMs - PATIENCE_MS);
    this.#catchUp.tick();
    this.#membership.tick();
    this.#checkClock();
    this.#introduce();
    this.#flushSoon();
    this.#cancelTick = this.#modules.clock.after(this.#options.tickMs, () => this.#tick());
  }

  #checkClock(): void {
    const { voters } = this.#raft.status().config.confState;
    const others = voters.filter((voter) => voter !== this.#id);
    this.#clockCheck.check(
      voters.length,
      others.map((voter) => this.#peers.clockOffsetMs(voter)),
    );
  }

  #step(input: Input): void {
    this.#inputs.push(input);
    if (this.#isStepping || this.#phase === 'failed') return;
    this.#isStepping = true;
    try {
      for (;;) {
        const next = this.#inputs.shift();
        if (next === undefined) break;
        for (const effect of this.#raft.step(next)) this.#carryOut(effect);
      }
    } catch (error) {
      // A fault in the core or the fold is the same on every node: going on would be guessing.
      this.#fail(error as Error);
    } finally {
      this.#isStepping = false;
    }
  }

  #carryOut(effect: Effect): void {
    this.#modules.observer.carriedOut?.(effect);
    switch (effect.type) {
      case 'persist':
        this.#persist(effect);
        return;
      case 'send':
        this.#peers.sendMessages(effect.messages);
        return;
      case 'apply':
        this.#apply(effect.entries);
        return;
      case 'readEntries':
        void this.#readEntries(effect);
        return;
      case 'readReady':
        this.#resolveRead(effect.ref, true);
        return;
      case 'accepted': {
        const pending = this.#byRef.get(effect.ref);
        this.#byRef.delete(effect.ref);
        if (pending !== undefined) {
          this.#byIndex.set(effect.index, { ...pending, term: effect.term });
        }
        return;
      }
      case 'rejected':
        this.#rejected(effect);
        return;
      case 'indeterminate':
        this.#lost(effect.index);
        return;
      case 'roleChanged':
        this.#onRole(effect);
        return;
      case 'configChanged':
        // A learner that became a voter has another role, and no election said so.
        if (this.#role !== 'leader') this.#role = roleIn(this.#raft.status(), this.#id);
        this.#membership.refreshPeers();
        return;
      case 'transferEnded':
        this.#transfers.get(effect.ref)?.(effect.moved);
        this.#transfers.delete(effect.ref);
        return;
      case 'healed':
        this.#healed();
        return;
      case 'sendSnapshot':
        void this.#catchUp.offer(effect.to, effect.snapshot.index);
        return;
      case 'installSnapshot':
        this.#install(effect.snapshot.index, effect.snapshot.term);
        return;
      case 'cancelSnapshot':
        // The other side asks for what it wants, and stops asking by itself.
        return;
    }
  }

  #onRole({ role, term, leader }: Extract<Effect, { type: 'roleChanged' }>): void {
    const hadLead = this.#role === 'leader';
    if (leader === null) this.#readyFrom = null;
    else if (leader !== this.#leader) this.#readyFrom = this.#raft.status().commitIndex;
    this.#role = role === 'leader' ? role : roleIn(this.#raft.status(), this.#id);
    this.#term = term;
    this.#leader = leader;
    this.#modules.logger.info('role changed', {
      role: this.#role,
      term,
      leader: leader === null ? null : this.#nameOf(leader),
    });
    if (hadLead && this.#role !== 'leader') this.#loseLead();
    if (this.#role === 'leader') this.#checkClock();
    this.#flushSoon();
  }

  #loseLead(): void {
    this.#decider.pause();
    for (const guest of this.#guests.takeAll()) {
      this.#guests.done(guest);
      this.#answerForward(guest, { result: 'not-leader' });
    }
  }

  /** One group commit; the core is told when it is durable, in the order of the ids. */
  #persist(effect: Extract<Effect, { type: 'persist' }>): void {
    const { log, clock, observer } = this.#modules;
    if (effect.hardState !== undefined) this.#hardState = effect.hardState;
    const persisted: Input = { type: 'persisted', id: effect.id };
    if (!effect.sync) {
      // Only the commit index moved, which may be lost: it rides along with the next append.
      this.#lastPersist = this.#lastPersist.then(() => this.#step(persisted));
      return;
    }
    const startedAt = clock.monotonicMs();
    const { snapshot, truncateFrom } = effect;
    const entries = effect.entries.map(toLogEntry);
    const hardState = this.#hardState;
    this.#hardState = null;
    const append = {
      ...(snapshot === undefined ? {} : { restartAfter: this.#pointOf(snapshot.index) }),
      ...(truncateFrom === undefined ? {} : { truncateFrom }),
      ...(hardState === null ? {} : { hardState }),
      entries,
    };
    this.#lastPersist = log.append(append).then(
      () => {
        if (entries.length > 0) observer.appended((clock.monotonicMs() - startedAt) / 1000);
        this.#step(persisted);
      },
      (error: unknown) => this.#fail(error as Error),
    );
  }

  async #readEntries(effect: Extract<Effect, { type: 'readEntries' }>): Promise<void> {
    const entries: Entry[] = [];
    let bytes = 0;
    try {
      for await (const entry of this.#modules.log.read(effect.from, effect.to)) {
        bytes += entry.data.length;
        if (entries.length > 0 && bytes > effect.bytesMax) break;
        // What the log gives is a view of its buffer; the core keeps entries for long.
        entries.push(fromLogEntry({ ...entry, data: entry.data.slice() }));
      }
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#step({ type: 'entriesRead', id: effect.id, entries });
  }

  #apply(entries: readonly Entry[]): void {
    const { members: table } = this.#projection.state;
    for (const entry of entries) {
      const { index, term } = entry;
      if (entry.type === 'command') this.#fold(entry);
      this.#appliedIndex = index;
      this.#appliedTerm = term;
      this.#answer(index, term);
      if (this.#role === 'leader' && term === this.#term) this.#takeLead();
      this.#housekeeping.applied(index);
    }
    this.#step({ type: 'applied', index: this.#appliedIndex });
    if (this.#projection.state.members !== table) this.#membership.refreshPeers();
    if (entries.some(({ type }) => type === 'config')) this.#noteRemoval();
    this.#afterApply();
  }

  #afterApply(): void {
    this.#requests.applied(this.#appliedIndex);
    const view = this.view();
    for (const listener of this.#listeners) listener(view);
    this.#flushSoon();
    if (this.#isLeading()) this.#decider.wake();
  }

  /** A person has to know, since nothing that this process does will make it a member again. */
  #noteRemoval(): void {
    const isMember = members(this.#configApplied().confState).includes(this.#id);
    if (this.#isMember && !isMember) {
      this.#modules.logger.error('this node was removed from the cluster', {
        mend: 'stop it; to make it a member again, start it with an empty data directory and --join',
      });
    }
    this.#isMember = isMember;
  }

  #fold(entry: Entry): void {
    const { batch, transitions } = this.#projection.fold(entry.index, decodeBatch(entry.data));
    this.#appliedAt = batch.at;
    this.#logClock.advanceTo(batch.at);
    this.#modules.observer.applied({ index: entry.index, batch, transitions });
  }

  /** The state of the leader takes the place of this one. */
  #install(index: number, term: number): void {
    const received = this.#catchUp.received(index);
    if (received === null) throw new Error(`snapshot ${index} is to be installed and is not here`);
    const { manifest, state } = received;
    this.#projection = new Projection(state);
    this.#appliedIndex = index;
    this.#appliedTerm = term;
    this.#appliedAt = manifest.at;
    this.#logClock.advanceTo(manifest.at);
    this.#snapshot = { index, root: manifest.root };
    this.#housekeeping.installed(index);
    this.#step({ type: 'applied', index });
    this.#membership.refreshPeers();
    this.#modules.logger.info('snapshot installed', { index });
    this.#afterApply();
  }

  #pointOf(index: number): { index: number; term: number; chain: Uint8Array } {
    const received = this.#catchUp.received(index);
    if (received === null)
      throw new Error(`the log is to begin after ${index}, and no snapshot is here`);
    const { chain, term } = received.manifest;
    return { index, term, chain: bytesOfHex(chain) };
  }

  #onSnapshot(index: number, root: string): void {
    this.#olderSnapshotIndex = this.#snapshot.index;
    this.#snapshot = { index, root };
    this.#step({ type: 'snapshotTaken', index });
    // Members that are a little behind are sent entries, not the whole state.
    if (this.#olderSnapshotIndex > 0) {
      this.#step({ type: 'compacted', index: this.#olderSnapshotIndex });
    }
    for (const to of this.#others()) this.#peers.send(to, { kind: 'root', index, root }, 'control');
    this.#judge(this.#roots.own(index, root, this.#leader));
  }

  #judge(problem: string | null): void {
    if (problem !== null) this.#fail(new StateDiffers(problem));
  }

  #healed(): void {
    this.#modules.logger.info('healed: this node votes again', { index: this.#appliedIndex });
    this.#modules.log.markHealed().catch((error: unknown) => this.#fail(error as Error));
    this.#tellMembers();
  }

  /** Tells whoever had a part in the entry at `index`; another entry there means theirs was lost. */
  #answer(index: number, term: number): void {
    const pending = this.#byIndex.get(index);
    if (pending === undefined) return;
    this.#byIndex.delete(index);
    this.#close(
      pending,
      pending.term === term
        ? { type: 'applied', index }
        : { type: 'unknown', message: 'another entry took the place of this one' },
    );
  }

  #lost(index: number): void {
    const pending = this.#byIndex.get(index);
    this.#byIndex.delete(index);
    if (pending === undefined) return;
    const message = 'leadership was lost before the commit was known: it may have happened';
    this.#close(pending, { type: 'unknown', message });
  }

  /** The first entry of this node's term is applied: from here on it decides. */
  #takeLead(): void {
    if (this.#leadingTerm === this.#term) return;
    this.#leadingTerm = this.#term;
    this.#sayLead();
  }

  /** Whatever a leader does begins with this entry: it is said again until it is taken. */
  #sayLead(): void {
    this.#absentSince = null;
    const term = this.#term;
    const commands: readonly Command[] = [
      { kind: 'lead', node: this.#options.name, previousAt: this.#appliedAt },
      ...this.#introduction(),
      ...this.#sender.orphans(),
    ];
    const settle = (result: Proposed): void => this.#onLead(result, term);
    this.#submit([{ commands, bytes: 0, since: this.#nowMs(), settle }], null, []);
  }

  #onLead(result: Proposed, term: number): void {
    if (!result.ok && result.code === 'malformed') {
      this.#fail(new Error(`the first entry of a leader was refused: ${result.message}`));
    }
    if (term !== this.#term || !this.#isLeading()) return;
    if (!result.ok) {
      this.#modules.clock.after(this.#options.tickMs, () => {
        if (term === this.#term && this.leads()) this.#sayLead();
      });
      return;
    }
    this.#decider.start(this.#options.startDelayMs);
    this.#markLed();
  }

  #rejected(effect: Extract<Effect, { type: 'rejected' }>): void {
    const { ref, reason, detail } = effect;
    if (this.#reads.has(ref)) return this.#resolveRead(ref, false);
    const transfer = this.#transfers.get(ref);
    if (transfer !== undefined) {
      this.#transfers.delete(ref);
      transfer(false);
      return;
    }
    const pending = this.#byRef.get(ref);
    this.#byRef.delete(ref);
    if (pending === undefined) return;
    this.#refusedAtTick = this.#ticks;
    const code =
      reason === 'config-invalid' ? 'malformed' : reason === 'overloaded' ? 'busy' : 'not-leader';
    const message = detail ?? `not taken: ${reason}`;
    this.#close(pending, { type: 'refused', code, message });
  }

  #resolveRead(ref: number, confirmed: boolean): void {
    this.#reads.get(ref)?.(confirmed);
    this.#reads.delete(ref);
  }

  // -------------------------------------------------------------------------------------------
  // This node as a member

  /** Says what is new about this node, once there is somebody to say it to. */
  #introduce(): void {
    if (this.#isIntroducing || this.#phase !== 'running' || !this.ready()) return;
    const commands = this.#introduction();
    if (commands.length === 0) return;
    this.#isIntroducing = true;
    void this.propose(commands).finally(() => {
      this.#isIntroducing = false;
    });
  }

  /**
   * What the log does not know of this node. A configuration file goes with it when the cluster has
   * none yet, or when the file was changed since this node last spoke of it: of two files that
   * differ, the one that was touched is meant.
   */
  #introduction(): readonly Command[] {
    const { state } = this.#projection;
    const { configuration } = this.#options;
    const facts = this.#facts();
    const row = get(state.members, facts.node);
    const isKnown = row !== undefined && isSaidIn(row, facts);
    const isTouched = row !== undefined && row.configHash !== facts.configHash;
    const config = state.config === null || isTouched ? configuration.commandFor(state) : null;
    return [...(config === null ? [] : [config]), ...(isKnown ? [] : [facts])];
  }

  #facts(): SetMember {
    const { addresses, configuration, name, version } = this.#options;
    const { http, peer } = addresses();
    return {
      kind: 'member',
      node: this.#id,
      name,
      peer,
      http,
      version,
      reducersMax: REDUCERS_MAX,
      configHash: configuration.hash(),
    };
  }

  #nameOf(node: NodeId): string {
    if (node === this.#id) return this.#options.name;
    return get(this.#projection.state.members, node)?.name ?? node;
  }

  #others(): readonly NodeId[] {
    return members(this.#raft.status().config.confState).filter((node) => node !== this.#id);
  }

  /** Tells who else belongs. A damaged log may end before the others came: then it says nothing. */
  #tellMembers(): void {
    const { config, damaged } = this.#raft.status();
    const others = this.#membership.others();
    if (members(config.confState).length === 0 || (damaged && others.length === 0)) return;
    const text = JSON.stringify(others);
    if (text === this.#othersTold) return;
    this.#othersTold = text;
    this.#modules.observer.membersChanged?.(others);
  }

  #isCluster(): boolean {
    return this.#others().length > 0;
  }

  /** The configuration as of the last applied entry: the newest that is not beyond it. */
  #configApplied(): ConfigAt {
    return this.#raft.configAt(this.#appliedIndex);
  }

  #nowMs(): number {
    return this.#modules.clock.monotonicMs();
  }

  #fail(error: Error): void {
    if (this.#phase === 'failed') return;
    this.#phase = 'failed';
    this.#decider.stop();
    this.#housekeeping.halt();
    this.#cancelTick();
    const lost: Proposed = { ok: false, code: 'indeterminate', message: error.message };
    for (const { own } of [...this.#byRef.values(), ...this.#byIndex.values()]) {
      for (const { settle } of own) settle?.(lost);
    }
    this.#requests.abandon({ ...lost, code: 'failed' });
    for (const { settle } of this.#queue.takeAll()) settle?.({ ...lost, code: 'failed' });
    this.#modules.onFailure(error);
  }

  /** As a call, since a phase changes while others are waited for. */
  #hasFailed(): boolean {
    return this.#phase === 'failed';
  }
}

/** This node's state is not that of the others: it must not go on, and never lead. */
export class StateDiffers extends Error {
  readonly code = 'state-differs';
}

function proposedOf(fate: Fate, at: number): Proposed {
  switch (fate.type) {
    case 'applied':
      return { ok: true, index: fate.index, at };
    case 'refused':
      return { ok: false, code: fate.code, message: fate.message };
    case 'unknown':
      return { ok: false, code: 'indeterminate', message: fate.message };
  }
}

/** The same for the member that handed it over. */
function answerOf(fate: Fate, at: number): ForwardAnswer {
  switch (fate.type) {
    case 'applied':
      return { result: 'ok', index: fate.index, at };
    case 'refused':
      return { result: fate.code, message: fate.message };
    case 'unknown':
      return { result: 'indeterminate', message: fate.message };
  }
}

/** Whether the row of a node says all that the node says of itself. Asked with every tick. */
function isSaidIn(row: Member, facts: SetMember): boolean {
  for (const field in facts) {
    if (field === 'kind' || field === 'node') continue;
    const said = field as Exclude<keyof SetMember, 'kind' | 'node'>;
    if (row[said] !== facts[said]) return false;
  }
  return true;
}
