/**
 * `attempt` and `outcome`: the two halves of one try at delivering a notification.
 *
 * The attempt is committed before anything leaves the process, the outcome after. An attempt
 * without an outcome is `unknown`: the process died in between, and only the receiver knows.
 */

import { LIMITS } from './limits.ts';
import { oneOf, record, span, text, whole, type TypeOf } from './schema.ts';

const tryNumber = whole(1, 1_000_000);

export const attemptSchema = record({
  /** The notification's id: the log index of its decision and a count within that entry. */
  notification: text(64),
  try: tryNumber,
  /** The node that sends. */
  node: text(LIMITS.name),
});

export type Attempt = { readonly kind: 'attempt' } & TypeOf<typeof attemptSchema>;

/**
 * Stands for the status of an answer in which none could be read. No protocol uses the number, and
 * members that do not know its meaning read an outcome with it all the same.
 */
export const UNREADABLE_STATUS = 1;

export const outcomeSchema = record({
  notification: text(64),
  try: tryNumber,
  /**
   * `delivered`: the receiver took it. `retry`: it did not, and may later. `rejected`: it will
   * not, however often it is asked. `unknown`: nobody can say.
   */
  result: oneOf(['delivered', 'retry', 'rejected', 'unknown']),
  /** The HTTP status or the like; 0 when there was no answer; see {@link UNREADABLE_STATUS}. */
  status: whole(0, 999),
  detail: text(LIMITS.detail),
  tookMs: span,
});

export type Outcome = { readonly kind: 'outcome' } & TypeOf<typeof outcomeSchema>;
