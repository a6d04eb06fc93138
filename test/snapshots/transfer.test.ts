/** A snapshot goes from one member to another: only what lacks, once, and never a wrong state. */

import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { manifestKey } from '../../src/io/disk/snapshot-format.ts';
import type { Manifest } from '../../src/io/ports.ts';
import { encodeCanonical } from '../../src/log/codec.ts';
import { REDUCERS_MAX } from '../../src/projections/reducers.ts';
import type { State } from '../../src/projections/state.ts';
import type { Desk } from '../support/scenario.ts';
import {
  bring,
  chunkOf,
  closeMachines,
  hashesOf,
  KINDS,
  offer,
  storedOf,
  transfer,
  type Kind,
  type Machine,
} from './machines.ts';
import {
  busyDesk,
  crashImage,
  flipped,
  inDatabase,
  metaOf,
  keepNewest,
  openStore,
  removeTemporaryFolders,
  temporaryFolder,
} from './store.ts';

afterEach(async () => {
  await closeMachines();
  removeTemporaryFolders();
});

describe.each(KINDS)('a snapshot that travels between stores %s', (_, kind) => {
  it('brings a member that has nothing to the same state', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();

    const { state, manifest, sent } = await transfer(leader.store, newer.index, follower.store);
    expect(sent).toBe(hashesOf(newer).length);
    expect(manifest).toEqual(newer);
    expect(bytesOf(state)).toEqual(bytesOf(desk.state));

    // And it is there for the next process, which is told that it is not of its own log.
    await follower.restart();
    const loaded = await follower.store.load();
    expect(loaded).toMatchObject({ manifest: newer, problems: [], isReceived: true });
    expect(bytesOf(loaded.state)).toEqual(bytesOf(desk.state));
  });

  it('sends only what the other lacks, and leaves its older snapshot alone', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await transfer(leader.store, older.index, follower.store);

    const incoming = await offer(leader.store, newer.index, follower.store);
    const has = new Set(hashesOf(older));
    expect(incoming.missing()).toEqual(hashesOf(newer).filter((hash) => !has.has(hash)));
    expect(incoming.missing().length).toBeLessThan(has.size);
    await bring(leader.store, incoming);
    await incoming.finish();
    expect(await follower.store.manifestBytes(older.index)).not.toBeNull();
    expect((await follower.store.load()).manifest).toEqual(newer);
  });

  it('goes on from member to member', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const [second, third] = [await kind.machine(), await kind.machine()];
    await transfer(leader.store, newer.index, second.store);
    const { state } = await transfer(second.store, newer.index, third.store);
    expect(bytesOf(state)).toEqual(bytesOf(desk.state));
  });

  it('makes the next save cost what changed, no more', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const { state } = await transfer(leader.store, newer.index, follower.store);
    const same = await follower.store.save(state, { ...metaOf(desk), index: newer.index + 1 });
    expect(same.chunksWritten).toBe(0);
    expect(same.manifest.root).toBe(newer.root);

    desk.reading('servers.z.cpu', 1);
    const onLeader = await leader.store.save(desk.state, metaOf(desk));
    const index = newer.index + 2;
    const onFollower = await follower.store.save(desk.state, { ...metaOf(desk), index });
    expect(onFollower.chunksWritten).toBe(onLeader.chunksWritten);
    expect((await follower.store.load()).isReceived).toBe(false);
  });
});

describe.each(KINDS)('a snapshot %s that came from another member', (_, kind) => {
  it('is pruned like any other, with its chunks', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await keepNewest(follower.store, 1);
    await transfer(leader.store, older.index, follower.store);
    await transfer(leader.store, newer.index, follower.store);
    await keepNewest(follower.store, 1);
    expect(await follower.store.manifestBytes(older.index)).toBeNull();
    expect(await storedOf(follower.store, hashesOf(older))).toEqual(shared(older, newer));
  });

  it('is gone after that, and can come again', async () => {
    const { leader, desk, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await keepNewest(follower.store, 1);
    await transfer(leader.store, older.index, follower.store);
    await follower.store.save(desk.state, metaOf(desk));
    await keepNewest(follower.store, 1);
    expect(await storedOf(follower.store, hashesOf(older))).toEqual(shared(older, newer));

    const { sent } = await transfer(leader.store, older.index, follower.store);
    expect(sent).toBe(hashesOf(older).length - shared(older, newer).length);
  });

  it('takes the place of one of the same index, and its chunks go', async () => {
    const { leader, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await keepNewest(follower.store, 1);
    const own = busyDesk();
    const { index } = newer;
    const { manifest } = await follower.store.save(own.state, { ...metaOf(own), index });
    await transfer(leader.store, index, follower.store);
    await keepNewest(follower.store, 1);
    expect(await follower.store.load()).toMatchObject({ manifest: newer, isReceived: true });
    expect(await storedOf(follower.store, hashesOf(manifest))).toEqual(shared(manifest, newer));
  });

  it('was not received any more once this member has saved one of its own in its place', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const { state } = await transfer(leader.store, newer.index, follower.store);
    await follower.store.save(state, { ...metaOf(desk), term: 2, index: newer.index });
    expect((await follower.store.load()).isReceived).toBe(false);
  });
});

describe.each(KINDS)('a transfer %s that is broken off', (_, kind) => {
  it('goes on with what lacks when it is offered again', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const first = await offer(leader.store, newer.index, follower.store);
    const half = first.missing().slice(0, first.missing().length >> 1);
    await bring(leader.store, first, half);

    const again = await offer(leader.store, newer.index, follower.store);
    expect(again.missing()).toEqual(hashesOf(newer).filter((hash) => !half.includes(hash)));
    await bring(leader.store, again);
    expect(bytesOf(await again.finish())).toEqual(bytesOf(desk.state));
  });

  it('goes on in the next process, which has nothing to complain about', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const first = await offer(leader.store, newer.index, follower.store);
    const half = first.missing().slice(0, first.missing().length >> 1);
    await bring(leader.store, first, half);
    await follower.restart();
    expect(await follower.store.load()).toMatchObject({ manifest: null, problems: [] });

    const again = await offer(leader.store, newer.index, follower.store);
    expect(again.missing()).toEqual(hashesOf(newer).filter((hash) => !half.includes(hash)));
    await bring(leader.store, again);
    expect(bytesOf(await again.finish())).toEqual(bytesOf(desk.state));
  });

  it('keeps its chunks while the member saves and prunes, and restarts, and prunes', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await transfer(leader.store, older.index, follower.store);
    const first = await offer(leader.store, newer.index, follower.store);
    const [one = '', two = '', ...rest] = first.missing();
    await keepNewest(follower.store, 1);
    await bring(leader.store, first, [one]);
    const own = busyDesk().wait('1m');
    await follower.store.save(own.state, { ...metaOf(own), index: newer.index - 1 });
    await keepNewest(follower.store, 1);
    await bring(leader.store, first, [two]);
    await follower.restart();
    await keepNewest(follower.store, 1);

    // Then no chunk has to come twice, not even one that had come for the pruned snapshot.
    const again = await offer(leader.store, newer.index, follower.store);
    expect(again.missing()).toEqual(rest);
    await bring(leader.store, again);
    await again.finish();
    await keepNewest(follower.store, 1);
    expect(await follower.store.load()).toMatchObject({ manifest: newer, problems: [] });
  });

  it('is forgotten when another snapshot is taken in, with the chunks that only it has', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const abandoned = await offer(leader.store, older.index, follower.store);
    await bring(leader.store, abandoned, abandoned.missing().slice(1));
    const [late = ''] = abandoned.missing();

    const incoming = await offer(leader.store, newer.index, follower.store);
    // A chunk that was still on its way for the old one is not stored any more.
    await abandoned.put([[late, await chunkOf(leader.store, late)]]);
    expect(abandoned.missing()).toEqual([late]);
    await expect(abandoned.finish()).rejects.toThrow('not on its way in any more');

    await bring(leader.store, incoming);
    await incoming.finish();
    await keepNewest(follower.store, 1);
    expect(await storedOf(follower.store, hashesOf(older))).toEqual(shared(older, newer));
    expect(await storedOf(follower.store, hashesOf(newer))).toEqual(hashesOf(newer));
  });

  it('is forgotten at once when the member has counted its chunks before', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await keepNewest(follower.store, 1);
    const abandoned = await offer(leader.store, older.index, follower.store);
    await bring(leader.store, abandoned);
    await offer(leader.store, newer.index, follower.store);
    await keepNewest(follower.store, 1);
    expect(await storedOf(follower.store, hashesOf(older))).toEqual(shared(older, newer));
  });

  it('is forgotten by the next process when the log has brought the member further', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const incoming = await offer(leader.store, older.index, follower.store);
    await bring(leader.store, incoming);
    const own = busyDesk().wait('1m');
    const meta = { ...metaOf(own), index: newer.index };
    const { manifest } = await follower.store.save(own.state, meta);
    // This process may still be sent the rest.
    await keepNewest(follower.store, 1);
    expect(await storedOf(follower.store, hashesOf(older))).toEqual(hashesOf(older));

    await follower.restart();
    await keepNewest(follower.store, 1);
    expect(await storedOf(follower.store, hashesOf(older))).toEqual(shared(older, manifest));
  });
});

describe.each(KINDS)('what arrives %s and is not what it should be', (_, kind) => {
  it('each chunk in turn, with one bit flipped: it is ignored, and asked for again', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    for (const hash of hashesOf(newer)) {
      const follower = await kind.machine();
      const incoming = await offer(leader.store, newer.index, follower.store);
      const all = await Promise.all(
        incoming.missing().map(async (each) => [each, await chunkOf(leader.store, each)] as const),
      );
      await incoming.put(
        all.map(([each, bytes]) => [each, each === hash ? flipped(bytes) : bytes]),
      );
      expect(incoming.missing()).toEqual([hash]);
      expect(await follower.store.chunk(hash)).toBeNull();
      await expect(incoming.finish()).rejects.toThrow(/1 chunks/);
      await bring(leader.store, incoming);
      expect(bytesOf(await incoming.finish())).toEqual(bytesOf(desk.state));
    }
  }, 60_000);

  it('a chunk that nobody asked for is not stored', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const incoming = await offer(leader.store, newer.index, follower.store);
    const [stranger = ''] = hashesOf(older).filter((hash) => !hashesOf(newer).includes(hash));
    await incoming.put([[stranger, await chunkOf(leader.store, stranger)]]);
    expect(await follower.store.chunk(stranger)).toBeNull();
    expect(incoming.missing()).toEqual(hashesOf(newer));
  });

  it('a manifest with any byte flipped is refused with a sentence', async () => {
    const { leader, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const bytes = (await leader.store.manifestBytes(newer.index)) ?? new Uint8Array();
    for (let at = 0; at < bytes.length; at++) {
      const taken = await follower.store.receive(flipped(bytes, at));
      expect(taken).toEqual({ ok: false, problem: expect.stringContaining('manifest is damaged') });
    }
    for (const length of [0, 31, 32, bytes.length - 1]) {
      expect(await follower.store.receive(bytes.subarray(0, length))).toMatchObject({ ok: false });
    }
  });

  it.each([
    ['format', (manifest: Manifest) => ({ ...manifest, format: manifest.format + 1 })],
    ['fold', (manifest: Manifest) => ({ ...manifest, reducerVersion: REDUCERS_MAX + 1 })],
  ])('a manifest of a newer %s is refused with a sentence', async (_what, made) => {
    const { leader, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const ongoing = await offer(leader.store, newer.index, follower.store);
    const taken = await follower.store.receive(kind.manifestBytes(made(newer)));
    expect(taken).toEqual({ ok: false, problem: expect.stringContaining('newer tocsin') });
    // And what was on its way goes on.
    await bring(leader.store, ongoing);
    await ongoing.finish();
  });

  it('chunks that are whole, but no state, leave the older snapshot', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    await transfer(leader.store, older.index, follower.store);
    const renamed = (page: string) => page.replace(/^alerts/, 'zebras');
    const chunks = newer.chunks.map(([page, hash]) => [renamed(page), hash] as const);
    const strange = { ...newer, chunks };
    const taken = await follower.store.receive(kind.manifestBytes(strange));
    if (!taken.ok) throw new Error(taken.problem);
    await bring(leader.store, taken.incoming);
    await expect(taken.incoming.finish()).rejects.toThrow('belongs to no part of the state');

    expect(await follower.store.manifestBytes(newer.index)).toBeNull();
    await follower.restart();
    expect(await follower.store.load()).toMatchObject({ manifest: older, problems: [] });
  });

  it('a chunk that rots between its arrival and the end is asked for again', async () => {
    // Given bytes that change after they were checked and before they are stored.
    const { leader, desk, newer } = await leaderWithTwo(kind);
    let rot: Uint8Array = new Uint8Array(1);
    const follower = await kind.machine(() => {
      rot[rot.length >> 1] = 0xc1;
    });
    const incoming = await offer(leader.store, newer.index, follower.store);
    const [hash = '', next = ''] = incoming.missing();
    const bytes = Uint8Array.from(await chunkOf(leader.store, hash));
    rot = bytes;
    await incoming.put([
      [hash, bytes],
      [next, await chunkOf(leader.store, next)],
    ]);
    rot = new Uint8Array(1);
    await bring(leader.store, incoming);
    expect(incoming.missing()).toEqual([]);

    // Then it is not believed, and can be brought once more.
    await expect(incoming.finish()).rejects.toThrow(/is damaged/);
    expect(incoming.missing()).toEqual([hash]);
    await bring(leader.store, incoming);
    expect(bytesOf(await incoming.finish())).toEqual(bytesOf(desk.state));
  });

  it('bytes of the sender may be used for other things once they were stored', async () => {
    const { leader, desk, newer } = await leaderWithTwo(kind);
    const follower = await kind.machine();
    const manifest = Uint8Array.from((await leader.store.manifestBytes(newer.index)) ?? []);
    const taken = await follower.store.receive(manifest);
    if (!taken.ok) throw new Error(taken.problem);
    manifest.fill(0);
    for (const hash of taken.incoming.missing()) {
      const bytes = Uint8Array.from(await chunkOf(leader.store, hash));
      await taken.incoming.put([[hash, bytes]]);
      bytes.fill(0);
    }
    expect(bytesOf(await taken.incoming.finish())).toEqual(bytesOf(desk.state));
    await follower.restart();
    expect(await follower.store.load()).toMatchObject({ manifest: newer, problems: [] });
  });
});

describe.each(KINDS)('a store %s that sends', (_, kind) => {
  it('has no manifest and no chunk that it does not keep', async () => {
    const { leader, older, newer } = await leaderWithTwo(kind);
    expect(await leader.store.manifestBytes(999)).toBeNull();
    expect(await leader.store.chunk('ab'.repeat(32))).toBeNull();
    await keepNewest(leader.store, 1);
    expect(await leader.store.manifestBytes(older.index)).toBeNull();
    expect(await leader.store.manifestBytes(newer.index)).not.toBeNull();
  });

  it('sends no chunk that has rotted, and its next save repairs it', async () => {
    // Given a store that has stored a chunk, and finds only when it is to send it that it rotted.
    const { leader, desk, newer } = await leaderWithTwo(kind);
    let rot: Uint8Array = new Uint8Array(1);
    const second = await kind.machine(() => {
      rot[rot.length >> 1] = 0xc1;
    });
    const incoming = await offer(leader.store, newer.index, second.store);
    const [hash = ''] = incoming.missing();
    rot = Uint8Array.from(await chunkOf(leader.store, hash));
    await incoming.put([[hash, rot]]);
    rot = new Uint8Array(1);
    expect(incoming.missing()).not.toContain(hash);
    expect(await second.store.chunk(hash)).toBeNull();

    const { manifest } = await second.store.save(desk.state, metaOf(desk));
    expect(await second.store.chunk(hash)).not.toBeNull();
    expect(await second.store.load()).toMatchObject({ manifest, problems: [] });
  });
});

describe('a store in LevelDB that sends', () => {
  it('sends no manifest that has rotted, or that lies under the index of another', async () => {
    const folder = path.join(temporaryFolder(), 'snapshots');
    const desk = busyDesk();
    const store = await openStore(folder);
    const { index } = (await store.save(desk.state, metaOf(desk))).manifest;
    await store.close();
    await inDatabase(folder, async (db) => {
      const bytes = await db.get(manifestKey(index));
      await db.put(manifestKey(index), flipped(bytes));
      await db.put(manifestKey(index + 1), bytes);
    });
    const again = await openStore(folder);
    expect(await again.manifestBytes(index)).toBeNull();
    expect(await again.manifestBytes(index + 1)).toBeNull();
    await again.close();
  });

  it('sends what an older build has stored', async () => {
    const golden = path.resolve(import.meta.dirname, '../../snapshots/golden/v1/store');
    const [sender, receiver] = [
      await openStore(crashImage(golden)),
      await openStore(temporaryFolder()),
    ];
    const { manifest, state } = await sender.load();
    const received = await transfer(sender, manifest?.index ?? 0, receiver);
    expect(bytesOf(received.state)).toEqual(bytesOf(state));
    expect((await receiver.load()).manifest).toEqual(manifest);
    await sender.close();
    await receiver.close();
  });

  it('and is closed meanwhile, has nothing more to send', async () => {
    const desk = busyDesk();
    const store = await openStore(temporaryFolder());
    const { manifest } = await store.save(desk.state, metaOf(desk));
    await store.close();
    expect(await store.manifestBytes(manifest.index)).toBeNull();
    expect(await store.chunk(hashesOf(manifest)[0] ?? '')).toBeNull();
  });
});

interface Led {
  readonly leader: Machine;
  readonly desk: Desk;
  readonly older: Manifest;
  readonly newer: Manifest;
}

/** A leader with two snapshots, of which the newer one is the present state of the desk. */
async function leaderWithTwo(kind: Kind): Promise<Led> {
  const leader = await kind.machine();
  const desk = busyDesk();
  const first = await leader.store.save(desk.state, metaOf(desk));
  desk.readings({ 'servers.c.cpu': 99, 'servers.d.cpu': 99 }).wait('5m');
  const second = await leader.store.save(desk.state, metaOf(desk));
  return { leader, desk, older: first.manifest, newer: second.manifest };
}

/** Chunks of one snapshot that another has, too; they never have all in common. */
function shared(one: Manifest, other: Manifest): readonly string[] {
  const common = hashesOf(one).filter((hash) => hashesOf(other).includes(hash));
  if (common.length === hashesOf(one).length) throw new Error('this story needs a difference');
  return common;
}

function bytesOf(state: State): Uint8Array {
  return encodeCanonical(state);
}
