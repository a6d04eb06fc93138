/**
 * `http_config`: the settings of an HTTP client, as in prometheus/common `HTTPClientConfig`.
 *
 * Promise: every key of it is read, keys that exclude one another are refused, and names of files are
 * relative to the folder of the configuration file, as in Prometheus.
 */

import { posix } from 'node:path';
import type { z } from 'zod';
import { LIMITS } from '../../commands/limits.ts';
import {
  asObject,
  fields,
  flag,
  leaf,
  list,
  maybe,
  name,
  proxyUrl,
  record,
  text,
  exclusive,
  refuse,
} from './fields.ts';
import { bad, good } from './parsed.ts';

const anyText = text(LIMITS.labelValue);
const someText = maybe(anyText);

const tlsVersion = leaf((value) =>
  /^TLS1[0-3]$/.test(value)
    ? good(value)
    : bad(`"${value}" is not a TLS version`, 'TLS10, TLS11, TLS12 or TLS13'),
);

export const tlsConfig = fields({
  ca: someText,
  cert: someText,
  key: someText,
  ca_file: someText,
  cert_file: someText,
  key_file: someText,
  ca_ref: someText,
  cert_ref: someText,
  key_ref: someText,
  server_name: someText,
  insecure_skip_verify: maybe(flag),
  min_version: maybe(tlsVersion),
  max_version: maybe(tlsVersion),
}).superRefine((tls, context) => {
  exclusive(context, tls, ['ca', 'ca_file', 'ca_ref']);
  exclusive(context, tls, ['cert', 'cert_file', 'cert_ref']);
  exclusive(context, tls, ['key', 'key_file', 'key_ref']);
});

const proxy = {
  proxy_url: maybe(proxyUrl),
  no_proxy: someText,
  proxy_from_environment: maybe(flag),
  proxy_connect_header: maybe(record(list(anyText, ''), [])),
};

const basicAuth = fields({
  username: someText,
  username_file: someText,
  username_ref: someText,
  password: someText,
  password_file: someText,
  password_ref: someText,
}).superRefine((auth, context) => {
  exclusive(context, auth, ['username', 'username_file', 'username_ref']);
  exclusive(context, auth, ['password', 'password_file', 'password_ref']);
});

const authorization = fields({
  type: someText,
  credentials: someText,
  credentials_file: someText,
  credentials_ref: someText,
}).superRefine((auth, context) => {
  exclusive(context, auth, ['credentials', 'credentials_file', 'credentials_ref']);
  if (auth.type?.trim().toLowerCase() === 'basic') {
    refuse(context, ['type'], 'cannot be "basic"', 'use basic_auth');
  }
});

const oauth2 = fields({
  client_id: name(LIMITS.labelValue),
  client_secret: someText,
  client_secret_file: someText,
  client_secret_ref: someText,
  client_certificate_key_id: someText,
  client_certificate_key: someText,
  client_certificate_key_file: someText,
  client_certificate_key_ref: someText,
  grant_type: someText,
  signature_algorithm: someText,
  iss: someText,
  audience: someText,
  claims: maybe(record(anyText, '')),
  scopes: maybe(list(anyText, '')),
  token_url: name(LIMITS.labelValue),
  endpoint_params: maybe(record(anyText, '')),
  tls_config: maybe(tlsConfig),
  ...proxy,
}).superRefine((oauth, context) => {
  const secrets = ['client_secret', 'client_secret_file', 'client_secret_ref'] as const;
  exclusive(context, oauth, secrets);
  // With a signed assertion the key of a certificate takes the place of the secret.
  const needsSecret = !(oauth.grant_type ?? '').endsWith('jwt-bearer');
  if (needsSecret && secrets.every((key) => (oauth[key] ?? '') === '')) {
    refuse(context, [], 'has no client_secret', 'add client_secret or client_secret_file');
  }
});

const httpHeader = fields({
  values: maybe(list(anyText, '')),
  secrets: maybe(list(anyText, '')),
  files: maybe(list(anyText, '')),
});

export const httpConfig = fields({
  basic_auth: maybe(basicAuth),
  authorization: maybe(authorization),
  oauth2: maybe(oauth2),
  bearer_token: someText,
  bearer_token_file: someText,
  tls_config: maybe(tlsConfig),
  follow_redirects: maybe(flag),
  enable_http2: maybe(flag),
  http_headers: maybe(record(maybe(httpHeader), undefined)),
  ...proxy,
}).superRefine((http, context) => {
  exclusive(context, http, [
    'basic_auth',
    'authorization',
    'oauth2',
    'bearer_token',
    'bearer_token_file',
  ]);
});

export type HttpConfig = Partial<z.infer<typeof httpConfig>>;

/** The same settings with every `*_file` joined to `folder`, unless it is absolute. */
export function withFilesIn(folder: string, settings: unknown): unknown {
  if (Array.isArray(settings)) return settings.map((item) => withFilesIn(folder, item));
  if (typeof settings !== 'object' || settings === null) return settings;
  const joined = (key: string, value: unknown): unknown => {
    if (key === 'files' && Array.isArray(value)) return value.map((file) => inFolder(folder, file));
    if (key.endsWith('_file')) return inFolder(folder, value);
    return withFilesIn(folder, value);
  };
  return asObject(Object.entries(settings).map(([key, value]) => [key, joined(key, value)]));
}

function inFolder(folder: string, file: unknown): unknown {
  if (typeof file !== 'string' || file === '' || posix.isAbsolute(file)) return file;
  return posix.join(folder, file);
}
