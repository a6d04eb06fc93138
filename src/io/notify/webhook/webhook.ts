/**
 * Sends notifications to a URL as Alertmanager's webhook does.
 *
 * Promise: all attempts of a notification carry one `Idempotency-Key`, and an attempt that may be a
 * duplicate has the header `Tocsin-Possible-Duplicate`.
 */

import { httpIntegration, judgeByStatus, readUrl } from '../http-integration.ts';
import { webhookPayload } from './payload.ts';
import { webhookSchema } from './schema.ts';

export const webhook = httpIntegration({
  schema: webhookSchema,
  repeatability: 'same-id',
  url: (settings) => readUrl('url', settings.url, settings.url_file),
  message: ({ notification, externalUrl, idempotencyKey, try: attempt }, settings) => ({
    headers: {
      'content-type': 'application/json',
      'idempotency-key': idempotencyKey,
      'tocsin-attempt': String(attempt),
      ...(notification.uncertain ? { 'tocsin-possible-duplicate': '1' } : {}),
    },
    body: Buffer.from(webhookPayload(notification, externalUrl, settings.max_alerts)),
  }),
  judge: judgeByStatus,
});
