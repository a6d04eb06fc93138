/**
 * The node: joins consensus, log and projections, and is what the adapters use.
 *
 * propose → persist and replicate → committed → fold → decide. Promise: a proposal is answered only
 * after its entry is durable on a majority and folded here; nothing is folded that is not committed;
 * nothing is decided by a node that does not lead. Boundary: it knows ports and the pure folders
 * only, so the simulator runs this same file on a virtual clock, disk and network. This file is
 * the course of a node, from its start over its ticks to its stop; parts.ts makes its parts.
 */

import type { Actor } from '../../commands/actor.ts';
import type { Admin } from '../../commands/admin.ts';
import type { Command } from '../../commands/command.ts';
import type { Observe } from '../../commands/observe.ts';
import { isLaterEpoch } from '../../log/epoch.ts';
import type { NodeId, RaftStatus } from '../../raft/types.ts';
import type {
  FrameProblem,
  JoinAnswer,
  JoinRequest,
  LogTime,
  MembershipAnswer,
  MembershipChange,
  NodeHandle,
  NodeStatus,
  OnReadingsLost,
  PeerReceiver,
  Proposed,
  View,
} from '../ports.ts';
import { recordAdmin } from './admin-records.ts';
import { isShadowCluster, joinProblem } from './cluster-id.ts';
import { memberStatuses } from './member-status.ts';
import type { NodeModules, NodeOptions } from './options.ts';
import { makeParts, type NodeParts } from './parts.ts';
import { ELECTION_TICKS } from './raft-driver.ts';
import type { StartPoint } from './restore.ts';

/** How long a stop waits for sends that are under way, and for the disk. */
const DRAIN_MS = 3_000;

export class Node implements NodeHandle, PeerReceiver {
  readonly #options: NodeOptions;
  readonly #modules: NodeModules;
  readonly #id: NodeId;
  readonly #parts: NodeParts;
  readonly #startedAt: number;

  #cancelTick: () => void = () => undefined;
  #ticks = 0;
  #tickedAtMs: number;
  #phase: 'running' | 'stopping' | 'stopped' | 'failed' = 'running';
  #stopped: Promise<void> | null = null;

  constructor(
    options: NodeOptions,
    modules: NodeModules,
    start: StartPoint,
    snapshot: { readonly index: number; readonly root: string },
  ) {
    const { clock, log, transport } = modules;
    this.#options = options;
    this.#modules = modules;
    this.#id = log.identity.nodeId;
    this.#tickedAtMs = clock.monotonicMs();
    this.#startedAt = clock.now();

    this.#parts = makeParts(
      options,
      modules,
      { start, snapshot },
      {
        refusal: () => this.#refusal(),
        tick: () => this.#ticks,
        isRunning: () => this.#phase === 'running',
        isHalted: () => this.#phase === 'failed' || this.#phase === 'stopped',
        fail: (error) => this.#fail(error),
      },
    );
    for (const { nodeId: node, address } of start.hints) this.hint(node, address);
    transport.attach(this);
  }

  /** Starts ticking. Returns at once: no leader is waited for. */
  start(): void {
    this.#parts.membership.refreshPeers();
    this.#parts.housekeeping.start();
    // Until the others have answered what they remember of this node, it stands for no election.
    if (this.#parts.cluster.isCluster()) this.#parts.raft.step({ type: 'stalled' });
    this.#tick();
  }

  /** Resolves when this node first leads and has folded all that was committed before. */
  whenLeading(): Promise<void> {
    return this.#parts.leadership.whenLeading();
  }

  /**
   * Stops: lets sends finish for a moment, hands leadership over, takes no more input, takes a last
   * snapshot. The log and the snapshot store stay open for the caller that opened them. Safe to call twice.
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    if (this.#phase === 'failed') return;
    this.#parts.decider.stop();
    // An attempt that is being written will be sent: left behind, it would be in doubt.
    await this.#settled();
    await this.#parts.sender.drain(DRAIN_MS);
    if (this.#parts.leadership.isLeading() && this.#parts.cluster.isCluster()) {
      await this.#parts.leadership.transfer(null);
    }
    if (!this.#hasFailed()) this.#phase = 'stopping';
    await this.#settled();
    this.#cancelTick();
    if (!this.#hasFailed()) {
      this.#parts.proposer.fail(new Error('this node has stopped'));
      await this.#parts.housekeeping.stop();
    }
    // The log is closed next: what comes after this, an election that was won too, writes no more.
    if (!this.#hasFailed()) this.#phase = 'stopped';
    await this.#parts.raft.persisted();
  }

  // -------------------------------------------------------------------------------------------
  // The handle that adapters use

  seriesId(name: string): number {
    return this.#parts.machine.seriesId(name);
  }

  propose(commands: readonly Command[]): Promise<Proposed> {
    return this.#parts.propose(commands);
  }

  offer(readings: Observe, lost: OnReadingsLost): boolean {
    return this.#parts.proposer.offer(readings, lost);
  }

  view(): View {
    return this.#parts.machine.view();
  }

  ready(): boolean {
    return this.#parts.leadership.isReady();
  }

  isServing(): boolean {
    return this.#parts.leadership.isServing();
  }

  status(): NodeStatus {
    const { log } = this.#modules;
    const { nodeId, clusterId } = log.identity;
    const { commitIndex } = this.#parts.raft.status();
    const { leader } = this.#parts.leadership;
    const { newest } = this.#parts.latestSnapshot;
    return {
      name: this.#options.name,
      nodeId,
      clusterId,
      shadow: isShadowCluster(clusterId),
      role: this.#parts.leadership.role,
      term: this.#parts.leadership.term,
      leader: leader === null ? null : this.#parts.cluster.nameOf(leader),
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      commitIndex,
      appliedIndex: this.#parts.machine.appliedIndex,
      snapshotIndex: newest.index,
      snapshotRoot: newest.root,
      startedAt: this.#startedAt,
      logBytes: log.segments().reduce((sum, { bytes }) => sum + bytes, 0),
      members: memberStatuses(this.#parts.raft.status(), this.#parts.machine.state, {
        nodeId,
        name: this.#options.name,
        ...this.#options.addresses(),
        tickMs: this.#options.tickMs,
        clockOffsetMs: (node) => this.#parts.peers.clockOffsetMs(node),
        fitness: { ...this.#parts.fitness.own(), ageMs: 0 },
        fitnessOf: (node) => this.#parts.fitness.reportOf(node),
      }),
    };
  }

  /** What consensus shows of itself. */
  raftStatus(): RaftStatus {
    return this.#parts.raft.status();
  }

  onApplied(listener: (view: View) => void): () => void {
    return this.#parts.machine.onApplied(listener);
  }

  time(): LogTime {
    return this.#parts.logTime.time(this.#parts.machine.appliedAt);
  }

  record(request: Omit<Admin, 'kind'>): void {
    void recordAdmin(request, {
      logger: this.#modules.logger,
      state: () => this.#parts.machine.state,
      propose: (commands) => this.#parts.proposer.propose(commands),
    });
  }

  acceptClock(actor?: Actor): number {
    const offsetMs = this.#parts.logTime.clock.accept();
    this.#modules.logger.warn('clock accepted by an operator', { offsetMs });
    const detail = `${this.#options.name}: ${offsetMs} ms ahead of log time`;
    // It holds at once: a node that no leader can be reached from needs it, too.
    this.record({ action: 'acceptClock', subject: this.#id, detail, actor });
    return offsetMs;
  }

  changeMembership(request: MembershipChange): Promise<MembershipAnswer> {
    return this.#parts.membership.ask(request);
  }

  /** Notes the address of a member, as a join request or another source gives it. */
  hint(node: NodeId, address: string): void {
    this.#parts.membership.hint(node, address);
  }

  // -------------------------------------------------------------------------------------------
  // What peers send

  onFrame(from: NodeId, data: Uint8Array, incarnation: number): FrameProblem | null {
    return this.#phase === 'failed' ? null : this.#parts.incoming.onFrame(from, data, incarnation);
  }

  onUnreachable(to: NodeId): void {
    this.#parts.raft.step({ type: 'unreachable', to });
  }

  onOutdated(by: NodeId): void {
    this.#parts.rollbackCheck.outdated(by);
  }

  refusalFor(node: NodeId): string | null {
    return this.#parts.membership.refusalFor(node);
  }

  async onJoin({ clusterId: theirs, ...candidate }: JoinRequest): Promise<JoinAnswer> {
    const { clusterId } = this.#modules.log.identity;
    const problem = joinProblem(candidate.name, theirs, clusterId);
    if (problem !== null) {
      const code = isLaterEpoch(clusterId, theirs) ? 'superseded' : 'refused';
      return { ok: false, code, message: problem };
    }
    this.hint(candidate.nodeId, candidate.peerAddress);
    const answer = await this.#parts.membership.ask({ op: 'join', ...candidate });
    if (answer.code === 'ok') return { ok: true, clusterId };
    const code = answer.code === 'refused' ? 'refused' : 'retry';
    return { ok: false, code, message: answer.message };
  }

  // -------------------------------------------------------------------------------------------
  // The course of this node

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

  /** Resolves when everything that was proposed is applied or refused, or after a while. */
  async #settled(): Promise<void> {
    const { clock } = this.#modules;
    const until = clock.monotonicMs() + DRAIN_MS;
    while (!this.#parts.proposer.isIdle) {
      if (this.#hasFailed() || clock.monotonicMs() > until) return;
      await new Promise<void>((resolve) => clock.after(5, resolve));
    }
  }

  #tick(): void {
    const nowMs = this.#modules.clock.monotonicMs();
    const wasAway = nowMs - this.#tickedAtMs > ELECTION_TICKS * this.#options.tickMs;
    this.#tickedAtMs = nowMs;
    this.#ticks++;
    this.#parts.logTime.tick(this.#parts.leadership.isLeading(), this.#ticks);
    // Another member may lead by now, and what this node would send as leader is out of date.
    if (wasAway && this.#parts.leadership.isLeader()) {
      this.#parts.raft.step({ type: 'stalled' });
      this.#parts.raft.step({ type: 'recovered' });
    }
    this.#parts.rollbackCheck.tick();
    this.#parts.raft.step({ type: 'tick' });
    if (this.#hasFailed()) return;
    this.#parts.proposer.tick();
    this.#parts.catchUp.tick();
    this.#parts.membership.tick();
    this.#parts.fitness.tick();
    if (this.#parts.leadership.isLeading()) this.#parts.decider.tick();
    this.#parts.logTime.checkClock();
    this.#parts.announcement.tick();
    this.#cancelTick = this.#modules.clock.after(this.#options.tickMs, () => this.#tick());
  }

  #fail(error: Error): void {
    if (this.#phase === 'failed') return;
    this.#phase = 'failed';
    this.#parts.decider.stop();
    this.#parts.housekeeping.halt();
    this.#cancelTick();
    this.#parts.proposer.fail(error);
    this.#modules.onFailure(error);
  }

  /** As a call, since a phase changes while others are waited for. */
  #hasFailed(): boolean {
    return this.#phase === 'failed';
  }
}
