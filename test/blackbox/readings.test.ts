/** Readings on the real program: what cannot be judged costs itself, is counted, and is seen. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { configFile, Receiver, scratch, start, until, type Daemon } from './program.ts';

/** A Graphite that answers every poll with this text, in which NOW is the time in seconds. */
async function graphite(text: string): Promise<string> {
  const server = createServer((_, response) => {
    response.end(text.replaceAll('NOW', String(nowSeconds())));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

async function watching(sections: string, flags: readonly string[] = []) {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(
    folder,
    `
route: {receiver: team, group_by: ['...'], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: '${receiver.url}'}]}]
${sections}
`,
  );
  const daemon = await start({ config, dataDir: `${folder}/data`, flags });
  await until(async () => (await fetch(daemon.url('/-/ready'))).status === 200);
  return { daemon, receiver };
}

function firing({ pages }: Receiver): readonly string[] {
  return pages
    .flatMap(({ alerts }) => alerts)
    .filter(({ status }) => status === 'firing')
    .map(({ labels }) => `${labels['alertname']} ${labels['series']}`);
}

/** A counter as Prometheus reads it. */
async function metric(daemon: Daemon, line: string): Promise<number> {
  const text = await (await fetch(daemon.url('/metrics'))).text();
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length));
}

function saidAbout(daemon: Daemon, reason: string): readonly string[] {
  return daemon.log.filter((line) => line.includes(`"reason":"${reason}"`));
}

it('one infinite point of a Graphite answer: the other series pages, and the point is counted', async () => {
  const url = await graphite(
    '[{"target":"x.ratio","datapoints":[[1e9999,NOW]]},{"target":"x.load","datapoints":[[96,NOW]]}]',
  );
  const { daemon, receiver } = await watching(`
monitors: [{name: g, graphite: {url: '${url}', targets: ['x.*'], interval: 1s}}]
checks:
  - {name: Hi, series: 'x.*', above: 90}
  - {name: GraphiteUp, series: 'g.up', above: 0}
`);
  await until(() => firing(receiver).length >= 2);
  expect(firing(receiver).toSorted()).toEqual(['GraphiteUp g.up', 'Hi x.load']);
  await until(
    async () =>
      (await metric(daemon, 'tocsin_observations_dropped_total{reason="not-a-number"}')) > 1,
  );
  const byMonitor = 'tocsin_monitor_observations_dropped_total{monitor="g",reason="not-a-number"}';
  expect(await metric(daemon, byMonitor)).toBeGreaterThan(0);
  expect(saidAbout(daemon, 'not-a-number')).toHaveLength(1);
  expect(saidAbout(daemon, 'not-a-number')[0]).toContain('x.ratio');
  expect(await (await fetch(daemon.url('/'))).text()).toContain('x.ratio');
});

it('two series of one name in a Graphite answer: a warning names the target, and the page shows it', async () => {
  const url = await graphite(
    '[{"target":"x.web","datapoints":[[1,NOW]]},{"target":"x.web","datapoints":[[99,NOW]]}]',
  );
  const { daemon } = await watching(`
monitors: [{name: g, graphite: {url: '${url}', targets: ['x.*'], interval: 1s}}]
checks: [{name: Hi, series: 'x.*', above: 90}]
`);
  await until(
    async () =>
      (await metric(daemon, 'tocsin_observations_dropped_total{reason="duplicate-name"}')) > 1,
  );
  expect(saidAbout(daemon, 'duplicate-name')).toHaveLength(1);
  expect(saidAbout(daemon, 'duplicate-name')[0]).toContain('x.web');
  const page = await (await fetch(daemon.url('/'))).text();
  expect(page).toContain('duplicate-name');
  expect(page).toContain('x.web (judged: 1, not judged: 99)');
});

it('a spool that is emptied pages nobody, and does not hide that a series is missing', async () => {
  const { daemon, receiver } = await watching(
    `
checks:
  - {name: Hi, series: 'l.*', above: 90}
  - {name: Silent, series: 'l.*', missing: 1s}
`,
    ['--late-after', '10m'],
  );
  const spooled = nowSeconds() - 1_800;
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => `l.a 95 ${spooled + i}\n`).join('');
  await daemon.carbon(lines(5));
  // The spool goes on and on, and the series is missing all the same.
  await until(async () => {
    await daemon.carbon(lines(1));
    return firing(receiver).includes('Silent l.a');
  });
  await daemon.carbon(`l.b 96 ${nowSeconds()}\n`);
  await until(() => firing(receiver).includes('Hi l.b'));
  expect(firing(receiver)).not.toContain('Hi l.a');
  const late = 'tocsin_observations_dropped_total{reason="late"}';
  expect(await metric(daemon, late)).toBeGreaterThanOrEqual(6);
});

it('without a limit a line is judged when it arrives, whatever its time', async () => {
  const { daemon, receiver } = await watching(`checks: [{name: Hi, series: 'l.*', above: 90}]`);
  await daemon.carbon(`l.a 95 ${nowSeconds() - 1_800}\n`);
  await until(() => firing(receiver).includes('Hi l.a'));
});

it('an empty path element is no other series, in a line, in a posted reading, and in a check', async () => {
  const { daemon, receiver } = await watching(`
checks:
  - {name: Carbon, series: 'n2.a.b', above: 1}
  - {name: Posted, series: '.n3..*.b', above: 1}
`);
  await daemon.carbon('n2..a.b 5\n');
  expect(
    (await daemon.post('/tocsin/v1/observations', [{ series: 'n3.x..b.', value: 5 }])).status,
  ).toBe(200);
  await until(() => firing(receiver).length === 2);
  expect(firing(receiver).toSorted()).toEqual(['Carbon n2.a.b', 'Posted n3.x.b']);
});
