/**
 * Linearizable reads by ReadIndex (thesis 6.4), requested on the leader or on a follower.
 *
 * Promise: a read is answered only with a commit index of a leader that a quorum confirmed after the
 * read was requested. Reads are gathered in numbered rounds; heartbeats carry the number of the latest
 * round and a reply confirms that round and all before, so a lost reply costs one heartbeat and an
 * old reply can never confirm a newer read.
 */

import { emit, reject, send } from './emit.ts';
import { quorumIndex } from './quorum.ts';
import { broadcastHeartbeat } from './replication.ts';
import { committedInOwnTerm, config } from './state.ts';
import type { Read, RaftState, ReadRound } from './state.ts';
import type { ReadIndexReply, Ref } from './types.ts';

export function pendingReads(state: RaftState): number {
  const inRounds = state.rounds.reduce((sum, round) => sum + round.reads.length, 0);
  return inRounds + state.waitingReads.length + state.pendingReadIndex.size;
}

/** Leader: one round is under way at a time, so a burst of reads costs two rounds, not one each. */
export function addRead(state: RaftState, read: Read): void {
  if (pendingReads(state) >= state.limits.readsMax) {
    if (read.from === 'self') reject(state, read.ref, 'overloaded');
    return;
  }
  state.waitingReads.push(read);
  if (state.rounds.length === 0) startRound(state);
}

/** Leader: opens a round for the waiting reads, once it has committed an entry of its term. */
export function startRound(state: RaftState): boolean {
  if (state.waitingReads.length === 0 || !committedInOwnTerm(state)) return false;
  state.round++;
  state.rounds.push({ round: state.round, index: state.commit, reads: state.waitingReads });
  state.waitingReads = [];
  broadcastHeartbeat(state);
  confirmReads(state);
  return true;
}

/** Leader: answers every round that a quorum has confirmed. */
export function confirmReads(state: RaftState): void {
  if (state.rounds.length === 0) return;
  const confirmed = quorumIndex(config(state), (voter) => {
    return voter === state.id ? state.round : (state.peers.get(voter)?.ackedRound ?? 0);
  });
  const ready = state.rounds.filter((round) => round.round <= confirmed);
  if (ready.length === 0) return;
  state.rounds = state.rounds.slice(ready.length);
  for (const round of ready) answerRound(state, round);
  if (state.rounds.length === 0) startRound(state);
}

/** Damaged follower: asks each new leader once how far it must come to be whole again. */
export function askForHealGoal(state: RaftState): void {
  if (!state.damaged || state.healGoal?.term === state.term) return;
  const underWay = [...state.pendingReadIndex.values()].some(({ ref }) => ref === null);
  if (!underWay) askLeader(state, null);
}

/** Follower: asks the leader; without `ref`, for the goal of its own healing. */
export function askLeader(state: RaftState, ref: Ref | null): void {
  if (state.leader === null) {
    if (ref !== null) reject(state, ref, 'not-leader');
    return;
  }
  if (pendingReads(state) >= state.limits.readsMax) {
    if (ref !== null) reject(state, ref, 'overloaded');
    return;
  }
  const readId = state.nextReadId++;
  state.pendingReadIndex.set(readId, { ref, tick: state.tick });
  const { id, leader, term } = state;
  send(state, { type: 'readIndex', from: id, to: leader, term, readId });
}

/** Follower: the leader's answer. */
export function onReadIndexReply(state: RaftState, reply: ReadIndexReply): void {
  const pending = state.pendingReadIndex.get(reply.readId);
  if (pending === undefined) return;
  state.pendingReadIndex.delete(reply.readId);
  if (pending.ref !== null) {
    emit(state, { type: 'readReady', ref: pending.ref, index: reply.index });
  } else if (state.damaged) {
    state.healGoal = { term: reply.term, index: reply.lastIndex };
  }
}

/** Follower: gives up on questions older than an election timeout. */
export function expireReadIndex(state: RaftState): void {
  for (const [readId, { ref, tick }] of state.pendingReadIndex) {
    if (state.tick - tick < state.electionTicks) continue;
    state.pendingReadIndex.delete(readId);
    if (ref !== null) reject(state, ref, 'no-answer');
  }
}

function answerRound(state: RaftState, { index, reads }: ReadRound): void {
  const { id, term, log } = state;
  for (const read of reads) {
    if (read.from === 'self') {
      emit(state, { type: 'readReady', ref: read.ref, index });
    } else {
      const { node: to, readId } = read;
      const { lastIndex } = log;
      send(state, { type: 'readIndexReply', from: id, to, term, readId, index, lastIndex });
    }
  }
}
