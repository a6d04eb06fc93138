/**
 * Alerts and groups as API v2 shows them.
 *
 * Promise: rows come one by one, so that the reader can give way in between; all rows are of one
 * state and one time. Arrays are never null.
 */

import { causesByField } from '../../../commands/causes.ts';
import type { Labels } from '../../../commands/labels.ts';
import type { Alert, Group, State } from '../../../projections/state.ts';
import { Suppressions } from '../../../projections/suppressions.ts';
import type { StateAtTime } from '../../../projections/suppressors/suppressor.ts';
import { entries, get } from '../../../projections/table.ts';
import { isFiring, labelsObject, notifiedAlertView } from '../../../projections/views.ts';
import { stateOf, type AlertQuery, type AlertStatus } from './query.ts';
import { alertmanagerTime } from './times.ts';

/** Firing alerts by fingerprint; null for one that the query does not want. */
export function* alertRows(moment: StateAtTime, query: AlertQuery): Generator<object | null> {
  const { state, now } = moment;
  const suppressions = new Suppressions(moment);
  const firing = [...entries(state.alerts)].filter(([, alert]) => isFiring(alert, now));
  firing.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [fingerprint, alert] of firing) {
    const groups = groupsOf(state, alert);
    const receivers = groups.map((group) => group.receiver);
    const each = { fingerprint, alert, groups, receivers, mutedIn: groups, moment };
    yield alertRow(each, suppressions, query);
  }
}

/** Groups with at least one alert that the query wants, by labels and then by receiver. */
export function* groupRows(moment: StateAtTime, query: AlertQuery): Generator<object | null> {
  const { state, now } = moment;
  const suppressions = new Suppressions(moment);
  const sorted = [...entries(state.groups)].map(([, group]) => group);
  sorted.sort((a, b) => byLabels(a.labels, b.labels) || (a.receiver < b.receiver ? -1 : 1));
  for (const group of sorted) {
    const rows: object[] = [];
    for (const fingerprint of Object.keys(group.alerts).sort()) {
      const alert = get(state.alerts, fingerprint);
      if (alert === undefined || !isFiring(alert, now)) continue;
      const groups = groupsOf(state, alert);
      const receivers = groups.map(({ receiver }) => receiver).sort();
      const each = { fingerprint, alert, groups, receivers, mutedIn: [group], moment };
      const row = alertRow(each, suppressions, query);
      if (row !== null) rows.push(row);
      // A large group takes as many turns as it has alerts.
      yield null;
    }
    if (rows.length === 0) continue;
    yield {
      alerts: rows,
      labels: labelsObject(group.labels),
      receiver: { name: group.receiver },
      routeLabels: {},
    };
  }
}

interface Case {
  readonly fingerprint: string;
  readonly alert: Alert;
  readonly groups: readonly Group[];
  /** As Alertmanager lists them: one for each route, by name among groups, else by route. */
  readonly receivers: readonly string[];
  /** The groups whose intervals count: all of them, or the one in which the alert is shown. */
  readonly mutedIn: readonly Group[];
  readonly moment: StateAtTime;
}

function alertRow(
  { fingerprint, alert, groups, receivers, mutedIn, moment }: Case,
  suppressions: Suppressions,
  query: AlertQuery,
): object | null {
  if (!query.wants(alert.labels, receivers)) return null;
  const status: AlertStatus = {
    causes: suppressions.inAllOf(
      fingerprint,
      alert.labels,
      mutedIn.map(({ route }) => route),
    ),
    isRouted: groups.length > 0,
  };
  return query.wantsStatus(status)
    ? alertJson(fingerprint, ended(alert, moment), receivers, status)
    : null;
}

/** The alert of a check has no end while it fires; clients expect one, so it is always ahead. */
function ended(alert: Alert, { state, now }: StateAtTime): Alert {
  if (alert.endsAt !== 0) return alert;
  return { ...alert, endsAt: now + (state.config?.command.config.resolveTimeoutMs ?? 0) };
}

function alertJson(
  fingerprint: string,
  alert: Alert,
  receivers: readonly string[],
  status: AlertStatus,
): object {
  const value = alert.origin?.value ?? null;
  const { labels, annotations } = notifiedAlertView({ ...alert, fingerprint, value });
  const { inhibitedBy, mutedBy, silencedBy } = causesByField(status.causes);
  return {
    annotations,
    endsAt: alertmanagerTime(alert.endsAt),
    fingerprint,
    receivers: receivers.map((name) => ({ name })),
    startsAt: alertmanagerTime(alert.startsAt),
    status: { inhibitedBy, mutedBy, silencedBy, state: stateOf(status) },
    updatedAt: alertmanagerTime(alert.updatedAt),
    generatorURL: alert.generatorUrl,
    labels,
  };
}

function groupsOf(state: State, alert: Alert): readonly Group[] {
  return alert.groups.flatMap((key) => get(state.groups, key) ?? []);
}

/** Alertmanager's order of label sets: pair by pair, and a shorter set first. */
function byLabels(a: Labels, b: Labels): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [left = '', right = ''] = [a[i], b[i]];
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.length - b.length;
}
