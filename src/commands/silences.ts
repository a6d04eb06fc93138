/**
 * `silence` and `expireSilence`: requests of people to hold notifications back for a while.
 *
 * Ids are minted at the edge, since a fold may not draw random numbers. Whether an edit changes a
 * silence in place or replaces it under `freshId` is settled when the command is folded, because
 * two people may edit at once.
 */

import { annotationsSchema } from './labels.ts';
import { LIMITS } from './limits.ts';
import { matchersSchema } from './matchers.ts';
import { mintedId, record, text, time, type TypeOf } from './schema.ts';

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
});

export type SetSilence = { readonly kind: 'silence' } & TypeOf<typeof setSilenceSchema>;

export const expireSilenceSchema = record({ id: text(LIMITS.name) });

export type ExpireSilence = {
  readonly kind: 'expireSilence';
} & TypeOf<typeof expireSilenceSchema>;
