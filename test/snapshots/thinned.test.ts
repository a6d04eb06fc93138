/** What a store knows of its snapshots, and what it gives back when some of them go. */

import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { closeMachines, KINDS, transfer } from './machines.ts';
import {
  busyDesk,
  inDatabase,
  metaOf,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(async () => {
  await closeMachines();
  removeTemporaryFolders();
});

describe.for(KINDS)('a store %s', ([, kind]) => {
  it('adds up the readings between snapshots, also over a restart', async () => {
    const machine = await kind.machine();
    const desk = busyDesk();
    await machine.store.save(desk.state, { ...metaOf(desk), index: 10 }, { since: 0, count: 7 });
    await machine.restart();
    await machine.store.save(desk.state, { ...metaOf(desk), index: 20 }, { since: 10, count: 5 });
    const { good } = await machine.store.list();
    expect(good.map(({ index, readings }) => [index, readings])).toEqual([
      [10, 7],
      [20, 12],
    ]);
  });

  it('does not know the readings of a snapshot that nobody counted, and goes on after it', async () => {
    const [leader, follower] = [await kind.machine(), await kind.machine()];
    const desk = busyDesk();
    await leader.store.save(desk.state, { ...metaOf(desk), index: 30 }, { since: 0, count: 9 });
    await follower.store.save(desk.state, { ...metaOf(desk), index: 10 }, { since: 0, count: 3 });
    await follower.store.save(desk.state, { ...metaOf(desk), index: 20 });
    await transfer(leader.store, 30, follower.store);
    await follower.store.save(desk.state, { ...metaOf(desk), index: 40 }, { since: 30, count: 2 });
    const { good } = await follower.store.list();
    expect(good.map(({ readings }) => readings)).toEqual([3, null, null, 5]);
  });

  it('drops what it is told from the midst, and loads what stays', async () => {
    const machine = await kind.machine();
    const desk = busyDesk();
    for (const index of [10, 20, 30]) {
      desk.reading(`servers.n${index}.cpu`, 99);
      await machine.store.save(desk.state, { ...metaOf(desk), index });
    }
    await machine.store.drop([20, 99]);
    await machine.restart();
    const { good, damaged } = await machine.store.list();
    expect(good.map(({ index }) => index)).toEqual([10, 30]);
    expect(damaged).toEqual([]);
    expect((await machine.store.load()).state).toEqual(desk.state);
  });
});

describe('a store in LevelDB', () => {
  it('gives back to the disk what was dropped', async () => {
    const store = await openStore(path.join(temporaryFolder(), 'snapshots'));
    const desk = busyDesk();
    for (let index = 10; index <= 100; index += 10) {
      const names = Array.from({ length: 500 }, (_, i) => `servers.n${index}x${i}.cpu`);
      desk.readings(Object.fromEntries(names.map((name) => [name, 1])));
      await store.save(desk.state, { ...metaOf(desk), index });
    }
    const before = await store.bytes();
    const { good } = await store.list();
    await store.drop(good.slice(0, -1).map(({ index }) => index));
    expect(await store.reclaim()).toBe(true);
    expect(await store.bytes()).toBeLessThan(before);
    expect(await store.reclaim()).toBe(false);
    expect((await store.load()).state).toEqual(desk.state);
    await store.close();
  });

  it('of an earlier build, which counted nothing, is listed without counts', async () => {
    const folder = path.join(temporaryFolder(), 'snapshots');
    const before = await openStore(folder);
    const desk = busyDesk();
    await before.save(desk.state, { ...metaOf(desk), index: 10 }, { since: 0, count: 7 });
    await before.close();
    await inDatabase(folder, (db) => db.del('readings/0000000000000010'));
    const store = await openStore(folder);
    expect((await store.list()).good).toEqual([{ index: 10, at: desk.now, readings: null }]);
    await store.close();
  });
});
