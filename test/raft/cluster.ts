/**
 * A second host of the core, small enough to read: memory for disks, a list for the network.
 *
 * Nothing happens by itself. The scenario files say what is delivered and what becomes durable; the
 * chaos test draws it. What a crash may lose is modelled: writes that were not acknowledged.
 */

import { emptyDisk } from '../../src/raft/bootstrap.ts';
import { decodeConfState } from '../../src/raft/confchange.ts';
import { createRaft } from '../../src/raft/core.ts';
import { describeEffect, describeMessage } from '../../src/raft/describe.ts';
import type {
  ConfigAt,
  Effect,
  Entry,
  HardState,
  Input,
  Message,
  NodeId,
  Persist,
  Raft,
  RaftOptions,
  RaftStatus,
  Restored,
  SnapshotPosition,
  TermRun,
} from '../../src/raft/types.ts';

export type Work = Extract<Effect, { type: 'apply' | 'installSnapshot' }>;
export type Fetch = Extract<Effect, { type: 'readEntries' }>;
export type Sending = Extract<Effect, { type: 'sendSnapshot' }>;
export type ClusterOptions = Omit<RaftOptions, 'id'>;

/** What a disk holds: a log after some snapshot, and the promises of its node. */
export class Disk {
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  snapshot: SnapshotPosition | null = null;
  compacted = { index: 0, term: 0 };
  entries: Entry[] = [];
  readonly bootstrap: readonly ConfigAt[];

  constructor(voters: readonly NodeId[] = []) {
    this.bootstrap = emptyDisk(voters).configs;
  }

  get lastIndex(): number {
    return this.compacted.index + this.entries.length;
  }

  write({ hardState, snapshot, truncateFrom, entries }: Persist): void {
    if (snapshot !== undefined) {
      this.snapshot = snapshot;
      this.compacted = { index: snapshot.index, term: snapshot.term };
      this.entries = [];
    }
    if (truncateFrom !== undefined) this.truncateFrom(truncateFrom);
    for (const entry of entries) {
      if (entry.index !== this.lastIndex + 1) {
        throw new Error(`disk: entry ${entry.index} after ${this.lastIndex}`);
      }
      this.entries.push(entry);
    }
    if (hardState !== undefined) this.hardState = hardState;
  }

  truncateFrom(index: number): void {
    this.entries = this.entries.filter((entry) => entry.index < index);
  }

  compact(index: number): void {
    const term = this.entries.find((entry) => entry.index === index)?.term;
    if (term === undefined) return;
    this.compacted = { index, term };
    this.entries = this.entries.filter((entry) => entry.index > index);
  }

  copy(): Disk {
    const copy = new Disk();
    return Object.assign(copy, this, { entries: [...this.entries] });
  }

  restored(damaged: boolean): Restored {
    const base = this.snapshot === null ? this.bootstrap : [this.snapshot.config];
    const appliedIndex = this.snapshot?.index ?? 0;
    const inLog = this.entries
      .filter(({ type, index }) => type === 'config' && index > appliedIndex)
      .map(({ index, data }) => ({ index, confState: decodeConfState(data) }));
    const terms: TermRun[] = [];
    for (const { term, index } of this.entries) {
      if (terms.at(-1)?.term !== term) terms.push({ term, from: index });
    }
    return {
      hardState: this.hardState,
      configs: [...base, ...inLog],
      compacted: this.compacted,
      lastIndex: this.lastIndex,
      terms,
      snapshot: this.snapshot,
      appliedIndex,
      damaged,
    };
  }
}

/** One member: its core, its disk, and what its host was told to do and has not done. */
export class Member {
  readonly id: NodeId;
  disk: Disk;
  raft: Raft | null = null;
  starts = 0;
  writes: Persist[] = [];
  work: Work[] = [];
  fetches: Fetch[] = [];
  sending = new Map<NodeId, Sending>();
  /** Every entry that the state machine holds, by order; a snapshot is a copy of it. */
  state: Entry[] = [];
  /** Content of snapshots, by index: its own and those moved here by a leader. */
  contents = new Map<number, Entry[]>();
  /** While set, a quiet cluster leaves these for the scenario to do by hand. */
  holdsWrites = false;
  holdsWork = false;
  holdsSnapshots = false;

  constructor(id: NodeId, disk: Disk) {
    this.id = id;
    this.disk = disk;
  }

  /** The log as the core sees it: the disk with every unacknowledged write on top. */
  log(): Disk {
    const copy = this.disk.copy();
    for (const write of this.writes) copy.write(write);
    return copy;
  }
}

export class Cluster {
  readonly members = new Map<NodeId, Member>();
  readonly options: ClusterOptions;
  network: Message[] = [];
  /** Links that lose everything, as `a→b`. */
  readonly cut = new Set<string>();
  /** Called with everything that happens, in order. */
  onEffect: (member: Member, effect: Effect) => void = () => {};
  onLine: (line: string) => void = () => {};

  constructor(voters: readonly NodeId[], options: ClusterOptions) {
    this.options = options;
    for (const id of voters) this.add(id, new Disk(voters));
  }

  add(id: NodeId, disk: Disk = new Disk()): Member {
    const member = new Member(id, disk);
    this.members.set(id, member);
    this.start(id);
    return member;
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  status(id: NodeId): RaftStatus {
    const { raft } = this.member(id);
    if (raft === null) throw new Error(`${id} is down`);
    return raft.status();
  }

  alive(): Member[] {
    return [...this.members.values()].filter((member) => member.raft !== null);
  }

  leaders(): Member[] {
    return this.alive().filter((member) => member.raft?.status().role === 'leader');
  }

  start(id: NodeId, damaged = false): void {
    const member = this.member(id);
    member.starts++;
    const nameSum = new TextEncoder().encode(id).reduce((sum, byte) => sum * 31 + byte, 7);
    const seed = this.options.seed * 1_000_003 + nameSum * 101 + member.starts;
    member.raft = createRaft({ ...this.options, id, seed }, member.disk.restored(damaged));
    member.state = [...(member.contents.get(member.disk.snapshot?.index ?? -1) ?? [])];
  }

  /** Stops it; of the writes that were not acknowledged the first `keep` reached the disk anyway. */
  crash(id: NodeId, keep = 0): void {
    const member = this.member(id);
    for (const write of member.writes.slice(0, keep)) member.disk.write(write);
    member.raft = null;
    member.writes = [];
    member.work = [];
    member.fetches = [];
    member.sending.clear();
  }

  step(id: NodeId, input: Input): readonly Effect[] {
    const member = this.member(id);
    if (member.raft === null) return [];
    const effects = member.raft.step(input);
    for (const effect of effects) {
      for (const line of describeEffect(effect).split('\n')) this.onLine(`${id}  ${line}`);
      this.#carryOut(member, effect);
      this.onEffect(member, effect);
    }
    return effects;
  }

  /** Makes the oldest `count` writes durable and says so once, as a group commit does. */
  sync(id: NodeId, count = Infinity): boolean {
    const member = this.member(id);
    const done = member.writes.splice(0, Math.min(count, member.writes.length));
    const last = done.at(-1);
    if (last === undefined) return false;
    for (const write of done) member.disk.write(write);
    this.step(id, { type: 'persisted', id: last.id });
    return true;
  }

  /** Does the oldest piece of work of the state machine. */
  work(id: NodeId): boolean {
    const member = this.member(id);
    const work = member.work.shift();
    if (work === undefined) return false;
    if (work.type === 'apply') {
      member.state.push(...work.entries);
    } else {
      const content = member.contents.get(work.snapshot.index);
      if (content === undefined) throw new Error(`${id} has no content of that snapshot`);
      member.state = [...content];
    }
    const last = member.state.at(-1);
    if (last !== undefined) this.step(id, { type: 'applied', index: last.index });
    return true;
  }

  /** Answers the oldest question for old entries. */
  read(id: NodeId): boolean {
    const member = this.member(id);
    const fetch = member.fetches.shift();
    if (fetch === undefined) return false;
    const { from, to, bytesMax } = fetch;
    let bytes = 0;
    const entries = member.disk.entries
      .filter(({ index }) => index >= from && index <= to)
      .filter((entry, at) => {
        bytes += entry.data.length + 32;
        return at === 0 || bytes <= bytesMax;
      });
    const contiguous = entries[0]?.index === from ? entries : [];
    this.step(id, { type: 'entriesRead', id: fetch.id, entries: contiguous });
    return true;
  }

  /** Moves all of a snapshot to its receiver, or breaks off. */
  sendSnapshot(id: NodeId, to: NodeId, ok = true): void {
    const member = this.member(id);
    const sending = member.sending.get(to);
    if (sending === undefined) return;
    member.sending.delete(to);
    const { index } = sending.snapshot;
    const content = member.contents.get(index);
    if (ok && content !== undefined) this.member(to).contents.set(index, content);
    this.step(id, { type: 'snapshotSent', to, index, ok: ok && content !== undefined });
  }

  /** The host's own snapshot of the state machine as it is now. */
  takeSnapshot(id: NodeId): void {
    const member = this.member(id);
    const index = member.state.at(-1)?.index ?? 0;
    if (index === 0 || index <= this.status(id).snapshotIndex) return;
    member.contents.set(index, [...member.state]);
    const config = this.#configAt(member, index);
    const term = member.state.at(-1)?.term ?? 0;
    member.disk.snapshot = { index, term, config };
    this.step(id, { type: 'snapshotTaken', index });
  }

  compact(id: NodeId, index: number): void {
    this.step(id, { type: 'compacted', index });
    this.member(id).disk.compact(index);
  }

  /** Delivers the message at this place of the network, if its link is up and its receiver too. */
  deliver(at: number): void {
    const [message] = this.network.splice(at, 1);
    if (message === undefined) return;
    const { from, to } = message;
    const member = this.members.get(to);
    if (member === undefined || member.raft === null || this.cut.has(`${from}→${to}`)) {
      this.onLine(`lost  ${describeMessage(message)}`);
      return;
    }
    // A host passes the word on only if it has the content.
    if (message.type === 'snapshot' && !member.contents.has(message.snapshot.index)) {
      this.onLine(`withheld  ${describeMessage(message)}`);
      return;
    }
    this.onLine(`${to}  ← ${describeMessage(message)}`);
    this.step(to, { type: 'message', message });
  }

  /** Disks, state machines and network run until nothing is left to do. No time passes. */
  settle(roundsMax = 3000): void {
    for (let round = 0; round < roundsMax; round++) {
      const busy = this.alive().map((member) => this.#runHost(member));
      const [message] = this.network;
      if (message !== undefined) this.deliver(0);
      else if (!busy.includes(true)) return;
    }
    throw new Error('the cluster does not come to rest');
  }

  tickAll(times: number): void {
    for (let tick = 0; tick < times; tick++) {
      for (const { id } of this.alive()) this.step(id, { type: 'tick' });
      this.settle();
    }
  }

  /** Ticks this member alone until it stands for election. */
  campaign(id: NodeId): void {
    for (let tick = 0; tick < 2 * this.options.electionTicks; tick++) {
      this.step(id, { type: 'tick' });
      if (this.status(id).role !== 'follower') return;
    }
  }

  #runHost(member: Member): boolean {
    const { id } = member;
    let busy = false;
    if (!member.holdsWrites) busy = this.sync(id) || busy;
    if (!member.holdsWork) busy = this.work(id) || busy;
    busy = this.read(id) || busy;
    for (const to of member.holdsSnapshots ? [] : [...member.sending.keys()]) {
      this.sendSnapshot(id, to);
      busy = true;
    }
    return busy;
  }

  #carryOut(member: Member, effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        member.writes.push(effect);
        return;
      case 'send':
        this.network.push(...effect.messages);
        return;
      case 'apply':
      case 'installSnapshot':
        member.work.push(effect);
        return;
      case 'readEntries':
        member.fetches.push(effect);
        return;
      case 'sendSnapshot':
        member.sending.set(effect.to, effect);
        return;
      case 'cancelSnapshot':
        member.sending.delete(effect.to);
        return;
      default:
        return;
    }
  }

  #configAt(member: Member, index: number): ConfigAt {
    const configs = member.log().restored(false).configs;
    const at = configs.findLast((config) => config.index <= index);
    if (at === undefined) throw new Error('no configuration');
    return at;
  }
}
