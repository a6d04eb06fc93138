/**
 * One POST to a receiver, and what is certain about it afterwards.
 *
 * Promise: `sent` is false only when no byte of the request was sent, so that the receiver cannot
 * have taken it. A redirect is followed when it keeps the POST (307, 308); any other would turn
 * it into a GET, and the notification would be lost. Credentials never go to another host: with
 * credentials, a redirect to one is not followed.
 */

import { exchange, type Exchanged, type ExchangeOptions } from '../http-client/exchange.ts';
import type { Headers } from '../http-client/head.ts';
import type { Clock, Confirmation } from '../ports.ts';
import type { HttpSettings } from './http-settings.ts';
import { blankOut, blankOutCut, printable, redactionMargin } from './redaction.ts';

export interface Post {
  readonly url: URL;
  readonly body: Uint8Array;
  readonly headers: Headers;
  /** Only for the host of `url`. */
  readonly privateHeaders: Headers;
  readonly followRedirects: boolean;
  /** Texts that no detail may show. */
  readonly secrets: readonly string[];
  readonly confirm: () => Promise<Confirmation>;
}

export type Posted =
  /** There was a response; `detail` is the start of its body, without secrets and control characters. */
  | { readonly kind: 'answered'; readonly status: number; readonly detail: string }
  /** The receiver may have taken it, and its response is no HTTP; `detail` is the start of that. */
  | { readonly kind: 'unreadable'; readonly detail: string }
  | {
      readonly kind: 'unanswered';
      readonly sent: boolean;
      /** Whether a connection was made. */
      readonly connected: boolean;
      readonly problem: string;
    };

/** Sends it. Never rejects. */
export async function post(
  first: Post,
  { route }: Pick<HttpSettings, 'route'>,
  modules: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<Posted> {
  const { body, confirm, secrets } = first;
  const options: ExchangeOptions = {
    route,
    bodyBytesMax: DETAIL_LENGTH_MAX + redactionMargin(secrets),
    restMsMax: REST_MS_MAX,
    confirm,
  };
  let { url } = first;
  for (let hops = 0; ; hops++) {
    const isHome = isSameHost(url, first.url);
    const headers = { ...(isHome ? first.privateHeaders : {}), ...first.headers };
    const request = { url, method: 'POST', headers, body };
    const exchanged = await exchange(request, options, modules, signal);
    const target =
      first.followRedirects && hops < REDIRECTS_MAX ? redirectOf(exchanged, url) : null;
    if (target === null) return reachedBy(hops, postedOf(exchanged, secrets));
    const refusal = refusalOf(target, first, route);
    if (refusal !== null) return { ...postedOf(exchanged, secrets), ...refusal };
    url = target;
  }
}

/** As many as Go follows. */
const REDIRECTS_MAX = 10;

/** Of the body of a response: enough to see what the receiver refuses. */
const DETAIL_LENGTH_MAX = 512;

/** Of what was received instead of a response. */
const UNREADABLE_LENGTH_MAX = 80;

/** How long a response may take once its status is known: only people read the rest. */
const REST_MS_MAX = 2_000;

function postedOf(exchanged: Exchanged, secrets: readonly string[]): Posted {
  switch (exchanged.kind) {
    case 'response': {
      const { status, body, isWhole } = exchanged.response;
      const text = new TextDecoder().decode(body);
      const safe = isWhole ? blankOut(text, secrets) : blankOutCut(text, secrets);
      const detail = printable(safe.slice(0, DETAIL_LENGTH_MAX));
      return { kind: 'answered', status, detail };
    }
    case 'unreadable': {
      const safe = blankOutCut(exchanged.text, secrets);
      return { kind: 'unreadable', detail: printable(safe.slice(0, UNREADABLE_LENGTH_MAX)) };
    }
    case 'no-response':
      return { kind: 'unanswered', sent: true, connected: true, problem: exchanged.problem };
    case 'not-sent': {
      const { connected, problem } = exchanged;
      return { kind: 'unanswered', sent: false, connected, problem };
    }
  }
}

/** A receiver that redirects was reached, whatever the next connection does. */
function reachedBy(hops: number, posted: Posted): Posted {
  return posted.kind === 'unanswered' && hops > 0 ? { ...posted, connected: true } : posted;
}

/** The target of a redirect that keeps the POST, or null. */
function redirectOf(exchanged: Exchanged, base: URL): URL | null {
  if (exchanged.kind !== 'response') return null;
  const { status, headers } = exchanged.response;
  const [location] = headers.get('location') ?? [];
  if ((status !== 307 && status !== 308) || location === undefined) return null;
  if (!URL.canParse(location, base.href)) return null;
  const target = new URL(location, base.href);
  return target.protocol === 'http:' || target.protocol === 'https:' ? target : null;
}

/** Why a redirect is not followed, or null. */
function refusalOf(
  target: URL,
  { url, privateHeaders, secrets }: Post,
  { tls }: HttpSettings['route'],
): { readonly detail: string } | null {
  const to = blankOut(target.host, secrets);
  if (url.protocol === 'https:' && target.protocol === 'http:') {
    return { detail: `redirects to ${to} without TLS, which is not followed` };
  }
  const hasCredentials = Object.keys(privateHeaders).length > 0 || tls.cert !== undefined;
  if (!hasCredentials || isSameHost(target, url)) return null;
  return { detail: `redirects to ${to}, which is not followed with credentials: use its URL` };
}

/** Whether `target` may receive the credentials for `home`: the same host, or the same with TLS. */
function isSameHost(target: URL, home: URL): boolean {
  const isUpgrade =
    target.hostname === home.hostname &&
    `${home.protocol}${home.port}` === 'http:' &&
    `${target.protocol}${target.port}` === 'https:';
  return target.origin === home.origin || isUpgrade;
}
