/**
 * One seeded run: a while in which everything goes wrong, then peace in which all must come right.
 *
 * The seed decides everything, so a failure is repeated by its seed alone.
 */

import { describeConfig } from '../../src/raft/describe.ts';
import { createRandom } from '../../src/raft/random.ts';
import type { Random } from '../../src/raft/random.ts';
import type { ConfChange, NodeId } from '../../src/raft/types.ts';
import { Checker } from './checker.ts';
import { Cluster } from './cluster.ts';

const VOTERS = ['a', 'b', 'c'];
const ALL = ['a', 'b', 'c', 'd', 'e'];
const ELECTION_TICKS = 5;

type Move = keyof typeof EVEN;

/** How often each thing happens, beside the others. */
const EVEN = {
  tick: 8,
  network: 42,
  sync: 16,
  work: 8,
  read: 4,
  moveSnapshot: 3,
  propose: 9,
  ask: 5,
  takeSnapshot: 2,
  compact: 2,
  change: 1,
  transfer: 0,
  crash: 0,
};

/** What seldom meets in an even run meets where one thing happens much more often. */
const TEMPERS: readonly Readonly<Record<Move, number>>[] = [
  EVEN,
  { ...EVEN, change: 10, network: 60 },
  { ...EVEN, sync: 4, tick: 12 },
  { ...EVEN, transfer: 5, tick: 6 },
  { ...EVEN, tick: 20, crash: 2, propose: 14 },
  { ...EVEN, sync: 3, tick: 25, propose: 20 },
];

export interface ChaosOptions {
  readonly seed: number;
  readonly steps: number;
  /** Called with every line of the trace, to look into a failure. */
  readonly onLine?: (line: string) => void;
}

/** Situations met, by name. Throws with the seed in its message if a promise is broken. */
export function runChaos({ seed, steps, onLine }: ChaosOptions): ReadonlyMap<string, number> {
  const chaos = new Chaos(seed, onLine);
  try {
    for (let step = 0; step < steps; step++) chaos.act();
    chaos.makePeace();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}: ${reason}\n${chaos.describe()}`, { cause: error });
  }
  return chaos.checker.seen;
}

class Chaos {
  readonly cluster: Cluster;
  readonly checker: Checker;
  readonly #random: Random;
  readonly #temper: Readonly<Record<Move, number>>;
  #weatherLeft = 300;
  #lossOf = 0;
  /** Disks that do nothing for a while, and clocks that stand still. */
  #frozen: NodeId[] = [];
  #timeless: NodeId[] = [];
  #ref = 0;
  #damaged: NodeId | null = null;

  constructor(seed: number, onLine: ((line: string) => void) | undefined) {
    this.#random = createRandom(seed);
    this.#temper = TEMPERS[seed % TEMPERS.length] ?? EVEN;
    this.cluster = new Cluster(VOTERS, {
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1 + this.#random.below(2),
      seed,
      // Small enough that every bound is met.
      limits: {
        appendBytesMax: 100,
        inflightMessagesMax: 3,
        inflightBytesMax: 250,
        uncommittedBytesMax: 600,
        applyBytesMax: 100,
        applyInflightBytesMax: 200,
        windowBytesMax: 300,
        readsMax: 6,
        promoteLagMax: 2,
        snapshotStallTicks: 4,
        persistStallTicks: 15,
      },
    });
    for (const id of ALL) if (!VOTERS.includes(id)) this.cluster.add(id);
    this.checker = new Checker(this.cluster);
    if (onLine !== undefined) this.cluster.onLine = onLine;
  }

  act(): void {
    this.#actOnce(this.#pick(ALL));
    this.checker.afterStep();
    if (this.#random.below(200) === 0) this.checker.checkLogMatching();
  }

  /** Everything runs again; the cluster must elect, serve, and agree. */
  makePeace(): void {
    const { cluster } = this;
    cluster.cut.clear();
    for (const member of cluster.members.values()) {
      if (member.raft === null) cluster.start(member.id, member.id === this.#damaged);
      cluster.step(member.id, { type: 'recovered' });
    }
    cluster.settle();
    cluster.tickAll(12 * ELECTION_TICKS);
    // Who cannot vote cannot be replaced by hoping: with too few others the cluster waits.
    if (this.#damageBlocks()) return this.checker.count('stopped by a damaged disk');
    const ref = ++this.#ref;
    for (let tries = 0; tries < 5 && !this.#serves(ref); tries++) cluster.tickAll(ELECTION_TICKS);
    this.checker.afterStep();
    this.checker.checkLogMatching();
    this.#checkAgreement(String(ref));
    this.#checkProtection();
    this.#checkTransfer();
    this.checker.afterStep();
  }

  describe(): string {
    return this.cluster
      .alive()
      .map(({ id }) => {
        const { role, term, leader, lastTerm, lastIndex, commitIndex, damaged, config } =
          this.cluster.status(id);
        const text = describeConfig(config.confState);
        return `${id} ${role} term ${term} leader ${leader} last ${lastTerm}/${lastIndex} commit ${commitIndex}${damaged ? ' damaged' : ''}; ${config.index}: ${text}`;
      })
      .join('\n');
  }

  #actOnce(id: NodeId): void {
    const { cluster } = this;
    if (this.#weatherLeft-- <= 0) this.#changeWeather();
    if (cluster.member(id).raft === null) return;
    switch (this.#drawMove()) {
      case 'tick':
        return this.#someOf((each) => this.#tick(each));
      case 'network':
        return this.#network();
      case 'sync':
        return this.#someOf((each) => this.#sync(each));
      case 'work':
        return this.#someOf((each) => cluster.work(each));
      case 'read':
        return this.#someOf((each) => cluster.read(each));
      case 'moveSnapshot':
        return this.#someOf((each) => this.#moveSnapshot(each));
      case 'propose':
        return this.#propose(id);
      case 'ask':
        return this.#ask(id);
      case 'takeSnapshot':
        cluster.takeSnapshot(id);
        return;
      case 'compact':
        return this.#compact(id);
      case 'change':
        return this.#change();
      case 'transfer':
        return this.#transfer();
      case 'crash':
        return this.#crashAndReturn(id);
    }
  }

  #drawMove(): Move {
    const weights = Object.entries(this.#temper) as [Move, number][];
    let left = this.#random.below(weights.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [move, weight] of weights) {
      left -= weight;
      if (left < 0) return move;
    }
    return 'network';
  }

  /** Faults last a while, or what follows from them would never come to pass. */
  #changeWeather(): void {
    const { cluster } = this;
    this.#weatherLeft = 20 + this.#random.below(150);
    this.#lossOf = this.#pick([0, 0, 3, 10, 30]);
    this.#frozen = ALL.filter(() => this.#random.below(8) === 0);
    this.#timeless = this.#random.below(3) === 0 ? [this.#leaderOr(this.#pick(ALL))] : [];
    cluster.cut.clear();
    const victim = this.#leaderOr(this.#pick(ALL));
    const draw = this.#random.below(9);
    if (draw < 2) this.#isolate([victim]);
    else if (draw === 2) this.#isolate(ALL.filter(() => this.#random.below(2) === 0));
    else if (draw === 3) this.#cutSomeLinks();
    else if (draw === 4) this.#transfer();
    else if (draw === 5) cluster.step(victim, { type: 'stalled' });
    else if (draw === 6) cluster.step(victim, { type: 'unreachable', to: this.#pick(ALL) });
    if (this.#random.below(3) === 0) this.#crash(victim);
    for (const { id, raft } of cluster.members.values()) {
      if (this.#random.below(2) === 0) continue;
      if (raft === null) this.#restart(id);
      else cluster.step(id, { type: 'recovered' });
    }
  }

  #network(): void {
    for (let count = this.#random.below(20); count >= 0; count--) {
      const { network } = this.cluster;
      const at = this.#random.below(3) === 0 ? this.#random.below(network.length) : 0;
      const message = network[at];
      if (message === undefined) return;
      const fate = this.#random.below(100);
      if (fate < this.#lossOf) network.splice(at, 1);
      else if (fate > 95) network.push(message);
      else this.cluster.deliver(at);
    }
  }

  /** Members run at about the same pace, or nobody would ever lead. */
  #someOf(act: (id: NodeId) => void): void {
    for (const { id } of this.cluster.alive()) if (this.#random.below(10) > 1) act(id);
  }

  #tick(id: NodeId): void {
    if (!this.#timeless.includes(id)) this.cluster.step(id, { type: 'tick' });
  }

  #sync(id: NodeId): void {
    if (!this.#frozen.includes(id)) this.cluster.sync(id, 1 + this.#random.below(4));
  }

  #propose(id: NodeId): void {
    const to = this.#leaderOr(id);
    const ref = ++this.#ref;
    this.cluster.step(to, { type: 'propose', ref, data: new TextEncoder().encode(String(ref)) });
  }

  /** Half of them where somebody leads, or did: that is where a stale answer would come from. */
  #ask(id: NodeId): void {
    const at = this.#random.below(2) === 0 ? this.#leaderOr(id) : id;
    const ref = ++this.#ref;
    this.checker.readAsked(ref);
    this.cluster.step(at, { type: 'readIndex', ref });
  }

  #compact(id: NodeId): void {
    const { snapshotIndex, firstIndex, peers } = this.cluster.status(id);
    const trailing = this.#random.below(4);
    const index = snapshotIndex - trailing;
    if (index >= firstIndex && Object.keys(peers).length >= 0) this.cluster.compact(id, index);
  }

  #change(): void {
    const [leader] = this.cluster.leaders();
    if (leader === undefined) return;
    const { config } = this.cluster.status(leader.id);
    // With two voters or one a single fault would end the run.
    const few = config.confState.voters.length < 4;
    const ops: ConfChange['op'][] = few ? ['voter', 'join'] : ['voter', 'learner', 'remove'];
    const count = 1 + this.#random.below(3);
    const changes = Array.from({ length: count }, () => ({
      op: this.#pick(ops),
      node: this.#pick(ALL),
    }));
    const joint = config.confState.votersOutgoing.length > 0;
    this.cluster.step(leader.id, {
      type: 'confChange',
      ref: ++this.#ref,
      changes: joint ? [] : changes,
      expectedIndex: config.index - (this.#random.below(10) === 0 ? 1 : 0),
      leave: this.#random.below(4) === 0 ? 'explicit' : 'auto',
    });
  }

  #transfer(): void {
    const [leader] = this.cluster.leaders();
    if (leader === undefined) return;
    const to = this.#random.below(2) === 0 ? {} : { to: this.#pick(ALL) };
    this.cluster.step(leader.id, { type: 'transfer', ref: ++this.#ref, ...to });
  }

  #moveSnapshot(id: NodeId): void {
    const [sending] = this.cluster.member(id).sending.values();
    if (sending === undefined) return;
    const { to, snapshot, resumeAt } = sending;
    const draw = this.#random.below(5);
    if (draw === 0) this.cluster.sendSnapshot(id, to, false);
    else if (draw === 1) {
      const { index } = snapshot;
      const report = { to, index, done: resumeAt + 1, total: 9 };
      this.cluster.step(id, { type: 'snapshotProgress', ...report });
    } else this.cluster.sendSnapshot(id, to);
  }

  #crash(id: NodeId): void {
    const { writes, raft } = this.cluster.member(id);
    if (raft === null) return;
    this.checker.count('crashes');
    this.cluster.crash(id, this.#random.below(writes.length + 1));
  }

  /** A process that is back before anybody has missed it. */
  #crashAndReturn(id: NodeId): void {
    this.#crash(id);
    if (this.cluster.member(id).raft === null) this.#restart(id);
  }

  /** Rarely the disk comes back with its newest entries gone; never two disks at a time. */
  #restart(id: NodeId): void {
    const member = this.cluster.member(id);
    if (this.#damaged !== null && this.#isWhole(this.#damaged)) this.#damaged = null;
    if (this.#damaged === null && this.#random.below(10) === 0 && member.disk.lastIndex > 0) {
      const floor = member.disk.snapshot?.index ?? 0;
      const kept = Math.max(floor, member.disk.lastIndex - 1 - this.#random.below(4));
      this.#damaged = id;
      member.disk.truncateFrom(kept + 1);
      this.checker.count('disks damaged');
    }
    this.cluster.start(id, this.#damaged === id);
  }

  #isWhole(id: NodeId): boolean {
    return this.cluster.member(id).raft?.status().damaged === false;
  }

  /** Those inside hear one another, and nobody outside. */
  #isolate(inside: readonly NodeId[]): void {
    for (const from of inside) {
      for (const to of ALL) {
        if (!inside.includes(to)) this.cluster.cut.add(`${from}→${to}`).add(`${to}→${from}`);
      }
    }
  }

  #cutSomeLinks(): void {
    for (let count = this.#random.below(20); count >= 0; count--) {
      this.cluster.cut.add(`${this.#pick(ALL)}→${this.#pick(ALL)}`);
    }
  }

  #leaderOr(id: NodeId): NodeId {
    const leaders = this.cluster.leaders();
    return leaders.length > 0 && this.#random.below(8) > 0 ? this.#pick(leaders).id : id;
  }

  #damageBlocks(): boolean {
    if (this.cluster.leaders().length > 0) return false;
    const sound = this.cluster.alive().filter(({ raft }) => raft?.status().damaged === false);
    const logs = sound.map(({ id }) => this.cluster.status(id));
    logs.sort((x, y) => y.lastTerm - x.lastTerm || y.lastIndex - x.lastIndex);
    const [best] = logs;
    if (best === undefined || sound.length === ALL.length) return false;
    const { voters, votersOutgoing } = best.config.confState;
    return [voters, votersOutgoing].some((side) => {
      const able = side.filter((voter) => sound.some((member) => member.id === voter));
      return side.length > 0 && able.length * 2 <= side.length;
    });
  }

  #serves(ref: number): boolean {
    const leader = this.cluster.leaders().find(({ id }) => this.cluster.status(id).peers);
    if (leader === undefined) return false;
    const data = new TextEncoder().encode(String(ref));
    const effects = this.cluster.step(leader.id, { type: 'propose', ref: ++this.#ref, data });
    this.cluster.settle();
    return effects.some((effect) => effect.type === 'accepted');
  }

  #checkAgreement(marker: string): void {
    const [leader, second] = this.cluster.leaders();
    if (leader === undefined) throw new Error('no leader in peace');
    if (second !== undefined) throw new Error('two leaders in peace');
    this.cluster.tickAll(4 * ELECTION_TICKS);
    const texts = leader.state.map(({ data }) => new TextDecoder().decode(data));
    if (!texts.includes(marker)) throw new Error('the last proposal was not committed');
    const { voters, votersOutgoing, learners } = this.cluster.status(leader.id).config.confState;
    if (![...voters, ...votersOutgoing].includes(leader.id))
      throw new Error(`${leader.id} leads and is no voter`);
    for (const id of [...voters, ...learners]) {
      const { state } = this.cluster.member(id);
      if (state.length !== leader.state.length) {
        throw new Error(`${id} holds ${state.length} entries, the leader ${leader.state.length}`);
      }
      const status = this.cluster.status(id);
      if (status.damaged) throw new Error(`${id} was not healed`);
    }
  }

  /** A voter that does not hear the leader, and that all others hear, changes nothing. */
  #checkProtection(): void {
    const { leader, others } = this.#inPeace();
    const [deaf] = others;
    if (deaf === undefined || others.length < 2) return;
    const { term } = this.cluster.status(leader);
    this.cluster.cut.add(`${leader}→${deaf}`);
    this.cluster.tickAll(4 * ELECTION_TICKS);
    this.cluster.cut.clear();
    const after = this.#inPeace();
    if (after.leader !== leader || this.cluster.status(leader).term !== term) {
      throw new Error(`${deaf} disturbed ${leader}, which a majority heard`);
    }
    this.cluster.tickAll(ELECTION_TICKS);
  }

  /** Leadership goes where it is asked to go, in no time. */
  #checkTransfer(): void {
    const { leader, others } = this.#inPeace();
    const to = others.at(-1);
    if (to === undefined) return;
    this.cluster.step(leader, { type: 'transfer', ref: ++this.#ref, to });
    this.cluster.settle();
    const after = this.#inPeace();
    if (after.leader !== to) throw new Error(`${leader} could not hand over to ${to}`);
  }

  #inPeace(): { readonly leader: NodeId; readonly others: readonly NodeId[] } {
    const [leader] = this.cluster.leaders();
    if (leader === undefined) throw new Error('no leader in peace');
    const { voters, votersOutgoing } = this.cluster.status(leader.id).config.confState;
    // One that waits in a joint configuration until it is told to leave it is left alone.
    const others = votersOutgoing.length > 0 ? [] : voters.filter((voter) => voter !== leader.id);
    return { leader: leader.id, others };
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#random.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}
