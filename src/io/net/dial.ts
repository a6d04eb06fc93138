/**
 * Makes one connection to a member, says hello and hears the answer.
 *
 * Promise: never rejects, and ends within a known time; a connection that was not welcomed is
 * destroyed. What the other side sends cannot do more than make this try fail with a sentence.
 */

import { connect, type Socket } from 'node:net';
import type { Clock } from '../ports.ts';
import { parseAddress, type HostPort } from './addresses.ts';
import {
  BlockReader,
  hasChecksum,
  plainSeals,
  TAG_BYTES,
  type BlockProblem,
  type Seals,
} from './blocks.ts';
import { certificateProblem, type TlsSide } from './certificates.ts';
import {
  decodeAnswer,
  decodeSecretAnswer,
  encodeHello,
  frameTag,
  HELLO_BYTES_MAX,
  PLAIN_VERSION,
  proofPayload,
  secretBlock,
  secretHelloPayload,
  versionOf,
  type Answer,
  type Hello,
} from './hello.ts';
import type { Trust } from './listener.ts';
import { transcriptOf, type Key, type Keyring } from './secret.ts';

export interface Dial {
  /** Who must be there; null for whoever it is. */
  readonly nodeId: string | null;
  /** HOST:PORT. */
  readonly address: string;
  readonly hello: Hello;
  readonly limitMs: number;
}

export interface DialModules {
  readonly clock: Clock;
  readonly tls: TlsSide | null;
  readonly trust: () => Trust;
}

export type Dialled =
  | {
      readonly ok: true;
      readonly socket: Socket;
      readonly answer: Exclude<Answer, Refusal>;
      /** How the frames of this connection are guarded; a join has none. */
      readonly seals: Seals;
      /** The secret that both sides have proved; null without one. */
      readonly keyId: string | null;
    }
  | {
      readonly ok: false;
      readonly code: Refusal['code'] | 'unreachable';
      readonly problem: string;
    };

type Refusal = Extract<Answer, { kind: 'refused' }>;

/** Probes of the system for connections on which nothing is sent; ours come much sooner. */
const KEEP_ALIVE_MS = 10_000;

export async function dial(to: Dial, modules: DialModules, signal: AbortSignal): Promise<Dialled> {
  const target = parseAddress(to.address);
  if (target === null) {
    const problem = `${JSON.stringify(to.address)} is no address: it must be HOST:PORT`;
    return { ok: false, code: 'unreachable', problem };
  }
  const { keyring, acceptsPlain } = modules.trust();
  try {
    if (keyring !== null) {
      const { dialled, isPlainThere } = await greet(to, target, modules, signal, keyring);
      // It is a member that has no secret yet, or not any more.
      if (dialled.ok || !isPlainThere || !acceptsPlain || signal.aborted) return dialled;
    }
    return (await greet(to, target, modules, signal, null)).dialled;
  } catch (error) {
    // A hello that does not fit its schema.
    return { ok: false, code: 'refused', problem: (error as Error).message };
  }
}

interface Greeted {
  readonly dialled: Dialled;
  /** The other side answers in the version without a secret. */
  readonly isPlainThere: boolean;
}

function greet(
  to: Dial,
  target: HostPort,
  modules: DialModules,
  signal: AbortSignal,
  keyring: Keyring | null,
): Promise<Greeted> {
  const payload = keyring === null ? null : secretHelloPayload(to.hello, keyring.ids);
  const hello = payload === null ? encodeHello(to.hello) : secretBlock(payload);
  const secret = payload === null || keyring === null ? null : { keyring, hello: payload };
  return new Promise((resolve) =>
    new Greeting(to, target, modules, signal, secret, resolve).begin(hello),
  );
}

interface WithSecret {
  readonly keyring: Keyring;
  readonly hello: Uint8Array;
}

class Greeting {
  readonly #to: Dial;
  readonly #socket: Socket;
  readonly #tls: boolean;
  readonly #secret: WithSecret | null;
  readonly #resolve: (greeted: Greeted) => void;
  readonly #undo: (() => void)[] = [];
  #greeted = false;
  #version: number | null = null;
  #proved: { readonly key: Key; readonly transcript: Uint8Array } | null = null;

  constructor(
    to: Dial,
    target: HostPort,
    { clock, tls }: DialModules,
    signal: AbortSignal,
    secret: WithSecret | null,
    resolve: (greeted: Greeted) => void,
  ) {
    this.#to = to;
    this.#tls = tls !== null;
    this.#secret = secret;
    this.#resolve = resolve;
    this.#socket = tls === null ? connect(target) : tls.dial(target);
    this.#undo.push(clock.after(to.limitMs, () => this.#fail(this.#lateProblem())));
    const stop = (): void => this.#fail('stopped');
    signal.addEventListener('abort', stop);
    this.#undo.push(() => signal.removeEventListener('abort', stop));
  }

  begin(hello: Uint8Array): void {
    const socket = this.#socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    const reader = new BlockReader({
      accepts: (tag) => {
        this.#version = versionOf(tag);
        return this.#version !== null;
      },
      isWhole: hasChecksum,
      sizeBytesMax: HELLO_BYTES_MAX,
      take: (payload) => {
        if (this.#isAnswered(payload)) reader.stop();
      },
    });
    this.#on(this.#tls ? 'secureConnect' : 'connect', () => {
      this.#greeted = true;
      socket.write(hello);
    });
    this.#on('data', (chunk: Uint8Array) => {
      const problem = reader.read(chunk);
      if (problem !== null) this.#fail(identityProblem(problem));
    });
    this.#on('error', (error: Error) => this.#fail(this.#errorProblem(error)));
    this.#on('close', () => this.#fail('it closed the connection without an answer'));
  }

  /** Listens until the greeting has ended. */
  #on<T extends readonly unknown[]>(event: string, listener: (...facts: T) => void): void {
    const heard = listener as (...facts: readonly unknown[]) => void;
    this.#socket.on(event, heard);
    this.#undo.push(() => this.#socket.off(event, heard));
  }

  /** False while more is to come. */
  #isAnswered(payload: Uint8Array): boolean {
    try {
      if (this.#secret === null || this.#version === PLAIN_VERSION) {
        this.#answered(decodeAnswer(payload), false);
        return true;
      }
      return this.#isAnsweredWith(this.#secret, payload);
    } catch (error) {
      this.#fail(`it gives an answer that cannot be read: ${(error as Error).message}`);
      return true;
    }
  }

  #isAnsweredWith({ keyring, hello }: WithSecret, payload: Uint8Array): boolean {
    const said = decodeSecretAnswer(payload);
    switch (said.kind) {
      case 'unproven':
        this.#answered(said.answer, false);
        return true;
      case 'challenge': {
        const key = keyring.common([said.key]);
        if (key === null || this.#proved !== null)
          throw new Error('it asks for what was not offered');
        const transcript = transcriptOf(hello, payload);
        this.#proved = { key, transcript };
        this.#socket.write(secretBlock(proofPayload(key.proofOf('dialler', transcript))));
        return false;
      }
      case 'proven': {
        const { answer, proof } = said;
        const proved = this.#proved;
        const isProof =
          proved?.key.isProof(proof, 'host', transcriptOf(proved.transcript, answer)) ?? false;
        if (!isProof) throw new Error('it does not prove that it has the secret of this cluster');
        this.#answered(decodeAnswer(answer), true);
        return true;
      }
    }
  }

  #answered(answer: Answer, isProven: boolean): void {
    const needsProof = this.#secret !== null && !isProven;
    if (answer.kind === 'refused') {
      // What ends a wait for good must come from the cluster itself.
      const isWeighty = answer.code === 'superseded' || answer.code === 'outdated';
      const code = needsProof && isWeighty ? 'refused' : answer.code;
      this.#fail(answer.message, code);
      return;
    }
    const problem = needsProof
      ? 'it lets this member in without a proof that it has the secret'
      : this.#problemOf(answer);
    if (problem !== null) {
      this.#fail(problem, 'refused');
      return;
    }
    this.#end();
    this.#done({
      ok: true,
      socket: this.#socket,
      answer,
      seals: this.#seals(),
      keyId: this.#proved?.key.id ?? null,
    });
  }

  #seals(): Seals {
    const { hello } = this.#to;
    if (this.#proved !== null) {
      return this.#proved.key.sealsFor('dialler', this.#proved.transcript);
    }
    return plainSeals(hello.kind === 'peer' ? frameTag(hello) : new Uint8Array(TAG_BYTES));
  }

  #done(dialled: Dialled): void {
    const isPlainThere = this.#secret !== null && this.#version === PLAIN_VERSION;
    this.#resolve({ dialled, isPlainThere });
  }

  #problemOf(answer: Exclude<Answer, Refusal>): string | null {
    const { nodeId, address } = this.#to;
    if (nodeId !== null && answer.nodeId !== nodeId) {
      return `at ${address} is node ${answer.name} (${answer.nodeId}), not ${nodeId}`;
    }
    return certificateProblem(this.#socket, answer);
  }

  #fail(problem: string, code: Refusal['code'] | 'unreachable' = 'unreachable'): void {
    this.#end();
    // Errors of a socket on its way out are nobody's business, but they must be heard.
    this.#socket.on('error', () => undefined).destroy();
    this.#done({ ok: false, code, problem });
  }

  #end(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #lateProblem(): string {
    const what = this.#greeted ? 'it does not answer' : 'no connection';
    return `${what} within ${this.#to.limitMs / 1_000} s`;
  }

  #errorProblem(error: NodeJS.ErrnoException): string {
    // A failure at several addresses of one name has a code, but no message.
    const reason = error.message || (error.code ?? 'unknown error');
    if (this.#greeted || !this.#tls || error.syscall !== undefined) return reason;
    return `TLS fails (${error.code ?? reason}): both members need certificates of one CA, or both none`;
  }
}

function identityProblem({ kind }: BlockProblem): string {
  if (kind === 'tag')
    return 'what listens there does not speak the protocol of Tocsin members, who meet at their --peer addresses';
  return kind === 'size' ? 'its answer is too long' : 'its answer has a wrong checksum';
}
