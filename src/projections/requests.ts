/**
 * The projection of requests: what a node handed to a leader takes effect once, however often it
 * was handed over because no answer came.
 *
 * Promise: of each node, the requests of its newest life are told apart by their numbers. A request
 * that is below all open ones, or of an earlier life, counts as done: nobody waits for it.
 */

import { LIMITS } from '../commands/limits.ts';
import type { BeginRequest } from '../commands/membership.ts';
import type { Requests } from './state.ts';
import type { Transaction } from './transaction.ts';

/** Which request of which life of a node. */
export type RequestNumber = Pick<BeginRequest, 'incarnation' | 'sequence'>;

/** Folds the beginning of a request; answers whether what follows takes effect. */
export function beginRequest(tx: Transaction, command: BeginRequest): boolean {
  const { node, incarnation, sequence, settledBelow } = command;
  // What a removed node handed over in its last moments: rather twice than not at all.
  if (tx.get('members', node)?.removed === true) return true;
  const before = tx.get('requests', node);
  if (before !== undefined && incarnation < before.incarnation) return false;
  const known = before?.incarnation === incarnation ? before : NONE;
  const settled = Math.max(known.settledBelow, settledBelow);
  const isNew = !isDone({ ...known, incarnation, settledBelow: settled }, command);
  if (isNew || settled !== known.settledBelow) {
    const applied = isNew ? [...known.applied, sequence].sort((a, b) => a - b) : known.applied;
    tx.put('requests', node, { incarnation, ...withoutSettled(settled, applied) });
  }
  return isNew;
}

/** Whether a request took effect, or nobody waits for it any more. */
export function isDone(row: Requests | undefined, request: RequestNumber): boolean {
  if (row === undefined || request.incarnation > row.incarnation) return false;
  return (
    request.incarnation < row.incarnation ||
    request.sequence < row.settledBelow ||
    row.applied.includes(request.sequence)
  );
}

const NONE: Requests = { incarnation: 0, settledBelow: 0, applied: [] };

/** Forgets the numbers that `settledBelow` can speak for, and the lowest beyond the bound. */
function withoutSettled(
  settledBelow: number,
  applied: readonly number[],
): Pick<Requests, 'settledBelow' | 'applied'> {
  let below = settledBelow;
  const kept = applied.filter((sequence, i) => {
    if (sequence > below && applied.length - i <= LIMITS.requestsRemembered) return true;
    below = Math.max(below, sequence + 1);
    return false;
  });
  return { settledBelow: below, applied: kept };
}
