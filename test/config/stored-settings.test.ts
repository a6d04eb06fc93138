/**
 * What the configuration command stores of an integration, and how a later start reads it. Logs and
 * snapshots of every earlier build hold these texts, so they must not change by a byte.
 */
import { expect, test } from 'vitest';
import { readConfig } from '../../src/io/config/read.ts';
import { UNSUPPORTED } from '../../src/io/config/receivers.ts';
import { isSecret } from '../../src/io/config/redact.ts';
import { INTEGRATIONS } from '../../src/io/notify/registry.ts';
import { webhookSchema } from '../../src/io/notify/webhook/schema.ts';

const EVERY_KEY = `{"http_config":{"authorization":{"credentials_file":"/etc/tocsin/token","type":"Bearer"},"enable_http2":false,"follow_redirects":false,"http_headers":{"X-Team":{"files":["/etc/tocsin/team"],"secrets":["s"],"values":["a","b"]}},"no_proxy":"localhost","proxy_connect_header":{"X-Via":["one","two"]},"proxy_url":"http://proxy:3128","tls_config":{"ca_file":"/etc/tocsin/ca.pem","insecure_skip_verify":true,"max_version":"TLS13","min_version":"TLS12","server_name":"hook"}},"max_alerts":7,"timeout_ms":1500,"url":"http://a/b?c=d"}`;

function storedSettings(items: string, global = ''): readonly string[] {
  const source = `${global}route: {receiver: team}\nreceivers:\n- name: team\n  webhook_configs:\n${items}`;
  const read = readConfig(source, { file: '/etc/tocsin/tocsin.yml' });
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return (read.command.config.receivers[0]?.integrations ?? []).map(({ settings }) => settings);
}

test('a webhook with every key is stored as the builds before stored it', () => {
  const items = `  - url: http://a/b?c=d
    max_alerts: 7
    timeout: 1.5s
    send_resolved: false
    http_config:
      authorization: {type: Bearer, credentials_file: token}
      follow_redirects: false
      enable_http2: no
      http_headers: {X-Team: {values: [a, b], secrets: [s], files: [team]}}
      proxy_url: http://proxy:3128
      no_proxy: localhost
      proxy_connect_header: {X-Via: [one, two]}
      tls_config: {ca_file: ca.pem, server_name: hook, insecure_skip_verify: true, min_version: TLS12, max_version: TLS13}
`;
  expect(storedSettings(items)).toEqual([EVERY_KEY]);
});

test('the defaults of a webhook are stored with it, and a name of a file is a path', () => {
  const items =
    "  - url: http://a/\n  - {url_file: hook, url: null}\n  - {url: 'http://b', url_file: ''}\n";
  expect(storedSettings(items)).toEqual([
    '{"http_config":{},"max_alerts":0,"timeout_ms":0,"url":"http://a/"}',
    '{"http_config":{},"max_alerts":0,"timeout_ms":0,"url_file":"/etc/tocsin/hook"}',
    '{"http_config":{},"max_alerts":0,"timeout_ms":0,"url":"http://b"}',
  ]);
});

test('a webhook without an http_config takes that of global, and a header may have any name', () => {
  const global =
    'global: {http_config: {basic_auth: {username: u, password_file: p}, http_headers: {__proto__: {values: [x]}}}}\n';
  const items = '  - url: http://a/\n  - {url: http://a/, http_config: {bearer_token: t}}\n';
  expect(storedSettings(items, global)).toEqual([
    '{"http_config":{"basic_auth":{"password_file":"/etc/tocsin/p","username":"u"},"http_headers":{"__proto__":{"values":["x"]}}},"max_alerts":0,"timeout_ms":0,"url":"http://a/"}',
    '{"http_config":{"bearer_token":"t"},"max_alerts":0,"timeout_ms":0,"url":"http://a/"}',
  ]);
});

test('a webhook reads back all that was stored for it', () => {
  const stored: unknown = JSON.parse(EVERY_KEY);
  expect(webhookSchema.stored.parse(stored)).toEqual(stored);
});

test.each([
  ['no max_alerts', '{"url":"http://a/","timeout_ms":0,"http_config":{}}'],
  [
    'keys of a later build, which this one ignores',
    '{"later":[1],"url":"http://a/","max_alerts":0,"timeout_ms":0,"http_config":{"later":{"a":1}}}',
  ],
  [
    'a URL and a TLS version that files may not have',
    '{"url":"http://${HOST}/","max_alerts":0,"timeout_ms":0,"http_config":{"tls_config":{"min_version":"TLS14"}}}',
  ],
])('stored settings are read that hold %s', (_story, text) => {
  const { url } = JSON.parse(text) as { readonly url: string };
  const read = webhookSchema.stored.parse(JSON.parse(text));
  expect(read).toMatchObject({ url, max_alerts: 0, timeout_ms: 0 });
  expect(read).not.toHaveProperty('later');
});

test.each([
  '[]',
  '{}',
  '{"url":7,"timeout_ms":0,"http_config":{}}',
  '{"url":"http://a/","timeout_ms":"1s","http_config":{}}',
])('stored settings of another type are refused: %s', (text) => {
  expect(webhookSchema.stored.safeParse(JSON.parse(text)).success).toBe(false);
});

test('each type of integration is listed once, and its secrets are hidden', () => {
  const types = INTEGRATIONS.map(({ schema }) => schema.type);
  expect(new Set(types).size).toBe(types.length);
  expect(types.filter((type) => type in UNSUPPORTED)).toEqual([]);
  for (const { type, secretKeys } of INTEGRATIONS.map(({ schema }) => schema)) {
    for (const key of secretKeys)
      expect(isSecret(['receivers', `${type}_configs`, key])).toBe(true);
  }
  expect(isSecret(['receivers', 'opsgenie_configs', 'url'])).toBe(false);
});
