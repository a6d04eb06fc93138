/**
 * `tocsin restore`: a data directory out of a backup.
 *
 * Promise: the file is read to its end and checked before anything is made; a directory that holds
 * something is never touched; exit 0 means that `tocsin start` can go on from it.
 */

import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { Command } from 'commander';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { createRestoredCluster } from '../daemon/restored-cluster.ts';
import { BackupDamaged, readBackup, type BackupHead } from '../disk/backup-format.ts';
import type { StatePage } from '../../projections/snapshot-pages.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';

export function restoreCommand(io: CommandIo): Command {
  return new Command('restore')
    .description('found a new cluster from a backup')
    .argument('<file>', 'what tocsin backup wrote')
    .argument('<data-dir>', 'the data directory to make; it must be empty or missing')
    .addHelpText('after', HELP)
    .action(async (file: string, directory: string) => {
      io.finish(await restore(file, directory, io));
    });
}

const HELP = `
The cluster is a new epoch of the one of the backup: its other members join with empty data directories.
What was delivered before the backup is not sent again. What happened after it is not known.
Exit codes: 0 done, 1 refused, 2 wrong usage, 5 the file is damaged or cut short, 6 the disk failed.

Example:
  tocsin restore /var/backups/tocsin-monday /var/lib/tocsin && tocsin start --data-dir /var/lib/tocsin …`;

async function restore(file: string, directory: string, { stderr }: Terminals): Promise<ExitCode> {
  const output = new Output(stderr);
  try {
    const listed = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    if (listed.length > 0) {
      await output.lines([
        `error: ${directory} is not empty: give a directory that is empty or missing`,
      ]);
      return EXIT.refused;
    }
    const { head, pages } = await read(file);
    const { clusterId, index } = await createRestoredCluster(directory, head, pages);
    const time = new Date(head.at).toISOString();
    await output.lines([
      `${directory}: cluster ${clusterId} goes on from entry ${index} (${time}) of ${head.clusterId}`,
    ]);
    return EXIT.ok;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof BackupDamaged) {
      await output.lines([`error: ${file}: ${message}`]);
      return EXIT.corrupt;
    }
    if (code === undefined) throw error;
    await output.lines([`error: ${message}`]);
    return code === 'ENOSPC' || code === 'EIO' ? EXIT.disk : EXIT.refused;
  }
}

async function read(
  file: string,
): Promise<{ readonly head: BackupHead; readonly pages: readonly StatePage[] }> {
  let head: BackupHead | null = null;
  const pages: StatePage[] = [];
  for await (const part of readBackup(createReadStream(file))) {
    if (part.kind === 'head') ({ head } = part);
    else pages.push(part.page);
  }
  if (head === null) throw new BackupDamaged('it holds nothing');
  return { head, pages };
}
