/**
 * `tocsin chaos`: a local cluster of real processes under load and under fire, and a verdict on what
 * was promised: nothing acknowledged is lost, nobody is paged twice without a word, and the logs of
 * all members tell one story.
 *
 * Promise: whatever happens to the command, its members do not outlive it. The verdict goes to
 * stdout, everything else to stderr.
 */

import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/durations.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { FAULT_KINDS, type FaultKind } from './chaos/faults.ts';
import { runChaos, type ChaosOptions } from './chaos/run.ts';
import { exitOf } from './chaos/report.ts';
import { verdictLines } from './chaos/print.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { env } from './environment.ts';
import { Output } from './render-output.ts';

const CHAOS_FORMATS = ['table', 'json'] as const;

interface Flags {
  readonly nodes: number;
  readonly for: number;
  readonly every: number;
  readonly faults: readonly FaultKind[];
  readonly seed?: number;
  readonly dir?: string;
  readonly keep: boolean;
  readonly alerts: number;
  readonly readings: number;
  readonly output: (typeof CHAOS_FORMATS)[number];
}

/** More than nine would need more of a machine than this is for. */
const NODES_MAX = 9;
const PER_SECOND_MAX = 100_000;
const SEED_MAX = 2 ** 31 - 1;

export function chaosCommand(io: CommandIo): Command {
  return new Command('chaos')
    .description('put a local cluster under load, inject faults, and report the result')
    .addOption(
      env(new Option('--nodes <count>', 'members of the cluster'))
        .default(3)
        .argParser((text) => wholeNumber(text, 1, NODES_MAX)),
    )
    .addOption(
      env(new Option('--for <duration>', 'how long')).default(60_000, '1m').argParser(duration),
    )
    .addOption(
      env(new Option('--every <duration>', 'a fault about so often'))
        .default(8_000, '8s')
        .argParser(duration),
    )
    .addOption(
      env(new Option('--faults <kinds>', `some of ${FAULT_KINDS.join(',')}`))
        .default(FAULT_KINDS, 'all')
        .argParser(faultKinds),
    )
    .addOption(
      env(new Option('--seed <number>', 'repeats the faults of another run'))
        .default(undefined, 'a new one')
        .argParser((text) => wholeNumber(text, 0, SEED_MAX)),
    )
    .addOption(
      env(new Option('--dir <dir>', 'where the members keep their data; it must be empty'))
        .default(undefined, 'a new temporary one')
        .argParser(notEmpty),
    )
    .addOption(
      env(new Option('--keep', 'leave the data there, also when all was well')).default(false),
    )
    .addOption(
      env(new Option('--alerts <rate>', 'new alerts pushed a second'))
        .default(20)
        .argParser((text) => wholeNumber(text, 1, PER_SECOND_MAX)),
    )
    .addOption(
      env(new Option('--readings <rate>', 'readings sent as carbon lines a second'))
        .default(500)
        .argParser((text) => wholeNumber(text, 0, PER_SECOND_MAX)),
    )
    .addOption(
      new Option('-o, --output <format>', 'format of the verdict')
        .choices(CHAOS_FORMATS)
        .default('table'),
    )
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => io.finish(await chaos(flags, io)));
}

const HELP = `
Every flag but -o has an environment variable: --for is TOCSIN_FOR.

Alerts are pushed to random members until one answers 200, and each is to be paged once, to a
receiver in the command. Meanwhile members are killed, frozen, restarted and cut off from each other.
In the end all is healed, and the report says what was lost, what was notified twice, how long notifications
took, and whether the replays of all logs come to the same state.

Partitions need no privileges, but the address 127.0.0.2: Linux has it, elsewhere it must be added.
Ctrl-C ends the run early, with a verdict; a second one ends it at once. Data are removed after a
clean run, and stay for a look after any other.

Exit codes: 0 nothing acknowledged was lost, nothing was paged twice without a mark, no process ended
by itself, and all replays agree; 1 one of these is not so; 2 wrong usage; 4 the cluster did not come
up, or not to rest in time, and nothing worse was seen.

Examples:
  tocsin chaos
  tocsin chaos --nodes 3 --for 10m
  tocsin chaos --for 5m --faults kill,kill-leader
  tocsin chaos --nodes 5 --for 1h --every 5s --alerts 50 -o json
  tocsin chaos --for 2m --seed 42 --dir /tmp/chaos --keep`;

async function chaos(flags: Flags, { stdout, stderr }: Terminals): Promise<ExitCode> {
  const talk = new Output(stderr);
  const directory = await directoryFor(flags.dir);
  if (directory === null) {
    await talk.lines([`error: ${flags.dir} is not empty: name a directory that is`]);
    return EXIT.refused;
  }
  const signal = stopSignal();
  const options: ChaosOptions = {
    directory,
    nodes: flags.nodes,
    forMs: flags.for,
    everyMs: flags.every,
    kinds: flags.faults,
    seed: flags.seed ?? Math.floor(Math.random() * SEED_MAX),
    alertsPerSecond: flags.alerts,
    readingsPerSecond: flags.readings,
  };
  const ran = await runChaos(options, { signal, tell: (line) => void talk.lines([line]) });
  if (!ran.ok) {
    await talk.lines([`error: ${ran.message}`, `the data are in ${directory}`]);
    return EXIT.unavailable;
  }
  const { verdict, run } = ran;
  const isKept = flags.keep || !verdict.isClean;
  if (isKept) await talk.lines([`the data are in ${directory}`]);
  else await removeData(directory, flags.dir === undefined);
  const lines = verdictLines(
    verdict,
    { ...run, directory: isKept ? directory : null },
    flags.output,
  );
  await new Output(stdout).lines(lines);
  return exitOf(verdict);
}

/** Null when there is something in it that is not ours. */
async function directoryFor(given: string | undefined): Promise<string | null> {
  if (given === undefined) return mkdtemp(path.join(tmpdir(), 'tocsin-chaos-'));
  const directory = path.resolve(given);
  await mkdir(directory, { recursive: true });
  return (await readdir(directory)).length === 0 ? directory : null;
}

/** A directory that somebody else has made stays, and is as empty as it was. */
async function removeData(directory: string, isOurs: boolean): Promise<void> {
  for (const name of await readdir(directory)) {
    await rm(path.join(directory, name), { recursive: true, force: true });
  }
  if (isOurs) await rmdir(directory);
}

/** Aborted by the first Ctrl-C; the second ends the process, and its members with it. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const before = process.listeners(signal);
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(code);
      stop.abort();
    });
    for (const listener of before) process.off(signal, listener);
  }
  return stop.signal;
}

function duration(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError('write for example 8s or 10m.');
}

function faultKinds(text: string): readonly FaultKind[] {
  const wanted = new Set(text.split(',').map((part) => part.trim()));
  const kinds = FAULT_KINDS.filter((kind) => wanted.has(kind));
  if (kinds.length === wanted.size) return kinds;
  throw new InvalidArgumentError(`write some of ${FAULT_KINDS.join(',')}.`);
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`write a whole number from ${min} to ${max}.`);
}

/** An unset variable of a shell must not become a path. */
function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('it may not be empty.');
  return text;
}
