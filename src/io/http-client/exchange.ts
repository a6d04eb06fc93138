/**
 * One request over a connection of its own, and what can be said for certain about it.
 *
 * Promise: never rejects. `not-sent` only when no byte of the request has left. A status that was
 * read is a response, whatever happened before or after it. Where leadership has to be confirmed,
 * it is confirmed once the connection is there, and the first byte is written in the turn in which
 * the confirmation was found fresh.
 */

import type { Socket } from 'node:net';
import type { Clock, Confirmation } from '../ports.ts';
import { connect, type Connection, type Route } from './connection.ts';
import { HttpClientError, problemOf, unlessAborted } from './errors.ts';
import { headText, type Headers } from './head.ts';
import { ResponseReader, type HttpResponse } from './response-reader.ts';

export interface HttpRequest {
  /** Its user and password are not sent; who wants that sets the header. */
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array | null;
}

export interface ExchangeOptions {
  readonly route: Route;
  /** Bytes of the body to read; reading ends after them. */
  readonly bodyBytesMax: number;
  /** How long to read on once the status is known; Infinity waits until the body or the signal ends. */
  readonly restMsMax: number;
  /** Asked once connected; without it, anything may be sent at any time. */
  readonly confirm?: () => Promise<Confirmation>;
}

export type Exchanged =
  | { readonly kind: 'response'; readonly response: HttpResponse }
  /** No byte of the request has left; `connected` says whether a connection was there. */
  | { readonly kind: 'not-sent'; readonly connected: boolean; readonly problem: string }
  /** It left, and no status came. */
  | { readonly kind: 'no-response'; readonly problem: string }
  /** It left, and what came is no HTTP; `text` is its start, as it came. */
  | { readonly kind: 'unreadable'; readonly text: string };

/**
 * Bytes that are written at once. Most requests are one such piece. Before each further one the
 * confirmation is looked at again, so that a process that stood still does not complete an old request.
 */
const PIECE_BYTES = 64 * 1024;

const STALE = 'leadership was not confirmed shortly before it was to be sent';

/** Sends the request and reads its response. */
export async function exchange(
  request: HttpRequest,
  options: ExchangeOptions,
  modules: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<Exchanged> {
  let connection: Connection | null = null;
  try {
    if (signal.aborted) throw signal.reason as Error;
    connection = await connect(request.url, options.route, modules, signal);
    const bytes = bytesOf(request, connection);
    return await new Exchange(connection.socket, request, options, modules).run(bytes, signal);
  } catch (error) {
    return { kind: 'not-sent', connected: connection !== null, problem: problemOf(error) };
  } finally {
    connection?.socket.destroy();
  }
}

function bytesOf({ url, method, headers, body }: HttpRequest, connection: Connection): Buffer {
  const target = connection.targetPrefix + url.pathname + url.search;
  const head = headText(`${method} ${target} HTTP/1.1`, {
    host: url.host,
    ...connection.proxyHeaders,
    ...headers,
    connection: 'close',
    ...(body === null ? {} : { 'content-length': String(body.length) }),
  });
  return body === null ? head : Buffer.concat([head, body]);
}

class Exchange {
  readonly #socket: Socket;
  readonly #options: ExchangeOptions;
  readonly #clock: Clock;
  readonly #reader: ResponseReader;
  #cancelRest: (() => void) | null = null;
  #isOver = false;
  #resolve: (result: Exchanged) => void = () => undefined;

  constructor(
    socket: Socket,
    { method }: HttpRequest,
    options: ExchangeOptions,
    { clock }: { readonly clock: Clock },
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#clock = clock;
    const { bodyBytesMax } = options;
    this.#reader = new ResponseReader({ hasBody: method !== 'HEAD', bodyBytesMax });
  }

  /** Rejects only when nothing was written. */
  async run(bytes: Buffer, signal: AbortSignal): Promise<Exchanged> {
    const onAbort = (): void => this.#end(problemOf(signal.reason));
    const ended = new Promise<Exchanged>((resolve) => {
      this.#resolve = resolve;
    });
    const confirmation = await this.#confirmed(signal);
    if (this.#socket.destroyed) throw new HttpClientError('closed before anything was sent');
    // No await between this question and the write.
    if (confirmation?.isFresh() === false) throw new HttpClientError(STALE);
    const first = this.#write(bytes.subarray(0, PIECE_BYTES));
    signal.addEventListener('abort', onAbort);
    this.#listen();
    void this.#writeRest(bytes, first, confirmation);
    try {
      return await ended;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#cancelRest?.();
    }
  }

  async #confirmed(signal: AbortSignal): Promise<Confirmation | null> {
    const { confirm } = this.#options;
    return confirm === undefined ? null : unlessAborted(confirm(), signal);
  }

  async #writeRest(
    bytes: Buffer,
    first: Promise<void>,
    confirmation: Confirmation | null,
  ): Promise<void> {
    let written = first;
    let leave = confirmation;
    for (let from = PIECE_BYTES; from < bytes.length; from += PIECE_BYTES) {
      await written;
      // What has come is read first: it may be the answer to what was written so far, and a write to
      // a connection that was reset would lose it.
      await new Promise((resolve) => setImmediate(resolve));
      if (leave?.isFresh() === false) leave = (await this.#options.confirm?.()) ?? null;
      if (this.#isOver) return;
      if (leave?.isFresh() === false) {
        this.#end(STALE);
        return;
      }
      written = this.#write(bytes.subarray(from, from + PIECE_BYTES));
    }
  }

  /** Resolves when the system has taken it, or will not. */
  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve());
    });
  }

  #listen(): void {
    this.#socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.#socket.on('end', () => this.#end('closed without an answer'));
    this.#socket.on('error', (error) => this.#end(problemOf(error)));
    this.#socket.on('close', () => this.#end('closed without an answer'));
  }

  #onData(bytes: Buffer): void {
    this.#reader.push(bytes);
    if (this.#reader.isDone) {
      this.#end('');
    } else if (this.#reader.hasStatus && this.#cancelRest === null) {
      const { restMsMax } = this.#options;
      this.#cancelRest =
        restMsMax === Infinity
          ? () => undefined
          : this.#clock.after(restMsMax, () => this.#end(''));
    }
  }

  #end(problem: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const reader = this.#reader;
    if (!reader.isDone) reader.end();
    const { response, isUnreadable, unreadText: text } = reader;
    if (response !== null) this.#resolve({ kind: 'response', response });
    else if (isUnreadable) this.#resolve({ kind: 'unreadable', text });
    else this.#resolve({ kind: 'no-response', problem });
  }
}
