/** An annotation whose value is empty reaches the receiver, and outlives the process. */

import { expect, it } from 'vitest';
import {
  buildWith,
  configFile,
  isReady,
  Receiver,
  scratch,
  start,
  tocsin,
  until,
} from './program.ts';

const CONFIG = `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: 'URL'}]}]
checks:
  - {name: Hot, series: a.b, above: 1, annotations: {summary: hot, runbook_url: ''}}
`;

const PUSHED = [
  { labels: { alertname: 'Disk', none: '' }, annotations: { summary: 'disk', runbook_url: '' } },
];

it('a rule without a runbook pages with the key, now and after a crash', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG.replace('URL', receiver.url));
  const options = { config, dataDir: `${folder}/data` };
  const daemon = await start(options);
  await until(() => isReady(daemon));

  expect((await daemon.post('/api/v2/alerts', PUSHED)).status).toBe(200);
  await daemon.carbon('a.b 5 -1\n');
  await until(() => receiver.pages.length >= 2);

  const pages = receiver.pages.flatMap(({ alerts }) => alerts);
  const annotationsOf = (name: string) =>
    pages.find(({ labels }) => labels['alertname'] === name)?.annotations;
  expect(annotationsOf('Disk')).toEqual({ runbook_url: '', summary: 'disk' });
  expect(annotationsOf('Hot')).toEqual({ runbook_url: '', summary: 'hot' });
  expect(pages.some(({ labels }) => 'none' in labels)).toBe(false);

  await daemon.kill('SIGKILL');
  const again = await start(options);
  await until(() => isReady(again));
  expect(await again.get('/api/v2/alerts?filter=alertname=Disk')).toMatchObject([
    { annotations: { runbook_url: '', summary: 'disk' } },
  ]);
  await again.kill('SIGTERM');
  expect((await tocsin('replay', options.dataDir)).code).toBe(0);
});

it('a store of the build before opens, and loses empty annotations until its cluster is upgraded', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG.replace('URL', receiver.url));
  const options = { config, dataDir: `${folder}/data` };
  const before = await buildWith('0.0.9', { REDUCERS_MAX: 1, REDUCERS_WANTED: 1 });
  const first = await start({ ...options, main: before });
  await until(() => isReady(first));
  await first.kill('SIGTERM');

  const daemon = await start(options);
  await until(() => isReady(daemon));
  expect((await daemon.post('/api/v2/alerts', PUSHED)).status).toBe(200);
  const [alert] = (await daemon.get('/api/v2/alerts')) as readonly { annotations: object }[];
  expect(alert?.annotations).toEqual({ summary: 'disk' });
  expect((await daemon.post('/-/reload', '')).status).toBe(200);
  await daemon.kill('SIGTERM');
  const back = await start({ ...options, main: before });
  await until(() => isReady(back));
  expect(await back.get('/api/v2/alerts')).toHaveLength(1);
  await back.kill('SIGTERM');
}, 60_000);
