import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { describe, expect, test } from 'vitest';
import { redactSecrets } from '../../src/io/config/redact.ts';

/** A file with a secret in every place that has one; `$n` marks where each is put. */
const TEMPLATE = `# smtp_auth_password: $0
global: # the old token was $1
  smtp_auth_password: $1
  smtp_auth_secret: '$2'
  slack_api_url: "https://hooks.slack.com/$3"   # keep me
  opsgenie_api_key: &key $4
  http_config:
    proxy_url: http://user:$5@proxy:3128
    basic_auth: {username: me, password: $6}
    proxy_connect_header: {X-Any: [$7, '$8']}
    http_headers:
      Authorization: {values: [$9]}
      X-Plain: {values: [shown], secrets: [$10], files: [/etc/header]}
    oauth2:
      client_secret: |
        $11
      token_url: https://id.example.com/
      endpoint_params: {api_key: $12}
    tls_config: {key: "$13\\nsecond line", key_file: /etc/key}
receivers:
  - name: team
    webhook_configs:
      - url: https://hook/$14
        http_config: {authorization: {credentials: $15}, bearer_token: $16}
    discord_configs: [{webhook_url: 'https://discord/$17'}]
    pagerduty_configs:
      - routing_key: *key
      - service_key: >-
          $18
          $18
    slack_configs: [{api_url: https://slack/$19, channel: '#shown'}]
    telegram_configs: [{bot_token: $20, chat_id: -5}]
    sns_configs: [{sigv4: {secret_key: $21}}]
    rocketchat_configs: [{token: $22, token_id: $23}]
monitors:
  - {name: a, http: {url: 'https://shown.example.com/?token=$24&q=shown'}}
`;

const COUNT = 25;

describe('secrets of a configuration', () => {
  test('none survives, wherever it stands, and the text is still the same YAML', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9]{12,30}$/);
    fc.assert(
      fc.property(fc.uniqueArray(secret, { minLength: COUNT, maxLength: COUNT }), (secrets) => {
        const source = TEMPLATE.replace(
          /\$(\d+)/g,
          (_, i: string) => `Z${secrets[Number(i)] ?? ''}`,
        );

        const shown = redactSecrets(source);

        expect(parseDocument(source).errors).toEqual([]);
        for (const each of secrets) expect(shown).not.toContain(each);
        expect(parseDocument(shown).errors).toEqual([]);
        expect(shown.match(/shown/g)).toHaveLength(4);
      }),
      { numRuns: 50 },
    );
  });

  test('comments and layout stay', () => {
    const source = `# ours
receivers:
    - name:   team     # the team
      webhook_configs:
        - {url: 'https://hook/s3cret', max_alerts: 5} # chat
        - url: >-
            https://hook/folded
          send_resolved: false
        - url_file: /etc/url
          http_config: {basic_auth: {username: me, password_file: /etc/pw}}
checks:
  - {name: A, series: a, above: 1, labels: {key: shown, token: shown}}
`;
    expect(redactSecrets(source)).toBe(`# ours
receivers:
    - name:   team     # the team
      webhook_configs:
        - {url: <secret>, max_alerts: 5} # chat
        - url: <secret>
          send_resolved: false
        - url_file: /etc/url
          http_config: {basic_auth: {username: me, password_file: /etc/pw}}
checks:
  - {name: A, series: a, above: 1, labels: {key: shown, token: shown}}
`);
  });

  test('a secret that an alias brings in is hidden where it is written', () => {
    const source = 'a: &p s3cr3t-value\nglobal: {smtp_auth_password: *p}\n';

    expect(redactSecrets(source)).toBe('a: &p <secret>\nglobal: {smtp_auth_password: *p}\n');
  });

  test('what is not YAML is hidden whole', () => {
    for (const source of [
      'password: [s3cr3t',
      'a: 1\n---\npassword: s3cr3t\n',
      '['.repeat(9_999),
    ]) {
      expect(redactSecrets(source)).toBe('# <secret>: the text is not one YAML document\n');
    }
  });

  test('the examples show no secret', () => {
    const shown = redactSecrets(readFileSync('examples/alertmanager.yml', 'utf8'));

    expect(shown).not.toMatch(/not-a-real/);
    expect(shown).toContain('credentials_file: /etc/alertmanager/shop.token');
  });
});
