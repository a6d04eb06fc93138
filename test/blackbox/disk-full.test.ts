/** A disk that is really full: a small file system of its own, which only root can mount. */

import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { command, configFile, refused, scratch, start, type Daemon } from './program.ts';

const canMount = await mayMount();

it.runIf(canMount)(
  'the disk fills up: the node ends with 6, and all it answered is there',
  async () => {
    const folder = await scratch();
    const disk = path.join(folder, 'disk');
    await mkdir(disk);
    await command('mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk);
    onTestFinished(async () => void (await command('umount', '-l', disk)));
    const config = await configFile(folder, 'route: {receiver: x}\nreceivers: [{name: x}]\n');
    const before = await start({ config, dataDir: `${disk}/data` });
    const ended = new Promise((resolve) => before.process.once('exit', resolve));
    const answered = await pushUntilRefused(before);
    expect(answered.length).toBeGreaterThan(10);
    expect(await ended).toBe(6);
    expect(before.log.join('\n')).toContain('ENOSPC');

    await command('mount', '-o', 'remount,size=64m', disk);
    const after = await start({ config, dataDir: `${disk}/data` });
    const alerts = (await after.get('/api/v2/alerts')) as { labels: { alertname: string } }[];
    const names = new Set(alerts.map(({ labels }) => labels.alertname));
    expect(answered.filter((name) => !names.has(name))).toEqual([]);
  },
);

it.runIf(canMount)('a start on a full disk ends with 6 and says which disk', async () => {
  const folder = await scratch();
  const disk = path.join(folder, 'disk');
  await mkdir(disk);
  await command('mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk);
  onTestFinished(async () => void (await command('umount', '-l', disk)));
  const config = await configFile(folder, 'route: {receiver: x}\nreceivers: [{name: x}]\n');
  for (const left of [0, 4, 8, 12]) {
    await rm(`${disk}/data`, { recursive: true, force: true });
    await command('sh', '-c', `head -c ${(256 - left) * 1024} /dev/zero > ${disk}/filler`);
    const { code, stderr } = await refused({ config, dataDir: `${disk}/data` });

    expect(stderr, `${left} kB left`).not.toMatch(/^\s+at /m);
    expect(code, `${left} kB left: ${stderr}`).toBe(6);
  }
});

/** Pushes until something else than a 200 comes back; gives the names that were answered 200. */
async function pushUntilRefused(daemon: Daemon): Promise<readonly string[]> {
  const answered: string[] = [];
  for (let i = 0; ; i++) {
    const alertname = `A${i}`;
    const annotations = { text: `${i} ${'x'.repeat(8_000)}` };
    const answer = await daemon
      .post('/api/v2/alerts', [{ labels: { alertname }, annotations }])
      .catch(() => null);
    if (answer?.status !== 200) return answered;
    answered.push(alertname);
  }
}

async function mayMount(): Promise<boolean> {
  const probe = path.join('/tmp', `tocsin-mount-${process.pid}`);
  await mkdir(probe, { recursive: true });
  const mounted =
    (await command('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe)).code === 0;
  if (mounted) await command('umount', '-l', probe);
  await command('rmdir', probe);
  return mounted;
}
