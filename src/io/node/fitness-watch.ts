/**
 * Has a leader that cannot work transfer leadership to a member that can.
 *
 * Every few seconds members report how fit they are. A leader with a trouble of its own has the others
 * examine themselves at once, and judges by their answers alone: figures that are older than its trouble
 * do not show whether everybody has it.
 *
 * Promise: one transfer a minute at most in the whole cluster, whichever member leads, since members report when the
 * last one was; none while all are alike; a try that moved nothing is not repeated for a quarter of a
 * minute. A member whose build does not read these frames is sent none, and is chosen for nothing.
 */

import type { NodeId, RaftStatus } from '../../raft/types.ts';
import type {
  Clock,
  Fitness,
  FitnessReport,
  TransferReason,
  Logger,
  NodeObserver,
  Vitals,
} from '../ports.ts';
import {
  isSettled,
  mayTransfer,
  successor,
  troublesOf,
  type Pauses,
  type TransferDecision,
} from './fitness.ts';
import { PROBE_MS_MAX, type ReceiverProbes } from './receiver-probes.ts';
import { FRAMES_LEVEL, type Frame } from './wire.ts';

export interface FitnessModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly vitals: Vitals;
  readonly observer: NodeObserver;
  readonly probes: ReceiverProbes;
  readonly raft: () => RaftStatus;
  readonly leads: () => boolean;
  readonly others: () => readonly NodeId[];
  readonly nameOf: (node: NodeId) => string;
  readonly framesLevel: (node: NodeId) => number | null;
  readonly send: (to: NodeId, frame: Frame) => void;
  /** Resolves to whether leadership moved. */
  readonly transfer: (to: NodeId) => Promise<boolean>;
}

export interface FitnessOptions {
  readonly incarnation: number;
  readonly tickMs: number;
}

/** How often members report their fitness without a request. */
const REPORT_TICKS = 50;
/** What is older is not shown: the member is gone, or runs an earlier build by now. */
const REPORT_AGE_MS_MAX = 20_000;
/** A median of so many is not moved by one stall. */
const LAG_SAMPLES = 5;
/** A voter without a frame for so long is not asked: it could not take the leadership. */
const SILENT_TICKS = 10;
/** A member answers as soon as its connections are made, or have failed. */
const ROUND_MS_MAX = PROBE_MS_MAX + 500;
/** From the beginning of a round to that of the next one, while a decision waits to be confirmed. */
const ROUND_EVERY_MS = 1_000;
/** After a round that found nobody, doubled each time: what fails for everybody is not asked for all day. */
const PAUSE_MS = { min: 1_000, max: 15_000 };
/** An incarnation counts from a time in milliseconds, and their product must stay a whole number. */
const ROUNDS_PER_LIFE = 2 ** 10;

type FitnessFrame = Extract<Frame, { kind: 'fitnessReport' }>;

interface Report {
  readonly fitness: Fitness;
  readonly atMs: number;
}

/** A transfer because of fitness, or a try at one: the leader of a term counts its tries. */
interface LastTransfer {
  readonly term: number;
  readonly tries: number;
  readonly atMs: number;
}

interface Round {
  readonly number: number;
  readonly startedAtMs: number;
  readonly asked: readonly NodeId[];
  readonly answers: Map<NodeId, Fitness>;
  /** What this node cannot reach itself; null while it tries. */
  unreachable: readonly string[] | null;
}

export class FitnessWatch {
  readonly #options: FitnessOptions;
  readonly #modules: FitnessModules;
  readonly #reports = new Map<NodeId, Report>();
  readonly #lagsMs: number[] = [];
  #tickedAtMs: number;
  #ticks = 0;
  #lastTransfer: LastTransfer | null = null;
  #isTransferring = false;
  #round: Round | null = null;
  #rounds = 0;
  #nextRoundAtMs = -Infinity;
  #pauseMs = PAUSE_MS.min;
  #decisions: readonly (TransferDecision | null)[] = [];
  /** The troubles for which others were asked last. */
  #concern = '';

  constructor(options: FitnessOptions, modules: FitnessModules) {
    this.#options = options;
    this.#modules = modules;
    this.#tickedAtMs = modules.clock.monotonicMs();
  }

  /** This node by its own figures. */
  own(): Fitness {
    const { probes, vitals } = this.#modules;
    const lags = this.#lagsMs.toSorted((a, b) => a - b);
    return {
      syncMs: vitals.syncMs(),
      lagMs: lags[Math.floor(lags.length / 2)] ?? 0,
      descriptorsFree: vitals.descriptorsFree(),
      unreachable: probes.failing(),
    };
  }

  /** What a member reported last; null without a recent report. */
  reportOf(node: NodeId): FitnessReport | null {
    const report = this.#reports.get(node);
    const ageMs = Math.round(this.#nowMs() - (report?.atMs ?? -Infinity));
    return report === undefined || ageMs > REPORT_AGE_MS_MAX ? null : { ...report.fitness, ageMs };
  }

  tick(): void {
    this.#measureLag();
    this.#ticks++;
    if (this.#ticks % REPORT_TICKS === 0) this.#reportToAll();
    if (!this.#modules.leads()) {
      this.#round = null;
      this.#resetRounds();
    } else if (this.#isTransferring) {
      return;
    } else if (this.#round === null) {
      this.#considerRound();
    } else if (this.#isOver(this.#round)) {
      this.#judge(this.#round);
    }
  }

  /** Takes a frame of this business; answers whether it was one. */
  onFrame(from: NodeId, frame: Frame): boolean {
    if (frame.kind === 'fitnessRequest') {
      void this.#answerRequest(from, frame.round, frame.integrations);
      return true;
    }
    if (frame.kind !== 'fitnessReport') return false;
    this.#receiveReport(from, frame);
    return true;
  }

  // -------------------------------------------------------------------------------------------
  // Reports of members

  #measureLag(): void {
    const nowMs = this.#nowMs();
    const lateMs = nowMs - this.#tickedAtMs - this.#options.tickMs;
    this.#tickedAtMs = nowMs;
    this.#lagsMs.push(Math.max(0, Math.round(lateMs)));
    if (this.#lagsMs.length > LAG_SAMPLES) this.#lagsMs.shift();
  }

  #reportToAll(): void {
    const others = this.#modules.others();
    for (const node of this.#reports.keys()) if (!others.includes(node)) this.#reports.delete(node);
    for (const to of others) this.#report(to, 0, this.own());
  }

  #report(to: NodeId, round: number, fitness: Fitness): void {
    if (!this.#understands(to)) return;
    const { lastTransfer, ...own } = { ...fitness, lastTransfer: this.#lastTransfer };
    const agoMs = lastTransfer === null ? 0 : Math.round(this.#nowMs() - lastTransfer.atMs);
    this.#modules.send(to, {
      kind: 'fitnessReport',
      round,
      ...own,
      lastTransfer:
        lastTransfer === null
          ? null
          : { term: lastTransfer.term, tries: lastTransfer.tries, agoMs },
    });
  }

  #understands(node: NodeId): boolean {
    return (this.#modules.framesLevel(node) ?? 0) >= FRAMES_LEVEL;
  }

  #receiveReport(
    from: NodeId,
    { descriptorsFree, lastTransfer, lagMs, round, syncMs, unreachable }: FitnessFrame,
  ) {
    const fitness = { syncMs, lagMs, descriptorsFree, unreachable };
    const nowMs = this.#nowMs();
    this.#reports.set(from, { fitness, atMs: nowMs });
    // A term that has not come yet would hide every real transfer.
    const isPast = lastTransfer !== null && lastTransfer.term <= this.#modules.raft().term;
    if (isPast && isLater(lastTransfer, this.#lastTransfer)) {
      this.#lastTransfer = { ...lastTransfer, atMs: nowMs - lastTransfer.agoMs };
    }
    const asked = this.#round;
    if (asked?.number === round && asked.asked.includes(from)) asked.answers.set(from, fitness);
  }

  /** A leader asks whether this member is fitter. */
  async #answerRequest(
    from: NodeId,
    round: number,
    integrations: readonly string[],
  ): Promise<void> {
    if (from !== this.#modules.raft().leader) return;
    const unreachable = await this.#modules.probes.probe(integrations);
    if (unreachable !== null) this.#report(from, round, { ...this.own(), unreachable });
  }

  // -------------------------------------------------------------------------------------------
  // What a leader does about itself

  #resetRounds(): void {
    this.#pauseMs = PAUSE_MS.min;
    this.#decisions = [];
    this.#concern = '';
    this.#nextRoundAtMs = -Infinity;
  }

  #considerRound(): void {
    const own = this.own();
    const troubles = troublesOf(own);
    if (troubles.length === 0) {
      this.#resetRounds();
      return;
    }
    // Tries come in any order; what fails for everybody stays the same.
    const concern = JSON.stringify([troubles, own.unreachable.toSorted()]);
    if (concern !== this.#concern) {
      this.#concern = concern;
      this.#pauseMs = PAUSE_MS.min;
      this.#nextRoundAtMs = Math.min(this.#nextRoundAtMs, this.#nowMs() + PAUSE_MS.min);
    }
    if (this.#nowMs() >= this.#nextRoundAtMs && mayTransfer(this.#pauses())) this.#askOthers();
  }

  #pauses(): Pauses {
    if (this.#lastTransfer === null) return { sinceTransferMs: Infinity, sinceFailureMs: Infinity };
    const sinceMs = this.#nowMs() - this.#lastTransfer.atMs;
    // Who still leads in the term of its own try has moved nothing by it.
    return this.#lastTransfer.term === this.#modules.raft().term
      ? { sinceTransferMs: Infinity, sinceFailureMs: sinceMs }
      : { sinceTransferMs: sinceMs, sinceFailureMs: Infinity };
  }

  #askOthers(): void {
    const { probes, raft, send } = this.#modules;
    const { config, peers } = raft();
    const asked = config.confState.voters.filter((node) => {
      return (peers[node]?.ticksSinceContact ?? Infinity) < SILENT_TICKS && this.#understands(node);
    });
    if (asked.length === 0) return;
    const round: Round = {
      number: this.#options.incarnation * ROUNDS_PER_LIFE + (this.#rounds++ % ROUNDS_PER_LIFE),
      startedAtMs: this.#nowMs(),
      asked,
      answers: new Map(),
      unreachable: null,
    };
    this.#round = round;
    const integrations = probes.toProbe();
    for (const to of asked) send(to, { kind: 'fitnessRequest', round: round.number, integrations });
    void probes.probe(integrations).then((unreachable) => {
      round.unreachable = unreachable;
    });
  }

  #isOver({ answers, asked, startedAtMs, unreachable }: Round): boolean {
    const isLate = this.#nowMs() - startedAtMs >= ROUND_MS_MAX;
    return isLate || (unreachable !== null && answers.size === asked.length);
  }

  #judge({ answers, startedAtMs, unreachable }: Round): void {
    this.#round = null;
    const own = { ...this.own(), ...(unreachable === null ? {} : { unreachable }) };
    const others = [...answers].map(([node, fitness]) => ({ node, fitness }));
    const decision = successor(own, others);
    if (decision === null) {
      this.#nextRoundAtMs = this.#nowMs() + this.#pauseMs;
      this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.max);
      this.#decisions = [];
    } else if (isSettled(decision, this.#decisions)) {
      this.#resetRounds();
      void this.#transferTo(decision.to, decision.because, own);
    } else {
      this.#nextRoundAtMs = startedAtMs + ROUND_EVERY_MS;
      this.#decisions = [decision];
    }
  }

  async #transferTo(to: NodeId, because: TransferReason, own: Fitness): Promise<void> {
    const { logger, nameOf, observer, raft, transfer } = this.#modules;
    const { term } = raft();
    const tries = this.#lastTransfer?.term === term ? this.#lastTransfer.tries + 1 : 1;
    this.#lastTransfer = { term, tries, atMs: this.#nowMs() };
    this.#isTransferring = true;
    logger.warn('transferring leadership: another member is fitter to lead', {
      to: nameOf(to),
      because,
      ...own,
    });
    observer.transferring?.(because);
    // Before the successor leads: it must know that it is not to transfer leadership again for a minute.
    this.#reportToAll();
    const moved = await transfer(to);
    this.#isTransferring = false;
    if (!moved)
      logger.warn('leadership was not transferred: this node goes on', { to: nameOf(to) });
  }

  #nowMs(): number {
    return this.#modules.clock.monotonicMs();
  }
}

function isLater(a: Omit<LastTransfer, 'atMs'>, b: Omit<LastTransfer, 'atMs'> | null): boolean {
  return b === null || a.term > b.term || (a.term === b.term && a.tries > b.tries);
}
