/**
 * Makes one connection to a member, says hello and hears the answer.
 *
 * Promise: never rejects, and ends within a known time; a connection that was not welcomed is
 * destroyed. What the other side sends cannot do more than make this try fail with a sentence.
 */

import { connect, type Socket } from 'node:net';
import type { Clock } from '../ports.ts';
import { parseAddress, type HostPort } from './addresses.ts';
import { BlockReader, type BlockProblem } from './blocks.ts';
import { certificateProblem, type TlsSide } from './certificates.ts';
import {
  decodeAnswer,
  encodeHello,
  HELLO_BYTES_MAX,
  versionOf,
  type Answer,
  type Hello,
} from './hello.ts';

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
}

export type Dialled =
  | { readonly ok: true; readonly socket: Socket; readonly answer: Exclude<Answer, Refusal> }
  | {
      readonly ok: false;
      readonly code: Refusal['code'] | 'unreachable';
      readonly problem: string;
    };

type Refusal = Extract<Answer, { kind: 'refused' }>;

/** Probes of the system for connections on which nothing is sent; ours come much sooner. */
const KEEP_ALIVE_MS = 10_000;

export function dial(to: Dial, modules: DialModules, signal: AbortSignal): Promise<Dialled> {
  const target = parseAddress(to.address);
  if (target === null) {
    const problem = `${JSON.stringify(to.address)} is no address: it must be HOST:PORT`;
    return Promise.resolve({ ok: false, code: 'unreachable', problem });
  }
  let hello: Uint8Array;
  try {
    hello = encodeHello(to.hello);
  } catch (error) {
    return Promise.resolve({ ok: false, code: 'refused', problem: (error as Error).message });
  }
  return new Promise((resolve) => new Greeting(to, target, modules, signal, resolve).begin(hello));
}

class Greeting {
  readonly #to: Dial;
  readonly #socket: Socket;
  readonly #tls: boolean;
  readonly #resolve: (dialled: Dialled) => void;
  readonly #undo: (() => void)[] = [];
  #greeted = false;

  constructor(
    to: Dial,
    target: HostPort,
    { clock, tls }: DialModules,
    signal: AbortSignal,
    resolve: (dialled: Dialled) => void,
  ) {
    this.#to = to;
    this.#tls = tls !== null;
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
      accepts: (tag) => versionOf(tag) !== null,
      sizeBytesMax: HELLO_BYTES_MAX,
      take: (payload) => {
        reader.stop();
        this.#answered(payload);
      },
    });
    this.#on(this.#tls ? 'secureConnect' : 'connect', () => {
      this.#greeted = true;
      socket.write(hello);
    });
    this.#on('data', (chunk: Uint8Array) => {
      const problem = reader.read(chunk);
      if (problem !== null) this.#fail(strangerProblem(problem));
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

  #answered(payload: Uint8Array): void {
    let answer: Answer;
    try {
      answer = decodeAnswer(payload);
    } catch (error) {
      this.#fail(`it gives an answer that cannot be read: ${(error as Error).message}`);
      return;
    }
    if (answer.kind === 'refused') {
      this.#fail(answer.message, answer.code);
      return;
    }
    const problem = this.#problemOf(answer);
    if (problem !== null) {
      this.#fail(problem, 'refused');
      return;
    }
    this.#end();
    this.#resolve({ ok: true, socket: this.#socket, answer });
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
    this.#resolve({ ok: false, code, problem });
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

function strangerProblem({ kind }: BlockProblem): string {
  if (kind === 'tag')
    return 'what listens there does not speak the protocol of Tocsin members, who meet at their --peer addresses';
  return kind === 'size' ? 'its answer is too long' : 'its answer has a wrong checksum';
}
