/**
 * One GET-like request of a polling monitor, and what may be told of its failure.
 *
 * Promise: a body is read to a limit and no further, redirects are not followed, and the words
 * for a failure hold the host but neither path nor credentials.
 */

import { request, type Dispatcher } from 'undici';

export interface HttpPoll {
  readonly url: string;
  readonly method: string;
  readonly userAgent: string;
  /** Form fields, sent as `application/x-www-form-urlencoded`. */
  readonly form?: URLSearchParams;
  /** Bytes of the answer to read; what is over fails when it is wanted, and is left when not. */
  readonly bodyBytesMax: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Sends the request. Rejects with an error whose message is fit for a log. */
export async function sendPoll(
  poll: HttpPoll,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { origin, host, target, authorization } = addressOf(poll.url);
  try {
    const { statusCode, body } = await request(origin + target, {
      method: poll.method,
      dispatcher,
      signal,
      headers: {
        'user-agent': poll.userAgent,
        ...(authorization === null ? {} : { authorization }),
        ...(poll.form === undefined ? {} : { 'content-type': FORM }),
      },
      body: poll.form?.toString() ?? null,
    });
    return { status: statusCode, body: await readUpTo(body, poll.bodyBytesMax) };
  } catch (error) {
    throw new Error(`${host}: ${problemOf(error)}`, { cause: error });
  }
}

const FORM = 'application/x-www-form-urlencoded';

/** The parts of a URL; its user and password become a header, as browsers do it. */
function addressOf(url: string) {
  const { origin, host, pathname, search, username, password } = new URL(url);
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = pair === ':' ? null : `Basic ${Buffer.from(pair).toString('base64')}`;
  return { origin, host, target: pathname + search, authorization };
}

async function readUpTo(body: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    chunks.push(chunk);
    if (length > bytesMax) break;
  }
  return Buffer.concat(chunks);
}

/** The system's or undici's code: it says what happened, and never quotes the request. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : error.name;
}
