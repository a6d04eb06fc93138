/**
 * `tocsin replay A --against B`: folds two recorded logs and prints how their decisions differ, such
 * as those of a cluster and of its shadow.
 *
 * Promise: both directories are only read. The differences go to stdout, all else to stderr; the
 * exit code is 0 only when both logs can be believed and told everybody the same.
 */

import type { Muted } from '../../../commands/decisions.ts';
import { labelsText, labelValue, type Labels } from '../../../commands/labels.ts';
import { labelsObject } from '../../../projections/views.ts';
import { durationText } from '../../config/durations.ts';
import { EXIT, type ExitCode } from '../../daemon/exit.ts';
import type { Terminals } from '../command-io.ts';
import { Output } from '../render-output.ts';
import { tableLines, timeText, type Column, type Format } from '../render-table.ts';
import { compare, type Comparison, type Difference, type Range } from './compare.ts';
import { Decisions, type Decision } from './decisions.ts';
import type { Summary } from './print.ts';
import { Progress } from './progress.ts';
import { openRecording, type Recording } from './recording.ts';
import { Replay } from './run.ts';
import { Story, type Subject } from './subject.ts';
import { closingLines, summaryOf } from './summary.ts';

export interface AgainstArgs {
  readonly a: string;
  readonly b: string;
  /** Epoch milliseconds, as the flags say; null for as far as there is something to compare. */
  readonly from: number | null;
  readonly to: number | null;
  readonly alert: Subject | null;
  readonly toleranceMs: number;
  readonly format: Format;
}

/** Compares two directories; gives back the exit code. */
export async function replayAgainst(args: AgainstArgs, terminals: Terminals): Promise<ExitCode> {
  const talk = new Output(terminals.stderr);
  const recordings: Recording[] = [];
  try {
    // Both are opened before one is folded: a wrong name is said at once.
    for (const directory of [args.a, args.b]) {
      const opened = await openRecording(directory);
      if (!opened.ok) {
        await talk.lines([`error: ${opened.message}`]);
        return opened.exit;
      }
      recordings.push(opened.recording);
    }
    const [first, second] = recordings;
    if (first === undefined || second === undefined) return EXIT.refused;
    const a = await read('A', first, args, terminals);
    const b = await read('B', second, args, terminals);
    return await report(a, b, args, terminals);
  } finally {
    for (const recording of recordings) await recording.close();
  }
}

async function report(
  a: Side,
  b: Side,
  args: AgainstArgs,
  terminals: Terminals,
): Promise<ExitCode> {
  const talk = new Output(terminals.stderr);
  const range: Range = {
    // Before one of the logs begins there is nothing to compare with.
    from: Math.max(args.from ?? 0, a.run.beganAt, b.run.beganAt),
    to: args.to ?? Infinity,
  };
  const { toleranceMs } = args;
  const comparison = compare(a.decisions, b.decisions, { range, toleranceMs });
  await new Output(terminals.stdout).lines(linesOf(comparison, { a, b, range }, args));
  for (const side of [a, b]) await talk.lines(closingLines(side.run, side.tookMs).map(of(side)));
  await talk.lines([
    `compared from ${timeText(range.from)}${range.to === Infinity ? ' on' : ` to ${timeText(range.to)}`}`,
    ...(comparison.same + comparison.differences.length === 0 ? [NO_PAGE] : []),
    ...beyondTheEnd(comparison, a, b, toleranceMs),
    verdict(comparison, toleranceMs),
  ]);
  const runs = [a.run, b.run];
  if (runs.some(({ damages }) => damages.length > 0)) return EXIT.corrupt;
  const isProved = runs.every(
    ({ proof, unreadable }) => unreadable.length === 0 && proof.differences.length === 0,
  );
  return isProved && comparison.differences.length === 0 ? EXIT.ok : EXIT.refused;
}

const NO_PAGE = 'note: neither log has a page in that time';

interface Side {
  readonly name: 'A' | 'B';
  readonly directory: string;
  readonly run: Replay;
  readonly decisions: Decisions;
  readonly tookMs: number;
}

const of =
  ({ name }: Pick<Side, 'name'>) =>
  (line: string): string =>
    `${name}: ${line}`;

async function read(
  name: Side['name'],
  recording: Recording,
  { a, b, alert, from, to, toleranceMs }: AgainstArgs,
  { stderr }: Terminals,
): Promise<Side> {
  await new Output(stderr).lines(recording.remarks.map(of({ name })));
  const began = performance.now();
  const progress = new Progress(stderr, recording.segments);
  // What stands in one log just within the range may stand in the other just without.
  const range = {
    from: from === null ? null : ({ kind: 'time', at: from - toleranceMs } as const),
    to: to === null ? null : ({ kind: 'time', at: to + toleranceMs } as const),
  };
  const story = alert === null ? null : new Story(alert);
  const onProgress = (index: number): void => progress.at(index);
  const run = new Replay(recording, { range, story, onProgress });
  const decisions = await Decisions.of(run);
  progress.clear();
  const directory = name === 'A' ? a : b;
  return { name, directory, run, decisions, tookMs: performance.now() - began };
}

/** A log that ends early has not withheld what came after; nobody may take it for a difference. */
function beyondTheEnd(
  { differences }: Comparison,
  a: Side,
  b: Side,
  toleranceMs: number,
): readonly string[] {
  const endOf = ({ run }: Side): number => Math.max(run.tally.lastAt, run.beganAt);
  const [shorter, longer] = endOf(a) <= endOf(b) ? [a, b] : [b, a];
  const end = endOf(shorter);
  const count = differences.filter(
    ({ what, at }) => what === `only in ${longer.name}` && at > end + toleranceMs,
  ).length;
  if (count === 0) return [];
  return [
    `note: ${count} of them ${count === 1 ? 'is' : 'are'} later than the last entry of ` +
      `${shorter.name}; --to ${timeText(end)} leaves them out`,
  ];
}

/** `12 pages the same, 1 only in A, 2 only in B, 0 later than 30s` */
function verdict({ same, onlyInA, onlyInB, later }: Comparison, toleranceMs: number): string {
  const counts = [
    `${same} ${same === 1 ? 'page' : 'pages'} the same`,
    `${onlyInA} only in A`,
    `${onlyInB} only in B`,
    `${later} later than ${durationText(toleranceMs)}`,
  ];
  return counts.join(', ');
}

interface Sides {
  readonly a: Side;
  readonly b: Side;
  readonly range: Range;
}

function* linesOf(
  comparison: Comparison,
  sides: Sides,
  { format, toleranceMs }: AgainstArgs,
): Generator<string> {
  const labels: LabelsOf = (fingerprint) =>
    sides.a.decisions.labels.get(fingerprint) ?? sides.b.decisions.labels.get(fingerprint) ?? null;
  const { differences } = comparison;
  if (format === 'table') {
    if (differences.length > 0) yield* tableLines(columnsFor(labels), differences);
    return;
  }
  const rows = differences.map((difference) => JSON.stringify(jsonOf(difference, labels)));
  const summary = summaryFor(comparison, sides, toleranceMs);
  if (format === 'json') {
    yield `{"differences":[${rows.join(',\n')}],"summary":${JSON.stringify(summary)}}`;
    return;
  }
  yield* rows;
  yield JSON.stringify({ what: 'summary', ...summary });
}

type LabelsOf = (fingerprint: string) => Labels | null;

function columnsFor(labels: LabelsOf): readonly Column<Difference>[] {
  return [
    { title: 'TIME', text: ({ at }) => timeText(at) },
    { title: 'WHAT', text: ({ what }) => what },
    { title: 'WHO', text: ({ page }) => page.integration },
    { title: 'GROUP', text: ({ page }) => page.group },
    { title: 'ALERTS', text: ({ page }) => alertsText(page, labels) },
    { title: 'WHY', text: whyText },
  ];
}

/** A page may have thousands of alerts; the first few tell which it is. */
const ALERTS_SHOWN = 3;

function alertsText({ firing, resolved }: Decision, labels: LabelsOf): string {
  const all = [
    ...firing.map((fingerprint) => `${alertText(fingerprint, labels)} firing`),
    ...resolved.map((fingerprint) => `${alertText(fingerprint, labels)} resolved`),
  ];
  const rest = all.length - ALERTS_SHOWN;
  return [...all.slice(0, ALERTS_SHOWN), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}

function alertText(fingerprint: string, labelsOf: LabelsOf): string {
  const labels = labelsOf(fingerprint);
  if (labels === null) return fingerprint;
  const name = labelValue(labels, 'alertname');
  return name === '' ? labelsText(labels) : name;
}

function whyText({ what, a, b, laterMs, instead }: Difference): string {
  if (a !== null && b !== null) return `by ${durationText(laterMs)}; ${(a ?? b).reason}`;
  const other = what === 'only in A' ? 'B' : 'A';
  if (instead === null) return `${other} decided nothing about it`;
  const { at, until, group, muted, reason } = instead;
  const causes = causesOf(muted);
  const mutedText = causes.length === 0 ? '' : `, muted by ${causes.join(', ')}`;
  const verb = instead.what === 'notify' ? `told ${group}` : 'withheld';
  const when = until === at ? timeText(at) : `${timeText(at)} to ${timeText(until)}`;
  return `${other} ${verb} at ${when}: ${reason}${mutedText}`;
}

function causesOf(muted: readonly Muted[]): readonly string[] {
  return [...new Set(muted.flatMap(({ by }) => by))];
}

function jsonOf({ what, at, a, b, page, laterMs, instead }: Difference, labels: LabelsOf): object {
  const { integration, group, firing, resolved } = page;
  const alerts = [...firing, ...resolved].map((fingerprint) => {
    const known = labels(fingerprint);
    return { fingerprint, labels: known === null ? null : labelsObject(known) };
  });
  return {
    what,
    at: timeText(at),
    integration,
    group,
    firing,
    resolved,
    alerts,
    laterMs,
    a: a === null ? null : { index: a.index, at: timeText(a.at), reason: a.reason },
    b: b === null ? null : { index: b.index, at: timeText(b.at), reason: b.reason },
    instead: instead === null ? null : insteadJson(instead),
  };
}

function insteadJson({ what, index, at, until, group, firing, resolved, muted, reason }: Decision) {
  const times = { at: timeText(at), until: timeText(until) };
  return { what, index, ...times, group, firing, resolved, muted, reason };
}

function summaryFor(
  { same, onlyInA, onlyInB, later }: Comparison,
  { a, b, range }: Sides,
  toleranceMs: number,
): Summary {
  const sideOf = ({ directory, run, tookMs }: Side): object => ({
    directory,
    ...summaryOf(run, tookMs),
  });
  return {
    same,
    onlyInA,
    onlyInB,
    later,
    toleranceMs,
    from: timeText(range.from),
    to: range.to === Infinity ? null : timeText(range.to),
    a: sideOf(a),
    b: sideOf(b),
  };
}
