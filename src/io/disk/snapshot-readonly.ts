/**
 * A snapshot store opened for reading only, on a private copy, for the tools.
 *
 * Promise: the original is not touched, even while a daemon writes to it. A store that LevelDB
 * refuses is salvaged in the copy and read as far as it goes: every page is proved by its hash, so
 * a salvaged page is as good as any.
 */

import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Manifest } from '../ports.ts';
import { copyLevel, type LevelCopy } from './level-copy.ts';
import { openExistingLevel, salvageLevel, type LevelFolder } from './level-open.ts';
import type { DecodedManifest } from './snapshot-format.ts';
import { lostSnapshot } from './snapshot-newest.ts';
import {
  listSnapshots,
  readManifest,
  readPages,
  type ReadPage,
  type SnapshotListing,
} from './snapshot-read.ts';

export interface ReadOnlySnapshots {
  /** The original folder. */
  readonly folder: string;
  /** What LevelDB said when it refused the copy, or null when it opened. */
  readonly refusal: string | null;
  list(): Promise<SnapshotListing>;
  manifest(index: number): Promise<DecodedManifest>;
  pages(manifest: Manifest): AsyncGenerator<ReadPage>;
  /** Closes the copy and removes it. */
  close(): Promise<void>;
}

export type OpenedReadOnlySnapshots =
  | { readonly ok: true; readonly snapshots: ReadOnlySnapshots }
  | {
      readonly ok: false;
      readonly code: 'missing' | 'busy' | 'damaged' | 'failed';
      readonly message: string;
    };

/** Opens the store of a data directory, or a store's own folder. */
export async function openSnapshotsReadOnly(directory: string): Promise<OpenedReadOnlySnapshots> {
  const folder = await storeFolderIn(directory);
  const copied = await copyLevel(folder);
  if (!copied.ok) return copied;
  const { copy } = copied;
  const first = await openExistingLevel(copy.folder);
  if (first.ok) return { ok: true, snapshots: reader(folder, null, first.db, copy) };
  const refusal = first.message.replaceAll(copy.folder, folder);
  if (await salvageLevel(copy.folder)) {
    const second = await openExistingLevel(copy.folder);
    if (second.ok) {
      return { ok: true, snapshots: reader(folder, refusal, second.db, copy) };
    }
  }
  await copy.remove();
  return { ok: false, code: first.code === 'damaged' ? 'damaged' : 'failed', message: refusal };
}

async function storeFolderIn(directory: string): Promise<string> {
  const inside = path.join(directory, 'snapshots');
  const isThere = await stat(inside).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  return isThere ? inside : directory;
}

function reader(
  folder: string,
  refusal: string | null,
  db: LevelFolder,
  copy: LevelCopy,
): ReadOnlySnapshots {
  return {
    folder,
    refusal,
    list: async () => {
      const { indexes, problems } = await listSnapshots(db);
      const lost = await lostSnapshot(copy.folder, indexes);
      return { indexes, problems: lost === null ? problems : [lost, ...problems] };
    },
    manifest: (index) => readManifest(db, index),
    pages: (manifest) => readPages(db, manifest),
    close: async () => {
      await db.close();
      await copy.remove();
    },
  };
}
