import { describe, expect, it } from 'vitest';
import { webhookPayload } from '../../src/io/notify/webhook/payload.ts';
import type { Notification } from '../../src/projections/state.ts';
import { alert, notification, STARTED } from './notifications.ts';

function payload(others: Partial<Notification>, alertsMax = 0) {
  const text = webhookPayload(notification(others), 'http://tocsin.example.com', alertsMax);
  return JSON.parse(text) as Record<string, unknown> & {
    readonly alerts: readonly Record<string, unknown>[];
  };
}

describe('the body of a webhook', () => {
  it('is what Alertmanager sends, key by key', () => {
    const annotations = ['summary', 'CPU of web'];
    const [a, b] = [
      alert(
        { alertname: 'HighCpu', host: 'a', team: 'web' },
        { annotations, generatorUrl: 'http://g' },
      ),
      alert(
        { alertname: 'HighCpu', host: 'b', team: 'web' },
        { annotations, resolved: true, endsAt: STARTED + 60_000, fingerprint: 'fedcba9876543210' },
      ),
    ];
    expect(payload({ alerts: [a, b], reason: 'new alerts added' })).toEqual({
      receiver: 'team-web',
      status: 'firing',
      alerts: [
        {
          status: 'firing',
          labels: { alertname: 'HighCpu', host: 'a', team: 'web' },
          annotations: { summary: 'CPU of web' },
          startsAt: '2024-01-02T03:04:05.006Z',
          endsAt: '0001-01-01T00:00:00Z',
          generatorURL: 'http://g',
          fingerprint: '0123456789abcdef',
        },
        {
          status: 'resolved',
          labels: { alertname: 'HighCpu', host: 'b', team: 'web' },
          annotations: { summary: 'CPU of web' },
          startsAt: '2024-01-02T03:04:05.006Z',
          endsAt: '2024-01-02T03:05:05.006Z',
          generatorURL: '',
          fingerprint: 'fedcba9876543210',
        },
      ],
      notification_reason: 'new alerts added',
      groupLabels: { alertname: 'HighCpu' },
      commonLabels: { alertname: 'HighCpu', team: 'web' },
      commonAnnotations: { summary: 'CPU of web' },
      routeLabels: {},
      externalURL: 'http://tocsin.example.com',
      version: '4',
      groupKey: '{}:{alertname="HighCpu"}',
      truncatedAlerts: 0,
    });
  });

  it('is resolved only when all its alerts are', () => {
    const gone = alert({ host: 'a' }, { resolved: true, endsAt: STARTED });
    expect(payload({ alerts: [gone] })['status']).toBe('resolved');
    expect(payload({ alerts: [gone, alert({ host: 'b' })] })['status']).toBe('firing');
  });

  it('does not show when a firing alert will end: that is a guess of its sender', () => {
    const [sent] = payload({ alerts: [alert({}, { endsAt: STARTED + 300_000 })] }).alerts;
    expect(sent?.['endsAt']).toBe('0001-01-01T00:00:00Z');
  });

  it('holds no more alerts than max_alerts, and counts the others', () => {
    const alerts = ['a', 'b', 'c'].map((host) => alert({ host, team: host === 'c' ? 'x' : 'web' }));
    const sent = payload({ alerts }, 2);
    expect(sent.alerts).toHaveLength(2);
    expect(sent).toMatchObject({ truncatedAlerts: 1, commonLabels: { team: 'web' } });
  });

  it('fills in the texts of our own checks, and leaves those of a pushed alert alone', () => {
    const annotations = ['summary', '{{ $labels.host }} is at {{ $value }}'];
    const labels = { host: 'a' };
    const [own, pushed] = payload({
      alerts: [alert(labels, { annotations, value: 97.5 }), alert(labels, { annotations })],
    }).alerts;
    expect(own?.['annotations']).toEqual({ summary: 'a is at 97.5' });
    expect(pushed?.['annotations']).toEqual({ summary: '{{ $labels.host }} is at {{ $value }}' });
  });

  it('quotes the receiver as Alertmanager does', () => {
    expect(payload({ receiver: 'team.web (1)' })['receiver']).toBe('team\\.web \\(1\\)');
  });

  it('treats a label called __proto__ like any other', () => {
    const [sent] = payload({ alerts: [alert(Object.fromEntries([['__proto__', 'x']]))] }).alerts;
    expect(Object.entries(sent?.['labels'] ?? {})).toEqual([['__proto__', 'x']]);
  });
});
