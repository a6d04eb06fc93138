/**
 * What keeps an alert from being told: silences, inhibition, time intervals.
 *
 * Promise: answers with every cause by name, since a person will ask. Time zones are not known
 * here: the caller passes a function, because zone rules differ between builds and so may only be
 * asked when deciding, never when folding.
 */

import type { Config, InhibitRule, IntervalPart, TimeInterval } from '../commands/config.ts';
import { labelValue, type Labels } from '../commands/labels.ts';
import { matchesAll } from './matching.ts';
import type { RouteNode } from './routing.ts';
import { silenceStatus } from './silences.ts';
import type { Alert, Silence, State } from './state.ts';
import { entries, type Table } from './table.ts';

/** A moment as a wall clock in some zone shows it. */
export interface LocalTime {
  /** From 0 to 1439. */
  readonly minuteOfDay: number;
  /** Sunday is 0. */
  readonly weekday: number;
  /** From 1. */
  readonly day: number;
  readonly daysInMonth: number;
  /** From 1. */
  readonly month: number;
  readonly year: number;
}

/** Reads a clock in an IANA zone. */
export type LocalTimeIn = (epochMs: number, zone: string) => LocalTime;

/** Ids of the active silences that match, in a fixed order. */
export function silencesOf(state: State, labels: Labels, now: number): readonly string[] {
  const found: string[] = [];
  for (const [id, silence] of entries(state.silences)) {
    if (mutes(silence, labels, now)) found.push(id);
  }
  return found;
}

function mutes(silence: Silence, labels: Labels, now: number): boolean {
  return silenceStatus(silence, now) === 'active' && matchesAll(silence.matchers, labels);
}

/**
 * Fingerprints of firing alerts that inhibit the given one, one for each rule that applies. A
 * label of `equal` that both lack counts as equal. An alert that matches both sides of a rule is
 * not inhibited by another such alert, as in Alertmanager.
 */
export function inhibitorsOf(state: State, fingerprint: string, labels: Labels): readonly string[] {
  const found: string[] = [];
  for (const rule of state.config?.command.config.inhibitRules ?? []) {
    if (!matchesAll(rule.targetMatchers, labels)) continue;
    const isSourceToo = matchesAll(rule.sourceMatchers, labels);
    const sources = sourcesOf(state.alerts, rule).get(equalKey(rule, labels)) ?? [];
    const inhibitor = sources.find(
      (source) =>
        source.fingerprint !== fingerprint &&
        !(isSourceToo && matchesAll(rule.targetMatchers, source.labels)),
    );
    if (inhibitor !== undefined) found.push(inhibitor.fingerprint);
  }
  return found;
}

interface Source {
  readonly fingerprint: string;
  readonly labels: Labels;
}

type SourcesByKey = ReadonlyMap<string, readonly Source[]>;

/** Firing alerts by rule and `equal` labels; made again only when the alerts have changed. */
const sources = new WeakMap<Table<Alert>, Map<InhibitRule, SourcesByKey>>();

function sourcesOf(alerts: Table<Alert>, rule: InhibitRule): SourcesByKey {
  const rules = sources.get(alerts) ?? new Map<InhibitRule, SourcesByKey>();
  sources.set(alerts, rules);
  const known = rules.get(rule);
  if (known !== undefined) return known;
  const byKey = new Map<string, Source[]>();
  for (const [fingerprint, alert] of entries(alerts)) {
    if (alert.resolved || !matchesAll(rule.sourceMatchers, alert.labels)) continue;
    const key = equalKey(rule, alert.labels);
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [{ fingerprint, labels: alert.labels }]);
    else same.push({ fingerprint, labels: alert.labels });
  }
  rules.set(rule, byKey);
  return byKey;
}

function equalKey(rule: InhibitRule, labels: Labels): string {
  return JSON.stringify(rule.equal.map((name) => labelValue(labels, name)));
}

/** Names of the intervals because of which a route is mute now. */
export function mutingIntervalsOf(
  config: Config,
  { route }: RouteNode,
  now: number,
  localTimeIn: LocalTimeIn,
): readonly string[] {
  const isIn = (name: string): boolean => {
    const interval = config.timeIntervals.find((each) => each.name === name);
    return interval !== undefined && intervalHolds(interval, now, localTimeIn);
  };
  const muted = route.muteIntervals.filter(isIn);
  if (route.activeIntervals.length === 0 || route.activeIntervals.some(isIn)) return muted;
  return [...muted, ...route.activeIntervals.map((name) => `outside ${name}`)];
}

export function intervalHolds(
  interval: TimeInterval,
  now: number,
  localTimeIn: LocalTimeIn,
): boolean {
  return interval.parts.some((part) => partHolds(part, localTimeIn(now, part.zone)));
}

function partHolds(part: IntervalPart, local: LocalTime): boolean {
  return (
    holds(part.times, (range) => range.from <= local.minuteOfDay && local.minuteOfDay < range.to) &&
    holds(part.weekdays, (range) => within(range, local.weekday)) &&
    holds(part.daysOfMonth, (range) => withinMonth(range, local)) &&
    holds(part.months, (range) => within(range, local.month)) &&
    holds(part.years, (range) => within(range, local.year))
  );
}

interface IntervalRange {
  readonly from: number;
  readonly to: number;
}

function holds(ranges: readonly IntervalRange[], test: (range: IntervalRange) => boolean): boolean {
  return ranges.length === 0 || ranges.some(test);
}

function within(range: IntervalRange, value: number): boolean {
  return range.from <= value && value <= range.to;
}

/** Days count from the end of the month when negative; a range is cut to the month's length. */
function withinMonth(range: IntervalRange, { day, daysInMonth }: LocalTime): boolean {
  const from = range.from < 0 ? daysInMonth + range.from + 1 : range.from;
  const to = range.to < 0 ? daysInMonth + range.to + 1 : range.to;
  return Math.max(1, from) <= day && day <= Math.min(daysInMonth, to);
}
