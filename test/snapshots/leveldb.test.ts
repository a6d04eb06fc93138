/** Our reader of LevelDB's files against LevelDB itself: the same keys, the same values, no lock. */

import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { Level } from 'level';
import { afterEach, describe, expect, it } from 'vitest';
import { LevelDamage } from '../../src/io/disk/leveldb/bytes.ts';
import { readLevel, type LevelReader } from '../../src/io/disk/leveldb/reader.ts';
import { flipped, removeTemporaryFolders, temporaryFolder } from './store.ts';

afterEach(removeTemporaryFolders);

type Database = Level<string, Uint8Array>;

const EVERYTHING = { gt: '', lt: '\u{ff}' };

describe('a database that LevelDB has open', () => {
  it('reads the same through our own reader, whatever was put, deleted, compacted and reopened', async () => {
    const kinds = { log: 0, ldb: 0 };
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        // Given a database with small files, so that there are many of them.
        const folder = temporaryFolder();
        let db = await opened(folder);
        for (const step of script) {
          if (step.do === 'put') await putMany(db, step);
          else if (step.do === 'delete') await deleteSome(db, step.every);
          else if (step.do === 'compact') await compact(db);
          else {
            await db.close();
            db = await opened(folder);
          }
        }
        // When it is read while it is open.
        const reader = await readerOf(folder);
        // Then both say the same.
        const expected = await db.iterator().all();
        expect(reader.problems).toEqual([]);
        expect(await keysOf(reader)).toEqual(expected.map(([key]) => key));
        for (const [key, value] of expected) {
          expect(Buffer.compare((await reader.get(key)) ?? Buffer.of(), value)).toBe(0);
        }
        for (const key of ['', 'key/', 'key/0000x', 'zzz']) {
          expect(await reader.get(key)).toBe(await db.get(key));
        }
        const range = { gt: 'key/0003', lt: 'key/0011' };
        const backwards = await db.keys({ ...range, reverse: true }).all();
        expect(await keysOf(reader, { ...range, reverse: true })).toEqual(backwards);
        for (const name of readdirSync(folder)) {
          if (name.endsWith('.log')) kinds.log++;
          if (name.endsWith('.ldb')) kinds.ldb++;
        }
        await reader.close();
        await db.close();
        rmSync(folder, { recursive: true });
      }),
      { numRuns: 40 },
    );
    expect(kinds.log).toBeGreaterThan(10);
    expect(kinds.ldb).toBeGreaterThan(10);
  }, 120_000);

  it('stays as it was when its files are replaced behind our back', async () => {
    const folder = temporaryFolder();
    const db = await opened(folder);
    await putMany(db, { do: 'put', from: 0, count: 40, size: 3_000, seed: 1 });
    const reader = await readerOf(folder);
    const before = new Set(readdirSync(folder));
    for (let seed = 2; seed < 9; seed++) {
      await putMany(db, { do: 'put', from: 0, count: 40, size: 3_000, seed });
      await compact(db);
    }
    expect([...before].every((name) => readdirSync(folder).includes(name))).toBe(false);
    for (let i = 0; i < 40; i++) {
      expect(await reader.get(keyOf(i))).toEqual(Buffer.from(valueOf(i, 3_000, 1)));
    }
    await reader.close();
    await db.close();
  });
});

describe('a database with one flipped bit', () => {
  it('gives values that were written, or says what is damaged, and never throws on opening', async () => {
    // Given a database with tables and a log, in which each key was written twice.
    const folder = temporaryFolder();
    const db = await opened(folder);
    for (const seed of [1, 2]) {
      await putMany(db, { do: 'put', from: 0, count: 60, size: 700, seed });
      if (seed === 1) await compact(db);
    }
    await db.close();
    const files = readdirSync(folder).filter((name) => /CURRENT|MANIFEST|ldb|log$/.test(name));
    let found = 0;
    for (let run = 0; run < 150; run++) {
      const image = path.join(temporaryFolder(), 'db');
      cpSync(folder, image, { recursive: true });
      const file = path.join(image, files[run % files.length] ?? '');
      const { size } = statSync(file);
      if (size === 0) continue;
      writeFileSync(file, flipped(readFileSync(file), (run * 7_919) % size));

      const reader = await readerOf(image);
      let isDamaged = reader.problems.length > 0;
      for (let i = 0; i < 60; i++) {
        const value = await reader.get(keyOf(i)).catch((error: unknown) => {
          expect(error).toBeInstanceOf(LevelDamage);
          isDamaged = true;
          return undefined;
        });
        const written = [1, 2].map((seed) => valueOf(i, 700, seed));
        if (value === undefined) expect(isDamaged).toBe(true);
        else expect(written).toContain(Buffer.from(value).toString());
      }
      if (isDamaged) found++;
      await reader.close();
      rmSync(image, { recursive: true });
    }
    expect(found).toBeGreaterThan(50);
  });

  it.each([
    ['CURRENT', "LevelDB's CURRENT is missing; here is what its tables and logs hold"],
    ['MANIFEST', "LevelDB's MANIFEST-"],
    ['.ldb', '.ldb is missing'],
  ])('and one whose %s is gone says so and reads the rest', async (kind, sentence) => {
    const folder = temporaryFolder();
    const db = await opened(folder);
    await putMany(db, { do: 'put', from: 0, count: 60, size: 700, seed: 1 });
    await compact(db);
    await deleteSome(db, 2);
    await db.close();
    for (const name of readdirSync(folder))
      if (name.includes(kind)) rmSync(path.join(folder, name));
    const reader = await readerOf(folder);
    expect(reader.problems).toHaveLength(1);
    expect(reader.problems[0]).toContain(sentence);
    // What was deleted in a log that is still there stays deleted.
    expect(await keysOf(reader)).toHaveLength(kind === '.ldb' ? 0 : 30);
    await reader.close();
  });

  it('loses no more than the block that the bit is in, and names the block', async () => {
    const folder = temporaryFolder();
    const db = await opened(folder);
    await putMany(db, { do: 'put', from: 0, count: 60, size: 700, seed: 1 });
    await compact(db);
    await db.close();
    const table = readdirSync(folder).find((name) => name.endsWith('.ldb')) ?? '';
    writeFileSync(path.join(folder, table), flipped(readFileSync(path.join(folder, table)), 10));
    const reader = await readerOf(folder);
    await expect(reader.get(keyOf(0))).rejects.toThrow(
      `${table} is damaged: a block has another checksum`,
    );
    await expect(keysOf(reader)).rejects.toThrow('a block has another checksum');
    expect(await reader.get(keyOf(59))).toEqual(Buffer.from(valueOf(59, 700, 1)));
    await reader.close();
  });
});

interface Put {
  readonly do: 'put';
  readonly from: number;
  readonly count: number;
  readonly size: number;
  readonly seed: number;
}

type Step =
  | Put
  | { readonly do: 'delete'; readonly every: number }
  | { readonly do: 'compact' }
  | { readonly do: 'reopen' };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({
      do: fc.constant('put' as const),
      from: fc.nat(40),
      count: fc.integer({ min: 1, max: 60 }),
      size: fc.constantFrom(0, 1, 50, 3_000, 40_000),
      seed: fc.nat(9),
    }),
    fc.record({ do: fc.constant('delete' as const), every: fc.integer({ min: 1, max: 5 }) }),
    fc.constant({ do: 'compact' as const }),
    fc.constant({ do: 'reopen' as const }),
  ),
  { minLength: 1, maxLength: 12, size: 'max' },
);

async function opened(folder: string): Promise<Database> {
  const sizes = { writeBufferSize: 65_536, blockSize: 1_024, maxFileSize: 1024 * 1024 };
  const db: Database = new Level(folder, { valueEncoding: 'view', ...sizes });
  await db.open();
  return db;
}

async function readerOf(folder: string): Promise<LevelReader> {
  const reader = await readLevel(folder);
  if (reader === null) throw new Error('there is no database');
  return reader;
}

async function keysOf(
  reader: LevelReader,
  range: Parameters<LevelReader['keys']>[0] = EVERYTHING,
): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of reader.keys(range)) keys.push(key);
  return keys;
}

async function putMany(db: Database, { from, count, size, seed }: Put): Promise<void> {
  for (let i = from; i < from + count; i++) {
    await db.put(keyOf(i), Buffer.from(valueOf(i, size, seed)));
  }
}

async function deleteSome(db: Database, every: number): Promise<void> {
  for (let i = 0; i < 60; i += every) await db.del(keyOf(i));
}

/** The declared type leaves out what browsers do not have. */
function compact(db: Database): Promise<void> {
  return (db as unknown as { compactRange(a: string, b: string): Promise<void> }).compactRange(
    '',
    '~',
  );
}

function keyOf(i: number): string {
  return `key/${String(i).padStart(4, '0')}`;
}

/** Part of it repeats, for Snappy, and part of it does not. */
function valueOf(i: number, size: number, seed: number): string {
  const same = `value ${seed} of ${i}, `.repeat(Math.ceil(size / 20));
  const mixed = Array.from({ length: size >> 1 }, (_, at) =>
    String.fromCharCode(32 + ((at * at * (seed + 3) + i * 31 + (at >> 3)) % 90)),
  ).join('');
  return (same.slice(0, size - (size >> 1)) + mixed).slice(0, size);
}
