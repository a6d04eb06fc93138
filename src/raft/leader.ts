/**
 * The leader's day: its ticks, and the replies of its peers.
 *
 * Promise: a leader that a quorum has not answered for one election timeout stops leading, and with
 * that its heartbeats, so that a majority behind a partial partition is free to elect (thesis 6.2).
 */

import { emit, send } from './emit.ts';
import { commitReached, promoteLearners } from './membership.ts';
import type { Progress } from './progress.ts';
import { quorumHolds } from './quorum.ts';
import { addRead, confirmReads, startRound } from './reads.ts';
import {
  broadcastHeartbeat,
  dropDeparted,
  heardLately,
  sendAllowed,
  sendAppend,
  sendProbe,
  sortedPeers,
} from './replication.ts';
import { becomeFollower, isSoleVoter } from './roles.ts';
import { config, isStalled } from './state.ts';
import type { RaftState } from './state.ts';
import { checkTransfer, continueTransfer, giveUpLeadership } from './transfer.ts';
import type {
  AppendReply,
  HeartbeatReply,
  NodeId,
  ReadIndexAsk,
  SnapshotPosition,
} from './types.ts';

export function tickLeader(state: RaftState): void {
  if (!hasQuorum(state)) return becomeFollower(state, state.term, null);
  if (isStalled(state) && !isSoleVoter(state)) return giveUpLeadership(state);
  checkTransfer(state);
  dropDeparted(state);
  for (const peer of sortedPeers(state)) tickSnapshot(state, peer);
  // With every tick: under load each commit puts the next heartbeat off.
  promoteLearners(state);
  state.heartbeatElapsed++;
  if (state.heartbeatElapsed < state.heartbeatTicks) return;
  if (!startRound(state)) broadcastHeartbeat(state);
}

export function onAppendReply(state: RaftState, reply: AppendReply): void {
  const peer = contacted(state, reply.from);
  if (peer === undefined) return;
  if (!reply.ok) return onRefused(state, peer, reply);
  const news = peer.matched(reply.index);
  peer.inflights.freeUpTo(reply.index);
  if (peer.state === 'snapshot') leaveSnapshot(state, peer);
  else if (peer.state === 'probe') peer.toReplicate();
  if (news) commitReached(state);
  if (state.role !== 'leader') return;
  sendAllowed(state, peer);
  continueTransfer(state, peer);
}

export function onHeartbeatReply(state: RaftState, reply: HeartbeatReply): void {
  const peer = contacted(state, reply.from);
  if (peer === undefined) return;
  peer.ackedRound = Math.max(peer.ackedRound, reply.round);
  // An answer shows that the link works: whatever it did not confirm may have been lost.
  peer.paused = false;
  const { snapshot } = peer;
  if (snapshot?.delivered === true) sendInstall(state, peer.id, snapshot.meta);
  else if (peer.state === 'probe') sendProbe(state, peer);
  else if (peer.match < state.log.lastIndex) sendAppend(state, peer, true);
  confirmReads(state);
}

export function onReadIndex(state: RaftState, ask: ReadIndexAsk): void {
  addRead(state, { from: 'peer', node: ask.from, readId: ask.readId });
}

export function onUnreachable(state: RaftState, to: NodeId): void {
  const peer = state.peers.get(to);
  // What was sent optimistically is likely lost: find out where the peer is before sending more.
  if (peer?.state === 'replicate') peer.toProbe();
}

export function onSnapshotProgress(
  state: RaftState,
  report: {
    readonly to: NodeId;
    readonly index: number;
    readonly done: number;
    readonly total: number;
  },
): void {
  const transfer = state.peers.get(report.to)?.snapshot;
  if (transfer?.meta.index !== report.index) return;
  if (report.done > transfer.done) transfer.idleTicks = 0;
  transfer.done = Math.max(transfer.done, report.done);
  transfer.total = report.total;
}

export function onSnapshotSent(state: RaftState, to: NodeId, index: number, ok: boolean): void {
  const peer = state.peers.get(to);
  const transfer = peer?.snapshot;
  if (transfer?.meta.index !== index) return;
  transfer.idleTicks = 0;
  transfer.moving = false;
  transfer.delivered = ok;
  if (ok) sendInstall(state, to, transfer.meta);
}

/** The quorum that must have answered within the last election timeout (check-quorum). */
function hasQuorum(state: RaftState): boolean {
  return quorumHolds(config(state), (voter) => {
    const peer = state.peers.get(voter);
    if (voter === state.id) return true;
    return peer !== undefined && heardLately(state, peer);
  });
}

function contacted(state: RaftState, from: NodeId): Progress | undefined {
  const peer = state.peers.get(from);
  if (peer !== undefined) peer.lastContactTick = state.tick;
  return peer;
}

function onRefused(state: RaftState, peer: Progress, reply: AppendReply): void {
  // It does not hold what it has acknowledged: its disk is that of an earlier moment. Should this be a late
  // answer, the next answer to a probe corrects it: `match` is then lower than it could be, which is always safe.
  const isAgainstItsWord =
    peer.state === 'probe' && reply.index === peer.match && peer.next - 1 === reply.index;
  if ((reply.lost || isAgainstItsWord) && reply.hintIndex < peer.match) {
    peer.match = reply.hintIndex;
    peer.toProbe();
  } else if (reply.index <= peer.match || peer.state === 'snapshot') {
    // Late: answering at once would only go round and round.
    return;
  } else if (peer.state === 'replicate') {
    peer.toProbe();
  } else if (peer.next - 1 !== reply.index) {
    return;
  }
  const agreesAt = state.log.lastIndexWithin(reply.hintIndex, reply.hintTerm);
  peer.next = Math.max(Math.min(reply.index, agreesAt + 1), peer.match + 1);
  peer.paused = false;
  sendAppend(state, peer, true);
}

/** The peer caught up with what the log still holds: by the snapshot, or by another way. */
function leaveSnapshot(state: RaftState, peer: Progress): void {
  const { snapshot } = peer;
  if (peer.match >= state.log.compactedIndex) {
    if (snapshot?.delivered === false) emit(state, { type: 'cancelSnapshot', to: peer.id });
    peer.toReplicate();
  } else if (snapshot !== null && peer.match >= snapshot.meta.index) {
    // Installed, but the log was dropped past it meanwhile: on to the next snapshot.
    peer.toProbe();
  }
}

/** Takes up again, from where it stopped, a snapshot that broke off or makes no progress. */
function tickSnapshot(state: RaftState, peer: Progress): void {
  const transfer = peer.snapshot;
  if (transfer === null) return;
  transfer.idleTicks++;
  const patience =
    transfer.moving || transfer.delivered ? state.limits.snapshotStallTicks : state.electionTicks;
  if (transfer.idleTicks < patience || !heardLately(state, peer)) return;
  const stillUseful = transfer.meta.index >= state.log.compactedIndex;
  const meta = stillUseful ? transfer.meta : state.snapshot;
  if (meta === null) return;
  // Delivered but never installed: the parts must have been lost, so nothing counts as done.
  const resumeAt = stillUseful && !transfer.delivered ? transfer.done : 0;
  peer.toSnapshot(meta, resumeAt);
  emit(state, { type: 'sendSnapshot', to: peer.id, snapshot: meta, resumeAt });
}

function sendInstall(state: RaftState, to: NodeId, snapshot: SnapshotPosition): void {
  send(state, { type: 'snapshot', from: state.id, to, term: state.term, snapshot });
}
