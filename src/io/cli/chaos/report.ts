/**
 * The verdict: what the command has seen, held against what was promised.
 *
 * Pure: knows no process, no clock and no stream.
 */

import { EXIT, type ExitCode } from '../../daemon/exit.ts';
import type { FaultKind } from './faults.ts';
import type { ReceivedNotification } from './inbox.ts';
import type { Push } from './load.ts';
import type { OwnEnd } from './member.ts';
import type { Replayed } from './replays.ts';

/** Everything that was seen. */
export interface Seen {
  readonly pushes: readonly Push[];
  readonly pages: readonly ReceivedNotification[];
  /** What each member listed in the end; null for one that did not answer. */
  readonly listed: ReadonlyMap<string, ReadonlySet<string> | null>;
  /** Epoch milliseconds at which that was asked. */
  readonly listedAt: number;
  /** The index at which all members came to agree; null when they did not. */
  readonly settledAt: number | null;
  readonly terms: readonly number[];
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly ownEnds: readonly OwnEnd[];
  readonly replayed: readonly Replayed[];
  /** Times of `performance.now()` between which alerts were pushed. */
  readonly loadMs: { readonly from: number; readonly to: number };
  readonly readingsSent: number;
  readonly leftOut: number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ChaosReport {
  readonly isClean: boolean;
  /** A sentence for each promise that was broken, and each thing that could not be seen. */
  readonly problems: readonly string[];
  readonly alerts: {
    readonly pushed: number;
    readonly acknowledged: number;
    readonly lost: readonly string[];
    readonly leftOut: number;
  };
  readonly readingsSent: number;
  readonly pages: {
    /** One for each alert that was acknowledged. */
    readonly expected: number;
    readonly received: number;
    readonly lost: readonly string[];
    /** Of alerts that nobody acknowledged, which may have been committed all the same. */
    readonly unacknowledged: number;
  };
  readonly twice: {
    /** Alerts that were notified more than once. */
    readonly alerts: number;
    /** Messages that said what had been said. */
    readonly messages: number;
    readonly marked: number;
    /** Of those, messages under a key that had not come before. */
    readonly underNewKey: number;
    readonly unmarked: readonly string[];
  };
  readonly elections: {
    readonly seen: number;
    readonly firstTerm: number;
    readonly lastTerm: number;
  };
  readonly faults: Readonly<Record<string, number>>;
  /** From the 200 to the page; a page that was there sooner counts as 0. */
  readonly delayMs: Spread;
  /** From the first try of the push to the page. */
  readonly delayFromPushMs: Spread;
  /** The longest time in which no push was acknowledged. */
  readonly silenceMsMax: number;
  /** Members that ended although nobody ended them. */
  readonly ownEnds: readonly string[];
  readonly replays: readonly Replayed[];
}

/** An alert that ends soon may be gone from the list by the time it is read. */
const END_MARGIN_MS = 60_000;

const NAMED_MAX = 5;

export function chaosReportOn(seen: Seen): ChaosReport {
  const acknowledged = seen.pushes.filter(({ ackedAtMs }) => ackedAtMs !== null);
  const byAlert = pagesByAlert(seen.pages);
  const lostPages = acknowledged.filter(({ alert }) => !byAlert.has(alert));
  const lostAlerts = acknowledged.filter((push) => isLost(push, byAlert.has(push.alert), seen));
  const twice = twiceOf(byAlert);
  const found = {
    alerts: {
      pushed: seen.pushes.length,
      acknowledged: acknowledged.length,
      lost: lostAlerts.map(({ alert }) => alert),
      leftOut: seen.leftOut,
    },
    readingsSent: seen.readingsSent,
    pages: {
      expected: acknowledged.length,
      received: acknowledged.length - lostPages.length,
      lost: lostPages.map(({ alert }) => alert),
      unacknowledged: byAlert.size - (acknowledged.length - lostPages.length),
    },
    twice,
    elections: electionsOf(seen.terms),
    faults: Object.fromEntries(seen.faults),
    delayMs: spreadOf(delaysOf(acknowledged, byAlert, ({ ackedAtMs }) => ackedAtMs)),
    delayFromPushMs: spreadOf(delaysOf(acknowledged, byAlert, ({ firstAtMs }) => firstAtMs)),
    silenceMsMax: silenceOf(acknowledged, seen.loadMs),
    ownEnds: seen.ownEnds.map(({ name, how }) => `${name}: ${how}`),
    replays: seen.replayed,
  };
  const problems = problemsOf(found, seen);
  return { isClean: problems.length === 0, problems, ...found };
}

/** A promise that was broken is worse than a cluster that was not done in time. */
export function exitOf({ alerts, pages, twice, ownEnds, replays, isClean }: ChaosReport): ExitCode {
  if (isClean) return EXIT.ok;
  const isBroken =
    alerts.lost.length + pages.lost.length + twice.unmarked.length + ownEnds.length > 0 ||
    disagreements(replays).length > 0;
  return isBroken ? EXIT.refused : EXIT.unavailable;
}

function problemsOf(
  found: Omit<ChaosReport, 'isClean' | 'problems'>,
  seen: Seen,
): readonly string[] {
  const { alerts, pages, twice, ownEnds, replays } = found;
  return [
    ...listing(alerts.lost, 'acknowledged, and lost'),
    ...listing(pages.lost, 'acknowledged, and nobody was paged'),
    ...listing(twice.unmarked, 'paged twice, and not marked'),
    ...ownEnds.map((end) => `ended by itself: ${end}`),
    ...disagreements(replays),
    ...(seen.settledAt === null ? ['the members did not come to agree in time'] : []),
    ...[...seen.listed]
      .filter(([, alertsThere]) => alertsThere === null)
      .map(([name]) => `${name} did not say which alerts it has`),
    ...(alerts.acknowledged === 0 ? ['no alert was acknowledged: nothing was tested'] : []),
  ];
}

function listing(alerts: readonly string[], what: string): readonly string[] {
  if (alerts.length === 0) return [];
  const more = alerts.length > NAMED_MAX ? `, and ${alerts.length - NAMED_MAX} more` : '';
  return [`${what}: ${alerts.slice(0, NAMED_MAX).join(', ')}${more}`];
}

/** What the replays of the logs have to say against each other, and each against its snapshots. */
function disagreements(replayed: readonly Replayed[]): readonly string[] {
  const own = replayed.flatMap(({ name, problems }) =>
    problems.map((problem) => `replay of ${name}: ${problem}`),
  );
  const [first, ...others] = replayed.filter(({ root }) => root !== null);
  const differing = others.filter(
    ({ root, chain }) => root !== first?.root || chain !== first.chain,
  );
  return [
    ...own,
    ...differing.map(
      ({ name, index }) => `the logs of ${first?.name} and ${name} differ at index ${index}`,
    ),
  ];
}

/** A member that lists alerts must list it, while it lasts; after that, the page is the proof. */
function isLost(push: Push, wasPaged: boolean, { listed, listedAt }: Seen): boolean {
  const lists = [...listed.values()].filter((alerts) => alerts !== null);
  if (push.endsAt < listedAt + END_MARGIN_MS || lists.length === 0) return !wasPaged;
  return lists.some((alerts) => !alerts.has(push.alert));
}

function pagesByAlert(
  pages: readonly ReceivedNotification[],
): ReadonlyMap<string, readonly ReceivedNotification[]> {
  const byAlert = new Map<string, ReceivedNotification[]>();
  for (const page of pages) {
    const same = byAlert.get(page.alert);
    if (same === undefined) byAlert.set(page.alert, [page]);
    else same.push(page);
  }
  return byAlert;
}

/**
 * Of all messages about one alert, all but one must be marked. Which one is not must not matter: a
 * process that stood still can send the first one last.
 */
function twiceOf(
  byAlert: ReadonlyMap<string, readonly ReceivedNotification[]>,
): ChaosReport['twice'] {
  const twice = [...byAlert].filter(([, pages]) => pages.length > 1);
  const unmarked = twice.filter(([, pages]) => pages.filter((page) => !page.isMarked).length > 1);
  const count = (of: (pages: readonly ReceivedNotification[]) => number): number =>
    twice.reduce((sum, [, pages]) => sum + of(pages), 0);
  return {
    alerts: twice.length,
    messages: count((pages) => pages.length - 1),
    marked: count((pages) =>
      Math.min(pages.length - 1, pages.filter((page) => page.isMarked).length),
    ),
    underNewKey: count((pages) => new Set(pages.map(({ key }) => key)).size - 1),
    unmarked: unmarked.map(([alert]) => alert),
  };
}

function electionsOf(terms: readonly number[]): ChaosReport['elections'] {
  const sorted = terms.toSorted((a, b) => a - b);
  return { seen: sorted.length, firstTerm: sorted[0] ?? 0, lastTerm: sorted.at(-1) ?? 0 };
}

function delaysOf(
  acknowledged: readonly Push[],
  byAlert: ReadonlyMap<string, readonly ReceivedNotification[]>,
  since: (push: Push) => number | null,
): readonly number[] {
  return acknowledged.flatMap((push) => {
    const pages = byAlert.get(push.alert);
    const from = since(push);
    if (pages === undefined || from === null) return [];
    return [Math.max(0, Math.min(...pages.map(({ atMs }) => atMs)) - from)];
  });
}

/** The nearest rank, in whole milliseconds. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function silenceOf(acknowledged: readonly Push[], { from, to }: Seen['loadMs']): number {
  const acks = acknowledged.map(({ ackedAtMs }) => ackedAtMs ?? to).toSorted((a, b) => a - b);
  let before = from;
  let longest = 0;
  for (const at of [...acks.filter((each) => each < to), to]) {
    longest = Math.max(longest, at - before);
    before = at;
  }
  return Math.round(longest);
}
