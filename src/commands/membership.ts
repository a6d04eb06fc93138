/**
 * What a cluster agrees on about itself: who its members are, which inputs it has taken already,
 * and by which rules it folds.
 *
 * `member` is appended for a node that has something new to say about itself, `forgetMember` when
 * it was removed for good. Who votes is not said here: that is Raft's, and names node ids only.
 * `request` stands in front of what one node hands to the leader, so that it can be handed over
 * again when no answer came. `reducers` switches all members to another version of the fold at one
 * index.
 */

import { LIMITS } from './limits.ts';
import { hexText, mintedId, record, text, whole, type TypeOf } from './schema.ts';

/** A number that something counts up to; in 48 bits, as times are. */
const counter = whole(0, 281_474_976_710_655);

const foldVersion = whole(1, 1_000_000);

export const setMemberSchema = record({
  node: mintedId,
  /** For people; two members may have the same one. */
  name: text(LIMITS.name),
  /** Where its peers and its users find it, as HOST:PORT. */
  peer: text(LIMITS.address),
  http: text(LIMITS.address),
  /** The version of the program. */
  version: text(LIMITS.name),
  /** The highest version of the fold that it can run. */
  reducersMax: foldVersion,
  /** The hash of its configuration file, or nothing when it has none. */
  configHash: hexText(LIMITS.hash),
});

export type SetMember = { readonly kind: 'member' } & TypeOf<typeof setMemberSchema>;

export const forgetMemberSchema = record({ node: mintedId });

export type ForgetMember = { readonly kind: 'forgetMember' } & TypeOf<typeof forgetMemberSchema>;

/** The commands behind it, up to the next one or to the end of the batch, are one request. */
export const beginRequestSchema = record({
  node: mintedId,
  /** Which life of the node: it rises with each start. */
  incarnation: counter,
  /** Its number in that life; the same for each try. */
  sequence: counter,
  /** Nobody waits any more for a request with a smaller number. */
  settledBelow: counter,
});

export type BeginRequest = { readonly kind: 'request' } & TypeOf<typeof beginRequestSchema>;

export const setReducersSchema = record({
  /** Holds from the next command on. */
  version: foldVersion,
});

export type SetReducers = { readonly kind: 'reducers' } & TypeOf<typeof setReducersSchema>;
