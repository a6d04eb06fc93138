/**
 * Membership as the leader runs it, and what follows from every step of the commit index.
 *
 * Promise: one change at a time, made for the configuration that the requester read (compare and set);
 * joint configurations are left and learners promoted without further requests; a leader that is no
 * member of the committed configuration steps down (paper, section 6).
 */

import { changeConfig, isJoint, isVoter, leaveJoint } from './confchange.ts';
import { reject } from './emit.ts';
import { startRound } from './reads.ts';
import {
  advanceCommit,
  appendConfig,
  broadcastAppend,
  configSettled,
  heardLately,
  mustLeaveJoint,
} from './replication.ts';
import { config, configCommitted } from './state.ts';
import type { RaftState } from './state.ts';
import { giveUpLeadership } from './transfer.ts';
import type { ConfChange, Ref } from './types.ts';

export function proposeChange(
  state: RaftState,
  ref: Ref,
  changes: readonly ConfChange[],
  expectedIndex: number,
  leave: 'auto' | 'explicit',
): void {
  if (state.role !== 'leader') return reject(state, ref, 'not-leader');
  if (state.transfer !== null) return reject(state, ref, 'transferring');
  const { index } = state.configs.current;
  if (expectedIndex !== index) {
    const detail = `made for the configuration of index ${expectedIndex}, but ${index} is in force`;
    return reject(state, ref, 'config-mismatch', detail);
  }
  if (!configSettled(state)) return reject(state, ref, 'config-pending');
  const result = changeConfig(config(state), changes, leave);
  if (!result.ok) return reject(state, ref, 'config-invalid', result.detail);
  appendConfig(state, result.confState, ref);
  broadcastAppend(state);
  commitReached(state);
}

/** Makes voters of the learners that have caught up (thesis 4.2.1, by lag instead of rounds). */
export function promoteLearners(state: RaftState): void {
  const current = config(state);
  if (current.promote.length === 0 || isJoint(current) || !configSettled(state)) return;
  if (state.transfer !== null) return;
  const ready = current.promote.filter((learner) => {
    const peer = state.peers.get(learner);
    return (
      peer?.state === 'replicate' &&
      heardLately(state, peer) &&
      state.log.lastIndex - peer.match <= state.limits.promoteLagMax
    );
  });
  const changes = ready.map((node) => ({ op: 'voter', node }) as const);
  const result = changeConfig(current, changes, 'auto');
  if (!result.ok) return;
  appendConfig(state, result.confState, null);
  broadcastAppend(state);
  commitReached(state);
}

/** Commits what a quorum holds, and does what waited for it. Call after any copy became durable. */
export function commitReached(state: RaftState): boolean {
  let moved = false;
  while (state.role === 'leader' && advanceCommit(state)) {
    moved = true;
    if (mustLeaveJoint(state)) appendConfig(state, leaveJoint(config(state)), null);
    broadcastAppend(state);
    if (state.rounds.length === 0) startRound(state);
    if (configCommitted(state) && !isVoter(config(state), state.id)) giveUpLeadership(state);
  }
  return moved;
}
