/** What people get wrong, on the real program: each is refused with a sentence, nothing is lost. */

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import {
  command,
  configFile,
  PROGRAM,
  Receiver,
  refused,
  scratch,
  start,
  tocsin,
  until,
} from './program.ts';

const GOOD = `
route: {receiver: team, group_wait: 0s, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
`;

it('a receiver that does not exist: start and check name file, line and fix, and touch no data', async () => {
  const folder = await scratch();
  const config = await configFile(folder, GOOD.replace('receiver: team', 'receiver: taem'));
  const started = await refused({ config, dataDir: `${folder}/data` });
  expect(started.code).toBe(1);
  expect(started.stderr).toContain(`${config}:2:`);
  expect(started.stderr).toContain('team');
  expect(await readdir(folder)).toEqual(['tocsin.yml']);

  const checked = await tocsin('check', 'config', config);
  expect(checked.code).toBe(1);
  expect(checked.stderr).toContain(`${config}:2:`);
});

it('a bad reload is answered with its problems, and the running configuration stays', async () => {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const good = GOOD.replace('http://127.0.0.1:9/', receiver.url);
  const config = await configFile(folder, good);
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await until(async () => (await fetch(daemon.url('/-/ready'))).status === 200);

  await configFile(folder, good.replace('group_wait: 0s', 'group_wait: soon'));
  const reload = await daemon.post('/-/reload', null);
  expect(reload.status).toBe(400);
  expect(await reload.text()).toContain(`${config}:2:`);

  await daemon.post('/api/v2/alerts', [{ labels: { alertname: 'StillHere' } }]);
  await until(() => receiver.pages.length === 1);
});

it('a second daemon on one data directory is refused and told who has it', async () => {
  const folder = await scratch();
  const config = await configFile(folder, GOOD);
  const first = await start({ config, dataDir: `${folder}/data` });
  const second = await refused({ config, dataDir: `${folder}/data` });
  expect(second.code).toBe(7);
  expect(second.stderr).toContain(`in use by process ${first.process.pid}`);
});

it('a data directory that was open to all: what is stored in it is not', async () => {
  const folder = await scratch();
  await mkdir(path.join(folder, 'data'), { mode: 0o755 });
  const config = await configFile(folder, GOOD);
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await daemon.kill('SIGTERM');
  for (const part of ['log', 'snapshots']) {
    expect((await stat(path.join(folder, 'data', part))).mode & 0o077).toBe(0);
  }
});

it('a file where the data directory should be is refused with a sentence', async () => {
  const folder = await scratch();
  const config = await configFile(folder, GOOD);
  const started = await refused({ config, dataDir: config });
  expect(started.code).toBe(1);
  expect(started.stderr).toContain('cannot be used as a data directory');
  expect(started.stderr).not.toContain('    at ');
});

it('a wrong flag is named, with the way to the right one', async () => {
  const wrong = await tocsin('start', '--config', 'x.yml', '--htp', '127.0.0.1:0');
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('--http');
  const unfit = await tocsin('start', '--config', 'x.yml', '--http', 'nowhere');
  expect(unfit.code).toBe(2);
  expect(unfit.stderr).toContain('HOST:PORT');
});

it('every flag may be given by its environment variable', async () => {
  const given = await command('env', 'TOCSIN_CONFIG=/nowhere/tocsin.yml', ...PROGRAM, 'start');
  expect(given.code).toBe(1);
  expect(given.stderr).toContain('/nowhere/tocsin.yml');
});

it('a cluster flag that makes no sense is refused by name, and no data directory is made', async () => {
  const folder = await scratch();
  const begin = ['start', '--config', 'x.yml', '--data-dir', `${folder}/data`];
  const unreachable = await tocsin(...begin, '--join', '127.0.0.1:9094,:9095');
  expect(unreachable.code).toBe(2);
  expect(unreachable.stderr).toContain('--join');
  expect(unreachable.stderr).toContain(':9095 is no address of a member');
  const halfTls = await tocsin(...begin, '--join', '127.0.0.1:9094', '--peer-cert', 'node.pem');
  expect(halfTls.code).toBe(2);
  expect(halfTls.stderr).toContain('--peer-key and --peer-ca');
  expect(await readdir(folder)).toEqual([]);
});

it('one flipped bit in the log: the start is refused, the place is named, nothing is cut', async () => {
  const folder = await scratch();
  const config = await configFile(folder, GOOD);
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await until(async () => (await fetch(daemon.url('/-/ready'))).status === 200);
  expect((await daemon.post('/api/v2/alerts', [{ labels: { alertname: 'A' } }])).status).toBe(200);
  await daemon.kill('SIGKILL');
  const log = path.join(folder, 'data/log');
  const segment = path.join(log, (await readdir(log)).find((name) => name.endsWith('.log')) ?? '');
  const bytes = await readFile(segment);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 4;
  await writeFile(segment, bytes);

  const started = await refused({ config, dataDir: `${folder}/data` });
  expect(started.code).toBe(5);
  expect(started.stderr).toContain(path.basename(segment));
  expect(await readFile(segment)).toEqual(bytes);

  const replay = await tocsin('replay', `${folder}/data`);
  expect(replay.code).toBe(5);
  expect(replay.stderr).toContain(path.basename(segment));
});

it('SIGTERM ends with 0 and leaves a snapshot that verifies', async () => {
  const folder = await scratch();
  const config = await configFile(folder, GOOD);
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await until(async () => (await fetch(daemon.url('/-/ready'))).status === 200);
  expect(await daemon.kill('SIGTERM')).toBe(0);
  expect((await tocsin('snapshot', 'verify', `${folder}/data`)).code).toBe(0);
});
