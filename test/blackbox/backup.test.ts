/** A backup is taken from a node under load, and another machine goes on from it. */

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { BackupDamaged, readBackup } from '../../src/io/disk/backup-format.ts';
import { configFile, Receiver, scratch, start, tocsin, until, type Daemon } from './program.ts';

const TIMEOUT_MS = 120_000;

function configFor(url: string): string {
  return `
route:
  receiver: people
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: people
    webhook_configs:
      - url: ${url}
`;
}

test(
  'under load, and the cluster that is founded from it tells nobody twice',
  { timeout: TIMEOUT_MS },
  async () => {
    const folder = await scratch();
    const receiver = await Receiver.listen();
    const config = await configFile(folder, configFor(receiver.url));
    const daemon = await start({ config, dataDir: path.join(folder, 'a') });
    const before = names('before', 20);
    for (const name of before) expect(await push(daemon, name)).toBe(200);
    await until(() => before.every((name) => told(receiver).includes(name)));
    await until(() => allDelivered(daemon));

    // The load goes on while the backup is made.
    let isOver = false;
    const pushed: string[] = [];
    const load = (async () => {
      for (let i = 0; !isOver; i++) {
        if ((await push(daemon, `load-${i}`)) === 200) pushed.push(`load-${i}`);
      }
    })();
    await until(() => pushed.length > 20);
    const acknowledged = [...before, ...pushed];
    const file = path.join(folder, 'backup');
    const made = await tocsin('backup', '--url', daemon.url(''), file);
    isOver = true;
    await load;
    expect(made).toMatchObject({ code: 0, stdout: '' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await daemon.kill('SIGTERM')).toBe(0);

    const dataDir = path.join(folder, 'restored');
    const restored = await tocsin('restore', file, dataDir);
    expect(restored).toMatchObject({ code: 0, stdout: '' });
    const toldBefore = receiver.pages.length;
    const second = await start({ config, dataDir, name: 'n2' });
    const { clusterId } = (await second.get('/tocsin/v1/status')) as { clusterId: string };
    expect(clusterId).toMatch(/~1$/);
    const present = await alertNames(second);
    expect(acknowledged.filter((name) => !present.includes(name))).toEqual([]);
    // A new alert shows that notifications go out.
    expect(await push(second, 'after')).toBe(200);
    await until(() => told(receiver).includes('after'));
    const again = receiver.pages.slice(toldBefore).flatMap((page) => namesIn(page));
    expect(again.filter((name) => before.includes(name))).toEqual([]);

    // It is a directory like any other.
    expect(await second.kill('SIGKILL')).toBeNull();
    const third = await start({ config, dataDir, name: 'n2' });
    expect(await alertNames(third)).toContain('after');
    expect((await tocsin('replay', dataDir)).code).toBeLessThanOrEqual(3);
  },
);

test(
  'no file is replaced, no directory is filled twice, and nothing is left behind',
  { timeout: TIMEOUT_MS },
  async () => {
    const folder = await scratch();
    const config = await configFile(folder, configFor('http://127.0.0.1:9/'));
    const daemon = await start({ config, dataDir: path.join(folder, 'a') });
    const files = path.join(folder, 'files');
    await mkdir(files);
    const file = path.join(files, 'backup');
    expect((await tocsin('backup', '--url', daemon.url(''), file)).code).toBe(0);
    const bytes = await readFile(file);
    const again = await tocsin('backup', '--url', daemon.url(''), file);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('exists') });
    expect((await readFile(file)).equals(bytes)).toBe(true);
    const nobody = await tocsin('backup', '--url', 'http://127.0.0.1:9', path.join(files, 'b'));
    expect(nobody.code).toBe(4);
    const other = await tocsin(
      'backup',
      '--url',
      `${daemon.url('')}/nothing`,
      path.join(files, 'b'),
    );
    expect(other.code).toBe(1);
    const proxied = await fetch(daemon.url('/tocsin/v1/backup'), {
      headers: { 'X-Forwarded-For': '10.0.0.1' },
    });
    expect(proxied.status).toBe(403);
    expect(await readdir(files)).toEqual(['backup']);

    const dataDir = path.join(folder, 'b');
    expect((await tocsin('restore', file, dataDir)).code).toBe(0);
    const twice = await tocsin('restore', file, dataDir);
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('not empty') });
    const none = await tocsin('restore', path.join(files, 'none'), path.join(folder, 'c'));
    expect(none.code).toBe(1);

    // Every cut and every flipped bit is missed, with its place; a few of them with the program itself.
    for (let length = 0; length < bytes.length; length += 13) {
      await expect(partsOf(bytes.subarray(0, length))).rejects.toThrow(BackupDamaged);
    }
    for (let at = 0; at < bytes.length; at += 7) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      await expect(partsOf(flipped)).rejects.toThrow(BackupDamaged);
    }
    await expect(partsOf(Buffer.concat([bytes, Buffer.from('x')]))).rejects.toThrow(
      'follows the end',
    );
    const damaged = path.join(files, 'damaged');
    await writeFile(damaged, bytes.subarray(0, bytes.length - 5));
    const refused = await tocsin('restore', damaged, path.join(folder, 'd'));
    expect(refused).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('cut short: it ends at byte'),
    });
    expect(await readdir(folder)).toEqual(['a', 'b', 'files', 'tocsin.yml']);
  },
);

async function partsOf(bytes: Uint8Array): Promise<number> {
  let parts = 0;
  const source = (async function* () {
    for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50);
  })();
  for await (const _ of readBackup(source)) parts++;
  return parts;
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
}

async function push(daemon: Daemon, alertname: string): Promise<number> {
  return (await daemon.post('/api/v2/alerts', [{ labels: { alertname } }])).status;
}

async function alertNames(daemon: Daemon): Promise<readonly string[]> {
  const alerts = (await daemon.get('/api/v2/alerts')) as { labels: { alertname: string } }[];
  return alerts.map(({ labels }) => labels.alertname);
}

async function allDelivered(daemon: Daemon): Promise<boolean> {
  const rows = (await daemon.get('/tocsin/v1/notifications?limit=1000')) as { status: string }[];
  return rows.every(({ status }) => status === 'delivered');
}

function told(receiver: Receiver): readonly string[] {
  return receiver.pages.flatMap((page) => namesIn(page));
}

function namesIn({ alerts }: Receiver['pages'][number]): readonly string[] {
  return alerts.map(({ labels }) => labels['alertname'] ?? '');
}
