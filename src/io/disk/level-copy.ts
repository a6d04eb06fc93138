/**
 * A private copy of a LevelDB folder, so that tools can read a store that a daemon holds: LevelDB
 * has no read-only open, and opening rewrites files.
 *
 * Promise: the copy is of one moment, and the original is not touched. A copy during which a file
 * vanished is thrown away and taken again.
 */

import { constants, rmSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { filesIn } from './level-open.ts';

export interface LevelCopy {
  readonly folder: string;
  remove(): Promise<void>;
}

export type CopiedLevel =
  | { readonly ok: true; readonly copy: LevelCopy }
  | { readonly ok: false; readonly code: 'missing' | 'busy' | 'failed'; readonly message: string };

/** LevelDB replaces files every few megabytes written; a copy takes milliseconds. */
const TRIES_MAX = 50;

/** Copies the database in `folder` to a new folder that only this user can read. */
export async function copyLevel(folder: string): Promise<CopiedLevel> {
  const target = await mkdtemp(path.join(tmpdir(), 'tocsin-copy-'));
  leftOver.add(target);
  const copy = { folder: target, remove: () => removeCopy(target) };
  try {
    for (let attempt = 1; attempt <= TRIES_MAX; attempt++) {
      const files = await databaseFilesIn(folder);
      if (files.length === 0) break;
      if (await copyAll(files, folder, target)) return { ok: true, copy };
      await removeAll(target);
    }
  } catch (error) {
    await copy.remove();
    const { message } = error as Error;
    return { ok: false, code: 'failed', message: `${folder} cannot be copied: ${message}` };
  }
  await copy.remove();
  return (await databaseFilesIn(folder)).length > 0
    ? {
        ok: false,
        code: 'busy',
        message: `${folder} changes faster than it can be copied: try again`,
      }
    : { ok: false, code: 'missing', message: `there is no snapshot store in ${folder}` };
}

/** Copies that a tool that ends early would leave behind; they hold configurations. */
const leftOver = new Set<string>();

process.once('exit', () => {
  for (const folder of leftOver) rmSync(folder, { recursive: true, force: true });
});

async function removeCopy(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  leftOver.delete(folder);
}

async function removeAll(folder: string): Promise<void> {
  for (const name of (await filesIn(folder)) ?? []) await rm(path.join(folder, name));
}

/**
 * What a database consists of, in the order in which it must be copied: see {@link copyAll}. A
 * file in capitals is LevelDB's, or one that its owner put beside it; LOCK and LOG say nothing.
 */
async function databaseFilesIn(folder: string): Promise<readonly string[]> {
  const files = (await filesIn(folder)) ?? [];
  return [/^(?!LOCK$|LOG$)[A-Z]+$/, /^MANIFEST-\d+$/, /^\d+\.(ldb|sst)$/, /^\d+\.log$/].flatMap(
    (kind) => files.filter((name) => kind.test(name)),
  );
}

/**
 * Copies the files; false when one of them vanished meanwhile.
 *
 * The order makes the copy consistent: a manifest names only tables that are complete, so it comes
 * before them; logs come last, since more of a log is only more recent. A log or table that LevelDB
 * replaced in between is gone afterwards, which is how that is noticed.
 */
async function copyAll(files: readonly string[], from: string, to: string): Promise<boolean> {
  try {
    for (const name of files) await copyOne(path.join(from, name), path.join(to, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  const after = new Set(await databaseFilesIn(from));
  return files.every((name) => after.has(name));
}

/**
 * Never a hard link, although tables do not change: LevelDB in the copy may give a table of its own
 * the number of one that is just being written in the original, and would overwrite that.
 */
async function copyOne(from: string, to: string): Promise<void> {
  // Where the file system can, both share their blocks until one of them is written.
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  // The copy of a read-only backup must still be writable for LevelDB.
  await chmod(to, 0o600);
}
