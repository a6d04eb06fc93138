/** `tocsin snapshot`: what a person sees, on a good store, on a damaged one and under `| head`. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { Command } from 'commander';
import { afterEach, describe, expect, it } from 'vitest';
import { DamageReport } from '../../src/io/cli/snapshot-damage.ts';
import { snapshotCommand } from '../../src/io/cli/snapshot.ts';
import { openExistingLevel } from '../../src/io/disk/level-open.ts';
import { chunkKey, manifestKey } from '../../src/io/disk/snapshot-format.ts';
import type { Manifest } from '../../src/io/ports.ts';
import { config } from '../support/scenario-config.ts';
import type { Desk } from '../support/scenario.ts';
import {
  busyDesk,
  flipped,
  metaOf,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(removeTemporaryFolders);

describe('tocsin snapshot ls', () => {
  it('lists the newest first, with what each added', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const { code, stdout, stderr } = await run('ls', dataDir);
    const [titles, newest, oldest, ...rest] = stdout.trimEnd().split('\n');
    expect(titles).toMatch(/^INDEX +TERM +AT +CHUNKS +BYTES +NEW-BYTES +ROOT +STATE$/);
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

  it('shows a damaged snapshot as damaged and of unknown size, not as a smaller one', async () => {
    // Given a chunk of the newest snapshot alone with a flipped bit.
    const { dataDir, manifests } = await twoSnapshots();
    const shared = new Set(manifests[0]?.chunks.map(([, hash]) => hash));
    const [, hash = ''] = manifests[1]?.chunks.find(([, each]) => !shared.has(each)) ?? [];
    await overwrite(dataDir, chunkKey(hash));
    const { code, stdout } = await run('ls', dataDir);
    const [, newest = '', oldest = ''] = stdout.split('\n');
    expect(newest).toMatch(/ \+ \? .* 1 damaged$/);
    expect(oldest).toMatch(/ good$/);
    expect(code).toBe(5);
    const [row] = JSON.parse((await run('ls', dataDir, '-o', 'json')).stdout);
    expect(row).toMatchObject({
      state: 'damaged',
      damagedChunks: 1,
      damage: [{ fault: 'is damaged: its bytes have another hash', pages: 1 }],
    });
    expect(row.damage[0].examples[0]).toContain(hash);
  });

  it('has a row for a snapshot whose manifest cannot be read, and for one that is lost', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [first, second] = manifests;
    await overwrite(dataDir, manifestKey(first?.index ?? 0));
    writeFileSync(path.join(dataDir, 'snapshots', 'NEWEST'), '999\n');
    const { code, stdout, stderr } = await run('ls', dataDir, '-o', 'jsonl');
    const rows = stdout.trimEnd().split('\n');
    expect(rows.map((row) => JSON.parse(row))).toMatchObject([
      { index: 999, state: 'lost', bytes: null },
      // What it added is not known without the one before it.
      { index: second?.index, state: 'good', newBytes: null },
      { index: first?.index, state: 'unreadable', chunks: null },
    ]);
    expect(stderr).toContain('damaged: snapshot 999 was saved last and is gone');
    expect(code).toBe(5);
  });

  it('of a directory without a store fails with a sentence', async () => {
    const { code, stderr } = await run('ls', temporaryFolder());
    expect(code).toBe(1);
    expect(stderr).toContain('error: there is no snapshot store in');
  });

  it('of a store in which nothing was saved says so', async () => {
    const dataDir = temporaryFolder();
    await (await openStore(path.join(dataDir, 'snapshots'))).close();
    const ls = await run('ls', dataDir);
    expect(ls).toMatchObject({ code: 0, stderr: expect.stringContaining('no snapshot has been') });
    const show = await run('show', dataDir);
    expect(show).toMatchObject({ code: 1, stderr: expect.stringContaining('error: no snapshot') });
  });
});

describe('what a person may mistype', () => {
  it.each(['ls', 'show', 'diff', 'verify'])('%s of what is no store', async (command) => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'file');
    writeFileSync(file, 'a file\n');
    expect(await run(command, file)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `error: ${file} is a file: name the directory that \`tocsin start --data-dir\` was given\n`,
    });
    const nowhere = path.join(folder, 'nowhere');
    expect(await run(command, nowhere)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `error: there is no directory ${nowhere}\n`,
    });
  });

  it.each([
    ['soon', 2, 'soon is neither an index nor latest nor previous'],
    ['1.5', 2, '1.5 is neither an index'],
    ['0x10', 2, '0x10 is neither an index'],
    ['\u001b[2J', 2, '\\u001b[2J is neither an index'],
    ['', 2, ' is neither an index'],
    ['0', 1, 'there is no snapshot 0; readable are: '],
    ['99999999', 1, 'there is no snapshot 99999999; readable are: '],
  ])('the index %j', async (index, code, sentence) => {
    const { dataDir } = await twoSnapshots();
    for (const args of [
      ['show', dataDir, index],
      ['diff', dataDir, index],
      ['diff', dataDir, 'latest', index],
    ]) {
      const ran = await run(...args);
      expect(ran).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(sentence) });
    }
  });

  it('an index with zeros in front is that index', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const { code, stdout } = await run('show', dataDir, `000${manifests[0]?.index}`);
    expect(stdout).toContain(`INDEX    ${manifests[0]?.index}\n`);
    expect(code).toBe(0);
  });

  it('the snapshot before the only one', async () => {
    const dataDir = temporaryFolder();
    const store = await openStore(path.join(dataDir, 'snapshots'));
    const desk = busyDesk();
    await store.save(desk.state, metaOf(desk));
    await store.close();
    expect(await run('diff', dataDir)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has one snapshot, '),
    });
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

  it('names a damaged chunk once, with the snapshots that have it, and exits with 5', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [page, hash = ''] =
      manifests[0]?.chunks.find(([each]) => each.startsWith('silences/')) ?? [];
    await overwrite(dataDir, chunkKey(hash));
    const { stdout, stderr, code } = await run('verify', dataDir);
    expect(stdout.match(/ 1 damaged\n/g)).toHaveLength(2);
    const indexes = manifests.map(({ index }) => index).join(' to ');
    expect(stderr.match(/^damaged: .*$/gm)).toEqual([
      `damaged: page ${page}, chunk ${hash}, is damaged: its bytes have another hash ` +
        `(in 2 snapshots: ${indexes})`,
    ]);
    expect(code).toBe(5);
  });

  it('says one flipped bit that costs hundreds of pages in one line, with the count', async () => {
    // Given most chunks in one table, 20 more snapshots in the log, and a bit of the table's index.
    const dataDir = temporaryFolder();
    const folder = path.join(dataDir, 'snapshots');
    const desk = busyDesk();
    const series = Array.from({ length: 60_000 }, (_, i) => [`servers.s${i}.cpu`, 1]);
    desk.readings(Object.fromEntries(series));
    await saved(folder, [desk]);
    await compact(dataDir);
    const [table = ''] = readdirSync(folder).filter((each) => each.endsWith('.ldb'));
    const store = await openStore(folder);
    // It knows then what is stored, and writes only what is new.
    await store.load();
    const indexes: number[] = [];
    for (let i = 0; i < 20; i++) {
      desk.reading(`servers.s${i}.cpu`, 99);
      indexes.push((await store.save(desk.state, metaOf(desk))).manifest.index);
    }
    await store.close();
    const bytes = readFileSync(path.join(folder, table));
    // A table ends in its index and a footer of 48 bytes.
    writeFileSync(path.join(folder, table), flipped(bytes, bytes.length - 60));
    for (const command of ['ls', 'verify']) {
      const { stdout, stderr, code } = await run(command, dataDir);
      const states = [...stdout.matchAll(/ (\d+) damaged\n/g)].map(([, count]) => Number(count));
      expect(states).toHaveLength(20);
      expect(Math.min(...states)).toBeGreaterThan(50);
      const lines = stderr.match(/^damaged: .*$/gm);
      // One for the pages, and one because the list may lack older snapshots.
      expect(lines).toEqual([
        expect.stringContaining(`${table} is damaged: a block has another checksum`),
        expect.stringMatching(
          new RegExp(
            `page .* cannot be read: ${table} is damaged: .*, and \\d+ more pages with it ` +
              `\\(in 20 snapshots: ${indexes[0]} to ${indexes[19]}\\)`,
          ),
        ),
      ]);
      expect(code).toBe(5);
    }
  });

  it('keeps to a page of lines when every chunk is damaged in its own way', async () => {
    const report = new DamageReport();
    for (let i = 0; i < 500; i++) {
      report.addPage(7, { path: `alerts/0/${i}`, hash: 'ab', fault: `is malformed: ${i}` });
    }
    expect(report.lines()).toHaveLength(21);
    expect(report.lines().at(-1)).toBe('damaged: and 480 more of such kinds');
  });

  it('and show still shows the rest', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [, hash = ''] = manifests[1]?.chunks.find(([each]) => each.startsWith('alerts/')) ?? [];
    await overwrite(dataDir, chunkKey(hash));
    const { stdout, code } = await run('show', dataDir);
    expect(stdout).toContain('\n\nSILENCES\n');
    expect(stdout).toMatch(/\nDAMAGED +1 chunks, whose rows are left out \(1: is damaged/);
    expect(code).toBe(5);
    const document = JSON.parse((await run('show', dataDir, '-o', 'json')).stdout);
    expect(document.snapshot).toMatchObject({ state: 'damaged', damagedChunks: 1 });
  });

  it('and diff says which tables it cannot compare', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [, hash = ''] = manifests[1]?.chunks.find(([each]) => each === 'facts') ?? [];
    await overwrite(dataDir, chunkKey(hash));
    const { stdout, stderr, code } = await run('diff', dataDir);
    expect(stdout).toMatch(/\nunreadable +facts +- +1 pages cannot be compared\n/);
    expect(stderr).toContain('rows differ, and 1 pages that differ cannot be compared');
    expect(code).toBe(5);
    const rows = JSON.parse((await run('diff', dataDir, '-o', 'json')).stdout);
    expect(rows).toContainEqual({ change: 'unreadable', table: 'facts', key: '', pages: 1 });
  });

  it('and what cannot be read is not denied', async () => {
    const { dataDir, manifests } = await twoSnapshots();
    const [older, newer] = manifests.map(({ index }) => index);
    await overwrite(dataDir, manifestKey(newer ?? 0));
    const named = await run('show', dataDir, String(newer));
    expect(named).toMatchObject({ code: 5, stdout: '' });
    expect(named.stderr).toContain(`error: snapshot ${newer}: its manifest is damaged`);
    const latest = await run('show', dataDir, 'latest', '-o', 'jsonl');
    expect(latest.stderr).toContain(
      `snapshot ${newer} is newer and cannot be read: latest is taken to be ${older}`,
    );
    expect(latest.code).toBe(5);
    const unknown = await run('show', dataDir, '12345');
    expect(unknown.stderr).toContain('the store is damaged, so it may have been lost');
    expect(unknown.code).toBe(5);
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

async function saved(folder: string, desks: readonly Desk[]): Promise<void> {
  const store = await openStore(folder);
  for (const desk of desks) await store.save(desk.state, metaOf(desk));
  await store.close();
}

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

async function compact(dataDir: string): Promise<void> {
  const opened = await openExistingLevel(path.join(dataDir, 'snapshots'));
  if (!opened.ok) throw new Error(opened.message);
  // The declared type leaves out what browsers do not have.
  const db = opened.db as unknown as { compactRange(a: string, b: string): Promise<void> };
  await db.compactRange('', '~');
  await opened.db.close();
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
