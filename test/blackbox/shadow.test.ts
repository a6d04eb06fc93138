/** A shadow beside production: the same input, the same decisions, and nobody is told twice. */

import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  configFile,
  Receiver,
  refused,
  scratch,
  start,
  tocsin,
  until,
  type Daemon,
} from './program.ts';

const PATIENCE_MS = 60_000;

interface Note {
  readonly integration: string;
  readonly status: string;
  readonly lastResult: string;
}

/** Production, and what a shadow of it needs. */
async function open() {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const configuration = async (name: string, groupBy: string): Promise<string> => {
    await mkdir(`${folder}/etc-${name}`);
    return configFile(
      `${folder}/etc-${name}`,
      `
route: {receiver: team, group_by: [${groupBy}], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: '${receiver.url}'}]}]
`,
    );
  };
  const usual = await configuration('usual', 'alertname');
  const options = (name: string, flags: readonly string[] = [], config = usual) => {
    return { config, dataDir: `${folder}/${name}`, name, flags };
  };
  return { folder, receiver, configuration, options };
}

async function push(daemons: readonly Daemon[], alertname: string, host: string): Promise<void> {
  for (const daemon of daemons) {
    const answer = await daemon.post('/api/v2/alerts', [{ labels: { alertname, host } }]);
    expect(answer.status).toBe(200);
  }
}

async function delivered(daemon: Daemon): Promise<readonly Note[]> {
  return (await daemon.get('/tocsin/v1/notifications?status=delivered')) as readonly Note[];
}

async function untilDelivered(daemons: readonly Daemon[], count: number): Promise<void> {
  for (const daemon of daemons) {
    await until(async () => (await delivered(daemon)).length === count);
  }
}

describe('a shadow', () => {
  it(
    'decides what production decides, tells nobody, and says so wherever one looks',
    async () => {
      const { folder, options, receiver } = await open();
      const production = await start(options('prod'));
      const shadow = await start(options('shadow', ['--shadow']));
      const both = [production, shadow];
      await push(both, 'Disk', 'a');
      await push(both, 'Load', 'a');
      await untilDelivered(both, 2);

      expect(receiver.pages.map(({ groupLabels }) => groupLabels.alertname)).toEqual([
        'Disk',
        'Load',
      ]);
      for (const { lastResult } of await delivered(shadow)) {
        expect(lastResult).toBe('delivered: withheld: this is a shadow, which tells nobody');
      }
      expect(shadow.log.some((line) => line.includes('notifies nobody'))).toBe(true);
      expect(await shadow.get('/tocsin/v1/status')).toMatchObject({ shadow: true });
      expect(await production.get('/tocsin/v1/status')).toMatchObject({ shadow: false });
      const status = await tocsin('status', '--url', shadow.url(''));
      expect(status.stdout).toContain('leader, shadow');
      expect(await (await fetch(shadow.url('/'))).text()).toContain('shadow: it notifies nobody');

      // The daemons run on: a replay reads beside them.
      const same = await tocsin('replay', `${folder}/prod`, '--against', `${folder}/shadow`);
      expect(same.stderr).toContain(
        '2 notifications the same, 0 only in A, 0 only in B, 0 later than 30s',
      );
      expect(same.stdout).toBe('');
      expect(same.code).toBe(0);
    },
    PATIENCE_MS,
  );

  it(
    'another configuration is tried on the shadow: the difference is shown before anybody feels it',
    async () => {
      const { configuration, folder, options, receiver } = await open();
      const byHost = await configuration('by-host', 'host');
      const production = await start(options('prod'));
      const shadow = await start(options('shadow', ['--shadow'], byHost));
      const both = [production, shadow];
      const quiet = await shadow.post('/api/v2/silences', {
        matchers: [{ name: 'alertname', value: 'Load', isRegex: false, isEqual: true }],
        startsAt: new Date().toISOString(),
        endsAt: new Date(Date.now() + 3_600_000).toISOString(),
        createdBy: 'alice',
        comment: 'what if',
      });
      const { silenceID } = (await quiet.json()) as { silenceID: string };
      await push(both, 'Disk', 'a');
      await untilDelivered(both, 1);
      await push(both, 'Load', 'b');
      await untilDelivered([production], 2);
      const differ = () =>
        tocsin('replay', `${folder}/prod`, '--against', `${folder}/shadow`, '-o', 'jsonl');
      await until(async () => (await differ()).stdout.includes('every alert is muted'));

      const { code, stderr, stdout } = await differ();

      const rows = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
      const summary = rows.pop();
      expect(rows.map(({ what, group }) => `${String(what)} ${String(group)}`)).toEqual(
        expect.arrayContaining([
          'only in A {alertname="Disk"}',
          'only in B {host="a"}',
          'only in A {alertname="Load"}',
        ]),
      );
      expect(rows.find(({ group }) => group === '{alertname="Load"}')).toMatchObject({
        instead: {
          what: 'withhold',
          reason: 'every alert is muted',
          muted: [{ by: [`silence:${silenceID}`] }],
        },
      });
      expect(summary).toMatchObject({ same: 0, onlyInA: 2, onlyInB: 1, later: 0 });
      expect(stderr).toContain(
        '0 notifications the same, 2 only in A, 1 only in B, 0 later than 30s',
      );
      expect(code).toBe(1);
      expect(receiver.pages).toHaveLength(2);
    },
    PATIENCE_MS,
  );
});

describe('shadows and others', () => {
  it(
    'are never members of one cluster, whoever asks whom; shadows are among themselves',
    async () => {
      const { folder, options } = await open();
      const production = await start(options('prod'));
      const shadow = await start(options('shadow', ['--shadow']));

      const lost = await start(options('s2', ['--shadow', '--join', production.addresses.peer]));
      await until(() => lost.log.some((line) => line.includes('is a shadow, and cluster')));
      const stray = await start(options('p2', ['--join', shadow.addresses.peer]));
      await until(() => stray.log.some((line) => line.includes('is no shadow, and cluster')));
      for (const daemon of [production, shadow]) {
        expect(await daemon.get('/tocsin/v1/members')).toHaveLength(1);
      }

      const second = await start(options('s3', ['--shadow', '--join', shadow.addresses.peer]));
      await until(async () => (await fetch(second.url('/-/ready'))).status === 200);
      expect(await second.get('/tocsin/v1/members')).toHaveLength(2);
      expect(await second.get('/tocsin/v1/status')).toMatchObject({ shadow: true });

      await push([second], 'Disk', 'a');
      await untilDelivered([shadow, second], 1);
      const members = [`${folder}/shadow`, '--against', `${folder}/s3`];
      expect((await tocsin('replay', ...members)).stderr).toContain(
        '1 notification the same, 0 only in A, 0 only in B, 0 later than 30s',
      );
    },
    PATIENCE_MS,
  );

  it(
    'do not take over the data of each other',
    async () => {
      const { options } = await open();
      const production = await start(options('prod'));
      const shadow = await start(options('shadow', ['--shadow']));
      await production.kill('SIGTERM');
      await shadow.kill('SIGKILL');

      const silent = await refused(options('prod', ['--shadow']));
      const loud = await refused(options('shadow'));
      const again = await start(options('shadow', ['--shadow']));

      expect(silent.stderr).toContain('notifies people, and --shadow was given');
      expect(silent.code).toBe(1);
      expect(loud.stderr).toContain('is a shadow, which notifies nobody: start it with --shadow');
      expect(loud.code).toBe(1);
      expect(await again.get('/tocsin/v1/status')).toMatchObject({ shadow: true });
    },
    PATIENCE_MS,
  );
});
