/**
 * Visits every state that three nodes can reach within some bounds, and checks each.
 *
 * The network is the set of messages sent and not delivered, and the next delivery is any of them.
 * So loss, delay and reordering need no moves of their own: what is never chosen is lost. Steps of a
 * node depend on that node alone, so each is computed once and the rest is combination.
 *
 * Left out because it adds no behaviour: states that differ only by the names of the nodes,
 * deliveries that change nothing and send nothing new, and messages that can never matter again.
 */

import { describeMessage } from '../../../src/raft/describe.ts';
import type { Message, NodeId } from '../../../src/raft/types.ts';
import { checkElected, checkState, committedBy } from './invariants.ts';
import type { History } from './invariants.ts';
import { NODES, outcomeOf } from './local.ts';
import type { Action, Facts } from './local.ts';

export interface Bounds {
  /** Terms after the one in which all begin; nobody stands for a later one. */
  readonly terms: number;
  /** Proposals in all; each leader appends an empty entry besides. */
  readonly proposals: number;
  /** Crashes in all, each followed by a restart, with any loss of what was not acknowledged. */
  readonly crashes: number;
  /** Election timeouts in all, a leader's resignation included. */
  readonly timeouts: number;
  readonly heartbeats: number;
  /** Writes of one node that may be under way; with more it first waits for the disk. */
  readonly writes: number;
}

export interface Found {
  readonly states: number;
  readonly transitions: number;
  readonly nodeStates: number;
  readonly depth: number;
  /** False if `statesMax` ended the search before it was complete. */
  readonly complete: boolean;
  /** How many states had a leader of each term, and how many each committed length. */
  readonly reached: ReadonlyMap<string, number>;
}

interface Node {
  readonly id: NodeId;
  readonly past: readonly Action[];
  readonly facts: Facts;
  /** Where each action leads. */
  readonly next: Map<number, Transition>;
  /** The same node with the names changed, by permutation. */
  readonly renamed: number[];
}

interface Transition {
  readonly to: number;
  readonly sent: readonly number[];
}

/** A state of all: nodes by number, messages by number in rising order. */
interface World extends History {
  readonly nodes: readonly number[];
  readonly network: readonly number[];
  readonly spent: Spent;
  readonly depth: number;
  /** How it came about, to tell the story of a failure. */
  readonly before: World | null;
  readonly by: string;
}

type Spent = Readonly<Record<'proposals' | 'crashes' | 'timeouts' | 'heartbeats', number>>;

const PERMUTATIONS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/** Throws at the first state that breaks a promise, with the moves that lead to it. */
export function search(
  bounds: Bounds,
  statesMax = Infinity,
  onState?: (count: number) => void,
): Found {
  return new Search(bounds).run(statesMax, onState);
}

class Search {
  readonly #bounds: Bounds;
  readonly #nodes: Node[] = [];
  readonly #nodeByPrint = new Map<string, number>();
  readonly #actions = new Interned<Action>();
  readonly #messages = new Interned<Message>();
  readonly #renamedMessages: number[][] = [];
  readonly #seen = new Set<string>();
  #todo: World[] = [];
  #transitions = 0;
  readonly #reached = new Map<string, number>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  run(statesMax: number, onState: (count: number) => void = () => {}): Found {
    this.#visit({
      nodes: NODES.map((id) => this.#node(id, [])),
      network: [],
      committed: [],
      leaders: [],
      spent: { proposals: 0, crashes: 0, timeouts: 0, heartbeats: 0 },
      depth: 0,
      before: null,
      by: 'all start',
    });
    let depth = 0;
    let complete = true;
    // Breadth first, so that the story of a failure is as short as can be.
    while (this.#todo.length > 0 && complete) {
      const level = this.#todo;
      this.#todo = [];
      for (const world of level) {
        this.#expand(world);
        if (this.#seen.size >= statesMax) complete = false;
        if (!complete) break;
        onState(this.#seen.size);
      }
      depth++;
    }
    return {
      states: this.#seen.size,
      transitions: this.#transitions,
      nodeStates: this.#nodes.length,
      depth,
      complete,
      reached: this.#reached,
    };
  }

  #expand(world: World): void {
    for (const [at, node] of world.nodes.entries()) {
      for (const [action, cost] of this.#choices(world, node)) {
        const spent = cost === null ? world.spent : add(world.spent, cost);
        this.#move(world, at, action, spent, world.network);
      }
    }
    for (const id of world.network) {
      const message = this.#messages.get(id);
      const rest = world.network.filter((other) => other !== id);
      const at = NODES.indexOf(message.to);
      this.#move(world, at, { type: 'deliver', message }, world.spent, rest);
    }
  }

  /** What this node may do of itself, and which bound that counts against. */
  #choices({ spent }: World, node: number): [Action, keyof Spent | null][] {
    const { role, term, writes } = this.#get(node).facts;
    const { timeouts, heartbeats, proposals, crashes, terms } = this.#bounds;
    const choices: [Action, keyof Spent | null][] = [];
    for (let count = 1; count <= writes; count++) choices.push([{ type: 'sync', count }, null]);
    if (spent.crashes < crashes) {
      for (let keep = 0; keep <= writes; keep++) {
        choices.push([{ type: 'restart', keep }, 'crashes']);
      }
    }
    if (writes >= this.#bounds.writes) return choices;
    const mayTimeOut = role === 'leader' || term < terms;
    if (mayTimeOut && spent.timeouts < timeouts) choices.push([{ type: 'timeout' }, 'timeouts']);
    if (role !== 'leader') return choices;
    if (spent.heartbeats < heartbeats) choices.push([{ type: 'heartbeat' }, 'heartbeats']);
    if (spent.proposals < proposals) choices.push([{ type: 'propose' }, 'proposals']);
    return choices;
  }

  #move(world: World, at: number, action: Action, spent: Spent, network: readonly number[]): void {
    const from = world.nodes[at] ?? -1;
    const before = this.#get(from).facts;
    if (action.type === 'deliver' && before.writes >= this.#bounds.writes) return;
    this.#transitions++;
    const by = `${before.node}: ${nameOf(action)}`;
    const { to, sent } = this.#blamed(world, by, () => this.#transition(from, action));
    const isNews = to !== from || sent.some((message) => !world.network.includes(message));
    if (action.type === 'deliver' && !isNews) return;
    const nodes = world.nodes.map((node, place) => (place === at ? to : node));
    const facts = nodes.map((node) => this.#get(node).facts);
    const after = { ...world, nodes, spent, depth: world.depth + 1, before: world, by };
    const history = this.#blamed(world, by, () => {
      const next = remember(world, facts, facts[at], before);
      checkState(facts, next);
      return next;
    });
    const union = [...new Set([...network, ...sent])].sort((a, b) => a - b);
    this.#visit({ ...after, ...history, network: this.#relevant(union, facts) });
  }

  #visit(world: World): void {
    const key = this.#keyOf(world);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#todo.push(world);
    const { leaders, committed } = world;
    this.#count(`leaders of ${leaders.filter((leader) => leader !== null).length} terms`);
    this.#count(`${committed.length} committed`);
  }

  #count(what: string): void {
    this.#reached.set(what, (this.#reached.get(what) ?? 0) + 1);
  }

  #relevant(network: readonly number[], facts: readonly Facts[]): readonly number[] {
    return network.filter((id) => mayMatter(this.#messages.get(id), facts));
  }

  #transition(from: number, action: Action): Transition {
    const { id, past, next } = this.#get(from);
    const known = this.#actions.id(action);
    const before = next.get(known);
    if (before !== undefined) return before;
    const outcome = outcomeOf(id, [...past, action]);
    const sent = outcome.sent.map((message) => this.#messages.id(message));
    const to = this.#intern(id, [...past, action], outcome.print, outcome.facts);
    const transition = { to, sent };
    next.set(known, transition);
    return transition;
  }

  #node(id: NodeId, past: readonly Action[]): number {
    const { print, facts } = outcomeOf(id, past);
    return this.#intern(id, past, print, facts);
  }

  #intern(id: NodeId, past: readonly Action[], print: string, facts: Facts): number {
    const known = this.#nodeByPrint.get(print);
    if (known !== undefined) return known;
    const number = this.#nodes.length;
    this.#nodes.push({ id, past, facts, next: new Map(), renamed: [] });
    this.#nodeByPrint.set(print, number);
    return number;
  }

  #get(node: number): Node {
    const found = this.#nodes[node];
    if (found === undefined) throw new Error(`no node ${node}`);
    return found;
  }

  /** The smallest of the keys under all ways to name the nodes. */
  #keyOf(world: World): string {
    let smallest = '';
    for (const [which, permutation] of PERMUTATIONS.entries()) {
      const nodes: number[] = [];
      for (const [at, node] of world.nodes.entries()) {
        nodes[permutation[at] ?? at] = this.#renamed(node, which);
      }
      // Compared first by the nodes alone: the rest is dear and seldom decides.
      const head = packed(nodes);
      if (smallest !== '' && head > smallest.slice(0, head.length)) continue;
      const network = world.network.map((id) => this.#renamedMessage(id, which));
      const leaders = world.leaders.map((leader) =>
        leader === null ? 3 : renamedTo(leader, which),
      );
      const { proposals, crashes, timeouts, heartbeats } = world.spent;
      const spent = [proposals, crashes, timeouts, heartbeats, network.length];
      const tail = packed([...spent, ...network.sort((a, b) => a - b), ...leaders]);
      const key = `${head}${tail}${world.committed.join()}`;
      if (smallest === '' || key < smallest) smallest = key;
    }
    return smallest;
  }

  #renamed(node: number, which: number): number {
    if (which === 0) return node;
    const { id, past, renamed } = this.#get(node);
    const known = renamed[which];
    if (known !== undefined) return known;
    const fresh = this.#node(
      nameUnder(id, which),
      past.map((action) => renameAction(action, which)),
    );
    renamed[which] = fresh;
    return fresh;
  }

  #renamedMessage(id: number, which: number): number {
    const row = (this.#renamedMessages[id] ??= []);
    return (row[which] ??= this.#messages.id(renameMessage(this.#messages.get(id), which)));
  }

  /** Adds the story to an error. */
  #blamed<T>(world: World, by: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      const story = [by];
      for (let at: World | null = world; at !== null; at = at.before) story.unshift(at.by);
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${reason}\n  ${story.join('\n  ')}`, { cause: error });
    }
  }
}

/** What is remembered beyond the nodes: a crash may make all of them forget it. */
function remember(
  { committed, leaders }: History,
  facts: readonly Facts[],
  now: Facts | undefined,
  before: Facts,
): History {
  const longest = committedBy(facts, committed);
  if (now?.role !== 'leader') return { committed: longest, leaders };
  if (before.role === 'leader' && before.term === now.term) return { committed: longest, leaders };
  checkElected(now, { committed, leaders });
  const after = [...leaders];
  while (after.length < now.term) after.push(null);
  after[now.term - 1] = now.node;
  return { committed: longest, leaders: after };
}

/** False only for what will be ignored for ever, since terms on disk never fall. */
function mayMatter(message: Message, facts: readonly Facts[]): boolean {
  const { type, term } = message;
  const receiver = facts[NODES.indexOf(message.to)];
  const sender = facts[NODES.indexOf(message.from)];
  const told = receiver?.durableTerm ?? 0;
  switch (type) {
    case 'vote':
      // A vote that is given already, or asked for by one who no longer counts it.
      return told < term || (told === term && (!hasVoted(receiver) || stands(sender, term)));
    case 'voteReply':
      return told < term || (told === term && stands(receiver, term));
    case 'preVoteReply':
    case 'appendReply':
    case 'heartbeatReply':
      return told <= term;
    default:
      return true;
  }
}

function hasVoted(facts: Facts | undefined): boolean {
  return facts?.hasVoted === true;
}

/** A candidate that is no more one in a term never becomes one in that term again. */
function stands(facts: Facts | undefined, term: number): boolean {
  return facts?.role === 'candidate' && facts.term === term;
}

function add(spent: Spent, what: keyof Spent): Spent {
  return { ...spent, [what]: spent[what] + 1 };
}

/** Numbers as characters: a key of a state is kept for each, so it should be short. */
function packed(numbers: readonly number[]): string {
  return String.fromCharCode(...numbers.flatMap((number) => [number & 0x7fff, number >> 15]));
}

function nameUnder(node: NodeId, which: number): NodeId {
  return NODES[renamedTo(node, which)] ?? node;
}

function renamedTo(node: NodeId, which: number): number {
  return PERMUTATIONS[which]?.[NODES.indexOf(node)] ?? 0;
}

function renameAction(action: Action, which: number): Action {
  if (action.type !== 'deliver') return action;
  return { type: 'deliver', message: renameMessage(action.message, which) };
}

function renameMessage(message: Message, which: number): Message {
  const { from, to } = message;
  return { ...message, from: nameUnder(from, which), to: nameUnder(to, which) };
}

function nameOf(action: Action): string {
  if (action.type === 'deliver') return `← ${describeMessage(action.message)}`;
  if (action.type === 'sync') return `${action.count} writes durable`;
  if (action.type === 'restart') return `crashes, ${action.keep} writes kept, and starts`;
  return action.type;
}

/** Values by number and numbers by value. */
class Interned<T> {
  readonly #values: T[] = [];
  readonly #numbers = new Map<string, number>();

  id(value: T): number {
    const text = JSON.stringify(value);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#values.push(value);
    this.#numbers.set(text, this.#values.length - 1);
    return this.#values.length - 1;
  }

  get(id: number): T {
    const value = this.#values[id];
    if (value === undefined) throw new Error(`no value ${id}`);
    return value;
  }
}
