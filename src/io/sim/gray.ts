/**
 * The law of gray faults: a leader that cannot work gives its place to a member that can, within seconds,
 * and never twice in a minute.
 *
 * It is looked at only while all else is well: one leader, a network without cuts and loss, and a member
 * that has been without fault since before the trouble began. What is true of machines is asked of the
 * world, never of the nodes that must find it out.
 */

import { buildAt } from './builds.ts';
import { LawBroken } from './checker.ts';
import type { Host, SimulatedCluster } from './cluster.ts';
import { DESCRIPTORS_MIN, TRANSFER_PAUSE_MS } from '../node/fitness.ts';
import { FRAMES_LEVEL } from '../node/wire.ts';
import { FAIR_WEATHER } from './network.ts';

/** From lost egress until notifications flow again. */
const WITHIN_MS = 12_000;
/** Syncs that were slow, or notifications that failed: one is an accident. */
const TROUBLES_MIN = 3;
/** Waves of a fair network, and ages that are told in whole milliseconds. */
const TOLERANCE_MS = 500;

interface QuietPeriod {
  readonly leader: Host;
  readonly process: Host['process'];
  readonly successor: Host;
  readonly successorProcess: Host['process'];
  /** What the leader had gone through when it was last fine. */
  troubles: number;
  /** When the trouble showed that lasts. */
  troubledAtMs: number | null;
}

interface LastTransfer {
  readonly atMs: number;
  readonly term: number;
  /** Everybody who was there is there, and nothing was lost on the way. */
  isHeardOf: boolean;
}

export class Gray {
  readonly #cluster: SimulatedCluster;
  #quiet: QuietPeriod | null = null;
  #lastTransfer: LastTransfer | null = null;
  /** Which processes there are. */
  #processes = '';

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
  }

  /** A leader gives its place away. */
  transferring({ name, process }: Host): void {
    const { nowMs } = this.#cluster.time;
    const term = process?.node.raftStatus().term ?? 0;
    const before = this.#lastTransfer;
    this.#lastTransfer = { atMs: nowMs, term, isHeardOf: true };
    this.#quiet = null;
    // The same leader tries again: its first try moved nothing.
    if (before === null || before.term === term || !before.isHeardOf) return;
    const agoMs = nowMs - before.atMs;
    if (agoMs >= TRANSFER_PAUSE_MS - TOLERANCE_MS) return;
    throw new LawBroken(
      'leadership is transferred once a minute at most',
      `${name} gives it away ${Math.round(agoMs)} ms after the last time`,
    );
  }

  look(): void {
    const { nowMs } = this.#cluster.time;
    if (this.#lastTransfer !== null && !this.#isUndisturbed()) this.#lastTransfer.isHeardOf = false;
    const quiet = this.#mayTransfer() ? this.#quietNow() : null;
    this.#quiet = quiet;
    if (quiet === null) return;
    const { successor, leader } = quiet;
    if (isFine(leader)) quiet.troubles = leader.troubles;
    if (leader.troubles - quiet.troubles < TROUBLES_MIN) {
      quiet.troubledAtMs = null;
      return;
    }
    quiet.troubledAtMs ??= nowMs;
    if (nowMs - quiet.troubledAtMs <= WITHIN_MS) return;
    throw new LawBroken(
      'a leader that cannot work does not stay leader',
      `${leader.name} leads, and ${successor.name} could`,
    );
  }

  /** Whether nothing was lost, and no process has begun, ended or stood still, since the last look. */
  #isUndisturbed(): boolean {
    const hosts = [...this.#cluster.hosts.values()];
    const before = this.#processes;
    this.#processes = JSON.stringify(hosts.map(({ nodeId, starts }) => [nodeId, starts]));
    const stands = hosts.some(({ clock, process }) => process === null || clock.isFrozen);
    return this.#processes === before && !stands && this.#isFair();
  }

  #isFair(): boolean {
    const { network } = this.#cluster;
    return network.weather === FAIR_WEATHER && !network.isCut;
  }

  #mayTransfer(): boolean {
    const sinceMs = this.#cluster.time.nowMs - (this.#lastTransfer?.atMs ?? -Infinity);
    return this.#isFair() && sinceMs > TRANSFER_PAUSE_MS;
  }

  /** The quiet that lasts, or one that begins now; null while there is none. */
  #quietNow(): QuietPeriod | null {
    const before = this.#quiet;
    const leaders = this.#cluster.living().filter(({ process }) => process?.node.isServing());
    const [leader] = leaders;
    if (leader === undefined || leaders.length > 1 || !isAwake(leader)) return null;
    if (
      before?.leader === leader &&
      before.process === leader.process &&
      isSameSuccessor(before, leader)
    ) {
      return before;
    }
    const successor = this.#cluster
      .living()
      .find((host) => host !== leader && isWell(host, leader));
    if (successor === undefined || !isFine(leader)) return null;
    const { process, troubles } = leader;
    return {
      leader,
      process,
      successor,
      successorProcess: successor.process,
      troubles,
      troubledAtMs: null,
    };
  }
}

function isSameSuccessor({ successor, successorProcess }: QuietPeriod, leader: Host): boolean {
  return successor.process === successorProcess && isWell(successor, leader);
}

function isAwake({ build, clock }: Host): boolean {
  return !clock.isFrozen && buildAt(build).framesLevel === FRAMES_LEVEL;
}

function isFine({ descriptorsFree, trouble, way }: Host): boolean {
  return way === 'open' && descriptorsFree >= DESCRIPTORS_MIN && trouble.takesMs === undefined;
}

/** A voter without any fault that has all that is committed. */
function isWell(host: Host, leader: Host): boolean {
  const raft = host.process?.node.raftStatus();
  const { commitIndex = Infinity, config } = leader.process?.node.raftStatus() ?? {};
  if (raft === undefined || raft.damaged || raft.stalled || !isAwake(host)) return false;
  const votes = config?.confState.voters.includes(host.nodeId) === true;
  return votes && isFine(host) && commitIndex - raft.appliedIndex < 20;
}
