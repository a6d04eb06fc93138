/**
 * Changing roles: what is reset and which requests are answered (paper, figure 4).
 *
 * Promise: a node that stops being leader answers every open request: its outcome is unknown, or it never
 * happened, and stops what it had started for peers.
 */

import { isVoter } from './confchange.ts';
import { emit, reject } from './emit.ts';
import { config, configCommitted, isStalled } from './state.ts';
import type { RaftState } from './state.ts';
import type { NodeId } from './types.ts';

export function becomeFollower(state: RaftState, term: number, leader: NodeId | null): void {
  if (state.role === 'leader') clearLeaderState(state);
  if (term !== state.term) {
    state.term = term;
    state.vote = null;
  }
  if (leader !== state.leader) dropAskedReads(state);
  state.role = 'follower';
  state.leader = leader;
  state.votes = new Map();
  restartElectionTimer(state);
  if (leader !== null) settleTransfer(state, leader);
}

/** A pre-candidate changes neither its term nor its vote (thesis 9.6). */
export function becomePreCandidate(state: RaftState): void {
  dropAskedReads(state);
  state.role = 'preCandidate';
  state.leader = null;
  state.votes = new Map([[state.id, true]]);
  restartElectionTimer(state);
}

/** Its own vote counts only once it is durable, like any other. */
export function becomeCandidate(state: RaftState): void {
  dropAskedReads(state);
  state.role = 'candidate';
  state.term++;
  state.vote = state.id;
  state.leader = null;
  state.votes = new Map();
  restartElectionTimer(state);
}

export function restartElectionTimer(state: RaftState): void {
  state.electionElapsed = 0;
  state.electionTimeout = state.electionTicks + state.random.below(state.electionTicks);
}

/** Whether this node may campaign at all. */
export function mayCampaign(state: RaftState): boolean {
  return (
    isPromotable(state) &&
    !state.damaged &&
    state.install === null &&
    (!isStalled(state) || isSoleVoter(state))
  );
}

/**
 * A node that is being removed still campaigns until that is committed (thesis 4.2.2): its log may be the
 * only complete one, and then no other can win.
 */
function isPromotable(state: RaftState): boolean {
  const { current } = state.configs;
  if (isVoter(current.confState, state.id)) return true;
  const before = state.configs.at(current.index - 1);
  return !configCommitted(state) && isVoter(before.confState, state.id);
}

/** A single voter has no other to wait for, and none to transfer leadership to. */
export function isSoleVoter(state: RaftState): boolean {
  const { voters, votersOutgoing } = config(state);
  return voters.length > 0 && [...voters, ...votersOutgoing].every((voter) => voter === state.id);
}

/** The transfer is over: the leader that came of it is known, or none did. */
export function settleTransfer(state: RaftState, leader: NodeId | null): void {
  const { transfer } = state;
  if (transfer === null) return;
  state.transfer = null;
  emit(state, { type: 'transferEnded', ref: transfer.ref, moved: leader === transfer.to });
}

export function dropAskedReads(state: RaftState): void {
  const pending = [...state.pendingReadIndex.values()];
  state.pendingReadIndex.clear();
  for (const { ref } of pending) if (ref !== null) reject(state, ref, 'no-answer');
}

function clearLeaderState(state: RaftState): void {
  for (const { ref, term, index } of state.proposals) {
    if (ref !== null) emit(state, { type: 'indeterminate', ref, term, index });
  }
  for (const peer of state.peers.values()) {
    if (peer.snapshot !== null) emit(state, { type: 'cancelSnapshot', to: peer.id });
  }
  for (const read of [...state.rounds.flatMap((round) => round.reads), ...state.waitingReads]) {
    if (read.from === 'self') reject(state, read.ref, 'not-leader');
  }
  state.proposals = [];
  state.uncommittedBytes = 0;
  state.peers = new Map();
  state.rounds = [];
  state.waitingReads = [];
}
