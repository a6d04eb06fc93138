/**
 * An integration that sends one HTTP POST. It builds a request and judges a response; the rest is
 * here: the files of its settings, the time limit, connecting, the confirmation of leadership
 * before the first byte (ADR 15), and what is certain about a request without a response.
 *
 * Promise: never rejects. `delivered`: the receiver took it. `retry`: the receiver did not take it,
 * or no byte of the request was sent. `rejected`: it will not take it. `unknown`: the request was
 * sent and no readable response came, so that only the receiver knows. No detail holds a secret.
 */

import { UNREADABLE_STATUS } from '../../commands/delivery.ts';
import type { HttpConfig } from '../config/http-config.ts';
import { basicAuthorization, connect, credentialsOf } from '../http-client/connection.ts';
import { HttpClientError, problemOf } from '../http-client/errors.ts';
import type { Headers } from '../http-client/head.ts';
import type { Delivery, DeliveryResult } from '../ports.ts';
import { post, type Post, type Posted } from './http-post.ts';
import {
  readHttpSettings,
  readSecretFile,
  UnusableSetting,
  type HttpSettings,
} from './http-settings.ts';
import type {
  Integration,
  IntegrationContext,
  IntegrationSchema,
  Repeatability,
} from './integration.ts';
import { secretsOfUrl } from './redaction.ts';

/** What the settings of each of them have. */
export interface HttpIntegrationSettings {
  /** 0 for {@link TIMEOUT_MS}. */
  readonly timeout_ms: number;
  readonly http_config: HttpConfig;
}

/** One request, as the integration builds it. */
export interface HttpMessage {
  /** Names in lower case. The User-Agent is added. */
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** Secrets of the headers and the body, which no detail may show. */
  readonly secrets?: readonly string[];
}

/** A response whose status could be read. */
export interface HttpAnswer {
  readonly status: number;
  /** The start of the body, without secrets and control characters. */
  readonly detail: string;
}

export interface HttpIntegration<Settings extends HttpIntegrationSettings> {
  readonly schema: IntegrationSchema<Settings>;
  readonly repeatability: Repeatability;
  /** Where to send, read for every attempt. Throws {@link UnusableSetting}. */
  readonly url: (settings: Settings) => Promise<URL>;
  /** What to send, built for every attempt. Throws {@link UnusableSetting}. */
  readonly message: (delivery: Delivery, settings: Settings) => HttpMessage | Promise<HttpMessage>;
  /** What a response means; {@link judgeByStatus} for most receivers. */
  readonly judge: (answer: HttpAnswer) => Verdict;
}

export type Verdict = DeliveryResult['result'];

/** For a receiver without its own limit: an attempt must end, or its group waits for ever. */
const TIMEOUT_MS = 10_000;

export function httpIntegration<Settings extends HttpIntegrationSettings>(
  definition: HttpIntegration<Settings>,
): Integration<Settings> {
  const { schema, repeatability } = definition;
  return {
    schema,
    repeatability,
    send: async (delivery, settings, context, signal) => {
      const timeoutMs = settings.timeout_ms > 0 ? settings.timeout_ms : TIMEOUT_MS;
      const deadline = new AbortController();
      const cancel = context.clock.after(timeoutMs, () =>
        deadline.abort(new HttpClientError(`no answer within ${timeoutMs} ms`)),
      );
      try {
        const { request, http } = await prepare(definition, delivery, settings, context);
        const ends = AbortSignal.any([deadline.signal, signal]);
        const posted = await post(request, http, context, ends);
        // An attempt that is cancelled while it connects does not show whether it could connect.
        const isKnown = posted.kind !== 'unanswered' || posted.connected || !signal.aborted;
        return {
          ...resultOf(posted, request.url, definition.judge),
          ...(isKnown ? { connected: isConnected(posted) } : {}),
        };
      } catch (error) {
        // No byte was sent: `post` never rejects.
        const why = error instanceof UnusableSetting ? error.message : problemOf(error);
        return { ...result('retry', 0, `cannot be sent: ${why}`), connected: false };
      } finally {
        cancel();
      }
    },
    probe: async (settings, context, signal) => {
      try {
        // As for a notification, with the files that are read for it.
        const url = await definition.url(settings);
        const { route } = await readHttpSettings(settings.http_config);
        const { socket } = await connect(url, route, context, signal);
        socket.destroy();
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** 2xx is delivered; 429 and 5xx are worth another attempt; all others are final. */
export function judgeByStatus({ status }: HttpAnswer): Verdict {
  if (status >= 200 && status < 300) return 'delivered';
  return status === 429 || status >= 500 ? 'retry' : 'rejected';
}

/** The URL of a setting or of the file that it names. Throws {@link UnusableSetting}. */
export async function readUrl(
  setting: string,
  inline: string | undefined,
  file: string | undefined,
): Promise<URL> {
  const text = inline ?? (await readSecretFile(`${setting}_file`, file ?? ''));
  if (!URL.canParse(text) || !/^https?:/i.test(text)) {
    const place = inline === undefined ? `${setting}_file` : setting;
    throw new UnusableSetting(`${place}: not an http or https URL`);
  }
  return new URL(text);
}

async function prepare<Settings extends HttpIntegrationSettings>(
  definition: HttpIntegration<Settings>,
  delivery: Delivery,
  settings: Settings,
  { version }: IntegrationContext,
): Promise<{ readonly request: Post; readonly http: HttpSettings }> {
  const url = await definition.url(settings);
  const http = await readHttpSettings(settings.http_config);
  const message = await definition.message(delivery, settings);
  const request = {
    url,
    body: message.body,
    headers: { 'user-agent': `Tocsin/${version}`, ...message.headers },
    privateHeaders: { ...authorizationOf(url), ...http.headers },
    followRedirects: settings.http_config.follow_redirects ?? true,
    secrets: [...secretsOfUrl(url), ...http.secrets, ...(message.secrets ?? [])],
    confirm: delivery.confirm,
  };
  return { request, http };
}

/** The user and password of a URL, unless the settings have others. */
function authorizationOf(url: URL): { readonly authorization?: string } {
  const pair = credentialsOf(url);
  return pair === null ? {} : { authorization: basicAuthorization(...pair) };
}

function resultOf(
  posted: Posted,
  { host }: URL,
  judge: (answer: HttpAnswer) => Verdict,
): DeliveryResult {
  switch (posted.kind) {
    case 'answered':
      return result(judge(posted), posted.status, posted.detail);
    case 'unreadable':
      return result(
        'unknown',
        UNREADABLE_STATUS,
        `${host} may have taken it: it answered what is no HTTP: ${posted.detail}`,
      );
    case 'unanswered':
      return posted.sent
        ? result('unknown', 0, `${host} may have taken it: ${posted.problem}`)
        : result('retry', 0, `cannot reach ${host}: ${posted.problem}`);
  }
}

function isConnected(posted: Posted): boolean {
  return posted.kind !== 'unanswered' || posted.connected;
}

function result(verdict: Verdict, status: number, detail: string): DeliveryResult {
  return { result: verdict, status, detail };
}
