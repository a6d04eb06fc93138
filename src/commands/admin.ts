/**
 * `admin`: what an administrator asked for that no other command says, because it is done outside of
 * the log (a copy of the state, a clock) or by consensus (who belongs, who leads).
 *
 * It is appended before the action, so that none takes place without a record; the record says that
 * it was asked for, not that it succeeded.
 */

import { actorField } from './actor.ts';
import { LIMITS } from './limits.ts';
import { oneOf, record, text, type Since2 } from './schema.ts';

export const ADMIN_ACTIONS = [
  'addMember',
  'removeMember',
  'transferLeadership',
  'acceptClock',
  'backup',
  'forceNewCluster',
] as const;

export type AdminAction = (typeof ADMIN_ACTIONS)[number];

export const adminSchema = record({
  action: oneOf(ADMIN_ACTIONS),
  /** What it is about: a node id, or a cluster id; empty where the leader chooses. */
  subject: text(LIMITS.auditText),
  /** For people, such as the name of the node. */
  detail: text(LIMITS.auditText),
  actor: actorField,
});

export type Admin = { readonly kind: 'admin' } & Since2<typeof adminSchema, 'actor'>;

/** What can be stored of a text that people chose: the beginning. */
export function auditText(said: string): string {
  return said.slice(0, LIMITS.auditText).toWellFormed();
}
