/**
 * A witness beside LevelDB: the file NEWEST holds the index of the snapshot that was saved last.
 *
 * Promise: a snapshot that was acknowledged and is gone is missed. One flipped bit in LevelDB's
 * log makes it drop everything after it without an error; this file is how that is noticed.
 */

import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';

const NAME = 'NEWEST';

/** Notes what was saved last. The caller syncs the folder. Throws what the file system throws. */
export async function writeNewest(folder: string, index: number): Promise<void> {
  const file = path.join(folder, NAME);
  const fresh = await open(`${file}.new`, 'w', 0o600);
  try {
    await fresh.writeFile(`${index}\n`);
    await fresh.sync();
  } finally {
    await fresh.close();
  }
  await rename(`${file}.new`, file);
}

/** What the file says, or null when there is none. One that cannot be read says nothing right. */
export async function newestIn(folder: string): Promise<string | null> {
  return readFile(path.join(folder, NAME), 'utf8').catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? null : '',
  );
}

/** The index of the snapshot that was saved last, or null when the text of the file has none. */
export function newestIndex(newest: string | null): number | null {
  const digits = /^(\d{1,16})\n$/.exec(newest ?? '')?.[1];
  return digits === undefined ? null : Number(digits);
}

/** A sentence when the snapshot that was saved last is not among `indexes`; null when all is well. */
export function lostSnapshot(newest: string | null, indexes: readonly number[]): string | null {
  if (newest === null) return null;
  const index = newestIndex(newest);
  if (index === null) return `the file ${NAME} is damaged: it should hold an index`;
  return indexes.includes(index)
    ? null
    : `snapshot ${index} was saved last and is gone: LevelDB lost it`;
}
