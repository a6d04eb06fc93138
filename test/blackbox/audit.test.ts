/** Who did it, with the real program: users, tokens, signals and addresses, fail-over, replay, upgrades. */

import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import {
  buildWith,
  configFile,
  scratch,
  start,
  tocsin,
  together,
  until,
  type Daemon,
} from './program.ts';

const CONFIG = 'route: {receiver: team}\nreceivers: [{name: team}]\n';
/** bcrypt of `ann-pass` as htpasswd makes it. */
const ANN_HASH = '$2b$10$Dbokpt62uFCA7N.wHdnc.epidMbT4RlN6ao0nwvreQNg4dR1qbpCe';
const ANN = `Basic ${Buffer.from('ann:ann-pass').toString('base64')}`;
const TOKEN = 'operator-token-0123456789';
const BOT = `Bearer ${TOKEN}`;

interface Event {
  readonly action: string;
  readonly subject: string;
  readonly actor: { readonly kind: string; readonly name: string } | null;
  readonly createdBy: string | null;
}

interface Audit {
  readonly recording: boolean;
  readonly events: readonly Event[];
}

async function webConfig(folder: string): Promise<string> {
  const sha256 = createHash('sha256').update(TOKEN).digest('hex');
  const file = `${folder}/web.yml`;
  await writeFile(
    file,
    `basic_auth_users: {ann: ${ANN_HASH}}\ntokens: [{name: deploy, scopes: [admin], sha256: ${sha256}}]\n`,
  );
  return file;
}

async function ask(daemon: Daemon, method: string, path: string, authorization = '', body = '') {
  const headers: Record<string, string> = authorization === '' ? {} : { authorization };
  const init = { method, headers, ...(body === '' ? {} : { body }) };
  return fetch(daemon.url(path), init);
}

async function silence(daemon: Daemon, authorization = ''): Promise<string> {
  const body = JSON.stringify({
    matchers: [{ name: 'job', value: 'db', isRegex: false }],
    startsAt: new Date().toISOString(),
    endsAt: new Date(Date.now() + 3_600_000).toISOString(),
    createdBy: 'somebody',
    comment: '',
  });
  const answer = await ask(daemon, 'POST', '/api/v2/silences', authorization, body);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { silenceID: string }).silenceID;
}

async function audit(daemon: Daemon, authorization = ''): Promise<Audit> {
  const answer = await ask(daemon, 'GET', '/tocsin/v1/audit', authorization);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Audit;
}

const named = ({ events }: Audit): readonly string[] =>
  events.map(({ action, actor }) => `${action} ${actor?.kind ?? 'unknown'} ${actor?.name ?? ''}`);

it('a cluster remembers who did it, whoever was asked, after its leader died, and so does replay', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const web = ['--web-config', await webConfig(folder)];
  const options = (name: string) => ({ config, dataDir: `${folder}/${name}`, name });
  const n1 = await start({ ...options('n1'), flags: web });
  const joining = ['--join', n1.addresses.peer, ...web];
  const n2 = await start({ ...options('n2'), flags: joining });
  const n3 = await start({ ...options('n3'), flags: joining });
  const status = async (daemon: Daemon) => {
    const answer = await ask(daemon, 'GET', '/tocsin/v1/members', BOT);
    return (await answer.json()) as readonly { name: string; role: string }[];
  };
  for (const daemon of [n1, n2, n3]) {
    await until(async () => (await ask(daemon, 'GET', '/-/ready')).status === 200);
    await until(async () => {
      const members = await status(daemon);
      return members.length === 3 && members.every(({ role }) => role !== 'learner');
    });
  }

  // A follower is asked, and its leader does it.
  const id = await silence(n2, ANN);
  expect((await ask(n3, 'DELETE', `/api/v2/silence/${id}`, BOT)).status).toBe(200);
  expect((await ask(n2, 'POST', '/-/reload', ANN)).status).toBe(200);
  n3.process.kill('SIGHUP');
  await until(async () => named(await audit(n2, BOT))[0] === 'applyConfig signal SIGHUP');
  const moved = await ask(n3, 'POST', '/tocsin/v1/leader', ANN, JSON.stringify({ to: 'n2' }));
  expect(moved.status).toBe(200);
  await until(async () =>
    (await status(n3)).some(({ name, role }) => name === 'n2' && role === 'leader'),
  );
  const removed = await ask(n1, 'DELETE', '/tocsin/v1/members/n3', BOT);
  expect(removed.status).toBe(200);
  await n3.kill('SIGTERM');

  const expected = [
    'removeMember token deploy',
    'transferLeadership user ann',
    'applyConfig signal SIGHUP',
    'applyConfig user ann',
    'expireSilence token deploy',
    'createSilence user ann',
  ];
  await until(async () => (await audit(n1, BOT)).events[0]?.action === 'removeMember');
  expect(named(await audit(n1, BOT)).slice(0, 6)).toEqual(expected);
  // Who joined, and who brought the first configuration, acted by themselves.
  expect(
    named(await audit(n1, BOT))
      .slice(6)
      .toSorted(),
  ).toEqual(['addMember node n2', 'addMember node n3', 'applyConfig node n1']);
  expect((await audit(n1, BOT)).events[5]?.createdBy).toBe('somebody');

  await n2.kill('SIGKILL');
  const again = await start({
    ...options('n2'),
    flags: [...web, '--peer', n2.addresses.peer],
  });
  await until(async () => (await ask(again, 'GET', '/-/ready')).status === 200);
  expect(named(await audit(again, BOT)).slice(0, 6)).toEqual(expected);
  await Promise.all([n1.kill('SIGTERM'), again.kill('SIGTERM')]);

  const table = await tocsin('replay', `${folder}/n1`);
  expect(table.code).toBe(0);
  expect(table.stdout).toMatch(/silence +somebody .*, actor: user ann/);
  expect(table.stdout).toMatch(/expired +somebody .*by hand, actor: token deploy/);
  expect(table.stdout).toMatch(/config +\S+tocsin\.yml .*, actor: signal SIGHUP/);
  expect(table.stdout).toMatch(/admin +token deploy .*asked to remove a member: \S+ \(n3\)/);
  const json = await tocsin('replay', `${folder}/n1`, '-o', 'jsonl');
  const moments = json.stdout.split('\n').flatMap((line): Record<string, unknown>[] => {
    return line === '' ? [] : [JSON.parse(line) as Record<string, unknown>];
  });
  expect(moments).toContainEqual(
    expect.objectContaining({
      what: 'silence',
      createdBy: 'somebody',
      actor: { kind: 'user', name: 'ann' },
    }),
  );
  for (const secret of ['ann-pass', ANN_HASH, TOKEN, ANN.slice(6)]) {
    expect(table.stdout + json.stdout).not.toContain(secret);
  }
}, 120_000);

it('without users the address is all that is known, and a clock is taken for right by a signal', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const daemon = await start({ config, dataDir: `${folder}/data` });
  await silence(daemon);
  const backup = await tocsin('backup', '--url', daemon.url(''), `${folder}/backup`);
  expect(backup.code).toBe(0);
  await until(async () => (await audit(daemon)).events[0]?.action === 'backup');
  daemon.process.kill('SIGUSR2');
  await until(async () => (await audit(daemon)).events[0]?.action === 'acceptClock');
  expect(named(await audit(daemon))).toEqual([
    'acceptClock signal SIGUSR2',
    'backup address 127.0.0.1',
    'createSilence address 127.0.0.1',
    'applyConfig node n1',
  ]);
  await daemon.kill('SIGTERM');

  // What was done before the backup was taken is in it, and the cluster that goes on from it knows it.
  expect((await tocsin('restore', `${folder}/backup`, `${folder}/restored`)).code).toBe(0);
  const restored = await start({ config, dataDir: `${folder}/restored` });
  expect(named(await audit(restored)).slice(-2)).toEqual([
    'createSilence address 127.0.0.1',
    'applyConfig node n1',
  ]);
}, 60_000);

it('a cluster of the build before records nothing until all of its members can read it', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const before = await buildWith('0.0.9', { REDUCERS_MAX: 2, REDUCERS_WANTED: 1 });
  const next = await buildWith('0.3.0', { REDUCERS_MAX: 3, REDUCERS_WANTED: 3 });
  const options = (name: string) => ({ config, dataDir: `${folder}/${name}`, name });
  const n1 = await start({ ...options('n1'), main: before });
  const joining = ['--join', n1.addresses.peer];
  const n2 = await start({ ...options('n2'), main: before, flags: joining });
  const n3 = await start({ ...options('n3'), main: before, flags: joining });
  const daemons: Daemon[] = [n1, n2, n3];
  const roll = async (i: number, main?: string): Promise<void> => {
    const peer = daemons[i]?.addresses.peer ?? '';
    await together(daemons);
    expect(await daemons[i]?.kill('SIGTERM')).toBe(0);
    const build = main === undefined ? {} : { main };
    daemons[i] = await start({ ...options(`n${i + 1}`), ...build, flags: ['--peer', peer] });
    await together(daemons);
  };

  for (const i of [0, 1, 2]) {
    await roll(i);
    for (const daemon of daemons) await silence(daemon);
    const body = JSON.stringify({ to: null });
    // Leadership may just be moving: then the answer is 503, and the request is made again.
    await until(async () => {
      return (await ask(daemons[i] ?? n1, 'POST', '/tocsin/v1/leader', '', body)).status === 200;
    });
    await together(daemons);
  }
  expect(await audit(daemons[0] ?? n1)).toMatchObject({ recording: false, events: [] });
  await roll(1, before);
  await silence(daemons[1] ?? n2);
  await roll(1);
  for (const i of [0, 1, 2]) await roll(i, next);
  await until(async () => (await audit(daemons[2] ?? n3)).recording);
  await silence(daemons[2] ?? n3);
  expect(named(await audit(daemons[2] ?? n3))).toEqual(['createSilence address 127.0.0.1']);
}, 180_000);
