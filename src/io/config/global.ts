/**
 * `global`: the defaults of all receivers, with every key of Alertmanager. This build
 * acts on `resolve_timeout` and `http_config`; it accepts the other keys and does not use them.
 */

import { LIMITS } from '../../commands/limits.ts';
import { MINUTE_MS } from './durations.ts';
import { duration, fields, flag, maybe, text, url, exclusive } from './fields.ts';
import { httpConfig, tlsConfig, type HttpConfig } from './http-config.ts';
import type { Reader } from './reader.ts';

const someText = maybe(text(LIMITS.labelValue));
const someUrl = maybe(url);

const globalFields = fields({
  resolve_timeout: maybe(duration),
  http_config: maybe(httpConfig),
  smtp_from: someText,
  smtp_hello: someText,
  smtp_smarthost: someText,
  smtp_auth_username: someText,
  smtp_auth_password: someText,
  smtp_auth_password_file: someText,
  smtp_auth_secret: someText,
  smtp_auth_secret_file: someText,
  smtp_auth_identity: someText,
  smtp_require_tls: maybe(flag),
  smtp_tls_config: maybe(tlsConfig),
  smtp_force_implicit_tls: maybe(flag),
  slack_api_url: someUrl,
  slack_api_url_file: someText,
  slack_app_token: someText,
  slack_app_token_file: someText,
  slack_app_url: someUrl,
  victorops_api_key: someText,
  victorops_api_key_file: someText,
  victorops_api_url: someUrl,
  pagerduty_url: someUrl,
  opsgenie_api_key: someText,
  opsgenie_api_key_file: someText,
  opsgenie_api_url: someUrl,
  rocketchat_api_url: someUrl,
  rocketchat_token: someText,
  rocketchat_token_file: someText,
  rocketchat_token_id: someText,
  rocketchat_token_id_file: someText,
  mattermost_webhook_url: someUrl,
  mattermost_webhook_url_file: someText,
  wechat_api_url: someUrl,
  wechat_api_secret: someText,
  wechat_api_secret_file: someText,
  wechat_api_corp_id: someText,
  telegram_api_url: someUrl,
  telegram_bot_token: someText,
  telegram_bot_token_file: someText,
  webex_api_url: someUrl,
  jira_api_url: someUrl,
}).superRefine((given, context) => {
  for (const key of Object.keys(given)) {
    if (key.endsWith('_file')) exclusive(context, given, [key.slice(0, -'_file'.length), key]);
  }
});

export interface GlobalConfig {
  readonly resolveTimeoutMs: number;
  readonly httpConfig: HttpConfig | undefined;
}

export function readGlobal(reader: Reader): GlobalConfig {
  const given = reader.read(globalFields, reader.sections['global'] ?? {}, ['global']);
  return {
    resolveTimeoutMs: given?.resolve_timeout ?? 5 * MINUTE_MS,
    httpConfig: given?.http_config,
  };
}
