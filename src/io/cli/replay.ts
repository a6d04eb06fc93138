/**
 * `tocsin replay DATA-DIR`: folds the recorded log and prints the time line of what happened, who
 * was told and why, and proves by the root hashes of the snapshots that this is what happened.
 *
 * Promise: the directory is only read, also while a daemon runs on it; the time line goes to
 * stdout, everything else to stderr; the exit code says whether the replay can be believed.
 */

import { Command, InvalidArgumentError, Option } from 'commander';
import type { Parsed } from '../config/parsed.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { CommandIo, Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import { FORMATS, type Format } from './render-table.ts';
import type { Moment } from './replay/moment.ts';
import { parsePoint, type Point } from './replay/point.ts';
import { linesOf } from './replay/print.ts';
import { Progress } from './replay/progress.ts';
import { openRecording, type Recording } from './replay/recording.ts';
import { Replay } from './replay/run.ts';
import { parseSubject, Story, type Subject } from './replay/subject.ts';
import { closingLines, summaryOf } from './replay/summary.ts';

export interface ReplayArgs {
  readonly directory: string;
  readonly from: Point | null;
  readonly to: Point | null;
  readonly alert: Subject | null;
  readonly format: Format;
  /** Whether colours may be used at all; they never are where stdout is no terminal. */
  readonly color: boolean;
}

interface Flags {
  readonly from?: Point;
  readonly to?: Point;
  readonly alert?: Subject;
  readonly output: Format;
  readonly color: boolean;
}

export function replayCommand(io: CommandIo): Command {
  const now = Date.now();
  const point = (text: string): Point => valueOf(parsePoint(text, now));
  return new Command('replay')
    .description('show what happened, from the recorded log alone, and prove it')
    .argument('<data-dir>', 'the directory of a node; it is only read, also while the node runs')
    .addOption(new Option('--from <point>', 'begin at an index, a time, or -2h').argParser(point))
    .addOption(new Option('--to <point>', 'end there').argParser(point))
    .addOption(
      new Option(
        '--alert <alert>',
        'the story of one alert: its name, matchers or fingerprint',
      ).argParser((text) => valueOf(parseSubject(text))),
    )
    .addOption(
      new Option('-o, --output <format>', 'format of the time line')
        .choices(FORMATS)
        .default('table'),
    )
    .option('--no-color', 'no colours on a terminal; NO_COLOR does the same')
    .addHelpText('after', HELP)
    .action(async (directory: string, { from, to, alert, output, color }: Flags) => {
      const args = { directory, from: from ?? null, to: to ?? null, alert: alert ?? null };
      const isColored = color && (process.env['NO_COLOR'] ?? '') === '';
      io.finish(await replay({ ...args, format: output, color: isColored }, io));
    });
}

const HELP = `
Times are RFC 3339 with a zone; a bare day is UTC. Without --from everything is replayed and proved;
with it, the replay begins at the newest snapshot before that point.

Readings that cross a condition are shown, all others only counted. For each integration of a group
there is a line "notify" or "withhold" with the reason. JSON has more fields than the table:
docs/replay.md lists them.

Exit codes: 0 the replay is what happened, as far as there are snapshots to compare with; 1 it
differs from a snapshot, or cannot be done; 2 wrong usage; 5 stored data is damaged.

Examples:
  tocsin replay /var/lib/tocsin --from -2h
  tocsin replay /var/lib/tocsin --from 2026-01-05T03:00:00Z --to 2026-01-05T04:00:00Z
  tocsin replay /var/lib/tocsin --alert 'alertname=HighCpu,series=~"servers.web-1.*"'
  tocsin replay /var/lib/tocsin -o jsonl | jq 'select(.what == "withhold")'`;

/** Replays a directory; gives back the exit code. */
export async function replay(args: ReplayArgs, { stdout, stderr }: Terminals): Promise<ExitCode> {
  const talk = new Output(stderr);
  const opened = await openRecording(args.directory);
  if (!opened.ok) {
    await talk.lines([`error: ${opened.message}`]);
    return opened.exit;
  }
  const { recording } = opened;
  try {
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
  const story = alert === null ? null : new Story(alert);
  const onProgress = (index: number): void => progress.at(index);
  const run = new Replay(recording, { range: { from, to }, story, onProgress });
  const out = new Output(stdout);
  const isColored = color && stdout.isTTY === true;
  const tookMs = (): number => performance.now() - began;
  const moments = withoutBar(run.moments(), progress);
  await out.lines(linesOf(moments, () => summaryOf(run, tookMs()), { format, isColored }));
  progress.clear();
  // Whoever reads only the beginning has not asked for the proof of the rest.
  if (out.isGone) return EXIT.ok;
  await talk.lines(closingLines(run, tookMs()));
  if (run.damages.length > 0) return EXIT.corrupt;
  return run.unreadable.length > 0 || run.proof.differences.length > 0 ? EXIT.refused : EXIT.ok;
}

/** Takes the bar off the terminal before a line is put there. */
async function* withoutBar(
  moments: AsyncIterable<Moment>,
  progress: Progress,
): AsyncGenerator<Moment> {
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
