/**
 * `tocsin replay DATA-DIR`: folds the recorded log and prints the time line of what happened, who
 * was told and why, and proves by the root hashes of the snapshots that this is what happened.
 *
 * With `--against` it folds a second log, and prints what the two decided differently.
 *
 * Promise: the directory is only read, also while a daemon runs on it; the time line goes to
 * stdout, everything else to stderr; the exit code says whether the replay can be believed.
 */

import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/durations.ts';
import { bad, type Parsed } from '../config/parsed.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import { FORMATS, type Format } from './render-table.ts';
import { replayAgainst, TOLERANCE_MS_MAX } from './replay-against.ts';
import type { TimelineEvent } from '../replay/timeline-event.ts';
import { isReversed, parsePoint, type Point } from '../replay/point.ts';
import { linesOf } from './replay-print.ts';
import { Progress } from './replay-progress.ts';
import { rangeProblem } from '../replay/range.ts';
import { openRecording, type Recording } from '../replay/recording.ts';
import { Replay } from '../replay/run.ts';
import { parseAlertQuery, AlertFilter, type AlertQuery } from '../replay/alert-filter.ts';
import { closingLines, exitOf, summaryOf } from './replay-summary.ts';

export interface ReplayArgs {
  readonly directory: string;
  readonly from: Point | null;
  readonly to: Point | null;
  readonly alert: AlertQuery | null;
  readonly format: Format;
  /** Whether colours may be used at all; they never are where stdout is no terminal. */
  readonly color: boolean;
}

interface Flags {
  readonly from?: Point;
  readonly to?: Point;
  readonly alert?: AlertQuery;
  readonly against?: string;
  readonly tolerance?: number;
  readonly otherCluster?: true;
  readonly output: Format;
  readonly color: boolean;
}

export function replayCommand(io: CommandIo): Command {
  const now = Date.now();
  const point = (text: string): Point => valueOf(parsePoint(text, now));
  const command: Command = new Command('replay')
    .description('show what happened, from the recorded log alone, and prove it')
    .argument('<data-dir>', 'the directory of a node; it is only read, also while the node runs')
    .addOption(
      new Option('--from <point>', 'begin at an index, a time, @EPOCH, or -2h').argParser(point),
    )
    .addOption(new Option('--to <point>', 'end there').argParser(point))
    .addOption(
      new Option(
        '--alert <alert>',
        'the story of one alert: its name, matchers or fingerprint',
      ).argParser((text) => valueOf(parseAlertQuery(text))),
    )
    .option('--against <other-data-dir>', 'show only where its decisions differ from those there')
    .addOption(
      new Option(
        '--tolerance <duration>',
        'with --against: how far apart in time is the same (30s)',
      ).argParser((text) => valueOf(parseTolerance(text))),
    )
    .option('--other-cluster', 'with --against: also where the logs are of unrelated clusters')
    .addOption(
      new Option('-o, --output <format>', 'format of the time line')
        .choices(FORMATS)
        .default('table'),
    )
    .option('--no-color', 'no colours on a terminal; NO_COLOR does the same')
    .addHelpText('after', HELP);
  return command.action(async (directory: string, flags: Flags) => {
    const { from = null, to = null, alert = null, against, output, color } = flags;
    if (isReversed({ from, to })) command.error('error: --from is after --to');
    if (against !== undefined) {
      const [first, last] = [timeOf(from), timeOf(to)];
      if (first === 'index' || last === 'index') command.error(INDEXES_DIFFER);
      const toleranceMs = flags.tolerance ?? TOLERANCE_MS;
      const sides = { a: directory, b: against, from: first, to: last };
      const allowed = { isOtherCluster: flags.otherCluster === true };
      const how = { ...sides, ...allowed, alert, toleranceMs, format: output };
      io.finish(await replayAgainst(how, io));
      return;
    }
    if (flags.tolerance !== undefined) command.error('error: --tolerance goes with --against');
    if (flags.otherCluster) command.error('error: --other-cluster goes with --against');
    const isColored = color && (process.env['NO_COLOR'] ?? '') === '';
    const args = { directory, from, to, alert, format: output, color: isColored };
    io.finish(await replay(args, io));
  });
}

const TOLERANCE_MS = 30_000;

function parseTolerance(text: string): Parsed<number> {
  const parsed = parseDuration(text);
  if (!parsed.ok || parsed.value <= TOLERANCE_MS_MAX) return parsed;
  return bad('it may be at most 1h: what is further apart is another notification');
}

const INDEXES_DIFFER =
  'error: with --against, --from and --to take times: an index means nothing in another log';

function timeOf(point: Point | null): number | null | 'index' {
  if (point === null) return null;
  return point.kind === 'time' ? point.at : 'index';
}

const HELP = `
Times are RFC 3339 with a zone; a bare day is UTC. @1767582000 is a time in seconds since 1970, and
@1767582000123ms in milliseconds. Without --from everything is replayed and proved; with it, the
replay begins at the newest snapshot before that point.

Readings that cross a condition are shown, all others only counted. For each integration of a group
there is a line "notify" or "withhold" with the reason. JSON has more fields than the table:
docs/replay.md lists them.

With --against both logs are folded, and there is a line for each page that only one of them sent,
with what the other decided instead, and for each that came later than the tolerance. DATA-DIR is A,
the other is B.

Exit codes, the first that applies: 2 wrong usage; 5 stored data is damaged; 1 the replay differs from
a snapshot, or cannot be done; 3 part of the range is not known, because entries are not in the log
and no snapshot stands for them; 1 with --against: both are known, and decided differently; 0 the
replay is what happened, and with --against both decided the same.

Examples:
  tocsin replay /var/lib/tocsin --from -2h
  tocsin replay /var/lib/tocsin --from 2026-01-05T03:00:00Z --to 2026-01-05T04:00:00Z
  tocsin replay /var/lib/tocsin --alert 'alertname=HighCpu,series=~"servers.web-1.*"'
  tocsin replay /var/lib/tocsin --against /var/lib/tocsin-shadow --from -1d
  tocsin replay /var/lib/tocsin -o jsonl | jq 'select(.what == "withhold")'`;

/** Replays a directory; gives back the exit code. */
export async function replay(args: ReplayArgs, { stdout, stderr }: Terminals): Promise<ExitCode> {
  const talk = new Output(stderr);
  const opened = await openRecording(args.directory);
  if (!opened.ok) {
    await talk.lines([`error: ${opened.message}`]);
    return EXIT[opened.code];
  }
  const { recording } = opened;
  try {
    const problem = await rangeProblem(recording, args);
    if (problem !== null) {
      await talk.lines([`error: ${problem}`]);
      return EXIT.usage;
    }
    await talk.lines(recording.remarks);
    return await replayRecording(recording, args, { stdout, stderr, talk });
  } finally {
    await recording.close();
  }
}

async function replayRecording(
  recording: Recording,
  { from, to, alert, format, color }: ReplayArgs,
  { stdout, stderr, talk }: Terminals & { readonly talk: Output },
): Promise<ExitCode> {
  const began = performance.now();
  const progress = new Progress(stderr, recording.segments);
  const story = alert === null ? null : new AlertFilter(alert);
  const onProgress = (index: number): void => progress.at(index);
  const run = new Replay(recording, { range: { from, to }, story, onProgress });
  const out = new Output(stdout);
  const isColored = color && stdout.isTTY === true;
  const tookMs = (): number => performance.now() - began;
  const moments = withoutBar(run.events(), progress);
  await out.lines(linesOf(moments, () => summaryOf(run, tookMs()), { format, isColored }));
  progress.clear();
  // Whoever reads only the beginning has not asked for the proof of the rest.
  if (out.isGone) return EXIT.ok;
  await talk.lines(closingLines(run, tookMs()));
  return exitOf(run);
}

/** Takes the bar off the terminal before a line is put there. */
async function* withoutBar(
  moments: AsyncIterable<TimelineEvent>,
  progress: Progress,
): AsyncGenerator<TimelineEvent> {
  for await (const moment of moments) {
    progress.clear();
    yield moment;
  }
}

function valueOf<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  const hint = parsed.hint === '' ? '' : ` (hint: ${parsed.hint})`;
  throw new InvalidArgumentError(`${parsed.message}${hint}.`);
}
