/** The tools read a store that a daemon writes to: what they see is whole, and nothing is touched. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openExistingLevel } from '../../src/io/disk/level-open.ts';
import { openSnapshotsReadOnly } from '../../src/io/disk/snapshot-readonly.ts';
import { busyDesk, metaOf, openStore, removeTemporaryFolders, temporaryFolder } from './store.ts';

let writer: ChildProcess | null = null;

afterEach(() => {
  writer?.kill('SIGKILL');
  writer = null;
  vi.unstubAllEnvs();
  removeTemporaryFolders();
});

describe('a store that is read in place', () => {
  it('while another process keeps writing to it is read as of one moment', async () => {
    // Given a process that saves the same twelve snapshots and forgets them, round after round.
    const records = await recordsOfSnapshots(12);
    const folder = path.join(temporaryFolder(), 'snapshots');
    const input = path.join(temporaryFolder(), 'records.json');
    writeFileSync(input, JSON.stringify(records));
    const args = ['--input-type=module', '-e', WRITER, folder, input];
    writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (writer.stdout === null) throw new Error('the writer has no stdout');
    await once(writer.stdout, 'data');

    // When it is opened again and again.
    let snapshotsSeen = 0;
    const filesSeen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const opened = await openSnapshotsReadOnly(folder);
      if (!opened.ok) throw new Error(opened.message);
      const { snapshots } = opened;

      // Then every snapshot in it is complete.
      const { indexes, problems } = await snapshots.list();
      // It saves nothing that NEWEST would name, and forgets chunks last.
      expect(problems.filter((each) => !each.startsWith('there are chunks'))).toEqual([]);
      for (const index of indexes) {
        const read = await snapshots.manifest(index);
        if (!read.ok) throw new Error(read.problem);
        for await (const page of snapshots.pages(read.manifest))
          expect(page).toHaveProperty('page');
        snapshotsSeen++;
      }
      await snapshots.close();
      for (const name of readdirSync(folder)) filesSeen.add(name);
    }
    // And the writer did not notice.
    expect(writer.exitCode).toBeNull();
    // And this was not for want of trouble: there was something to see, and files came and went.
    expect(snapshotsSeen).toBeGreaterThan(0);
    expect(filesSeen.size).toBeGreaterThan(readdirSync(folder).length);
  }, 120_000);

  it('is left as it was, and nothing is written elsewhere', async () => {
    const dataDir = temporaryFolder();
    const desk = busyDesk();
    const store = await openStore(path.join(dataDir, 'snapshots'));
    await store.save(desk.state, metaOf(desk));
    await store.close();
    const before = digestOf(path.join(dataDir, 'snapshots'));
    vi.stubEnv('TMPDIR', path.join(dataDir, 'there is no such folder'));

    const opened = await openSnapshotsReadOnly(dataDir);
    if (!opened.ok) throw new Error(opened.message);
    expect((await opened.snapshots.list()).indexes).toEqual([desk.log.length]);
    await opened.snapshots.close();
    expect(digestOf(path.join(dataDir, 'snapshots'))).toEqual(before);
    expect(readdirSync(dataDir)).toEqual(['snapshots']);
  });

  it('does not mind a table that is just being written', async () => {
    // Given tables with the next numbers, as LevelDB makes them before its manifest names them.
    const folder = path.join(temporaryFolder(), 'snapshots');
    const desk = busyDesk();
    const store = await openStore(folder);
    await store.save(desk.state, metaOf(desk));
    await store.close();
    const numbers = Array.from({ length: 20 }, (_, i) => String(i + 1).padStart(6, '0'));
    for (const number of numbers) {
      if (existsSync(path.join(folder, `${number}.log`))) continue;
      writeFileSync(path.join(folder, `${number}.ldb`), 'the first half of a table');
    }
    const opened = await openSnapshotsReadOnly(folder);
    if (!opened.ok) throw new Error(opened.message);
    expect(await opened.snapshots.list()).toEqual({
      indexes: [desk.log.length],
      problems: [],
      lost: null,
    });
    await opened.snapshots.close();
  });

  it('of nothing is refused with a sentence', async () => {
    const folder = temporaryFolder();
    mkdirSync(path.join(folder, 'snapshots'));
    const opened = await openSnapshotsReadOnly(folder);
    expect(opened).toMatchObject({ ok: false, code: 'missing' });
    expect(opened).toHaveProperty('message', expect.stringContaining('there is no snapshot store'));
    expect(existsSync(path.join(folder, 'snapshots', 'CURRENT'))).toBe(false);
  });
});

type Record = readonly [key: string, base64: string];

/** What saving so many snapshots writes, in the order in which it is written. */
async function recordsOfSnapshots(count: number): Promise<readonly (readonly Record[])[]> {
  const folder = path.join(temporaryFolder(), 'snapshots');
  const desk = busyDesk();
  const names = Array.from({ length: 3_000 }, (_, i) => `servers.s${i}.cpu`);
  desk.readings(Object.fromEntries(names.map((name) => [name, 1])));
  const written = new Set<string>();
  const records: Record[][] = [];
  for (let i = 0; i < count; i++) {
    desk.reading(`servers.s${i}.cpu`, 99);
    const store = await openStore(folder);
    await store.save(desk.state, metaOf(desk));
    await store.close();
    const opened = await openExistingLevel(folder);
    if (!opened.ok) throw new Error(opened.message);
    const all = await opened.db.iterator().all();
    await opened.db.close();
    const fresh = all.filter(([key]) => !written.has(key));
    for (const [key] of fresh) written.add(key);
    // `chunk/…` sorts before `manifest/…`, which is the order in which they must come.
    records.push(fresh.map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  }
  return records;
}

/** Small files, so that LevelDB begins and deletes them all the time. */
const WRITER = `
  import { readFileSync } from 'node:fs';
  import { setTimeout } from 'node:timers/promises';
  import { Level } from 'level';
  const [, folder, input] = process.argv;
  const db = new Level(folder, { valueEncoding: 'view', writeBufferSize: 65536 });
  const snapshots = JSON.parse(readFileSync(input, 'utf8'));
  const puts = (records) =>
    records.map(([key, text]) => ({ type: 'put', key, value: Buffer.from(text, 'base64') }));
  for (let round = 0; ; round++) {
    for (const records of snapshots) {
      await db.batch(puts(records.slice(0, -1)));
      await db.batch(puts(records.slice(-1)), { sync: true });
      if (round === 0) process.stdout.write('.');
      await setTimeout(round % 3);
    }
    const keys = snapshots.flat().map(([key]) => key).sort().reverse();
    for (const key of keys) await db.del(key);
  }
`;

function digestOf(folder: string): readonly string[] {
  return readdirSync(folder).map((name) => {
    const bytes = readFileSync(path.join(folder, name));
    return `${name} ${createHash('sha256').update(bytes).digest('hex')}`;
  });
}
