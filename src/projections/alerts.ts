/**
 * The projection of alerts: one row per label set that fires or has just been resolved, whether a
 * check raised it or somebody pushed it. From here on both are the same thing.
 *
 * Promise: pushed alerts merge as in Alertmanager (`alert.Merge`); an alert joins its groups when
 * it begins to fire and leaves them when its end has been told.
 */

import type { PushAlerts, PushedAlert } from '../commands/alerts.ts';
import type { Check } from '../commands/config.ts';
import { fingerprint, sameLabels, type Labels } from '../commands/labels.ts';
import { alertLabels, type CompiledCheck } from './checks.ts';
import { byClientClock, clientTimeOf, logTimeOf, type ByClientClock } from './client-time.ts';
import { lostSince } from './gaps.ts';
import { joinGroups } from './groups.ts';
import type { Alert } from './state.ts';
import type { Transaction } from './transaction.ts';

/** How long a resolved alert that no group needs any more can still be looked at. */
export const RESOLVED_KEEP_MS = 15 * 60_000;

/** Folds pushed alerts. */
export function pushAlerts(tx: Transaction, command: PushAlerts): void {
  const clock = byClientClock(tx.reducers.version < 2 ? 0 : command.offsetMs);
  for (const alert of command.alerts) pushAlert(tx, alert, clock);
}

function pushAlert(tx: Transaction, pushed: PushedAlert, clock: ByClientClock): void {
  const key = fingerprint(pushed.labels);
  const before = tx.get('alerts', key);
  const after = merged(before, rowOfPushed(tx, pushed, clock));
  const begins = !after.resolved && (before === undefined || before.resolved);
  if (begins) {
    fire(tx, key, after);
  } else if (after.resolved && before !== undefined && !before.resolved) {
    resolve(tx, key, after, 'pushed');
  } else {
    tx.put('alerts', key, withWakeUp(tx, key, after));
  }
}

/** Fills in the times that the sender left out (Alertmanager API v2, `POST /alerts`). */
function rowOfPushed(tx: Transaction, pushed: PushedAlert, clock: ByClientClock): Alert {
  const endsByTimeout = pushed.endsAt === 0;
  const now = clientTimeOf(tx.at, clock);
  const endsAt = endsByTimeout ? now + resolveTimeoutMs(tx) : pushed.endsAt;
  const startsAt = pushed.startsAt !== 0 ? pushed.startsAt : endsByTimeout ? now : endsAt;
  const row: Alert = {
    labels: pushed.labels,
    annotations: pushed.annotations,
    generatorUrl: pushed.generatorUrl,
    origin: null,
    startsAt,
    endsAt,
    endsByTimeout,
    resolved: endsAt <= now,
    updatedAt: tx.at,
    wakeAt: 0,
    groups: [],
  };
  // A literal that begins with what is spread is made much more slowly, and takes more memory.
  return clock.offsetMs === undefined ? row : { ...row, ...clock };
}

/**
 * Merges what is stored with what came: where their times overlap the earlier start stands, and an
 * explicit end that lies further ahead outlives a push without one; else the new one replaces. Times of
 * one client are compared as it sent them, and hold by its clock as it was last accepted.
 */
function merged(before: Alert | undefined, pushed: Alert): Alert {
  if (before === undefined) return pushed;
  const kept = {
    ...pushed,
    labels: reuseIfEqual(before.labels, pushed.labels),
    annotations: reuseIfEqual(before.annotations, pushed.annotations),
    wakeAt: before.wakeAt,
    groups: before.groups,
  };
  const beforeEnds = before.endsAt === 0 ? Infinity : before.endsAt;
  const overlap = pushed.startsAt <= beforeEnds && pushed.endsAt >= before.startsAt;
  if (!overlap) return kept;
  const startsAt = Math.min(before.startsAt, pushed.startsAt);
  if (pushed.resolved) {
    const endsAt = before.resolved ? Math.max(before.endsAt, pushed.endsAt) : pushed.endsAt;
    return { ...kept, startsAt, endsAt };
  }
  const explicitEndStands =
    !before.resolved && !before.endsByTimeout && before.endsAt > pushed.endsAt;
  return explicitEndStands
    ? { ...kept, startsAt, endsAt: before.endsAt, endsByTimeout: false }
    : { ...kept, startsAt };
}

/** What is there if it says the same: what lives for long would otherwise be new with every push. */
function reuseIfEqual(before: Labels, pushed: Labels): Labels {
  return sameLabels(before, pushed) ? before : pushed;
}

/** A check's breach has lasted: its alert begins to fire. */
export function fireCheck(
  tx: Transaction,
  { check }: CompiledCheck,
  series: number,
  value: number,
): void {
  const labels = alertLabels(check, tx.rowAt('series', series) ?? '');
  const key = fingerprint(labels);
  const before = tx.get('alerts', key);
  fire(tx, key, {
    labels,
    annotations: check.annotations,
    generatorUrl: '',
    origin: { check: check.name, series, value },
    startsAt: tx.at,
    endsAt: 0,
    endsByTimeout: false,
    resolved: false,
    updatedAt: tx.at,
    wakeAt: before?.wakeAt ?? 0,
    groups: before?.groups ?? [],
  });
}

/** A check's breach has ended, or the check has gone: its alert is resolved. */
export function resolveCheck(
  tx: Transaction,
  check: Check,
  series: number,
  cause: 'recovered' | 'check changed',
): void {
  const key = fingerprint(alertLabels(check, tx.rowAt('series', series) ?? ''));
  const alert = tx.get('alerts', key);
  if (alert === undefined || alert.resolved) return;
  const endsAt = clientTimeOf(tx.at, alert);
  const ended = { ...alert, endsAt, endsByTimeout: false, resolved: true, updatedAt: tx.at };
  resolve(tx, key, ended, cause);
}

function fire(tx: Transaction, key: string, alert: Alert): void {
  tx.note({
    kind: 'firing',
    fingerprint: key,
    labels: alert.labels,
    value: alert.origin?.value ?? null,
  });
  const row = withWakeUp(tx, key, alert);
  tx.put('alerts', key, { ...row, groups: joinGroups(tx, key, row) });
}

function resolve(
  tx: Transaction,
  key: string,
  alert: Alert,
  cause: 'recovered' | 'pushed' | 'expired' | 'check changed',
): void {
  tx.note({ kind: 'resolved', fingerprint: key, labels: alert.labels, cause });
  tx.put('alerts', key, withWakeUp(tx, key, alert));
}

/**
 * Makes sure that the fold looks at the alert again in time. A timer that is too early stays where
 * it is, so an alert that is pushed every minute moves its timer once in four.
 */
function withWakeUp(tx: Transaction, key: string, alert: Alert): Alert {
  const dueAt = alert.resolved ? tx.at + RESOLVED_KEEP_MS : logTimeOf(alert.endsAt, alert);
  if (dueAt === 0) return alert;
  if (alert.wakeAt !== 0 && alert.wakeAt <= dueAt) return alert;
  if (alert.wakeAt !== 0) tx.clearTimer('foldTimers', alertTimer(key), alert.wakeAt);
  tx.setTimer('foldTimers', alertTimer(key), dueAt);
  return { ...alert, wakeAt: dueAt };
}

/** Its timer has come: a pushed alert may have expired, a resolved one may be forgotten. */
export function alertDue(tx: Transaction, key: string): void {
  const stored = tx.get('alerts', key);
  if (stored === undefined) return;
  const alert = { ...stored, wakeAt: 0 };
  const expiresAt = expiryOf(tx, alert);
  if (!alert.resolved && expiresAt !== 0 && expiresAt <= tx.at) {
    const endsAt = clientTimeOf(expiresAt, alert);
    resolve(tx, key, { ...alert, endsAt, resolved: true, updatedAt: tx.at }, 'expired');
  } else if (!alert.resolved && expiresAt > logTimeOf(alert.endsAt, alert)) {
    // What was lost so far is made good; the next gap counts from here.
    const updatedAt = tx.reducers.version < 2 ? alert.updatedAt : tx.at;
    const endsAt = clientTimeOf(expiresAt, alert);
    tx.put('alerts', key, withWakeUp(tx, key, { ...alert, endsAt, updatedAt }));
  } else if (alert.resolved && alert.groups.length === 0 && isOld(alert, tx.at)) {
    tx.remove('alerts', key);
  } else {
    tx.put('alerts', key, withWakeUp(tx, key, alert));
  }
}

/**
 * When a pushed alert ends, in log time, unless it is pushed again; 0 when nothing but its check can end it. Its
 * sender could not renew it while nobody listened, so it gets `resolve_timeout` from then on; after a
 * short gap, which a sender may not even have noticed, as much time as was lost.
 */
function expiryOf(tx: Transaction, alert: Alert): number {
  const { gaps, listeningSince } = tx.facts;
  const timeoutMs = resolveTimeoutMs(tx);
  const endsAt = logTimeOf(alert.endsAt, alert);
  if (endsAt === 0) return 0;
  if (alert.updatedAt < listeningSince) return Math.max(endsAt, listeningSince + timeoutMs);
  const lostMs = lostSince(tx.facts, alert.updatedAt);
  const latest = (gaps?.at(-1)?.until ?? 0) + timeoutMs;
  return Math.max(endsAt, Math.min(endsAt + lostMs, latest));
}

/** Log time was set forward: the alert ends as long after that as it would have. */
export function postponeAlerts(tx: Transaction, stepMs: number): void {
  for (const [key, alert] of tx.entries('alerts')) {
    if (alert.endsAt === 0 || alert.resolved) continue;
    tx.put('alerts', key, { ...alert, offsetMs: (alert.offsetMs ?? 0) - stepMs });
  }
}

function resolveTimeoutMs(tx: Transaction): number {
  return tx.config?.command.config.resolveTimeoutMs ?? 5 * 60_000;
}

function isOld(alert: Alert, now: number): boolean {
  return alert.updatedAt + RESOLVED_KEEP_MS <= now;
}

function alertTimer(key: string): string {
  return `alert:${key}`;
}
