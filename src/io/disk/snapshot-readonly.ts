/**
 * A snapshot store opened for reading only, in place, for the tools.
 *
 * Promise: nothing is written or locked, neither in the store nor elsewhere, even while a daemon
 * writes to it; what is read is of one moment. A damaged store is read as far as it goes: every
 * page is proved by its hash, so one from a damaged store is as good as any.
 */

import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Manifest } from '../ports.ts';
import { readLevel, type LevelReader } from './leveldb/reader.ts';
import type { DecodedManifest } from './snapshot-format.ts';
import { lostSnapshot, newestIn, newestIndex } from './snapshot-newest.ts';
import {
  listSnapshots,
  readManifest,
  readPages,
  type ReadPage,
  type SnapshotListing,
} from './snapshot-read.ts';

export interface ReadOnlyListing extends SnapshotListing {
  /** A snapshot that was saved last and is not in the list, which is one of the problems. */
  readonly lost: number | null;
}

export interface ReadOnlySnapshots {
  readonly folder: string;
  /** Its problems begin with what is damaged in the files of the database. */
  list(): Promise<ReadOnlyListing>;
  manifest(index: number): Promise<DecodedManifest>;
  pages(manifest: Manifest): AsyncGenerator<ReadPage>;
  close(): Promise<void>;
}

export type OpenedReadOnlySnapshots =
  | { readonly ok: true; readonly snapshots: ReadOnlySnapshots }
  | {
      readonly ok: false;
      readonly code: 'missing' | 'damaged' | 'failed';
      readonly message: string;
    };

/** Opens the store of a data directory, or a store's own folder. */
export async function openSnapshotsReadOnly(directory: string): Promise<OpenedReadOnlySnapshots> {
  try {
    const folder = await storeFolderIn(directory);
    // Read first: the daemon writes it last, so what it names is in what is read after it.
    const newest = await newestIn(folder);
    const level = await readLevel(folder);
    if (level !== null) return { ok: true, snapshots: reader(folder, level, newest) };
    const lost = lostSnapshot(newest, []);
    return lost === null
      ? { ok: false, code: 'missing', message: `there is no snapshot store in ${folder}` }
      : { ok: false, code: 'damaged', message: `${folder}: ${lost}` };
  } catch (error) {
    return refusal(directory, error as NodeJS.ErrnoException);
  }
}

function refusal(directory: string, error: NodeJS.ErrnoException): OpenedReadOnlySnapshots {
  switch (error.code) {
    case 'ENOENT':
      return { ok: false, code: 'missing', message: `there is no directory ${directory}` };
    case 'ENOTDIR':
      return {
        ok: false,
        code: 'failed',
        message: `${directory} is a file: name the directory that \`tocsin start --data-dir\` was given`,
      };
    case 'EMFILE':
      return {
        ok: false,
        code: 'failed',
        message: `${directory} has more files than this process may open: raise \`ulimit -n\``,
      };
    default:
      return {
        ok: false,
        code: 'failed',
        message: `${directory} cannot be read: ${error.message}`,
      };
  }
}

async function storeFolderIn(directory: string): Promise<string> {
  const inside = path.join(directory, 'snapshots');
  try {
    return (await stat(inside)).isDirectory() ? inside : directory;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return directory;
    throw error;
  }
}

function reader(folder: string, level: LevelReader, newest: string | null): ReadOnlySnapshots {
  return {
    folder,
    list: async () => {
      const { indexes, problems } = await listSnapshots(level);
      const inFiles = level.problems.map((problem) => `${folder}: ${problem}`);
      const lost = lostSnapshot(newest, indexes);
      return {
        indexes,
        problems: [...inFiles, ...(lost === null ? [] : [lost]), ...problems],
        lost: lost === null ? null : newestIndex(newest),
      };
    },
    manifest: (index) => readManifest(level, index),
    pages: (manifest) => readPages(level, manifest),
    close: () => level.close(),
  };
}
