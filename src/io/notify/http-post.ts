/**
 * One POST to a receiver, and what can be said for certain about it.
 *
 * Promise: `sent` is false only when no byte of the request has left, so that the receiver cannot
 * have taken it. A redirect is followed when it keeps the POST (307, 308); any other would turn
 * it into a GET and lose the page without a word.
 */

import type { Readable } from 'node:stream';
import { request, type Dispatcher } from 'undici';
import { blankOut, printable } from './redaction.ts';

export interface Post {
  readonly url: URL;
  readonly body: Uint8Array;
  readonly headers: Headers;
  /** Only for the host of `url`. */
  readonly privateHeaders: Headers;
  readonly followRedirects: boolean;
  /** Texts that must not stand in a detail. */
  readonly secrets: readonly string[];
}

type Headers = Readonly<Record<string, string | string[]>>;

export type Posted =
  /** There was an answer; `detail` is the start of its body, made fit to be stored and shown. */
  | { readonly answered: true; readonly status: number; readonly detail: string }
  | { readonly answered: false; readonly sent: boolean; readonly error: unknown };

/**
 * Sends it, and destroys the dispatcher when it is done or aborted: unlike undici's own signal, that
 * also ends an attempt which still waits for its connection. Never rejects.
 */
export async function post(
  first: Post,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<Posted> {
  if (signal.aborted) return { answered: false, sent: false, error: signal.reason };
  const destroy = (): void => void dispatcher.destroy();
  signal.addEventListener('abort', destroy);
  try {
    return await followed(first, dispatcher);
  } finally {
    signal.removeEventListener('abort', destroy);
    destroy();
  }
}

/** As many as Go follows. */
const REDIRECTS_MAX = 10;

/** Of a receiver's own words: enough to see what it minds. */
const DETAIL_LENGTH_MAX = 512;

interface OneAnswer {
  readonly answer: Posted;
  /** Where to send it instead, when the answer says so and keeps the POST. */
  readonly location: URL | null;
}

async function followed(first: Post, dispatcher: Dispatcher): Promise<Posted> {
  let { url } = first;
  for (let hops = 0; ; hops++) {
    const { answer, location } = await postOnce({ ...first, url }, first.url.origin, dispatcher);
    if (!first.followRedirects || location === null || hops === REDIRECTS_MAX) return answer;
    url = location;
  }
}

async function postOnce(
  { url, body, headers, privateHeaders, secrets }: Post,
  homeOrigin: string,
  dispatcher: Dispatcher,
): Promise<OneAnswer> {
  let sent = false;
  // undici asks for a body of this kind once it is connected, and writes nothing before it has it.
  const bodyOnceConnected = async function* () {
    sent = true;
    yield body;
  };
  try {
    const response = await request(url.origin + url.pathname + url.search, {
      method: 'POST',
      dispatcher,
      reset: true,
      headers: {
        ...(url.origin === homeOrigin ? privateHeaders : {}),
        ...headers,
        'content-length': String(body.length),
      },
      // Any async iterable is a body to undici, but its types know none besides a stream.
      body: bodyOnceConnected() as unknown as Readable,
    });
    const status = response.statusCode;
    const location = keepsPost(status) ? targetOf(response.headers['location'], url) : null;
    const detail = await readDetail(response.body, secrets);
    return { answer: { answered: true, status, detail }, location };
  } catch (error) {
    return { answer: { answered: false, sent, error }, location: null };
  }
}

function keepsPost(status: number): boolean {
  return status === 307 || status === 308;
}

function targetOf(location: string | string[] | undefined, base: URL): URL | null {
  if (typeof location !== 'string' || !URL.canParse(location, base.href)) return null;
  const target = new URL(location, base.href);
  return target.protocol === 'http:' || target.protocol === 'https:' ? target : null;
}

/** The start of an answer's body. Whatever happens while it is read: there was an answer. */
async function readDetail(
  body: AsyncIterable<Uint8Array>,
  secrets: readonly string[],
): Promise<string> {
  // A secret that is cut in two is not found, so that as much more is read as the longest takes.
  const margin = Math.max(0, ...secrets.map((secret) => secret.length));
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of body) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > DETAIL_LENGTH_MAX + margin) break;
    }
  } catch {
    // It broke off, perhaps in the middle of a secret.
    text = text.slice(0, Math.max(0, text.length - margin));
  }
  return printable(blankOut(text, secrets).slice(0, DETAIL_LENGTH_MAX));
}
