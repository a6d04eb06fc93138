/** The process dies while it takes a snapshot: the one before it is whole, nothing is half there. */

import { rename } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { rootOf } from '../../src/io/disk/snapshot-root.ts';
import { SnapshotWriteFailed } from '../../src/io/disk/snapshot-store.ts';
import { encodeCanonical } from '../../src/log/codec.ts';
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

describe('a crash during a save', () => {
  it('at any write leaves the snapshot before it, and the next save clears up', async () => {
    // Given a store with one snapshot.
    const folder = path.join(temporaryFolder(), 'snapshots');
    const desk = busyDesk();
    const first = await openStore(folder);
    await first.save(desk.state, metaOf(desk));
    await first.close();
    const { state: old } = desk;

    // When the next save, which writes chunk by chunk, dies at each of its pauses in turn.
    const images: string[] = [];
    const pace = {
      monotonicMs: () => performance.now(),
      pause: async () => {
        images.push(crashImage(folder));
      },
    };
    desk.readings({ 'servers.c.cpu': 99, 'servers.d.cpu': 99 }).wait('5m');
    const second = await openStore(folder, { pace, batchBytesMax: 1 });
    await second.load();
    await second.save(desk.state, metaOf(desk));
    await second.close();
    expect(images.length).toBeGreaterThan(10);

    for (const image of images) {
      // Then the old snapshot is loaded, without a complaint.
      const store = await openStore(image);
      const loaded = await store.load();
      expect(loaded.problems).toEqual([]);
      expect(encodeCanonical(loaded.state)).toEqual(encodeCanonical(old));
      // And the save that was cut short can be made again; nothing of the crash stays behind.
      await store.save(desk.state, metaOf(desk));
      await keepNewest(store, 1);
      expect(rootOf((await store.load()).state)).toBe(rootOf(desk.state));
      await store.close();
    }
  });

  it('of a brand-new store says that there are chunks but no snapshot', async () => {
    const folder = path.join(temporaryFolder(), 'snapshots');
    const images: string[] = [];
    // No slice is ever over: the first pause comes after the first write, however slow the machine.
    const pace = {
      monotonicMs: () => 0,
      pause: async () => {
        images.push(crashImage(folder));
      },
    };
    const desk = busyDesk();
    const store = await openStore(folder, { pace });
    await store.save(desk.state, metaOf(desk));
    await store.close();

    const again = await openStore(images[0] ?? '');
    const { manifest, problems } = await again.load();
    expect(manifest).toBeNull();
    expect(problems).toEqual([expect.stringContaining('chunks but no snapshot')]);
    await again.close();
  });
});

describe('a failed write', () => {
  it('is final: the store refuses to go on, even when the disk is well again', async () => {
    // Given a store whose folder goes away under it, as when a disk is unmounted.
    const folder = path.join(temporaryFolder(), 'snapshots');
    const desk = busyDesk();
    const store = await openStore(folder);
    await store.save(desk.state, metaOf(desk));
    await rename(folder, `${folder}-away`);
    desk.reading('servers.c.cpu', 99);
    const failed = await store.save(desk.state, metaOf(desk)).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(SnapshotWriteFailed);
    expect(failed).toMatchObject({ code: 'snapshot-write-failed' });
    expect(String(failed)).toContain('see to the disk, then start again');

    // When it comes back, nothing more is written.
    await rename(`${folder}-away`, folder);
    await expect(store.save(desk.state, metaOf(desk))).rejects.toBe(failed);
    await store.close();
  });
});
