/** Notifications as the fold makes them, for tests of what is sent. */

import { labelsFrom } from '../../src/commands/labels.ts';
import type { Notification, NotifiedAlert } from '../../src/projections/state.ts';

export const STARTED = Date.UTC(2024, 0, 2, 3, 4, 5, 6);

export function alert(
  labels: Readonly<Record<string, string>>,
  others: Partial<NotifiedAlert> = {},
): NotifiedAlert {
  return {
    fingerprint: '0123456789abcdef',
    labels: labelsFrom(Object.entries(labels)),
    annotations: [],
    generatorUrl: '',
    startsAt: STARTED,
    endsAt: 0,
    resolved: false,
    value: null,
    ...others,
  };
}

export function notification(others: Partial<Notification> = {}): Notification {
  return {
    group: 'group',
    groupText: '{}:{alertname="HighCpu"}',
    groupLabels: ['alertname', 'HighCpu'],
    receiver: 'team-web',
    integration: 'team-web/webhook[0]',
    reason: 'first notification',
    decidedAt: STARTED,
    alerts: [alert({ alertname: 'HighCpu', host: 'a' })],
    firing: ['0123456789abcdef'],
    resolved: [],
    status: 'trying',
    tries: 1,
    wakeAt: 0,
    uncertain: false,
    node: 'n1',
    lastResult: '',
    lastAt: 0,
    ...others,
  };
}
