/**
 * The body of a webhook, version 4, as Alertmanager 0.34 sends it.
 *
 * Promise: whatever reads Alertmanager's webhooks reads this: same keys, same order, the zero time
 * of Go for an end that is not known, and the receiver's name quoted for use in an expression.
 */

import { labelsObject, notifiedAlertView } from '../../../projections/views.ts';
import type { Notification, NotifiedAlert } from '../../../projections/state.ts';

/** The body as JSON. `alertsMax` 0 sends all alerts; what is over is only counted. */
export function webhookPayload(
  notification: Notification,
  externalUrl: string,
  alertsMax: number,
): string {
  const { alerts: all, groupLabels, groupText, reason, receiver } = notification;
  const alerts = alertsMax === 0 ? all : all.slice(0, alertsMax);
  const bodies = alerts.map(bodyOf);
  return JSON.stringify({
    receiver: quoted(receiver),
    status: alerts.every(({ resolved }) => resolved) ? 'resolved' : 'firing',
    alerts: bodies,
    notification_reason: reason,
    groupLabels: labelsObject(groupLabels),
    commonLabels: inCommon(bodies.map(({ labels }) => labels)),
    commonAnnotations: inCommon(bodies.map(({ annotations }) => annotations)),
    // Routes have no labels here; the key is there because 0.34 always sends it.
    routeLabels: {},
    externalURL: externalUrl,
    version: '4',
    groupKey: groupText,
    truncatedAlerts: all.length - alerts.length,
  });
}

function bodyOf(alert: NotifiedAlert) {
  const { labels, annotations } = notifiedAlertView(alert);
  return {
    status: alert.resolved ? 'resolved' : 'firing',
    labels,
    annotations,
    startsAt: timeText(alert.startsAt),
    // The end of a firing alert is a guess of its sender, and no business of the receiver.
    endsAt: alert.resolved ? timeText(alert.endsAt) : TIME_UNKNOWN,
    generatorURL: alert.generatorUrl,
    fingerprint: alert.fingerprint,
  };
}

/** Go's zero time, which receivers compare with. */
const TIME_UNKNOWN = '0001-01-01T00:00:00Z';

function timeText(atMs: number): string {
  return atMs === 0 ? TIME_UNKNOWN : new Date(atMs).toISOString();
}

type Texts = Readonly<Record<string, string>>;

/** What all the maps agree on. */
function inCommon([first, ...others]: readonly Texts[]): Texts {
  const shared = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(first ?? {})) {
    if (others.every((other) => other[name] === value)) shared[name] = value;
  }
  return shared;
}

/** As Go's `regexp.QuoteMeta`: Alertmanager quotes the name, so receivers compare the quoted one. */
function quoted(receiver: string): string {
  return receiver.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
