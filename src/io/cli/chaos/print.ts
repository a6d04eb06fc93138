/** The verdict as people and programs read it. */

import { tableLines, type Column } from '../render-table.ts';
import type { Spread, ChaosReport } from './report.ts';

export interface Run {
  readonly nodes: number;
  readonly seed: number;
  readonly tookMs: number;
  /** Where the data of the members is; null when it was removed. */
  readonly directory: string | null;
  /** The index up to which the logs were replayed. */
  readonly index: number;
}

export function verdictLines(
  verdict: ChaosReport,
  run: Run,
  format: 'table' | 'json',
): readonly string[] {
  if (format === 'json') return [JSON.stringify({ ...run, ...verdict }, null, 2)];
  return [
    ...tableLines(COLUMNS, rowsOf(verdict, run)),
    '',
    verdict.isClean
      ? 'verdict: clean'
      : `verdict: not clean\n${verdict.problems.map((each) => `  ${each}`).join('\n')}`,
  ];
}

/** `m:ss`, as progress lines begin. */
export function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

interface Row {
  readonly what: string;
  /** Null for a figure that is no promise. */
  readonly isGood: boolean | null;
  readonly figures: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'WHAT', text: ({ what }) => what },
  { title: 'RESULT', text: ({ isGood }) => (isGood === null ? '' : isGood ? 'good' : 'BROKEN') },
  { title: 'FIGURES', text: ({ figures }) => figures },
];

function rowsOf(verdict: ChaosReport, run: Run): readonly Row[] {
  const { alerts, pages, twice, elections, faults, replays, ownEnds } = verdict;
  const roots = new Set(replays.map(({ root, chain }) => `${root} ${chain}`));
  const areEqual = roots.size === 1 && replays.every(({ problems }) => problems.length === 0);
  return [
    promise('alerts', alerts.lost.length === 0, [
      `${whole(alerts.acknowledged)} acknowledged`,
      `${whole(alerts.lost.length)} lost`,
      `${whole(alerts.pushed - alerts.acknowledged)} never answered 200`,
      ...(alerts.leftOut === 0 ? [] : [`${whole(alerts.leftOut)} left out`]),
    ]),
    promise('pages', pages.lost.length === 0, [
      `${whole(pages.expected)} expected`,
      `${whole(pages.received)} received`,
      `${whole(pages.lost.length)} lost`,
    ]),
    promise('notified twice', twice.unmarked.length === 0, [
      `${whole(twice.alerts)} alerts`,
      `${whole(twice.marked)} of ${whole(twice.messages)} messages marked`,
      `${whole(twice.underNewKey)} under another key`,
    ]),
    promise('replay', areEqual, [
      `${replays.length} logs ${areEqual ? 'equal' : 'not equal'} at index ${whole(run.index)}`,
      `root ${replays[0]?.root?.slice(0, 12) ?? 'unknown'}`,
      `${sum(replays.map(({ matched }) => matched))} of ${sum(replays.map(({ compared }) => compared))} snapshots match`,
    ]),
    promise('processes', ownEnds.length === 0, [
      ownEnds.length === 0 ? 'none ended by itself' : ownEnds.join(', '),
    ]),
    figure('faults', [
      ...Object.entries(faults).map(([kind, count]) => `${count} ${kind}`),
      ...(Object.keys(faults).length === 0 ? ['none'] : []),
    ]),
    figure('elections', [
      whole(elections.seen),
      `terms ${elections.firstTerm} to ${elections.lastTerm}`,
    ]),
    figure('notification after its 200', spreadTexts(verdict.delayMs)),
    figure('notification after its push', spreadTexts(verdict.delayFromPushMs)),
    figure('no push acknowledged', [`for ${secondsText(verdict.silenceMsMax)} at most`]),
    figure('readings sent', [whole(verdict.readingsSent)]),
    figure('run', [`${run.nodes} nodes`, `seed ${run.seed}`, `took ${clockText(run.tookMs)}`]),
  ];
}

function promise(what: string, isGood: boolean, figures: readonly string[]): Row {
  return { what, isGood, figures: figures.join(', ') };
}

function figure(what: string, figures: readonly string[]): Row {
  return { what, isGood: null, figures: figures.join(', ') };
}

function spreadTexts({ p50, p99, max }: Spread): readonly string[] {
  return [`p50 ${secondsText(p50)}`, `p99 ${secondsText(p99)}`, `max ${secondsText(max)}`];
}

function secondsText(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

function whole(count: number): string {
  return count.toLocaleString('en-US');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
