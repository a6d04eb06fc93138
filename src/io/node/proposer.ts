/**
 * From a proposal to an entry of the log, and back to the proposer.
 *
 * A node that leads makes entries of what waits here and of what other members have handed over; one
 * that follows hands its own requests to the leader.
 *
 * Promise: each proposal is answered once; with `ok` only when the entry is folded here. Requests
 * of a cluster go into the log under their names, so one that is tried again takes effect once. What
 * cannot be encoded spoils nothing that waits beside it. Uses consensus by the inputs that it gives
 * and the effects that it handles.
 */

import type { Command } from '../../commands/command.ts';
import type { Observe } from '../../commands/observe.ts';
import { MalformedCommand } from '../../commands/schema.ts';
import { decodeBatch, encodeBatch } from '../../log/codec.ts';
import type { Build } from '../../projections/reducers.ts';
import type { ConfChange, Effect, Input, NodeId } from '../../raft/types.ts';
import type { Channel, Clock, OnReadingsLost, Proposed } from '../ports.ts';
import {
  answerOf,
  forwardedFrame,
  proposedOf,
  type EntryOutcome,
  type ForwardAnswer,
} from './entry-outcome.ts';
import { requireFoldable } from './foldable.ts';
import type { GapDetector } from './gap-detector.ts';
import { ForwardedRequests, type ForwardedRequest } from './forwarded-requests.ts';
import { CONTROL_BYTES_MAX } from './peers.ts';
import { ENTRY_BYTES, ProposalQueue, settleProposal, type Proposal } from './proposals.ts';
import { Requests, type Request } from './requests.ts';
import type { Frame } from './wire.ts';

type Refusal = Extract<Proposed, { ok: false }>;

/** What this node is just now. */
export interface LeadershipView {
  /** Why it takes nothing, or null. */
  readonly refusal: () => Refusal | null;
  /** Consensus has made it the leader. */
  readonly isLeader: () => boolean;
  /** Its first entry is also in the log: only then it proposes what others wait for. */
  readonly isLeading: () => boolean;
  readonly leader: () => NodeId | null;
  readonly isCluster: () => boolean;
  /** Ticks since it was started. */
  readonly tick: () => number;
}

export interface ProposerModules {
  readonly clock: Clock;
  /** What it can fold: nothing else is proposed. */
  readonly build: Pick<Build, 'reducersMax'>;
  readonly gapDetector: GapDetector;
  /** How far the clock that clients go by is ahead of log time. */
  readonly offsetMs: () => number;
  readonly leadership: LeadershipView;
  /** Gives consensus an input. */
  readonly step: (input: Input) => void;
  /** A ref that nothing else given to consensus has. */
  readonly newRef: () => number;
  readonly send: (to: NodeId, frame: Frame, channel: Channel) => void;
}

/** This node, since this start. */
export interface Self {
  readonly nodeId: NodeId;
  readonly incarnation: number;
}

/** Entries of this node that may await their commit: one is written while the next is filled. */
const ENTRIES_IN_FLIGHT_MAX = 2;
/** Each proposal is answered within this, whatever the cluster does. */
const PATIENCE_MS = 10_000;
const QUEUE_FULL: Refusal = {
  ok: false,
  code: 'busy',
  message: 'too much waits for the disk: try again',
};

/** An entry that this node has proposed and that is not applied yet. */
interface Pending {
  readonly own: readonly Proposal[];
  readonly request: Request | null;
  /** Whether the request is named in the entry, so that it may be proposed again. */
  readonly isNamed: boolean;
  readonly forwarded: readonly ForwardedRequest[];
  readonly at: number;
}

type ForwardFrame = Extract<Frame, { kind: 'forward' }>;
type ForwardedFrame = Extract<Frame, { kind: 'forwarded' }>;
export class Proposer {
  readonly #self: Self;
  readonly #modules: ProposerModules;
  readonly #queue = new ProposalQueue();
  readonly #requests = new Requests(this.#queue);
  readonly #forwarded = new ForwardedRequests();
  /** Proposed entries by the ref under which consensus knows them, until it gives them an index. */
  readonly #byRef = new Map<number, Pending>();
  readonly #byIndex = new Map<number, Pending & { readonly term: number }>();
  #isFlushScheduled = false;
  #refusedAtTick = -1;
  #appliedIndex = 0;

  constructor(self: Self, modules: ProposerModules) {
    this.#self = self;
    this.#modules = modules;
  }

  /** Nothing waits, and nothing is on its way. */
  get isIdle(): boolean {
    return this.#inFlight() === 0 && this.#queue.isEmpty && this.#requests.isEmpty;
  }

  // -------------------------------------------------------------------------------------------
  // What is asked

  propose(commands: readonly Command[]): Promise<Proposed> {
    return new Promise((resolve) => {
      const refusal = this.#modules.leadership.refusal();
      if (refusal !== null) resolve(refusal);
      else if (this.#queue.add(commands, this.#nowMs(), resolve)) this.flushSoon();
      else resolve(QUEUE_FULL);
    });
  }

  /** For what the node itself must propose as leader; the next leader proposes it anew. */
  proposeOwn(commands: readonly Command[]): Promise<Proposed> {
    return new Promise((resolve) => {
      const refusal = this.#modules.leadership.refusal();
      if (refusal !== null) {
        resolve(refusal);
      } else {
        this.#queue.addOwn(commands, this.#nowMs(), resolve);
        this.flushSoon();
      }
    });
  }

  /** Readings that nobody waits for; false when they are not taken. All that is lost is reported. */
  offer(readings: Observe, lost: OnReadingsLost): boolean {
    const refusal = this.#modules.leadership.refusal();
    if (refusal === null && this.#queue.addOffered({ readings, lost }, this.#nowMs())) {
      this.flushSoon();
      return true;
    }
    const { code, message: sample } = refusal ?? QUEUE_FULL;
    lost({ code, count: readings.ids.length, sample });
    return false;
  }

  /** Appends at once, before anything that waits: how a leader begins. */
  proposeFirst(commands: readonly Command[], settle: (result: Proposed) => void): void {
    this.#submit([{ commands, bytes: 0, since: this.#nowMs(), settle }], null, []);
  }

  changeConfig(changes: readonly ConfChange[], expectedIndex: number): Promise<Proposed> {
    return new Promise((settle) => {
      const own = [{ commands: [], bytes: 0, since: this.#nowMs(), settle }];
      const at = this.#modules.gapDetector.noteLeading();
      const pending = { own, request: null, isNamed: false, forwarded: [], at };
      this.#propose(pending, (ref) => ({ type: 'confChange', ref, changes, expectedIndex }));
    });
  }

  /** Leader: a member hands over a request of its own. */
  onForward(from: NodeId, incarnation: number, frame: ForwardFrame): void {
    const { sequence, settledBelow, batch } = frame;
    const { leadership } = this.#modules;
    if (!leadership.isLeading() || leadership.refusal() !== null) {
      this.#answerForward({ from, incarnation, sequence }, { result: 'not-leader' });
      return;
    }
    try {
      const { commands } = decodeBatch(batch);
      const bytes = batch.length + CONTROL_BYTES_MAX;
      const request = { from, incarnation, sequence, settledBelow, commands, bytes };
      if (this.#forwarded.add(request)) this.flushSoon();
      else this.#answerForward(request, { result: 'busy' });
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      const { message } = error;
      this.#answerForward({ from, incarnation, sequence }, { result: 'malformed', message });
    }
  }

  /** Follower: what became of a request. */
  onForwarded(frame: ForwardedFrame): void {
    const request = this.#requests.find(frame.sequence);
    // A request of an earlier start of this node has the same number, and is not the same request.
    if (request === undefined || frame.life !== this.#self.incarnation) return;
    if (frame.result === 'ok') {
      this.#requests.commit(request, frame.index, frame.at);
      this.#requests.applied(this.#appliedIndex);
      this.flushSoon();
    } else if (frame.result === 'malformed') {
      this.#onRefused(request, frame.message);
    } else {
      // At once would be a storm.
      this.#requests.retryNextTick(request, this.#modules.leadership.tick());
    }
  }

  // -------------------------------------------------------------------------------------------
  // What consensus and the fold report

  tick(): void {
    const { leader, tick } = this.#modules.leadership;
    this.#requests.retryUnanswered(leader(), tick());
    this.#requests.expire(this.#nowMs() - PATIENCE_MS);
    this.flushSoon();
  }

  /** Consensus has given an entry its place. */
  accepted({ ref, index, term }: Extract<Effect, { type: 'accepted' }>): void {
    const pending = this.#byRef.get(ref);
    this.#byRef.delete(ref);
    if (pending !== undefined) this.#byIndex.set(index, { ...pending, term });
  }

  rejected({ ref, reason, detail }: Extract<Effect, { type: 'rejected' }>): void {
    const pending = this.#byRef.get(ref);
    this.#byRef.delete(ref);
    if (pending === undefined) return;
    this.#refusedAtTick = this.#modules.leadership.tick();
    const code =
      reason === 'config-invalid' ? 'malformed' : reason === 'overloaded' ? 'busy' : 'not-leader';
    const message = detail ?? `not taken: ${reason}`;
    this.#close(pending, { type: 'refused', code, message });
  }

  /** Leadership was lost before the commit of the entry at `index` was known. */
  lost(index: number): void {
    const pending = this.#byIndex.get(index);
    this.#byIndex.delete(index);
    if (pending === undefined) return;
    const message = 'leadership was lost before the commit was known: it may have happened';
    this.#close(pending, { type: 'unknown', message });
  }

  /** Answers all who had a part in the entry at `index`; another entry there means theirs was lost. */
  folded(index: number, term: number): void {
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

  /** All entries up to `index` are folded, or a snapshot has taken their place. */
  appliedUpTo(index: number): void {
    this.#appliedIndex = index;
    this.#requests.applied(index);
    this.flushSoon();
  }

  /** This node leads no more: what others have handed over is not its business. */
  loseLeadership(): void {
    for (const each of this.#forwarded.takeAll()) {
      this.#forwarded.done(each);
      this.#answerForward(each, { result: 'not-leader' });
    }
  }

  /** For a node that will propose nothing more: answers everybody. */
  fail({ message }: Error): void {
    const lost: Refusal = { ok: false, code: 'indeterminate', message };
    for (const { own } of [...this.#byRef.values(), ...this.#byIndex.values()]) {
      for (const { settle } of own) settle?.(lost);
    }
    this.#requests.abandon({ ...lost, code: 'failed' });
    for (const proposal of this.#queue.takeAll()) {
      settleProposal(proposal, { ...lost, code: 'failed' });
    }
  }

  // -------------------------------------------------------------------------------------------
  // From the queue to consensus, or to the leader

  /** Waits for the end of the current task, so that all it proposes shares one entry. */
  flushSoon(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { leadership } = this.#modules;
    if (leadership.refusal()?.code === 'failed') return;
    if (leadership.isLeading()) this.#fillEntries();
    else if (!leadership.isLeader()) this.#forwardRequests();
  }

  /** Leader: makes entries of all that waits here. */
  #fillEntries(): void {
    while (this.#mayPropose()) {
      const own = this.#queue.takeOwn();
      let room = ENTRY_BYTES - own.reduce((sum, { bytes }) => sum + bytes, 0);
      const request = room > 0 ? this.#requests.next(room) : null;
      room -= request?.bytes ?? 0;
      const isAlone = own.length === 0 && request === null;
      const forwarded = room > 0 ? this.#forwarded.take(room, isAlone) : [];
      if (isAlone && forwarded.length === 0) return;
      this.#submit(own, request, forwarded);
    }
  }

  /** Consensus that takes no proposal just now is asked again with the next tick. */
  #mayPropose(): boolean {
    const { leadership } = this.#modules;
    if (this.#refusedAtTick === leadership.tick()) return false;
    return leadership.isLeading() && this.#inFlight() < ENTRIES_IN_FLIGHT_MAX;
  }

  #inFlight(): number {
    return this.#byRef.size + this.#byIndex.size;
  }

  /** Makes one entry; a part that cannot be encoded does not spoil the others. */
  #submit(
    own: readonly Proposal[],
    request: Request | null,
    forwarded: readonly ForwardedRequest[],
  ): void {
    const { gapDetector, build, leadership } = this.#modules;
    const at = gapDetector.noteLeading();
    const isNamed = request !== null && leadership.isCluster();
    const pending: Pending = { own, request, isNamed, forwarded, at };
    if (request !== null) this.#requests.markSent(request, this.#self.nodeId, leadership.tick());
    try {
      const commands = [...gapDetector.pendingGap(), ...this.#commandsOf(pending)];
      requireFoldable(commands, build);
      const data = encodeBatch({ at, commands });
      gapDetector.markWritten();
      this.#propose(pending, (ref) => ({ type: 'propose', ref, data }));
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      this.#submitApart(pending, error.message);
    }
  }

  #propose(pending: Pending, inputFor: (ref: number) => Input): void {
    const ref = this.#modules.newRef();
    this.#byRef.set(ref, pending);
    this.#modules.step(inputFor(ref));
  }

  /** What the node itself proposes, then its own request, then those of others under their names. */
  #commandsOf({ own, request, isNamed, forwarded }: Pending): readonly Command[] {
    const commands = own.flatMap((proposal) => proposal.commands);
    if (request !== null) {
      if (isNamed) {
        const { incarnation, nodeId: node } = this.#self;
        const { sequence } = request;
        const { settledBelow } = this.#requests;
        commands.push({ kind: 'request', node, incarnation, sequence, settledBelow });
      }
      for (const command of request.commands) commands.push(this.#accepted(command));
    }
    for (const { from, incarnation, sequence, settledBelow, ...rest } of forwarded) {
      commands.push({ kind: 'request', node: from, incarnation, sequence, settledBelow });
      for (const command of rest.commands) commands.push(this.#accepted(command));
    }
    return commands;
  }

  /** With the relation of its times to log time, which only the node that stamps it can give. */
  #accepted(command: Command): Command {
    if (command.kind !== 'alerts' && command.kind !== 'silence') return command;
    const offsetMs = this.#modules.offsetMs();
    return offsetMs === 0 ? command : { ...command, offsetMs };
  }

  #submitApart(pending: Pending, problem: string): void {
    const { own, request, forwarded } = pending;
    const parts = own.length + (request === null ? 0 : 1) + forwarded.length;
    if (parts > 1) {
      for (const proposal of own) this.#submit([proposal], null, []);
      if (request !== null) this.#submit([], request, []);
      for (const each of forwarded) this.#submit([], null, [each]);
    } else if (request !== null && this.#requests.retryValidParts(request)) {
      this.flushSoon();
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
    const to = this.#modules.leadership.leader();
    if (to === null || to === this.#self.nodeId) return;
    while (this.#requests.hasRoom()) {
      const request = this.#requests.next(ENTRY_BYTES);
      if (request === null) return;
      this.#forward(request, to);
    }
  }

  #forward(request: Request, to: NodeId): void {
    try {
      const batch = encodeBatch({ at: 0, commands: request.commands });
      this.#requests.markSent(request, to, this.#modules.leadership.tick());
      const { sequence } = request;
      const { settledBelow } = this.#requests;
      const channel = batch.length > CONTROL_BYTES_MAX ? 'bulk' : 'control';
      this.#modules.send(to, { kind: 'forward', sequence, settledBelow, batch }, channel);
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      this.#refuseRequest(request, error.message);
    }
  }

  // -------------------------------------------------------------------------------------------
  // Answers

  /** The leader found it malformed, which this node had not: which part of it is bad is not visible here. */
  #onRefused(request: Request, message: string): void {
    if (request.proposals.length > 1) this.#requests.replace(request, request.proposals);
    else this.#requests.settle(request, { ok: false, code: 'malformed', message });
    this.flushSoon();
  }

  /** It makes no sense as a whole, as this node finds. */
  #refuseRequest(request: Request, message: string): void {
    if (!this.#requests.retryValidParts(request)) {
      this.#requests.settle(request, { ok: false, code: 'malformed', message });
    }
    this.flushSoon();
  }

  #answerForward(
    {
      from: to,
      incarnation: life,
      sequence,
    }: Pick<ForwardedRequest, 'from' | 'incarnation' | 'sequence'>,
    answer: ForwardAnswer,
  ): void {
    const frame = forwardedFrame(life, sequence, answer);
    this.#modules.send(to, frame, 'control');
  }

  /** Answers all who had a part in an entry with its outcome. */
  #close({ own, request, isNamed, forwarded, at }: Pending, outcome: EntryOutcome): void {
    const result = proposedOf(outcome, at);
    const answer = answerOf(outcome, at);
    for (const { settle } of own) settle?.(result);
    if (request !== null) {
      const isFinal = result.ok || result.code === 'malformed';
      if (isFinal || (outcome.type === 'unknown' && !isNamed))
        this.#requests.settle(request, result);
      else this.#requests.retry(request);
    }
    for (const each of forwarded) {
      this.#forwarded.done(each);
      this.#answerForward(each, answer);
    }
  }

  #nowMs(): number {
    return this.#modules.clock.monotonicMs();
  }
}
