/**
 * Elections: pre-vote, vote, and taking office (paper 5.2, 5.4.1; thesis 9.6).
 *
 * Promise: at most one leader a term, because a vote is given once, leaves only when durable, and is
 * asked for only by a node whose own term, vote and log are durable; a healthy leader is not
 * disturbed, because no node raises a term before a majority would vote for it.
 */

import { isVoter } from './confchange.ts';
import { send, sendWhenDurable } from './emit.ts';
import { commitReached } from './membership.ts';
import { tally } from './quorum.ts';
import { appendNoop, broadcastAppend, syncPeers } from './replication.ts';
import {
  becomeCandidate,
  becomeFollower,
  becomePreCandidate,
  isSoleVoter,
  mayCampaign,
  settleTransfer,
} from './roles.ts';
import { config } from './state.ts';
import type { RaftState } from './state.ts';
import type { NodeId, PreVote, PreVoteReply, Vote, VoteReply } from './types.ts';

/** Asks whether an election could be won, before disturbing a leader by a higher term. */
export function startPreVote(state: RaftState): void {
  if (isSoleVoter(state)) return startVote(state, false);
  becomePreCandidate(state);
  const { id, term } = state;
  const { lastIndex, lastTerm } = state.log;
  for (const to of otherVoters(state)) {
    send(state, { type: 'preVote', from: id, to, term: term + 1, lastIndex, lastTerm });
  }
}

/** Asks for votes. The requests wait for the disk, since they promise a term, a vote and a log. */
export function startVote(state: RaftState, transfer: boolean): void {
  becomeCandidate(state);
  const { id, term } = state;
  const { lastIndex, lastTerm } = state.log;
  for (const to of otherVoters(state)) {
    sendWhenDurable(state, { type: 'vote', from: id, to, term, lastIndex, lastTerm, transfer });
  }
}

/** The leader asks this node to take over: no pre-vote, since no healthy leader is disturbed. */
export function onTimeoutNow(state: RaftState): void {
  if (mayCampaign(state)) startVote(state, true);
}

/** A pre-vote promises nothing and changes nothing, not even the time since the leader was heard. */
export function onPreVote(state: RaftState, request: PreVote): void {
  const mightVote = request.term > state.term || freeToVoteFor(state, request.from);
  const granted = mightVote && !state.damaged && isCompleteEnough(state, request);
  send(state, {
    type: 'preVoteReply',
    from: state.id,
    to: request.from,
    term: granted ? request.term : state.term,
    granted,
  });
}

export function onVote(state: RaftState, request: Vote): void {
  const { from: to, term } = request;
  const granted = freeToVoteFor(state, to) && !state.damaged && isCompleteEnough(state, request);
  if (!granted) {
    return send(state, { type: 'voteReply', from: state.id, to, term, granted });
  }
  state.vote = to;
  state.electionElapsed = 0;
  sendWhenDurable(state, { type: 'voteReply', from: state.id, to, term, granted });
}

/** A grant names the term that was asked for; one for an earlier term does not count for this one. */
export function onPreVoteReply(state: RaftState, reply: PreVoteReply): void {
  if (state.role !== 'preCandidate') return;
  if (reply.granted && reply.term !== state.term + 1) return;
  count(state, reply.from, reply.granted);
}

export function onVoteReply(state: RaftState, reply: VoteReply): void {
  if (state.role === 'candidate') count(state, reply.from, reply.granted);
}

/** Call after a write became durable: a candidate's own vote counts from then on. */
export function countOwnVote(state: RaftState): void {
  const { durableTerm, durableVote } = state.writes;
  if (state.role !== 'candidate' || durableTerm !== state.term || durableVote !== state.id) return;
  count(state, state.id, true);
}

/** Whether votes are to be refused because a leader was heard from lately (thesis 4.2.3). */
export function hasRecentLeader(state: RaftState): boolean {
  return (
    state.role === 'leader' ||
    (state.leader !== null && state.electionElapsed < state.electionTicks)
  );
}

/** Ticks for which a leader may be unreachable before a pre-vote, and as many at random. */
const LEADER_RECENT_TICKS = 2;
const LEADER_RECENT_TICKS_RANDOM = 4;

/**
 * The connection to the leader broke: it may have stopped, so the election timeout is shortened.
 * A member with a recent leader refuses the pre-vote, and a message of the leader resets the timeout,
 * so a connection that broke alone costs nothing. Not in the thesis, which has no connections.
 */
export function onLeaderUnreachable(state: RaftState, node: NodeId): void {
  if (state.role !== 'follower' || state.leader !== node) return;
  // The leader was silent before, or the input was repeated.
  if (state.electionElapsed >= state.electionTicks) return;
  state.electionElapsed = state.electionTicks;
  state.electionTimeout =
    state.electionTicks + LEADER_RECENT_TICKS + state.random.below(LEADER_RECENT_TICKS_RANDOM);
}

function count(state: RaftState, voter: NodeId, granted: boolean): void {
  if (!isVoter(config(state), voter) || state.votes.has(voter)) return;
  state.votes.set(voter, granted);
  const result = tally(config(state), state.votes);
  if (result === 'lost') becomeFollower(state, state.term, null);
  if (result !== 'won') return;
  if (state.role === 'preCandidate') startVote(state, false);
  else becomeLeader(state);
}

/** A new leader begins with an empty entry: only that can commit what came before (paper, 8). */
function becomeLeader(state: RaftState): void {
  state.role = 'leader';
  state.leader = state.id;
  state.electionElapsed = 0;
  state.heartbeatElapsed = 0;
  // Leadership that this node once handed over has come back: it serves from here on.
  settleTransfer(state, state.id);
  state.peers = new Map();
  syncPeers(state);
  appendNoop(state);
  broadcastAppend(state);
  commitReached(state);
}

/** One vote a term; given again to the same candidate, since the first reply may be lost. */
function freeToVoteFor(state: RaftState, candidate: NodeId): boolean {
  return state.vote === candidate || (state.vote === null && state.leader === null);
}

function isCompleteEnough(state: RaftState, request: PreVote | Vote): boolean {
  return state.log.isUpToDate(request.lastIndex, request.lastTerm);
}

function otherVoters(state: RaftState): readonly NodeId[] {
  const { voters, votersOutgoing } = config(state);
  return [...new Set([...voters, ...votersOutgoing])].filter((node) => node !== state.id).sort();
}
