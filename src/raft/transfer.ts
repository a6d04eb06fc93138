/**
 * Handing leadership over (thesis 3.10): by request, on shutdown, when removed, or on a stall.
 *
 * Promise: proposals are refused while it lasts, so the target can catch up; if no election came of
 * it in one election timeout, the leader serves again.
 */

import { reject, send } from './emit.ts';
import type { Progress } from './progress.ts';
import { heardLately, sendAppend, sortedPeers } from './replication.ts';
import { becomeFollower, settleTransfer } from './roles.ts';
import { config } from './state.ts';
import type { RaftState } from './state.ts';
import type { NodeId, Ref } from './types.ts';

export function startTransfer(state: RaftState, ref: Ref, to: NodeId | undefined): void {
  if (state.role !== 'leader') return reject(state, ref, 'not-leader');
  if (state.transfer !== null) return reject(state, ref, 'transferring');
  const wanted = candidates(state).filter((peer) => to === undefined || peer.id === to);
  const target = furthest(wanted);
  if (target === undefined) return reject(state, ref, 'no-target');
  state.transfer = { ref, to: target.id, startTick: state.tick, timeoutNowSent: false };
  sendAppend(state, target, true);
  continueTransfer(state, target);
}

/** Tells the target to campaign as soon as it holds everything. */
export function continueTransfer(state: RaftState, peer: Progress): void {
  const { transfer } = state;
  if (transfer === null || transfer.to !== peer.id || transfer.timeoutNowSent) return;
  if (peer.match < state.log.lastIndex) return;
  transfer.timeoutNowSent = true;
  sendTimeoutNow(state, peer);
}

/** Ends a transfer that took too long, or whose target is no voter any more. */
export function checkTransfer(state: RaftState): void {
  const { transfer } = state;
  if (transfer === null) return;
  const waited = state.tick - transfer.startTick;
  const gone = state.role === 'leader' && !config(state).voters.includes(transfer.to);
  // Having stepped down it waits a little longer, until the new leader is known.
  const patience = state.role === 'leader' ? state.electionTicks : 2 * state.electionTicks;
  if (gone || waited >= patience) settleTransfer(state, null);
}

/** Gives leadership up at once, to the peer that is furthest along if there is one. */
export function giveUpLeadership(state: RaftState): void {
  const successor = furthest(candidates(state));
  if (successor !== undefined) sendTimeoutNow(state, successor);
  becomeFollower(state, state.term, null);
}

function sendTimeoutNow(state: RaftState, peer: Progress): void {
  send(state, { type: 'timeoutNow', from: state.id, to: peer.id, term: state.term });
}

/** Voters that stay voters and had contact within an election timeout. */
function candidates(state: RaftState): readonly Progress[] {
  const { voters } = config(state);
  return sortedPeers(state).filter((peer) => {
    return voters.includes(peer.id) && heardLately(state, peer);
  });
}

function furthest(peers: readonly Progress[]): Progress | undefined {
  return peers.reduce<Progress | undefined>((best, peer) => {
    return best === undefined || peer.match > best.match ? peer : best;
  }, undefined);
}
