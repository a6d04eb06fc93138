/** `tocsin snapshot`: what a person sees, on a good store, on a damaged one and under `| head`. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { Command } from 'commander';
import { afterEach, describe, expect, it } from 'vitest';
import { snapshotCommand } from '../../src/io/cli/snapshot.ts';
import { openExistingLevel } from '../../src/io/disk/level-open.ts';
import { chunkKey, manifestKey } from '../../src/io/disk/snapshot-format.ts';
import type { Manifest } from '../../src/io/ports.ts';
import { config } from '../support/scenario-config.ts';
import { busyDesk, metaOf, openStore, removeTemporaryFolders, temporaryFolder } from './store.ts';

afterEach(removeTemporaryFolders);

describe('tocsin snapshot ls', () => {
  it('lists the newest first, with what each added', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const { code, stdout, stderr } = await run('ls', dataDir);
    const [titles, newest, oldest, ...rest] = stdout.trimEnd().split('\n');
    expect(titles).toMatch(/^INDEX +TERM +AT +CHUNKS +BYTES +NEW-BYTES +ROOT$/);
    expect(newest).toContain(manifests[1]?.root.slice(0, 16));
    expect(oldest).toContain(manifests[0]?.root.slice(0, 16));
    expect(rest).toEqual([]);
    expect(stderr).toMatch(/reading .*snapshots in place, as it was at \d{4}-\d\d-\d\dT/);
    expect(code).toBe(0);
  });

  it('counts bytes once, in JSON', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [newest, oldest] = JSON.parse((await run('ls', dataDir, '-o', 'json')).stdout);
    expect(newest).toMatchObject({ index: manifests[1]?.index, root: manifests[1]?.root });
    expect(newest.newBytes).toBeGreaterThan(0);
    expect(newest.newBytes).toBeLessThan(newest.bytes);
    expect(oldest.newBytes).toBe(oldest.bytes);
  });

  it('reads a store that is in use', async () => {
    const { dataDir } = await twoSnapshots();
    const inUse = await openStore(path.join(dataDir, 'snapshots'));
    expect(await run('ls', dataDir)).toMatchObject({ code: 0 });
    await inUse.close();
  });

  it('of a directory without a store fails with a sentence', async () => {
    const { code, stderr } = await run('ls', temporaryFolder());
    expect(code).toBe(1);
    expect(stderr).toContain('error: there is no snapshot store in');
  });
});

describe('tocsin snapshot show', () => {
  it('shows the sections that hold something', async () => {
    const { dataDir } = await twoSnapshots();
    const { code, stdout } = await run('show', dataDir);
    const titles = ['SIZES', 'CONFIG', 'ALERTS', 'GROUPS', 'SILENCES', 'NOTIFICATIONS', 'TIMERS'];
    for (const title of titles) expect(stdout).toContain(`\n\n${title}\n`);
    expect(stdout).toContain('{alertname="DiskFull", instance="db-1"}');
    expect(stdout).toContain('instance="db-2"');
    expect(code).toBe(0);
  });

  it('prints all of the state as one JSON document, and as lines', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const document = JSON.parse((await run('show', dataDir, '-o', 'json')).stdout);
    expect(document.snapshot).toMatchObject({ index: manifests[1]?.index });
    expect(Object.values(document.state.series)).toContain('servers.c.cpu');
    expect(Object.keys(document.state.silences)).toEqual(['s-1']);
    expect(document.state.facts.seriesCount).toBe(4);

    const lines = (await run('show', dataDir, '-o', 'jsonl')).stdout.trimEnd().split('\n');
    const rows = lines.map((line) => JSON.parse(line));
    expect(rows).toContainEqual({ table: 'series', key: '2', row: 'backup.nightly' });
  });

  it('shows one page, and an older snapshot', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const older = String(manifests[0]?.index);
    const { stdout } = await run('show', dataDir, older, '--path', 'series/0/0');
    expect(Object.values(JSON.parse(stdout))).not.toContain('servers.c.cpu');
    expect(await run('show', dataDir, '999')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`no snapshot 999; readable are: ${manifests[1]?.index}, `),
    });
    expect(await run('show', dataDir, '--path', 'alerts/9/9')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has no page alerts/9/9'),
    });
  });

  it('never shows a secret, in any format', async () => {
    const { dataDir } = await twoSnapshots();
    for (const args of [[], ['-o', 'json'], ['-o', 'jsonl'], ['--path', 'config']]) {
      const { stdout } = await run('show', dataDir, 'latest', ...args);
      expect(stdout).not.toContain('hunter2hunter2');
      expect(stdout).not.toContain('T000/B000');
    }
    const { stdout } = await run('diff', dataDir, '-o', 'json');
    expect(stdout).toContain('tocsin.yml');
    expect(stdout).not.toContain('hunter2hunter2');
  });

  it('lets no label move the cursor', async () => {
    const dataDir = temporaryFolder();
    const desk = busyDesk().push({ alertname: 'Evil', text: '\u001b[2J\nSILENCES' });
    const store = await openStore(path.join(dataDir, 'snapshots'));
    await store.save(desk.state, metaOf(desk));
    await store.close();
    const { stdout } = await run('show', dataDir);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('\\u001b[2J');
  });
});

describe('tocsin snapshot diff', () => {
  it('names the rows that differ, and their fields', async () => {
    const { dataDir } = await twoSnapshots();
    const { stdout, stderr, code } = await run('diff', dataDir);
    expect(stdout).toMatch(/^CHANGE +TABLE +KEY +WHAT\n/);
    expect(stdout).toMatch(/\nadded +series +3 +-\n/);
    expect(stdout).toMatch(/\nchanged +facts +facts +seriesCount: 3 → 4\n/);
    expect(stderr).toMatch(/from \d+ to \d+: \d+ rows differ/);
    expect(code).toBe(0);
  });

  it('of a snapshot with itself is empty', async () => {
    const { dataDir } = await twoSnapshots();
    const { stdout } = await run('diff', dataDir, 'latest', 'latest', '-o', 'jsonl');
    expect(stdout).toBe('');
  });
});

describe('tocsin snapshot verify', () => {
  it('says that all is good', async () => {
    const { dataDir } = await twoSnapshots();
    const { stdout, code } = await run('verify', dataDir);
    expect(stdout.match(/ good\n/g)).toHaveLength(2);
    expect(code).toBe(0);
  });

  it('names each damaged chunk, in each snapshot that has it, and exits with 5', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [page, hash = ''] =
      manifests[0]?.chunks.find(([each]) => each.startsWith('silences/')) ?? [];
    await overwrite(dataDir, chunkKey(hash));
    const { stdout, stderr, code } = await run('verify', dataDir);
    expect(stdout.match(/ 1 damaged\n/g)).toHaveLength(2);
    for (const { index } of manifests) {
      expect(stderr).toContain(
        `damaged: snapshot ${index}: page ${page}, chunk ${hash}, is damaged`,
      );
    }
    expect(code).toBe(5);
  });

  it('and show still shows the rest', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [, hash = ''] = manifests[1]?.chunks.find(([each]) => each.startsWith('alerts/')) ?? [];
    await overwrite(dataDir, chunkKey(hash));
    const { stdout, code } = await run('show', dataDir);
    expect(stdout).toContain('\n\nSILENCES\n');
    expect(code).toBe(5);
  });

  it('names a damaged manifest, and goes on with the others', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    await overwrite(dataDir, manifestKey(manifests[1]?.index ?? 0));
    const { stdout, stderr, code } = await run('verify', dataDir);
    expect(stderr).toContain(`damaged: snapshot ${manifests[1]?.index}: its manifest is damaged`);
    expect(stdout).toMatch(/ good\n/);
    expect(code).toBe(5);
  });

  it('reads what can be read of a store that LevelDB refuses', async () => {
    const { dataDir } = await twoSnapshots();
    const store = path.join(dataDir, 'snapshots');
    const manifest = readdirSync(store).find((name) => name.startsWith('MANIFEST')) ?? '';
    const bytes = readFileSync(path.join(store, manifest));
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path.join(store, manifest), bytes);
    const { stdout, stderr, code } = await run('verify', dataDir);
    expect(stderr).toContain('here is what its tables and logs hold');
    expect(stdout.match(/ good\n/g)).toHaveLength(2);
    expect(code).toBe(5);
  });
});

describe('tocsin snapshot … | head', () => {
  it('ends quietly when nobody reads any more', async () => {
    const { dataDir } = await twoSnapshots();
    const gone = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })),
    });
    for (const format of ['table', 'json', 'jsonl']) {
      expect(await runInto(gone, 'show', dataDir, '-o', format)).toMatchObject({ code: 0 });
    }
  });

  it('but a full disk behind `>` is an error', async () => {
    const { dataDir } = await twoSnapshots();
    const full = new Writable({
      write: (_chunk, _encoding, done) =>
        done(Object.assign(new Error('full'), { code: 'ENOSPC' })),
    });
    await expect(runInto(full, 'ls', dataDir)).rejects.toThrow('full');
  });
});

/** A data directory with two snapshots; the second has a series and a configuration more. */
async function twoSnapshots(): Promise<{ dataDir: string; manifests: readonly Manifest[] }> {
  const dataDir = temporaryFolder();
  const desk = busyDesk();
  const store = await openStore(path.join(dataDir, 'snapshots'));
  const first = await store.save(desk.state, metaOf(desk));
  const integration = {
    type: 'webhook',
    position: 0,
    sendResolved: true,
    settings:
      '{"http_config":{"basic_auth":{"password":"hunter2hunter2"}},"url":"https://a/T000/B000"}',
  };
  desk.append({
    kind: 'config',
    origin: 'tocsin.yml',
    source: 'global:\n  smtp_auth_password: hunter2hunter2\n',
    externalUrl: 'https://me:hunter2hunter2@tocsin.example',
    config: config({ receivers: [{ name: 'team', integrations: [integration] }] }),
  });
  desk.reading('servers.c.cpu', 1);
  const second = await store.save(desk.state, metaOf(desk));
  await store.close();
  return { dataDir, manifests: [first.manifest, second.manifest] };
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: readonly string[]): Promise<Ran> {
  const stdout = new PassThrough();
  const chunks: Buffer[] = [];
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const { code, stderr } = await runInto(stdout, ...args);
  return { code, stderr, stdout: Buffer.concat(chunks).toString() };
}

async function runInto(stdout: Writable, ...args: readonly string[]): Promise<Omit<Ran, 'stdout'>> {
  const stderr = new PassThrough();
  let code = -1;
  const finish = (given: number): void => {
    code = given;
  };
  const program = new Command('tocsin').addCommand(snapshotCommand({ stdout, stderr, finish }));
  await program.parseAsync(['snapshot', ...args], { from: 'user' });
  return { code, stderr: String(stderr.read() ?? '') };
}

/** Flips a bit in the middle of a value. */
async function overwrite(dataDir: string, key: string): Promise<void> {
  const opened = await openExistingLevel(path.join(dataDir, 'snapshots'));
  if (!opened.ok) throw new Error(opened.message);
  const bytes = Uint8Array.from(await opened.db.get(key));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await opened.db.put(key, bytes);
  await opened.db.close();
}
