/** LevelDB gives back wrong bytes without a word; no wrong state may ever come of it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { LevelFolder } from '../../src/io/disk/level-open.ts';
import {
  chunkList,
  encodeManifest,
  manifestKey,
  rootOfList,
  SNAPSHOT_FORMAT,
} from '../../src/io/disk/snapshot-format.ts';
import { openSnapshotStore } from '../../src/io/disk/snapshot-store.ts';
import type { LoadedSnapshot, Manifest } from '../../src/io/ports.ts';
import { encodeCanonical } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import type { State } from '../../src/projections/state.ts';
import {
  busyDesk,
  changeChunk,
  crashImage,
  flipped,
  inDatabase,
  metaOf,
  keepNewest,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(removeTemporaryFolders);

interface Saved {
  readonly manifest: Manifest;
  readonly state: State;
}

/** A store with three snapshots of one growing desk. */
async function threeSnapshots(): Promise<{ folder: string; saved: readonly Saved[] }> {
  const folder = path.join(temporaryFolder(), 'snapshots');
  const desk = busyDesk();
  const store = await openStore(folder);
  const saved: Saved[] = [];
  for (const name of ['c', 'd', 'e']) {
    desk.reading(`servers.${name}.cpu`, 99).wait('2m');
    const { manifest } = await store.save(desk.state, metaOf(desk));
    saved.push({ manifest, state: desk.state });
  }
  await store.close();
  return { folder, saved };
}

describe('one bit of a chunk is flipped', () => {
  it('in each chunk in turn: it is named, and the newest snapshot without it is used', async () => {
    const { folder, saved } = await threeSnapshots();
    const newest = saved[2]?.manifest;
    for (const [page, hash] of newest?.chunks ?? []) {
      const image = crashImage(folder);
      await changeChunk(image, hash, (bytes) => flipped(bytes));

      const { manifest, state, problems } = await loadFrom(image);
      const good = saved.findLast((each) => each.manifest.chunks.every(([, h]) => h !== hash));
      expect(manifest?.index).toBe(good?.manifest.index);
      expect(state).toEqual(good?.state ?? INITIAL_STATE);
      expect(problems[0]).toBe(
        `snapshot ${newest?.index}: page ${page}, chunk ${hash}, ` +
          'is damaged: its bytes have another hash',
      );
      rmSync(image, { recursive: true });
    }
  });

  it('and the next save repairs it', async () => {
    const { folder, saved } = await threeSnapshots();
    const [, , newest] = saved;
    const before = new Set(saved[1]?.manifest.chunks.map(([, hash]) => hash));
    const [, hash = ''] = newest?.manifest.chunks.find(([, each]) => !before.has(each)) ?? [];
    await changeChunk(folder, hash, (bytes) => flipped(bytes));

    const store = await openStore(folder);
    expect((await store.load()).manifest?.index).toBe(saved[1]?.manifest.index);
    if (newest !== undefined) await store.save(newest.state, newest.manifest);
    await store.close();
    expect((await loadFrom(folder)).problems).toEqual([]);
  });
});

describe('a chunk or a manifest is gone', () => {
  it('a missing chunk is named like a damaged one', async () => {
    const { folder, saved } = await threeSnapshots();
    const [page, hash] = saved[2]?.manifest.chunks.find(([each]) => each === 'facts') ?? [];
    await changeChunk(folder, hash ?? '', () => null);
    const { problems } = await loadFrom(folder);
    expect(problems[0]).toContain(`page ${page}, chunk ${hash}, is missing`);
  });

  it('a manifest under the index of another is not believed', async () => {
    const { folder, saved } = await threeSnapshots();
    await inDatabase(folder, async (db) => {
      const bytes = await db.get(manifestKey(saved[2]?.manifest.index ?? 0));
      await db.put(manifestKey(9_999), bytes);
    });
    const { manifest, problems } = await loadFrom(folder);
    expect(manifest?.index).toBe(saved[2]?.manifest.index);
    expect(problems).toEqual([
      `snapshot 9999: its manifest is that of index ${saved[2]?.manifest.index}`,
    ]);
  });

  it('a damaged snapshot is evidence, and does not count as one that is kept', async () => {
    const { folder, saved } = await threeSnapshots();
    await inDatabase(folder, async (db) => {
      const key = manifestKey(saved[2]?.manifest.index ?? 0);
      await db.put(key, flipped(await db.get(key)));
    });
    const store = await openStore(folder);
    await keepNewest(store, 1);
    const { manifest, problems } = await store.load();
    expect(manifest).toEqual(saved[1]?.manifest);
    expect(problems[0]).toContain('its manifest is damaged');
    await store.close();
  });
});

describe('one bit of a file is flipped', () => {
  it.each(['in its log', 'in its tables'])(
    'of a store %s: a state that was saved, or a refusal, never another state',
    async (place) => {
      const { folder, saved } = await threeSnapshots();
      if (place === 'in its tables') await inDatabase(folder, compacted);
      const bits = bitsOf(folder);
      const outcomes = { refused: 0, newest: 0, older: 0, none: 0 };
      for (let i = 0; i < FLIPS; i++) {
        const image = crashImage(folder);
        const { file, bit } = bits(random(i));
        flipBit(path.join(image, file), bit);

        const opened = await openSnapshotStore({ folder: image });
        if (!opened.ok) {
          expect(opened.code).toBe('damaged');
          outcomes.refused++;
          continue;
        }
        const { manifest, state, problems } = await opened.store.load();
        await opened.store.close();
        const expected = saved.find((each) => each.manifest.index === manifest?.index);
        expect(manifest).toEqual(expected?.manifest ?? null);
        expect(encodeCanonical(state)).toEqual(encodeCanonical(expected?.state ?? INITIAL_STATE));
        outcomes[outcomeOf(manifest, saved)]++;
        // Nothing is lost in silence: what is not the newest comes with a reason.
        if (manifest?.index !== saved[2]?.manifest.index) expect(problems).not.toEqual([]);
        rmSync(image, { recursive: true });
      }
      // The flips must have hit something, or this story proves nothing.
      expect(outcomes.older + outcomes.none + outcomes.refused).toBeGreaterThan(FLIPS / 5);
    },
    120_000,
  );

  it('in CURRENT, or its loss, never makes an empty store of a full one', async () => {
    const { folder } = await threeSnapshots();
    rmSync(path.join(folder, 'CURRENT'));
    const before = readdirSync(folder).filter((name) => name.endsWith('.log'));
    const opened = await openSnapshotStore({ folder });
    expect(opened).toMatchObject({ ok: false, code: 'damaged' });
    expect(readdirSync(folder).filter((name) => name.endsWith('.log'))).toEqual(before);
  });

  it('in a folder that holds nothing yet, the store is made', async () => {
    const folder = temporaryFolder();
    mkdirSync(path.join(folder, 'snapshots'));
    writeFileSync(path.join(folder, 'snapshots', 'LOCK'), '');
    const store = await openStore(path.join(folder, 'snapshots'));
    expect((await store.load()).manifest).toBeNull();
    await store.close();
  });
});

describe('a store that this build may not open', () => {
  it.each([
    [
      'a newer format',
      { format: SNAPSHOT_FORMAT + 1 },
      `has format ${SNAPSHOT_FORMAT + 1}, and this build reads up to ${SNAPSHOT_FORMAT}`,
    ],
    ['a newer fold', { reducerVersion: 999 }, 'folded by version 999'],
  ])('%s is refused with a sentence', async (_, newer, sentence) => {
    const { folder, saved } = await threeSnapshots();
    const { manifest } = saved[2] ?? {};
    if (manifest === undefined) throw new Error('nothing was saved');
    const list = chunkList(manifest.chunks);
    const root = rootOfList('reducerVersion' in newer ? newer.reducerVersion : 1, list);
    await inDatabase(folder, (db) =>
      db.put(
        manifestKey(10_000),
        encodeManifest({ ...manifest, ...newer, root, index: 10_000 }, list),
      ),
    );
    const opened = await openSnapshotStore({ folder });
    expect(opened).toMatchObject({ ok: false, code: 'newer-format' });
    expect(opened).toHaveProperty('message', expect.stringContaining(sentence));
    expect(opened).toHaveProperty('message', expect.stringContaining('use a newer tocsin'));
  });

  it('one that another process holds is refused, and can be opened when that has ended', async () => {
    const { folder, saved } = await threeSnapshots();
    const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const opened = await openSnapshotStore({ folder });
    expect(opened).toMatchObject({ ok: false, code: 'locked' });
    expect(opened).toHaveProperty('message', expect.stringContaining('in use by another process'));
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect((await loadFrom(folder)).manifest).toEqual(saved[2]?.manifest);
  });
});

/** Holds the lock until it is killed. */
const HOLDER = `
  import { Level } from 'level';
  const db = new Level(process.argv[1]);
  await db.open();
  process.stdout.write('open');
  setInterval(() => {}, 1000);
`;

const FLIPS = 150;

async function loadFrom(folder: string): Promise<LoadedSnapshot> {
  const store = await openStore(folder);
  const loaded = await store.load();
  await store.close();
  return loaded;
}

/** Moves all from the log into a table; the declared type leaves out what browsers do not have. */
function compacted(db: LevelFolder): Promise<void> {
  return (db as unknown as { compactRange(a: string, b: string): Promise<void> }).compactRange(
    '',
    '~',
  );
}

function outcomeOf(manifest: Manifest | null, saved: readonly Saved[]) {
  if (manifest === null) return 'none';
  return manifest.index === saved.at(-1)?.manifest.index ? 'newest' : 'older';
}

/** Picks a bit of all files that matter, each equally likely. LOG and LOCK say nothing. */
function bitsOf(folder: string): (share: number) => { file: string; bit: number } {
  const files = readdirSync(folder)
    .filter((name) => /^(CURRENT|NEWEST|MANIFEST-\d+|\d+\.(ldb|log))$/.test(name))
    .map((file) => ({ file, bits: 8 * statSync(path.join(folder, file)).size }));
  const total = files.reduce((sum, { bits }) => sum + bits, 0);
  return (share) => {
    let bit = Math.floor(share * total);
    for (const { file, bits } of files) {
      if (bit < bits) return { file, bit };
      bit -= bits;
    }
    throw new Error('a share is below 1');
  };
}

function flipBit(file: string, bit: number): void {
  const bytes = readFileSync(file);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  writeFileSync(file, bytes);
}

/** A fixed spread of numbers from 0 to 1: the golden ratio leaves no gap. */
function random(i: number): number {
  return ((i + 0.5) * 0.618_033_988_749_895) % 1;
}
