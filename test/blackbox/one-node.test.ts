/** The main job on real processes: observe, decide, tell, remember across `kill -9`, replay. */

import { expect, it } from 'vitest';
import { configFile, Receiver, scratch, start, tocsin, until, type Daemon } from './program.ts';

function cpuConfig(url: string): string {
  return `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: '${url}'}]}]
checks:
  - {name: HighCpu, series: 'servers.*.cpu.user', above: 90, for: 2s, severity: critical,
     annotations: {summary: 'CPU of {{ $labels.series }} is {{ $value }}'}}
`;
}

async function ready(daemon: Daemon): Promise<void> {
  await until(async () => (await fetch(daemon.url('/-/ready'))).status === 200);
}

it('a carbon line past its check pages once, and its recovery is told once', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, cpuConfig(receiver.url));
  const daemon = await start({ config, dataDir: `${folder}/data` });

  await daemon.carbon('servers.a.cpu.user 99\n');
  await until(() => receiver.pages.length === 1);
  await daemon.carbon('servers.a.cpu.user 20\n');
  await until(() => receiver.pages.length === 2);
  await daemon.kill('SIGTERM');

  const [firing, resolved] = receiver.pages;
  expect(firing?.alerts).toMatchObject([
    {
      status: 'firing',
      labels: { alertname: 'HighCpu', severity: 'critical', series: 'servers.a.cpu.user' },
      annotations: { summary: 'CPU of servers.a.cpu.user is 99' },
    },
  ]);
  expect(firing?.notification_reason).toBe('first notification');
  expect(resolved?.alerts).toMatchObject([{ status: 'resolved' }]);
  expect(resolved?.notification_reason).toBe('all alerts resolved');
  expect(receiver.pages).toHaveLength(2);
});

it('killed between firing and resolving: the page is not repeated, the recovery is told', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, cpuConfig(receiver.url));
  const before = await start({ config, dataDir: `${folder}/data` });
  await before.carbon('servers.a.cpu.user 99\n');
  await until(() => receiver.pages.length === 1);
  await until(async () => (await deliveredBy(before)) === 1);

  await before.kill('SIGKILL');
  const after = await start({ config, dataDir: `${folder}/data` });
  await ready(after);
  await after.carbon('servers.a.cpu.user 20\n');
  await until(() => receiver.pages.length === 2);

  expect(receiver.pages.map((page) => page.status)).toEqual(['firing', 'resolved']);
});

it('killed while `for` runs: the five minutes are not counted from the start again', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, cpuConfig(receiver.url));
  const before = await start({ config, dataDir: `${folder}/data` });
  await before.carbon('servers.a.cpu.user 99\n');
  await until(() => knowsCpu(before));

  const killedAt = Date.now();
  await before.kill('SIGKILL');
  const after = await start({ config, dataDir: `${folder}/data` });
  await ready(after);
  const downMs = Date.now() - killedAt;
  await until(() => receiver.pages.length === 1);

  const replay = await tocsin('replay', `${folder}/data`, '-o', 'jsonl');
  const at = (what: string): number => {
    const line = replay.stdout.split('\n').find((each) => each.includes(`"${what}"`)) ?? '{}';
    return Date.parse((JSON.parse(line) as { at: string }).at);
  };
  expect(at('firing') - at('breach')).toBeGreaterThanOrEqual(2_000);
  // The time without a process does not count.
  expect(at('firing') - at('breach')).toBeLessThan(4_000 + downMs);
});

it('50 alerts answered 200, kill -9, restart: all 50 are there, and a replay proves the log', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, cpuConfig(receiver.url));
  const before = await start({ config, dataDir: `${folder}/data` });
  await ready(before);
  const names = Array.from({ length: 50 }, (_, i) => `Alert${i}`);
  const answers = await Promise.all(
    names.map((alertname) => before.post('/api/v2/alerts', [{ labels: { alertname } }])),
  );
  expect(answers.map((answer) => answer.status)).toEqual(names.map(() => 200));

  await before.kill('SIGKILL');
  const after = await start({ config, dataDir: `${folder}/data` });
  const alerts = (await after.get('/api/v2/alerts')) as { labels: { alertname: string } }[];
  expect(alerts.map(({ labels }) => labels.alertname).sort()).toEqual([...names].sort());
  await ready(after);
  await after.kill('SIGTERM');

  const replay = await tocsin('replay', `${folder}/data`);
  expect(replay.stderr).toMatch(/(\d+) of \1 root hashes match/);
  expect(replay.code).toBe(0);
});

it('the receiver is down: the page is tried again until it is taken, under one key', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  receiver.answers.push(503, 503);
  const config = await configFile(
    folder,
    cpuConfig(receiver.url).replace('group_interval: 1s', 'group_interval: 1m'),
  );
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await daemon.post('/api/v2/alerts', [{ labels: { alertname: 'Down' } }]);
  await until(() => receiver.pages.length === 3);

  const keys = receiver.pages.map((page) => page.headers['idempotency-key']);
  expect(new Set(keys).size).toBe(1);
  await until(async () => (await deliveredBy(daemon)) === 1);
});

/** Whether the breach is committed: what can be explained outlives any death of the process. */
async function knowsCpu(daemon: Daemon): Promise<boolean> {
  const answer = await daemon.get('/tocsin/v1/explain?alert=alertname%3DHighCpu');
  const { alerts, pending } = answer as { alerts: object[]; pending: object[] };
  return alerts.length + pending.length > 0;
}

async function deliveredBy(daemon: Daemon): Promise<number> {
  const metrics = await (await fetch(daemon.url('/metrics'))).text();
  const line = /tocsin_notifications_total\{[^}]*outcome="delivered"[^}]*\} (\d+)/.exec(metrics);
  return Number(line?.[1] ?? 0);
}
