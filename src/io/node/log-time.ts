/**
 * Log time on this node: kept by one that leads, followed by the others, checked against the clocks
 * of the voters.
 *
 * Promise: while this node leads, the others are sent the time every second, and the log records by
 * how much log time was set forward; members whose builds cannot read the time are not sent it.
 */

import type { Command } from '../../commands/command.ts';
import type { State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import type { Input } from '../../raft/types.ts';
import type { Clock, Logger, LogTime, Proposed } from '../ports.ts';
import { ClockCheck } from './clock-check.ts';
import type { ClusterView } from './cluster-view.ts';
import { GapDetector } from './gap-detector.ts';
import { LogClock, middleOf } from './log-clock.ts';
import type { Peers } from './peers.ts';

/** How often a leader sends the time. */
const TIME_TICKS = 10;
/** A smaller offset is not sent: clocks of clients differ by more. */
const OFFSET_MS_MIN = 250;

export interface LogTimeKeeperModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: Peers;
  readonly cluster: ClusterView;
  readonly state: () => State;
  readonly step: (input: Input) => void;
  readonly proposeOwn: (commands: readonly Command[]) => Promise<Proposed>;
}

export class LogTimeKeeper {
  readonly #modules: LogTimeKeeperModules;
  readonly #clockCheck: ClockCheck;
  readonly clock: LogClock;
  readonly gaps: GapDetector;

  constructor(name: string, appliedAt: number, modules: LogTimeKeeperModules) {
    this.#modules = modules;
    const knowsSteps = (): boolean => this.#isReadable();
    const { clock } = modules;
    // How far the middle one of the clocks of all voters is ahead of this one's.
    const middle = (): ReturnType<typeof middleOf> =>
      middleOf([0, ...this.#clockOffsets().filter((each) => each !== null)]);
    this.clock = new LogClock({ clock, middle, knowsSteps }, appliedAt);
    this.gaps = new GapDetector(name, { logClock: this.clock, knowsSteps }, appliedAt);
    this.#clockCheck = new ClockCheck(modules);
  }

  /** The time of the log, and how far the clock of people is ahead of it. */
  time(appliedAt: number): LogTime {
    return { at: Math.max(appliedAt, this.clock.now()), offsetMs: this.clock.offsetMs() };
  }

  /** Keeps time; `ticks` counts those since the start of the node. */
  tick(isLeading: boolean, ticks: number): void {
    if (isLeading) this.gaps.noteLeading();
    const stepMs = this.clock.tick(isLeading);
    if (stepMs > 0) {
      this.gaps.noteStep(stepMs);
      this.#modules.logger.warn('log time set forward: the clock has long been ahead of it', {
        stepMs,
      });
      void this.#modules.proposeOwn([{ kind: 'clock' }]);
    }
    if (isLeading && ticks % TIME_TICKS === 0) this.#broadcast();
  }

  /** Sends the others log time, as far as their builds read it. */
  #broadcast(): void {
    // Not a time that was set and that the log does not record yet.
    if (this.gaps.pendingGap().length > 0) return;
    const { cluster, peers, state } = this.#modules;
    const offsetMs = this.clock.offsetMs();
    const at = this.clock.now();
    for (const to of cluster.others()) {
      const { reducersMax = 1 } = get(state().members, to) ?? {};
      if (reducersMax >= 2) peers.send(to, { kind: 'time', at, offsetMs }, 'control');
    }
  }

  /** Lets this node not lead while its clock is far from those of most voters. */
  checkClock(): void {
    this.#clockCheck.check(this.#modules.cluster.voters().length, this.#clockOffsets());
  }

  /** What commands of clients carry; by the first version of the fold they cannot. */
  clientOffsetMs(): number {
    const offsetMs = this.clock.offsetMs();
    return this.#isReadable() && Math.abs(offsetMs) >= OFFSET_MS_MIN ? offsetMs : 0;
  }

  /** Whether all members can read that log time was set. */
  #isReadable(): boolean {
    return this.#modules.state().reducers.version >= 2;
  }

  /** The clocks of the other voters, minus this one's; null for those without a recent frame. */
  #clockOffsets(): readonly (number | null)[] {
    const { cluster, peers } = this.#modules;
    return cluster.otherVoters().map((voter) => peers.clockOffsetMs(voter));
  }
}
