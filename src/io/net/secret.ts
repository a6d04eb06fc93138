/**
 * The secret of a cluster: what proves to a member that another one belongs to it.
 *
 * Promise: the secret itself never travels. Both sides of a connection prove that they have it, over
 * numbers that both made for this connection; the keys of its frames come of the same numbers, so a
 * recorded frame, or a proof, is worth nothing on any other connection or at any other place of this
 * one. Whoever has the secret belongs to the cluster, under any name: TLS tells members apart.
 */

import {
  createCipheriv,
  createHash,
  createHmac,
  createSecretKey,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import type { Opener, Sealer, Seals } from './blocks.ts';

const SECRET_CHARACTERS_MIN = 16;
const SECRET_CHARACTERS_MAX = 1_024;
const SECRETS_MAX = 2;

export const PROOF_BYTES = 32;
export const KEY_ID_BYTES = 8;

/** A secret, by what both sides may say of it in the open. */
export interface Key {
  /** Hex; says nothing of the secret but whether it is the same. */
  readonly id: string;
  /** Proves that this side has the secret, in this role, after what was said. */
  proofOf(role: Role, transcript: Uint8Array): Uint8Array;
  isProof(proof: Uint8Array, role: Role, transcript: Uint8Array): boolean;
  /** How the frames of this connection are guarded, as seen from `role`. */
  sealsFor(role: Role, transcript: Uint8Array): Seals;
}

export type Role = 'dialler' | 'host';

/** The secrets that a member accepts, the one that it prefers first. */
export class Keyring {
  readonly #keys: readonly Key[];

  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map(keyFrom);
  }

  get ids(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  /** The first of these that is known here. */
  common(ids: readonly string[]): Key | null {
    for (const id of ids) {
      const key = this.#keys.find((each) => each.id === id);
      if (key !== undefined) return key;
    }
    return null;
  }
}

/**
 * The secrets in the text of a file: one a line, at most two; empty lines and those that begin with
 * `#` do not count. Throws an Error with a sentence.
 */
export function parseSecrets(text: string): readonly string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const secrets = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (secrets.length === 0) throw new Error(`it holds no secret. ${MAKE_ONE}`);
  if (secrets.length > SECRETS_MAX) {
    throw new Error(
      `it holds ${secrets.length} secrets: at most ${SECRETS_MAX} are accepted, the one to prefer on the first line`,
    );
  }
  for (const { length } of secrets) {
    if (length < SECRET_CHARACTERS_MIN) {
      throw new Error(
        `a secret has ${length} characters, and fewer than ${SECRET_CHARACTERS_MIN} can be guessed. ${MAKE_ONE}`,
      );
    }
    if (length > SECRET_CHARACTERS_MAX) {
      throw new Error(`a secret has ${length} characters, at most ${SECRET_CHARACTERS_MAX} fit`);
    }
  }
  return secrets;
}

const MAKE_ONE = 'Make one with `openssl rand -hex 32`';

/** What both sides have said, as one value: no two conversations have the same. */
export function transcriptOf(hello: Uint8Array, challenge: Uint8Array): Uint8Array {
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  return digest(Buffer.concat([digest(hello), digest(challenge)]));
}

function keyFrom(secret: string): Key {
  const key = createSecretKey(macOf(createSecretKey(Buffer.from(LABEL)), Buffer.from(secret)));
  const under = (label: string, transcript: Uint8Array) =>
    macOf(key, Buffer.concat([Buffer.from(`${LABEL} ${label} `), transcript]));
  const proofOf = (role: Role, transcript: Uint8Array) => under(`proof of the ${role}`, transcript);
  return {
    id: under('id', new Uint8Array(0)).subarray(0, KEY_ID_BYTES).toString('hex'),
    proofOf,
    isProof: (proof, role, transcript) => isSame(proof, proofOf(role, transcript)),
    sealsFor: (role, transcript) => {
      const keyOf = (each: Role) => createSecretKey(under(`frames of the ${each}`, transcript));
      return {
        sealer: new MacSealer(keyOf(role)),
        opener: new MacOpener(keyOf(role === 'host' ? 'dialler' : 'host')),
      };
    },
  };
}

const LABEL = 'tocsin peer 2';

function macOf(key: KeyObject, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest();
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

const MAC_BYTES = 12;
const IV_BYTES = 12;
/** Of a header: its size stands between two parts of the code. */
const AT = { size: 8, rest: 12 };

/**
 * Message authentication codes by AES-256 in Galois mode, of which nothing is encrypted (GMAC): for
 * large frames several times as fast as HMAC. Its nonce is the number of the frame, which never
 * comes again under one key, as each direction of each connection has a key of its own.
 */
class Codes {
  readonly #key: KeyObject;
  readonly #iv = Buffer.alloc(IV_BYTES);
  #count = 0;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  /** Of the next frame. */
  next(payload: Uint8Array): Buffer {
    this.#iv.writeUIntBE(this.#count++, IV_BYTES - 6, 6);
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#iv, { authTagLength: MAC_BYTES });
    cipher.setAAD(payload);
    cipher.final();
    return cipher.getAuthTag();
  }
}

class MacSealer implements Sealer {
  readonly #codes: Codes;

  constructor(key: KeyObject) {
    this.#codes = new Codes(key);
  }

  headerOf(payload: Uint8Array): Uint8Array {
    const code = this.#codes.next(payload);
    const header = Buffer.alloc(MAC_BYTES + 4);
    code.copy(header, 0, 0, AT.size);
    header.writeUInt32BE(payload.length, AT.size);
    code.copy(header, AT.rest, AT.size);
    return header;
  }
}

class MacOpener implements Opener {
  readonly #codes: Codes;

  constructor(key: KeyObject) {
    this.#codes = new Codes(key);
  }

  /** The code is in its place, and cannot be judged before the payload is here. */
  accepts(): boolean {
    return true;
  }

  isWhole(header: Uint8Array, payload: Uint8Array): boolean {
    const code = this.#codes.next(payload);
    return (
      isSame(header.subarray(0, AT.size), code.subarray(0, AT.size)) &&
      isSame(header.subarray(AT.rest), code.subarray(AT.size))
    );
  }
}
