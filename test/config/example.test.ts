import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Route } from '../../src/commands/config.ts';
import { readConfig } from '../../src/io/config/read.ts';
import { decodeBatch, encodeBatch } from '../../src/log/codec.ts';

const file = 'examples/tocsin.yml';
const source = readFileSync(file, 'utf8');
const read = readConfig(source, { file, externalUrl: 'http://tocsin.example.com' });

const matcher = (name: string, value: string) => ({ name, op: '=', value }) as const;

const root: Route = {
  receiver: 'ops-chat',
  groupBy: ['alertname', 'team'],
  groupByAll: false,
  groupWaitMs: 30_000,
  groupIntervalMs: 300_000,
  repeatIntervalMs: 14_400_000,
  matchers: [],
  continue: false,
  muteIntervals: [],
  activeIntervals: [],
  routes: [],
};

const zero = { low: 0, high: 0, recoverLow: 0, recoverHigh: 0, missingMs: 0 };

test('the annotated example does what its comments describe', () => {
  expect(read).toEqual({
    ok: true,
    warnings: [],
    summary: '2 receivers, 3 routes, 5 checks, 2 monitors, 1 inhibition rule, 1 time interval',
    templates: [],
    command: {
      origin: file,
      source,
      externalUrl: 'http://tocsin.example.com',
      config: {
        resolveTimeoutMs: 300_000,
        route: {
          ...root,
          routes: [
            {
              ...root,
              receiver: 'ops-pager',
              groupWaitMs: 10_000,
              matchers: [matcher('severity', 'critical')],
              continue: true,
            },
            { ...root, matchers: [matcher('severity', 'warning')], muteIntervals: ['night'] },
          ],
        },
        receivers: [
          {
            name: 'ops-chat',
            integrations: [
              {
                type: 'webhook',
                position: 0,
                sendResolved: true,
                settings:
                  '{"http_config":{},"max_alerts":0,"timeout_ms":0,"url":"http://chat-relay.example.com:8080/ops"}',
              },
            ],
          },
          {
            name: 'ops-pager',
            integrations: [
              {
                type: 'webhook',
                position: 0,
                sendResolved: true,
                settings:
                  '{"http_config":{"authorization":{"credentials_file":"/etc/tocsin/pager-token"}},"max_alerts":0,"timeout_ms":0,"url_file":"/etc/tocsin/pager-url"}',
              },
            ],
          },
        ],
        inhibitRules: [
          {
            sourceMatchers: [matcher('severity', 'critical')],
            targetMatchers: [matcher('severity', 'warning')],
            equal: ['alertname', 'series'],
          },
        ],
        timeIntervals: [
          {
            name: 'night',
            parts: [
              {
                times: [
                  { from: 1_320, to: 1_440 },
                  { from: 0, to: 420 },
                ],
                weekdays: [],
                daysOfMonth: [],
                months: [],
                years: [],
                zone: 'Europe/Berlin',
              },
            ],
          },
        ],
        checks: [
          {
            name: 'HighLoad',
            series: 'servers.*.load.{1min,5min}',
            condition: { ...zero, kind: 'above', high: 8, recoverHigh: 6 },
            forMs: 300_000,
            labels: ['alertname', 'HighLoad', 'severity', 'warning', 'team', 'ops'],
            annotations: ['summary', 'Load of {{ $labels.series }} is {{ $value }}'],
          },
          {
            name: 'DiskAlmostFull',
            series: 'servers.*.disk.*.free_percent',
            condition: { ...zero, kind: 'below', low: 10, recoverLow: 15 },
            forMs: 600_000,
            labels: ['alertname', 'DiskAlmostFull', 'severity', 'warning', 'team', 'ops'],
            annotations: ['summary', '{{ $labels.series }} is down to {{ $value }} percent'],
          },
          {
            name: 'DiskAlmostFull',
            series: 'servers.*.disk.*.free_percent',
            condition: { ...zero, kind: 'below', low: 3, recoverLow: 3 },
            forMs: 0,
            labels: ['alertname', 'DiskAlmostFull', 'severity', 'critical', 'team', 'ops'],
            annotations: [],
          },
          {
            name: 'RoomTemperature',
            series: 'temperature.celsius;room=rack-*',
            condition: {
              kind: 'outside',
              low: 15,
              high: 27,
              recoverLow: 17,
              recoverHigh: 25,
              missingMs: 0,
            },
            forMs: 120_000,
            labels: ['alertname', 'RoomTemperature', 'severity', 'critical', 'team', 'ops'],
            annotations: [],
          },
          {
            name: 'ServerSilent',
            series: 'servers.*.load.1min',
            condition: { ...zero, kind: 'missing', missingMs: 180_000 },
            forMs: 0,
            labels: ['alertname', 'ServerSilent', 'severity', 'critical', 'team', 'ops'],
            annotations: [],
          },
        ],
        monitors: [
          {
            name: 'graphite',
            type: 'graphite',
            intervalMs: 30_000,
            timeoutMs: 5_000,
            settings:
              '{"from":"-5min","targets":["servers.*.load.*","servers.*.disk.*.free_percent"],"url":"http://graphite.example.com:8080"}',
          },
          {
            name: 'shop',
            type: 'http',
            intervalMs: 15_000,
            timeoutMs: 5_000,
            settings:
              '{"expect_status":[200,204],"method":"GET","url":"https://shop.example.com/health"}',
          },
        ],
      },
    },
  });
});

test('the command comes back from the log as it went in', () => {
  if (!read.ok) throw new Error('the example is refused');
  const batch = { at: 1_700_000_000_000, commands: [{ kind: 'config' as const, ...read.command }] };

  expect(decodeBatch(encodeBatch(batch))).toEqual(batch);
});
