/** What everybody may rely on, told once and kept on a real disk and on a simulated one. */

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brotliCompressor } from '../../src/io/disk/compressor.ts';
import { createReadOnlyDisk, createRealDisk } from '../../src/io/disk/real-disk.ts';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import type { Disk, DiskFile } from '../../src/log/disk.ts';
import { FRESH_HARD_STATE } from '../../src/log/entry.ts';
import { openLog, type Log } from '../../src/log/log.ts';
import { readLogIdentity } from '../../src/log/recovery.ts';
import {
  BESIDE_SEGMENTS,
  contentOf,
  entries,
  entry,
  hardState,
  itemsOf,
  on,
  open,
  OWNER,
  reading,
  show,
  SMALL,
} from './world.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-log-'));
afterAll(() => rm(folder, { recursive: true }));

let made = 0;
const disks: Readonly<Record<string, () => Promise<Disk>>> = {
  real: async () => createRealDisk({ directory: path.join(folder, `log-${++made}`) }),
  simulated: async () => createSimulatedDisk(),
};

/** What the stories leave open, as a process does that ends without a word. */
const leftOpen: DiskFile[] = [];
afterEach(async () => {
  for (const file of leftOpen.splice(0)) await file.close();
});

describe.each(Object.entries(disks))('on a %s disk', (_, bareDisk) => {
  const makeDisk = async (): Promise<Disk> => watched(await bareDisk()).disk;
  let disk: Disk;
  beforeEach(async () => {
    disk = await makeDisk();
  });

  describe('a file', () => {
    test('is written anywhere, read in parts, cut, and read anew under another name', async () => {
      const file = await disk.create('a');
      await file.write(0, bytes(1, 2, 3));
      await file.write(5, bytes(6));
      expect(await file.size()).toBe(6);
      expect(await file.read(1, 3)).toEqual(bytes(2, 3, 0));
      expect(await file.read(4, 100)).toEqual(bytes(0, 6));
      expect(await file.read(6, 1)).toEqual(bytes());
      await file.truncate(2);
      await file.write(3, bytes(9));
      await disk.rename('a', 'b');
      await file.sync();
      await disk.syncDirectory();
      const reader = await disk.openToRead('b');
      expect(await reader?.read(0, 9)).toEqual(bytes(1, 2, 0, 9));
      await reader?.close();
      expect(await disk.list()).toEqual(['b']);
    });

    test('replaces another by a rename, goes away, and is not created twice', async () => {
      await (await disk.create('a')).write(0, bytes(1));
      await disk.create('b');
      await disk.rename('a', 'b');
      expect(await (await disk.open('b')).size()).toBe(1);
      await expect(disk.create('b')).rejects.toMatchObject({ code: 'EEXIST' });
      await disk.remove('b');
      expect(await disk.openToRead('b')).toBeUndefined();
      await expect(disk.open('b')).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(disk.remove('b')).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(disk.rename('b', 'c')).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('hands out copies: what a reader or a writer does with its bytes changes nothing', async () => {
      const file = await disk.create('a');
      const written = bytes(1, 2);
      await file.write(0, written);
      written.fill(9);
      (await file.read(0, 2)).fill(8);
      expect(await file.read(0, 2)).toEqual(bytes(1, 2));
      await file.close();
      await expect(file.read(0, 1)).rejects.toThrow(/EBADF|closed/);
    });
  });

  describe('a log', () => {
    test('is made only when it may be, and says to whom it belongs', async () => {
      expect(await readLogIdentity(reading(disk))).toBeUndefined();
      const refused = await openLog({ ...SMALL, create: false }, on(disk));
      expect(refused).toMatchObject({ ok: false, refusal: { code: 'empty' } });

      const log = await open(disk);
      expect([log.firstIndex, log.lastIndex, log.lastTerm]).toEqual([1, 0, 0]);
      expect(log.hardState).toEqual(FRESH_HARD_STATE);
      expect(log.lastChain).toEqual(new Uint8Array(32));
      expect(await contentOf(log)).toEqual([]);
      await log.close();
      expect(await readLogIdentity(reading(disk))).toEqual(OWNER);
      expect((await open(disk, { create: false })).lastIndex).toBe(0);
    });

    test('gives back what was appended, at once and after a restart', async () => {
      const log = await open(disk);
      const added = [entry(1, 1, 0), entry(2, 1, 1), entry(3, 4, 5_000), entry(4, 7, 64)];
      await log.append({ hardState: hardState(7, 2), entries: added });
      await log.append({ hardState: hardState(8, 4, null), entries: [] });
      const before = await factsOf(log);
      expect(await contentOf(log)).toEqual(added);
      expect([1, 2, 3, 4, 5].map((index) => log.termAt(index))).toEqual([1, 1, 4, 7, undefined]);
      expect(log.termAt(0)).toBe(0);
      expect(log.hardState).toEqual({ term: 8, vote: null, commit: 4 });
      await log.close();

      const again = await open(disk);
      expect(await contentOf(again)).toEqual(added);
      expect(await factsOf(again)).toEqual(before);
      expect(again.termRuns()).toEqual(log.termRuns());
    });

    test('reads any range over closed, compressed and growing segments', async () => {
      const log = await withCompressor(disk);
      for (const each of entries(1, 30)) await log.append({ entries: [each] });
      expect((await log.compressClosed()).segments).toBeGreaterThan(3);
      for (const each of entries(31, 45)) await log.append({ entries: [each] });
      const forms = log.segments().map(({ closed, compressed }) => `${closed}/${compressed}`);
      expect(new Set(forms)).toEqual(new Set(['true/true', 'true/false', 'false/false']));

      for (const [from, to] of [
        [1, 45],
        [7, 7],
        [4, 33],
        [45, 99],
        [46, 50],
        [9, 8],
      ] as const) {
        const lines: string[] = [];
        for await (const each of log.read(from, to)) lines.push(show(each));
        expect(lines).toEqual(entries(from, Math.min(to, 45)).map(show));
      }
      await log.close();
      expect((await contentOf(await withCompressor(disk))).map(show)).toEqual(
        entries(1, 45).map(show),
      );
    });

    test('shares one sync between all appends of one turn', async () => {
      const { disk: counted, syncs } = watched(disk);
      const log = await open(counted, { segmentBytesMax: 1_000_000 });
      const before = syncs();
      await Promise.all(entries(1, 200).map((each) => log.append({ entries: [each] })));
      expect(syncs() - before).toBe(1);
      expect((await contentOf(log)).length).toBe(200);
    });

    test('shows nothing before it is durable', async () => {
      const log = await open(disk);
      const appended = log.append({ hardState: hardState(1), entries: entries(1, 3) });
      expect([log.lastIndex, log.hardState.term, log.termAt(1)]).toEqual([0, 0, undefined]);
      expect(await contentOf(log)).toEqual([]);
      await appended;
      expect([log.lastIndex, log.hardState.term, log.termAt(1)]).toEqual([3, 1, 1]);
    });

    test('overwrites what a new leader contradicts, and the chain forgets it', async () => {
      const log = await open(disk);
      for (const each of entries(1, 12)) await log.append({ entries: [each] });
      await log.append({
        truncateFrom: 3,
        hardState: hardState(2, 2),
        entries: entries(3, 5, 2),
      });
      for (const each of entries(6, 9, 2)) await log.append({ entries: [each] });
      await log.append({ truncateFrom: 10, entries: [] });
      await log.append({ truncateFrom: 9, entries: [entry(9, 3)] });

      const never = await open(await makeDisk());
      await never.append({
        hardState: hardState(2, 2),
        entries: [...entries(1, 2), ...entries(3, 8, 2), entry(9, 3)],
      });
      expect(await factsOf(log)).toEqual(await factsOf(never));
      expect(await contentOf(log)).toEqual(await contentOf(never));
      await log.compressClosed();
      await log.close();
      const again = await open(disk);
      expect(await factsOf(again)).toEqual(await factsOf(never));
      expect(await contentOf(again)).toEqual(await contentOf(never));
    });

    test('forgets old segments on request, but never a vote', async () => {
      const log = await open(disk);
      await log.append({ hardState: hardState(3, 0, 'node-2'), entries: [] });
      for (const each of entries(1, 30, 3)) await log.append({ entries: [each] });
      const last = await log.chainAt(30);
      const files = log.segments().map(({ file }) => file);
      expect(await log.prune(1)).toBe(0);
      expect(await log.prune(16)).toBeGreaterThan(1);
      expect(log.firstIndex).toBeGreaterThan(8);
      expect(log.firstIndex).toBeLessThanOrEqual(16);
      expect(await log.prune(1_000)).toBeGreaterThan(0);
      expect(log.segments().map(({ file }) => file)).toEqual(files.slice(-1));
      await expect(contentFrom(log, 1)).rejects.toThrow(/entry 1 is no longer kept/);
      expect(await log.chainAt(log.firstIndex - 2)).toBeUndefined();
      expect(await log.chainAt(log.firstIndex - 1)).toHaveLength(32);
      await log.close();

      const again = await open(disk);
      expect(again.firstIndex).toBe(log.firstIndex);
      expect(again.hardState).toEqual({ term: 3, vote: 'node-2', commit: 0 });
      expect(await again.chainAt(30)).toEqual(last);
    });

    test('begins anew behind a snapshot', async () => {
      const log = await open(disk);
      await log.append({ hardState: hardState(1), entries: entries(1, 20) });
      const chain = new Uint8Array(32).fill(5);
      await log.append({
        restartAfter: { index: 500, term: 4, chain },
        hardState: hardState(4, 500),
        entries: entries(501, 502, 4),
      });
      expect([log.firstIndex, log.lastIndex, log.termAt(500)]).toEqual([501, 502, 4]);
      expect(log.termAt(20)).toBeUndefined();
      expect(await log.chainAt(500)).toEqual(chain);
      await log.close();
      const again = await open(disk);
      expect((await contentOf(again)).map(show)).toEqual(entries(501, 502, 4).map(show));
      expect(again.hardState).toEqual(hardState(4, 500));
      expect(again.segments()).toHaveLength(1);
    });

    test('takes a snapshot while it prunes and packs', async () => {
      const log = await open(disk);
      for (const each of entries(1, 30)) await log.append({ entries: [each] });
      const restartAfter = { index: 500, term: 4, chain: new Uint8Array(32).fill(5) };
      await Promise.all([
        log.compressClosed(),
        log.prune(20),
        log.append({ restartAfter, entries: entries(501, 520, 4) }),
        log.prune(25),
        log.compressClosed(),
        log.append({ entries: entries(521, 530, 4) }),
      ]);
      await log.close();
      expect(log.failure).toBeUndefined();
      const again = await open(disk);
      expect((await contentOf(again)).map(show)).toEqual(entries(501, 530, 4).map(show));
      expect((await disk.list()).length).toBe(again.segments().length + BESIDE_SEGMENTS.length);
    });

    test('takes a commit index that need not be synced along with the next write', async () => {
      const { disk: counted, syncs } = watched(disk);
      const log = await open(counted);
      await log.append({ hardState: hardState(1), entries: entries(1, 3) });
      const before = syncs();
      await log.append({ hardState: hardState(1, 2), entries: [], sync: false });
      await log.append({ hardState: hardState(1, 3), entries: [], sync: false });
      expect([syncs() - before, log.hardState.commit]).toEqual([0, 0]);
      await log.append({ entries: [entry(4)] });
      expect(log.hardState.commit).toBe(3);
      const waiting = log.append({ entries: [entry(5)] });
      await log.append({ hardState: hardState(1, 4), entries: [], sync: false });
      await waiting;
      expect([log.lastIndex, log.hardState.commit]).toEqual([5, 4]);
      await log.append({ hardState: hardState(1, 5), entries: [], sync: false });
      await log.close();
      expect((await open(disk)).hardState.commit).toBe(5);
    });

    test('checks only the part that it is asked to check, and opens the rest when it is read', async () => {
      const log = await open(disk);
      for (const each of entries(1, 30)) await log.append({ entries: [each] });
      await log.close();
      const again = await open(disk, { verifyFrom: 20 });
      expect(again.termAt(20)).toBe(1);
      expect(again.termAt(2)).toBeUndefined();
      expect((await contentOf(again)).map(show)).toEqual(entries(1, 30).map(show));
    });

    test('refuses what makes no sense, and is none the worse for it', async () => {
      const log = await open(disk);
      await log.append({ hardState: hardState(2, 0), entries: entries(1, 3, 2) });
      await log.append({ hardState: hardState(2, 2), entries: [] });
      const nonsense: readonly (readonly [Parameters<Log['append']>[0], RegExp])[] = [
        [{ entries: [entry(5, 2)] }, /entry 5 does not follow entry 3/],
        [{ entries: [entry(4, 1)] }, /term 1 after term 2/],
        [{ entries: [{ ...entry(4, 2), type: 256 }] }, /type 256/],
        [{ entries: [entry(4, 2, 17 * 1024 * 1024)] }, /at most 16777216 fit/],
        [{ truncateFrom: 2, entries: [] }, /2 is committed/],
        [{ truncateFrom: 9, entries: [] }, /the last entry is 3/],
        [{ hardState: hardState(1), entries: [] }, /from 2 to 1/],
        [{ hardState: hardState(2, 1), entries: [] }, /from 2 to 1/],
        [{ hardState: hardState(2, 9), entries: [] }, /entry 9 cannot be committed/],
        [{ hardState: hardState(2, 2, 'x'.repeat(48)), entries: [] }, /at most 47 fit/],
        [{ entries: [entry(4, 2)], sync: false }, /without entries/],
      ];
      for (const [append, message] of nonsense) {
        await expect(log.append(append)).rejects.toThrow(message);
      }
      await log.append({ entries: [entry(4, 2)] });
      await log.close();
      await expect(log.append({ entries: [entry(5, 2)] })).rejects.toThrow(/closed/);
      expect((await contentOf(await open(disk))).map(show)).toEqual(entries(1, 4, 2).map(show));
    });
  });

  describe('a reader beside a running daemon', () => {
    test('sees what is durable, in any range, through rotation, packing and pruning', async () => {
      const log = await open(disk);
      for (let index = 1; index <= 60; index++) {
        await log.append({ entries: [entry(index)] });
        if (index % 20 === 0) await log.compressClosed();
        if (index === 45) await log.prune(15);
        const items = await itemsOf(disk, log.firstIndex);
        const lines = items.map((item) => (item.kind === 'entry' ? show(item.entry) : item));
        expect(lines).toEqual(entries(log.firstIndex, index).map(show));
      }
      expect((await itemsOf(disk, 30, 32)).length).toBe(3);
    });

    test('stops at a group that is just being written, and calls it the tail', async () => {
      const log = await open(disk, { segmentBytesMax: 10_000 });
      await log.append({ entries: entries(1, 4) });
      const [segment] = log.segments();
      const file = await disk.open(segment?.file ?? '');
      await file.write(segment?.bytes ?? 0, bytes(1, 2, 3, 4, 5, 6, 7, 8));
      const items = await itemsOf(disk);
      expect(items.map(({ kind }) => kind)).toEqual([...Array<string>(4).fill('entry'), 'tail']);
      expect(items.at(-1)).toMatchObject({ offset: segment?.bytes, bytes: 8 });
    });
  });
});

describe('a real directory', () => {
  test('is closed to others: folders 0700, files 0600', async () => {
    const directory = path.join(folder, 'deep', 'er');
    const log = await open(watched(await createRealDisk({ directory })).disk);
    await log.close();
    for (const made of [path.dirname(directory), directory]) {
      expect((await stat(made)).mode & 0o777).toBe(0o700);
    }
    for (const name of await createReadOnlyDisk({ directory }).list()) {
      expect((await stat(path.join(directory, name))).mode & 0o777).toBe(0o600);
    }
  });

  test('is only read by a tool: a write to its files is refused by the system', async () => {
    const directory = path.join(folder, 'read-only');
    await (await open(watched(await createRealDisk({ directory })).disk)).close();
    const [name = ''] = await createReadOnlyDisk({ directory }).list();
    const file = await createReadOnlyDisk({ directory }).openToRead(name);
    await expect((file as DiskFile).write(0, bytes(1))).rejects.toMatchObject({ code: 'EBADF' });
    await file?.close();
  });
});

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** With the real compressor, which the other stories do without. */
async function withCompressor(disk: Disk): Promise<Log> {
  const result = await openLog(SMALL, on(disk, brotliCompressor));
  if (!result.ok) throw new Error(result.refusal.message);
  return result.log;
}

/** What two logs with the same history have in common. */
async function factsOf(log: Log): Promise<unknown> {
  const indexes = Array.from({ length: log.lastIndex + 1 }, (_, i) => i);
  const chains = await Promise.all(indexes.map((index) => log.chainAt(index)));
  const terms = indexes.map((index) => log.termAt(index));
  const { firstIndex, lastIndex, lastTerm, lastChain, hardState: hard } = log;
  return { firstIndex, lastIndex, lastTerm, lastChain, hard, chains, terms };
}

async function contentFrom(log: Log, from: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const each of log.read(from, log.lastIndex)) lines.push(show(each));
  return lines;
}

/** The same disk, with its syncs counted and its files remembered. */
function watched(disk: Disk): { disk: Disk; syncs: () => number } {
  let count = 0;
  const watch = (file: DiskFile): DiskFile => {
    leftOpen.push(file);
    return {
      size: () => file.size(),
      read: (offset, length) => file.read(offset, length),
      write: (offset, data) => file.write(offset, data),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
      sync: () => {
        count++;
        return file.sync();
      },
    };
  };
  const watching: Disk = {
    directory: disk.directory,
    list: () => disk.list(),
    openToRead: (name) => disk.openToRead(name),
    open: async (name) => watch(await disk.open(name)),
    create: async (name) => watch(await disk.create(name)),
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    syncDirectory: () => disk.syncDirectory(),
  };
  return { disk: watching, syncs: () => count };
}
