/**
 * Access to what a node stores: only its owner may read it.
 *
 * New files are private by {@link PRIVATE_UMASK}, which also holds for the files that LevelDB makes.
 * This module is for a data directory that is there already: of an earlier build, put back from a
 * copy, or made by an installer.
 *
 * Promise: only files of a node are touched, only bits of the group and of others are taken away, and no
 * link is followed: in a directory that others could write to, a link may lead anywhere.
 */

import { constants } from 'node:fs';
import { lstat, open, opendir, stat } from 'node:fs/promises';
import path from 'node:path';

/** For the whole process: files 0600, directories 0700, whatever the shell has set. */
export const PRIVATE_UMASK = 0o077;

/** Paths that one report names. */
const NAMED_MAX = 10;
const OTHERS = 0o077;

/** What a node, or a tool for it, puts into a data directory. */
const OWN = /^(?:node\.json(?:\.new)?|lock|log|acknowledged|snapshots(?:\.damaged-\d+)?)$/;
/** What a file system puts into its root. */
const OF_SYSTEM = /^lost\+found$/;

export interface Narrowed {
  /** How many files and directories others could read or change until now. */
  readonly count: number;
  /** Some of those that others still can, because they are links, or not ours to change. */
  readonly left: readonly string[];
}

/**
 * Takes a data directory from everybody but its owner. The directory itself keeps its mode when it holds
 * what is not of a node, such as the home of a user. Rejects when the directory cannot be listed.
 */
export async function makePrivate(dataDirectory: string): Promise<Narrowed> {
  const report = { count: 0, left: [] as string[] };
  const names = await namesIn(dataDirectory);
  const own = names.filter((name) => OWN.test(name));
  // From the top down: whoever is shut out can put no link into the way of what follows.
  if (names.every((name) => OWN.test(name) || OF_SYSTEM.test(name))) {
    await narrow(dataDirectory, report, constants.O_DIRECTORY);
  }
  for (const name of own) await narrowAll(path.join(dataDirectory, name), report);
  return report;
}

interface Report {
  count: number;
  readonly left: string[];
}

/** A path and what is below it. Files that go away meanwhile are no concern. */
async function narrowAll(place: string, report: Report): Promise<void> {
  const found = await lstat(place).catch(() => null);
  if (found === null) return;
  if (found.isSymbolicLink()) {
    await noteLink(place, report);
    return;
  }
  if (!found.isFile() && !found.isDirectory()) return;
  if ((found.mode & OTHERS) !== 0) await narrow(place, report, constants.O_NOFOLLOW);
  if (!found.isDirectory()) return;
  for (const name of await namesIn(place).catch(() => [])) {
    await narrowAll(path.join(place, name), report);
  }
}

/** What a link leads to was put there by somebody, who has to say who may read it. */
async function noteLink(place: string, { left }: Report): Promise<void> {
  const target = await stat(place).catch(() => null);
  if (target !== null && (target.mode & OTHERS) !== 0 && left.length < NAMED_MAX) left.push(place);
}

/** By its handle, so that it is the file that was looked at. */
async function narrow(place: string, report: Report, flag: number): Promise<void> {
  try {
    const handle = await open(place, constants.O_RDONLY | constants.O_NONBLOCK | flag);
    try {
      const { mode } = await handle.stat();
      if ((mode & OTHERS) === 0) return;
      await handle.chmod(mode & 0o700);
      // Some file systems have no modes, and say nothing.
      if (((await handle.stat()).mode & OTHERS) !== 0) throw new Error('the mode has not changed');
      report.count++;
    } finally {
      await handle.close();
    }
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isGone && report.left.length < NAMED_MAX) report.left.push(place);
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of await opendir(directory)) names.push(name);
  return names;
}
