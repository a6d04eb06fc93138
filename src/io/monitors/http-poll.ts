/**
 * One GET-like request of a polling monitor, and what may be told of its failure.
 *
 * Promise: a body is read to a limit and no further, redirects are not followed, and the words
 * for a failure hold the host but neither path nor credentials.
 */

import {
  basicAuthorization,
  CONNECT_MS_MAX,
  credentialsOf,
  type Route,
} from '../http-client/connection.ts';
import { exchange } from '../http-client/exchange.ts';
import type { Clock } from '../ports.ts';

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
  /** Whether the body broke off before its end and within the limit. */
  readonly isBroken: boolean;
}

/** Sends the request. Rejects with an error whose message is fit for a log. */
export async function sendPoll(
  poll: HttpPoll,
  modules: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const url = new URL(poll.url);
  const pair = credentialsOf(url);
  const { bodyBytesMax, form, method } = poll;
  const headers = {
    'user-agent': poll.userAgent,
    ...(pair === null ? {} : { authorization: basicAuthorization(...pair) }),
    ...(form === undefined ? {} : { 'content-type': FORM }),
  };
  const body = form === undefined ? null : Buffer.from(form.toString());
  const options = { route: ROUTE, bodyBytesMax, restMsMax: Infinity };
  const exchanged = await exchange({ url, method, headers, body }, options, modules, signal);
  switch (exchanged.kind) {
    case 'response': {
      const { body: read, isWhole, status } = exchanged.response;
      return { status, body: read, isBroken: !isWhole && read.length <= bodyBytesMax };
    }
    case 'unreadable':
      throw new Error(`${url.host}: answered what is no HTTP`);
    case 'no-response':
    case 'not-sent':
      throw new Error(`${url.host}: ${exchanged.problem}`);
  }
}

const FORM = 'application/x-www-form-urlencoded';

const ROUTE: Route = { tls: {}, proxy: null, connectMsMax: CONNECT_MS_MAX };
