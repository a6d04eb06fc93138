/** Prometheus and amtool drive a node unmodified. */

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { command, configFile, has, Receiver, scratch, start, until } from './program.ts';

const CONFIG = `
route: {receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: 'URL'}]}]
`;

const amtoolHere = await has('amtool');
const prometheusHere = await has('prometheus');

it.runIf(amtoolHere)('amtool adds, queries and silences alerts', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG.replace('URL', receiver.url));
  const daemon = await start({ config, dataDir: `${folder}/data` });
  const amtool = (...args: string[]): ReturnType<typeof command> =>
    command('amtool', `--alertmanager.url=${daemon.url('')}`, ...args);
  await until(async () => (await fetch(daemon.url('/-/ready'))).status === 200);

  expect((await amtool('alert', 'add', 'DiskFull', 'host=db-1')).code).toBe(0);
  await until(() => receiver.pages.length === 1);
  expect((await amtool('alert', 'query', 'alertname=DiskFull')).stdout).toContain('DiskFull');

  const silence = await amtool('silence', 'add', 'alertname=DiskFull', '-c', 'known', '-a', 'ann');
  expect(silence.stdout.trim()).toMatch(/^[0-9a-f-]{36}$/);
  expect((await amtool('alert', 'query', '--silenced')).stdout).toContain('DiskFull');
  expect((await amtool('silence', 'query')).stdout).toContain('known');
  expect((await amtool('silence', 'expire', silence.stdout.trim())).code).toBe(0);
  expect((await amtool('config', 'show')).stdout).toContain('<secret>');
});

it.runIf(prometheusHere)('a firing rule of Prometheus becomes a page', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG.replace('URL', receiver.url));
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await writeFile(
    `${folder}/rules.yml`,
    'groups: [{name: g, interval: 1s, rules: [{alert: AlwaysUp, expr: vector(1), labels: {severity: page}}]}]',
  );
  await writeFile(
    `${folder}/prometheus.yml`,
    `global: {evaluation_interval: 1s}
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['${daemon.addresses.http}']}]}]}`,
  );
  const prometheus = spawn('prometheus', [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/tsdb`,
    `--web.listen-address=127.0.0.1:${await freePort()}`,
    '--rules.alert.resend-delay=1s',
  ]);
  onTestFinished(() => void prometheus.kill('SIGKILL'));

  await until(() => receiver.pages.length > 0);
  expect(receiver.pages[0]?.alerts[0]?.labels).toEqual({ alertname: 'AlwaysUp', severity: 'page' });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
