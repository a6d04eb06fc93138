/**
 * The faults: what can be done to a cluster, and one after the other at random.
 *
 * Promise: the kinds, the lengths, the pauses and which member by number come from the seed alone;
 * who leads at that moment does not. A fault has ended, and what it killed runs again, before the
 * next one begins.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../ports.ts';
import type { Cluster } from './cluster.ts';
import type { Member } from './member.ts';
import type { Broken } from './wires.ts';

export const FAULT_KINDS = [
  'kill',
  'kill-leader',
  'kill-all',
  'freeze',
  'restart',
  'partition',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** How often each is chosen, against the others. The death of a leader costs the most. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  kill: 3,
  'kill-leader': 4,
  'kill-all': 1,
  freeze: 3,
  restart: 1,
  partition: 3,
};

/** A fault with all that chance has to say of it. */
export interface Fault {
  readonly kind: FaultKind;
  /** The number of a member, which a kind may do without. */
  readonly victim: number;
  /** How long a member stays dead, frozen or apart. */
  readonly lengthMs: number;
  readonly partition: PartitionKind;
  readonly broken: Broken;
}

/** Against all others: nothing passes, nothing reaches it, nothing leaves it. */
const PARTITION_KINDS = ['apart', 'deaf', 'mute'] as const;

type PartitionKind = (typeof PARTITION_KINDS)[number];

const DEAD_MS = { min: 200, max: 4_000 };
const APART_MS = { min: 1_000, max: 8_000 };
/** A rolling restart goes on to the next member when the one before is ready, or after this. */
const READY_LIMIT_MS = 15_000;

export function nextFault(random: Random, kinds: readonly FaultKind[], nodes: number): Fault {
  const kind = chosen(random, kinds);
  const victim = Math.floor(random.next() * nodes);
  const { min, max } = kind === 'freeze' || kind === 'partition' ? APART_MS : DEAD_MS;
  const lengthMs = Math.round(min + random.next() * (max - min));
  const partition = PARTITION_KINDS[Math.floor(random.next() * PARTITION_KINDS.length)] ?? 'apart';
  return { kind, victim, lengthMs, partition, broken: random.next() < 0.5 ? 'held' : 'cut' };
}

/** Half to one and a half times the usual pause. */
export function nextPauseMs(random: Random, everyMs: number): number {
  return Math.round(everyMs * (0.5 + random.next()));
}

export class FaultMaker {
  readonly counts = new Map<FaultKind, number>();
  readonly #cluster: Cluster;
  readonly #tell: (line: string) => void;
  readonly #signal: AbortSignal;

  /** `signal` cuts short what lasts. */
  constructor(cluster: Cluster, tell: (line: string) => void, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#tell = tell;
    this.#signal = signal;
  }

  async make(fault: Fault): Promise<void> {
    const leader = await this.#cluster.leader();
    const victim = this.#cluster.members[fault.victim];
    if (victim === undefined || this.#signal.aborted) return;
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    const lasts = `for ${(fault.lengthMs / 1_000).toFixed(1)} s`;
    switch (fault.kind) {
      case 'kill':
        this.#tell(`kill -9 ${nameOf(victim, leader)} ${lasts}`);
        return this.#kill([victim], fault.lengthMs);
      case 'kill-leader':
        this.#tell(`kill -9 ${nameOf(leader ?? victim, leader)} ${lasts}`);
        return this.#kill([leader ?? victim], fault.lengthMs);
      case 'kill-all':
        this.#tell(`kill -9 all ${lasts}`);
        return this.#kill(this.#cluster.members, fault.lengthMs);
      case 'freeze':
        this.#tell(`SIGSTOP ${nameOf(victim, leader)} ${lasts}`);
        victim.freeze();
        await this.#pause(fault.lengthMs);
        return victim.thaw();
      case 'restart':
        this.#tell('SIGTERM and start of one after the other');
        return this.#restartAll();
      case 'partition':
        this.#tell(
          `${PARTITION_WORDS[fault.partition]} ${nameOf(victim, leader)}, ${fault.broken}, ${lasts}`,
        );
        return this.#separate(victim, fault);
    }
  }

  async #kill(victims: readonly Member[], deadMs: number): Promise<void> {
    await Promise.all(victims.map((victim) => victim.kill()));
    await this.#pause(deadMs);
    for (const victim of victims) victim.start();
  }

  async #restartAll(): Promise<void> {
    for (const member of this.#cluster.members) {
      if (this.#signal.aborted) return;
      if (!(await member.stop())) this.#tell(`${member.name} did not stop: killed`);
      member.start();
      if (await this.#cluster.untilReady(member, READY_LIMIT_MS, this.#signal)) continue;
      if (!this.#signal.aborted) this.#tell(`${member.name} is not ready: going on`);
    }
  }

  async #separate(victim: Member, { partition, broken, lengthMs }: Fault): Promise<void> {
    const { members, wires } = this.#cluster;
    for (const other of members) {
      if (other === victim) continue;
      if (partition !== 'deaf') wires?.break(victim.name, other.name, broken);
      if (partition !== 'mute') wires?.break(other.name, victim.name, broken);
    }
    await this.#pause(lengthMs);
    wires?.heal();
  }

  async #pause(lengthMs: number): Promise<void> {
    await sleep(lengthMs, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

const PARTITION_WORDS: Readonly<Record<PartitionKind, string>> = {
  apart: 'partition around',
  deaf: 'nothing reaches',
  mute: 'nothing leaves',
};

function nameOf(member: Member, leader: Member | null): string {
  return member === leader ? `${member.name} (leader)` : member.name;
}

function chosen(random: Random, kinds: readonly FaultKind[]): FaultKind {
  let left = random.next() * kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
  for (const kind of kinds) {
    left -= WEIGHTS[kind];
    if (left < 0) return kind;
  }
  return kinds[0] ?? 'kill';
}
