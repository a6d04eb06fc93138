/**
 * `tocsin snapshot`: looks into the snapshots of a data directory, in place. It only
 * reads, so the daemon may run, and the store may be damaged or on read-only media.
 */

import { Command, Option } from 'commander';
import { redactSecrets } from '../config/redact.ts';
import type { CommandIo } from './command-io.ts';
import { FORMATS, type Format } from './render-table.ts';
import { diffCommand } from './snapshot-diff.ts';
import { listCommand } from './snapshot-ls.ts';
import type { SnapshotIo } from './snapshot-session.ts';
import { showCommand } from './snapshot-show.ts';
import { verifyCommand } from './snapshot-verify.ts';

interface Flags {
  readonly output: Format;
  readonly path?: string;
}

/** Builds the subcommand with its own subcommands. */
export function snapshotCommand({ stdout, stderr, finish }: CommandIo): Command {
  const io: SnapshotIo = { stdout, stderr, now: Date.now, redact: redactSecrets };
  const ls = sub('ls', 'list the snapshots, the newest first')
    .argument('<data-dir>', DATA_DIR)
    .action(async (dataDir: string, { output }: Flags) =>
      finish(await listCommand({ dataDir, format: output }, io)),
    );
  const show = sub('show', 'show what a snapshot holds')
    .argument('<data-dir>', DATA_DIR)
    .argument('[index]', WHICH, 'latest')
    .option('--path <page>', 'show one page, such as alerts/3/17')
    .action(async (dataDir: string, index: string, { output, path }: Flags) =>
      finish(await showCommand({ dataDir, index, path: path ?? null, format: output }, io)),
    );
  const diff = sub('diff', 'list the rows that differ between two snapshots')
    .argument('<data-dir>', DATA_DIR)
    .argument('[from]', WHICH, 'previous')
    .argument('[to]', WHICH, 'latest')
    .action(async (dataDir: string, from: string, to: string, { output }: Flags) =>
      finish(await diffCommand({ dataDir, from, to, format: output }, io)),
    );
  const verify = sub('verify', 'read every chunk and say what is damaged')
    .argument('<data-dir>', DATA_DIR)
    .action(async (dataDir: string, { output }: Flags) =>
      finish(await verifyCommand({ dataDir, format: output }, io)),
    );
  return [ls, show, diff, verify].reduce(
    (parent, each) => parent.addCommand(each),
    new Command('snapshot')
      .description('look into the snapshots of a data directory')
      .addHelpText('after', HELP),
  );
}

const DATA_DIR = 'the data directory, or the snapshot store in it';
const WHICH = 'an index, latest or previous';

const HELP = `
The store is only read, also while it is in use. Secrets of the configuration are hidden.
Damage is shown in the row of each snapshot, and on stderr with a line for each cause.
Exit codes: 0 done, 1 failed, 2 wrong usage, 5 damage was found.

Examples:
  tocsin snapshot ls data
  tocsin snapshot show data latest -o json
  tocsin snapshot diff data 1200 latest
  tocsin snapshot verify data`;

function sub(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option('-o, --output <format>', 'how to print it').choices(FORMATS).default('table'),
    )
    .showHelpAfterError('(add --help for the flags)')
    .exitOverride();
}
