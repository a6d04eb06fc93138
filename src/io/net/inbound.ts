/**
 * One connection that somebody else made. We read from it; all that we write is the answer to its
 * hello, and its signs of life back to it.
 *
 * Promise: whatever arrives, nothing is thrown; the first thing that does not fit ends the
 * connection. Knows no hello and no member.
 */

import type { Socket } from 'node:net';
import { BlockReader, type BlockProblem, type Expected } from './blocks.ts';

export interface InboundOptions {
  readonly socket: Socket;
  readonly remoteHost: string;
  readonly expected: Expected;
  onProblem(problem: BlockProblem): void;
}

/** Who has an admitted connection. */
export interface InboundOwner {
  readonly expected: Expected;
  onProblem(problem: BlockProblem): void;
  onClose(): void;
}

export class Inbound {
  readonly socket: Socket;
  readonly remoteHost: string;
  readonly #reader: BlockReader;
  #onProblem: (problem: BlockProblem) => void;
  #onClose: () => void = () => undefined;
  #silentPulses = 0;

  constructor(options: InboundOptions) {
    const { socket, remoteHost, expected } = options;
    this.socket = socket;
    this.remoteHost = remoteHost;
    this.#reader = new BlockReader(expected);
    this.#onProblem = (problem) => options.onProblem(problem);
    socket.on('data', (chunk: Uint8Array) => this.#read(chunk));
    // `close` follows, and says all that matters here.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  /** Seconds in which nothing came, counted by the pulses of `pulse`. */
  get silentPulses(): number {
    return this.#silentPulses;
  }

  pulse(): void {
    this.#silentPulses++;
  }

  /** Hands the connection to whoever knows what comes now. */
  passTo(owner: InboundOwner): void {
    this.#reader.expect(owner.expected);
    this.#onProblem = (problem) => owner.onProblem(problem);
    this.#onClose = () => owner.onClose();
  }

  write(block: Uint8Array): void {
    if (this.socket.writable) this.socket.write(block);
  }

  /** Sends a sign of life back. */
  echo(header: () => Uint8Array): void {
    // Somebody who never reads them must not make us keep them.
    if (!this.socket.writableNeedDrain && this.socket.writable) this.write(header());
  }

  /** Says a last word. What still comes is thrown away, so that the word is not lost with it. */
  part(block: Uint8Array): void {
    this.#reader.stop();
    if (this.socket.writable) this.socket.end(block);
  }

  destroy(): void {
    this.#reader.stop();
    this.socket.destroy();
  }

  #read(chunk: Uint8Array): void {
    this.#silentPulses = 0;
    const problem = this.#reader.read(chunk);
    if (problem !== null) this.#onProblem(problem);
  }
}
