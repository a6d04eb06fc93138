/** A state as tables for people: what is watched, what is firing, who was notified, what is due next. */

import { actorText } from '../../commands/actor.ts';
import { labelsText } from '../../commands/labels.ts';
import { matcherText } from '../../commands/matchers.ts';
import type { Route } from '../../commands/config.ts';
import { auditEvents } from '../../projections/audit.ts';
import { rowAt, rowsOf } from '../../projections/pages.ts';
import { sizesOf } from '../../projections/snapshot-pages.ts';
import type {
  Alert,
  AppliedConfig,
  AuditEvent,
  Breach,
  Group,
  Notification,
  Silence,
  State,
} from '../../projections/state.ts';
import { entries } from '../../projections/table.ts';
import { dueTimers } from '../../projections/timers.ts';
import type { ConfState } from '../../raft/types.ts';
import type { Manifest } from '../ports.ts';
import type { Damage } from './snapshot-damage.ts';
import { bytesText, cellText, tableLines, type Column } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';

/** A table on a terminal; `-o jsonl` has all rows. */
const ROWS_SHOWN_MAX = 1_000;

/** What a manifest says, without its list of chunks. */
export type Summary = Omit<Manifest, 'chunks'> & {
  readonly chunks: number;
  /** Bytes of all chunks that can be read. */
  readonly bytes: number;
  readonly state: 'good' | 'damaged';
  readonly damagedChunks: number;
  readonly damage: readonly Damage[];
};

/** A line for each fact of a manifest. */
export function summaryLines(summary: Summary): readonly string[] {
  const { index, term, at, root, clusterId, config, chain, reducerVersion, format } = summary;
  return pairLines([
    ['INDEX', String(index)],
    ['TERM', String(term)],
    ['AT', timeText(at)],
    ['ROOT', root],
    ['CHAIN', chain],
    ['CLUSTER', clusterId],
    ...memberPairs(config.confState),
    ['FOLD', `version ${reducerVersion}`],
    ['FORMAT', String(format)],
    ['CHUNKS', `${summary.chunks}, ${bytesText(summary.bytes)}`],
    ...damagePairs(summary),
  ]);
}

/** Says above all rows that some of them are not there. */
function damagePairs({ state, damagedChunks, damage }: Summary): Pair[] {
  if (state === 'good') return [];
  const pages = damage.map(({ fault, pages: count }) => `${count}: ${fault}`).join('; ');
  return [['DAMAGED', `${damagedChunks} chunks, whose rows are left out (${pages})`]];
}

/** Who has a say, by node id; a list that is empty is left out, save for the voters. */
function memberPairs({ voters, votersOutgoing, learners, learnersNext }: ConfState): Pair[] {
  const others: readonly (readonly [string, readonly string[]])[] = [
    ['VOTERS-OUTGOING', votersOutgoing],
    ['LEARNERS', learners],
    ['LEARNERS-NEXT', learnersNext],
  ];
  const filled = others.filter(([, nodes]) => nodes.length > 0);
  return [['VOTERS', voters] as const, ...filled].map(([name, nodes]) => [name, nodes.join(', ')]);
}

/** The sections of a state; a table without rows is left out. */
export function* stateLines(state: State): Generator<string> {
  yield* section('SIZES', SIZE_COLUMNS, Object.entries(sizesOf(state)));
  if (state.config !== null) {
    yield '';
    yield 'CONFIG';
    yield* pairLines(configPairs(state.config));
  }
  yield* section('PENDING AND FIRING CHECKS', BREACH_COLUMNS, breachRows(state));
  yield* section('ALERTS', ALERT_COLUMNS, [...entries(state.alerts)]);
  yield* section('GROUPS', GROUP_COLUMNS, [...entries(state.groups)]);
  yield* section('SILENCES', SILENCE_COLUMNS, [...entries(state.silences)]);
  yield* section('NOTIFICATIONS', NOTIFICATION_COLUMNS, [...entries(state.notifications)]);
  const events = auditEvents(state, { before: Infinity, limit: Infinity });
  yield* section('AUDIT', AUDIT_COLUMNS, events);
  yield* section('TIMERS', TIMER_COLUMNS, timerRows(state));
}

function* section<Row>(
  title: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Generator<string> {
  if (rows.length === 0) return;
  yield '';
  yield title;
  yield* tableLines(columns, rows.slice(0, ROWS_SHOWN_MAX));
  const more = rows.length - ROWS_SHOWN_MAX;
  if (more > 0) yield `… and ${more} more: -o jsonl shows all`;
}

type Pair = readonly [name: string, value: string];

function pairLines(pairs: readonly Pair[]): readonly string[] {
  const width = pairs.reduce((max, [name]) => Math.max(max, name.length), 0);
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`);
}

const SIZE_COLUMNS: readonly Column<readonly [string, number]>[] = [
  { title: 'TABLE', text: ([table]) => table },
  { title: 'ROWS', text: ([, rows]) => String(rows) },
];

function configPairs({ index, at, command }: AppliedConfig): readonly Pair[] {
  const { config, externalUrl, origin } = command;
  const integrations = config.receivers.flatMap((receiver) => receiver.integrations);
  return [
    ['ORIGIN', origin],
    ['APPLIED', `index ${index}, ${timeText(at)}`],
    ['EXTERNAL-URL', externalUrl ?? ''],
    ['ROUTES', String(routeCount(config.route))],
    ['RECEIVERS', config.receivers.map(({ name }) => name).join(', ')],
    ['INTEGRATIONS', String(integrations.length)],
    ['INHIBIT-RULES', String(config.inhibitRules.length)],
    ['TIME-INTERVALS', String(config.timeIntervals.length)],
    ['CHECKS', config.checks.map(({ name }) => name).join(', ')],
    ['MONITORS', config.monitors.map(({ name }) => name).join(', ')],
  ];
}

function routeCount(route: Route): number {
  return route.routes.reduce((count, child) => count + routeCount(child), 1);
}

interface BreachRow extends Breach {
  readonly series: string;
  readonly check: string;
}

function breachRows(state: State): readonly BreachRow[] {
  const checks = new Map(Object.entries(state.facts.checkIds).map(([key, id]) => [id, key]));
  const rows: BreachRow[] = [];
  for (const [series, breaches] of rowsOf(state.breaches)) {
    for (const [id, breach] of Object.entries(breaches)) {
      const check = checks.get(Number(id)) ?? `check ${id}`;
      rows.push({ ...breach, series: rowAt(state.series, series) ?? `series ${series}`, check });
    }
  }
  return rows;
}

const BREACH_COLUMNS: readonly Column<BreachRow>[] = [
  { title: 'SERIES', text: (row) => row.series },
  { title: 'SINCE', text: (row) => timeText(row.since) },
  { title: 'FIRES', text: (row) => (row.firesAt === 0 ? 'fires' : timeText(row.firesAt)) },
  { title: 'VALUE', text: (row) => String(row.value) },
  { title: 'CHECK', text: (row) => row.check },
];

const ALERT_COLUMNS: readonly Column<readonly [string, Alert]>[] = [
  { title: 'FINGERPRINT', text: ([fingerprint]) => fingerprint },
  { title: 'STATUS', text: ([, alert]) => (alert.resolved ? 'resolved' : 'firing') },
  { title: 'STARTS', text: ([, alert]) => timeText(alert.startsAt) },
  { title: 'ENDS', text: ([, alert]) => timeText(alert.endsAt) },
  { title: 'GROUPS', text: ([, alert]) => String(alert.groups.length) },
  { title: 'LABELS', text: ([, alert]) => labelsText(alert.labels) },
];

const GROUP_COLUMNS: readonly Column<readonly [string, Group]>[] = [
  { title: 'GROUP', text: ([, group]) => group.text },
  { title: 'RECEIVER', text: ([, group]) => group.receiver },
  { title: 'ALERTS', text: ([, group]) => String(Object.keys(group.alerts).length) },
  { title: 'NEXT-FLUSH', text: ([, group]) => timeText(group.nextFlush) },
  { title: 'OWED', text: ([, group]) => String(Object.keys(group.owed).length) },
  { title: 'LAST', text: ([, group]) => lastVerdicts(group) },
];

function lastVerdicts({ last }: Group): string {
  if (last === null) return '';
  const verdicts = last.verdicts.map(({ integration, reason }) => `${integration}: ${reason}`);
  return `index ${last.index}, ${verdicts.join('; ')}`;
}

const SILENCE_COLUMNS: readonly Column<readonly [string, Silence]>[] = [
  { title: 'ID', text: ([id]) => id },
  { title: 'STARTS', text: ([, silence]) => timeText(silence.startsAt) },
  { title: 'ENDS', text: ([, silence]) => timeText(silence.endsAt) },
  { title: 'BY', text: ([, silence]) => silence.createdBy },
  { title: 'MATCHERS', text: ([, silence]) => silence.matchers.map(matcherText).join(', ') },
  { title: 'COMMENT', text: ([, silence]) => silence.comment },
];

const NOTIFICATION_COLUMNS: readonly Column<readonly [string, Notification]>[] = [
  { title: 'ID', text: ([id]) => id },
  { title: 'STATUS', text: ([, row]) => row.status },
  { title: 'INTEGRATION', text: ([, row]) => row.integration },
  { title: 'TRIES', text: ([, row]) => String(row.tries) },
  { title: 'DECIDED', text: ([, row]) => timeText(row.decidedAt) },
  { title: 'REASON', text: ([, row]) => row.reason },
  { title: 'LAST-RESULT', text: ([, row]) => row.lastResult },
];

const AUDIT_COLUMNS: readonly Column<AuditEvent>[] = [
  { title: 'INDEX', text: (row) => String(row.index) },
  { title: 'AT', text: (row) => timeText(row.at) },
  { title: 'ACTION', text: (row) => row.action },
  { title: 'ACTOR', text: (row) => actorText(row.actor) },
  { title: 'SUBJECT', text: (row) => row.subject },
  { title: 'DETAIL', text: (row) => row.detail },
  { title: 'CREATED-BY', text: (row) => row.createdBy ?? '' },
];

interface TimerRow {
  readonly at: number;
  readonly what: string;
  readonly key: string;
}

function timerRows(state: State): readonly TimerRow[] {
  return (['foldTimers', 'flushTimers', 'attemptTimers'] as const)
    .flatMap((what) =>
      dueTimers(state[what], Infinity, Infinity).map(({ key, at }) => ({ at, what, key })),
    )
    .sort((a, b) => a.at - b.at);
}

const TIMER_COLUMNS: readonly Column<TimerRow>[] = [
  { title: 'AT', text: (row) => timeText(row.at) },
  { title: 'INDEX', text: (row) => row.what },
  { title: 'KEY', text: (row) => row.key },
];
