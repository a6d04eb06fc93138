/**
 * The body of a request, read with limits while it arrives and parsed in slices.
 *
 * Promise: whatever a client sends or claims, at most {@link HTTP_LIMITS.bodyBytes} are held, also
 * after unpacking, and all requests together hold what request-work.ts allows; what cannot be read
 * is an answer, not a throw. The Content-Type is not asked: common clients send JSON without one.
 */

import { isUtf8 } from 'node:buffer';
import { pipeline } from 'node:stream';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Context } from 'hono';
import { problem } from './answers.ts';
import {
  BodyFault,
  jsonSlices,
  notJson,
  Oversized,
  type ListShape,
  type Slice,
} from './json-slices.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv } from './env.ts';
import type { Holding } from './request-work.ts';
import { smallList } from './small-list.ts';

export type Body<T> = { readonly ok: true; readonly value: T } | RefusedBody;

export interface RefusedBody {
  readonly ok: false;
  readonly status: 400 | 413 | 415 | 503;
  readonly message: string;
}

/** The answer to a body that was refused. */
export function refusedBody(c: Context<HttpEnv>, { status, message }: RefusedBody): Response {
  if (status === 503) c.header('Retry-After', '1');
  return problem(c, status, message);
}

/** A body that is one value and no list of any length. */
export async function jsonBody(c: Context<HttpEnv>): Promise<Body<unknown>> {
  const { documentBytes, itemValues, sliceBytes } = HTTP_LIMITS;
  const read = await bytesBody(c, documentBytes);
  if (!read.ok) return read;
  const { bytes, size } = read.value;
  // A list of one item, so that the same limits hold.
  const list = Buffer.concat([bytes, Buffer.from(']')]);
  let value: unknown;
  const shape = { itemsMax: Infinity, valuesPerItemMax: itemValues, sliceBytes };
  const done = await inTurns(c, size, jsonSlices(list, 0, shape), {
    use: ({ items }) => {
      const [item, second] = items;
      if (item === undefined) return;
      if (value !== undefined || second !== undefined) throw notJson('something stands behind it');
      value = item;
    },
    end: (end) => {
      if (end < list.length) throw notJson('something stands behind it');
      if (value === undefined) throw notJson('it is empty');
      if (value instanceof Oversized)
        throw new BodyFault(413, `the body ${value.message}`, value.limit);
    },
  });
  return done.ok ? { ok: true, value } : done;
}

export interface ListUse {
  readonly itemsMax: number;
  /** What one counts as in flight, beside its text. */
  readonly bytesPerItem: number;
  /** Given some items at a time, and the place of the first of them; may throw a {@link BodyFault}. */
  readonly use: (items: readonly unknown[], first: number) => void;
}

/** Reads a body that is a list; null is an empty one, as in Go. Null in the answer: it is no list. */
export async function listBody(c: Context<HttpEnv>, use: ListUse): Promise<Body<boolean>> {
  const read = await bytesBody(c, HTTP_LIMITS.bodyBytes);
  if (!read.ok) return read;
  const { bytes } = read.value;
  const head = bytes.toString('latin1', 0, 4_096);
  if (/^\s*null\s*$/.test(head)) return { ok: true, value: true };
  const [open] = /^[ \t\r\n]*\[/.exec(head) ?? [];
  if (open !== undefined) return listFrom(c, read.value, open.length, '', use);
  const other = await wholeJson(c, read.value);
  return other.ok ? { ok: true, value: false } : other;
}

/** What a body of readings is read with. */
export interface ReadingsUse {
  readonly json: ListUse;
  /** Given some lines at a time, and the place of the first of them. */
  readonly lines: (lines: readonly string[], first: number) => void;
}

/**
 * Reads `{"readings": […]}`, the bare list, or lines. The text itself says what it is: curl calls
 * everything a form, and fetch everything plain text, unless another type is given. The answer is
 * false when it is JSON of another form.
 */
export async function readingsBody(
  c: Context<HttpEnv>,
  { json, lines }: ReadingsUse,
): Promise<Body<boolean>> {
  const read = await bytesBody(c, HTTP_LIMITS.bodyBytes);
  if (!read.ok) return read;
  const { bytes, holding, size } = read.value;
  if (!isUtf8(bytes)) return { ok: false, status: 400, message: 'the body is not UTF-8' };
  const head = bytes.toString('latin1', 0, 4_096);
  const [open] = /^\s*(?:\{\s*"readings"\s*:\s*)?\[/.exec(head) ?? [];
  const close = open?.includes('{') === true ? '}' : '';
  const isWhole = close === '' || /\]\s*\}\s*$/.test(bytes.toString('latin1', bytes.length - 256));
  if (open !== undefined && isWhole) return listFrom(c, read.value, open.length, close, json);
  if (/^\s*[[{]/.test(head)) {
    const whole = await wholeJson(c, read.value);
    if (!whole.ok) return whole;
    const { readings } = Object(whole.value) as { readonly readings?: unknown };
    if (!Array.isArray(readings)) return { ok: true, value: false };
    return used(c, () => json.use(readings as readonly unknown[], 0));
  }
  const done = await inTurns(c, size, lineSlices(bytes), {
    use: ({ first, items }) => {
      if (!holding.take(items.length * json.bytesPerItem)) throw tooMuchInFlight();
      lines(items, first);
    },
    end: () => undefined,
  });
  return done.ok ? { ok: true, value: true } : done;
}

async function listFrom(
  c: Context<HttpEnv>,
  { bytes, holding, size }: Read,
  at: number,
  close: string,
  { bytesPerItem, itemsMax, use }: ListUse,
): Promise<Body<boolean>> {
  const { itemValues, sliceBytes } = HTTP_LIMITS;
  const shape: ListShape = { itemsMax, valuesPerItemMax: itemValues, sliceBytes };
  const slices = close === '' ? listSlices(bytes, at, shape) : jsonSlices(bytes, at, shape);
  const done = await inTurns(c, size, slices, {
    use: ({ items, first }) => {
      if (!holding.take(items.length * bytesPerItem)) throw tooMuchInFlight();
      for (const item of items) if (item instanceof Oversized) c.get('work').over(item.limit);
      use(items, first);
    },
    end: (end) => {
      const rest = bytes.toString('latin1', end, end + 4_096).trim();
      if (rest !== close) throw notJson('something stands behind the list');
    },
  });
  return done.ok ? { ok: true, value: true } : done;
}

/** A bare list, in one piece if that is the same. */
function* listSlices(bytes: Buffer, at: number, shape: ListShape): Generator<Slice, number> {
  const items = smallList(bytes, shape);
  if (items === null) return yield* jsonSlices(bytes, at, shape);
  yield { items, first: 0 };
  return bytes.length;
}

/** JSON of any other form, which is parsed in one piece and so has to be short. */
async function wholeJson(c: Context<HttpEnv>, { bytes, size }: Read): Promise<Body<unknown>> {
  if (bytes.length > HTTP_LIMITS.bytesOfEach) {
    const message = `a body of over ${HTTP_LIMITS.bytesOfEach} bytes must be a bare list`;
    return bodyRefused(c, new BodyFault(413, message, 'body-bytes'));
  }
  return c.get('work').turn(size, () => {
    try {
      return { ok: true, value: JSON.parse(bytes.toString('utf8')) as unknown };
    } catch (error) {
      return bodyRefused(c, notJson((error as Error).message));
    }
  });
}

interface Lines {
  readonly items: readonly string[];
  readonly first: number;
}

function* lineSlices(bytes: Buffer): Generator<Lines, number> {
  let first = 0;
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, Math.min(bytes.length, at + HTTP_LIMITS.sliceBytes));
    const text = bytes.toString('utf8', at, end < 0 ? bytes.length : end);
    const items = text.split('\n');
    yield { items, first };
    first += items.length;
    at = end < 0 ? bytes.length : end + 1;
  }
  return bytes.length;
}

interface Consumer<Slice> {
  readonly use: (slice: Slice) => void;
  /** Given what the generator returns. */
  readonly end: (end: number) => void;
}

/** Runs through slices, each in a turn of its own. */
async function inTurns<Slice>(
  c: Context<HttpEnv>,
  size: number,
  slices: Generator<Slice, number>,
  { end, use }: Consumer<Slice>,
): Promise<Body<true>> {
  const work = c.get('work');
  const step = (): boolean => {
    const next = slices.next();
    if (next.done === true) end(next.value);
    else use(next.value);
    return next.done === true;
  };
  try {
    while (!(await work.turn(size, step)));
    return { ok: true, value: true };
  } catch (error) {
    if (error instanceof BodyFault) return bodyRefused(c, error);
    throw error;
  }
}

function used(c: Context<HttpEnv>, use: () => void): Body<boolean> {
  try {
    use();
    return { ok: true, value: true };
  } catch (error) {
    if (error instanceof BodyFault) return bodyRefused(c, error);
    throw error;
  }
}

function tooMuchInFlight(): BodyFault {
  const message = `requests under way hold over ${HTTP_LIMITS.bytesInFlight} bytes: send it again`;
  return new BodyFault(503, message, 'bytes-in-flight');
}

function bodyRefused(c: Context<HttpEnv>, { limit, message, status }: BodyFault): RefusedBody {
  if (limit !== null) c.get('work').over(limit);
  return { ok: false, status, message };
}

interface Read {
  readonly bytes: Buffer;
  /** The length of the body: small ones are worked on first. */
  readonly size: number;
  readonly holding: Holding;
}

async function bytesBody(c: Context<HttpEnv>, bytesMax: number): Promise<Body<Read>> {
  const packing = c.req.header('content-encoding') ?? 'identity';
  if (packing !== 'identity' && packing !== 'gzip') {
    return { ok: false, status: 415, message: `Content-Encoding ${packing}: send gzip or none` };
  }
  const tooLarge = (): RefusedBody =>
    bodyRefused(
      c,
      new BodyFault(413, `the body is over ${bytesMax} bytes: send it in parts`, 'body-bytes'),
    );
  if (Number(c.req.header('content-length') ?? 0) > bytesMax) return tooLarge();
  const holding = c.get('work').holding(c.get('exchange'));
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    const stream = unpacked(c.env.incoming, packing);
    // The connection must outlive a refusal, so that the answer can be sent: nothing is destroyed.
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      length += bytes.length;
      if (length > bytesMax) return tooLarge();
      if (!holding.take(bytes.length)) return bodyRefused(c, tooMuchInFlight());
      chunks.push(bytes);
    }
    const [first] = chunks;
    const whole =
      chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length);
    return { ok: true, value: { bytes: whole, size: length, holding } };
  } catch (error) {
    return { ok: false, status: 400, message: `the body broke off: ${(error as Error).message}` };
  }
}

function unpacked(incoming: Readable, packing: 'identity' | 'gzip'): Readable {
  if (packing === 'identity') return incoming;
  // An error of either stream reaches the reader through the unpacked one.
  return pipeline(incoming, createGunzip(), () => {});
}
