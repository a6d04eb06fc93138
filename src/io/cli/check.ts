/**
 * `tocsin check config FILE`: says everything that is wrong with a configuration file, at once,
 * without starting anything.
 *
 * Promise: it judges as `tocsin start` does; problems and warnings are lines on stderr that an
 * editor can jump to, the summary is on stdout.
 */

import { Command, Option } from 'commander';
import { readConfigFile } from '../config/file.ts';
import { problemText } from '../config/problems.ts';
import type { ReadConfig } from '../config/read.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { toggle } from './environment.ts';
import { Output } from './render-output.ts';

const CHECK_FORMATS = ['text', 'json'] as const;

export interface CheckConfigArgs {
  readonly file: string;
  readonly format: (typeof CHECK_FORMATS)[number];
  /** Only ASCII label names, as `tocsin start --classic-names` has it. */
  readonly classicNames: boolean;
}

interface Flags {
  readonly output: CheckConfigArgs['format'];
  readonly classicNames: boolean;
}

export function checkCommand(io: CommandIo): Command {
  const config = new Command('config')
    .description('read a configuration file and name everything that is wrong with it')
    .argument('<file>', 'an Alertmanager file is accepted')
    .addOption(
      new Option('-o, --output <format>', 'how to print it').choices(CHECK_FORMATS).default('text'),
    )
    .addOption(toggle(new Option('--classic-names', 'only classic label names')))
    .showHelpAfterError('(add --help for the flags)')
    .exitOverride()
    .addHelpText('after', HELP)
    .action(async (file: string, { output, classicNames }: Flags) =>
      io.finish(await checkConfig({ file, format: output, classicNames }, io)),
    );
  return new Command('check').description('check files before they are used').addCommand(config);
}

const HELP = `
Problems are one line each on stderr: FILE:LINE:COLUMN: where: what (hint: how to fix it).
Exit codes: 0 the file can be used, perhaps with warnings; 1 it cannot; 2 wrong usage.

Examples:
  tocsin check config tocsin.yml
  tocsin check config alertmanager.yml -o json | jq '.problems[].line'`;

/** Checks one file; gives back the exit code. */
export async function checkConfig(
  { file, format, classicNames }: CheckConfigArgs,
  { stdout, stderr }: Terminals,
): Promise<ExitCode> {
  const read = await readConfigFile({ file, classicNames });
  if (format === 'json')
    await new Output(stdout).lines([JSON.stringify(jsonOf(file, read), null, 2)]);
  else await printProblems(file, read, { stdout, stderr });
  return read.ok ? EXIT.ok : EXIT.refused;
}

async function printProblems(
  file: string,
  read: ReadConfig,
  { stdout, stderr }: Terminals,
): Promise<void> {
  const found = read.ok
    ? read.warnings.map((warning) => `warning: ${problemText(warning)}`)
    : read.problems.map((problem) => `error: ${problemText(problem)}`);
  await new Output(stderr).lines(found);
  if (read.ok) await new Output(stdout).lines([`${file} is good: ${read.summary}`]);
}

function jsonOf(file: string, read: ReadConfig): object {
  return read.ok
    ? { file, ok: true, summary: read.summary, problems: [], warnings: read.warnings }
    : { file, ok: false, summary: null, problems: read.problems, warnings: [] };
}
