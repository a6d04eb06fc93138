/**
 * Receiving the log from a leader: entries, commit index, snapshots (paper 5.3, section 7).
 *
 * Promise: nothing is dropped that the leader may count on. Entries are truncated only where they
 * conflict, committed ones never, and what was accepted is confirmed only once durable.
 */

import { decodeConfState } from './confchange.ts';
import { emit, send, sendWhenDurable } from './emit.ts';
import type { RaftState } from './state.ts';
import type { Append, AppendReply, Entry, Heartbeat, NodeId, SnapshotReady } from './types.ts';

/**
 * The leader of this term has another entry where this node has a committed one. Raft excludes that
 * while every member keeps what it acknowledged, so some member did not: a disk that loses synced writes, or files that were
 * put back from an older copy. Whichever log is right, going on would hide the loss.
 */
export class CommittedConflict extends Error {
  readonly code = 'committed-conflict';
}

export function onAppend(state: RaftState, append: Append): void {
  const { from: to, prevIndex, prevTerm, entries } = append;
  refuseToUncommit(state, append);
  // What a snapshot covers is committed, and its terms are gone: there is nothing to compare.
  const isCovered = prevIndex < state.log.compactedIndex;
  if (!isCovered && !state.log.matches(prevIndex, prevTerm)) return refuse(state, append);
  const firstNew = entries.findIndex((entry) => {
    return entry.index > state.commit && !state.log.matches(entry.index, entry.term);
  });
  if (firstNew !== -1) take(state, entries.slice(firstNew));
  // Only up to here it is shown that both logs agree, also where more is committed: a leader that lacks
  // committed entries must never get the answer that this node has the leader's.
  const lastNew = prevIndex + entries.length;
  // Beyond the last entry of this message our log may differ from the leader's.
  commitTo(state, Math.min(append.commit, lastNew));
  accept(state, to, lastNew);
}

export function onHeartbeat(state: RaftState, heartbeat: Heartbeat): void {
  commitTo(state, Math.min(heartbeat.commit, state.log.lastIndex));
  const { from: to, round } = heartbeat;
  send(state, { type: 'heartbeatReply', from: state.id, to, term: state.term, round });
}

/** The content is here already; from now on the log starts after it, unless the log holds more. */
export function onSnapshot(state: RaftState, { from, snapshot }: SnapshotReady): void {
  refuseAnother(state, snapshot, 'a snapshot');
  if (snapshot.index <= state.commit) return accept(state, from, snapshot.index);
  if (state.log.matches(snapshot.index, snapshot.term)) {
    commitTo(state, snapshot.index);
    return accept(state, from, snapshot.index);
  }
  state.log.resetTo(snapshot);
  state.writes.restartAfter(snapshot);
  state.configs.resetTo(snapshot.config);
  state.commit = snapshot.index;
  state.snapshot = snapshot;
  state.install = snapshot;
  state.fetchId = null;
  accept(state, from, snapshot.index);
}

/** A damaged node is whole again when it holds what the leader held after the damage was found. */
export function checkHealed(state: RaftState): void {
  const { damaged, healGoal, term, commit, log } = state;
  if (!damaged || healGoal === null || healGoal.term !== term) return;
  if (commit < healGoal.index || log.durableIndex < healGoal.index) return;
  state.damaged = false;
  emit(state, { type: 'healed' });
}

/** Every place that a message names at or below the commit index must be as it is here. */
function refuseToUncommit(state: RaftState, { prevIndex, prevTerm, entries }: Append): void {
  refuseAnother(state, { index: prevIndex, term: prevTerm }, 'an entry');
  for (const entry of entries) {
    if (entry.index > state.commit) return;
    refuseAnother(state, entry, 'an entry');
  }
}

/** Leader completeness excludes this; if it happens, going on would lose data. */
function refuseAnother(
  { commit, leader, log, term }: RaftState,
  place: { readonly index: number; readonly term: number },
  what: string,
): void {
  const own = log.term(place.index);
  if (place.index > commit || own === undefined || own === place.term) return;
  throw new CommittedConflict(
    `the leader ${leader} of term ${term} has ${what} of term ${place.term} at index ${place.index}, ` +
      `where this node has a committed entry of term ${own} (committed up to ${commit}): ` +
      'a member has lost entries that it acknowledged',
  );
}

function take(state: RaftState, entries: readonly Entry[]): void {
  const [first] = entries;
  if (first === undefined) return;
  if (first.index <= state.log.lastIndex) {
    state.log.truncateFrom(first.index);
    state.writes.truncateFrom(first.index);
    state.configs.truncateFrom(first.index);
  }
  state.log.append(entries);
  state.writes.appendEntries(entries);
  for (const entry of entries) {
    if (entry.type !== 'config') continue;
    state.configs.push({ index: entry.index, confState: decodeConfState(entry.data) });
  }
}

function commitTo(state: RaftState, index: number): void {
  state.commit = Math.max(state.commit, index);
}

function accept(state: RaftState, to: NodeId, index: number): void {
  const reply = answer(state, to, { ok: true, index, hintIndex: 0, hintTerm: 0, lost: false });
  if (index <= state.log.durableIndex) send(state, reply);
  else sendWhenDurable(state, reply);
}

/** Points the leader past the whole run of entries that cannot agree (paper 5.3). */
function refuse(state: RaftState, { from, prevIndex, prevTerm }: Append): void {
  const hintIndex = state.log.lastIndexWithin(prevIndex, prevTerm);
  const hintTerm = state.log.term(hintIndex) ?? 0;
  const lost = state.damaged;
  send(state, answer(state, from, { ok: false, index: prevIndex, hintIndex, hintTerm, lost }));
}

type AnswerBody = Omit<AppendReply, 'type' | 'from' | 'to' | 'term'>;

function answer(state: RaftState, to: NodeId, fields: AnswerBody): AppendReply {
  return { type: 'appendReply', from: state.id, to, term: state.term, ...fields };
}
