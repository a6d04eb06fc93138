/** A bit of a snapshot flips while nobody has it open: what the next process makes of that. */

import { afterEach, describe, expect, it } from 'vitest';
import { encodeCanonical } from '../../src/log/codec.ts';
import { REDUCERS_MAX } from '../../src/projections/reducers.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { pagesOf } from '../../src/projections/snapshot-pages.ts';
import type { State } from '../../src/projections/state.ts';
import { closeMachines, hashesOf, KINDS, storedOf, type Kind, type Machine } from './machines.ts';
import { busyDesk, metaOf, keepNewest, removeTemporaryFolders } from './store.ts';

afterEach(async () => {
  await closeMachines();
  removeTemporaryFolders();
});

describe.each(KINDS)('a store %s in which a bit has flipped', (_, kind) => {
  it('of any page: it is named, and the newest snapshot without it is used', async () => {
    const { saved } = await twoSnapshots(kind);
    const [older, newer] = saved;
    for (const hash of hashesOf(newer.manifest)) {
      const { machine } = await twoSnapshots(kind);
      await machine.restart({ page: hash });
      const { manifest, state, problems } = await machine.store.load();
      const isShared = hashesOf(older.manifest).includes(hash);
      expect(manifest?.index).toBe(isShared ? undefined : older.manifest.index);
      expect(bytesOf(state)).toEqual(bytesOf(isShared ? INITIAL_STATE : older.state));
      expect(problems[0]).toMatch(
        new RegExp(`^snapshot ${newer.manifest.index}: page .* is damaged`),
      );
      expect(problems).toHaveLength(isShared ? 2 : 1);
    }
  }, 60_000);

  it('of a manifest: it is named, kept as evidence, not sent, and not believed', async () => {
    const { machine, saved } = await twoSnapshots(kind);
    const [older, newer] = saved;
    const { index } = newer.manifest;
    await machine.restart({ manifest: index });
    const { manifest, problems } = await machine.store.load();
    expect(manifest).toEqual(older.manifest);
    expect(problems).toEqual([
      expect.stringContaining(`snapshot ${index}: its manifest is damaged`),
    ]);
    expect(await machine.store.manifestBytes(index)).toBeNull();

    await keepNewest(machine.store, 1);
    await machine.restart();
    expect(await machine.store.load()).toMatchObject({ manifest: older.manifest, problems });
    expect(await storedOf(machine.store, hashesOf(newer.manifest))).toEqual(
      hashesOf(newer.manifest),
    );
  });

  it('of a snapshot that is taken again: that repairs it', async () => {
    for (const place of ['manifest', 'page'] as const) {
      const { machine, saved } = await twoSnapshots(kind);
      const [older, newer] = saved;
      const [own = ''] = hashesOf(newer.manifest).filter((hash) => {
        return !hashesOf(older.manifest).includes(hash);
      });
      await machine.restart(
        place === 'manifest' ? { manifest: newer.manifest.index } : { page: own },
      );
      await machine.store.load();
      await machine.store.save(newer.state, newer.manifest);
      await machine.restart();
      expect(await machine.store.load()).toMatchObject({ manifest: newer.manifest, problems: [] });
    }
  });

  it('of a page that nobody has looked at since: a snapshot that has it, too, writes it again', async () => {
    const { machine, saved } = await twoSnapshots(kind);
    const [older, newer] = saved;
    const [rotten = ''] = hashesOf(older.manifest).filter((hash) => {
      return !hashesOf(newer.manifest).includes(hash);
    });
    await machine.restart({ page: rotten });
    expect(await machine.store.load()).toMatchObject({ manifest: newer.manifest, problems: [] });

    // The state is again what it was.
    const index = newer.manifest.index + 1;
    const again = await machine.store.save(older.state, { ...older.manifest, index });
    await machine.restart();
    expect(await machine.store.load()).toMatchObject({ manifest: again.manifest, problems: [] });
  });
});

describe.each(KINDS)('a store %s of a newer build', (_, kind) => {
  it('is not opened, even where an older snapshot could be used', async () => {
    const { machine, saved } = await twoSnapshots(kind);
    const [, { manifest, state }] = saved;
    const index = manifest.index + 1;
    await machine.store.save(state, { ...manifest, index, reducerVersion: REDUCERS_MAX + 1 });
    await expect(machine.restart()).rejects.toThrow(
      new RegExp(`snapshot ${index}: it .*folded by version ${REDUCERS_MAX + 1}.*newer tocsin`),
    );
  });
});

/** Two snapshots of one growing desk. */
async function twoSnapshots(kind: Kind) {
  const machine: Machine = await kind.machine();
  const desk = busyDesk();
  const save = async (name: string) => {
    desk.reading(`servers.${name}.cpu`, 99).wait('2m');
    const { manifest } = await machine.store.save(desk.state, metaOf(desk));
    return { manifest, state: desk.state };
  };
  return { machine, saved: [await save('c'), await save('d')] as const };
}

function bytesOf(state: State): readonly Uint8Array[] {
  return [...pagesOf(state)].map(({ path, page }) => encodeCanonical([path, page]));
}
