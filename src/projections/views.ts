/**
 * What people and APIs see of the state: alerts with their texts filled in and their status,
 * notifications that are due, sorted as the reader expects.
 *
 * Promise: pure; templates are filled in here, when something is shown or sent, never when
 * folding. The templates of checks know `$labels` and `$value` and nothing else.
 */

import type { Cause } from '../commands/causes.ts';
import { labelPairs, labelValue, type Labels } from '../commands/labels.ts';
import { checksOf } from './checks.ts';
import { logTimeOf } from './client-time.ts';
import { firesAt } from './gaps.ts';
import { rowAt, rowsOf } from './pages.ts';
import type { Alert, Member, Notification, NotifiedAlert, State } from './state.ts';
import type { Suppressions } from './suppressions.ts';
import { entries, get } from './table.ts';
import { dueTimers } from './timers.ts';

export interface AlertView {
  readonly fingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly generatorUrl: string;
  readonly startsAt: number;
  /** 0 when the end is not known. */
  readonly endsAt: number;
  readonly updatedAt: number;
  readonly receivers: readonly string[];
  /** Why it is withheld in every group that it is in; none if it is not. */
  readonly causes: readonly Cause[];
}

/** `suppressions` are those of the same state, at the time for which the alert is shown. */
export function alertView(
  state: State,
  fingerprint: string,
  alert: Alert,
  suppressions: Suppressions,
): AlertView {
  const groups = alert.groups.flatMap((key) => get(state.groups, key) ?? []);
  return {
    fingerprint,
    labels: labelsObject(alert.labels),
    annotations: filledIn(alert.annotations, alert.labels, alert.origin?.value ?? null),
    generatorUrl: alert.generatorUrl,
    startsAt: alert.startsAt,
    endsAt: alert.endsAt,
    updatedAt: alert.updatedAt,
    receivers: [...new Set(groups.map((group) => group.receiver))].sort(),
    causes: suppressions.inAllOf(
      fingerprint,
      alert.labels,
      groups.map(({ route }) => route),
    ),
  };
}

/** Whether it fires at a log time. */
export function isFiring(alert: Alert, now: number): boolean {
  return !alert.resolved && (alert.endsAt === 0 || logTimeOf(alert.endsAt, alert) > now);
}

export interface PendingView {
  readonly check: string;
  readonly series: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly since: number;
  readonly firesAt: number;
  readonly value: number;
}

/** Breaches whose `for` has not elapsed yet, in the order of series ids. */
export function pendingAlerts(state: State): readonly PendingView[] {
  const checks = checksOf(state.config, state.facts);
  const views: PendingView[] = [];
  for (const [id, breaches] of rowsOf(state.breaches)) {
    for (const [key, breach] of Object.entries(breaches)) {
      const compiled = checks.byId.get(Number(key));
      if (compiled === undefined || breach.firesAt === 0) continue;
      const series = rowAt(state.series, id) ?? '';
      const labels = { ...labelsObject(compiled.check.labels), series };
      const { since, value } = breach;
      const pending = { since, value, firesAt: firesAt(state.facts, breach) };
      views.push({ check: compiled.check.name, series, labels, ...pending });
    }
  }
  return views;
}

export interface DueNotification {
  readonly id: string;
  readonly notification: Notification;
}

/** Owed notifications whose next try is due, the longest-waiting first. */
export function dueNotifications(
  state: State,
  now: number,
  countMax: number,
): readonly DueNotification[] {
  return dueTimers(state.attemptTimers, now, countMax).flatMap(({ key: id }) => {
    const notification = get(state.notifications, id);
    return notification?.status === 'owed' ? [{ id, notification }] : [];
  });
}

/** Attempts that have started and have no outcome. */
export function openAttempts(state: State): readonly DueNotification[] {
  const open: DueNotification[] = [];
  for (const [id, notification] of entries(state.notifications)) {
    if (notification.status === 'trying') open.push({ id, notification });
  }
  return open;
}

export interface MemberView extends Member {
  /** The node id. */
  readonly node: string;
}

/** The members of the cluster, by name and then by node id; without those that were removed. */
export function membersOf(state: State): readonly MemberView[] {
  const views: MemberView[] = [];
  for (const [node, member] of entries(state.members)) {
    if (!member.removed) views.push({ node, ...member });
  }
  return views.sort((a, b) => byText(a.name, b.name) || byText(a.node, b.node));
}

/** Whether a node was removed from the cluster for good. */
export function isRemoved(state: State, node: string): boolean {
  return get(state.members, node)?.removed === true;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The labels and texts of an alert as they are sent. */
export function notifiedAlertView(alert: NotifiedAlert): {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
} {
  return {
    labels: labelsObject(alert.labels),
    annotations: filledIn(alert.annotations, alert.labels, alert.value),
  };
}

/** Labels as an object that has no prototype, so that a label may have any name. */
export function labelsObject(labels: Labels): Readonly<Record<string, string>> {
  const object = Object.create(null) as Record<string, string>;
  for (const [name, value] of labelPairs(labels)) object[name] = value;
  return object;
}

/**
 * Fills in the texts of a check's alert. A pushed alert has no value, and its texts are its
 * sender's business.
 */
function filledIn(
  annotations: Labels,
  labels: Labels,
  value: number | null,
): Readonly<Record<string, string>> {
  if (value === null) return labelsObject(annotations);
  const object = Object.create(null) as Record<string, string>;
  for (const [name, text] of labelPairs(annotations)) {
    object[name] = fillIn(text, labels, value);
  }
  return object;
}

const TEMPLATE = /\{\{\s*(?:\$|\.)(?:([Ll]abels)\.([A-Za-z_][A-Za-z0-9_]*)|([Vv]alue))\s*\}\}/g;

/** Replaces `{{ $labels.x }}`, `{{ .Labels.x }}`, `{{ $value }}` and `{{ .Value }}`. */
function fillIn(text: string, labels: Labels, value: number): string {
  return text.replace(TEMPLATE, (_whole, _labels, name: string | undefined) =>
    name === undefined ? String(value) : labelValue(labels, name),
  );
}
