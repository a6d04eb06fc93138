/** What people and APIs see: status of alerts, pending checks, and texts that are filled in. */

import { describe, expect, it } from 'vitest';
import { notifiedAlertView, pendingAlerts } from '../../src/projections/views.ts';
import { check, config, inhibit, interval, receiver, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

describe('an alert', () => {
  it('says who is told, and every reason why it is not', () => {
    const desk = new Desk({
      config: config({
        route: route({
          to: 'b',
          routes: [
            route({ to: 'b', when: ['x=1'], continue: true, mute: ['always'] }),
            route({ to: 'a', when: ['x=1'], mute: ['always'] }),
          ],
        }),
        receivers: [receiver('a'), receiver('b')],
        inhibitRules: [inhibit('alertname=Source', 'x=1')],
        timeIntervals: [interval('always', {})],
      }),
    });
    desk.silence('s2', ['x=1'], { until: '1:00:00' }).silence('s1', ['x=1'], { until: '1:00' });
    desk.push({ alertname: 'Source' }).push({ alertname: 'Target', x: '1' }).at('2:00');
    const source = desk.firing().find(({ labels }) => labels['alertname'] === 'Source');
    const target = desk.firing().find(({ labels }) => labels['alertname'] === 'Target');
    expect(source).toMatchObject({
      receivers: ['b'],
      causes: [],
    });
    expect(target).toMatchObject({
      receivers: ['a', 'b'],
      causes: [
        { kind: 'inhibition', subject: source?.fingerprint },
        { kind: 'interval', subject: 'always' },
        { kind: 'silence', subject: 's2' },
      ],
    });
  });

  it('is muted by an interval only if every group of it is', () => {
    const desk = new Desk({
      config: config({
        route: route({
          routes: [
            route({ when: ['x=1'], continue: true, mute: ['always'] }),
            route({ when: ['x=1'], by: ['x'] }),
          ],
        }),
        timeIntervals: [interval('always', {})],
      }),
    });
    desk.push({ alertname: 'A', x: '1' });
    expect(desk.firing()[0]?.causes).toEqual([]);
  });

  it('comes in the order of fingerprints, whatever the order of the pushes', () => {
    const names = ['A', 'B', 'C', 'D', 'E'];
    const [there, back] = [new Desk(), new Desk()];
    for (const alertname of names) there.push({ alertname });
    for (const alertname of names.toReversed()) back.push({ alertname });
    const order = there.firing().map(({ fingerprint }) => fingerprint);
    expect(order).toEqual(order.toSorted());
    expect(back.firing().map(({ fingerprint }) => fingerprint)).toEqual(order);
  });
});

describe('texts', () => {
  const annotations = {
    summary: 'CPU of {{ $labels.series }} is {{ $value }}',
    again: '{{.Labels.severity}} {{ .Value }} {{ $labels.nothing }}|{{ unknown }}',
  };

  it('of a check are filled in when they are sent', () => {
    const model = config({ checks: [check({ labels: { severity: 'page' }, annotations })] });
    const desk = new Desk({ config: model }).reading('servers.a.cpu', 95.5).at('1:00');
    const [told] = desk.pages[0]?.alerts ?? [];
    if (told === undefined) throw new Error('nobody was told');
    expect(notifiedAlertView(told).annotations).toEqual({
      summary: 'CPU of servers.a.cpu is 95.5',
      again: 'page 95.5 |{{ unknown }}',
    });
    expect(desk.firing()[0]?.annotations).toEqual(notifiedAlertView(told).annotations);
  });

  it('of a pushed alert are its sender’s business', () => {
    const desk = new Desk().push({ alertname: 'A' }, { annotations });
    expect(desk.firing()[0]?.annotations).toEqual(annotations);
  });

  it('a label may have any name, even one that every object has', () => {
    const desk = new Desk().push(
      Object.fromEntries([
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ]),
    );
    expect(Object.entries(desk.firing()[0]?.labels ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });
});

describe('pending checks', () => {
  it('are listed until they fire', () => {
    const desk = new Desk({ config: config({ checks: [check({ for: '5m' })] }) });
    desk.readings({ 'servers.a.cpu': 95, 'servers.b.cpu': 96 }).at('1:00');
    desk.reading('servers.a.cpu', 50);
    expect(pendingAlerts(desk.state)).toEqual([
      {
        check: 'HighCpu',
        series: 'servers.b.cpu',
        labels: { alertname: 'HighCpu', series: 'servers.b.cpu' },
        since: desk.now - 60_000,
        firesAt: desk.now + 240_000,
        value: 96,
      },
    ]);
    expect(pendingAlerts(desk.at('5:00').state)).toEqual([]);
  });
});
