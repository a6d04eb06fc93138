/**
 * `silence` and `expireSilence`: requests of people to hold notifications back for a while.
 *
 * Ids are minted at the edge, since a fold may not draw random numbers. Whether an edit changes a
 * silence in place or replaces it under `freshId` is settled when the command is folded, because
 * two people may edit at once.
 */

import { actorField } from './actor.ts';
import { annotationsSchema } from './labels.ts';
import { LIMITS } from './limits.ts';
import { matchersSchema } from './matchers.ts';
import { mintedId, offset, record, text, time, type Since2 } from './schema.ts';

export const setSilenceSchema = record({
  /** The silence to edit, or the empty string for a new one. */
  id: text(LIMITS.name),
  /** The id that a new silence, or a replacement, gets. */
  freshId: mintedId,
  matchers: matchersSchema,
  startsAt: time,
  endsAt: time,
  createdBy: text(LIMITS.labelValue),
  comment: text(LIMITS.labelValue),
  annotations: annotationsSchema,
  /** How far the clock by which its times are meant was ahead of log time when it was accepted. */
  offsetMs: offset,
  /** Who was proven to ask for it; `createdBy` is what the client says. */
  actor: actorField,
});

export type SetSilence = { readonly kind: 'silence' } & Since2<
  typeof setSilenceSchema,
  'offsetMs' | 'actor'
>;

export const expireSilenceSchema = record({ id: text(LIMITS.name), actor: actorField });

export type ExpireSilence = {
  readonly kind: 'expireSilence';
} & Since2<typeof expireSilenceSchema, 'actor'>;
