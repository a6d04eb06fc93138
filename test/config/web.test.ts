/** The web configuration file: what Alertmanager's people write, and what is refused where. */

import { describe, expect, it } from 'vitest';
import { problemText } from '../../src/io/config/problems.ts';
import { readWebFile } from '../../src/io/config/web.ts';

const HASH = '$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';

const problemsOf = (text: string): string[] => {
  const read = readWebFile(text, '/etc/tocsin/web.yml');
  return read.ok ? [] : read.problems.map(problemText);
};

const valueOf = (text: string) => {
  const read = readWebFile(text, '/etc/tocsin/web.yml');
  if (!read.ok) throw new Error(read.problems.map(problemText).join('\n'));
  return read.value;
};

describe('what is read', () => {
  it('the whole file of exporter-toolkit, with files relative to its folder', () => {
    const value = valueOf(`
tls_server_config:
  cert_file: server.crt
  key_file: /keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: false
  headers: {X-Frame-Options: deny, Strict-Transport-Security: '', X-Content-Type-Options: nosniff}
basic_auth_users:
  ann: ${HASH}
rate_limit: {interval: 1s, burst: 20}
`);
    expect(value.tls).toMatchObject({
      certificate: { file: '/etc/tocsin/server.crt', at: { line: 3 } },
      key: { file: '/keys/server.key' },
      clientCa: { file: '/etc/tocsin/ca.crt' },
      clientAuth: 'RequireAndVerifyClientCert',
      clientSans: ['prometheus.example'],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      prefersServerCiphers: false,
      curves: 'X25519:prime256v1',
    });
    // As in Go, a list is about TLS 1.2, and 1.3 stays on.
    expect(value.tls?.ciphers).toMatch(/^ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256:/);
    expect(value.http2).toBe(false);
    expect(value.headers).toEqual({
      'X-Frame-Options': 'deny',
      'X-Content-Type-Options': 'nosniff',
    });
    expect(value.rateLimit).toEqual({ intervalMs: 1_000, burst: 20 });
    const all = ['read', 'push', 'silence', 'admin'];
    expect(value.users.get('ann')).toEqual({ hash: HASH, scopes: all });
  });

  it('tokens, and the scopes of users', () => {
    const value = valueOf(`
basic_auth_users: {bob: ${HASH}}
basic_auth_scopes: {bob: [read, silence]}
tokens:
  - {name: prometheus, scopes: [push], token_file: push.token}
  - {name: grafana, scopes: [read], sha256: ${'AB'.repeat(32)}}
`);
    expect(value.users.get('bob')?.scopes).toEqual(['read', 'silence']);
    expect(value.tokens).toMatchObject([
      { name: 'prometheus', scopes: ['push'], secret: { file: '/etc/tocsin/push.token' } },
      { name: 'grafana', scopes: ['read'], secret: { sha256: 'ab'.repeat(32) } },
    ]);
  });
});

describe('what is refused, with its place', () => {
  it.each([
    ['', 'the file is empty'],
    [
      'basic_auth_user: {}',
      'web.yml:1:1: basic_auth_user: unknown key (hint: did you mean "basic_auth_users"?)',
    ],
    ['tls_server_config:\n  cert_fil: x', 'web.yml:2:3: tls_server_config.cert_fil: unknown key'],
    ['http_server_config: {http3: true}', 'http_server_config.http3: unknown key'],
    [
      'http_server_config:\n  headers: {X-Foo: a}',
      'web.yml:2:13: http_server_config.headers.X-Foo: unknown key',
    ],
    [
      'tokens:\n- {name: a, scope: [read]}',
      'web.yml:2:13: tokens[0].scope: unknown key (hint: did you mean "scopes"?)',
    ],
    [
      `tokens:\n- {name: a, scopes: [write], token_file: x}`,
      '"write" is not known here (hint: write one of read',
    ],
    ['tokens:\n- {name: a, scopes: [], token_file: x}', 'is empty; write one or more of'],
    ['tokens:\n- {name: a, scopes: [read]}', 'has no secret (hint: add token_file or sha256)'],
    [`tokens:\n- {name: a, scopes: [read], sha256: abc}`, 'is not a SHA-256'],
    [
      `tokens:\n- {name: a, scopes: [read], token_file: x}\n- {name: a, scopes: [read], token_file: y}`,
      'web.yml:3:10: tokens[1].name: "a" stands twice',
    ],
    ['basic_auth_users: {ann: secret}', 'basic_auth_users.ann: is not a bcrypt hash'],
    [`basic_auth_users: {ann: ${HASH.replace('$10$', '$31$')}}`, 'has cost 31'],
    [`basic_auth_users: {'a:b': ${HASH}}`, 'a user name has no colon'],
    [
      `basic_auth_users: {ann: ${HASH}}\nbasic_auth_scopes: {an: [read]}`,
      'there is no user "an" (hint: did you mean "ann"?)',
    ],
    ['tls_server_config: {key_file: x}', 'has no certificate'],
    ['tls_server_config: {cert_file: x}', 'has no key'],
    ['tls_server_config: {cert_file: x, key_file: y, cert: z}', 'cannot stand beside'],
    [
      'tls_server_config: {cert_file: x, key_file: y, client_ca_file: z}',
      'asks no client for a certificate',
    ],
    [
      'tls_server_config: {cert_file: x, key_file: y, client_auth_type: RequireAndVerifyClientCert}',
      'has no CA',
    ],
    [
      'tls_server_config: {cert_file: x, key_file: y, client_allowed_sans: [a]}',
      'needs a certificate of each client',
    ],
    [
      'tls_server_config: {cert_file: x, key_file: y, min_version: TLS14}',
      '"TLS14" is not known here',
    ],
    [
      'tls_server_config: {cert_file: x, key_file: y, min_version: TLS13, max_version: TLS12}',
      'is below min_version',
    ],
    [
      'tls_server_config: {cert_file: x, key_file: y, cipher_suites: [RC4]}',
      '"RC4" is not known here',
    ],
    [
      'http_server_config: {headers: {X-XSS-Protection: "a\\nb"}}',
      'has characters that a header cannot hold',
    ],
    ['http_server_config: {headers: {X-Frame-Options: allow}}', 'must be deny or sameorigin'],
    ['a: [', 'broken YAML'],
  ])('%j', (text, problem) => {
    const problems = problemsOf(text);
    expect(problems.join('\n')).toContain(problem);
    for (const each of problems) expect(each).toMatch(/^\/etc\/tocsin\/web\.yml:\d+:\d+: /);
  });
});
