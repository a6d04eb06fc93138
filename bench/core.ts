/**
 * What the Raft core costs alone: groups of cores in one process, under hosts that only carry.
 * Messages are handed over as objects, writes are durable and entries applied as soon as they are
 * handed out, so nothing that is measured here is a disk, an encoding or a socket.
 *
 * First groups of three and five, by how many entries are proposed before any message is delivered,
 * and ticks of a group to which nothing is proposed. Then three cores on logs of a thousand entries
 * to a million, which should cost the same: compacted as the daemon does it, and all held in memory.
 * Prints a table and one JSON line a case.
 */

import { GCProfiler, getHeapStatistics } from 'node:v8';
import { emptyDisk } from '../src/raft/bootstrap.ts';
import { createRaft } from '../src/raft/core.ts';
import type { Effect, Input, Limits, Message, NodeId, Raft } from '../src/raft/types.ts';

/** One for all entries: only how many there are is the core's business. */
const DATA = new Uint8Array(256);
/** What such an entry counts for in the limits of the core. */
const ENTRY_BYTES = DATA.length + 32;
/** As the daemon does: the log reaches back to the snapshot before the newest. */
const SNAPSHOT_ENTRIES = 20_000;
const ELECTION_TICKS = 10;

const WARM_UP = 100_000;
/** Entries, or ticks, of a case. */
const COUNT = 300_000;

const LENGTHS = [1_000, 100_000, 1_000_000];
/**
 * The array that holds a million entries is copied once in a million: measured over fewer, that copy
 * would count for nothing or for far too much.
 */
const LENGTH_ENTRIES = 1_000_000;
const LENGTH_TICKS = 200_000;
/** Between two looks at how long the log has become. */
const STRIDE = 20_000;
const LENGTH_BATCH = 64;

interface Member {
  readonly id: NodeId;
  readonly raft: Raft;
  /** The newest write that the core asked for, and the newest that it was told to be durable. */
  written: number;
  durable: number;
  /** The newest entry that the core handed out, and the newest that it was told to be applied. */
  handedOut: number;
  applied: number;
  snapshotIndex: number;
}

/** A group of cores with a leader; at rest between two calls. */
class Group {
  readonly #members: ReadonlyMap<NodeId, Member>;
  readonly #compacts: boolean;
  #network: Message[] = [];
  steps = 0;

  constructor(size: number, compacts = true, limits: Partial<Limits> = {}) {
    const names = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const members = names.map((id, at): Member => {
      const options = { id, seed: at, electionTicks: ELECTION_TICKS, heartbeatTicks: 1, limits };
      const raft = createRaft(options, emptyDisk(names));
      return { id, raft, written: 0, durable: 0, handedOut: 0, applied: 0, snapshotIndex: 0 };
    });
    this.#members = new Map(members.map((member) => [member.id, member]));
    this.#compacts = compacts;
    this.tick(3 * ELECTION_TICKS);
  }

  get leader(): Member {
    const members = [...this.#members.values()];
    const leader = members.find(({ raft }) => raft.status().role === 'leader');
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  /** Commits so many entries and applies them on every member, `batch` proposed at a time. */
  commit(entries: number, batch: number): void {
    const { leader } = this;
    const goal = leader.applied + entries;
    for (let ref = 0; ref < entries; ref++) {
      this.#step(leader, { type: 'propose', ref, data: DATA });
      if ((ref + 1) % batch === 0) this.#settle();
    }
    this.#settle();
    for (const { id, applied } of this.#members.values()) {
      if (applied !== goal) throw new Error(`${id} applied up to ${applied}, not ${goal}`);
    }
  }

  tick(times: number): void {
    for (let tick = 0; tick < times; tick++) {
      for (const member of this.#members.values()) this.#step(member, { type: 'tick' });
      this.#settle();
    }
  }

  /** All messages of a round are delivered before their writes are durable, as in a group commit. */
  #settle(): void {
    do {
      const messages = this.#network;
      this.#network = [];
      for (const message of messages) {
        const member = this.#members.get(message.to);
        if (member !== undefined) this.#step(member, { type: 'message', message });
      }
      for (const member of this.#members.values()) this.#acknowledge(member);
    } while (this.#network.length > 0);
  }

  #acknowledge(member: Member): void {
    if (member.written > member.durable) {
      member.durable = member.written;
      this.#step(member, { type: 'persisted', id: member.durable });
    }
    if (member.handedOut > member.applied) {
      member.applied = member.handedOut;
      this.#step(member, { type: 'applied', index: member.applied });
      if (this.#compacts) this.#takeSnapshot(member);
    }
  }

  #takeSnapshot(member: Member): void {
    const index = member.applied - (member.applied % SNAPSHOT_ENTRIES);
    const older = member.snapshotIndex;
    if (index === older) return;
    member.snapshotIndex = index;
    this.#step(member, { type: 'snapshotTaken', index });
    if (older > 0) this.#step(member, { type: 'compacted', index: older });
  }

  #step(member: Member, input: Input): void {
    this.steps++;
    for (const effect of member.raft.step(input)) this.#carryOut(member, effect);
  }

  #carryOut(member: Member, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#network.push(...effect.messages);
        return;
      case 'persist':
        member.written = effect.id;
        return;
      case 'apply':
        member.handedOut = effect.entries.at(-1)?.index ?? member.handedOut;
        return;
      case 'accepted':
      case 'roleChanged':
      case 'configChanged':
        return;
      default:
        throw new Error(`${member.id} asks for ${effect.type}, which nothing here should need`);
    }
  }
}

/** What so many entries or ticks cost, on all cores of the group together. */
interface Spent {
  readonly count: number;
  readonly steps: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

const NOTHING: Spent = { count: 0, steps: 0, cpuMs: 0, bytes: 0 };

checkBytes();
console.log('STEPS/S   EACH: STEPS  NS       BYTES   AGAINST 1,000   CASE');
measureGroups();
for (const compacts of [true, false]) measureLengths(compacts);

function measureGroups(): void {
  const cases = [3, 5].flatMap((size) => {
    const group = new Group(size);
    const name = `${size} cores, an entry`;
    return [
      { name: `${name}, 1 at a time`, group, work: (count: number) => group.commit(count, 1) },
      { name: `${name}, 64 at a time`, group, work: (count: number) => group.commit(count, 64) },
      { name: `${size} cores, a tick`, group, work: (count: number) => group.tick(count) },
    ];
  });
  // All of them first, so that no case is measured with code that was made for the one before.
  for (const { work } of cases) work(WARM_UP);
  for (const { name, group, work } of cases) {
    collect();
    print(name, spend(group, COUNT, work));
  }
}

/**
 * All lengths twice, and the better of both: others on the machine make a case dearer, and never
 * cheaper.
 */
function measureLengths(compacts: boolean): void {
  const entries = new Map<number, Spent>();
  const ticks = new Map<number, Spent>();
  for (const length of [...LENGTHS, ...LENGTHS]) {
    const measured = measureLength(length, compacts);
    entries.set(length, cheaper(measured.entries, entries.get(length)));
    ticks.set(length, cheaper(measured.ticks, ticks.get(length)));
  }
  const kept = compacts ? 'compacted' : 'held in memory';
  for (const [unit, all] of Object.entries({ 'an entry': entries, 'a tick': ticks })) {
    const [shortest] = all.values();
    for (const [length, spent] of all) {
      print(`${length.toLocaleString('en')} entries ${kept}, ${unit}`, spent, shortest);
    }
  }
}

function measureLength(length: number, compacts: boolean): { entries: Spent; ticks: Spent } {
  let group = grow(length, compacts);
  const work = (count: number): void => group.commit(count, LENGTH_BATCH);
  let entries = NOTHING;
  while (entries.count < LENGTH_ENTRIES) {
    // The log grows while it is measured; once it has doubled, a new one takes its place.
    if (group.leader.applied > 2 * length) group = grow(length, compacts);
    entries = sum(entries, spend(group, STRIDE, work));
  }
  collect();
  return { entries, ticks: spend(group, LENGTH_TICKS, (count) => group.tick(count)) };
}

/** Entries go through the whole group, so whatever a life leaves behind in a core is there. */
function grow(length: number, compacts: boolean): Group {
  const windowBytesMax = length * ENTRY_BYTES;
  const group = new Group(3, compacts, compacts ? {} : { windowBytesMax });
  group.commit(length, LENGTH_BATCH);
  const { firstIndex, windowBytes } = group.leader.raft.status();
  const isAsMeant = compacts
    ? length - firstIndex < 2 * SNAPSHOT_ENTRIES
    : firstIndex === 1 && windowBytes > windowBytesMax - ENTRY_BYTES;
  if (!isAsMeant) throw new Error(`from ${firstIndex}, ${windowBytes} bytes are in memory`);
  collect();
  return group;
}

function spend(group: Group, count: number, work: (count: number) => void): Spent {
  const stepsBefore = group.steps;
  const measured = measure(() => work(count));
  return { count, steps: group.steps - stepsBefore, ...measured };
}

/**
 * Time is that of the processor, the threads of the collector included, so that others who take the
 * processor away do not count.
 *
 * Bytes are what the heap grew by and what each collection freed, as V8 itself says before and after
 * it. So nothing is lost between two looks, however many collections there were, and nothing is
 * estimated; `checkBytes` holds it against objects of a known size. Inputs and queues of the hosts
 * are in it, as a host cannot do without them.
 */
function measure(work: () => void): { cpuMs: number; bytes: number } {
  const profiler = new GCProfiler();
  profiler.start();
  const usedBefore = getHeapStatistics().used_heap_size;
  const cpuBefore = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(cpuBefore);
  let bytes = getHeapStatistics().used_heap_size - usedBefore;
  for (const { beforeGC, afterGC } of profiler.stop().statistics) {
    bytes += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize;
  }
  return { cpuMs: (user + system) / 1_000, bytes };
}

/** With objects that die young, and with such as live until a collection of the whole heap. */
function checkBytes(): void {
  const objects = 5_000_000;
  // Three words that every object has, and one for each of its four fields.
  const bytesAllocated = objects * (3 + 4) * 8;
  for (const alive of [100, 500_000]) {
    const kept: unknown[] = Array.from({ length: alive }, () => null);
    const { bytes } = measure(() => {
      for (let at = 0; at < objects; at++) kept[at % alive] = { a: at, b: at, c: at, d: at };
    });
    const share = bytes / bytesAllocated;
    console.log(`of the bytes of ${objects} objects, ${alive} alive: ${share.toFixed(3)} measured`);
    if (Math.abs(share - 1) > 0.02) throw new Error('what is measured is not what is allocated');
  }
}

/**
 * What is measured next is not charged with what came before it. Nor is it slowed down by a marking
 * that began then, which ticks would never bring to its end, as nothing of theirs grows old.
 */
function collect(): void {
  if (globalThis.gc === undefined) throw new Error('run it with --expose-gc, as the script does');
  globalThis.gc();
}

function sum(a: Spent, b: Spent): Spent {
  return {
    count: a.count + b.count,
    steps: a.steps + b.steps,
    cpuMs: a.cpuMs + b.cpuMs,
    bytes: a.bytes + b.bytes,
  };
}

function cheaper(one: Spent, other: Spent = one): Spent {
  return one.cpuMs < other.cpuMs ? one : other;
}

function print(name: string, spent: Spent, shortest?: Spent): void {
  const figures = figuresOf(spent);
  const { stepsPerSecond, stepsEach, nsEach, bytesEach } = figures;
  const against = shortest === undefined ? null : ratiosOf(figures, figuresOf(shortest));
  const words = against === null ? '' : `${against.ns.toFixed(2)} x, ${against.bytes.toFixed(2)} x`;
  console.log(
    [
      Math.round(stepsPerSecond).toLocaleString('en').padEnd(15),
      stepsEach.toFixed(1).padEnd(6),
      Math.round(nsEach).toLocaleString('en').padEnd(8),
      Math.round(bytesEach).toLocaleString('en').padEnd(7),
      words.padEnd(15),
      name,
    ].join(' '),
  );
  console.log(JSON.stringify({ bench: 'core', case: name, ...figures, against }));
}

interface Figures {
  readonly stepsPerSecond: number;
  readonly stepsEach: number;
  readonly nsEach: number;
  readonly bytesEach: number;
}

function figuresOf({ count, steps, cpuMs, bytes }: Spent): Figures {
  return {
    stepsPerSecond: (steps / cpuMs) * 1_000,
    stepsEach: steps / count,
    nsEach: (cpuMs / count) * 1e6,
    bytesEach: bytes / count,
  };
}

function ratiosOf(figures: Figures, others: Figures): { ns: number; bytes: number } {
  return {
    ns: figures.nsEach / others.nsEach,
    bytes: figures.bytesEach / others.bytesEach,
  };
}
