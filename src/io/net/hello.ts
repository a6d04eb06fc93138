/**
 * What two members say before the first frame: a hello, and the answer to it. The tag of these
 * blocks is `TOCSIN` and the version of the protocol, two bytes.
 *
 * Promise: magic, version and the shape of `refused` keep their places in every later version, so
 * that any two versions can tell each other why they do not talk. What does not fit is refused.
 */

import { createHash } from 'node:crypto';
import {
  MalformedCommand,
  mintedId,
  oneOf,
  record,
  text,
  whole,
  type Schema,
  type TypeOf,
} from '../../commands/schema.ts';
import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import { INCARNATION_LIMIT } from '../../log/epoch.ts';
import type { Applicant } from '../ports.ts';
import { blockOf, TAG_BYTES } from './blocks.ts';

export const PROTOCOL_VERSION = 1;

/** All that a stranger may make us store before it has said who it is. */
export const HELLO_BYTES_MAX = 4_096;

const MAGIC = 'TOCSIN';
const MESSAGE_LENGTH_MAX = 1_000;

const clusterId = text(64);
const name = text(256);
const address = text(300);
const incarnation = whole(0, INCARNATION_LIMIT - 1);

const peerHello = record({
  clusterId,
  nodeId: mintedId,
  name,
  incarnation,
  /** Made at random by each process, so that two with the same data can be told apart. */
  nonce: text(64),
  to: mintedId,
  channel: oneOf(['control', 'bulk']),
  /** Where the speaker itself listens. */
  address,
});

const joinHello = record({
  nodeId: mintedId,
  name,
  peerAddress: address,
  httpAddress: address,
  /** Of the data that it has; empty for none. */
  clusterId,
});

export type PeerHello = TypeOf<typeof peerHello>;
export type Hello =
  | ({ readonly kind: 'peer' } & PeerHello)
  | { readonly kind: 'join'; readonly applicant: Applicant };

/** Numbers are forever. */
const HELLO_KIND = { peer: 1, join: 2 } as const;

export function encodeHello(hello: Hello): Uint8Array {
  const body =
    hello.kind === 'peer'
      ? peerHello.encode(hello, 'hello')
      : joinHello.encode(hello.applicant, 'hello');
  return blockOf(PREAMBLE, encodeCanonical([HELLO_KIND[hello.kind], body]));
}

/** Throws {@link MalformedCommand}. */
export function decodeHello(payload: Uint8Array): Hello {
  const [kind, body] = pairFrom(payload, 'hello');
  if (kind === HELLO_KIND.peer) return { kind: 'peer', ...peerHello.decode(body, 'hello') };
  if (kind === HELLO_KIND.join) {
    return { kind: 'join', applicant: joinHello.decode(body, 'hello') };
  }
  throw new MalformedCommand('hello', 'is of no known kind');
}

/** `retry`: not yet. `refused`: never like this. `superseded`: its cluster goes on without its data. */
const ANSWERS = {
  refused: [
    1,
    record({ code: oneOf(['retry', 'refused', 'superseded']), message: text(MESSAGE_LENGTH_MAX) }),
  ],
  welcome: [2, record({ nodeId: mintedId, name })],
  joined: [3, record({ nodeId: mintedId, name, clusterId })],
} as const satisfies Readonly<Record<string, readonly [number, Schema<unknown>]>>;

type AnswerKind = keyof typeof ANSWERS;
export type Answer = {
  readonly [K in AnswerKind]: { readonly kind: K } & TypeOf<(typeof ANSWERS)[K][1]>;
}[AnswerKind];

export function encodeAnswer(answer: Answer): Uint8Array {
  const [number, schema] = ANSWERS[answer.kind];
  const body = (schema as Schema<unknown>).encode(answer, 'answer');
  return blockOf(PREAMBLE, encodeCanonical([number, body]));
}

/** Throws {@link MalformedCommand}. */
export function decodeAnswer(payload: Uint8Array): Answer {
  const [number, body] = pairFrom(payload, 'answer');
  for (const kind of Object.keys(ANSWERS) as AnswerKind[]) {
    if (ANSWERS[kind][0] !== number) continue;
    return { kind, ...(ANSWERS[kind][1].decode(body, 'answer') as object) } as Answer;
  }
  throw new MalformedCommand('answer', 'is of no known kind');
}

/** A refusal whose sentence fits, whoever wrote it. */
export function refused(code: 'retry' | 'refused' | 'superseded', message: string): Answer {
  return { kind: 'refused', code, message: message.slice(0, MESSAGE_LENGTH_MAX).toWellFormed() };
}

function pairFrom(payload: Uint8Array, where: string): readonly [unknown, unknown] {
  const wire = decodeCanonical(payload);
  if (!Array.isArray(wire) || wire.length !== 2) {
    throw new MalformedCommand(where, 'is not a pair of kind and content');
  }
  return wire as unknown as readonly [unknown, unknown];
}

const PREAMBLE = preambleOf(PROTOCOL_VERSION);

function preambleOf(version: number): Uint8Array {
  const tag = Buffer.alloc(TAG_BYTES);
  tag.write(MAGIC, 'latin1');
  tag.writeUInt16BE(version, MAGIC.length);
  return tag;
}

/** The version that the tag of a hello or an answer names; null when it is no such tag. */
export function versionOf(tag: Uint8Array): number | null {
  const bytes = Buffer.from(tag);
  const magic = bytes.toString('latin1', 0, MAGIC.length);
  return magic === MAGIC ? bytes.readUInt16BE(MAGIC.length) : null;
}

/**
 * The tag of all frames after `hello`. Both ends derive it, so a frame that lands on another
 * connection, or comes from another life of the sender, does not fit there.
 */
export function frameTag({
  clusterId: cluster,
  nodeId,
  incarnation: life,
  nonce,
  to,
  channel,
}: PeerHello): Uint8Array {
  const passage = encodeCanonical([cluster, nodeId, life, nonce, to, channel]);
  return createHash('sha256').update(passage).digest().subarray(0, TAG_BYTES);
}
