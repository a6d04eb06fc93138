/**
 * The effects of a step: messages now or once durable, and the one write that closes the step.
 *
 * Promise: no message leaves that promises more than the disk holds. A message that carries a term waits
 * until that term is durable, so that a node which loses it in a crash has sent it to no member.
 */

import type { RaftState } from './state.ts';
import type { ConfState, Effect, Message, NodeId, Ref, RejectReason, Role } from './types.ts';

/** What was last announced to the host, so that only changes are announced. */
export interface LastAnnounced {
  role: Role;
  term: number;
  leader: NodeId | null;
  config: ConfState;
}

export function emit(state: RaftState, effect: Effect): void {
  state.effects.push(effect);
}

/** May leave as soon as its own term is durable. */
export function send(state: RaftState, message: Message): void {
  const speaksForTerm = message.term === state.term && state.term > state.writes.durableTerm;
  (speaksForTerm ? state.withheld : state.outbox).push(message);
}

/** May leave once everything written so far, this step included, is durable. */
export function sendWhenDurable(state: RaftState, message: Message): void {
  state.withheld.push(message);
}

export function reject(state: RaftState, ref: Ref, reason: RejectReason, detail?: string): void {
  emit(state, {
    type: 'rejected',
    ref,
    reason,
    leader: state.leader,
    ...(detail === undefined ? {} : { detail }),
  });
}

/** Closes the step: what the host must write, then what it may send at once. */
export function flush(state: RaftState, commitToo: boolean): void {
  const { term, vote, commit, log, writes } = state;
  const write = writes.take({ term, vote, commit }, log.lastIndex, state.tick, commitToo);
  if (write !== null) emit(state, write);
  if (!writes.withhold(state.withheld)) state.outbox.push(...state.withheld);
  if (state.outbox.length > 0) emit(state, { type: 'send', messages: state.outbox });
  state.withheld = [];
  state.outbox = [];
}

/** All effects of the step; a new role, term, leader or configuration is announced first. */
export function announce(state: RaftState, last: LastAnnounced): readonly Effect[] {
  const news: Effect[] = [];
  const { role, term, leader } = state;
  if (role !== last.role || term !== last.term || leader !== last.leader) {
    news.push({ type: 'roleChanged', role, term, leader });
    Object.assign(last, { role, term, leader });
  }
  const { index, confState } = state.configs.current;
  if (confState !== last.config) {
    news.push({ type: 'configChanged', index, confState });
    last.config = confState;
  }
  return news.length === 0 ? state.effects : [...news, ...state.effects];
}
