/**
 * The projection of members: what each node says of itself, and who was removed for good.
 *
 * Promise: a node id that was removed never becomes a member again, as long as it is among the last
 * that were removed. Who votes is Raft's business; this table is its address book.
 */

import { LIMITS } from '../commands/limits.ts';
import type { ForgetMember, SetMember } from '../commands/membership.ts';
import type { Member } from './state.ts';
import type { Transaction } from './transaction.ts';

/** Folds what a node says of itself: it replaces what it said before. */
export function setMember(tx: Transaction, command: SetMember): void {
  const { kind: _kind, node, ...said } = command;
  const before = tx.get('members', node);
  if (before?.removed === true) {
    tx.note({ kind: 'ignored', command: 'member', why: `${node} was removed for good` });
    return;
  }
  tx.put('members', node, {
    ...said,
    since: before?.since ?? tx.at,
    removed: false,
    removedAt: 0,
  });
}

/** Folds the removal of a node, which is remembered so that it is recognised when it comes back. */
export function forgetMember(tx: Transaction, { node }: ForgetMember): void {
  const member = tx.get('members', node);
  if (member === undefined || member.removed) {
    const why = member === undefined ? `there is no ${node}` : `${node} was removed before`;
    tx.note({ kind: 'ignored', command: 'forgetMember', why });
    return;
  }
  tx.put('members', node, { ...member, removed: true, removedAt: tx.at });
  tx.remove('requests', node);
  const removed = tx.entries('members').filter(([, each]) => each.removed);
  for (const [id] of removed.toSorted(newestFirst).slice(LIMITS.removedMembers)) {
    tx.remove('members', id);
  }
}

type Row = readonly [node: string, member: Member];

function newestFirst([nodeA, a]: Row, [nodeB, b]: Row): number {
  return b.removedAt - a.removedAt || (nodeA < nodeB ? -1 : 1);
}
