/**
 * The consensus core: one synchronous `step(input) → effects`, in the manner of etcd/raft.
 *
 * Promise: the same inputs in the same order give the same effects, bit for bit. No promise, timer,
 * clock, randomness or I/O is in here; the host (or the simulator) owns all of them. The rules
 * are in the modules beside; this module only dispatches inputs to them.
 */

import { emitCommitted, emitFetched, onApplied, retryFetch } from './apply.ts';
import {
  countOwnVote,
  hasRecentLeader,
  onLeaderUnreachable,
  onPreVote,
  onPreVoteReply,
  onTimeoutNow,
  onVote,
  onVoteReply,
  startPreVote,
} from './election.ts';
import { announce, emit, flush, reject, send } from './emit.ts';
import type { LastAnnounced } from './emit.ts';
import { checkHealed, onAppend, onHeartbeat, onSnapshot } from './follower.ts';
import { faultOf } from './guard.ts';
import {
  onAppendReply,
  onHeartbeatReply,
  onReadIndex,
  onSnapshotProgress,
  onSnapshotSent,
  onUnreachable,
  tickLeader,
} from './leader.ts';
import { ENTRY_OVERHEAD_BYTES } from './limits.ts';
import { commitReached, proposeChange } from './membership.ts';
import { addRead, askForHealGoal, askLeader, expireReadIndex, onReadIndexReply } from './reads.ts';
import { appendOwn, broadcastAppend, sendFetched } from './replication.ts';
import { becomeFollower, isSoleVoter, mayCampaign } from './roles.ts';
import { restore } from './state.ts';
import type { RaftState } from './state.ts';
import { statusOf } from './status.ts';
import { checkTransfer, giveUpLeadership, startTransfer } from './transfer.ts';
import type {
  Append,
  Effect,
  Entry,
  Heartbeat,
  Input,
  Message,
  Raft,
  RaftOptions,
  Ref,
  Restored,
  SnapshotReady,
} from './types.ts';

/** Throws if the options are unsafe or what was restored contradicts itself. */
export function createRaft(options: RaftOptions, restored: Restored): Raft {
  return raftOn(restore(options, restored));
}

/** The core on a state that its maker keeps in sight, as a search through all states must. */
export function raftOn(state: RaftState): Raft {
  const last: LastAnnounced = {
    role: state.role,
    term: state.term,
    leader: state.leader,
    config: state.configs.current.confState,
  };
  return {
    step: (input) => step(state, last, input),
    status: () => statusOf(state),
    configAt: (index) => state.configs.at(index),
  };
}

function step(state: RaftState, last: LastAnnounced, input: Input): readonly Effect[] {
  state.effects = [];
  receive(state, input);
  flush(state, input.type === 'tick');
  emitCommitted(state);
  checkHealed(state);
  return announce(state, last);
}

function receive(state: RaftState, input: Input): void {
  switch (input.type) {
    case 'tick':
      return onTick(state);
    case 'message':
      return onMessage(state, input.message);
    case 'propose':
      return onPropose(state, input.ref, input.data);
    case 'readIndex':
      if (state.role === 'leader') return addRead(state, { from: 'self', ref: input.ref });
      return askLeader(state, input.ref);
    case 'transfer':
      return startTransfer(state, input.ref, input.to);
    case 'confChange': {
      const { ref, changes, expectedIndex, leave } = input;
      return proposeChange(state, ref, changes, expectedIndex, leave ?? 'auto');
    }
    case 'persisted':
      return onPersisted(state, input.id);
    case 'applied':
      return onApplied(state, input.index);
    case 'entriesRead':
      return onEntriesRead(state, input.id, input.entries);
    case 'snapshotTaken':
      return onSnapshotTaken(state, input.index);
    case 'compacted':
      return onCompacted(state, input.index);
    case 'snapshotProgress':
      return onSnapshotProgress(state, input);
    case 'snapshotSent':
      return onSnapshotSent(state, input.to, input.index, input.ok);
    case 'unreachable':
      onLeaderUnreachable(state, input.to);
      return onUnreachable(state, input.to);
    case 'rolledBack':
      return onRolledBack(state, input.term);
    case 'stalled':
      state.stalledByHost = true;
      if (state.role === 'leader' && !isSoleVoter(state)) giveUpLeadership(state);
      return;
    case 'recovered':
      state.stalledByHost = false;
      return;
  }
}

function onTick(state: RaftState): void {
  state.tick++;
  retryFetch(state);
  if (state.role === 'leader') return tickLeader(state);
  state.electionElapsed++;
  expireReadIndex(state);
  checkTransfer(state);
  askForHealGoal(state);
  // With no other voter to wait for, an election takes no longer than the disk.
  const alone = isSoleVoter(state) && state.role === 'follower';
  const due = alone || state.electionElapsed >= state.electionTimeout;
  if (!due) return;
  if (mayCampaign(state)) startPreVote(state);
  // A node that cannot campaign, such as a learner or a removed member, has lost its leader, too.
  else if (state.leader !== null) becomeFollower(state, state.term, null);
}

/** Terms first (paper 5.1), with the exceptions that pre-vote and voter stickiness make. */
function onMessage(state: RaftState, message: Message): void {
  if (message.to !== state.id) {
    throw new Error(`raft: ${state.id} was given a message to ${message.to}`);
  }
  const fault = faultOf(state, message);
  if (fault !== null) return emit(state, { type: 'refused', message, ...fault });
  if (message.term < state.term) return onOldTerm(state, message);
  if (message.term > state.term) {
    if (isElection(message) && hasRecentLeader(state)) return;
    if (!isAboutFuture(message)) {
      becomeFollower(state, message.term, isFromLeader(message) ? message.from : null);
    }
  }
  dispatch(state, message);
}

function dispatch(state: RaftState, message: Message): void {
  switch (message.type) {
    case 'preVote':
      return onPreVote(state, message);
    case 'vote':
      return onVote(state, message);
    case 'preVoteReply':
      return onPreVoteReply(state, message);
    case 'voteReply':
      return onVoteReply(state, message);
    case 'append':
      followLeader(state, message);
      return onAppend(state, message);
    case 'heartbeat':
      followLeader(state, message);
      return onHeartbeat(state, message);
    case 'snapshot':
      followLeader(state, message);
      return onSnapshot(state, message);
    case 'appendReply':
      if (state.role === 'leader') onAppendReply(state, message);
      return;
    case 'heartbeatReply':
      if (state.role === 'leader') onHeartbeatReply(state, message);
      return;
    case 'readIndex':
      if (state.role === 'leader') onReadIndex(state, message);
      return;
    case 'readIndexReply':
      return onReadIndexReply(state, message);
    case 'timeoutNow':
      // Of another than the leader it is late, or a lie.
      if (message.from === state.leader) onTimeoutNow(state);
      return;
  }
}

function onPropose(state: RaftState, ref: Ref, data: Uint8Array): void {
  const { limits } = state;
  const bytes = data.length + ENTRY_OVERHEAD_BYTES;
  if (state.role !== 'leader') return reject(state, ref, 'not-leader');
  if (state.transfer !== null) return reject(state, ref, 'transferring');
  if (bytes > limits.entryBytesMax) return reject(state, ref, 'too-large');
  // With nothing else under way one entry passes whatever its size, or it never could.
  if (state.uncommittedBytes > 0 && state.uncommittedBytes + bytes > limits.uncommittedBytesMax) {
    return reject(state, ref, 'overloaded');
  }
  appendOwn(state, 'command', data, ref);
  broadcastAppend(state);
}

function onPersisted(state: RaftState, id: number): void {
  const released = state.writes.acknowledge(id, state.log);
  // What was promised to an older term may have been taken back since, and nothing waits for it.
  state.outbox.push(...released.filter((message) => message.term === state.term));
  countOwnVote(state);
  commitReached(state);
}

function onEntriesRead(state: RaftState, id: number, entries: readonly Entry[]): void {
  if (state.fetchId === id) return emitFetched(state, entries);
  for (const peer of state.peers.values()) {
    if (peer.fetchId === id) sendFetched(state, peer, entries);
  }
}

function onSnapshotTaken(state: RaftState, index: number): void {
  // While the host took it, a newer one may have come from the leader.
  if (index <= (state.snapshot?.index ?? 0)) return;
  const term = state.log.term(index);
  if (term === undefined || index > state.applied) {
    throw new Error(`raft: no snapshot can be at ${index}; applied is ${state.applied}`);
  }
  state.snapshot = { index, term, config: state.configs.at(index) };
  state.configs.trimTo(index);
}

function onCompacted(state: RaftState, index: number): void {
  if (index > (state.snapshot?.index ?? 0)) {
    throw new Error(`raft: the log was dropped up to ${index}, which no snapshot covers`);
  }
  if (index > state.log.compactedIndex) state.log.compact(index);
}

/** Answers a sender of an older term, so that it does not wait for ever for a leader that cannot reach it. */
function onOldTerm(state: RaftState, message: Message): void {
  const { id: from, term } = state;
  const { from: to } = message;
  if (isFromLeader(message)) {
    send(state, { type: 'heartbeatReply', from, to, term, round: 0 });
  } else if (message.type === 'preVote') {
    send(state, { type: 'preVoteReply', from, to, term, granted: false });
  }
}

/**
 * From here on this node is damaged, whatever its disk holds. It may have voted in `term` for any candidate, so
 * that term gets no vote from it any more, also after it has healed.
 */
function onRolledBack(state: RaftState, term: number): void {
  state.damaged = true;
  state.healGoal = null;
  if (state.role !== 'follower' || term > state.term) {
    becomeFollower(state, Math.max(term, state.term), null);
  }
  if (state.term === term) state.vote ??= state.id;
}

function followLeader(state: RaftState, { from }: Message): void {
  if (state.role !== 'follower' || state.leader !== from) becomeFollower(state, state.term, from);
  state.electionElapsed = 0;
}

function isFromLeader(message: Message): message is Append | Heartbeat | SnapshotReady {
  return message.type === 'append' || message.type === 'heartbeat' || message.type === 'snapshot';
}

/** Elections that a healthy leader is protected from; its own wish to leave is none of them. */
function isElection(message: Message): boolean {
  return message.type === 'preVote' || (message.type === 'vote' && !message.transfer);
}

/** Pre-votes name a term that does not exist yet. */
function isAboutFuture(message: Message): boolean {
  return message.type === 'preVote' || (message.type === 'preVoteReply' && message.granted);
}
