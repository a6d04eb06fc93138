/**
 * Watches a cluster and throws at the first step that breaks a promise of Raft (paper, figure 3) or
 * of the core's own seam.
 *
 * It knows every disk and every log, which no member does, and shares no rule with the core.
 */

import type { ConfigAt, Effect, Entry, Message, NodeId, Persist } from '../../src/raft/types.ts';
import type { Cluster, Member } from './cluster.ts';

export class Checker {
  /** What was ever applied anywhere, by index: it must never change. */
  readonly committed: Entry[] = [];
  /** How often each situation came up, to see that a run tested something. */
  readonly seen = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #leaderOf = new Map<number, NodeId>();
  readonly #commitOf = new Map<string, number>();
  readonly #floorOf = new Map<number, number>();
  readonly #outcomes = new Map<number, string>();
  readonly #applied = new Set<string>();
  /** The configuration in force, by life of a member: a crash may bring back an older one. */
  readonly #configOf = new Map<string, ConfigAt>();
  /** Requests that were accepted and are not committed or taken back, by life of a member. */
  readonly #open = new Map<string, Map<number, number>>();
  #joiners = new Set<NodeId>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.onEffect = (member, effect) => this.#onEffect(member, effect);
  }

  /** To be told of a read before it is asked: its answer may not be older than this. */
  readAsked(ref: number): void {
    const commits = this.#cluster.alive().map(({ raft }) => raft?.status().commitIndex ?? 0);
    this.#floorOf.set(ref, Math.max(this.committed.length, ...commits));
  }

  afterStep(): void {
    for (const member of this.#cluster.alive()) this.#checkMember(member);
  }

  /** Equal (term, index) in two logs means equal everything before (Log Matching). */
  checkLogMatching(): void {
    const logs = this.#cluster.alive().map((member) => ({ id: member.id, log: member.log() }));
    for (const a of logs) {
      for (const b of logs) {
        if (a.id >= b.id) continue;
        let agree = false;
        for (let index = Math.min(a.log.lastIndex, b.log.lastIndex); index > 0; index--) {
          const left = entryAt(a.log, index);
          const right = entryAt(b.log, index);
          if (left === undefined || right === undefined) break;
          const same = left.term === right.term;
          if (agree && !same) fail(`logs of ${a.id} and ${b.id} differ below a match at ${index}`);
          if (same && !sameEntry(left, right)) fail(`two entries ${left.term}/${index}`);
          agree ||= same;
        }
      }
    }
  }

  count(situation: string): void {
    this.seen.set(situation, (this.seen.get(situation) ?? 0) + 1);
  }

  #onEffect(member: Member, effect: Effect): void {
    switch (effect.type) {
      case 'roleChanged':
        if (effect.role === 'leader') this.#onLeader(member, effect.term);
        return;
      case 'apply':
        for (const entry of effect.entries) this.#onApplied(member, entry);
        return;
      case 'persist':
        if (effect.truncateFrom !== undefined) this.count('truncations');
        if (effect.snapshot !== undefined) this.#onNewLog(member, effect);
        return;
      case 'send':
        for (const message of effect.messages) this.#checkMessage(member, message);
        return;
      case 'readReady':
        return this.#onReadReady(member, effect.ref, effect.index);
      case 'accepted':
        this.#openOf(member).set(effect.ref, effect.index);
        return this.#onOutcome(effect.ref, effect.type);
      case 'indeterminate':
        this.#openOf(member).delete(effect.ref);
        return this.#onOutcome(effect.ref, effect.type);
      case 'rejected':
        return this.#onOutcome(effect.ref, effect.type);
      case 'configChanged':
        return this.#onConfig(member, effect);
      case 'transferEnded':
        return this.count(effect.moved ? 'transfers done' : 'transfers given up');
      case 'installSnapshot':
        return this.count('snapshots installed');
      case 'readEntries':
        return this.count('old entries read');
      case 'healed':
        return this.count('damaged members healed');
      case 'sendSnapshot':
        if (effect.resumeAt > 0) this.count('snapshots resumed');
        return;
      case 'cancelSnapshot':
        return this.count('snapshots cancelled');
      case 'refused':
        if (effect.kind === 'absurd') fail(`${member.id}: ${effect.problem}`);
        return this.count('messages of strangers refused');
    }
  }

  #openOf(member: Member): Map<number, number> {
    const life = lifeOf(member);
    const open = this.#open.get(life) ?? new Map<number, number>();
    this.#open.set(life, open);
    return open;
  }

  /** A log is given up for a snapshot only where the two do not agree. */
  #onNewLog(member: Member, effect: Persist): void {
    const { snapshot } = effect;
    if (snapshot === undefined) return;
    const log = member.disk.copy();
    for (const write of member.writes) if (write !== effect) log.write(write);
    if (entryAt(log, snapshot.index)?.term === snapshot.term) {
      fail(
        `${member.id} drops its log for the snapshot of ${snapshot.index}, which agrees with it`,
      );
    }
  }

  #onConfig(member: Member, config: ConfigAt): void {
    const { role, commitIndex } = this.#cluster.status(member.id);
    const life = lifeOf(member);
    const before = this.#configOf.get(life);
    if (role === 'leader' && before !== undefined && config.index > before.index) {
      if (before.index > commitIndex) {
        fail(`${member.id} changes the configuration of ${before.index} before it is committed`);
      }
      if (isLeap(before, config))
        fail(`${member.id} changes two voters at once at ${config.index}`);
    }
    this.#configOf.set(life, config);
    const { confState } = config;
    const { voters, votersOutgoing, promote } = confState;
    if (votersOutgoing.length > 0) this.count('joint configurations');
    if (voters.some((voter) => this.#joiners.has(voter))) this.count('learners promoted');
    this.#joiners = new Set(promote);
  }

  #onLeader(member: Member, term: number): void {
    this.count('elections won');
    const other = this.#leaderOf.get(term);
    if (other !== undefined && other !== member.id) fail(`${other} and ${member.id} lead ${term}`);
    this.#leaderOf.set(term, member.id);
    if (member.raft?.status().damaged === true) fail(`${member.id} leads though damaged`);
    const log = member.log();
    for (const entry of this.committed) {
      if (entry.index <= log.compacted.index) continue;
      const own = entryAt(log, entry.index);
      if (own === undefined || !sameEntry(own, entry)) {
        fail(`leader ${member.id} of term ${term} lacks committed ${entry.term}/${entry.index}`);
      }
    }
  }

  #onApplied(member: Member, entry: Entry): void {
    const known = this.committed[entry.index - 1];
    if (member.disk.lastIndex < entry.index) fail(`${member.id} applies what is not on its disk`);
    if (known !== undefined) {
      if (!sameEntry(known, entry)) {
        fail(`${member.id} applies ${entry.term}/${entry.index}, others ${known.term}`);
      }
      return;
    }
    if (entry.index !== this.committed.length + 1) fail(`a gap before ${entry.index}`);
    this.committed.push(entry);
    if (entry.type !== 'command') return;
    const text = new TextDecoder().decode(entry.data);
    if (this.#applied.has(text)) fail(`${text} was committed twice`);
    if (this.#outcomes.get(Number(text)) === 'rejected')
      fail(`${text} was rejected, yet committed`);
    this.#applied.add(text);
  }

  /** No message says more than the disk of its sender holds. */
  #checkMessage({ id, disk, raft }: Member, message: Message): void {
    const { hardState } = disk;
    if (message.type === 'preVote') return;
    if (message.type === 'preVoteReply' && message.granted) return;
    if (message.term > hardState.term)
      fail(`${id} tells term ${message.term} before it is durable`);
    if (message.type === 'appendReply' && message.ok && disk.lastIndex < message.index) {
      fail(`${id} confirms ${message.index} before it is durable`);
    }
    if (message.type === 'voteReply' && message.granted && message.term === hardState.term) {
      if (hardState.vote !== message.to) fail(`${id} grants a vote before it is durable`);
      if (raft?.status().damaged === true) fail(`${id} votes though damaged`);
    }
  }

  #onReadReady(member: Member, ref: number, index: number): void {
    const floor = this.#floorOf.get(ref);
    if (floor === undefined) return fail(`read ${ref} was never asked`);
    if (index < floor) fail(`read ${ref} at ${member.id} is stale: ${index} below ${floor}`);
    this.count(member.raft?.status().role === 'leader' ? 'reads by leader' : 'reads by follower');
  }

  #onOutcome(ref: number, outcome: string): void {
    const before = this.#outcomes.get(ref);
    const allowed = before === undefined || (before === 'accepted' && outcome === 'indeterminate');
    if (!allowed) fail(`request ${ref} was ${before}, then ${outcome}`);
    this.#outcomes.set(ref, outcome);
    this.count(`requests ${outcome}`);
  }

  #checkMember(member: Member): void {
    const { id, raft } = member;
    if (raft === null) return;
    const { commitIndex, config, role, windowBytes, lastIndex, durableIndex, appliedIndex, peers } =
      raft.status();
    const life = lifeOf(member);
    const before = this.#commitOf.get(life) ?? 0;
    if (commitIndex < before) fail(`commit of ${id} fell from ${before} to ${commitIndex}`);
    this.#commitOf.set(life, commitIndex);
    if (commitIndex > lastIndex) fail(`${id} commits past its log`);
    if (config.index > lastIndex) fail(`${id} goes by a configuration that is not in its log`);
    const open = this.#openOf(member);
    for (const [ref, index] of open) {
      if (index <= commitIndex) open.delete(ref);
      else if (role !== 'leader') fail(`${id} lost the lead and did not say so to request ${ref}`);
    }
    if (appliedIndex > commitIndex) fail(`${id} applied past its commit`);
    const inflightMax = this.#cluster.options.limits?.inflightMessagesMax ?? Infinity;
    for (const [peer, { inflightMessages }] of Object.entries(peers)) {
      if (inflightMessages > inflightMax) fail(`${id} has too much under way to ${peer}`);
    }
    const allowed = this.#cluster.options.limits?.windowBytesMax ?? Infinity;
    if (durableIndex === lastIndex && windowBytes > allowed)
      fail(`window of ${id}: ${windowBytes}`);
  }
}

function lifeOf({ id, starts }: Member): string {
  return `${id}#${starts}`;
}

/** From one plain configuration to another with two voters more, less or other. */
function isLeap({ confState: before }: ConfigAt, { confState: after }: ConfigAt): boolean {
  if (before.votersOutgoing.length > 0 || after.votersOutgoing.length > 0) return false;
  const gone = before.voters.filter((voter) => !after.voters.includes(voter));
  const come = after.voters.filter((voter) => !before.voters.includes(voter));
  return gone.length + come.length > 1;
}

function entryAt(
  log: { readonly compacted: { readonly index: number }; readonly entries: readonly Entry[] },
  index: number,
): Entry | undefined {
  return log.entries[index - log.compacted.index - 1];
}

function sameEntry(a: Entry, b: Entry): boolean {
  return (
    a.term === b.term &&
    a.index === b.index &&
    a.type === b.type &&
    a.data.length === b.data.length &&
    a.data.every((byte, at) => byte === b.data[at])
  );
}

function fail(what: string): never {
  throw new Error(what);
}
