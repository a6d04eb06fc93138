/**
 * The body of a request as text or JSON, read with a limit while it arrives.
 *
 * Promise: whatever a client sends or claims, at most {@link HTTP_LIMITS.bodyBytes} are held, also
 * after unpacking; what cannot be read is an answer, not a throw. The Content-Type is not asked:
 * common clients send JSON without one.
 */

import { isUtf8 } from 'node:buffer';
import { pipeline } from 'node:stream';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Context } from 'hono';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpEnv } from './modules.ts';

export type Body<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: 400 | 413 | 415; readonly message: string };

/** The body as JSON. Bytes that are not UTF-8 become U+FFFD, as in Go. */
export async function jsonBody(c: Context<HttpEnv>): Promise<Body<unknown>> {
  const bytes = await bytesBody(c);
  return bytes.ok ? parsedJson(bytes.value.toString('utf8')) : bytes;
}

export function parsedJson(text: string): Body<unknown> {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, status: 400, message: `the body is not JSON: ${(error as Error).message}` };
  }
}

export async function textBody(c: Context<HttpEnv>): Promise<Body<string>> {
  const bytes = await bytesBody(c);
  if (!bytes.ok) return bytes;
  if (!isUtf8(bytes.value)) return { ok: false, status: 400, message: 'the body is not UTF-8' };
  return { ok: true, value: bytes.value.toString('utf8') };
}

async function bytesBody(c: Context<HttpEnv>): Promise<Body<Buffer>> {
  const packing = c.req.header('content-encoding') ?? 'identity';
  if (packing !== 'identity' && packing !== 'gzip') {
    return { ok: false, status: 415, message: `Content-Encoding ${packing}: send gzip or none` };
  }
  if (Number(c.req.header('content-length') ?? 0) > HTTP_LIMITS.bodyBytes) return TOO_LARGE;
  try {
    const bytes = await collected(unpacked(c.env.incoming, packing));
    return bytes === null ? TOO_LARGE : { ok: true, value: bytes };
  } catch (error) {
    return { ok: false, status: 400, message: `the body broke off: ${(error as Error).message}` };
  }
}

const TOO_LARGE: Body<never> = {
  ok: false,
  status: 413,
  message: `the body is over ${HTTP_LIMITS.bodyBytes} bytes: send it in parts`,
};

function unpacked(incoming: Readable, packing: 'identity' | 'gzip'): Readable {
  if (packing === 'identity') return incoming;
  // An error of either stream reaches the reader through the unpacked one.
  return pipeline(incoming, createGunzip(), () => {});
}

/** All bytes, or null when there are too many. */
async function collected(stream: Readable): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  // The connection must outlive a refusal, so that the answer can be sent: nothing is destroyed.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > HTTP_LIMITS.bodyBytes) return null;
    chunks.push(bytes);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length);
}
