/**
 * Whether this node leads, and what begins and ends with that.
 *
 * Promise: a leader decides and proposes only after its first entry of the term is folded here; a
 * node that stops leading decides nothing more. Leadership is confirmed by a quorum for less time than
 * another member needs to be elected. Each confirmation and each transfer is answered once.
 */

import type { Command } from '../../commands/command.ts';
import type { SetReducers } from '../../commands/membership.ts';
import { readableCommands } from '../../projections/audit.ts';
import type { Build } from '../../projections/reducers.ts';
import type { Effect, NodeId } from '../../raft/types.ts';
import type { Clock, Confirmation, Logger, Proposed, Role } from '../ports.ts';
import type { Announcement } from './announcement.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Decider } from './decider.ts';
import type { LogTimeKeeper } from './log-time.ts';
import { roleIn } from './member-status.ts';
import type { Proposer } from './proposer.ts';
import { ELECTION_TICKS, type RaftDriver } from './raft-driver.ts';
import type { Sender } from './sender.ts';
import type { StateMachine } from './state-machine.ts';

/**
 * How long the confirmation of a quorum lets this node send. A member that gave it votes for nobody else for
 * `ELECTION_TICKS`; half of them are left for a write that is slow.
 */
const CONFIRMATION_TICKS = ELECTION_TICKS / 2;

export interface LeadershipOptions {
  /** Length of one tick of consensus. */
  readonly tickMs: number;
  /** For how long flushes are held after this node began to lead. */
  readonly startDelayMs: number;
}

export interface LeadershipModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeId: NodeId;
  readonly build: Build;
  readonly raft: RaftDriver;
  readonly cluster: ClusterView;
  readonly machine: StateMachine;
  readonly logTime: LogTimeKeeper;
  readonly announcement: Announcement;
  readonly proposer: Proposer;
  readonly sender: Sender;
  readonly decider: Decider;
  /** Whether this node neither stops nor has failed. */
  readonly isRunning: () => boolean;
  readonly onFailure: (error: Error) => void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #modules: LeadershipModules;
  readonly #reads = new Map<number, (confirmed: boolean) => void>();
  readonly #transfers = new Map<number, (moved: boolean) => void>();
  #role: Role = 'follower';
  #term = 0;
  #leader: NodeId | null = null;
  /** The term in which this node has appended `lead`; proposals wait for it. */
  #leadingTerm = 0;
  /** A follower answers reads once it has applied what was committed when it found its leader. */
  #readyFrom: number | null = null;
  readonly #servingStarted: Promise<void>;
  #markServing: () => void = () => undefined;

  constructor(options: LeadershipOptions, modules: LeadershipModules) {
    this.#options = options;
    this.#modules = modules;
    this.#servingStarted = new Promise((resolve) => {
      this.#markServing = resolve;
    });
  }

  get role(): Role {
    return this.#role;
  }

  get term(): number {
    return this.#term;
  }

  get leader(): NodeId | null {
    return this.#leader;
  }

  /** Resolves when this node first leads and has folded all that was committed before. */
  whenLeading(): Promise<void> {
    return this.#servingStarted;
  }

  /** Consensus has made this node the leader. */
  isLeader(): boolean {
    return this.#role === 'leader';
  }

  /** It has also folded the first entry of its term: only then it proposes what others wait for. */
  isLeading(): boolean {
    return this.#role === 'leader' && this.#leadingTerm === this.#term;
  }

  /** Whether this node may act for the cluster. */
  isServing(): boolean {
    return this.#modules.isRunning() && this.isLeading();
  }

  /** Whether the state has a configuration and is recent enough for reads. */
  isReady(): boolean {
    const { isRunning, machine } = this.#modules;
    if (!isRunning() || machine.state.config === null) return false;
    if (this.#role === 'leader') return this.isLeading();
    return this.#readyFrom !== null && machine.appliedIndex >= this.#readyFrom;
  }

  // -------------------------------------------------------------------------------------------
  // What consensus reports

  roleChanged({ role, term, leader }: Extract<Effect, { type: 'roleChanged' }>): void {
    const { cluster, logger, logTime, proposer } = this.#modules;
    const status = this.#modules.raft.status();
    const hadLead = this.#role === 'leader';
    if (leader === null) this.#readyFrom = null;
    else if (leader !== this.#leader) this.#readyFrom = status.commitIndex;
    this.#role = role === 'leader' ? role : roleIn(status, this.#modules.nodeId);
    this.#term = term;
    this.#leader = leader;
    logger.info('role changed', {
      role: this.#role,
      term,
      leader: leader === null ? null : cluster.nameOf(leader),
    });
    if (hadLead && this.#role !== 'leader') this.#stopServing();
    if (this.#role === 'leader') logTime.checkClock();
    proposer.flushSoon();
  }

  /** A learner that became a voter has another role, and no election has changed it. */
  configChanged(): void {
    const { nodeId, raft } = this.#modules;
    if (this.#role !== 'leader') this.#role = roleIn(raft.status(), nodeId);
  }

  /** An entry of this term was folded. */
  entryApplied(term: number): void {
    if (this.#role === 'leader' && term === this.#term) this.#startServing();
  }

  readReady(ref: number): void {
    this.#resolveRead(ref, true);
  }

  transferEnded(ref: number, isMoved: boolean): void {
    this.#transfers.get(ref)?.(isMoved);
    this.#transfers.delete(ref);
  }

  /** Answers whether the input with this ref came from here. */
  rejected(ref: number): boolean {
    if (this.#reads.has(ref)) {
      this.#resolveRead(ref, false);
      return true;
    }
    if (!this.#transfers.has(ref)) return false;
    this.transferEnded(ref, false);
    return true;
  }

  // -------------------------------------------------------------------------------------------
  // What this node asks of consensus

  /** Asks a quorum whether this node leads. */
  confirm(): Promise<Confirmation> {
    const { raft } = this.#modules;
    const term = this.#term;
    const ageMs = this.#stopwatch();
    return new Promise((resolve) => {
      const ref = raft.newRef();
      // A follower is given an answer, too: by its leader.
      this.#reads.set(ref, (isConfirmed) => {
        const isFresh = (): boolean =>
          isConfirmed &&
          this.#role === 'leader' &&
          this.#term === term &&
          // Who is being made leader does not wait until this node is forgotten.
          raft.status().transferTarget === null &&
          ageMs() < CONFIRMATION_TICKS * this.#options.tickMs;
        resolve({ isFresh });
      });
      raft.step({ type: 'readIndex', ref });
    });
  }

  /** Hands leadership over, to any member with null. Answers whether it has moved. */
  transfer(to: NodeId | null): Promise<boolean> {
    const { raft } = this.#modules;
    return new Promise((resolve) => {
      const ref = raft.newRef();
      this.#transfers.set(ref, resolve);
      raft.step(to === null ? { type: 'transfer', ref } : { type: 'transfer', ref, to });
    });
  }

  #resolveRead(ref: number, confirmed: boolean): void {
    this.#reads.get(ref)?.(confirmed);
    this.#reads.delete(ref);
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

  // -------------------------------------------------------------------------------------------
  // The start and the end

  #stopServing(): void {
    this.#modules.decider.pause();
    this.#modules.proposer.loseLeadership();
  }

  /** The first entry of this node's term is applied: from here on it decides. */
  #startServing(): void {
    if (this.#leadingTerm === this.#term) return;
    this.#leadingTerm = this.#term;
    this.#modules.logTime.clock.settle();
    this.#proposeLeaderStart();
  }

  /** All that a leader does begins with this entry: it is proposed again until it is taken. */
  #proposeLeaderStart(): void {
    const { announcement, logTime, machine, proposer } = this.#modules;
    const term = this.#term;
    const rules = this.#foundingRules();
    const commands: readonly Command[] = [
      logTime.gaps.leaderStart(machine.appliedAt),
      ...rules,
      ...readableCommands(
        { reducers: rules[0] ?? machine.state.reducers },
        announcement.commands(),
      ),
      ...this.#modules.sender.orphans(),
    ];
    proposer.proposeFirst(commands, (result) => this.#onLeaderStart(result, term));
  }

  /** A log without any command is that of a new cluster: nobody has ever folded it by older rules. */
  #foundingRules(): readonly SetReducers[] {
    const { build, machine } = this.#modules;
    const version = build.reducersMax;
    const isNew = machine.appliedAt === 0 && version > machine.state.reducers.version;
    return isNew ? [{ kind: 'reducers', version }] : [];
  }

  #onLeaderStart(result: Proposed, term: number): void {
    const { clock, decider, onFailure } = this.#modules;
    if (!result.ok && result.code === 'malformed') {
      onFailure(new Error(`the first entry of a leader was refused: ${result.message}`));
    }
    if (term !== this.#term || !this.isLeading()) return;
    if (!result.ok) {
      clock.after(this.#options.tickMs, () => {
        if (term === this.#term && this.isServing()) this.#proposeLeaderStart();
      });
      return;
    }
    decider.start(this.#options.startDelayMs);
    this.#markServing();
  }
}
