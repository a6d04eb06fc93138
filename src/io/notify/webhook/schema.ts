/**
 * The settings of a webhook.
 *
 * Promise: what a file has and what is stored use the same schemas, key by key. The stored form is
 * part of the log: its keys are permanent, and a new key needs a default.
 */

import { z } from 'zod';
import { LIMITS } from '../../../commands/limits.ts';
import {
  exclusive,
  fields,
  flag,
  goDuration,
  maybe,
  refuse,
  storedForm,
  templatedUrl,
  text,
  whole,
} from '../../config/fields.ts';
import { httpConfig, type HttpConfig } from '../../config/http-config.ts';
import type { IntegrationSchema } from '../integration.ts';

/** What the configuration command stores. */
export interface WebhookSettings {
  /** The configuration command stores exactly one of `url` and `url_file`. */
  readonly url?: string | undefined;
  readonly url_file?: string | undefined;
  /** The most alerts of one request; 0 sends all alerts. */
  readonly max_alerts: number;
  /** 0 for the limit of all integrations. */
  readonly timeout_ms: number;
  /** As in Alertmanager; `{}` when neither the receiver nor `global` has one. */
  readonly http_config: HttpConfig;
}

const url = maybe(templatedUrl);
const urlFile = maybe(text(LIMITS.labelValue));
const maxAlerts = whole(0, Number.MAX_SAFE_INTEGER);

const file = fields({
  send_resolved: maybe(flag),
  http_config: maybe(httpConfig),
  url,
  url_file: urlFile,
  max_alerts: maybe(maxAlerts),
  timeout: maybe(goDuration),
}).superRefine((given, context) => {
  exclusive(context, given, ['url', 'url_file']);
  if (given.url !== undefined || (given.url_file ?? '') !== '') return;
  refuse(context, [], 'has neither url nor url_file', "add url: 'http://host:8080/path'");
});

export const webhookSchema: IntegrationSchema<WebhookSettings> = {
  type: 'webhook',
  sendResolved: true,
  // The path of a webhook often is its password.
  secretKeys: ['url'],
  item: file.transform((given) => ({
    sendResolved: given.send_resolved,
    warnings:
      given.url?.includes('{{') === true
        ? [{ key: 'url', message: 'this build does not fill in templates in a URL' }]
        : [],
    settings: (defaults) => ({
      ...(given.url === undefined ? { url_file: given.url_file ?? '' } : { url: given.url }),
      max_alerts: given.max_alerts ?? 0,
      timeout_ms: given.timeout ?? 0,
      http_config: given.http_config ?? defaults.httpConfig ?? {},
    }),
  })),
  stored: z.object({
    url: storedForm(url),
    url_file: storedForm(urlFile),
    max_alerts: storedForm(maxAlerts).default(0),
    timeout_ms: storedForm(goDuration),
    http_config: storedForm(httpConfig),
  }),
};
