/**
 * The body of a webhook, version 4, as Alertmanager 0.34 sends it.
 *
 * Promise: a receiver of Alertmanager's webhooks can read this: same keys, same order, and Go's zero
 * time for an end that is not known.
 */

import type { Notification } from '../../../projections/state.ts';
import { templateData, type TemplateAlert } from '../template-data.ts';

/** The body as JSON. `alertsMax` 0 sends all alerts; the number of the others is in the body. */
export function webhookPayload(
  notification: Notification,
  externalUrl: string,
  alertsMax: number,
): string {
  const { alerts: all } = notification;
  const alerts = alertsMax === 0 ? all : all.slice(0, alertsMax);
  const data = templateData(notification, externalUrl, alerts);
  return JSON.stringify({
    receiver: data.Receiver,
    status: data.Status,
    alerts: data.Alerts.map(alertBody),
    notification_reason: data.NotificationReason,
    groupLabels: data.GroupLabels,
    commonLabels: data.CommonLabels,
    commonAnnotations: data.CommonAnnotations,
    routeLabels: data.RouteLabels,
    externalURL: data.ExternalURL,
    version: '4',
    groupKey: notification.groupText,
    truncatedAlerts: all.length - alerts.length,
  });
}

function alertBody(alert: TemplateAlert) {
  return {
    status: alert.Status,
    labels: alert.Labels,
    annotations: alert.Annotations,
    startsAt: timeText(alert.StartsAt),
    endsAt: timeText(alert.EndsAt),
    generatorURL: alert.GeneratorURL,
    fingerprint: alert.Fingerprint,
  };
}

/** RFC 3339 in UTC; receivers compare with Go's zero time. */
function timeText(atMs: number): string {
  return atMs === 0 ? '0001-01-01T00:00:00Z' : new Date(atMs).toISOString();
}
