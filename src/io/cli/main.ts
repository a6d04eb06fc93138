#!/usr/bin/env node
/** The `tocsin` program: which subcommand does what. Results go to stdout, talk to stderr. */

import { Command, CommanderError } from 'commander';
import { freezeStates } from '../../projections/transaction.ts';
import { VERSION } from '../daemon/version.ts';
import { chaosCommand } from './chaos.ts';
import { checkCommand } from './check.ts';
import { forgetEmptyVariables } from './environment.ts';
import { membersCommand } from './members.ts';
import { replayCommand } from './replay.ts';
import { snapshotCommand } from './snapshot.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';

/** Wrong usage, as getopt has it. */
const EXIT_USAGE = 2;

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

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
}

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
