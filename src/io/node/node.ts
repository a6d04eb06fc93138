/**
 * The node: the loop that joins consensus, log and projections.
 *
 * propose → persist → committed → fold → decide. Promise: a proposal is answered only after its
 * entry is durable on a majority and folded here; nothing is folded that is not committed; nothing
 * is decided by a node that does not lead. Boundary: it knows ports and the pure folders only, so
 * the simulator runs this same file on a virtual clock and disk. The core is stepped from one queue
 * of inputs, never from within itself, so effects keep the order in which the core gave them.
 */

import type { Command } from '../../commands/command.ts';
import type { Observe } from '../../commands/observe.ts';
import { MalformedCommand } from '../../commands/schema.ts';
import { decodeBatch, encodeBatch } from '../../log/codec.ts';
import { ENTRY_BYTES_MAX, type HardState } from '../../log/entry.ts';
import type { Log } from '../../log/log.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import type { Projection } from '../../projections/projection.ts';
import type { State } from '../../projections/state.ts';
import { createRaft } from '../../raft/core.ts';
import type { Effect, Entry, Input, Raft } from '../../raft/types.ts';
import type {
  Clock,
  Logger,
  NodeHandle,
  NodeObserver,
  NodeStatus,
  Notifier,
  Proposed,
  Random,
  Role,
  SnapshotStore,
  View,
} from '../ports.ts';
import { Decider } from './decider.ts';
import { fromLogEntry, toLogEntry } from './entries.ts';
import { Housekeeping, type HousekeepingOptions } from './housekeeping.ts';
import { LogClock } from './log-clock.ts';
import { ProposalQueue, type Proposal } from './proposals.ts';
import type { StartPoint } from './restore.ts';
import { Sender } from './sender.ts';

export interface NodeOptions extends HousekeepingOptions {
  readonly name: string;
  /** Where this node is reached; asked late, since a port of 0 is known only once it is bound. */
  readonly addresses: () => { readonly http: string; readonly peer: string };
  /** What notifications call this cluster when the configuration has no external URL. */
  readonly externalUrl: () => string;
  /** Length of one tick of consensus. */
  readonly tickMs: number;
  /** Holds all flushes after taking the lead, as Alertmanager's `--dispatch.start-delay`. */
  readonly startDelayMs: number;
  /** What a new leader appends first, such as a configuration that has changed meanwhile. */
  readonly firstCommands: (state: State) => readonly Command[];
}

export interface NodeModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly log: Log;
  readonly snapshots: SnapshotStore;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly localTimeIn: LocalTimeIn;
  readonly observer: NodeObserver;
  /** Called once when the node can go on no more; the process must end. */
  readonly onFailure: (error: Error) => void;
}

/** Entries of this node that may await their sync: one is written while the next is filled. */
const ENTRIES_IN_FLIGHT_MAX = 2;
/** How long a stop waits for sends that are under way, and for the disk. */
const DRAIN_MS = 3_000;
/** A leader that was not there for longer than this says so: the fold ignores shorter gaps. */
const ABSENCE_MS = 10_000;

/** An entry that this node proposed and that is not applied yet. */
interface Pending {
  readonly proposals: readonly Proposal[];
  readonly at: number;
}

export class Node implements NodeHandle {
  readonly #options: NodeOptions;
  readonly #modules: NodeModules;
  readonly #raft: Raft;
  readonly #projection: Projection;
  readonly #sender: Sender;
  readonly #decider: Decider;
  readonly #housekeeping: Housekeeping;
  readonly #startedAt: number;

  readonly #inputs: Input[] = [];
  #isStepping = false;
  #cancelTick: () => void = () => undefined;

  readonly #queue = new ProposalQueue();
  /** Proposed entries by the ref under which the core knows them, until it gives them an index. */
  readonly #byRef = new Map<number, Pending>();
  readonly #byIndex = new Map<number, Pending & { readonly term: number }>();
  #nextRef = 1;
  #isFlushScheduled = false;

  readonly #reads = new Map<number, (confirmed: boolean) => void>();
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
  /** The term in which this node has appended `lead`; proposals wait for it. */
  #leadingTerm = 0;
  #snapshot = { index: 0, root: '' };
  #phase: 'running' | 'stopping' | 'failed' = 'running';
  #stopped: Promise<void> | null = null;
  readonly #led: Promise<void>;
  #markLed: () => void = () => undefined;

  constructor(
    options: NodeOptions,
    modules: NodeModules,
    start: StartPoint,
    snapshot: { readonly index: number; readonly root: string },
  ) {
    this.#options = options;
    this.#modules = modules;
    this.#projection = start.projection;
    this.#appliedIndex = start.appliedIndex;
    this.#appliedTerm = start.restored.snapshot?.term ?? 0;
    this.#appliedAt = start.appliedAt;
    this.#logClock = new LogClock(modules.clock, start.appliedAt);
    this.#awakeAt = this.#logClock.now();
    this.#snapshot = snapshot;
    this.#startedAt = modules.clock.now();
    this.#led = new Promise((resolve) => {
      this.#markLed = resolve;
    });
    this.#raft = createRaft(
      {
        id: modules.log.identity.nodeId,
        electionTicks: 10,
        heartbeatTicks: 1,
        seed: Math.floor(modules.random.next() * 2 ** 32),
        // The codec's limit is the one that people meet.
        limits: { entryBytesMax: ENTRY_BYTES_MAX },
      },
      start.restored,
    );
    const state = (): State => this.#projection.state;
    this.#sender = new Sender(
      {
        node: options.name,
        clusterId: modules.log.identity.clusterId,
        externalUrl: options.externalUrl,
      },
      {
        ...modules,
        state,
        confirmLeadership: () => this.#confirmLeadership(),
        report: (outcome) => void this.#proposeOwn([outcome]),
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
        onSnapshot: (index, root) => {
          this.#snapshot = { index, root };
          this.#step({ type: 'snapshotTaken', index });
          this.#step({ type: 'compacted', index });
        },
        onFailure: (error) => this.#fail(error),
      },
      snapshot.index,
    );
  }

  /** Starts ticking. Returns at once: no leader is waited for. */
  start(): void {
    this.#housekeeping.start();
    this.#tick();
  }

  /** Resolves when this node first leads and has folded all that was committed before. */
  whenLeading(): Promise<void> {
    return this.#led;
  }

  /**
   * Stops: takes no more input, lets sends finish for a moment, takes a last snapshot. The log and
   * the snapshot store stay open for whoever opened them. Safe to call twice.
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
      else if (this.#queue.add(commands, resolve)) this.#flushSoon();
      else resolve({ ok: false, code: 'busy', message: 'too much waits for the disk: try again' });
    });
  }

  /** For what the node itself must say. It is refused only by a node that stops or has failed. */
  #proposeOwn(commands: readonly Command[]): Promise<Proposed> {
    return new Promise((resolve) => {
      const refusal = this.#refusal();
      if (refusal !== null) {
        resolve(refusal);
      } else {
        this.#queue.addOwn(commands, resolve);
        this.#flushSoon();
      }
    });
  }

  offer(readings: Observe): boolean {
    if (this.#refusal() !== null || !this.#queue.add([readings])) return false;
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
    return this.#phase === 'running' && this.#isLeading() && this.#projection.state.config !== null;
  }

  status(): NodeStatus {
    const { log } = this.#modules;
    const { name } = this.#options;
    const addresses = this.#options.addresses();
    const { nodeId, clusterId } = log.identity;
    return {
      name,
      nodeId,
      clusterId,
      role: this.#role,
      term: this.#term,
      leader: this.#leader === nodeId ? name : this.#leader,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      commitIndex: this.#raft.status().commitIndex,
      appliedIndex: this.#appliedIndex,
      snapshotIndex: this.#snapshot.index,
      snapshotRoot: this.#snapshot.root,
      startedAt: this.#startedAt,
      members: [
        {
          name,
          nodeId,
          peerAddress: addresses.peer,
          httpAddress: addresses.http,
          role: this.#role,
        },
      ],
    };
  }

  onApplied(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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
    if (!this.#isLeading()) return;
    while (!this.#queue.isEmpty && this.#inFlight() < ENTRIES_IN_FLIGHT_MAX) {
      this.#submit(this.#queue.take());
    }
  }

  #isLeading(): boolean {
    return this.#role === 'leader' && this.#leadingTerm === this.#term;
  }

  #inFlight(): number {
    return this.#byRef.size + this.#byIndex.size;
  }

  /** Makes one entry of proposals; one that cannot be encoded does not spoil the others. */
  #submit(proposals: readonly Proposal[]): void {
    const at = this.#awake();
    const commands = proposals.flatMap((proposal) => proposal.commands);
    try {
      const data = encodeBatch({ at, commands: [...this.#absence(), ...commands] });
      this.#absentSince = null;
      const ref = this.#nextRef++;
      this.#byRef.set(ref, { proposals, at });
      this.#step({ type: 'propose', ref, data });
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      if (proposals.length > 1) for (const proposal of proposals) this.#submit([proposal]);
      else proposals[0]?.settle?.({ ok: false, code: 'malformed', message: error.message });
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

  /** Resolves when everything that was proposed is applied or refused. */
  async #settled(): Promise<void> {
    const { clock } = this.#modules;
    const until = clock.monotonicMs() + DRAIN_MS;
    while (this.#inFlight() > 0 || !this.#queue.isEmpty) {
      if (this.#hasFailed() || clock.monotonicMs() > until) return;
      await new Promise<void>((resolve) => clock.after(5, resolve));
    }
  }

  #settle(pending: Pending | undefined, result: Proposed): void {
    for (const proposal of pending?.proposals ?? []) proposal.settle?.(result);
  }

  #confirmLeadership(): Promise<boolean> {
    return new Promise((resolve) => {
      const ref = this.#nextRef++;
      this.#reads.set(ref, resolve);
      this.#step({ type: 'readIndex', ref });
    });
  }

  // -------------------------------------------------------------------------------------------
  // The loop

  #tick(): void {
    this.#awake();
    this.#step({ type: 'tick' });
    if (this.#hasFailed()) return;
    this.#cancelTick = this.#modules.clock.after(this.#options.tickMs, () => this.#tick());
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
    switch (effect.type) {
      case 'persist':
        this.#persist(effect);
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
      case 'indeterminate': {
        const pending = this.#byIndex.get(effect.index);
        this.#byIndex.delete(effect.index);
        this.#settle(pending, {
          ok: false,
          code: 'indeterminate',
          message: 'leadership was lost before the commit was known: it may have happened',
        });
        return;
      }
      case 'roleChanged':
        this.#role = roleOf(effect.role);
        this.#term = effect.term;
        this.#leader = effect.leader;
        this.#modules.logger.info('role changed', {
          role: effect.role,
          term: effect.term,
          leader: effect.leader,
        });
        return;
      case 'send':
      case 'configChanged':
      case 'transferEnded':
      case 'healed':
      case 'cancelSnapshot':
        // A cluster of one has nobody to write to, and nothing here depends on these.
        return;
      case 'installSnapshot':
      case 'sendSnapshot':
        throw new Error(`a cluster of one was asked to ${effect.type}`);
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
    const entries = effect.entries.map(toLogEntry);
    const hardState = this.#hardState;
    this.#hardState = null;
    this.#lastPersist = log.append(hardState === null ? { entries } : { hardState, entries }).then(
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
    for (const entry of entries) {
      const { index, term } = entry;
      if (entry.type === 'command') this.#fold(entry);
      this.#appliedIndex = index;
      this.#appliedTerm = term;
      this.#answer(index, term);
      if (this.#role === 'leader' && term === this.#term) this.#takeLead();
    }
    this.#step({ type: 'applied', index: this.#appliedIndex });
    this.#housekeeping.applied(this.#appliedIndex);
    const view = this.view();
    for (const listener of this.#listeners) listener(view);
    this.#flushSoon();
    if (this.#isLeading()) this.#decider.wake();
  }

  #fold(entry: Entry): void {
    const batch = decodeBatch(entry.data);
    const transitions = this.#projection.apply(entry.index, batch);
    this.#appliedAt = batch.at;
    this.#logClock.advanceTo(batch.at);
    this.#modules.observer.applied({ index: entry.index, batch, transitions });
  }

  /** Tells whoever proposed the entry at `index`; another entry there means theirs was lost. */
  #answer(index: number, term: number): void {
    const pending = this.#byIndex.get(index);
    if (pending === undefined) return;
    this.#byIndex.delete(index);
    this.#settle(
      pending,
      pending.term === term
        ? { ok: true, index, at: pending.at }
        : { ok: false, code: 'indeterminate', message: 'another entry took the place of this one' },
    );
  }

  /** The first entry of this node's term is applied: from here on it decides. */
  #takeLead(): void {
    if (this.#leadingTerm === this.#term) return;
    this.#leadingTerm = this.#term;
    this.#absentSince = null;
    const { name, firstCommands, startDelayMs } = this.#options;
    const state = this.#projection.state;
    const commands: readonly Command[] = [
      { kind: 'lead', node: name, previousAt: this.#appliedAt },
      ...firstCommands(state),
      ...this.#sender.orphans(),
    ];
    this.#submit([{ commands, bytes: 0, settle: (result) => this.#onLead(result, startDelayMs) }]);
  }

  #onLead(result: Proposed, startDelayMs: number): void {
    if (!result.ok) {
      this.#fail(new Error(`the first entry of a leader was refused: ${result.message}`));
      return;
    }
    this.#decider.start(startDelayMs);
    this.#markLed();
  }

  #rejected(effect: Extract<Effect, { type: 'rejected' }>): void {
    if (this.#reads.has(effect.ref)) {
      this.#resolveRead(effect.ref, false);
      return;
    }
    const pending = this.#byRef.get(effect.ref);
    this.#byRef.delete(effect.ref);
    const code = effect.reason === 'overloaded' ? 'busy' : 'not-leader';
    this.#settle(pending, { ok: false, code, message: `not taken: ${effect.reason}` });
  }

  #resolveRead(ref: number, confirmed: boolean): void {
    this.#reads.get(ref)?.(confirmed);
    this.#reads.delete(ref);
  }

  #fail(error: Error): void {
    if (this.#phase === 'failed') return;
    this.#phase = 'failed';
    this.#decider.stop();
    this.#housekeeping.halt();
    this.#cancelTick();
    const lost: Proposed = { ok: false, code: 'indeterminate', message: error.message };
    for (const pending of [...this.#byRef.values(), ...this.#byIndex.values()]) {
      this.#settle(pending, lost);
    }
    while (!this.#queue.isEmpty) {
      this.#settle({ proposals: this.#queue.take(), at: 0 }, { ...lost, code: 'failed' });
    }
    this.#modules.onFailure(error);
  }

  /** As a call, since a phase changes while others are waited for. */
  #hasFailed(): boolean {
    return this.#phase === 'failed';
  }
}

function roleOf(role: 'follower' | 'preCandidate' | 'candidate' | 'leader'): Role {
  return role === 'preCandidate' ? 'candidate' : role;
}
