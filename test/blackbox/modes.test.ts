/** Who may read what the program writes: its owner, whatever the shell, the installer or a copy has set. */

import { chmod, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { ONE } from '../net/certificates.ts';
import { command, configFile, PROGRAM, scratch, start, until, type Daemon } from './program.ts';

const CONFIG = 'route: {receiver: team}\nreceivers: [{name: team}]\n';

/** Paths below a place, and itself, with their modes as `ls` would have them: `644 log/a`. */
async function modes(place: string, name = '.'): Promise<readonly string[]> {
  const found = await lstat(place);
  if (found.isSymbolicLink()) return [];
  const own = `${(found.mode & 0o777).toString(8)} ${name}${found.isDirectory() ? '/' : ''}`;
  if (!found.isDirectory()) return [own];
  const inside = (await readdir(place)).toSorted();
  const below = inside.map((each) => modes(path.join(place, each), `${name}/${each}`));
  return [own, ...(await Promise.all(below)).flat()];
}

/** What others than the owner can read, write or enter, or the owner cannot. */
const wrong = (all: readonly string[]): readonly string[] =>
  all.filter((line) => !/^(?:700 .*\/|600 .*[^/])$/.test(line));

/** A program in a shell that hides nothing. */
const openly = (...args: readonly string[]) =>
  command('sh', '-c', 'umask 000; exec "$0" "$@"', ...PROGRAM, ...args);

async function segments(dataDir: string): Promise<number> {
  const names = await readdir(`${dataDir}/log`);
  return names.filter((name) => /^\d+-\d+\.log/.test(name)).length;
}

/** Pushes until the log has begun another segment. */
async function fill(daemon: Daemon, dataDir: string): Promise<void> {
  const before = await segments(dataDir);
  let count = 0;
  await until(async () => {
    const alerts = Array.from({ length: 100 }, () => ({
      labels: { alertname: `A${count++}`, text: 'x'.repeat(4_000) },
    }));
    expect((await daemon.post('/api/v2/alerts', alerts)).status).toBe(200);
    return (await segments(dataDir)) > before;
  });
}

it('a node started by a shell with umask 000, with roll-overs, snapshots, backup and restore, keeps all to itself', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const dataDir = `${folder}/a/b/data`;
  const options = { config, dataDir, umask: '000', flags: ['--retention', '1GB'] };
  const first = await start(options);
  await fill(first, dataDir);
  const backup = `${folder}/backup`;
  expect((await openly('backup', '--url', first.url(''), backup)).code).toBe(0);
  expect(wrong(await modes(dataDir))).toEqual([]);
  // It takes a snapshot when it stops, and compacts when it starts.
  expect(await first.kill('SIGTERM')).toBe(0);
  // A store that cannot be opened is set aside, and another one begun.
  await writeFile(`${dataDir}/snapshots/CURRENT`, 'nothing\n');
  const second = await start(options);
  expect(await second.kill('SIGTERM')).toBe(0);

  const kept = await modes(dataDir);
  expect(wrong(kept)).toEqual([]);
  expect(wrong(await modes(`${folder}/a`))).toEqual([]);
  for (const part of [
    /node\.json$/,
    /lock\/holder$/,
    /log\/\d+-\d+\.log/,
    /acknowledged\/\w+/,
    /snapshots\/NEWEST$/,
    /snapshots\/\d+\.(?:ldb|log)$/,
    /snapshots\.damaged-\d+\/MANIFEST/,
  ]) {
    expect(kept.filter((line) => part.test(line)).length).toBeGreaterThan(0);
  }
  expect(await modes(backup)).toEqual(['600 .']);
  const restored = `${folder}/c/restored`;
  expect((await openly('restore', backup, restored)).code).toBe(0);
  expect(wrong(await modes(`${folder}/c`))).toEqual([]);
  expect((await modes(restored)).length).toBeGreaterThan(8);
}, 120_000);

it('a data directory that was open to others is closed at the start, and the log says so', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const dataDir = `${folder}/data`;
  await (await start({ config, dataDir })).kill('SIGTERM');
  const open = await command('chmod', '-R', 'a+rwX', dataDir);
  expect(open.code).toBe(0);
  expect(wrong(await modes(dataDir)).length).toBeGreaterThan(5);

  const daemon = await start({ config, dataDir });
  expect(wrong(await modes(dataDir))).toEqual([]);
  const said = daemon.log.filter((line) => line.includes('was open to others'));
  expect(said).toHaveLength(1);
  expect(JSON.parse(said[0] ?? '')).toMatchObject({ level: 'warn', directory: dataDir });
  await daemon.kill('SIGTERM');
  const again = await start({ config, dataDir });
  expect(again.log.filter((line) => line.includes('open to others'))).toEqual([]);
}, 60_000);

it('what is not of a node keeps its mode, also where a link in the data directory leads to it', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  // Somebody's home, used as a data directory; the file of the configuration is in it.
  const dataDir = `${folder}/home`;
  const elsewhere = `${folder}/elsewhere`;
  for (const each of [dataDir, `${dataDir}/photos`, elsewhere]) await mkdir(each);
  for (const each of [`${dataDir}/notes`, `${elsewhere}/passwd`]) await writeFile(each, '');
  for (const each of [dataDir, `${dataDir}/photos`, elsewhere]) await chmod(each, 0o755);
  for (const each of [`${dataDir}/notes`, `${elsewhere}/passwd`]) await chmod(each, 0o644);
  await (await start({ config, dataDir })).kill('SIGTERM');
  await symlink(`${elsewhere}/passwd`, `${dataDir}/log/link`);
  await symlink(elsewhere, `${dataDir}/snapshots.damaged-1`);

  const daemon = await start({ config, dataDir });
  expect(wrong(await modes(dataDir))).toEqual(['755 ./', '644 ./notes', '755 ./photos/']);
  expect(await modes(elsewhere)).toEqual(['755 ./', '644 ./passwd']);
  const said = daemon.log.find((line) => line.includes('is open to others')) ?? '{}';
  expect(JSON.parse(said)).toMatchObject({
    files: expect.arrayContaining([`${dataDir}/log/link`, `${dataDir}/snapshots.damaged-1`]),
  });
}, 60_000);

it('files of secrets that others may read are named when the node starts', async () => {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const write = async (name: string, content: string | Uint8Array, mode: number) => {
    const file = `${folder}/${name}`;
    await writeFile(file, content);
    await chmod(file, mode);
    return file;
  };
  const secret = await write('cluster.secret', 'a-secret-of-32-characters-or-more', 0o640);
  const open = await write('open.token', 'open-token-0123456789', 0o604);
  await write('hidden.token', 'hidden-token-0123456789', 0o600);
  const certificate = await write('peer.crt', ONE.certificate, 0o644);
  const ca = await write('peer.ca', ONE.ca, 0o644);
  const key = await write('peer.key', ONE.key, 0o644);
  await write('web.crt', ONE.certificate, 0o644);
  const webKey = await write('web.key', ONE.key, 0o640);
  const web = `
tls_server_config: {cert_file: web.crt, key_file: web.key}
tokens:
- {name: a, scopes: [read], token_file: open.token}
- {name: b, scopes: [read], token_file: hidden.token}
`;
  const flags = ['--cluster-secret-file', secret, '--web-config', await write('w.yml', web, 0o644)];
  const tls = ['--peer-cert', certificate, '--peer-key', key, '--peer-ca', ca];
  const options = { config, dataDir: `${folder}/data`, name: 'one' };
  const daemon = await start({ ...options, flags: [...flags, ...tls] });
  const named = daemon.log.flatMap((line) => {
    const isOne = line.includes('others than its owner may read');
    return isOne ? [(JSON.parse(line) as { file: string }).file] : [];
  });
  expect(named.toSorted()).toEqual([secret, open, key, webKey].toSorted());
}, 60_000);
