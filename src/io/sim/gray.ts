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
import { DESCRIPTORS_MIN, HAND_OVER_PAUSE_MS } from '../node/fitness.ts';
import { FRAMES_KNOWN } from '../node/wire.ts';
import { FAIR_WEATHER } from './network.ts';

/** From lost egress until notifications flow again. */
const WITHIN_MS = 12_000;
/** Syncs that were slow, or notifications that failed: one is an accident. */
const TROUBLES_MIN = 3;
/** Waves of a fair network, and ages that are told in whole milliseconds. */
const TOLERANCE_MS = 500;

interface Calm {
  readonly leader: Host;
  readonly process: Host['process'];
  readonly heir: Host;
  readonly heirProcess: Host['process'];
  /** What the leader had gone through when it was last fine. */
  troubles: number;
  /** When the trouble showed that lasts. */
  troubledAtMs: number | null;
}

interface HandOver {
  readonly atMs: number;
  readonly term: number;
  /** Everybody who was there is there, and nothing was lost on the way. */
  isHeardOf: boolean;
}

export class Gray {
  readonly #cluster: SimulatedCluster;
  #calm: Calm | null = null;
  #handOver: HandOver | null = null;
  /** Which processes there are. */
  #processes = '';

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
  }

  /** A leader gives its place away. */
  handingOver({ name, process }: Host): void {
    const { nowMs } = this.#cluster.time;
    const term = process?.node.raftStatus().term ?? 0;
    const before = this.#handOver;
    this.#handOver = { atMs: nowMs, term, isHeardOf: true };
    this.#calm = null;
    // The same leader tries again: its first try moved nothing.
    if (before === null || before.term === term || !before.isHeardOf) return;
    const agoMs = nowMs - before.atMs;
    if (agoMs >= HAND_OVER_PAUSE_MS - TOLERANCE_MS) return;
    throw new LawBroken(
      'leadership is handed over once a minute at most',
      `${name} gives it away ${Math.round(agoMs)} ms after the last time`,
    );
  }

  look(): void {
    const { nowMs } = this.#cluster.time;
    if (this.#handOver !== null && !this.#isUndisturbed()) this.#handOver.isHeardOf = false;
    const calm = this.#mayHandOver() ? this.#calmNow() : null;
    this.#calm = calm;
    if (calm === null) return;
    const { heir, leader } = calm;
    if (isFine(leader)) calm.troubles = leader.troubles;
    if (leader.troubles - calm.troubles < TROUBLES_MIN) {
      calm.troubledAtMs = null;
      return;
    }
    calm.troubledAtMs ??= nowMs;
    if (nowMs - calm.troubledAtMs <= WITHIN_MS) return;
    throw new LawBroken(
      'a leader that cannot work does not stay leader',
      `${leader.name} leads, and ${heir.name} could`,
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

  #mayHandOver(): boolean {
    const sinceMs = this.#cluster.time.nowMs - (this.#handOver?.atMs ?? -Infinity);
    return this.#isFair() && sinceMs > HAND_OVER_PAUSE_MS;
  }

  /** The calm that lasts, or one that begins now; null while there is none. */
  #calmNow(): Calm | null {
    const before = this.#calm;
    const leaders = this.#cluster.living().filter(({ process }) => process?.node.leads());
    const [leader] = leaders;
    if (leader === undefined || leaders.length > 1 || !isAwake(leader)) return null;
    if (before?.leader === leader && before.process === leader.process && isHeir(before, leader)) {
      return before;
    }
    const heir = this.#cluster.living().find((host) => host !== leader && isWell(host, leader));
    if (heir === undefined || !isFine(leader)) return null;
    const { process, troubles } = leader;
    return { leader, process, heir, heirProcess: heir.process, troubles, troubledAtMs: null };
  }
}

function isHeir({ heir, heirProcess }: Calm, leader: Host): boolean {
  return heir.process === heirProcess && isWell(heir, leader);
}

function isAwake({ build, clock }: Host): boolean {
  return !clock.isFrozen && buildAt(build).framesKnown === FRAMES_KNOWN;
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
