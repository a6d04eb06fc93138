/** A snapshot costs what changed since the last one: in chunks, in bytes, and in pauses. */

import { afterEach, describe, expect, it } from 'vitest';
import { openExistingLevel } from '../../src/io/disk/level-open.ts';
import { CHUNK_KEYS } from '../../src/io/disk/snapshot-format.ts';
import type { Manifest } from '../../src/io/ports.ts';
import { Desk } from '../support/scenario.ts';
import { check, config } from '../support/scenario-config.ts';
import {
  busyDesk,
  crashImage,
  metaOf,
  keepNewest,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(removeTemporaryFolders);

describe('saving again', () => {
  it('writes no chunk when nothing changed', async () => {
    const desk = busyDesk();
    const store = await openStore(temporaryFolder());
    const first = await store.save(desk.state, metaOf(desk));
    desk.append({ kind: 'clock' });
    const second = await store.save(desk.state, metaOf(desk));
    expect(first.chunksWritten).toBe(new Set(hashesOf(first.manifest)).size);
    expect(second.chunksWritten).toBe(0);
    expect(second.manifest.root).toBe(first.manifest.root);
    await store.close();
  });

  it('writes the pages of one breach among ten thousand series, and no other', async () => {
    const desk = deskOf(10_000);
    const store = await openStore(temporaryFolder());
    await store.save(desk.state, metaOf(desk));
    desk.reading('servers.s7777.cpu', 99);
    const { chunksWritten, manifest } = await store.save(desk.state, metaOf(desk));
    expect(chunksWritten).toBe(2);
    expect(pathsOf(manifest, 'breaches')).toEqual(['breaches/0/7']);
    await store.close();
  });

  it('writes as little after a restart', async () => {
    const folder = temporaryFolder();
    const desk = deskOf(5_000);
    const before = await openStore(folder);
    await before.save(desk.state, metaOf(desk));
    await before.close();

    const after = await openStore(folder);
    const { state } = await after.load();
    const { chunksWritten } = await after.save(state, { ...metaOf(desk), index: 99 });
    expect(chunksWritten).toBe(0);
    await after.close();
  });

  it('writes everything when it was never told what is stored', async () => {
    const folder = temporaryFolder();
    const desk = busyDesk();
    const before = await openStore(folder);
    const first = await before.save(desk.state, metaOf(desk));
    await before.close();

    const after = await openStore(folder);
    const second = await after.save(desk.state, metaOf(desk));
    expect(second.chunksWritten).toBe(first.chunksWritten);
    await after.close();
  });
});

describe('the event loop', () => {
  it('is let go at least once a slice, however long a page takes', async () => {
    // Given a clock on which every look shows that a slice is over.
    let now = 0;
    let pauses = 0;
    const pace = {
      monotonicMs: () => (now += 5),
      pause: async () => {
        pauses++;
      },
    };
    const desk = deskOf(10_000);
    const store = await openStore(temporaryFolder(), { pace });
    const { manifest } = await store.save(desk.state, metaOf(desk));
    expect(pauses).toBeGreaterThanOrEqual(manifest.chunks.length);
    await store.close();
  });

  it('may change the state of the node meanwhile: the snapshot is of its own moment', async () => {
    const desk = deskOf(5_000);
    const folder = temporaryFolder();
    let changes = 0;
    const pace = {
      monotonicMs: () => performance.now(),
      pause: async () => {
        desk.reading(`servers.s${changes++}.cpu`, 99);
      },
    };
    const store = await openStore(folder, { pace, batchBytesMax: 1 });
    const { state } = desk;
    await store.save(state, metaOf(desk));
    expect(changes).toBeGreaterThan(5);
    expect((await store.load()).state).toEqual(state);
    await store.close();
  });
});

describe('pruning', () => {
  it('keeps the newest snapshots and exactly the chunks that they use', async () => {
    const folder = temporaryFolder();
    const desk = busyDesk();
    const store = await openStore(folder);
    const manifests: Manifest[] = [];
    for (const name of ['c', 'd', 'e', 'f']) {
      desk.reading(`servers.${name}.cpu`, 99).wait('3m');
      manifests.push((await store.save(desk.state, metaOf(desk))).manifest);
    }
    await keepNewest(store, 2);
    expect(await storedIn(folder)).toEqual(chunksOf(manifests.slice(-2)));

    desk.reading('servers.g.cpu', 99);
    manifests.push((await store.save(desk.state, metaOf(desk))).manifest);
    await keepNewest(store, 1);
    expect(await storedIn(folder)).toEqual(chunksOf(manifests.slice(-1)));
    expect((await store.load()).state).toEqual(desk.state);
    await store.close();
  });

  it('writes a chunk again that it had dropped', async () => {
    const desk = busyDesk();
    const store = await openStore(temporaryFolder());
    const { state } = desk;
    await store.save(state, metaOf(desk));
    desk.reading('servers.c.cpu', 99);
    await store.save(desk.state, metaOf(desk));
    await keepNewest(store, 1);
    await store.save(state, { ...metaOf(desk), index: 99 });
    expect(await store.load()).toMatchObject({ state, problems: [] });
    await store.close();
  });
});

/** A desk that knows so many series, none of them in breach. */
function deskOf(count: number): Desk {
  const desk = new Desk({ config: config({ checks: [check({ for: '1m' })] }) });
  return desk.readings(
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`servers.s${i}.cpu`, 1])),
  );
}

function hashesOf({ chunks }: Manifest): readonly string[] {
  return chunks.map(([, hash]) => hash);
}

function pathsOf({ chunks }: Manifest, table: string): readonly string[] {
  return chunks.map(([path]) => path).filter((path) => path.startsWith(`${table}/`));
}

function chunksOf(manifests: readonly Manifest[]): readonly string[] {
  return [...new Set(manifests.flatMap(hashesOf))].sort();
}

/** Hashes of all chunks in a store that may be open. */
async function storedIn(folder: string): Promise<readonly string[]> {
  const opened = await openExistingLevel(crashImage(folder));
  if (!opened.ok) throw new Error(opened.message);
  const keys = await opened.db.keys(CHUNK_KEYS).all();
  await opened.db.close();
  return keys.map((key) => key.slice(CHUNK_KEYS.gt.length));
}
