#!/usr/bin/env node
/** The `tocsin` program: which subcommand does what. Results go to stdout, talk to stderr. */

import { writeSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { freezeStates } from '../../projections/transaction.ts';
import { EXIT } from '../daemon/exit.ts';
import { VERSION } from '../daemon/version.ts';
import { PRIVATE_UMASK } from '../disk/private-files.ts';
import { backupCommand } from './backup.ts';
import { chaosCommand } from './chaos.ts';
import { checkCommand } from './check.ts';
import { forgetEmptyVariables } from './environment.ts';
import { membersCommand } from './members.ts';
import { isGone, OutputFailed } from './render-output.ts';
import { replayCommand } from './replay.ts';
import { restoreCommand } from './restore.ts';
import { snapshotCommand } from './snapshot.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';

// What a node and its tools write holds secrets: LevelDB, too, makes files as this allows.
process.umask(PRIVATE_UMASK);
freezeStates(false);
forgetEmptyVariables(process.env);

const finish = (code: number): void => {
  process.exitCode = code;
};
const io = { stdout: process.stdout, stderr: process.stderr, finish };

const program = new Command('tocsin')
  .description('An event-sourced, fault-tolerant alerter.')
  .version(VERSION, '-V, --version')
  .showSuggestionAfterError()
  .addCommand(startCommand((code) => process.exit(code)))
  .addCommand(statusCommand(io))
  .addCommand(membersCommand(io))
  .addCommand(checkCommand(io))
  .addCommand(replayCommand(io))
  .addCommand(snapshotCommand(io))
  .addCommand(backupCommand(io))
  .addCommand(restoreCommand(io))
  .addCommand(chaosCommand(io));

for (const command of withSubcommands(program)) {
  command.showHelpAfterError('(add --help for the flags)').exitOverride();
}

// A tool leaves nothing behind, so it may end anywhere, with the exit code that shells expect. A
// running node has its own way to stop, and takes these signals over.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code));
}

// Help and versions are written by commander itself. Nobody waits for the rest of them after `| head`, and
// a node goes on whatever becomes of its log.
process.stdout.on('error', (error) => {
  if (!isGone(error)) endUnwritten(error);
});
process.stderr.on('error', () => undefined);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof OutputFailed) endUnwritten(error);
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
}

/** A result that is not written, or not to its end, is none. */
function endUnwritten({ message }: Error): never {
  try {
    writeSync(
      2,
      `error: the output could not be written: ${message} (hint: the disk may be full)\n`,
    );
  } catch {
    // stderr is as full as stdout; the exit code says it.
  }
  process.exit(EXIT.disk);
}

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
