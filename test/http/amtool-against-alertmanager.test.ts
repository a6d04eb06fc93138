/**
 * The real amtool against the real Alertmanager 0.25 and against the real daemon: each command prints
 * the same and ends with the same code, except where the test says otherwise.
 *
 * Both run one configuration with an integration of each kind and secrets in it; ours has our own
 * sections, too.
 */

import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import {
  command,
  configFile,
  isReady,
  scratch,
  start,
  until,
  type Finished,
} from '../blackbox/program.ts';
import { startAlertmanager } from './alertmanager/oracle.ts';

const SHARED = `
global:
  smtp_smarthost: 'mail.example.com:25'
  smtp_from: 'alerts@example.com'
  smtp_auth_username: alerts
  smtp_auth_password: hidden-smtp
  slack_api_url: 'https://hooks.slack.example.com/services/hidden-slack'
  opsgenie_api_key: hidden-opsgenie
  victorops_api_key: hidden-victorops
  wechat_api_secret: hidden-wechat
  wechat_api_corp_id: corp
  http_config: {proxy_url: 'http://proxy.example.com:3128'}
route:
  receiver: fallback
  group_by: [alertname]
  routes:
    - receiver: web
      match: {team: web}
      continue: true
      routes:
        - receiver: web-night
          matchers: ['severity=~"warn.*"', 'path!="a,b"']
          mute_time_intervals: [nights]
    - receiver: 'chat and mail'
      match_re: {team: 'db|web'}
    - receiver: everything
      matchers: ['severity = critical', 'team!~"x|y"']
      group_by: ['...']
      active_time_intervals: [nights]
inhibit_rules:
  - source_matchers: [severity=critical]
    target_matchers: [severity=warning]
    equal: [alertname]
time_intervals:
  - name: nights
    time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}], location: UTC}]
receivers:
  - name: fallback
  - name: web
    webhook_configs:
      - url: 'https://user:hidden-a@hooks.example.com/hidden-b?token=hidden-c'
        http_config: {basic_auth: {username: u, password: hidden-basic}}
      - url: 'http://hooks.example.com/x'
        http_config:
          oauth2: {client_id: i, client_secret: hidden-oauth, token_url: 'http://token.example.com/t'}
  - name: web-night
    pagerduty_configs: [{routing_key: hidden-routing, details: {a: b}}, {service_key: hidden-service}]
  - name: 'chat and mail'
    slack_configs:
      - {channel: '#ops', actions: [{type: button, text: go, url: 'http://a.example.com'}]}
      - {channel: '#ops', api_url: 'https://hooks.slack.example.com/hidden-slack-2'}
    email_configs:
      - {to: 'a@example.com', auth_password: hidden-smtp-2, headers: {Subject: hello}}
  - name: everything
    opsgenie_configs: [{api_key: hidden-opsgenie-2, responders: [{name: a, type: team}]}]
    victorops_configs: [{api_key: hidden-victorops-2, routing_key: r}]
    pushover_configs: [{user_key: hidden-user, token: hidden-token}]
    wechat_configs: [{api_secret: hidden-wechat-2}]
    sns_configs:
      - topic_arn: 'arn:aws:sns:us-east-2:1:x'
        sigv4: {region: us-east-2, access_key: A, secret_key: hidden-sns}
    telegram_configs: [{bot_token: hidden-bot, chat_id: 12}]
    discord_configs: [{webhook_url: 'https://discord.example.com/hidden-discord'}]
    webex_configs: [{room_id: r, http_config: {authorization: {credentials: hidden-webex}}}]
`;

const OWN = `
monitors:
  - name: g
    graphite: {url: 'http://u:hidden-graphite@127.0.0.1:9', targets: ['x.*'], interval: 60s}
checks: [{name: Hi, series: 'a.*', above: 1}]
`;

const hasAmtool = spawnSync('amtool', ['--version']).status === 0;

it(
  'amtool prints the same of Alertmanager and of Tocsin',
  { timeout: 120_000 },
  async ({ skip }) => {
    const theirs = hasAmtool ? await startAlertmanager(SHARED) : null;
    if (theirs === null) return skip('amtool and prometheus-alertmanager of Debian are not here');
    const folder = await scratch();
    const config = await configFile(folder, OWN + SHARED);
    const daemon = await start({ config, dataDir: `${folder}/data` });
    await until(() => isReady(daemon));
    const servers = [new Amtool(theirs), new Amtool(daemon.addresses.http)] as const;
    const both = async (...args: readonly string[]): Promise<Finished> => {
      const [their, our] = [await servers[0].run(...args), await servers[1].run(...args)];
      expect.soft(normal(our), `amtool ${args.join(' ')}`).toEqual(normal(their));
      return our;
    };

    // The routes, out of what the server says its configuration is.
    const tree = await both('config', 'routes', 'show');
    expect(tree).toMatchObject({ code: 0, stdout: expect.stringContaining('web-night') as string });
    for (const labels of [
      ['team=web', 'severity=warning'],
      ['team=web', 'severity=warning', 'path=a,b'],
      ['team=db'],
      ['severity=critical'],
      ['severity=critical', 'team=x'],
      ['path=a,b'],
      ['team='],
      [],
    ]) {
      await both('config', 'routes', 'test', ...labels);
      await both('config', 'routes', 'test', '--tree', ...labels);
    }
    await both('config', 'routes', 'test', '--verify.receivers=web,chat and mail', 'team=web');
    await both('config', 'routes', 'test', '--verify.receivers=fallback', 'team=web');

    // What the server shows is a file that amtool takes, with no secret and no section of ours in it.
    const { stdout: shown } = await servers[1].run('config', 'show');
    expect(shown).not.toMatch(/hidden|checks|monitors/);
    await writeFile(`${folder}/shown.yml`, shown);
    const checked = await servers[1].run('check-config', `${folder}/shown.yml`);
    expect(checked).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/SUCCESS[^]*1 inhibit rules[^]*5 receivers/) as string,
    });
    // The one that runs here is in no cluster of Alertmanagers.
    expect((await servers[1].run('cluster', 'show')).stdout).toMatch(/Cluster Status: +ready/);

    // Alerts.
    await both('alert', 'add', 'alertname=Disk', 'path=a,b');
    await both('alert', 'add', 'Slow', 'team=web', 'severity=warning', '--annotation=runbook=');
    await both('alert', 'add', 'Slow', 'team=db', 'severity=critical', '--annotation=text=a b,c');
    await both('alert', 'add', 'Ünï', 'x=😀 "q"', '--generator-url=http://g.example.com/x');
    await both(
      'alert',
      'add',
      'Over',
      'a=b',
      '--start=2026-01-01T00:00:00Z',
      '--end=2026-01-02T00:00:00Z',
    );
    await both('alert', 'add', '1x=2');
    for (const filter of [
      [],
      ['path=a,b'],
      ['path="a,b"'],
      ['path!=a,b'],
      ['path=~a,.*'],
      ['path!~a|b'],
      ['Disk'],
      ['Disk', 'path=a,b'],
      ['team=~web|db', 'severity!=warning'],
      ['x=~('],
      ['path='],
      ['--receiver=web'],
      ['--receiver=chat.*'],
      ['--receiver=('],
      ['--inhibited'],
      ['--unprocessed'],
      ['--active', '--silenced'],
    ]) {
      for (const format of ['simple', 'extended', 'json']) {
        await both('alert', 'query', `--output=${format}`, ...filter);
      }
    }

    // Silences.
    const add = ['silence', 'add', '--author=ann'];
    await both(...add, '--comment=drill', 'team!=web');
    await both(...add, '--comment=drill', 'team!~.+', 'a!=');
    await both(...add, '--comment=range', 'Disk', 'path=a,b', '--duration=2h');
    await both(...add, '--comment=two', 'team=~"a|b"', 'x="q,\\"r"', ...bounds(2097, 2098));
    await both(...add, '--comment=past', 't=1', ...bounds(2019, 2020));
    await both(...add, '--comment=no expression', 'team=~(');
    await both(...add, 'a=b');
    await both(...add, '--comment=no matcher');
    await both(...add, '--comment=all', 'team=~.*');
    const listed = [
      [],
      ['--quiet'],
      ['path=a,b'],
      ['Disk'],
      ['team!=web'],
      ['team=~"a|b"'],
      ['--within=3h'],
      ['--created-by=ann'],
      ['--created-by=bob'],
      ['--expired'],
      ['--output=extended'],
      ['--output=json'],
      ['--expired', '--output=json'],
    ];
    const list = async (): Promise<void> => {
      for (const flags of listed) await both('silence', 'query', ...flags);
      await both('alert', 'query', '--silenced', '--output=json');
      await both('alert', 'query');
    };
    await list();
    /** What each server calls the silence by another name. */
    const bothAbout = async (filter: string, ...args: readonly string[]): Promise<void> => {
      const [their, our] = await Promise.all(
        servers.map(async (server) => {
          const { stdout } = await server.run('silence', 'query', '--quiet', filter);
          return server.run(...args, ...stdout.trim().split('\n'));
        }),
      );
      expect.soft(normal(our), `amtool ${args.join(' ')} ${filter}`).toEqual(normal(their));
    };
    await bothAbout('path=a,b', 'silence', 'update', '--duration=5h', '--comment=longer');
    await list();
    await bothAbout('path=a,b', 'silence', 'expire');
    await both('silence', 'update');
    await both('silence', 'expire');
    await list();

    // A backup of the silences, taken from one server, is put back into both.
    const backup = `${folder}/silences.json`;
    await writeFile(backup, (await servers[0].run('silence', 'query', '--output=json')).stdout);
    await bothAbout('a!=', 'silence', 'expire');
    await bothAbout('team=~"a|b"', 'silence', 'expire');
    await both('silence', 'import', '--force', backup);
    await list();
    await both('silence', 'import', `${folder}/none.json`);
  },
);

class Amtool {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  readonly run = (...args: readonly string[]): Promise<Finished> =>
    command('amtool', `--alertmanager.url=http://${this.#address}`, '--no-version-check', ...args);
}

function bounds(from: number, to: number): readonly string[] {
  return [`--start=${from}-01-01T00:00:00Z`, `--end=${to}-01-01T00:00:00Z`];
}

/** Without what two servers cannot share: ids, addresses, the moment, the order of equal times. */
function normal(finished: Finished | undefined): unknown {
  const even = (text: string): readonly string[] =>
    text
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
      .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
      // Its errors name the expression as it anchored it, and begin with the step that failed.
      .replace(/`\^\(\?:(.*)\)\$`/g, '`$1`')
      .replace(/Failed to create silence: |silence invalid: /g, '')
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?/g, isSoon)
      .split(/\n|(?<=\}),(?=\{"(?:annotations|id|comment))/)
      .map((line) => line.replace(/^\[|\]$/g, '').trimEnd())
      .toSorted();
  return {
    code: finished?.code,
    stdout: even(finished?.stdout ?? ''),
    stderr: even(finished?.stderr ?? ''),
  };
}

/** Two servers take the same request at two moments. */
function isSoon(text: string): string {
  const at = Date.parse(text.endsWith('Z') ? text : `${text.replace(' ', 'T')}Z`);
  return Math.abs(at - Date.now()) < 24 * 3_600_000 ? 'NEAR' : text;
}
