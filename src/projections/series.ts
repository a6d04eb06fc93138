/**
 * The projection of series and of what checks see on them: names, breaches, missing readings.
 *
 * Promise: a reading that changes nothing writes nothing; only the crossing into a breach, out of
 * it, and the coarse step of a watched series are written.
 */

import type { Observe } from '../commands/observe.ts';
import { fireCheck, resolveCheck } from './alerts.ts';
import {
  checksOf,
  checksOfSeries,
  inBreach,
  seenStepMs,
  type Checks,
  type CompiledCheck,
  type Watchers,
} from './checks.ts';
import { firesAt, gapsSince } from './gaps.ts';
import type { Breach } from './state.ts';
import type { Transaction } from './transaction.ts';

/** What the timers of `missing` checks start with. */
export const MISSING_TIMER = 'missing:';

/** Folds readings: interns new names, then judges each value against the checks of its series. */
export function observe(tx: Transaction, command: Observe): void {
  const newIds = command.names.map((name) => intern(tx, name));
  const checks = checksOf(tx.config, tx.facts);
  if (checks.all.length === 0) return;
  const { ids, values } = command;
  const bySeries = watchersOf(tx, checks);
  for (let i = 0; i < ids.length; i++) {
    const raw = ids[i] ?? 0;
    const id = raw >= 0 ? raw : (newIds[-1 - raw] ?? 0);
    const watching = bySeries[id] ?? watchers(tx, id);
    if (watching.length > 0) judge(tx, id, values[i] ?? 0, watching);
  }
}

/** The id of a name, giving a new name the next id. */
export function intern(tx: Transaction, name: string): number {
  const known = tx.series.ids.get(name);
  if (known !== undefined) return known;
  const id = tx.facts.seriesCount;
  tx.facts = { ...tx.facts, seriesCount: id + 1 };
  tx.series.ids.set(name, id);
  tx.setRow('series', id, name);
  watch(tx, id, watchers(tx, id));
  return id;
}

/** The checks that watch a series under the configuration of now. */
export function watchers(tx: Transaction, id: number): readonly CompiledCheck[] {
  const checks = checksOf(tx.config, tx.facts);
  const bySeries = watchersOf(tx, checks);
  const known = bySeries[id];
  if (known !== undefined) return known;
  const name = tx.rowAt('series', id);
  // An id that was never given out can only come from a damaged or forged command.
  if (name === undefined) return [];
  return (bySeries[id] = checksOfSeries(checks, name));
}

function watchersOf(tx: Transaction, checks: Checks): Watchers {
  const known = tx.series.watchers.get(checks);
  if (known !== undefined) return known;
  const bySeries: Watchers = [];
  tx.series.watchers.set(checks, bySeries);
  return bySeries;
}

/** Starts the watch of a series by `missing` checks, or goes on with it after a reload. */
export function watch(tx: Transaction, id: number, watching: readonly CompiledCheck[]): void {
  for (const compiled of watching) {
    if (compiled.check.condition.kind !== 'missing') continue;
    tx.setRow('seen', id, tx.rowAt('seen', id) ?? tx.at);
    watchFrom(tx, id, compiled, watching);
  }
}

/** Has a `missing` check look when its series, silent since it was last seen, is due. */
function watchFrom(
  tx: Transaction,
  id: number,
  { id: check, check: { condition } }: CompiledCheck,
  watching: readonly CompiledCheck[],
): void {
  const seen = tx.rowAt('seen', id) ?? tx.at;
  const dueAt = seen + condition.missingMs + seenStepMs(watching);
  tx.setTimer('foldTimers', missingTimer(check, id), dueAt);
}

function judge(
  tx: Transaction,
  id: number,
  value: number,
  watching: readonly CompiledCheck[],
): void {
  const breaches = tx.breachesAt(id);
  for (const compiled of watching) {
    const breach = breaches?.[compiled.id];
    const condition = compiled.check.condition;
    if (condition.kind === 'missing') markSeen(tx, id, watching);
    const isInBreach = inBreach(condition, value, breach !== undefined);
    if (isInBreach === (breach !== undefined)) continue;
    if (isInBreach) beginBreach(tx, id, compiled, value);
    else endBreach(tx, id, compiled);
    // While it was in breach nobody looked: the series may fall silent once more.
    if (condition.kind === 'missing') watchFrom(tx, id, compiled, watching);
  }
}

function markSeen(tx: Transaction, id: number, watching: readonly CompiledCheck[]): void {
  const seen = tx.rowAt('seen', id) ?? 0;
  if (tx.at - seen >= seenStepMs(watching)) tx.setRow('seen', id, tx.at);
}

function beginBreach(tx: Transaction, id: number, compiled: CompiledCheck, value: number): void {
  const { check } = compiled;
  const endsAt = tx.at + check.forMs;
  const series = tx.rowAt('series', id) ?? '';
  tx.note({ kind: 'breach', check: check.name, series, value, firesAt: endsAt });
  const breach: Breach = { since: tx.at, value, firesAt: check.forMs === 0 ? 0 : endsAt };
  tx.setRow('breaches', id, { ...tx.rowAt('breaches', id), [compiled.id]: breach });
  if (check.forMs === 0) fireCheck(tx, compiled, id, value);
  else tx.setTimer('foldTimers', pendingTimer(compiled.id, id), endsAt);
}

/** Ends a breach; an alert that it raised is resolved. */
function endBreach(tx: Transaction, id: number, compiled: CompiledCheck): void {
  const breach = dropBreach(tx, id, compiled.id);
  if (breach === undefined) return;
  if (breach.firesAt === 0) {
    resolveCheck(tx, compiled.check, id, 'recovered');
  } else {
    const series = tx.rowAt('series', id) ?? '';
    tx.note({ kind: 'recovered', check: compiled.check.name, series });
  }
}

/** Removes the row of a breach and its timer, and gives back what it said. */
export function dropBreach(tx: Transaction, id: number, check: number): Breach | undefined {
  const breaches = tx.rowAt('breaches', id);
  const breach = breaches?.[check];
  if (breach === undefined) return undefined;
  const rest = Object.entries(breaches ?? {}).filter(([key]) => Number(key) !== check);
  if (rest.length === 0) tx.removeRow('breaches', id);
  else tx.setRow('breaches', id, Object.fromEntries(rest));
  if (breach.firesAt > 0) {
    tx.clearTimer('foldTimers', pendingTimer(check, id), breach.firesAt);
  }
  return breach;
}

/** `for` has elapsed: the pending breach becomes a firing alert. */
export function pendingDue(tx: Transaction, check: number, id: number): void {
  const compiled = checksOf(tx.config, tx.facts).byId.get(check);
  const breaches = tx.rowAt('breaches', id);
  const breach = breaches?.[check];
  if (compiled === undefined || breach === undefined || breach.firesAt === 0) return;
  const dueAt = firesAt(tx.facts, breach);
  if (dueAt > tx.at) {
    if (dueAt !== breach.firesAt) postpone(tx, check, id, dueAt);
    return;
  }
  tx.setRow('breaches', id, { ...breaches, [check]: { ...breach, firesAt: 0 } });
  fireCheck(tx, compiled, id, breach.value);
}

/** Nothing listened for a while: what is left of `for` is still to come. */
function postpone(tx: Transaction, check: number, id: number, dueAt: number): void {
  const breaches = tx.rowAt('breaches', id);
  const breach = breaches?.[check];
  if (breach === undefined) return;
  const later = { ...breach, firesAt: dueAt, gapsMs: gapsSince(tx.facts, breach.since) };
  tx.setRow('breaches', id, { ...breaches, [check]: later });
  tx.setTimer('foldTimers', pendingTimer(check, id), dueAt);
}

/** A `missing` check looks: has the series been silent for its whole period? */
export function missingDue(tx: Transaction, check: number, id: number): void {
  const compiled = checksOf(tx.config, tx.facts).byId.get(check);
  const seen = tx.rowAt('seen', id);
  if (compiled === undefined || seen === undefined) return;
  if (compiled.check.condition.kind !== 'missing') return;
  const step = seenStepMs(watchers(tx, id));
  const silentSince = Math.max(seen + gapsSince(tx.facts, seen), tx.facts.listeningSince);
  const dueAt = silentSince + compiled.check.condition.missingMs + step;
  if (dueAt > tx.at) {
    tx.setTimer('foldTimers', missingTimer(check, id), dueAt);
    return;
  }
  if (tx.rowAt('breaches', id)?.[check] === undefined) beginBreach(tx, id, compiled, 0);
}

function pendingTimer(check: number, series: number): string {
  return `pending:${check}:${series}`;
}

function missingTimer(check: number, series: number): string {
  return `${MISSING_TIMER}${check}:${series}`;
}
