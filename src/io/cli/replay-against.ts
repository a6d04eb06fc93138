/**
 * `tocsin replay A --against B`: folds two recorded logs and prints how their decisions differ, such
 * as those of a cluster and of its shadow.
 *
 * Promise: both directories are only read. The differences go to stdout, all else to stderr; the
 * exit code is 0 only when both logs can be believed and notified everybody of the same.
 */

import type { Muted } from '../../commands/decisions.ts';
import { labelsText, labelValue, type Labels } from '../../commands/labels.ts';
import { epochOf } from '../../log/epoch.ts';
import { labelsObject } from '../../projections/views.ts';
import { durationText } from '../config/durations.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { Terminals } from './command-io.ts';
import { Output } from './render-output.ts';
import { tableLines, type Column, type Format } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';
import {
  compare,
  LATE_MS_MAX,
  type Comparison,
  type Difference,
  type Span,
} from '../replay/compare.ts';
import { Decisions, type Decision } from '../replay/decisions.ts';
import type { Summary } from './replay-print.ts';
import { Progress } from './replay-progress.ts';
import { openRecording, type Recording } from '../replay/recording.ts';
import { Replay } from '../replay/run.ts';
import { AlertFilter, type AlertQuery } from '../replay/alert-filter.ts';
import { closingLines, exitOf, summaryOf } from './replay-summary.ts';

/** What is further apart is not taken for one notification anyway. */
export const TOLERANCE_MS_MAX = LATE_MS_MAX;

export interface AgainstArgs {
  readonly a: string;
  readonly b: string;
  /** Epoch milliseconds, as the flags say; null for as far as there is something to compare. */
  readonly from: number | null;
  readonly to: number | null;
  readonly alert: AlertQuery | null;
  readonly toleranceMs: number;
  /** Whether the logs may be of two clusters that have nothing to do with each other. */
  readonly isOtherCluster: boolean;
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
        return EXIT[opened.code];
      }
      recordings.push(opened.recording);
    }
    const [first, second] = recordings;
    if (first === undefined || second === undefined) return EXIT.refused;
    const relation = relationOf(first.clusterId, second.clusterId);
    if (relation === 'unrelated' && !args.isOtherCluster) {
      await talk.lines([`error: ${unrelated(first, second)}`]);
      return EXIT.usage;
    }
    if (relation !== 'same') await talk.lines([`note: ${otherClusters(first, second)}`]);
    const a = await read('A', first, args, terminals);
    const b = await read('B', second, args, terminals);
    return await report(a, b, args, terminals);
  } finally {
    for (const recording of recordings) await recording.close();
  }
}

type Relation = 'same' | 'shadow' | 'unrelated';

/** A cluster that was recovered goes on under the id of a later epoch; a shadow has an id of its own. */
function relationOf(a: string | null, b: string | null): Relation {
  if (a === null || b === null) return 'unrelated';
  if (epochOf(a).origin === epochOf(b).origin) return 'same';
  return [a, b].some((id) => id.startsWith(SHADOW_MARK)) ? 'shadow' : 'unrelated';
}

/** How the id of a cluster of shadows begins, as src/io/node/cluster-id.ts has it for ever. */
const SHADOW_MARK = 'shadow-';

function unrelated(a: Recording, b: Recording): string {
  return (
    `A is of cluster ${a.clusterId ?? '(unknown)'} and B of cluster ${b.clusterId ?? '(unknown)'}, ` +
    'and neither is a shadow: their notifications have nothing to do with each other ' +
    '(hint: where both got the same input, --other-cluster compares them all the same)'
  );
}

function otherClusters(a: Recording, b: Recording): string {
  return (
    `A is of cluster ${a.clusterId ?? '(unknown)'} and B of cluster ${b.clusterId ?? '(unknown)'}; ` +
    'whether both got the same input is not recorded'
  );
}

async function report(
  a: Side,
  b: Side,
  args: AgainstArgs,
  terminals: Terminals,
): Promise<ExitCode> {
  const talk = new Output(terminals.stderr);
  const { toleranceMs } = args;
  const range: Span = {
    // Before one of the logs begins, or is known, there is nothing to compare with.
    from: Math.max(args.from ?? 0, knownSince(a.run), knownSince(b.run)),
    to: args.to ?? Infinity,
  };
  const unknown = { a: spansOf(a.run), b: spansOf(b.run) };
  const isCommon = range.from <= Math.min(range.to, a.run.endedAt, b.run.endedAt);
  // What only one of them can know is no difference.
  const scope = { range: isCommon ? range : NEVER, toleranceMs, unknown };
  const comparison = compare(a.decisions, b.decisions, scope);
  await new Output(terminals.stdout).lines(linesOf(comparison, { a, b, range }, args));
  for (const side of [a, b]) await talk.lines(closingLines(side.run, side.tookMs).map(of(side)));
  await talk.lines([
    ...(isCommon ? [comparedLine(range)] : [NOTHING_IN_COMMON]),
    ...undecidedLines(comparison),
    ...(isCommon && comparison.same + comparison.differences.length === 0 ? [NO_PAGE] : []),
    ...beyondTheEnd(comparison, a, b, toleranceMs),
    verdict(comparison, toleranceMs),
  ]);
  const exits = [exitOf(a.run), exitOf(b.run)];
  for (const exit of [EXIT.corrupt, EXIT.refused]) if (exits.includes(exit)) return exit;
  if (exits.includes(EXIT.unknown) || comparison.undecided > 0 || !isCommon) return EXIT.unknown;
  return comparison.differences.length === 0 ? EXIT.ok : EXIT.refused;
}

const NEVER: Span = { from: Infinity, to: -Infinity };

/** Since when a log is known; Infinity where it never is. */
function knownSince({ unknownOfAll, beganAt }: Replay): number {
  const beginning = unknownOfAll.find(({ cause }) => cause === 'before the log');
  if (beginning === undefined) return beganAt;
  // An entry of the same millisecond as the last unknown one may be that one.
  return beginning.to === null ? Infinity : beginning.toAt + 1;
}

function spansOf({ unknownOfAll }: Replay): readonly Span[] {
  return unknownOfAll
    .filter(({ cause }) => cause !== 'after the log')
    .map(({ cause, fromAt, to, toAt }) => ({
      from: cause === 'before the log' ? -Infinity : fromAt,
      to: to === null ? Infinity : toAt,
    }));
}

function comparedLine({ from, to }: Span): string {
  return `compared from ${timeText(from)}${to === Infinity ? ' on' : ` to ${timeText(to)}`}`;
}

const NOTHING_IN_COMMON =
  'unknown: there is no time in the range of which both logs know: nothing was compared';

function undecidedLines({ undecided }: Comparison): readonly string[] {
  if (undecided === 0) return [];
  return [
    `unknown: ${undecided} ${undecided === 1 ? 'notification is' : 'notifications are'} so near to ` +
      'what is not known of the other log that nobody can say whether it has them',
  ];
}

const NO_PAGE = 'note: neither log has a notification in that time';

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
  { a, b, alert, from, to }: AgainstArgs,
  { stderr }: Terminals,
): Promise<Side> {
  await new Output(stderr).lines(recording.remarks.map(of({ name })));
  const began = performance.now();
  const progress = new Progress(stderr, recording.segments);
  const range = {
    from: from === null ? null : ({ kind: 'time', at: from } as const),
    to: to === null ? null : ({ kind: 'time', at: to } as const),
  };
  const story = alert === null ? null : new AlertFilter(alert);
  const onProgress = (index: number): void => progress.at(index);
  // What stands in one log within the range may stand in the other without.
  const run = new Replay(recording, { range, marginMs: LATE_MS_MAX, story, onProgress });
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
  const endOf = ({ run }: Side): number => run.endedAt;
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

/** `12 notifications the same, 1 only in A, 2 only in B, 0 later than 30s` */
function verdict({ same, onlyInA, onlyInB, later }: Comparison, toleranceMs: number): string {
  const counts = [
    `${same} ${same === 1 ? 'notification' : 'notifications'} the same`,
    `${onlyInA} only in A`,
    `${onlyInB} only in B`,
    `${later} later than ${durationText(toleranceMs)}`,
  ];
  return counts.join(', ');
}

interface Sides {
  readonly a: Side;
  readonly b: Side;
  readonly range: Span;
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
  const verb = instead.what === 'notify' ? `notified ${group}` : 'withheld';
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
    a: a === null ? null : pageJson(a),
    b: b === null ? null : pageJson(b),
    instead: instead === null ? null : insteadJson(instead),
  };
}

function pageJson({ index, at, until, times, reason }: Decision) {
  return { index, at: timeText(at), until: timeText(until), times, reason };
}

function insteadJson({ what, index, at, until, group, firing, resolved, muted, reason }: Decision) {
  const times = { at: timeText(at), until: timeText(until) };
  return { what, index, ...times, group, firing, resolved, muted, reason };
}

function summaryFor(
  { same, onlyInA, onlyInB, later, undecided }: Comparison,
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
    undecided,
    toleranceMs,
    from: Number.isFinite(range.from) ? timeText(range.from) : null,
    to: range.to === Infinity ? null : timeText(range.to),
    a: sideOf(a),
    b: sideOf(b),
  };
}
