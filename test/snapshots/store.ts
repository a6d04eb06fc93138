/** Snapshot stores for the stories of this folder: real folders under the system's temporary one. */

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openExistingLevel, type LevelFolder } from '../../src/io/disk/level-open.ts';
import { chunkKey } from '../../src/io/disk/snapshot-format.ts';
import { openSnapshotStore } from '../../src/io/disk/snapshot-store.ts';
import { realPace, type Pace } from '../../src/io/disk/event-loop-yield.ts';
import { droppedFrom } from '../../src/io/node/thinning.ts';
import type { SnapshotMeta, SnapshotStore } from '../../src/io/ports.ts';
import { reducerVersionOf } from '../../src/projections/reducers.ts';
import { EMPTY_CONFIG } from '../../src/raft/confchange.ts';
import { Desk } from '../support/scenario.ts';
import { check, config } from '../support/scenario-config.ts';

const folders: string[] = [];

export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-snapshots-'));
  folders.push(folder);
  return folder;
}

export function removeTemporaryFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** What a crash leaves: LevelDB's writes are in the files, whatever it still has in mind. */
export function crashImage(folder: string): string {
  const image = path.join(temporaryFolder(), 'snapshots');
  cpSync(folder, image, { recursive: true });
  return image;
}

export async function openStore(
  folder: string,
  { pace = realPace, batchBytesMax }: { pace?: Pace; batchBytesMax?: number } = {},
): Promise<SnapshotStore> {
  const options = batchBytesMax === undefined ? { folder } : { folder, batchBytesMax };
  const opened = await openSnapshotStore(options, pace);
  if (!opened.ok) throw new Error(opened.message);
  return opened.store;
}

/** Looks into a store that nobody has open. */
export async function inDatabase(
  folder: string,
  run: (db: LevelFolder) => Promise<unknown>,
): Promise<void> {
  const opened = await openExistingLevel(folder);
  if (!opened.ok) throw new Error(opened.message);
  await run(opened.db);
  await opened.db.close();
}

/** Replaces the bytes of a chunk; null deletes it. */
export async function changeChunk(
  folder: string,
  hash: string,
  change: (bytes: Uint8Array) => Uint8Array | null,
): Promise<void> {
  await inDatabase(folder, async (db) => {
    const changed = change(await db.get(chunkKey(hash)));
    await (changed === null ? db.del(chunkKey(hash)) : db.put(chunkKey(hash), changed));
  });
}

/** The same bytes with one bit flipped, by default in the middle. */
export function flipped(bytes: Uint8Array, at: number = bytes.length >> 1): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** The facts of a snapshot of a desk's state, as the node would give them. */
export function metaOf(desk: Desk): SnapshotMeta {
  return {
    reducerVersion: reducerVersionOf(desk.state),
    clusterId: '6f1d2a5e-0000-4000-8000-000000000001',
    index: desk.log.length,
    term: 1,
    at: desk.now,
    chain: '00'.repeat(32),
    config: { index: 0, confState: { ...EMPTY_CONFIG, voters: ['node-1'] } },
  };
}

/** A desk with a bit of everything: checks, breaches, alerts, groups, a silence, what was told. */
export function busyDesk(): Desk {
  const desk = new Desk({
    config: config({
      checks: [
        check({ for: '1m' }),
        check({ name: 'Quiet', series: 'backup.*', missing: '10m', labels: { severity: 'page' } }),
      ],
    }),
  });
  return desk
    .readings({ 'servers.a.cpu': 99, 'servers.b.cpu': 10, 'backup.nightly': 1 })
    .push({ alertname: 'DiskFull', instance: 'db-1' }, { annotations: { summary: 'fast voll' } })
    .push({ alertname: 'DiskFull', instance: 'db-2' })
    .silence('s-1', ['instance="db-2"'], { until: '2:00:00' })
    .at('2:00')
    .reading('servers.b.cpu', 95);
}

/** Leaves the newest `keep` good snapshots. */
export async function keepNewest(store: SnapshotStore, keep: number): Promise<void> {
  const stock = await store.list();
  const kept = stock.good.map(({ index }) => index).slice(stock.good.length - keep);
  await store.drop(droppedFrom(stock, kept));
}
