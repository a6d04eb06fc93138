/**
 * Reads scenario files and plays them: commands, a line of dashes, what came of them.
 *
 * A file starts with its goal and method in comments. `RERECORD=1` writes what happened back into
 * the file, to be read in the diff before it is believed.
 */

import { describeConfig, describeMessage } from '../../src/raft/describe.ts';
import type { ConfChange, Limits, Message, NodeId } from '../../src/raft/types.ts';
import { Cluster } from './cluster.ts';

const DASHES = '----';

export interface Scenario {
  readonly title: string;
  readonly header: string;
  readonly blocks: readonly Block[];
}

interface Block {
  readonly commands: readonly string[];
  readonly expected: string;
}

export function parseScenario(text: string): Scenario {
  const parts = text.split(/\n\n+/).filter((part) => part.trim() !== '');
  const [header = '', ...rest] = parts;
  const title = header.split('\n')[0]?.replace(/^#\s*/, '') ?? '';
  if (!header.startsWith('#') || !/^# Goal:/m.test(header) || !/^# Method:/m.test(header)) {
    throw new Error('a scenario starts with a title, "# Goal:" and "# Method:"');
  }
  return { title, header, blocks: rest.map(parseBlock) };
}

/** Plays all commands on one fresh cluster; gives the file as it would read if it were recorded. */
export function playScenario(scenario: Scenario): string {
  const player = new Player();
  const played = scenario.blocks.map(({ commands }) => {
    const output = commands.flatMap((command) => {
      return command.startsWith('#') ? [] : player.play(command);
    });
    return [...commands, DASHES, ...(output.length === 0 ? ['ok'] : output)].join('\n');
  });
  return `${[scenario.header, ...played].join('\n\n')}\n`;
}

function parseBlock(text: string): Block {
  const lines = text.split('\n').filter((line) => line !== '');
  const at = lines.indexOf(DASHES);
  const commands = at === -1 ? lines : lines.slice(0, at);
  return { commands, expected: at === -1 ? '' : lines.slice(at + 1).join('\n') };
}

class Player {
  #cluster: Cluster | null = null;
  #ref = 0;
  #out: string[] = [];

  play(line: string): string[] {
    const quiet = line.startsWith('quiet ');
    const [verb = '', ...args] = line.replace(/^quiet /, '').split(/\s+/);
    this.#out = [];
    try {
      this.#run(verb, args);
    } catch (error) {
      this.#out.push(`error: ${error instanceof Error ? error.message : String(error)}`);
      return this.#out;
    }
    return quiet ? [] : this.#out;
  }

  get #c(): Cluster {
    if (this.#cluster === null) throw new Error('begin with "cluster"');
    return this.#cluster;
  }

  #run(verb: string, args: readonly string[]): void {
    const [first = '', second = ''] = args;
    switch (verb) {
      case 'cluster':
        return this.#begin(args);
      case 'add':
        this.#c.add(first);
        return;
      case 'tick':
        return this.#tick(first, Number(second || 1));
      case 'campaign':
        return this.#c.campaign(first);
      case 'settle':
        return this.#c.settle();
      case 'elect':
        this.#c.campaign(first);
        return this.#c.settle();
      case 'disk':
        this.#c.sync(first, second === '' ? Infinity : Number(second));
        return;
      case 'work':
        while (this.#c.work(first));
        return;
      case 'hold':
      case 'release':
        return this.#hold(first, second, verb === 'hold');
      case 'deliver':
      case 'drop':
      case 'double':
        return this.#messages(verb, first, second);
      case 'network':
        this.#out.push(...this.#c.network.map(describeMessage));
        return;
      case 'cut':
        this.#c.cut.add(first);
        return;
      case 'isolate':
      case 'heal':
        return this.#isolate(first, verb === 'isolate');
      case 'give':
        this.#c.step(first, { type: 'message', message: parseMessage(first, args.slice(1)) });
        return;
      case 'give-snapshot':
        return this.#giveSnapshot(first, args.slice(1));
      case 'persisted':
        this.#c.step(first, { type: 'persisted', id: Number(second) });
        return;
      case 'propose':
        return this.#propose(first, args.slice(1).join(' '));
      case 'read':
        this.#c.step(first, { type: 'readIndex', ref: ++this.#ref });
        return;
      case 'transfer':
        return this.#transfer(first, second);
      case 'change':
      case 'leave':
        return this.#change(first, args.slice(1));
      case 'crash':
        return this.#c.crash(first, Number(second || 0));
      case 'start':
        return this.#c.start(first, second === 'damaged');
      case 'rewind':
        return this.#rewind(first, Number(second));
      case 'lose':
        return this.#c.member(first).disk.truncateFrom(Number(second));
      case 'snapshot':
        return this.#c.takeSnapshot(first);
      case 'snapshot-taken':
        this.#c.step(first, { type: 'snapshotTaken', index: Number(second) });
        return;
      case 'compact':
        return this.#c.compact(first, Number(second));
      case 'fetch':
        return this.#fetch(first, second);
      case 'parts':
      case 'sent':
        return this.#snapshot(verb, args);
      case 'lost-content':
        this.#c.member(first).contents.clear();
        return;
      case 'rolledback':
        this.#c.step(first, { type: 'rolledBack', term: Number(second) });
        return;
      case 'stalled':
      case 'recovered':
        this.#c.step(first, { type: verb });
        return;
      case 'unreachable':
        this.#c.step(first, { type: 'unreachable', to: second });
        return;
      case 'status':
        for (const id of this.#ids(first || 'all')) this.#out.push(this.#statusLine(id));
        return;
      case 'peers':
        return this.#peers(first);
      case 'log':
        return this.#log(first);
      case 'config':
        return this.#config(first);
      default:
        throw new Error(`no such command: ${verb}`);
    }
  }

  #begin(args: readonly string[]): void {
    const given = new Map(args.map((arg) => splitOnce(arg, '=')));
    const take = (name: string, fallback: number): number => {
      const value = Number(given.get(name) ?? fallback);
      given.delete(name);
      return value;
    };
    const voters = (given.get('voters') ?? '').split(',').filter((id) => id !== '');
    given.delete('voters');
    const electionTicks = take('electionTicks', 10);
    const heartbeatTicks = take('heartbeatTicks', 1);
    const limits: Partial<Record<keyof Limits, number>> = {};
    for (const [name, value] of given) limits[name as keyof Limits] = Number(value);
    this.#cluster = new Cluster(voters, { electionTicks, heartbeatTicks, seed: 1, limits });
    this.#cluster.onLine = (line) => this.#out.push(line);
  }

  #ids(name: string): readonly NodeId[] {
    return name === 'all' ? [...this.#c.members.keys()] : [name];
  }

  #tick(name: string, times: number): void {
    for (let tick = 0; tick < times; tick++) {
      for (const id of this.#ids(name)) this.#c.step(id, { type: 'tick' });
      if (name === 'all') this.#c.settle();
    }
  }

  #hold(id: NodeId, what: string, on: boolean): void {
    const member = this.#c.member(id);
    if (what === 'work') member.holdsWork = on;
    else if (what === 'snapshots') member.holdsSnapshots = on;
    else member.holdsWrites = on;
  }

  /** `deliver b append`: the oldest message to b of that type; without type, all that wait now. */
  #messages(verb: string, to: NodeId, type: string): void {
    const waiting = this.#c.network.filter((message) => {
      return (message.to === to || to === 'all') && (type === '' || message.type === type);
    });
    for (const message of type === '' ? waiting : waiting.slice(0, 1)) {
      const at = this.#c.network.indexOf(message);
      if (verb === 'deliver') this.#c.deliver(at);
      else if (verb === 'drop') this.#c.network.splice(at, 1);
      else this.#c.network.push(message);
    }
  }

  #isolate(id: NodeId, on: boolean): void {
    if (!on) this.#c.cut.clear();
    for (const other of on ? this.#c.members.keys() : []) {
      if (other === id) continue;
      this.#c.cut.add(`${id}→${other}`).add(`${other}→${id}`);
    }
  }

  /** `give-snapshot b from a term 1 at 1/6`: the word to install; the content is made up. */
  #giveSnapshot(to: NodeId, words: readonly string[]): void {
    const [, from = '', , term = '', , at = ''] = words;
    const [snapshotTerm = 0, index = 0] = at.split('/').map(Number);
    const member = this.#c.member(to);
    const noop = { term: snapshotTerm, index, type: 'noop', data: new Uint8Array(0) } as const;
    member.contents.set(index, [noop]);
    const config = this.#c.status(to).config;
    const snapshot = { index, term: snapshotTerm, config };
    const message: Message = { type: 'snapshot', from, to, term: Number(term), snapshot };
    this.#c.step(to, { type: 'message', message });
  }

  #propose(id: NodeId, text: string): void {
    const bytes = /^\d+b$/.test(text) ? new Uint8Array(Number(text.slice(0, -1))) : null;
    const data = bytes ?? new TextEncoder().encode(text);
    this.#c.step(id, { type: 'propose', ref: ++this.#ref, data });
  }

  #transfer(id: NodeId, to: NodeId): void {
    const target = to === '' ? {} : { to };
    this.#c.step(id, { type: 'transfer', ref: ++this.#ref, ...target });
  }

  /** `change a join d remove b [on 7] [explicit]`; `leave a` is a change without changes. */
  #change(id: NodeId, args: readonly string[]): void {
    const changes: ConfChange[] = [];
    let expectedIndex = this.#c.status(id).config.index;
    let leave: 'auto' | 'explicit' = 'auto';
    for (let at = 0; at < args.length; at += 2) {
      const op = args[at];
      const node = args[at + 1] ?? '';
      if (op === 'explicit') leave = 'explicit';
      else if (op === 'on') expectedIndex = Number(node);
      else if (op === 'voter' || op === 'join' || op === 'learner' || op === 'remove') {
        changes.push({ op, node });
      } else throw new Error(`no such change: ${op}`);
    }
    this.#c.step(id, { type: 'confChange', ref: ++this.#ref, changes, expectedIndex, leave });
  }

  /** `rewind b 2`: the whole disk is of the moment when its last entry was 2. */
  #rewind(id: NodeId, last: number): void {
    const { disk } = this.#c.member(id);
    disk.truncateFrom(last + 1);
    const { hardState } = disk;
    disk.hardState = { ...hardState, commit: Math.min(hardState.commit, last) };
  }

  /** Answers the oldest read of old entries: `good`, `none`, or `wrong` terms from a bad disk. */
  #fetch(id: NodeId, how: string): void {
    const member = this.#c.member(id);
    const [fetch] = member.fetches;
    if (fetch === undefined) throw new Error('nothing was asked for');
    if (how === '' || how === 'good') return void this.#c.read(id);
    member.fetches.shift();
    const good = member.disk.entries.filter(({ index }) => index >= fetch.from);
    const entries = how === 'wrong' ? good.map((entry) => ({ ...entry, term: 99 })) : [];
    this.#c.step(id, { type: 'entriesRead', id: fetch.id, entries });
  }

  /** `parts a b 3 10` reports progress; `sent a b ok` or `sent a b broken` the end. */
  #snapshot(verb: string, [id = '', to = '', third = '', total = '']: readonly string[]): void {
    if (verb === 'sent') return this.#c.sendSnapshot(id, to, third === 'ok');
    const index = this.#c.status(id).peers[to]?.snapshot?.index ?? 0;
    const done = Number(third);
    this.#c.step(id, { type: 'snapshotProgress', to, index, done, total: Number(total) });
  }

  #statusLine(id: NodeId): string {
    if (this.#c.member(id).raft === null) return `${id}  down`;
    const s = this.#c.status(id);
    const marks = [s.stalled ? ' stalled' : '', s.damaged ? ' damaged' : ''].join('');
    return (
      `${id}  ${s.role} term ${s.term} leader ${s.leader ?? 'unknown'} last ${s.lastTerm}/${s.lastIndex} ` +
      `durable ${s.durableIndex} commit ${s.commitIndex} applied ${s.appliedIndex}${marks}`
    );
  }

  #peers(id: NodeId): void {
    for (const [peer, p] of Object.entries(this.#c.status(id).peers)) {
      const snapshot = p.snapshot;
      const sending =
        snapshot === null
          ? ''
          : ` snapshot ${snapshot.index}: ${snapshot.done} of ${snapshot.total}`;
      this.#out.push(
        `${peer}  ${p.state} match ${p.match} next ${p.next} ` +
          `inflight ${p.inflightMessages} (${p.inflightBytes} bytes)${sending}`,
      );
    }
  }

  #log(id: NodeId): void {
    const { compacted, entries } = this.#c.member(id).disk;
    const texts = entries.map(({ term, index, type, data }) => {
      const text =
        type === 'command' && data.length < 20 ? ` ${new TextDecoder().decode(data)}` : '';
      return `${term}/${index} ${type}${text}`;
    });
    const start = compacted.index === 0 ? '' : `after ${compacted.term}/${compacted.index}: `;
    this.#out.push(`${id}  ${start}${texts.join(', ') || 'empty'}`);
  }

  #config(id: NodeId): void {
    const { config, configCommitted } = this.#c.status(id);
    const mark = configCommitted ? '' : ' (not committed)';
    this.#out.push(`${id}  ${config.index}: ${describeConfig(config.confState)}${mark}`);
  }
}

/** `give b vote from c term 5 lastIndex 3 lastTerm 2`; entries as `entries 2/4,2/5`. */
function parseMessage(to: NodeId, [type = '', ...words]: readonly string[]): Message {
  const fields: Record<string, unknown> = { type, to, transfer: false, lost: false };
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at] ?? '';
    const value = words[at + 1] ?? '';
    if (name === 'from') fields[name] = value;
    else if (name === 'entries') fields[name] = parseEntries(value);
    else fields[name] = value === 'yes' ? true : value === 'no' ? false : Number(value);
  }
  if (type === 'append') fields['entries'] ??= [];
  return fields as unknown as Message;
}

function parseEntries(text: string): unknown[] {
  return text.split(',').map((slot) => {
    const [term, index] = slot.split('/').map(Number);
    return { term, index, type: 'command', data: new Uint8Array(0) };
  });
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}
