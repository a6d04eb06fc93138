/**
 * One node of the exhaustive search: its core and its disk as one value that can be compared.
 *
 * The core cannot be copied, but it is deterministic: a state is kept as the actions that lead to
 * it, and brought back by doing them again. Two states are the same when all that could ever tell
 * them apart is the same; what a core holds back until a write is durable is found out by letting
 * the write become durable and looking at what it then says.
 *
 * Time has no measure here, only leaps: one heartbeat of a leader, or a whole election timeout.
 */

import { raftOn } from '../../../src/raft/core.ts';
import { sortedPeers } from '../../../src/raft/replication.ts';
import { restore } from '../../../src/raft/state.ts';
import type { RaftState } from '../../../src/raft/state.ts';
import type {
  Effect,
  Entry,
  Input,
  Message,
  NodeId,
  Persist,
  Raft,
  Role,
} from '../../../src/raft/types.ts';
import { Disk } from '../cluster.ts';

export const NODES: readonly NodeId[] = ['a', 'b', 'c'];

export type Action =
  | { readonly type: 'deliver'; readonly message: Message }
  /** An election timeout passes: a leader resigns unheard, anybody else stands for election. */
  | { readonly type: 'timeout' }
  | { readonly type: 'heartbeat' }
  | { readonly type: 'propose' }
  /** The oldest `count` writes become durable and are acknowledged at once. */
  | { readonly type: 'sync'; readonly count: number }
  /** It crashes and comes back; of the writes under way the first `keep` reached the disk. */
  | { readonly type: 'restart'; readonly keep: number };

/** What the invariants need to know of a node. */
export interface Facts {
  readonly node: NodeId;
  readonly role: Role;
  readonly term: number;
  readonly commit: number;
  /** Entries as `term type`, the disk with every write under way on top. */
  readonly log: readonly string[];
  readonly durableLog: readonly string[];
  readonly durableTerm: number;
  /** Whether the vote of the durable term is given, durably. */
  readonly hasVoted: boolean;
  readonly writes: number;
}

/** A node after an action, what it sent, and how to tell its state from others. */
export interface Outcome {
  readonly print: string;
  readonly facts: Facts;
  readonly sent: readonly Message[];
}

const ELECTION_TICKS = 2;

/** Brings a node to life through its past, does one more thing, and looks at what came of it. */
export function outcomeOf(node: NodeId, past: readonly Action[]): Outcome {
  const live = revive(node, past.slice(0, -1));
  live.sent = [];
  const last = past.at(-1);
  if (last !== undefined) live.act(last);
  live.check();
  const facts = live.facts();
  const { sent } = live;
  const print = live.print();
  return { print: JSON.stringify([print, saidOnceDurable(node, past)]), facts, sent };
}

function revive(node: NodeId, past: readonly Action[]): Live {
  const live = new Live(node);
  for (const action of past) live.act(action);
  return live;
}

function saidOnceDurable(node: NodeId, past: readonly Action[]): unknown {
  const live = revive(node, past);
  const { length } = live.writes;
  return Array.from({ length }, () => {
    live.sent = [];
    live.act({ type: 'sync', count: 1 });
    // The network of the search is a set: saying a thing twice is saying it.
    return [...new Set(live.sent.map((message) => JSON.stringify(message)))].sort();
  });
}

class Live {
  readonly #node: NodeId;
  #disk = new Disk(NODES);
  #state: RaftState;
  #raft: Raft;
  writes: Persist[] = [];
  sent: Message[] = [];

  constructor(node: NodeId) {
    this.#node = node;
    this.#state = this.#restored();
    this.#raft = raftOn(this.#state);
  }

  act(action: Action): void {
    switch (action.type) {
      case 'deliver':
        return this.#step({ type: 'message', message: action.message });
      case 'timeout':
        return this.#timeout();
      case 'heartbeat':
        return this.#step({ type: 'tick' });
      case 'propose':
        return this.#step({ type: 'propose', ref: 1, data: new Uint8Array(0) });
      case 'sync':
        return this.#sync(action.count);
      case 'restart':
        for (const write of this.writes.slice(0, action.keep)) this.#disk.write(write);
        this.writes = [];
        this.#state = this.#restored();
        this.#raft = raftOn(this.#state);
        return;
    }
  }

  facts(): Facts {
    const { role, term, commit } = this.#state;
    return {
      node: this.#node,
      role,
      term,
      commit,
      log: this.#log().entries.map(nameOf),
      durableLog: this.#disk.entries.map(nameOf),
      durableTerm: this.#disk.hardState.term,
      hasVoted: this.#disk.hardState.vote !== null,
      writes: this.writes.length,
    };
  }

  /** The core and the host agree on what the log is, and on what of it is durable. */
  check(): void {
    const log = this.#log();
    const view = this.#state.log;
    if (view.lastIndex !== log.lastIndex) throw new Error(`${this.#node}: two ends of the log`);
    for (const { index, term } of log.entries) {
      if (view.term(index) !== term) throw new Error(`${this.#node}: two terms at ${index}`);
    }
    for (const { index, term } of log.entries.slice(0, view.durableIndex)) {
      const onDisk = this.#disk.entries[index - 1];
      if (onDisk?.term !== term) {
        throw new Error(`${this.#node}: counts ${term}/${index} as durable, but it is not`);
      }
    }
    if (this.#state.commit > view.lastIndex) throw new Error(`${this.#node}: commit past the log`);
  }

  /**
   * All that decides what it will do, save what it withholds. Counts of ticks are relative; appends
   * under way are left out because so few never fill a window.
   */
  print(): unknown {
    const { role, term, vote, commit, leader, tick, electionElapsed, log } = this.#state;
    const { applied, applying, fetchId, proposals, transfer, votes } = this.#state;
    const { durableTerm, durableVote } = this.#state.writes;
    const peers = sortedPeers(this.#state).map((peer) => [
      peer.id,
      peer.state,
      peer.match,
      peer.next,
      peer.paused,
      peer.sentCommit,
      peer.fetchId !== null,
      Math.min(tick - peer.lastContactTick, ELECTION_TICKS),
    ]);
    return [
      [this.#node, role, term, vote, commit, leader, electionElapsed, log.durableIndex],
      [applied, applying, fetchId !== null, proposals.length, transfer, log.windowFirst],
      [durableTerm, durableVote, NODES.map((node) => votes.get(node)), peers],
      [this.#disk.hardState, this.#disk.entries.map(nameOf)],
      this.writes.map(({ hardState, truncateFrom, entries }) => {
        return [hardState, truncateFrom, entries.map(nameOf)];
      }),
    ];
  }

  /** Every election timeout is as long as the shortest: which one ends first is for the search. */
  #restored(): RaftState {
    const options = { id: this.#node, electionTicks: ELECTION_TICKS, heartbeatTicks: 1, seed: 1 };
    // Nothing here is slow, it is only not yet done: so no disk ever counts as stalled.
    const limits = { persistStallTicks: Infinity };
    const state = restore({ ...options, limits }, this.#disk.restored(false));
    return { ...state, random: { below: () => 0 }, electionTimeout: ELECTION_TICKS };
  }

  #timeout(): void {
    const wasLeader = this.#state.role === 'leader';
    do this.#step({ type: 'tick' });
    while (wasLeader ? this.#state.role === 'leader' : this.#state.electionElapsed > 0);
  }

  #sync(count: number): void {
    const done = this.writes.splice(0, count);
    for (const write of done) this.#disk.write(write);
    const last = done.at(-1);
    if (last !== undefined) this.#step({ type: 'persisted', id: last.id });
  }

  #step(input: Input): void {
    const inputs = [input];
    for (const each of inputs) {
      const before = this.#state.commit;
      for (const effect of this.#raft.step(each)) inputs.push(...this.#carryOut(effect));
      if (this.#state.commit < before) throw new Error(`${this.#node}: its commit index fell`);
    }
  }

  /** State machine and reads of the disk are prompt, since they answer to this node alone. */
  #carryOut(effect: Effect): Input[] {
    switch (effect.type) {
      case 'persist':
        this.writes.push(effect);
        return [];
      case 'send':
        for (const message of effect.messages) this.#send(message);
        return [];
      case 'apply':
        return [{ type: 'applied', index: this.#applied(effect.entries) }];
      case 'readEntries': {
        const entries = this.#disk.entries.slice(effect.from - 1, effect.to);
        return [{ type: 'entriesRead', id: effect.id, entries }];
      }
      default:
        return [];
    }
  }

  #applied(entries: readonly Entry[]): number {
    const last = entries.at(-1)?.index ?? 0;
    if (last > this.#disk.lastIndex) throw new Error(`${this.#node}: applies what is not on disk`);
    return last;
  }

  /** No message says more than the disk of its sender holds. */
  #send(message: Message): void {
    const { hardState, lastIndex } = this.#disk;
    const told = message.type === 'preVote' || (message.type === 'preVoteReply' && message.granted);
    if (!told && message.term > hardState.term) {
      throw new Error(`${this.#node}: tells term ${message.term} before it is durable`);
    }
    if (message.type === 'appendReply' && message.ok && message.index > lastIndex) {
      throw new Error(`${this.#node}: confirms ${message.index} before it is durable`);
    }
    if (message.type === 'voteReply' && message.granted && hardState.vote !== message.to) {
      throw new Error(`${this.#node}: grants a vote before it is durable`);
    }
    this.sent.push(message);
  }

  #log(): Disk {
    const log = this.#disk.copy();
    for (const write of this.writes) log.write(write);
    return log;
  }
}

function nameOf({ term, type }: Entry): string {
  return `${term} ${type}`;
}
