/**
 * Every part of a data directory is put back from an older copy while the others are current, with real
 * processes: each ends in a refusal with a sentence or in healing, and nothing acknowledged is lost.
 */

import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import {
  configFile,
  isReady,
  refused,
  scratch,
  start,
  together,
  until,
  type Daemon,
} from './program.ts';

const TIMEOUT_MS = 240_000;

const CONFIG = `
route:
  receiver: nobody
receivers:
  - name: nobody
`;

/** Everything, to put the one part back into. */
const PARTS = ['log', 'snapshots', 'node.json', 'acknowledged', '.'] as const;

test('parts of a member of a cluster', { timeout: TIMEOUT_MS }, async () => {
  const { folder, founder, options, ...started } = await threeMembers();
  let { member } = started;
  const acknowledged: string[] = [];
  const push = async (prefix: string): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      const response = await pushed(founder, `${prefix}-${i}`);
      if (response === 200) acknowledged.push(`${prefix}-${i}`);
    }
  };
  for (const part of PARTS) {
    await push(`before-${part}`);
    await until(() => hasAll(member, acknowledged));
    // A snapshot is part of an orderly stop.
    await member.kill('SIGTERM');
    await rm(path.join(folder, 'copy'), { recursive: true, force: true });
    await cp(options.dataDir, path.join(folder, 'copy'), { recursive: true });
    member = await start(options);
    await until(() => isReady(member));
    await push(`after-${part}`);
    await until(() => hasAll(member, acknowledged));
    await member.kill(part === 'snapshots' ? 'SIGTERM' : 'SIGKILL');

    await rm(path.join(options.dataDir, part), { recursive: true, force: true });
    await cp(path.join(folder, 'copy', part), path.join(options.dataDir, part), {
      recursive: true,
    });
    member = await start(options);
    if (part === '.') {
      // The others know this start under another process: they say so, and take nothing from it.
      await until(() => said(founder, 'two processes have the identity of node n2'));
      await until(() => said(member, 'data folder is older than what this node has acknowledged'));
      expect(await member.kill('SIGKILL')).toBeNull();
      // The next start is a number that nobody has seen: the leader brings back what is missing.
      member = await start(options);
    }
    await until(async () => (await isReady(member)) && (await hasAll(member, acknowledged)));
    if (part === 'log') expect(said(member, 'log damaged: quarantined')).toBe(true);
    if (part === 'log' || part === '.') {
      await until(() => said(member, 'healed: this node votes again'));
    }
    if (part === 'node.json') expect(said(member, 'node.json written anew')).toBe(true);
    expect(await hasAll(founder, acknowledged)).toBe(true);
  }
});

test(
  'the whole folder of a member, from the present start of it',
  { timeout: TIMEOUT_MS },
  async () => {
    const { folder, founder, options, ...started } = await threeMembers();
    let { member } = started;
    expect(await pushed(founder, 'before')).toBe(200);
    await until(() => hasAll(member, ['before']));
    // As a snapshot of its file system is made: nothing in it contradicts anything else.
    await member.kill('SIGKILL');
    await cp(options.dataDir, path.join(folder, 'copy'), { recursive: true });
    member = await start(options);
    await member.kill('SIGKILL');
    member = await start(options);
    await until(() => isReady(member));
    expect(await pushed(founder, 'after')).toBe(200);
    await until(() => hasAll(member, ['after']));
    await member.kill('SIGKILL');

    // All but the number of its starts, which makes the process one that nobody has seen.
    for (const part of ['log', 'snapshots', 'acknowledged']) {
      await rm(path.join(options.dataDir, part), { recursive: true, force: true });
      await cp(path.join(folder, 'copy', part), path.join(options.dataDir, part), {
        recursive: true,
      });
    }
    member = await start(options);
    await until(() => said(member, 'data folder is older than what this node has acknowledged'));
    await until(() => said(member, 'healed: this node votes again'));
    await until(() => hasAll(member, ['before', 'after']));
  },
);

test('parts of a node alone', { timeout: TIMEOUT_MS }, async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  for (const part of ['log', 'snapshots', 'node.json', 'acknowledged']) {
    const options = { config, dataDir: path.join(folder, `alone-${part}`) };
    let daemon = await start(options);
    expect(await pushed(daemon, 'before')).toBe(200);
    await daemon.kill('SIGTERM');
    await cp(options.dataDir, path.join(folder, `copy-${part}`), { recursive: true });
    daemon = await start(options);
    expect(await pushed(daemon, 'after')).toBe(200);
    await daemon.kill('SIGKILL');
    await rm(path.join(options.dataDir, part), { recursive: true, force: true });
    const from = path.join(folder, `copy-${part}`, part);
    await cp(from, path.join(options.dataDir, part), { recursive: true });
    if (part === 'log') {
      const result = await refused(options);
      expect(result).toMatchObject({ code: 5 });
      expect(result.stderr).toMatch(/is shorter now|is missing/);
      continue;
    }
    daemon = await start(options);
    expect(await hasAll(daemon, ['before', 'after'])).toBe(true);
    await daemon.kill('SIGKILL');
  }
});

async function pushed(daemon: Daemon, alertname: string): Promise<number> {
  return (await daemon.post('/api/v2/alerts', [{ labels: { alertname } }])).status;
}

async function hasAll(daemon: Daemon, names: readonly string[]): Promise<boolean> {
  const response = await fetch(daemon.url('/api/v2/alerts'));
  if (response.status !== 200) return false;
  const alerts = (await response.json()) as { labels: { alertname: string } }[];
  const present = new Set(alerts.map(({ labels }) => labels.alertname));
  return names.every((name) => present.has(name));
}

function said(daemon: Daemon, text: string): boolean {
  return daemon.log.some((line) => line.includes(text));
}

/** Three members; `member` is the one whose files are put back, and `options` start it again. */
async function threeMembers() {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const founder = await start({ config, dataDir: path.join(folder, 'n1'), name: 'n1' });
  const flags = ['--join', founder.addresses.peer];
  const third = await start({ config, dataDir: path.join(folder, 'n3'), name: 'n3', flags });
  const options = { config, dataDir: path.join(folder, 'n2'), name: 'n2', flags };
  const member = await start(options);
  await together([founder, third, member]);
  return { folder, founder, options, member };
}
