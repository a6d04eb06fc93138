/**
 * The leader's side of the log: appending, sending, committing (paper 5.3, 5.4).
 *
 * Promise: entries are sent while they are being written (thesis 10.2.1), in windows bounded by
 * count and bytes; an index is committed only by counting durable copies of an entry of the
 * leader's own term.
 */

import { encodeConfState, isJoint, members } from './confchange.ts';
import { emit, send } from './emit.ts';
import { entryBytes } from './limits.ts';
import { Progress } from './progress.ts';
import { quorumIndex } from './quorum.ts';
import { config, configCommitted } from './state.ts';
import type { RaftState } from './state.ts';
import type { ConfState, Entry, EntryType, Ref } from './types.ts';

const NO_DATA = new Uint8Array(0);

/** Appends to the leader's own log; the write closes with the step. */
export function appendOwn(
  state: RaftState,
  type: EntryType,
  data: Uint8Array,
  ref: Ref | null,
): Entry {
  const entry: Entry = { term: state.term, index: state.log.lastIndex + 1, type, data };
  const bytes = entryBytes(entry);
  state.log.append([entry]);
  state.writes.appendEntries([entry]);
  state.proposals.push({ ref, index: entry.index, term: entry.term, bytes });
  state.uncommittedBytes += bytes;
  if (ref !== null) emit(state, { type: 'accepted', ref, term: entry.term, index: entry.index });
  return entry;
}

export function appendNoop(state: RaftState): void {
  appendOwn(state, 'noop', NO_DATA, null);
}

/** A configuration is in force from the moment it is in the log (thesis 4.1). */
export function appendConfig(state: RaftState, confState: ConfState, ref: Ref | null): void {
  const { index } = appendOwn(state, 'config', encodeConfState(confState), ref);
  state.configs.push({ index, confState });
  syncPeers(state);
}

/** Follows the configuration in force: new members are probed, removed members get that commit and are dropped. */
export function syncPeers(state: RaftState): void {
  const present = new Set(members(config(state)));
  for (const id of present) {
    const peer = state.peers.get(id);
    if (peer !== undefined) peer.departsAtTick = null;
    else if (id !== state.id) {
      state.peers.set(id, new Progress(id, state.log.lastIndex + 1, state.tick, state.limits));
    }
  }
  for (const peer of state.peers.values()) {
    if (!present.has(peer.id)) peer.departsAtTick ??= state.tick + 2 * state.electionTicks;
  }
}

/** Drops removed members that have the commit of their removal, or had enough time to get it. */
export function dropDeparted(state: RaftState): void {
  const { index } = state.configs.current;
  for (const peer of sortedPeers(state)) {
    if (peer.departsAtTick === null) continue;
    const hasCommit = configCommitted(state) && peer.match >= index && peer.sentCommit >= index;
    if (!hasCommit && state.tick < peer.departsAtTick) continue;
    if (peer.snapshot !== null) emit(state, { type: 'cancelSnapshot', to: peer.id });
    state.peers.delete(peer.id);
  }
}

/** Sends each peer what its window has room for; the commit index goes along or alone. */
export function broadcastAppend(state: RaftState): void {
  for (const peer of sortedPeers(state)) sendAllowed(state, peer);
}

/** Everything that may leave for this peer now. */
export function sendAllowed(state: RaftState, peer: Progress): void {
  // A peer cannot commit past what it was sent; another heartbeat would only be answered again.
  const couldCommit = Math.min(state.commit, peer.next - 1);
  const commitIsNews = peer.state === 'replicate' && peer.sentCommit < couldCommit;
  let sent = sendAppend(state, peer, commitIsNews);
  while (sent && peer.state === 'replicate' && peer.next <= state.log.lastIndex) {
    sent = sendAppend(state, peer, false);
  }
}

/** One append; without entries only if `evenIfEmpty`, which makes a lagging peer show itself. */
export function sendAppend(state: RaftState, peer: Progress, evenIfEmpty: boolean): boolean {
  if (peer.state === 'snapshot' || (peer.state === 'probe' && peer.paused)) return false;
  if (state.log.term(peer.next - 1) === undefined) {
    startSnapshot(state, peer);
    return false;
  }
  const entries = entriesFor(state, peer);
  if (entries.length === 0 && !evenIfEmpty && peer.state !== 'probe') return false;
  sendEntries(state, peer, entries);
  return true;
}

/** Asks a probed peer again where it is, without the entries that may be on its disk by now. */
export function sendProbe(state: RaftState, peer: Progress): void {
  if (state.log.term(peer.next - 1) === undefined) startSnapshot(state, peer);
  else sendEntries(state, peer, []);
}

/** Sends old entries that the host has read, if they are still what this peer needs. */
export function sendFetched(state: RaftState, peer: Progress, entries: readonly Entry[]): void {
  peer.fetchId = null;
  // What was read from the disk is checked against the known terms: a wrong read must not spread.
  if (entries.length === 0 || !state.log.agreesWith(peer.next, entries)) return;
  if (peer.state !== 'replicate' || peer.inflights.full()) return;
  sendEntries(state, peer, entries);
  sendAllowed(state, peer);
}

export function broadcastHeartbeat(state: RaftState): void {
  state.heartbeatElapsed = 0;
  for (const peer of sortedPeers(state)) {
    send(state, {
      type: 'heartbeat',
      from: state.id,
      to: peer.id,
      term: state.term,
      // Only what it certainly holds: its log may differ beyond.
      commit: Math.min(peer.match, state.commit),
      round: state.round,
    });
  }
}

/**
 * Moves the commit index to what a quorum holds durably. True if it moved.
 *
 * Entries of earlier terms are never committed by counting, only under one of this term (paper
 * 5.4.2, figure 8). The leader counts itself for what its own disk has, and needs not be part of
 * the quorum.
 */
export function advanceCommit(state: RaftState): boolean {
  const reached = quorumIndex(config(state), (voter) => {
    return voter === state.id ? state.log.durableIndex : (state.peers.get(voter)?.match ?? 0);
  });
  if (reached <= state.commit || state.log.term(reached) !== state.term) return false;
  state.commit = reached;
  let settled = 0;
  for (const { index, bytes } of state.proposals) {
    if (index > reached) break;
    state.uncommittedBytes -= bytes;
    settled++;
  }
  state.proposals.splice(0, settled);
  return true;
}

/** Whether another configuration change may start (thesis 4.1, and Ongaro's later correction). */
export function configSettled(state: RaftState): boolean {
  return configCommitted(state) && state.log.term(state.commit) === state.term;
}

/** A joint configuration that leaves by itself is left as soon as it is committed (thesis 4.3). */
export function mustLeaveJoint(state: RaftState): boolean {
  return isJoint(config(state)) && config(state).autoLeave && configSettled(state);
}

/** Within an election timeout, which is as long as the contact of a peer counts. */
export function heardLately(state: RaftState, peer: Progress): boolean {
  return state.tick - peer.lastContactTick < state.electionTicks;
}

/** In order of name, so that nothing depends on the order in which peers came to be known. */
export function sortedPeers(state: RaftState): readonly Progress[] {
  return [...state.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function entriesFor(state: RaftState, peer: Progress): readonly Entry[] {
  if (!peer.hasRoom() || peer.fetchId !== null) return [];
  const { lastIndex } = state.log;
  const held = state.log.slice(peer.next, lastIndex, state.limits.appendBytesMax);
  if (held !== undefined) return held;
  // A probe only asks where the logs agree: no need to read the disk for it.
  if (peer.state === 'replicate') fetch(state, peer);
  return [];
}

function sendEntries(state: RaftState, peer: Progress, entries: readonly Entry[]): void {
  const prevIndex = peer.next - 1;
  const lastSent = prevIndex + entries.length;
  send(state, {
    type: 'append',
    from: state.id,
    to: peer.id,
    term: state.term,
    prevIndex,
    prevTerm: state.log.term(prevIndex) ?? 0,
    entries,
    commit: state.commit,
  });
  peer.sentCommit = Math.max(peer.sentCommit, Math.min(state.commit, lastSent));
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  if (entries.length > 0 || peer.state === 'probe') peer.sent(lastSent, bytes);
}

function fetch(state: RaftState, peer: Progress): void {
  peer.fetchId = ++state.lastFetchId;
  emit(state, {
    type: 'readEntries',
    id: peer.fetchId,
    from: peer.next,
    to: state.log.windowFirst - 1,
    bytesMax: state.limits.appendBytesMax,
  });
}

/** The peer needs entries that are gone: the newest snapshot takes their place (paper, section 7). */
function startSnapshot(state: RaftState, peer: Progress): void {
  const { snapshot, log } = state;
  if (snapshot === null || snapshot.index < log.compactedIndex) {
    throw new Error(`raft: the log was compacted to ${log.compactedIndex} without a snapshot`);
  }
  // To a peer that is down, parts would only pile up.
  if (!heardLately(state, peer) || peer.departsAtTick !== null) return;
  peer.toSnapshot(snapshot, 0);
  emit(state, { type: 'sendSnapshot', to: peer.id, snapshot, resumeAt: 0 });
}
