/**
 * What templates and payloads see of a notification: `template.Data` of Alertmanager 0.34, with
 * Go's names, since templates of users name these fields.
 *
 * Promise: all integrations describe a notification alike. What is not known has Go's zero value.
 */

import type { Notification, NotifiedAlert } from '../../projections/state.ts';
import { labelsObject, notifiedAlertView } from '../../projections/views.ts';

/** Without a prototype, so that a label may have any name. */
export type KeyValues = Readonly<Record<string, string>>;

export type AlertStatus = 'firing' | 'resolved';

export interface TemplateAlert {
  readonly Status: AlertStatus;
  readonly Labels: KeyValues;
  readonly Annotations: KeyValues;
  /** Epoch milliseconds; 0 is Go's zero time. */
  readonly StartsAt: number;
  /** Epoch milliseconds; 0, Go's zero time, while the alert is firing. */
  readonly EndsAt: number;
  readonly GeneratorURL: string;
  /** 16 hexadecimal digits. */
  readonly Fingerprint: string;
}

export interface TemplateData {
  /** Quoted for use in a regular expression, as Alertmanager gives it. */
  readonly Receiver: string;
  readonly Status: AlertStatus;
  readonly Alerts: readonly TemplateAlert[];
  readonly NotificationReason: string;
  readonly GroupLabels: KeyValues;
  readonly CommonLabels: KeyValues;
  readonly CommonAnnotations: KeyValues;
  /** Always empty: a route has no labels in this build, and Alertmanager always has the field. */
  readonly RouteLabels: KeyValues;
  readonly ExternalURL: string;
}

/** The data of a notification that shows `alerts` of it: all unless given. */
export function templateData(
  notification: Notification,
  externalUrl: string,
  alerts: readonly NotifiedAlert[] = notification.alerts,
): TemplateData {
  const described = alerts.map(alertData);
  return {
    Receiver: quoted(notification.receiver),
    Status: described.every(({ Status }) => Status === 'resolved') ? 'resolved' : 'firing',
    Alerts: described,
    NotificationReason: notification.reason,
    GroupLabels: labelsObject(notification.groupLabels),
    CommonLabels: inCommon(described.map(({ Labels }) => Labels)),
    CommonAnnotations: inCommon(described.map(({ Annotations }) => Annotations)),
    RouteLabels: {},
    ExternalURL: externalUrl,
  };
}

function alertData(alert: NotifiedAlert): TemplateAlert {
  const { labels, annotations } = notifiedAlertView(alert);
  return {
    Status: alert.resolved ? 'resolved' : 'firing',
    Labels: labels,
    Annotations: annotations,
    StartsAt: alert.startsAt,
    // The end of a firing alert is a guess of its sender.
    EndsAt: alert.resolved ? alert.endsAt : 0,
    GeneratorURL: alert.generatorUrl,
    Fingerprint: alert.fingerprint,
  };
}

/** The entries that are equal in all the maps. */
function inCommon([first, ...others]: readonly KeyValues[]): KeyValues {
  const shared = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(first ?? {})) {
    if (others.every((other) => other[name] === value)) shared[name] = value;
  }
  return shared;
}

/** As Go's `regexp.QuoteMeta`. */
function quoted(receiver: string): string {
  return receiver.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
