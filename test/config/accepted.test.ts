import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { IntervalPart } from '../../src/commands/config.ts';
import { integrationKey } from '../../src/commands/config.ts';
import { BASE, configOf, warningsOf } from './reading.ts';

const amtool = spawnSync('amtool', ['--version']).status === 0;

describe('a file of Alertmanager', () => {
  const source = readFileSync('examples/alertmanager.yml', 'utf8');

  test('is accepted as it is, with a warning for what cannot be sent', () => {
    expect(configOf(source).receivers.map(({ name }) => name)).toEqual([
      'team-ops',
      'team-shop',
      'team-shop-pager',
      'team-data',
      'dead-mans-switch',
      'blackhole',
    ]);
    expect(warningsOf(source).map((line) => line.split(': ')[1])).toEqual([
      'receivers[0].email_configs',
      'receivers[1].slack_configs',
      'receivers[2].pagerduty_configs',
    ]);
  });

  test.skipIf(!amtool)('is one that amtool accepts too', () => {
    const run = spawnSync('amtool', ['check-config', 'examples/alertmanager.yml'], {
      encoding: 'utf8',
    });

    expect(run.status, `${run.stdout}${run.stderr}`).toBe(0);
  });

  test('may use every type of integration, each with its own default for resolved notices', () => {
    const types = ['discord', 'email', 'incidentio', 'jira', 'mattermost', 'msteams', 'msteamsv2'];
    types.push('opsgenie', 'pagerduty', 'pushover', 'rocketchat', 'slack', 'sns', 'telegram');
    types.push('victorops', 'webex', 'wechat');
    const lists = types.map((type) => `    ${type}_configs: [{a: 1}, {send_resolved: yes}]\n`);

    const [receiver] = configOf(BASE + lists.join('')).receivers;

    const silent = receiver?.integrations.filter((each) => !each.sendResolved);
    expect(silent?.map((each) => integrationKey('team', each))).toEqual([
      'team/email[0]',
      'team/rocketchat[0]',
      'team/slack[0]',
      'team/wechat[0]',
    ]);
    expect(receiver?.integrations).toHaveLength(2 * types.length + 1);
  });

  test('keeps the settings of an integration it cannot send, without changing a character', () => {
    const slack = `    slack_configs:
      - {channel: '#a', token: 007, chat: -100123, short: true, fields: [{title: on, value: 1e3}]}
`;
    const [receiver] = configOf(BASE + slack).receivers;

    expect(receiver?.integrations[0]?.settings).toBe(
      '{"channel":"#a","chat":-100123,"fields":[{"title":"on","value":"1e3"}],"short":true,"token":"007"}',
    );
  });

  test('gives its global http_config to webhooks that have none', () => {
    const config = configOf(
      `global:
  http_config: {follow_redirects: off, authorization: {credentials_file: secrets/token}}
route: {receiver: a}
receivers:
  - name: a
    webhook_configs:
      - {url_file: secrets/url, timeout: 1.5s, max_alerts: 3, send_resolved: no}
      - {url: 'http://b', http_config: {basic_auth: {username: 5, password_file: /run/pw}}}
`,
      { file: '/etc/tocsin/tocsin.yml' },
    );

    const settings = config.receivers[0]?.integrations.map(
      (each) => JSON.parse(each.settings) as unknown,
    );
    expect(settings).toEqual([
      {
        url_file: '/etc/tocsin/secrets/url',
        timeout_ms: 1_500,
        max_alerts: 3,
        http_config: {
          follow_redirects: false,
          authorization: { credentials_file: '/etc/tocsin/secrets/token' },
        },
      },
      {
        url: 'http://b',
        timeout_ms: 0,
        max_alerts: 0,
        http_config: { basic_auth: { username: '5', password_file: '/run/pw' } },
      },
    ]);
  });

  test('inherits along the tree, and each route may differ', () => {
    const { route } = configOf(`route:
  receiver: a
  group_by: ['...']
  group_wait: 0s
  routes:
    - group_by: [x]
      continue: true
      routes: [{receiver: b, repeat_interval: 1d, match: {m: '1'}, match_re: {l: '2|3'}}]
    - group_by: []
    - receiver: ''
receivers: [{name: a}, {name: b}]
`);

    expect(route).toMatchObject({ groupByAll: true, groupBy: [], groupWaitMs: 0 });
    const [first, second, third] = route.routes;
    expect(first).toMatchObject({ groupByAll: false, groupBy: ['x'], continue: true });
    expect(first?.routes[0]).toEqual({
      receiver: 'b',
      groupBy: ['x'],
      groupByAll: false,
      groupWaitMs: 0,
      groupIntervalMs: 300_000,
      repeatIntervalMs: 86_400_000,
      matchers: [
        { name: 'l', op: '=~', value: '2|3' },
        { name: 'm', op: '=', value: '1' },
      ],
      continue: false,
      muteIntervals: [],
      activeIntervals: [],
      routes: [],
    });
    expect(second).toMatchObject({ groupByAll: false, groupBy: [] });
    expect(third).toMatchObject({ groupByAll: true, receiver: 'a' });
  });

  test('may leave keys empty, which means the same as leaving them out', () => {
    const config = configOf(`${BASE}global:
inhibit_rules:
time_intervals:
templates: ~
checks: null
`);
    expect(config).toMatchObject({ resolveTimeoutMs: 300_000, inhibitRules: [], checks: [] });
  });

  test('may share blocks by anchors, aliases and merge keys', () => {
    const { route } = configOf(`route:
  receiver: a
  routes:
    - &slow {group_wait: 5m, group_interval: 10m}
    - {<<: *slow, group_wait: 1m}
    - *slow
receivers: [{name: a}]
`);
    expect(route.routes.map((each) => [each.groupWaitMs, each.groupIntervalMs])).toEqual([
      [300_000, 600_000],
      [60_000, 600_000],
      [300_000, 600_000],
    ]);
  });

  test('has names and labels that look like other things', () => {
    const { route, receivers } = configOf(`route:
  receiver: on
  group_by: [yes, 5, ~x]
  routes:
    - {receiver: 007, match: {__proto__: no, 1: 0x10}}
receivers: [{name: on}, {name: 007}]
`);
    expect(receivers.map(({ name }) => name)).toEqual(['on', '007']);
    expect(route.groupBy).toEqual(['yes', '5', '~x']);
    expect(route.routes[0]?.matchers).toEqual([
      { name: '1', op: '=', value: '0x10' },
      { name: '__proto__', op: '=', value: 'no' },
    ]);
  });

  test('gets a warning for each section that is not used here', () => {
    const source = `${BASE}tracing: {endpoint: x}
inhibit_rules:
  - {sources: [{matchers: [a=b]}, {matchers: [c=d]}], target_matchers: [e=f]}
  - {sources: [{matchers: [a=b], equal: [x]}], target_matchers: [e=f]}
  - {target_matchers: [e=f]}
`;
    expect(warningsOf(source)).toEqual([
      'tocsin.yml:5:1: tracing: this section is ignored',
      'tocsin.yml:7:6: inhibit_rules[0].sources: this build reads one source per rule: the rule is left out',
      'tocsin.yml:9:5: inhibit_rules[2]: every alert is a source of this rule (hint: add source_matchers)',
    ]);
    expect(configOf(source).inhibitRules).toEqual([
      {
        sourceMatchers: [{ name: 'a', op: '=', value: 'b' }],
        targetMatchers: [{ name: 'e', op: '=', value: 'f' }],
        equal: ['x'],
      },
      { sourceMatchers: [], targetMatchers: [{ name: 'e', op: '=', value: 'f' }], equal: [] },
    ]);
  });
});

describe('a time interval', () => {
  const none: IntervalPart = {
    times: [],
    weekdays: [],
    daysOfMonth: [],
    months: [],
    years: [],
    zone: 'UTC',
  };
  const stories: readonly (readonly [text: string, part: Partial<IntervalPart>])[] = [
    ['{}', {}],
    ['{times: [{start_time: 00:00, end_time: 24:00}]}', { times: [{ from: 0, to: 1_440 }] }],
    [
      "{weekdays: ['Monday:friday', sunday]}",
      {
        weekdays: [
          { from: 1, to: 5 },
          { from: 0, to: 0 },
        ],
      },
    ],
    [
      "{days_of_month: ['1:31', -1, '-3:-1', '5:-5']}",
      {
        daysOfMonth: [
          { from: 1, to: 31 },
          { from: -1, to: -1 },
          { from: -3, to: -1 },
          { from: 5, to: -5 },
        ],
      },
    ],
    [
      '{months: [1, may:august, 10:DECEMBER]}',
      {
        months: [
          { from: 1, to: 1 },
          { from: 5, to: 8 },
          { from: 10, to: 12 },
        ],
      },
    ],
    [
      '{years: [2026, 2027:2030]}',
      {
        years: [
          { from: 2026, to: 2026 },
          { from: 2027, to: 2030 },
        ],
      },
    ],
    ['{location: Australia/Sydney}', { zone: 'Australia/Sydney' }],
    ['{location: Local}', { zone: 'Europe/Berlin' }],
  ];

  test.each(stories)('%s', (text, part) => {
    const source = `${BASE}time_intervals: [{name: a, time_intervals: [${text}]}]\n`;

    expect(configOf(source).timeIntervals).toEqual([{ name: 'a', parts: [{ ...none, ...part }] }]);
  });
});

describe('a check', () => {
  const zero = { low: 0, high: 0, recoverLow: 0, recoverHigh: 0, missingMs: 0 };
  const stories = [
    ['above: 90', { ...zero, kind: 'above', high: 90, recoverHigh: 90 }],
    ['above: .5, recover: -1.5e1', { ...zero, kind: 'above', high: 0.5, recoverHigh: -15 }],
    ['below: -3, recover: 0', { ...zero, kind: 'below', low: -3, recoverLow: 0 }],
    [
      'outside: [1, 2]',
      { ...zero, kind: 'outside', low: 1, high: 2, recoverLow: 1, recoverHigh: 2 },
    ],
    [
      'outside: [1, 9], recover: [4, 4]',
      { ...zero, kind: 'outside', low: 1, high: 9, recoverLow: 4, recoverHigh: 4 },
    ],
    ['missing: 1h30m', { ...zero, kind: 'missing', missingMs: 5_400_000 }],
  ] as const;

  test.each(stories)('%s', (text, condition) => {
    const source = `${BASE}checks: [{name: A, series: 'a.*;h=[a-c]', for: 1y, ${text}}]\n`;

    expect(configOf(source).checks).toEqual([
      {
        name: 'A',
        series: 'a.*;h=[a-c]',
        condition,
        forMs: 31_536_000_000,
        labels: ['alertname', 'A'],
        annotations: [],
      },
    ]);
  });

  test('may set its severity as a label, and drops labels without a value', () => {
    const source = `${BASE}checks: [{name: A, series: a, above: 1, labels: {severity: info, b: '', a: on}}]\n`;

    expect(configOf(source).checks[0]?.labels).toEqual([
      'a',
      'on',
      'alertname',
      'A',
      'severity',
      'info',
    ]);
  });
});

test('a monitor has all its settings, written or not', () => {
  const source = `${BASE}monitors:
  - {name: a, http: {url: 'http://x/'}}
  - {name: b, http: {url: 'http://x/', interval: 2s, method: HEAD, expect_status: 301}}
  - {name: c, graphite: {url: 'http://g', targets: [a.*, 'sumSeries(b.*)'], from: -1h, timeout: 9s}}
  - {name: d, host: {interval: 1s}}
`;
  expect(configOf(source).monitors).toEqual([
    {
      name: 'a',
      type: 'http',
      intervalMs: 15_000,
      timeoutMs: 5_000,
      settings: '{"expect_status":[],"method":"GET","url":"http://x/"}',
    },
    {
      name: 'b',
      type: 'http',
      intervalMs: 2_000,
      timeoutMs: 2_000,
      settings: '{"expect_status":[301],"method":"HEAD","url":"http://x/"}',
    },
    {
      name: 'c',
      type: 'graphite',
      intervalMs: 30_000,
      timeoutMs: 9_000,
      settings: '{"from":"-1h","targets":["a.*","sumSeries(b.*)"],"url":"http://g"}',
    },
    { name: 'd', type: 'host', intervalMs: 1_000, timeoutMs: 1_000, settings: '{}' },
  ]);
});
