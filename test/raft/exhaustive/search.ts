/**
 * Visits every state that three nodes can reach within some bounds, and checks each.
 *
 * The network is the set of messages that were ever sent, and the next delivery is any of them. So
 * loss, delay, reordering and doubling need no moves of their own: what is never chosen is lost. Steps
 * of a node depend on that node alone, so each is computed once and the rest is combination.
 *
 * Left out because it adds no behaviour: states that differ only by the names of the nodes,
 * deliveries that change nothing and send nothing new, messages that can never matter again, and the
 * time between a step that says nothing and its write where a node does nothing else meanwhile. A
 * crash in that time is one before the step, or one after the write whose messages are lost.
 *
 * States that were seen are known by 64 bits of hash: of twenty million, two look alike by chance in
 * one search of a hundred thousand.
 */

import { describeMessage } from '../../../src/raft/describe.ts';
import type { Message, NodeId } from '../../../src/raft/types.ts';
import { checkElected, checkState, committedBy } from './invariants.ts';
import type { History } from './invariants.ts';
import { NODES, outcomeOf } from './local.ts';
import type { Action, Facts } from './local.ts';
import { SeenStates } from './seen-states.ts';

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
}

/** A state that was seen for the first time, by its place in the order of the search. */
interface Seen extends World {
  readonly place: number;
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

export interface SearchOptions {
  /** The search ends, incomplete, once it has seen so many states. */
  readonly statesMax?: number;
  /** Leaves out nothing but renamed states, to show that what is left out is not missed. */
  readonly isThorough?: boolean;
  /** Called with each state, once. */
  readonly onState?: (facts: readonly Facts[], history: History, count: number) => void;
}

/** Throws at the first state that breaks a promise, with the moves that lead to it. */
export function search(bounds: Bounds, options: SearchOptions = {}): Found {
  return new Search(bounds, options).run();
}

class Search {
  readonly #bounds: Bounds;
  readonly #options: SearchOptions;
  readonly #nodes: Node[] = [];
  readonly #nodeByPrint = new Map<string, number>();
  readonly #actions = new Interned<Action>();
  readonly #messages = new Interned<Message>();
  readonly #renamedMessages: number[][] = [];
  readonly #seen = new SeenStates();
  #todo: Seen[] = [];
  #transitions = 0;
  readonly #reached = new Map<string, number>();

  constructor(bounds: Bounds, options: SearchOptions) {
    this.#bounds = bounds;
    this.#options = options;
  }

  run(): Found {
    const { statesMax = Infinity } = this.#options;
    const start: World = {
      nodes: NODES.map((id) => this.#node(id, [])),
      network: [],
      committed: [],
      leaders: [],
      spent: { proposals: 0, crashes: 0, timeouts: 0, heartbeats: 0 },
    };
    this.#visit(start, -1, 'all start');
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

  #expand(world: Seen): void {
    for (const [at, node] of world.nodes.entries()) {
      for (const [action, cost] of this.#choices(world, node)) {
        const spent = cost === null ? world.spent : add(world.spent, cost);
        this.#move(world, at, action, spent);
      }
    }
    for (const id of world.network) {
      const message = this.#messages.get(id);
      const at = NODES.indexOf(message.to);
      this.#move(world, at, { type: 'deliver', message }, world.spent);
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

  #move(world: Seen, at: number, action: Action, spent: Spent): void {
    const from = world.nodes[at] ?? -1;
    const before = this.#get(from).facts;
    if (action.type === 'deliver' && before.writes >= this.#bounds.writes) return;
    this.#transitions++;
    const by = `${before.node}: ${nameOf(action)}`;
    try {
      const step = this.#transition(from, action);
      const isNews =
        step.to !== from || step.sent.some((message) => !world.network.includes(message));
      if (action.type === 'deliver' && !isNews) return;
      const after = this.#after(world, at, step, spent);
      const written = this.#writtenAtOnce(step);
      if (written === null) {
        this.#visit(after, world.place, by);
      } else {
        checkState(this.#factsOf(after), after);
        this.#visit(this.#after(after, at, written, spent), world.place, `${by}, durable at once`);
      }
    } catch (error) {
      throw this.#blamed(error, world, by);
    }
  }

  /** The state of all after a step of the node at this place. */
  #after(world: World, at: number, { to, sent }: Transition, spent: Spent): World {
    const before = this.#get(world.nodes[at] ?? -1).facts;
    const nodes = world.nodes.map((node, place) => (place === at ? to : node));
    const facts = nodes.map((node) => this.#get(node).facts);
    const { committed, leaders } = remember(world, facts, facts[at], before);
    const union = [...new Set([...world.network, ...sent])].sort((a, b) => a - b);
    const { terms, timeouts } = this.#bounds;
    const outlook = { terms, mayStand: spent.timeouts < timeouts };
    const network =
      this.#options.isThorough === true
        ? union
        : union.filter((id) => mayMatter(this.#messages.get(id), facts, outlook));
    return { nodes, network, committed, leaders, spent };
  }

  /** What comes of the write of a step that said nothing, if its node can do nothing else. */
  #writtenAtOnce({ to, sent }: Transition): Transition | null {
    const { writes } = this.#get(to).facts;
    if (this.#options.isThorough === true || this.#bounds.writes > 1) return null;
    if (writes === 0 || sent.length > 0) return null;
    return this.#transition(to, { type: 'sync', count: writes });
  }

  #factsOf({ nodes }: World): readonly Facts[] {
    return nodes.map((node) => this.#get(node).facts);
  }

  #visit(world: World, before: number, by: string): void {
    const place = this.#seen.add(this.#keyOf(world), before, by);
    if (place === null) return;
    const facts = this.#factsOf(world);
    checkState(facts, world);
    this.#todo.push({ ...world, place });
    this.#options.onState?.(facts, world, this.#seen.size);
    const { leaders, committed } = world;
    this.#count(`leaders of ${leaders.filter((leader) => leader !== null).length} terms`);
    this.#count(`${committed.length} committed`);
  }

  #count(what: string): void {
    this.#reached.set(what, (this.#reached.get(what) ?? 0) + 1);
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
    const renamed = PERMUTATIONS.map((permutation, which) => {
      const nodes: number[] = [];
      for (const [at, node] of world.nodes.entries()) {
        nodes[permutation[at] ?? at] = this.#renamed(node, which);
      }
      return packed(nodes);
    });
    // Compared first by the nodes alone: the rest is dear and seldom decides.
    const head = renamed.reduce((a, b) => (a < b ? a : b));
    let smallest: string | null = null;
    for (const [which, other] of renamed.entries()) {
      if (other !== head) continue;
      const tail = this.#tailOf(world, which);
      if (smallest === null || tail < smallest) smallest = tail;
    }
    return `${head}${smallest}${world.committed.join()}`;
  }

  #tailOf({ network, leaders, spent }: World, which: number): string {
    const messages = network.map((id) => this.#renamedMessage(id, which)).sort((a, b) => a - b);
    const { proposals, crashes, timeouts, heartbeats } = spent;
    return packed([
      proposals,
      crashes,
      timeouts,
      heartbeats,
      messages.length,
      ...messages,
      ...leaders.map((leader) => (leader === null ? 3 : renamedTo(leader, which))),
    ]);
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

  /** The error with the story of how it came about. */
  #blamed(error: unknown, { place }: Seen, by: string): Error {
    const reason = error instanceof Error ? error.message : String(error);
    const story = [...this.#seen.storyOf(place), by];
    return new Error(`${reason}\n  ${story.join('\n  ')}`, { cause: error });
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

/**
 * False only for what will be ignored for ever. Terms on disk never fall, and who leads or stands no
 * more in a term never does so again in it; for pre-votes that holds once nobody may stand any more.
 */
function mayMatter(
  message: Message,
  facts: readonly Facts[],
  { mayStand, terms }: { readonly mayStand: boolean; readonly terms: number },
): boolean {
  const { type, term } = message;
  const receiver = facts[NODES.indexOf(message.to)];
  const sender = facts[NODES.indexOf(message.from)];
  const told = receiver?.durableTerm ?? 0;
  /** Its sender may learn of a newer term from the answer. */
  const mayLearn = (sender?.durableTerm ?? 0) < terms;
  switch (type) {
    case 'vote':
      // A vote that is given already, or asked for by one who no longer counts it.
      return told < term || (told === term && (!hasVoted(receiver) || stands(sender, term)));
    case 'voteReply':
      return told < term || (told === term && stands(receiver, term));
    case 'preVote':
      return asks(sender, term) || mayStand || mayLearn;
    case 'preVoteReply':
      if (message.granted) return told < term && (asks(receiver, term) || mayStand);
      return told < term || (told === term && (asks(receiver, term + 1) || mayStand));
    case 'appendReply':
    case 'heartbeatReply':
      return told < term || leads(receiver, term);
    case 'append':
      // Who is past its term does not take it, but tells its sender so.
      return told <= term || mayLearn;
    default:
      return true;
  }
}

/** It counts pre-votes for this term. */
function asks(facts: Facts | undefined, term: number): boolean {
  return facts?.role === 'preCandidate' && facts.term + 1 === term;
}

function leads(facts: Facts | undefined, term: number): boolean {
  return facts?.role === 'leader' && facts.term === term;
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
