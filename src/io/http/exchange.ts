/**
 * A connection, and each request on it with its response: an *exchange*.
 *
 * Promise: every exchange ends exactly once, with its response or with its connection. Node emits
 * no `close` for the responses of pipelined requests that wait behind another one when their
 * connection breaks, so what a request holds is given back here.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { HTTP_LIMITS } from './limits.ts';

/** One accepted socket, whatever is spoken over it. */
export class Connection {
  /** The TCP socket, also below TLS. */
  readonly raw: Socket;
  /** What limits count as one client. */
  readonly network: string;
  readonly isTrusted: boolean;
  /** Whether it was accepted over a limit, for requests that must not wait. */
  readonly isReserved: boolean;
  readonly openedAtMs: number;
  /** Whether a TLS handshake is under way. */
  isHandshaking = false;
  /** Whether a request has begun on it. */
  hasSentRequest = false;
  /** Bytes that the bodies of its requests hold. */
  heldBytes = 0;
  readonly exchanges = new Set<Exchange>();

  constructor(
    facts: Pick<Connection, 'raw' | 'network' | 'isTrusted' | 'isReserved' | 'openedAtMs'>,
  ) {
    this.raw = facts.raw;
    this.network = facts.network;
    this.isTrusted = facts.isTrusted;
    this.isReserved = facts.isReserved;
    this.openedAtMs = facts.openedAtMs;
  }

  /** Whether all requests have arrived whole, and there is at least one. */
  get isBeingServed(): boolean {
    return this.exchanges.size > 0 && [...this.exchanges].every(({ isArrived }) => isArrived);
  }

  /**
   * Bytes that the kernel has taken. A write counts as written when it begins; the queue of the
   * handle, by which Node's own timeouts notice progress, says how much of it is still here.
   */
  get sentBytes(): number {
    const { _handle: handle } = this.raw as { readonly _handle?: Handle | null };
    return handle === undefined || handle === null
      ? this.raw.bytesWritten
      : handle.bytesWritten - handle.writeQueueSize;
  }
}

interface Handle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}

export type Incoming = IncomingMessage | Http2ServerRequest;
export type Outgoing = ServerResponse | Http2ServerResponse;

export class Exchange {
  readonly connection: Connection;
  readonly startedAtMs: number;
  /** How long its client may take no byte of the response. */
  stallMs: number = HTTP_LIMITS.writeStallMs;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #onEnd: (() => void)[] = [];
  #progressAtMs: number;
  #progressMark = 0;
  #isOver = false;

  constructor(connection: Connection, incoming: Incoming, outgoing: Outgoing, nowMs: number) {
    this.connection = connection;
    this.startedAtMs = nowMs;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#progressAtMs = nowMs;
    connection.exchanges.add(this);
    outgoing.once('close', () => this.end());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the request has arrived whole. */
  get isArrived(): boolean {
    return this.#incoming.complete;
  }

  /** The stream of HTTP/2; null for HTTP/1.1. */
  get stream(): ServerHttp2Stream | null {
    return 'stream' in this.#outgoing ? this.#outgoing.stream : null;
  }

  /** Runs `task` once when this exchange ends, or now if it is over. */
  onEnd(task: () => void): void {
    if (this.#isOver) task();
    else this.#onEnd.push(task);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.connection.exchanges.delete(this);
    for (const task of this.#onEnd.splice(0)) task();
  }

  /** How long the client has taken nothing, although something is there for it; in milliseconds. */
  stalledMs(nowMs: number): number {
    const { stream } = this;
    // Streams share a connection: what a stream still holds is the sign of its own progress.
    const pending = stream === null ? this.#outgoing.writableLength : stream.writableLength;
    const mark = stream === null ? this.connection.sentBytes : pending;
    const moved = Math.abs(mark - this.#progressMark);
    if (pending === 0 || moved >= HTTP_LIMITS.progressBytes) {
      this.#progressAtMs = nowMs;
      this.#progressMark = mark;
    }
    return nowMs - this.#progressAtMs;
  }

  /** Ends an HTTP/2 stream and nothing else of its connection. */
  cancelStream(): void {
    this.stream?.close(constants.NGHTTP2_CANCEL);
  }
}
