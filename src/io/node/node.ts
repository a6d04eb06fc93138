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

import { actorOf, type Actor } from '../../commands/actor.ts';
import type { Admin } from '../../commands/admin.ts';
import type { Batch, Command } from '../../commands/command.ts';
import type { ApplyConfig } from '../../commands/config.ts';
import type { SetMember, SetReducers } from '../../commands/membership.ts';
import type { Observe } from '../../commands/observe.ts';
import { MalformedCommand } from '../../commands/schema.ts';
import { decodeBatch } from '../../log/codec.ts';
import { ENTRY_BYTES_MAX, type HardState } from '../../log/entry.ts';
import { isLaterEpoch } from '../../log/epoch.ts';
import type { Log } from '../../log/log.ts';
import { readableCommands } from '../../projections/audit.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import { Projection } from '../../projections/projection.ts';
import { THIS_BUILD, type Build } from '../../projections/reducers.ts';
import type { Member, State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import { members } from '../../raft/confchange.ts';
import { createRaft } from '../../raft/core.ts';
import type {
  ConfigAt,
  Effect,
  Entry,
  Input,
  Message,
  NodeId,
  Raft,
  RaftStatus,
  SnapshotPosition,
} from '../../raft/types.ts';
import type {
  JoinRequest,
  Clock,
  Confirmation,
  FrameProblem,
  JoinAnswer,
  Logger,
  LogTime,
  MembershipAnswer,
  MembershipChange,
  NodeHandle,
  NodeObserver,
  NodeStatus,
  Notifier,
  OnReadingsLost,
  PeerReceiver,
  Proposed,
  Random,
  Role,
  SnapshotStore,
  Transport,
  View,
  Vitals,
} from '../ports.ts';
import { recordAdmin } from './admin-records.ts';
import { GapDetector } from './gap-detector.ts';
import { CatchUp } from './catch-up.ts';
import { ClockCheck } from './clock-check.ts';
import { Decider } from './decider.ts';
import { fromLogEntry, toLogEntry } from './entries.ts';
import { ReceiverProbes } from './receiver-probes.ts';
import { FitnessWatch } from './fitness-watch.ts';
import { Housekeeping, type HousekeepingOptions } from './housekeeping.ts';
import { LogClock, middleOf, type Middle } from './log-clock.ts';
import { memberStatuses, roleIn } from './member-status.ts';
import { Membership } from './membership.ts';
import { Peers } from './peers.ts';
import { Proposer } from './proposer.ts';
import { bytesOfHex, type StartPoint } from './restore.ts';
import type { HeldPlace } from './held-places.ts';
import { RollbackCheck } from './rollback-check.ts';
import { RootComparison } from './roots.ts';
import { Sender } from './sender.ts';
import { isShadowCluster, joinProblem } from './cluster-id.ts';
import { LOG_TIME_LIMIT } from './wire.ts';

/** The configuration file of this process. */
export interface NodeConfiguration {
  /** Hex hash of what the file says. */
  readonly hash: () => string;
  /** The command that applies it; null when the state has just this one. */
  readonly commandFor: (state: State) => ApplyConfig | null;
}

export interface NodeOptions extends HousekeepingOptions {
  readonly name: string;
  /** Rises with every start of this node. */
  readonly incarnation: number;
  /** Of the program, for people. */
  readonly version: string;
  /** What it folds and wants to fold; the simulator runs several builds, everybody else this one. */
  readonly build?: Build;
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
  readonly vitals: Vitals;
  /** Called once when the node can go on no more; the process must end. */
  readonly onFailure: (error: Error) => void;
}

/** How long a stop waits for sends that are under way, and for the disk. */
const DRAIN_MS = 3_000;
const ELECTION_TICKS = 10;
/**
 * How long the word of a quorum lets this node send. A member that gave it votes for nobody else for
 * `ELECTION_TICKS`; half of them are left for a write that is slow.
 */
const CONFIRMATION_TICKS = 5;
/** A leader that is not heard of for this long has missed one sign of life of five. */
const HEARTBEAT_TICKS = 2;
/** How often a leader says what time it is. */
const TIME_TICKS = 10;
/** A smaller offset is not worth a word: clocks of clients differ by more. */
const OFFSET_MS_MIN = 250;

type RefusedMessage = Extract<Effect, { type: 'refused' }>;

export class Node implements NodeHandle, PeerReceiver {
  readonly #options: NodeOptions;
  readonly #modules: NodeModules;
  readonly #id: NodeId;
  readonly #build: Build;
  readonly #raft: Raft;
  #projection: Projection;
  readonly #sender: Sender;
  readonly #decider: Decider;
  readonly #housekeeping: Housekeeping;
  readonly #peers: Peers;
  readonly #catchUp: CatchUp;
  readonly #membership: Membership;
  readonly #clockCheck: ClockCheck;
  readonly #fitness: FitnessWatch;
  readonly #roots = new RootComparison();
  readonly #rollbackCheck: RollbackCheck;
  /** Members of the configuration in force and of the one before. */
  #known: ReadonlySet<NodeId> = new Set();
  /** Why the core did not act on the message that it was given last. */
  #refusedMessage: RefusedMessage | null = null;
  /** Entries that a leader sent, decoded when they came and not folded yet. */
  readonly #batches = new WeakMap<Uint8Array, Batch>();
  readonly #startedAt: number;

  readonly #inputs: Input[] = [];
  #isStepping = false;
  #cancelTick: () => void = () => undefined;
  #ticks = 0;
  #tickedAtMs: number;

  readonly #proposer: Proposer;
  #nextRef = 1;
  #isAnnouncing = false;

  readonly #reads = new Map<number, (confirmed: boolean) => void>();
  readonly #transfers = new Map<number, (moved: boolean) => void>();
  readonly #listeners = new Set<(view: View) => void>();
  #lastPersist: Promise<void> = Promise.resolve();
  #hardState: HardState | null = null;

  #appliedIndex: number;
  #appliedTerm: number;
  #appliedAt: number;
  readonly #logClock: LogClock;
  readonly #attendance: GapDetector;
  #role: Role = 'follower';
  #term = 0;
  #leader: string | null = null;
  /** Who else belongs, as the observer was told last. */
  #othersNotified: string | null = null;
  /** The term in which this node has appended `lead`; proposals wait for it. */
  #leadingTerm = 0;
  /** A follower answers reads once it has applied what was committed when it found its leader. */
  #readyFrom: number | null = null;
  #snapshot = { index: 0, root: '' };
  #olderSnapshotIndex = 0;
  #phase: 'running' | 'stopping' | 'stopped' | 'failed' = 'running';
  #stopped: Promise<void> | null = null;
  /** Whether the configuration had this node in it when it was last looked at. */
  #isMember = false;
  readonly #servingStarted: Promise<void>;
  #markServing: () => void = () => undefined;

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
    this.#build = options.build ?? THIS_BUILD;
    this.#projection = start.projection;
    this.#appliedIndex = start.appliedIndex;
    this.#appliedTerm = start.restored.snapshot?.term ?? 0;
    this.#appliedAt = start.appliedAt;
    const knowsSteps = (): boolean => this.#projection.state.reducers.version >= 2;
    this.#logClock = new LogClock(
      { clock, middle: () => this.#middleClock(), knowsSteps },
      start.appliedAt,
    );
    this.#attendance = new GapDetector(
      options.name,
      { logClock: this.#logClock, knowsSteps },
      start.appliedAt,
    );
    this.#tickedAtMs = clock.monotonicMs();
    this.#snapshot = snapshot;
    this.#startedAt = clock.now();
    this.#servingStarted = new Promise((resolve) => {
      this.#markServing = resolve;
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
    this.#peers = new Peers(self, { ...modules, isKnown: (node) => this.#isKnown(node) });
    this.#proposer = new Proposer(self, {
      clock,
      attendance: this.#attendance,
      offsetMs: () => this.#clientOffsetMs(),
      standing: {
        refusal: () => this.#refusal(),
        isLeader: () => this.#role === 'leader',
        isLeading: () => this.#isLeading(),
        leader: () => this.#leader,
        isCluster: () => this.#isCluster(),
        tick: () => this.#ticks,
      },
      step: (input) => this.#step(input),
      newRef: () => this.#nextRef++,
      send: (to, frame, channel) => this.#peers.send(to, frame, channel),
    });
    this.#clockCheck = new ClockCheck({ ...modules, step: (input) => this.#step(input) });
    const state = (): State => this.#projection.state;
    const probes = new ReceiverProbes({ ...modules, state });
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
        onConnect: (integration, isConnected) => probes.note(integration, isConnected),
      },
    );
    this.#decider = new Decider(
      { node: options.name, senders: new Set(modules.notifiers.keys()) },
      {
        ...modules,
        state,
        sender: this.#sender,
        // Calendars are those of people.
        localTimeIn: (at, zone) => modules.localTimeIn(at + this.#logClock.offsetMs(), zone),
        appliedAt: () => this.#appliedAt,
        now: () => this.#logClock.now(),
        propose: (commands) => this.#proposer.proposeOwn(commands),
      },
    );
    this.#housekeeping = new Housekeeping(
      options,
      {
        ...modules,
        // A leap of the wall clock must not cut the log off.
        clock: this.#logClock,
        view: () => this.view(),
        configAt: () => this.#configApplied(),
        onSnapshot: (index, root) => this.#onSnapshot(index, root),
        // Members that lack what is about to go are sent a snapshot from here on.
        onCut: (index) => this.#step({ type: 'compacted', index }),
        onFailure: (error) => this.#fail(error),
      },
      { snapshotIndex: snapshot.index, at: start.appliedAt },
    );
    this.#catchUp = new CatchUp({
      ...modules,
      clusterId: log.identity.clusterId,
      send: (to, frame) => this.#peers.send(to, frame, 'bulk'),
      step: (input) => this.#step(input),
      appliedIndex: () => this.#appliedIndex,
      onUnreadable: (index) => this.#housekeeping.replace(index),
      onFailure: (error) => this.#fail(error),
    });
    const { nodeId } = log.identity;
    this.#membership = new Membership(
      { nodeId, name: options.name, incarnation: options.incarnation, build: this.#build },
      {
        ...modules,
        state,
        raft: () => this.#raft.status(),
        isLeading: () => this.#isLeading(),
        propose: (commands) => this.#proposer.proposeOwn(commands),
        change: (changes, expectedIndex) => this.#proposer.changeConfig(changes, expectedIndex),
        transfer: (to) => this.#transfer(to),
        send: (to, frame) => this.#peers.send(to, frame, 'control'),
        setPeers: (peers) => modules.transport.setPeers(peers),
        onOthers: () => this.#notifyMembers(),
      },
    );
    const { damaged: isDamaged = false, hardState, lastIndex } = start.restored;
    this.#rollbackCheck = new RollbackCheck(
      {
        incarnation: options.incarnation,
        start: { term: hardState.term, index: lastIndex },
        isDamaged,
      },
      {
        others: () => this.#others(),
        otherVoters: () => this.#voters().filter((voter) => voter !== this.#id),
        framesLevel: (node) => modules.transport.framesLevel(node),
        heldAsLeader: () => this.#heldAsLeader(),
        send: (to, frame) => this.#peers.send(to, frame, 'control'),
        onRolledBack: (place, by) => this.#onRolledBack(place, by),
        onOver: () => this.#step({ type: 'recovered' }),
      },
    );
    this.#fitness = new FitnessWatch(options, {
      ...modules,
      probes,
      raft: () => this.#raft.status(),
      leads: () => this.isServing(),
      others: () => this.#others(),
      nameOf: (node) => this.#nameOf(node),
      framesLevel: (node) => modules.transport.framesLevel(node),
      send: (to, frame) => this.#peers.send(to, frame, 'control'),
      transfer: (to) => this.#transfer(to),
    });
    this.#noteConfiguration();
    for (const { nodeId, address } of start.hints) this.#membership.hint(nodeId, address);
    modules.transport.attach(this);
  }

  /** Starts ticking. Returns at once: no leader is waited for. */
  start(): void {
    this.#membership.refreshPeers();
    this.#housekeeping.start();
    // Until the others have said what they remember of this node, it stands for no election.
    if (this.#isCluster()) this.#step({ type: 'stalled' });
    this.#tick();
  }

  /** Resolves when this node first leads and has folded all that was committed before. */
  whenLeading(): Promise<void> {
    return this.#servingStarted;
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
    if (!this.#hasFailed()) {
      this.#proposer.fail(new Error('this node has stopped'));
      await this.#housekeeping.stop();
    }
    // The log is closed next: what comes after this, an election that was won too, writes no more.
    if (!this.#hasFailed()) this.#phase = 'stopped';
    await this.#lastPersist;
  }

  // -------------------------------------------------------------------------------------------
  // What neighbours ask

  seriesId(name: string): number {
    return this.#projection.seriesId(name);
  }

  propose(commands: readonly Command[]): Promise<Proposed> {
    return this.#proposer.propose(readableCommands(this.#projection.state, commands));
  }

  offer(readings: Observe, lost: OnReadingsLost): boolean {
    return this.#proposer.offer(readings, lost);
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

  isServing(): boolean {
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
        fitness: { ...this.#fitness.own(), ageMs: 0 },
        fitnessOf: (node) => this.#fitness.reportOf(node),
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

  time(): LogTime {
    return {
      at: Math.max(this.#appliedAt, this.#logClock.now()),
      offsetMs: this.#logClock.offsetMs(),
    };
  }

  record(request: Omit<Admin, 'kind'>): void {
    void recordAdmin(request, {
      logger: this.#modules.logger,
      state: () => this.#projection.state,
      propose: (commands) => this.#proposer.propose(commands),
    });
  }

  acceptClock(actor?: Actor): number {
    const offsetMs = this.#logClock.accept();
    this.#modules.logger.warn('clock accepted by an operator', { offsetMs });
    const detail = `${this.#options.name}: ${offsetMs} ms ahead of log time`;
    // It holds at once: a node that no leader can be reached from needs it, too.
    this.record({ action: 'acceptClock', subject: this.#id, detail, actor });
    return offsetMs;
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

  onFrame(from: NodeId, data: Uint8Array, incarnation: number): FrameProblem | null {
    if (this.#phase === 'failed') return null;
    const frame = this.#peers.receive(from, data, incarnation);
    if (!('kind' in frame)) return frame;
    if (frame.kind === 'raft') return this.#onMessages(from, incarnation, frame.messages);
    // Only the messages of consensus can come from a member that this node does not know yet, and answers
    // to what it asked.
    if (!this.#isKnown(from) && frame.kind !== 'recalled')
      return this.#peers.refuse(`${frame.kind} of ${from}, which is not a member`, false);
    if (this.#rollbackCheck.onFrame(from, incarnation, frame)) return null;
    switch (frame.kind) {
      case 'forward':
        this.#proposer.onForward(from, incarnation, frame);
        return null;
      case 'forwarded':
        this.#proposer.onForwarded(frame);
        return null;
      case 'root':
        this.#judge(this.#roots.other(from, frame.index, frame.root, this.#leader));
        return null;
      case 'time':
        if (from === this.#leader) this.#logClock.follow(frame.at, frame.offsetMs ?? 0);
        return null;
      default:
        if (this.#fitness.onFrame(from, frame) || this.#catchUp.onFrame(from, frame)) return null;
        this.#membership.onFrame(from, frame);
        return null;
    }
  }

  #onMessages(
    from: NodeId,
    incarnation: number,
    messages: readonly Message[],
  ): FrameProblem | null {
    for (const message of messages) {
      if (!this.#rollbackCheck.admits(from, message)) continue;
      const problem = this.#problemOf(message);
      if (problem !== null) return this.#peers.refuse(problem, true);
      if (message.type === 'snapshot' && !this.#hasContent(message.snapshot)) continue;
      this.#refusedMessage = null;
      // Who has just given leadership up is taken for the leader for a while.
      if (from === this.#leader && isOfLeader(message)) this.#attendance.follows();
      this.#step({ type: 'message', message });
      const refused = this.#refusedMessage as RefusedMessage | null;
      if (refused !== null) return this.#peers.refuse(refused.problem, refused.kind === 'absurd');
      this.#rollbackCheck.heard(from, incarnation, message);
    }
    return null;
  }

  /** What is in the entries of a leader is read before any of them is in the log: it stays there. */
  #problemOf(message: Message): string | null {
    if (message.type !== 'append') return null;
    for (const { type, index, data } of message.entries) {
      if (type !== 'command') continue;
      try {
        const batch = decodeBatch(data);
        if (batch.at >= LOG_TIME_LIMIT) return `entry ${index} is of a time that no log reaches`;
        this.#batches.set(data, batch);
      } catch (error) {
        if (!(error instanceof MalformedCommand)) throw error;
        return `entry ${index} cannot be read: ${error.message}`;
      }
    }
    return null;
  }

  /** Whether a snapshot could be installed: after a restart the leader has to offer it again. */
  #hasContent({ index, term }: SnapshotPosition): boolean {
    const { commitIndex } = this.#raft.status();
    return index <= commitIndex || this.#catchUp.received(index)?.manifest.term === term;
  }

  /** Whether a node is in the configuration in force or in the one before, or leads this node. */
  #isKnown(node: NodeId): boolean {
    return node === this.#leader || this.#known.has(node);
  }

  #noteConfiguration(): void {
    const { index, confState } = this.#raft.status().config;
    const before = this.#raft.configAt(index - 1).confState;
    this.#known = new Set([...members(confState), ...members(before)]);
  }

  onUnreachable(to: NodeId): void {
    this.#step({ type: 'unreachable', to });
  }

  onOutdated(by: NodeId): void {
    this.#rollbackCheck.outdated(by);
  }

  refusalFor(node: NodeId): string | null {
    return this.#membership.refusalFor(node);
  }

  async onJoin({ clusterId: theirs, ...candidate }: JoinRequest): Promise<JoinAnswer> {
    const { clusterId } = this.#modules.log.identity;
    const problem = joinProblem(candidate.name, theirs, clusterId);
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
  // What this node itself has to say and to ask

  #refusal(): Extract<Proposed, { ok: false }> | null {
    switch (this.#phase) {
      case 'running':
        return null;
      case 'stopping':
      case 'stopped':
        return { ok: false, code: 'stopping', message: 'this node is stopping' };
      case 'failed':
        return { ok: false, code: 'failed', message: 'the disk of this node has failed' };
    }
  }

  #isLeading(): boolean {
    return this.#role === 'leader' && this.#leadingTerm === this.#term;
  }

  /** Resolves when everything that was proposed is applied or refused, or after a while. */
  async #settled(): Promise<void> {
    const { clock } = this.#modules;
    const until = clock.monotonicMs() + DRAIN_MS;
    while (!this.#proposer.isIdle) {
      if (this.#hasFailed() || clock.monotonicMs() > until) return;
      await new Promise<void>((resolve) => clock.after(5, resolve));
    }
  }

  /** Records what became of a try, here or through whoever leads by now. */
  async #report(outcome: Command): Promise<void> {
    const result = await this.#proposer.proposeOwn([outcome]);
    if (!result.ok && result.code !== 'stopping') await this.propose([outcome]);
  }

  #confirmLeadership(): Promise<Confirmation> {
    const term = this.#term;
    const ageMs = this.#stopwatch();
    return new Promise((resolve) => {
      const ref = this.#nextRef++;
      // A follower is given an answer, too: by its leader.
      this.#reads.set(ref, (isConfirmed) => {
        const isFresh = (): boolean =>
          isConfirmed &&
          this.#role === 'leader' &&
          this.#term === term &&
          // Who is being made leader does not wait until this node is forgotten.
          this.#raft.status().transferTarget === null &&
          ageMs() < CONFIRMATION_TICKS * this.#options.tickMs;
        resolve({ isFresh });
      });
      this.#step({ type: 'readIndex', ref });
    });
  }

  /**
   * Milliseconds since now, by whichever clock went further: the monotonic one stands still while the
   * machine is suspended. A wall clock that leaps makes it too long once, never too short.
   */
  #stopwatch(): () => number {
    const { clock } = this.#modules;
    const [startedAtMs, startedAt] = [clock.monotonicMs(), clock.now()];
    return () => Math.max(clock.monotonicMs() - startedAtMs, clock.now() - startedAt);
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
    this.#keepTime();
    // Another may lead by now, and what this node would say as leader is of the past.
    if (wasAway && this.#role === 'leader') {
      this.#step({ type: 'stalled' });
      this.#step({ type: 'recovered' });
    }
    this.#rollbackCheck.tick();
    this.#step({ type: 'tick' });
    if (this.#hasFailed()) return;
    this.#proposer.tick();
    this.#catchUp.tick();
    this.#membership.tick();
    this.#fitness.tick();
    if (this.#isLeading()) this.#decider.tick();
    this.#checkClock();
    this.#announceSelf();
    this.#cancelTick = this.#modules.clock.after(this.#options.tickMs, () => this.#tick());
  }

  #keepTime(): void {
    const isLeading = this.#isLeading();
    if (isLeading) this.#attendance.leads();
    const stepMs = this.#logClock.tick(isLeading);
    if (stepMs > 0) {
      this.#attendance.steps(stepMs);
      this.#modules.logger.warn('log time set forward: the clock has long been ahead of it', {
        stepMs,
      });
      void this.#proposer.proposeOwn([{ kind: 'clock' }]);
    }
    if (isLeading && this.#ticks % TIME_TICKS === 0) this.#broadcastTime();
  }

  /** Tells the others log time, as far as their builds understand it. */
  #broadcastTime(): void {
    // Not a time that was set and of which the log says nothing yet.
    if (this.#attendance.absence().length > 0) return;
    const offsetMs = this.#logClock.offsetMs();
    const at = this.#logClock.now();
    for (const to of this.#others()) {
      const { reducersMax = 1 } = get(this.#projection.state.members, to) ?? {};
      if (reducersMax >= 2) this.#peers.send(to, { kind: 'time', at, offsetMs }, 'control');
    }
  }

  #checkClock(): void {
    this.#clockCheck.check(this.#voters().length, this.#clockOffsets());
  }

  /** The clocks of the other voters, minus this one's; null for those not heard of lately. */
  #clockOffsets(): readonly (number | null)[] {
    const others = this.#voters().filter((voter) => voter !== this.#id);
    return others.map((voter) => this.#peers.clockOffsetMs(voter));
  }

  /** How far the middle one of the clocks of all voters is ahead of this one's. */
  #middleClock(): Middle {
    return middleOf([0, ...this.#clockOffsets().filter((each) => each !== null)]);
  }

  #voters(): readonly NodeId[] {
    return this.#raft.status().config.confState.voters;
  }

  /** What commands of clients carry; by the first version of the fold they cannot. */
  #clientOffsetMs(): number {
    const offsetMs = this.#logClock.offsetMs();
    const isReadable = this.#projection.state.reducers.version >= 2;
    return isReadable && Math.abs(offsetMs) >= OFFSET_MS_MIN ? offsetMs : 0;
  }

  #step(input: Input): void {
    this.#inputs.push(input);
    if (this.#isStepping || this.#phase === 'failed' || this.#phase === 'stopped') return;
    this.#isStepping = true;
    try {
      for (;;) {
        const next = this.#inputs.shift();
        if (next === undefined) break;
        for (const effect of this.#raft.step(next)) this.#handleEffect(effect);
      }
    } catch (error) {
      // A fault in the core or the fold is the same on every node: going on would be guessing.
      this.#fail(error as Error);
    } finally {
      this.#isStepping = false;
    }
  }

  #handleEffect(effect: Effect): void {
    this.#modules.observer.carriedOut?.(effect);
    switch (effect.type) {
      case 'persist':
        this.#persist(effect);
        return;
      case 'send':
        this.#rollbackCheck.sent(effect.messages);
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
      case 'accepted':
        this.#proposer.accepted(effect);
        return;
      case 'rejected':
        this.#rejected(effect);
        return;
      case 'indeterminate':
        this.#proposer.lost(effect.index);
        return;
      case 'roleChanged':
        this.#onRole(effect);
        return;
      case 'configChanged':
        // A learner that became a voter has another role, and no election said so.
        if (this.#role !== 'leader') this.#role = roleIn(this.#raft.status(), this.#id);
        this.#noteConfiguration();
        this.#membership.refreshPeers();
        return;
      case 'refused':
        this.#refusedMessage = effect;
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
    if (hadLead && this.#role !== 'leader') this.#stopServing();
    if (this.#role === 'leader') this.#checkClock();
    this.#proposer.flushSoon();
  }

  #stopServing(): void {
    this.#decider.pause();
    this.#proposer.loseLeadership();
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
      // The limit of the history wins over members that are behind: they are sent a snapshot.
      const isDropped = effect.from < this.#modules.log.firstIndex;
      if (!isDropped) return this.#fail(error as Error);
    }
    this.#step({ type: 'entriesRead', id: effect.id, entries });
  }

  #apply(entries: readonly Entry[]): void {
    const { members: table } = this.#projection.state;
    for (const entry of entries) {
      const { index, term } = entry;
      const batch = entry.type === 'command' ? this.#fold(entry) : null;
      this.#appliedIndex = index;
      this.#appliedTerm = term;
      this.#proposer.folded(index, term);
      if (this.#role === 'leader' && term === this.#term) this.#startServing();
      this.#housekeeping.applied({ index, bytes: entry.data.length, batch });
    }
    this.#step({ type: 'applied', index: this.#appliedIndex });
    if (this.#projection.state.members !== table) this.#membership.refreshPeers();
    if (entries.some(({ type }) => type === 'config')) this.#noteRemoval();
    this.#afterApply();
  }

  #afterApply(): void {
    this.#proposer.appliedUpTo(this.#appliedIndex);
    const view = this.view();
    for (const listener of this.#listeners) listener(view);
    if (this.#isLeading()) this.#decider.wake();
  }

  /** A person has to know, since nothing that this process does will make it a member again. */
  #noteRemoval(): void {
    const isMember = members(this.#configApplied().confState).includes(this.#id);
    if (this.#isMember && !isMember) {
      this.#modules.logger.error('this node was removed from the cluster', {
        hint: 'stop it; to make it a member again, start it with an empty data directory and --join',
      });
    }
    this.#isMember = isMember;
  }

  #fold(entry: Entry): Batch {
    const decoded = this.#batches.get(entry.data) ?? decodeBatch(entry.data);
    this.#batches.delete(entry.data);
    const { batch, transitions } = this.#projection.fold(entry.index, decoded);
    this.#appliedAt = batch.at;
    this.#logClock.advanceTo(batch.at);
    this.#modules.observer.applied({ index: entry.index, batch, transitions });
    return batch;
  }

  /** The state of the leader takes the place of this one. */
  #install(index: number, term: number): void {
    const received = this.#catchUp.received(index);
    if (received === null) throw new Error(`snapshot ${index} is to be installed and is not here`);
    const { manifest, state } = received;
    this.#projection = new Projection(state, this.#build);
    this.#appliedIndex = index;
    this.#appliedTerm = term;
    this.#appliedAt = manifest.at;
    this.#logClock.advanceTo(manifest.at);
    this.#snapshot = { index, root: manifest.root };
    this.#housekeeping.installed(index, manifest.at);
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

  /** What the disk of this node is known to hold of its own term; null when it does not lead. */
  #heldAsLeader(): HeldPlace | null {
    const { durableIndex, role, term } = this.#raft.status();
    return role === 'leader' ? { term, index: durableIndex } : null;
  }

  /** Another member knows more of this node's past than its own disk does. */
  #onRolledBack(place: HeldPlace, by: NodeId): void {
    this.#modules.logger.error('data folder is older than what this node has acknowledged', {
      rememberedBy: this.#nameOf(by),
      rememberedTerm: place.term,
      rememberedIndex: place.index,
      hint: 'was it put back from a copy? This node neither votes nor leads until a leader has brought back what is missing. Where every member was put back, found the cluster anew: tocsin restore',
    });
    this.#step({ type: 'rolledBack', term: place.term });
    this.#modules.log.markHealing().catch((error: unknown) => this.#fail(error as Error));
  }

  #healed(): void {
    this.#modules.logger.info('healed: this node votes again', { index: this.#appliedIndex });
    this.#modules.log.markHealed().catch((error: unknown) => this.#fail(error as Error));
    this.#notifyMembers();
  }

  /** The first entry of this node's term is applied: from here on it decides. */
  #startServing(): void {
    if (this.#leadingTerm === this.#term) return;
    this.#leadingTerm = this.#term;
    this.#logClock.settle();
    this.#proposeLeaderStart();
  }

  /** Whatever a leader does begins with this entry: it is said again until it is taken. */
  #proposeLeaderStart(): void {
    const term = this.#term;
    const rules = this.#foundingRules();
    const commands: readonly Command[] = [
      this.#attendance.begins(this.#appliedAt),
      ...rules,
      ...readableCommands(
        { reducers: rules[0] ?? this.#projection.state.reducers },
        this.#selfAnnouncement(),
      ),
      ...this.#sender.orphans(),
    ];
    this.#proposer.proposeFirst(commands, (result) => this.#onLeaderStart(result, term));
  }

  /** A log without any command is that of a new cluster: nobody has ever folded it by older rules. */
  #foundingRules(): readonly SetReducers[] {
    const version = this.#build.reducersMax;
    const isNew = this.#appliedAt === 0 && version > this.#projection.state.reducers.version;
    return isNew ? [{ kind: 'reducers', version }] : [];
  }

  #onLeaderStart(result: Proposed, term: number): void {
    if (!result.ok && result.code === 'malformed') {
      this.#fail(new Error(`the first entry of a leader was refused: ${result.message}`));
    }
    if (term !== this.#term || !this.#isLeading()) return;
    if (!result.ok) {
      this.#modules.clock.after(this.#options.tickMs, () => {
        if (term === this.#term && this.isServing()) this.#proposeLeaderStart();
      });
      return;
    }
    this.#decider.start(this.#options.startDelayMs);
    this.#markServing();
  }

  #rejected(effect: Extract<Effect, { type: 'rejected' }>): void {
    const { ref } = effect;
    if (this.#reads.has(ref)) {
      this.#resolveRead(ref, false);
    } else if (this.#transfers.has(ref)) {
      this.#transfers.get(ref)?.(false);
      this.#transfers.delete(ref);
    } else {
      this.#proposer.rejected(effect);
    }
  }

  #resolveRead(ref: number, confirmed: boolean): void {
    this.#reads.get(ref)?.(confirmed);
    this.#reads.delete(ref);
  }

  // -------------------------------------------------------------------------------------------
  // This node as a member

  /** Says what is new about this node, once there is somebody to say it to. */
  #announceSelf(): void {
    if (this.#isAnnouncing || this.#phase !== 'running' || !this.ready()) return;
    const commands = this.#selfAnnouncement();
    if (commands.length === 0) return;
    this.#isAnnouncing = true;
    void this.propose(commands).finally(() => {
      this.#isAnnouncing = false;
    });
  }

  /**
   * What the log does not know of this node. A configuration file goes with it when the cluster has
   * none yet, or when the file was changed since this node last spoke of it: of two files that
   * differ, the one that was touched is meant.
   */
  #selfAnnouncement(): readonly Command[] {
    const { state } = this.#projection;
    const { configuration } = this.#options;
    const facts = this.#facts();
    const row = get(state.members, facts.node);
    const isKnown = row !== undefined && isRecorded(row, facts);
    const isTouched = row !== undefined && row.configHash !== facts.configHash;
    const config = state.config === null || isTouched ? configuration.commandFor(state) : null;
    // Nobody asks for it but the node, at its start.
    const actor = actorOf('node', this.#options.name);
    return [...(config === null ? [] : [{ ...config, actor }]), ...(isKnown ? [] : [facts])];
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
      reducersMax: this.#build.reducersMax,
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
  #notifyMembers(): void {
    const { config, damaged } = this.#raft.status();
    const others = this.#membership.others();
    if (members(config.confState).length === 0 || (damaged && others.length === 0)) return;
    const text = JSON.stringify(others);
    if (text === this.#othersNotified) return;
    this.#othersNotified = text;
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
    this.#proposer.fail(error);
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

function isOfLeader({ type }: Message): boolean {
  return type === 'append' || type === 'heartbeat';
}

/** Whether the row of a node says all that the node says of itself. Asked with every tick. */
function isRecorded(row: Member, facts: SetMember): boolean {
  for (const field in facts) {
    if (field === 'kind' || field === 'node') continue;
    const said = field as Exclude<keyof SetMember, 'kind' | 'node'>;
    if (row[said] !== facts[said]) return false;
  }
  return true;
}
