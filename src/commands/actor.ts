/**
 * Who did something, as far as it was proven to the node that took the request.
 *
 * Promise: an actor is what a node has seen for itself (credentials, the address of a connection, a
 * signal), never what a client writes into its request. A command without an actor is one of which
 * nobody knows who did it.
 */

import { LIMITS } from './limits.ts';
import { oneOf, record, text, type Schema, type TypeOf } from './schema.ts';

/**
 * `user`: of basic authentication. `token`: the name of a bearer token. `address`: of the client, where
 * nobody has to say who they are. `signal`: sent to the process. `node`: a node that acts by itself.
 */
export const ACTOR_KINDS = ['user', 'token', 'address', 'signal', 'node'] as const;

export type ActorKind = (typeof ACTOR_KINDS)[number];

export const actorSchema = record({ kind: oneOf(ACTOR_KINDS), name: text(LIMITS.actorName) });

export type Actor = TypeOf<typeof actorSchema>;

/** An actor that can be stored: a name that is too long is cut. */
export function actorOf(kind: ActorKind, name: string): Actor {
  return { kind, name: name.slice(0, LIMITS.actorName).toWellFormed() };
}

/** The last field of a command that people cause; absent is written as null. */
export const actorField: Schema<Actor | undefined> = {
  encode: (value, where) => (value === undefined ? null : actorSchema.encode(value, where)),
  decode: (wire, where) => (wire === null ? undefined : actorSchema.decode(wire, where)),
};

/** In words: `user ann`. */
export function actorText(actor: Actor | null): string {
  return actor === null ? 'unknown' : `${actor.kind} ${actor.name}`;
}
