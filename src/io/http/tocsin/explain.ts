/**
 * "Why was I (not) paged?": for each alert asked about, its state, what holds it back, its groups
 * with their last decision, and every notification that named it.
 *
 * Promise: a pure reading of one state; each reason comes with the log index of its decision, so
 * that `tocsin replay` finds it. What is not known any more is named, never denied.
 */

import { causesByField } from '../../../commands/causes.ts';
import { matchesAll } from '../../../projections/matching.ts';
import { labelsFrom } from '../../../commands/labels.ts';
import type { Alert, Group, Notification, State } from '../../../projections/state.ts';
import { Suppressions } from '../../../projections/suppressions.ts';
import type { StateAtTime } from '../../../projections/suppressors/suppressor.ts';
import { entries, get } from '../../../projections/table.ts';
import {
  alertView,
  isFiring,
  labelsObject,
  pendingAlerts,
  type PendingView,
} from '../../../projections/views.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { AlertSelector } from './alert-selector.ts';
import { memoryOf, type Memory } from './memory.ts';
import { byDecision, notificationJson } from './notification-rows.ts';
import { timeOrNull } from './times.ts';

export interface Explanation {
  readonly alerts: readonly object[];
  /** Breaches whose `for` has not elapsed: nobody is notified of them yet. */
  readonly pending: readonly object[];
  /** True when more matched than are shown. */
  readonly truncated: boolean;
  /** What may have happened and is not known here any more. */
  readonly memory: Memory;
}

export function explain(
  moment: StateAtTime,
  selector: AlertSelector,
  dataDirectory: string,
): Explanation {
  const { state, now } = moment;
  const found = selectedAlerts(state, selector);
  const shown = found.slice(0, HTTP_LIMITS.explainedAlerts);
  const notifications = notificationsOf(state, new Set(shown.map(([fingerprint]) => fingerprint)));
  const pending = selectedPending(state, selector);
  const suppressions = new Suppressions(moment);
  return {
    alerts: shown.map(([fingerprint, alert]) =>
      alertJson(moment, fingerprint, alert, suppressions, notifications.get(fingerprint) ?? []),
    ),
    pending: pending.slice(0, HTTP_LIMITS.explainedAlerts).map(pendingJson),
    truncated: Math.max(found.length, pending.length) > HTTP_LIMITS.explainedAlerts,
    memory: memoryOf(selector, { now, isFound: found.length + pending.length > 0, dataDirectory }),
  };
}

type AlertEntry = readonly [fingerprint: string, alert: Alert];

function selectedAlerts(state: State, selector: AlertSelector): readonly AlertEntry[] {
  if ('fingerprint' in selector) {
    const alert = get(state.alerts, selector.fingerprint);
    return alert === undefined ? [] : [[selector.fingerprint, alert]];
  }
  return [...entries(state.alerts)]
    .filter(([, alert]) => matchesAll(selector.matchers, alert.labels))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function selectedPending(state: State, selector: AlertSelector): readonly PendingView[] {
  if ('fingerprint' in selector) return [];
  return pendingAlerts(state).filter(({ labels }) =>
    matchesAll(selector.matchers, labelsFrom(Object.entries(labels))),
  );
}

type NotificationEntry = readonly [id: string, row: Notification];

/** Notifications by the fingerprints that they name, the oldest decision first. */
function notificationsOf(
  state: State,
  fingerprints: ReadonlySet<string>,
): ReadonlyMap<string, readonly NotificationEntry[]> {
  const found = new Map<string, NotificationEntry[]>();
  const sorted = [...entries(state.notifications)].sort(([a], [b]) => byDecision(a, b));
  for (const entry of sorted) {
    for (const fingerprint of new Set([...entry[1].firing, ...entry[1].resolved])) {
      if (!fingerprints.has(fingerprint)) continue;
      const own = found.get(fingerprint);
      if (own === undefined) found.set(fingerprint, [entry]);
      else own.push(entry);
    }
  }
  return found;
}

function alertJson(
  { state, now }: StateAtTime,
  fingerprint: string,
  alert: Alert,
  suppressions: Suppressions,
  notifications: readonly NotificationEntry[],
): object {
  const view = alertView(state, fingerprint, alert, suppressions);
  const { inhibitedBy, mutedBy, silencedBy } = causesByField(view.causes);
  return {
    fingerprint,
    labels: view.labels,
    annotations: view.annotations,
    state: isFiring(alert, now) ? 'firing' : 'resolved',
    startsAt: timeOrNull(alert.startsAt),
    endsAt: timeOrNull(alert.endsAt),
    updatedAt: timeOrNull(alert.updatedAt),
    /** How far the clock by which it starts and ends was ahead of log time. */
    clockOffsetMs: alert.offsetMs ?? 0,
    origin: originOf(alert),
    silencedBy,
    inhibitedBy,
    mutedBy,
    groups: alert.groups.flatMap((key) => {
      const group = get(state.groups, key);
      return group === undefined ? [] : [groupJson(fingerprint, group)];
    }),
    notifications: notifications.map(([id, row]) => notificationJson(id, row)),
  };
}

/** The reading that made it fire, or null when it was pushed. */
function originOf({ origin, labels }: Alert): object | null {
  if (origin === null) return null;
  const series = labelsObject(labels)['series'] ?? String(origin.series);
  return { check: origin.check, series, value: origin.value };
}

function groupJson(fingerprint: string, group: Group): object {
  return {
    group: group.text,
    receiver: group.receiver,
    route: group.route,
    labels: labelsObject(group.labels),
    since: timeOrNull(group.createdAt),
    nextFlush: timeOrNull(group.nextFlush),
    last: lastJson(fingerprint, group),
    told: Object.entries(group.told).map(([integration, told]) => ({
      integration,
      at: timeOrNull(told.at),
      notification: told.notification === '' ? null : told.notification,
      asFiring: told.firing.includes(fingerprint),
      asResolved: told.resolved.includes(fingerprint),
    })),
    owed: Object.entries(group.owed).map(([integration, notification]) => ({
      integration,
      notification,
    })),
  };
}

/** The last decision about the group, and what muted this alert in it. */
function lastJson(fingerprint: string, { last }: Group): object | null {
  if (last === null) return null;
  return {
    index: last.index,
    at: timeOrNull(last.at),
    mutedBy: last.muted.find((each) => each.fingerprint === fingerprint)?.by ?? [],
    verdicts: last.verdicts,
  };
}

function pendingJson({ check, series, labels, since, firesAt, value }: PendingView): object {
  const times = { since: timeOrNull(since), firesAt: timeOrNull(firesAt) };
  return { check, series, labels, state: 'pending', value, ...times };
}
