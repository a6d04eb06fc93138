/**
 * One daemon for each data directory.
 *
 * The lock is the one that LevelDB holds on the LOCK file of an empty database kept for this purpose.
 * Node gives no access to flock or fcntl; among the locks that the kernel itself releases when a
 * process dies, this one comes with a dependency we have anyway, works across containers that share a
 * volume, and on every platform LevelDB runs on. A file with a pid in it would be judged by guessing:
 * pids are used again, mean something else in another container, and two starters can both find a
 * stale one. The pid is kept beside the lock all the same, but only to be told to people.
 *
 * Promise: at most one holder, no lock left behind by `kill -9`, and a refusal that names the holder.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { openLevel } from './level-open.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

export type LockResult =
  | { readonly ok: true; readonly lock: DirectoryLock }
  | { readonly ok: false; readonly code: 'in-use' | 'unusable'; readonly message: string };

/** Takes the lock of a data directory, which is made when it is missing. */
export async function lockDataDirectory(dataDirectory: string): Promise<LockResult> {
  const folder = path.join(path.resolve(dataDirectory), 'lock');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const message =
      `${dataDirectory} cannot be used as a data directory: ${(error as Error).message}. ` +
      'Make it writable for the user that runs this, or give another one with --data-dir.';
    return { ok: false, code: 'unusable', message };
  }
  const holder = path.join(folder, 'holder');
  const opened = await openLevel(folder);
  if (opened.ok) {
    await writeFile(holder, `process ${process.pid} on ${hostname()}\n`, { mode: 0o600 });
    return { ok: true, lock: { release: () => opened.db.close() } };
  }
  if (opened.code === 'locked') {
    return { ok: false, code: 'in-use', message: await inUse(dataDirectory, holder) };
  }
  const message =
    `${dataDirectory} cannot be locked: ${opened.message}. The folder ${folder} holds nothing ` +
    'but the lock: when no daemon runs here, remove it and start again.';
  return { ok: false, code: 'unusable', message };
}

async function inUse(dataDirectory: string, holder: string): Promise<string> {
  const who = await readFile(holder, 'utf8').catch(() => 'another process');
  return (
    `${dataDirectory} is in use by ${who.trim()}. ` +
    'Stop it first, or give this node a data directory of its own.'
  );
}
