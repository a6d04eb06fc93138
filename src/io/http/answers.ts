/**
 * Answers that all routes share: errors as a bare JSON string, as Alertmanager's clients expect,
 * refused proposals as statuses, and long lists in slices.
 *
 * Promise: a list of any length never holds the event loop for longer than one slice, and shows
 * one moment, because the state it is read from never changes.
 */

import { ReadableStream } from 'node:stream/web';
import { setImmediate } from 'node:timers/promises';
import type { Context, Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Proposed } from '../ports.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv } from './env.ts';

export function problem(
  c: Context<HttpEnv>,
  status: ContentfulStatusCode,
  message: string,
): Response {
  return c.json(message, status);
}

/** Says which methods a path has to whoever tries another one. Goes after the path's own routes. */
export function onlyMethods(app: Hono<HttpEnv>, methods: Readonly<Record<string, string>>): void {
  for (const [path, allowed] of Object.entries(methods)) {
    app.all(path, (c) => {
      c.header('Allow', allowed);
      return problem(c, 405, `${c.req.method} is not allowed here, but ${allowed}`);
    });
  }
}

/** The problems of one body: all are counted, and some are named, because a body may hold millions. */
export class Problems {
  readonly #named: string[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(problem: string): void {
    this.#count++;
    if (this.#named.length < HTTP_LIMITS.problemsNamed) this.#named.push(problem);
  }

  /** All in one text. */
  text(): string {
    const more = this.#count - this.#named.length;
    return [...this.#named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
  }
}

export type RefusedProposal = Extract<Proposed, { readonly ok: false }>;

/** The answer where a request was not committed, or it is not known whether it was. */
export function refused(c: Context<HttpEnv>, refusal: RefusedProposal): Response {
  switch (refusal.code) {
    case 'malformed':
      return problem(c, 400, refusal.message);
    case 'busy':
    case 'stopping':
    case 'not-leader':
      c.header('Retry-After', '1');
      return problem(c, 503, `not accepted, send it again: ${refusal.message}`);
    case 'indeterminate':
      c.header('Retry-After', '1');
      return problem(c, 503, `it may or may not have happened: ${refusal.message}`);
    case 'failed':
      return problem(c, 500, `not accepted: ${refusal.message}`);
  }
}

/** A JSON list. A null is a row that the reader does not want: it costs time and shows nothing. */
export function jsonList(c: Context<HttpEnv>, rows: Iterable<object | null>): Response {
  c.header('Content-Type', 'application/json');
  // Hono's types know the stream of the browser, Node's is the same at run time.
  return c.body(ReadableStream.from(slices(rows)) as globalThis.ReadableStream);
}

const utf8 = new TextEncoder();

async function* slices(rows: Iterable<object | null>): AsyncGenerator<Uint8Array> {
  let text = '[';
  let count = 0;
  let isFirst = true;
  for (const row of rows) {
    if (row !== null) {
      text += isFirst ? JSON.stringify(row) : `,${JSON.stringify(row)}`;
      isFirst = false;
    }
    const isFull = text.length >= HTTP_LIMITS.writeBytes;
    if (++count % HTTP_LIMITS.rowsPerSlice !== 0 && !isFull) continue;
    yield* writes(text);
    text = '';
    await setImmediate();
  }
  yield* writes(`${text}]`);
}

/** A row may hold a megabyte, and the progress of a client shows in the writes that it has taken. */
function* writes(text: string): Generator<Uint8Array> {
  const bytes = utf8.encode(text);
  for (let at = 0; at < bytes.length; at += HTTP_LIMITS.writeBytes) {
    yield bytes.subarray(at, at + HTTP_LIMITS.writeBytes);
  }
}
