/**
 * What two members say before the first frame: a hello, and the answer to it. With a secret there is
 * a challenge and a proof in between. The tag of these blocks is `TOCSIN` and the version of the
 * protocol, two bytes.
 *
 * Promise: magic, version and the shape of `refused` keep their places in every later version, so
 * that any two versions can tell each other why they do not talk. What does not fit is refused.
 */

import { createHash, randomBytes } from 'node:crypto';
import {
  list,
  MalformedCommand,
  mintedId,
  oneOf,
  record,
  text,
  whole,
  type Schema,
  type TypeOf,
  type Wire,
} from '../../commands/schema.ts';
import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import { INCARNATION_LIMIT } from '../../log/epoch.ts';
import type { JoinRequest } from '../ports.ts';
import { blockOf, TAG_BYTES } from './blocks.ts';
import { KEY_ID_BYTES, PROOF_BYTES } from './secret.ts';

/** Spoken without a secret. */
export const PLAIN_VERSION = 1;
/** Spoken with one: between hello and answer both sides prove that they have it. */
export const SECRET_VERSION = 2;

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
  /** See {@link processNonce}; tells two processes with the same data apart. */
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

/**
 * What a process says of itself in every hello: a number made at random, and which frames it reads. Hosts
 * of level 1 take both together as the number, so they let a later build in without a second try.
 */
export function processNonce(random: string, framesLevel: number): string {
  return `${random}${LEVEL_MARK}${framesLevel}`;
}

/** The level of frames that the process with this nonce reads. */
export function framesLevelOf(nonce: string): number {
  const [, level = '1'] = LEVEL_AT_END.exec(nonce) ?? [];
  return Number(level);
}

const LEVEL_MARK = '+';
const LEVEL_AT_END = /\+([1-9]\d{0,3})$/;

export type PeerHello = TypeOf<typeof peerHello>;
export type Hello =
  | ({ readonly kind: 'peer' } & PeerHello)
  | { readonly kind: 'join'; readonly applicant: JoinRequest };

/** Numbers are forever. */
const HELLO_KIND = { peer: 1, join: 2 } as const;

export function encodeHello(hello: Hello): Uint8Array {
  return blockOf(PREAMBLE[PLAIN_VERSION], encodeCanonical(wireOf(hello)));
}

function wireOf(hello: Hello): readonly [number, Wire] {
  const body =
    hello.kind === 'peer'
      ? peerHello.encode(hello, 'hello')
      : joinHello.encode(hello.applicant, 'hello');
  return [HELLO_KIND[hello.kind], body];
}

/** Throws {@link MalformedCommand}. */
export function decodeHello(payload: Uint8Array): Hello {
  return helloFrom(pairFrom(payload, 'hello'));
}

function helloFrom([kind, body]: readonly [unknown, unknown]): Hello {
  if (kind === HELLO_KIND.peer) return { kind: 'peer', ...peerHello.decode(body, 'hello') };
  if (kind === HELLO_KIND.join) {
    return { kind: 'join', applicant: joinHello.decode(body, 'hello') };
  }
  throw new MalformedCommand('hello', 'is of no known kind');
}

/**
 * `retry`: not yet. `refused`: never like this. `superseded`: its cluster goes on without its data.
 * `outdated`: a later process of this node was seen; level 1 does not know it, and is told `refused`.
 */
const REFUSAL_CODES = ['retry', 'refused', 'superseded', 'outdated'] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

const ANSWERS = {
  refused: [1, record({ code: oneOf(REFUSAL_CODES), message: text(MESSAGE_LENGTH_MAX) })],
  welcome: [2, record({ nodeId: mintedId, name })],
  joined: [3, record({ nodeId: mintedId, name, clusterId })],
} as const satisfies Readonly<Record<string, readonly [number, Schema<unknown>]>>;

type AnswerKind = keyof typeof ANSWERS;
export type Answer = {
  readonly [K in AnswerKind]: { readonly kind: K } & TypeOf<(typeof ANSWERS)[K][1]>;
}[AnswerKind];

export type Version = typeof PLAIN_VERSION | typeof SECRET_VERSION;

export function encodeAnswer(answer: Answer, version: Version = PLAIN_VERSION): Uint8Array {
  return blockOf(PREAMBLE[version], answerPayload(answer));
}

function answerPayload(answer: Answer): Uint8Array {
  const [number, schema] = ANSWERS[answer.kind];
  const body = (schema as Schema<unknown>).encode(answer, 'answer');
  return encodeCanonical([number, body]);
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

// ---------------------------------------------------------------------------------------------
// With a secret

function bytesOf(size: number): Schema<Uint8Array> {
  const check = (value: unknown, where: string): Uint8Array => {
    if (value instanceof Uint8Array && value.length === size) return value;
    throw new MalformedCommand(where, `is not ${size} bytes`);
  };
  return { encode: check, decode: check };
}

const NONCE_BYTES = 32;
const keyId = text(2 * KEY_ID_BYTES);

/** What goes with a hello: a number for this connection, and the secrets that the speaker has. */
const offer = record({ nonce: bytesOf(NONCE_BYTES), keys: list(keyId, 8) });
/** The host chooses the secret, and adds a number of its own. */
const challenge = record({ nonce: bytesOf(NONCE_BYTES), key: keyId });
const proof = record({ proof: bytesOf(PROOF_BYTES) });
/** An answer as it is without a secret, and the proof of the host over it. */
const proven = record({ answer: bytesBelow(HELLO_BYTES_MAX), proof: bytesOf(PROOF_BYTES) });

function bytesBelow(size: number): Schema<Uint8Array> {
  const check = (value: unknown, where: string): Uint8Array => {
    if (value instanceof Uint8Array && value.length < size) return value;
    throw new MalformedCommand(where, `is not bytes, fewer than ${size}`);
  };
  return { encode: check, decode: check };
}

const CHALLENGE = 4;
const PROOF = 5;
const PROVEN = 6;

/** Of a block of the version with a secret. */
export function secretBlock(payload: Uint8Array): Uint8Array {
  return blockOf(PREAMBLE[SECRET_VERSION], payload);
}

function newNonce(): Uint8Array {
  return Uint8Array.from(randomBytes(NONCE_BYTES));
}

export function secretHelloPayload(hello: Hello, keys: readonly string[]): Uint8Array {
  return encodeCanonical([wireOf(hello), offer.encode({ nonce: newNonce(), keys }, 'hello')]);
}

/** Throws {@link MalformedCommand}. */
export function decodeSecretHello(payload: Uint8Array): {
  readonly hello: Hello;
  readonly keys: readonly string[];
} {
  const [wire, offered] = pairFrom(payload, 'hello');
  const { keys } = offer.decode(offered, 'hello.secret');
  return { hello: helloFrom(asPair(wire, 'hello')), keys };
}

export function challengePayload(key: string): Uint8Array {
  return encodeCanonical([CHALLENGE, challenge.encode({ nonce: newNonce(), key }, 'challenge')]);
}

export function proofPayload(bytes: Uint8Array): Uint8Array {
  return encodeCanonical([PROOF, proof.encode({ proof: bytes }, 'proof')]);
}

/** Throws {@link MalformedCommand}. */
export function decodeProof(payload: Uint8Array): Uint8Array {
  const [kind, body] = pairFrom(payload, 'proof');
  if (kind !== PROOF) throw new MalformedCommand('proof', 'is of another kind');
  return proof.decode(body, 'proof').proof;
}

/** `prove` gives the proof of the host over what it is given. */
export function provenPayload(
  answer: Answer,
  prove: (answer: Uint8Array) => Uint8Array,
): Uint8Array {
  const bytes = answerPayload(answer);
  return encodeCanonical([PROVEN, proven.encode({ answer: bytes, proof: prove(bytes) }, 'answer')]);
}

/** What a host says to somebody with a secret. */
export type SecretAnswer =
  | { readonly kind: 'challenge'; readonly key: string }
  | { readonly kind: 'proven'; readonly answer: Uint8Array; readonly proof: Uint8Array }
  | { readonly kind: 'unproven'; readonly answer: Answer };

/** Throws {@link MalformedCommand}. */
export function decodeSecretAnswer(payload: Uint8Array): SecretAnswer {
  const [kind, body] = pairFrom(payload, 'answer');
  if (kind === CHALLENGE) {
    return { kind: 'challenge', key: challenge.decode(body, 'challenge').key };
  }
  if (kind === PROVEN) return { kind: 'proven', ...proven.decode(body, 'answer') };
  return { kind: 'unproven', answer: decodeAnswer(payload) };
}

/** A refusal whose sentence fits, whoever wrote it. */
export function refused(code: RefusalCode, message: string): Answer {
  return { kind: 'refused', code, message: message.slice(0, MESSAGE_LENGTH_MAX).toWellFormed() };
}

function pairFrom(payload: Uint8Array, where: string): readonly [unknown, unknown] {
  return asPair(decodeCanonical(payload), where);
}

function asPair(wire: unknown, where: string): readonly [unknown, unknown] {
  if (!Array.isArray(wire) || wire.length !== 2) {
    throw new MalformedCommand(where, 'is not a pair of kind and content');
  }
  return wire as unknown as readonly [unknown, unknown];
}

const PREAMBLE = {
  [PLAIN_VERSION]: preambleOf(PLAIN_VERSION),
  [SECRET_VERSION]: preambleOf(SECRET_VERSION),
} as const;

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
