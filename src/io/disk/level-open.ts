/**
 * Opens a LevelDB folder, and turns the error of LevelDB into a sentence.
 *
 * Promise: a folder that holds anything is never replaced by an empty database. It does not interpret
 * what is stored in it; the reader of a value must verify it, because LevelDB does not.
 */

import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Level } from 'level';

export type LevelFolder = Level<string, Uint8Array>;

export type LevelRefusalCode = 'locked' | 'damaged' | 'failed';

export type OpenedLevel =
  | { readonly ok: true; readonly db: LevelFolder }
  | { readonly ok: false; readonly code: LevelRefusalCode; readonly message: string };

/** Opens a folder for writing. It is created when it is not there or holds nothing yet. */
export async function openLevel(folder: string): Promise<OpenedLevel> {
  // LevelDB makes its files as the umask allows, and the state may hold secrets: nobody else may
  // enter the folder, also where the data directory was made by somebody else.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  return open(folder, holdsNothing((await filesIn(folder)) ?? []));
}

/** Opens a folder that must be a database already. */
export async function openExistingLevel(folder: string): Promise<OpenedLevel> {
  return open(folder, false);
}

/**
 * Writes the tables with these keys anew, without what was deleted: LevelDB itself does so only when
 * much is written again.
 */
export function compactRange(db: LevelFolder, from: string, to: string): Promise<void> {
  return (db as unknown as Compactable).compactRange(from, to, { keyEncoding: 'utf8' });
}

/** As above: the type is that of browsers as well. */
interface Compactable {
  compactRange(from: string, to: string, options: { readonly keyEncoding: 'utf8' }): Promise<void>;
}

/** Bytes of the files in a folder. A file that goes away meanwhile counts for nothing. */
export async function bytesIn(folder: string): Promise<number> {
  const names = (await filesIn(folder)) ?? [];
  let bytes = 0;
  for (const name of names) {
    const found = await stat(path.join(folder, name)).catch(() => null);
    bytes += found?.size ?? 0;
  }
  return bytes;
}

/** The names in a folder, or null when it is not there. */
async function filesIn(folder: string): Promise<readonly string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * LevelDB takes a folder without CURRENT for a new one and deletes the tables in it, so only a
 * folder without tables and logs may be "created".
 */
function holdsNothing(files: readonly string[]): boolean {
  return !files.some((name) => name === 'CURRENT' || /\.(ldb|sst|log)$/.test(name));
}

async function open(folder: string, createIfMissing: boolean): Promise<OpenedLevel> {
  const options = { keyEncoding: 'utf8', valueEncoding: 'view', createIfMissing } as const;
  const db: LevelFolder = new Level<string, Uint8Array>(folder, options);
  try {
    await db.open();
    return { ok: true, db };
  } catch (error) {
    await db.close();
    return { ok: false, ...refusal(folder, causeOf(error)) };
  }
}

/** LevelDB's own error: abstract-level wraps it in one that only says "failed to open". */
function causeOf(error: unknown): { readonly code: string; readonly message: string } {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  return { code: cause?.code ?? '', message: cause?.message ?? String(error) };
}

function refusal(
  folder: string,
  { code, message }: { readonly code: string; readonly message: string },
): { readonly code: LevelRefusalCode; readonly message: string } {
  if (code === 'LEVEL_LOCKED') {
    return {
      code: 'locked',
      message: `${folder} is in use by another process: stop the other tocsin, or use another data directory`,
    };
  }
  if (code === 'LEVEL_CORRUPTION' || LACKS_A_FILE.test(message)) {
    return {
      code: 'damaged',
      message:
        `${folder} is damaged: ${message}. \`tocsin snapshot verify\` shows what can still be ` +
        'read; moved aside, it is built anew from the log',
    };
  }
  return { code: 'failed', message: `${folder} cannot be opened: ${message}` };
}

/** What LevelDB says when CURRENT is gone, or the file that it names. */
const LACKS_A_FILE = /create_if_missing is false|No such file or directory/;
