/**
 * Sends notifications to a URL as Alertmanager's webhook does.
 *
 * Promise: never rejects, and says what is certain. `delivered`: any 2xx. `retry`: the receiver
 * did not take it (no connection, 429, 5xx) or could not be asked (a secret that cannot be read).
 * `rejected`: it will not take it (other statuses). `unknown`: the request left and no answer came
 * that could be read, so that only the receiver knows. All tries carry one `Idempotency-Key`, and a try after an
 * unknown one says so in `Tocsin-Possible-Duplicate`. No detail holds a secret.
 */

import { z } from 'zod';
import { UNREADABLE_STATUS } from '../../../commands/delivery.ts';
import type { Clock, Delivery, DeliveryResult, Notifier } from '../../ports.ts';
import { basicAuthorization, connect, credentialsOf } from '../../http-client/connection.ts';
import { HttpClientError, problemOf } from '../../http-client/errors.ts';
import {
  httpConfigSchema,
  readSecretFile,
  readHttpSettings,
  UnusableSetting,
  type HttpSettings,
} from '../http-settings.ts';
import { post, type Post, type Posted } from '../http-post.ts';
import { secretsOfUrl } from '../redaction.ts';
import { webhookPayload } from './payload.ts';

export interface WebhookOptions {
  /** For the User-Agent. */
  readonly version: string;
}

export interface WebhookModules {
  readonly clock: Clock;
}

export function webhookNotifier(options: WebhookOptions, modules: WebhookModules): Notifier {
  return {
    type: 'webhook',
    send: async (delivery, signal) => {
      const parsed = settingsSchema.safeParse(parsedJson(delivery.settings));
      if (!parsed.success) return result('rejected', 0, 'its settings are not those of a webhook');
      const settings = parsed.data;
      const timeoutMs = settings.timeout_ms > 0 ? settings.timeout_ms : TIMEOUT_MS;
      const deadline = new AbortController();
      const cancel = modules.clock.after(timeoutMs, () =>
        deadline.abort(new HttpClientError(`no answer within ${timeoutMs} ms`)),
      );
      try {
        const url = await readUrl(settings);
        const transport = await readHttpSettings(settings.http_config);
        const wanted = postOf(url, transport, settings, delivery, options);
        const ends = AbortSignal.any([deadline.signal, signal]);
        const posted = await post(wanted, transport, modules, ends);
        // Who is told to stop while it connects has not found out whether it could.
        const isKnown = posted.kind !== 'unanswered' || posted.connected || !signal.aborted;
        return { ...resultOf(posted, url), ...(isKnown ? { connected: isConnected(posted) } : {}) };
      } catch (error) {
        // Nothing has left: sending itself answers with a value, whatever happens.
        const why = error instanceof UnusableSetting ? error.message : problemOf(error);
        return { ...result('retry', 0, `cannot be sent: ${why}`), connected: false };
      } finally {
        cancel();
      }
    },
    probe: async (text, signal) => {
      const parsed = settingsSchema.safeParse(parsedJson(text));
      if (!parsed.success) return false;
      try {
        // The same way as a notification goes, with the files that are read for it.
        const url = await readUrl(parsed.data);
        const { route } = await readHttpSettings(parsed.data.http_config);
        const { socket } = await connect(url, route, modules, signal);
        socket.destroy();
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** What the reader of the configuration writes; see `WebhookSettings` there. */
const settingsSchema = z.object({
  url: z.string().optional(),
  url_file: z.string().optional(),
  /** 0 sends all alerts. */
  max_alerts: z.number().optional(),
  /** 0 sets no limit. */
  timeout_ms: z.number(),
  http_config: httpConfigSchema,
});

type Settings = z.infer<typeof settingsSchema>;

/** For a receiver without a limit of its own: an attempt must end, or its group waits for ever. */
const TIMEOUT_MS = 10_000;

async function readUrl({ url, url_file: file }: Settings): Promise<URL> {
  const text = url ?? (await readSecretFile('url_file', file ?? ''));
  if (!URL.canParse(text) || !/^https?:/i.test(text)) {
    throw new UnusableSetting(
      `${url === undefined ? 'url_file' : 'url'}: not an http or https URL`,
    );
  }
  return new URL(text);
}

function postOf(
  url: URL,
  transport: HttpSettings,
  settings: Settings,
  delivery: Delivery,
  { version }: WebhookOptions,
): Post {
  const { confirm, externalUrl, idempotencyKey, notification } = delivery;
  return {
    url,
    body: Buffer.from(webhookPayload(notification, externalUrl, settings.max_alerts ?? 0)),
    headers: {
      'content-type': 'application/json',
      'user-agent': `Tocsin/${version}`,
      'idempotency-key': idempotencyKey,
      'tocsin-attempt': String(delivery.try),
      ...(notification.uncertain ? { 'tocsin-possible-duplicate': '1' } : {}),
    },
    privateHeaders: { ...authorizationOf(url), ...transport.headers },
    followRedirects: settings.http_config.follow_redirects ?? true,
    secrets: [...secretsOfUrl(url), ...transport.secrets],
    confirm,
  };
}

/** The user and password of a URL, unless the settings have others. */
function authorizationOf(url: URL): { readonly authorization?: string } {
  const pair = credentialsOf(url);
  return pair === null ? {} : { authorization: basicAuthorization(...pair) };
}

function resultOf(posted: Posted, { host }: URL): DeliveryResult {
  switch (posted.kind) {
    case 'answered':
      return result(verdictOn(posted.status), posted.status, posted.detail);
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

function verdictOn(status: number): DeliveryResult['result'] {
  if (status >= 200 && status < 300) return 'delivered';
  return status === 429 || status >= 500 ? 'retry' : 'rejected';
}

function result(verdict: DeliveryResult['result'], status: number, detail: string): DeliveryResult {
  return { result: verdict, status, detail };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
