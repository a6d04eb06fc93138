/**
 * Who belongs to the cluster: admission, removal, hand-over of leadership, and what the leader does
 * about them by itself.
 *
 * Any member can be asked; one that does not lead asks the leader. Promise: a node is admitted once
 * under its id and never again after its removal; a name has one living bearer; nobody is dropped
 * without being asked, save a dead member whose place has been taken, and only while all the others
 * are there.
 */

import { actorOf, type Actor } from '../../commands/actor.ts';
import type { Command } from '../../commands/command.ts';
import type { State } from '../../projections/state.ts';
import { recordsActors, type Build } from '../../projections/reducers.ts';
import { entries, get } from '../../projections/table.ts';
import { members } from '../../raft/confchange.ts';
import type { ConfChange, NodeId, RaftStatus } from '../../raft/types.ts';
import type { Candidate, Logger, MembershipAnswer, PeerAddress, Proposed } from '../ports.ts';
import { recordOf, type AdminRequest } from './admin-records.ts';
import type { Frame, MembershipRequest } from './wire.ts';

export interface MembershipModules {
  readonly logger: Logger;
  readonly state: () => State;
  readonly raft: () => RaftStatus;
  /** Leads, and has folded everything that was committed before. */
  readonly isLeading: () => boolean;
  readonly propose: (commands: readonly Command[]) => Promise<Proposed>;
  readonly change: (changes: readonly ConfChange[], expectedIndex: number) => Promise<Proposed>;
  readonly transfer: (to: NodeId | null) => Promise<boolean>;
  readonly send: (to: NodeId, frame: Frame) => void;
  readonly setPeers: (peers: readonly PeerAddress[]) => void;
  /** The others, or their addresses, may have changed. */
  readonly onOthers: () => void;
}

interface Self {
  /** For people. */
  readonly name: string;
  readonly nodeId: NodeId;
  readonly incarnation: number;
  readonly build: Build;
}

interface PendingRequest {
  readonly settle: (answer: MembershipAnswer) => void;
  readonly untilTick: number;
}

interface Hint {
  readonly address: string;
  /** What the log had when the hint came. */
  readonly instead: string;
}

/** An incarnation counts from a time in milliseconds, and their product must stay a whole number. */
const REFS_PER_PROCESS = 2 ** 10;
/** Patience with the leader. */
const ASK_TICKS = 80;
/** Addresses of nodes that may not be in the log: more than any cluster has. */
const HINTS_MAX = 256;
/** A member that was silent for so long may be replaced by one of the same name. */
const SILENT_TICKS = 50;
/** A member that was silent for so long is not counted on when another one is taken out. */
const MISSED_TICKS = 10;
/** A voter that was silent for so long is dropped once a new one has made the number even. */
const DEAD_TICKS = 600;
/** How often the leader looks around. */
const ROUND_TICKS = 10;

export class Membership {
  readonly #id: NodeId;
  readonly #name: string;
  readonly #build: Build;
  readonly #modules: MembershipModules;
  readonly #asked = new Map<number, PendingRequest>();
  /** Addresses that nodes announced. A hint holds until the log has a new address of its node. */
  readonly #hints = new Map<NodeId, Hint>();
  /** Of what is asked; no two starts of this node use the same. */
  readonly #firstRef: number;
  #askedCount = 0;
  #tick = 0;
  #isBusy = false;
  #peers = '';

  constructor({ build, incarnation, name, nodeId }: Self, modules: MembershipModules) {
    this.#id = nodeId;
    this.#name = name;
    this.#build = build;
    this.#firstRef = incarnation * REFS_PER_PROCESS;
    this.#modules = modules;
  }

  /** Carries out a request here or at the leader. Never rejects. */
  async ask(request: MembershipRequest): Promise<MembershipAnswer> {
    const { isLeading, raft, send, state } = this.#modules;
    if (isLeading()) return this.#handleRequest(request);
    const { leader } = raft();
    if (leader === null || leader === this.#id) return retry('the cluster has no leader just now');
    return new Promise((settle) => {
      const ref = this.#firstRef + (this.#askedCount++ % REFS_PER_PROCESS);
      this.#asked.set(ref, { settle, untilTick: this.#tick + ASK_TICKS });
      // A leader of the build before reads no actor.
      const readable = recordsActors(state()) ? request : withoutActor(request);
      send(leader, { kind: 'ask', ref, request: readable });
    });
  }

  /** A node announces its address; it may have moved since the log recorded it. */
  hint(node: NodeId, address: string): void {
    if (node === this.#id) return;
    this.#hints.delete(node);
    this.#hints.set(node, { address, instead: this.#loggedAddress(node) });
    // Each join request leaves one, also if it is refused.
    const [oldest] = this.#hints.keys();
    if (this.#hints.size > HINTS_MAX && oldest !== undefined) this.#hints.delete(oldest);
    this.refreshPeers();
  }

  refusalFor(node: NodeId): string | null {
    if (get(this.#modules.state().members, node)?.removed !== true) return null;
    return (
      `node ${node} was removed from this cluster. To make it a member again, start it with an ` +
      'empty data directory and --join.'
    );
  }

  /** Call whenever the configuration or the table of members may have changed. */
  refreshPeers(): void {
    const { onOthers, setPeers } = this.#modules;
    const others = this.others();
    // Who was removed may be connected still, and is disconnected by the new list of peers.
    const removed = [...entries(this.#modules.state().members)].filter(([, row]) => row.removed);
    const text = JSON.stringify([others, removed.map(([node]) => node)]);
    if (text === this.#peers) return;
    this.#peers = text;
    setPeers(others.filter(({ address }) => address !== ''));
    onOthers();
  }

  /** The other members; an address that is not known is empty. */
  others(): readonly PeerAddress[] {
    return members(this.#modules.raft().config.confState)
      .filter((node) => node !== this.#id)
      .map((nodeId) => ({ nodeId, address: this.#addressOf(nodeId) }));
  }

  #addressOf(node: NodeId): string {
    const logged = this.#loggedAddress(node);
    const hint = this.#hints.get(node);
    return hint !== undefined && hint.instead === logged ? hint.address : logged;
  }

  /** Empty when the log has none. */
  #loggedAddress(node: NodeId): string {
    return get(this.#modules.state().members, node)?.peer ?? '';
  }

  tick(): void {
    this.#tick++;
    for (const [ref, { settle, untilTick }] of this.#asked) {
      if (this.#tick < untilTick) continue;
      this.#asked.delete(ref);
      settle({ code: 'unknown', message: 'the leader did not answer in time' });
    }
    if (this.#tick % ROUND_TICKS === 0) this.#runMaintenance();
  }

  /** Takes a frame of this business; answers whether it was one. */
  onFrame(from: NodeId, frame: Frame): boolean {
    if (frame.kind === 'ask') {
      const { ref, request } = frame;
      const { isLeading, send } = this.#modules;
      const answer = isLeading()
        ? this.#handleRequest(request)
        : Promise.resolve(retry('the member that was asked does not lead'));
      void answer.then((each) => send(from, { kind: 'answer', ref, ...each }));
      return true;
    }
    if (frame.kind !== 'answer') return false;
    const asked = this.#asked.get(frame.ref);
    this.#asked.delete(frame.ref);
    asked?.settle({ code: frame.code, message: frame.message });
    return true;
  }

  #handleRequest(request: MembershipRequest): Promise<MembershipAnswer> {
    switch (request.op) {
      case 'join':
        return this.#admit(request);
      case 'remove':
        return this.#remove(request.node, request.actor);
      case 'transfer':
        return this.#transfer(request.node, request.actor);
    }
  }

  async #admit(candidate: Candidate): Promise<MembershipAnswer> {
    const { logger } = this.#modules;
    const { nodeId, name, peerAddress } = candidate;
    const refusal = this.refusalFor(nodeId) ?? this.#liveMemberNamed(name, nodeId);
    if (refusal !== null) return { code: 'refused', message: refusal };
    this.hint(nodeId, peerAddress);
    const { config, configCommitted } = this.#modules.raft();
    if (!members(config.confState).includes(nodeId)) {
      if (!configCommitted) return retry('another change of the members is under way');
      const detail = `${name} at ${peerAddress}`;
      // Nobody but the node itself asks, and it has proven what the peer port demands.
      const actor = actorOf('node', name);
      const failed = await this.#record({ action: 'addMember', subject: nodeId, detail, actor });
      if (failed !== null) return failed;
      const changed = await this.#change([{ op: 'join', node: nodeId }], config.index);
      if (changed.code !== 'ok') return changed;
      logger.info('member admitted', { name, nodeId, address: peerAddress });
    }
    this.refreshPeers();
    return { code: 'ok', message: '' };
  }

  /** A sentence when another member that is alive has this name. */
  #liveMemberNamed(name: string, nodeId: NodeId): string | null {
    for (const [id, row] of entries(this.#modules.state().members)) {
      if (row.removed || row.name !== name || id === nodeId) continue;
      if (this.#silentTicks(id) >= SILENT_TICKS) continue;
      return (
        `${name} is the name of a member that is alive (node ${id} at ${row.peer}). Give this node ` +
        'another --name, or stop that one first.'
      );
    }
    return null;
  }

  async #remove(node: NodeId, actor: Actor | undefined): Promise<MembershipAnswer> {
    const { config } = this.#modules.raft();
    if (!members(config.confState).includes(node)) {
      return { code: 'refused', message: `${node} is not a member` };
    }
    const problem = this.#problemOfRemoving(node);
    if (problem !== null) return { code: 'refused', message: problem };
    const failed = await this.#recordRemoval(node, actor);
    if (failed !== null) return failed;
    return this.#change([{ op: 'remove', node }], config.index);
  }

  #recordRemoval(node: NodeId, actor: Actor | undefined): Promise<MembershipAnswer | null> {
    return this.#record({
      action: 'removeMember',
      subject: node,
      detail: this.#nameOf(node),
      actor,
    });
  }

  #nameOf(node: NodeId): string {
    return get(this.#modules.state().members, node)?.name ?? '';
  }

  /** Puts into the log what is about to be done; an answer when it may not be done for want of that. */
  async #record(request: AdminRequest): Promise<MembershipAnswer | null> {
    const { propose, state } = this.#modules;
    const command = recordOf(state(), request);
    if (command === null) return null;
    const result = await propose([command]);
    return result.ok ? null : retry(`it could not be recorded: ${result.message}`);
  }

  /** A removal that commits, and then leaves nobody who could commit anything. */
  #problemOfRemoving(node: NodeId): string | null {
    const rest = this.#modules.raft().config.confState.voters.filter((voter) => voter !== node);
    const living = rest.filter((voter) => this.#silentTicks(voter) < MISSED_TICKS);
    if (rest.length === 0 || living.length > rest.length / 2) return null;
    const dead = rest.filter((voter) => !living.includes(voter));
    return (
      `${living.length} of the ${rest.length} voters that stay would be alive, which is no majority: ` +
      `the cluster would stand still. Start ${dead.join(' and ')} again, or remove them first.`
    );
  }

  async #transfer(to: NodeId | null, actor: Actor | undefined): Promise<MembershipAnswer> {
    if (to === this.#id) return { code: 'ok', message: '' };
    const detail = to === null ? '' : this.#nameOf(to);
    const request = { action: 'transferLeadership', subject: to ?? '', detail, actor } as const;
    const failed = await this.#record(request);
    if (failed !== null) return failed;
    const moved = await this.#modules.transfer(to);
    return moved
      ? { code: 'ok', message: '' }
      : retry('leadership was not handed over: no voter was ready to take it');
  }

  async #change(changes: readonly ConfChange[], expected: number): Promise<MembershipAnswer> {
    const result = await this.#modules.change(changes, expected);
    if (result.ok) return { code: 'ok', message: '' };
    const { code, message } = result;
    if (code === 'malformed') return { code: 'refused', message };
    return { code: code === 'indeterminate' ? 'unknown' : 'retry', message };
  }

  /** Ticks since the last frame of a member; Infinity for one that no longer belongs. */
  #silentTicks(node: NodeId): number {
    const { config, peers } = this.#modules.raft();
    if (node === this.#id) return 0;
    if (!members(config.confState).includes(node)) return Infinity;
    return peers[node]?.ticksSinceContact ?? 0;
  }

  /** Leader: one thing at a time, and nothing while a change is under way. */
  #runMaintenance(): void {
    const { configCommitted, config } = this.#modules.raft();
    if (this.#isBusy || !this.#modules.isLeading() || !configCommitted) return;
    if (config.confState.votersOutgoing.length > 0) return;
    const work = this.#forgetRemoved() ?? this.#switchReducers() ?? this.#dropReplaced();
    if (work === null) return;
    this.#isBusy = true;
    void work.finally(() => {
      this.#isBusy = false;
    });
  }

  /** Rows of nodes that do not belong any more: remembered as removed, so that they are refused. */
  #forgetRemoved(): Promise<unknown> | null {
    const { propose, raft, state } = this.#modules;
    const belonging = members(raft().config.confState);
    for (const [node, row] of entries(state().members)) {
      if (row.removed || belonging.includes(node)) continue;
      return propose([{ kind: 'forgetMember', node }]);
    }
    return null;
  }

  /** All members can run a newer version of the fold: from one entry on they do. */
  #switchReducers(): Promise<unknown> | null {
    const { logger, propose, raft, state } = this.#modules;
    const { members: table, reducers } = state();
    const runnable = members(raft().config.confState).map(
      (node) => get(table, node)?.reducersMax ?? reducers.version,
    );
    const version = Math.min(this.#build.reducersWanted, ...runnable);
    if (version <= reducers.version) return null;
    logger.info('reducers switched to another version', { version, before: reducers.version });
    return propose([{ kind: 'reducers', version }]);
  }

  #dropReplaced(): Promise<unknown> | null {
    const { logger, raft } = this.#modules;
    const node = this.#findReplacedMember() ?? this.#findReplacedVoter();
    if (node === null) return null;
    logger.warn('dead member dropped: another has taken its place', { node });
    const { index } = raft().config;
    return this.#recordRemoval(node, actorOf('node', this.#name)).then(
      (failed) => failed ?? this.#change([{ op: 'remove', node }], index),
    );
  }

  /** A silent member whose name a new voter bears. */
  #findReplacedMember(): NodeId | null {
    const { raft, state } = this.#modules;
    const { confState } = raft().config;
    const rows = [...entries(state().members)].filter(([id, row]) => {
      return !row.removed && members(confState).includes(id);
    });
    for (const [id, row] of rows) {
      if (this.#silentTicks(id) < SILENT_TICKS) continue;
      const hasHeir = rows.some(([other, { name }]) => {
        const isThere = this.#silentTicks(other) < SILENT_TICKS;
        return other !== id && name === row.name && confState.voters.includes(other) && isThere;
      });
      if (hasHeir && this.#othersAreThere(id)) return id;
    }
    return null;
  }

  /** A voter that has long been silent, when a new one has made the number of voters even. */
  #findReplacedVoter(): NodeId | null {
    const { voters } = this.#modules.raft().config.confState;
    if (voters.length < 4 || voters.length % 2 !== 0) return null;
    const dead = voters.filter((voter) => this.#silentTicks(voter) >= DEAD_TICKS);
    const [node] = dead;
    return node !== undefined && this.#othersAreThere(node) ? node : null;
  }

  #othersAreThere(node: NodeId): boolean {
    const { voters } = this.#modules.raft().config.confState;
    return voters.every((voter) => voter === node || this.#silentTicks(voter) < SILENT_TICKS);
  }
}

function withoutActor(request: MembershipRequest): MembershipRequest {
  return request.op === 'join' ? request : { ...request, actor: undefined };
}

function retry(message: string): MembershipAnswer {
  return { code: 'retry', message };
}
