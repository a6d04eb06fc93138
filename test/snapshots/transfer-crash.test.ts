/** The receiver dies while a snapshot comes in: the one before it is whole, no false one is there. */

import { copyFileSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { CHUNK_KEYS, INCOMING_KEY } from '../../src/io/disk/snapshot-format.ts';
import { SnapshotWriteFailed } from '../../src/io/disk/snapshot-store.ts';
import type { Manifest, SnapshotMeta, SnapshotStore } from '../../src/io/ports.ts';
import { MemorySnapshots } from '../../src/io/sim/memory-snapshots.ts';
import { encodeCanonical } from '../../src/log/codec.ts';
import type { State } from '../../src/projections/state.ts';
import { bring, chunkOf, hashesOf, offer, transfer } from './machines.ts';
import {
  busyDesk,
  crashImage,
  inDatabase,
  metaOf,
  keepNewest,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(removeTemporaryFolders);

describe('a crash during a transfer to LevelDB', () => {
  it('at any write leaves the older snapshot, and what has come is not sent again', async () => {
    // Given a member with the older snapshot, to which the newer one comes, a write for each chunk.
    const { before, after } = twoMoments();
    const source = await storeWith(temporaryFolder(), after);
    const folder = path.join(temporaryFolder(), 'snapshots');
    await (await storeWith(folder, before)).close();
    const images: string[] = [];
    const crash = (): void => {
      images.push(crashImage(folder));
    };
    // No slice is ever over, so that pauses come after writes only, however slow the machine is.
    const pace = { monotonicMs: () => 0, pause: () => Promise.resolve(crash()) };
    const store = await openStore(folder, { pace, batchBytesMax: 1 });
    const incoming = await offer(source, after.meta.index, store);
    crash();
    const wanted = incoming.missing();
    await incoming.put(
      await Promise.all(wanted.map(async (hash) => [hash, await chunkOf(source, hash)] as const)),
    );
    const unfinished = images.length;
    await incoming.finish();
    crash();
    await store.close();
    expect(unfinished).toBeGreaterThan(wanted.length);
    // The moment between the last two writes: the snapshot is complete, its witness is the old one.
    const witnessed = crashImage(folder);
    copyFileSync(path.join(images[0] ?? '', 'NEWEST'), path.join(witnessed, 'NEWEST'));
    images.push(witnessed);

    // When the next process begins at each of these moments.
    const missing: number[] = [];
    for (const [i, image] of images.entries()) {
      const next = await openStore(image);
      const found = await next.load();
      const expected = i < unfinished ? before : after;
      expect(found).toMatchObject({ problems: [], isReceived: expected === after });
      expect(encodeCanonical(found.state)).toEqual(encodeCanonical(expected.state));

      // Then the rest is enough, and nothing of the crash stays behind.
      const again = await offer(source, after.meta.index, next);
      missing.push(again.missing().length);
      await bring(source, again);
      await again.finish();
      await keepNewest(next, 1);
      const { manifest, problems, state } = await next.load();
      await next.close();
      expect(problems).toEqual([]);
      expect(encodeCanonical(state)).toEqual(encodeCanonical(after.state));
      if (manifest !== null) await expectOnly(manifest, image);
      rmSync(image, { recursive: true });
    }
    expect(missing[0]).toBe(wanted.length);
    expect(missing.at(-1)).toBe(0);
    expect(missing).toEqual(missing.toSorted((a, b) => b - a));
    await source.close();
  }, 60_000);
});

describe('a crash during a transfer to memory', () => {
  it('at any write leaves the older snapshot, and what has come is not sent again', async () => {
    const { before, after } = twoMoments();
    const source = await memoryWith(after);
    const { index } = after.meta;
    const { sent: wanted } = await transfer(source, index, await memoryWith(before));
    // One write for the manifest on its way, one for each chunk, one for the manifest at the end.
    const writes = wanted + 2;
    for (let deadly = 1; deadly <= writes; deadly++) {
      // Given a process that dies at its n-th write.
      const receiver = await memoryWith(before);
      await diesAt(deadly, (pace) =>
        transfer(source, index, receiver.reopened({ digest: nodeDigest, pace })),
      );

      // Then the next one has the older snapshot, and lacks what had not come.
      const next = receiver.reopened();
      const found = await next.load();
      expect(found).toMatchObject({ problems: [], isReceived: false });
      expect(encodeCanonical(found.state)).toEqual(encodeCanonical(before.state));
      const { sent, state } = await transfer(source, index, next);
      expect(encodeCanonical(state)).toEqual(encodeCanonical(after.state));
      expect(sent).toBe(wanted - Math.max(0, deadly - 2));
      await keepNewest(next, 1);
      expect(next.indexes()).toEqual([index]);
    }
  });
});

describe('a failed write at the end of a transfer', () => {
  it('is final, and the next process finds a whole snapshot', async () => {
    const { before, after } = twoMoments();
    const source = await storeWith(temporaryFolder(), after);
    const folder = path.join(temporaryFolder(), 'snapshots');
    const store = await storeWith(folder, before);
    const incoming = await offer(source, after.meta.index, store);
    await bring(source, incoming);

    // Given a folder that goes away before the end, as when a disk is unmounted.
    await rename(folder, `${folder}-away`);
    const failed = await incoming.finish().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(SnapshotWriteFailed);
    await rename(`${folder}-away`, folder);
    await expect(incoming.finish()).rejects.toBe(failed);
    await expect(store.save(before.state, before.meta)).rejects.toBe(failed);
    await store.close();

    const next = await openStore(folder);
    const { manifest, problems, state } = await next.load();
    expect(problems).toEqual([]);
    const found = manifest?.index === after.meta.index ? after : before;
    expect(encodeCanonical(state)).toEqual(encodeCanonical(found.state));
    await next.close();
    await source.close();
  });
});

/** A state, and the facts of its snapshot. */
interface Moment {
  readonly state: State;
  readonly meta: SnapshotMeta;
}

function twoMoments(): { readonly before: Moment; readonly after: Moment } {
  const desk = busyDesk();
  const before = { state: desk.state, meta: metaOf(desk) };
  desk.readings({ 'servers.c.cpu': 99, 'servers.d.cpu': 99 }).wait('5m');
  return { before, after: { state: desk.state, meta: metaOf(desk) } };
}

async function storeWith(folder: string, { state, meta }: Moment): Promise<SnapshotStore> {
  const store = await openStore(folder);
  await store.save(state, meta);
  return store;
}

async function memoryWith({ state, meta }: Moment): Promise<MemorySnapshots> {
  const store = new MemorySnapshots({ digest: nodeDigest });
  await store.save(state, meta);
  return store;
}

/** Runs something until its n-th write begins, and never any further. */
function diesAt(
  deadly: number,
  run: (pace: () => Promise<void>) => Promise<unknown>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let writes = 0;
    const pace = (): Promise<void> => {
      if (++writes < deadly) return Promise.resolve();
      resolve();
      return new Promise(() => undefined);
    };
    run(pace).then(() => reject(new Error(`there is no write ${deadly}`)), reject);
  });
}

/** The store holds one snapshot, its chunks, and nothing on its way. */
async function expectOnly(manifest: Manifest, folder: string): Promise<void> {
  await inDatabase(folder, async (db) => {
    const keys = await db.keys(CHUNK_KEYS).all();
    const hashes = keys.map((key) => key.slice(CHUNK_KEYS.gt.length));
    expect(hashes).toEqual(hashesOf(manifest).toSorted());
    expect(await db.keys().all()).not.toContain(INCOMING_KEY);
  });
}
