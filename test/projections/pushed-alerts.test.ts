/** Alerts that Prometheus pushes: unset times, merging, and ends that nobody announces. */

import { describe, expect, it } from 'vitest';
import { fingerprint, labelsFrom } from '../../src/commands/labels.ts';
import { RESOLVED_KEEP_MS } from '../../src/projections/alerts.ts';
import type { Alert } from '../../src/projections/state.ts';
import { get } from '../../src/projections/table.ts';
import { check, config } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

const A = { alertname: 'A' };

function alertOf(desk: Desk, labels: Readonly<Record<string, string>> = A): Alert {
  const alert = get(desk.state.alerts, fingerprint(labelsFrom(Object.entries(labels))));
  if (alert === undefined) throw new Error('the alert is not there');
  return alert;
}

/** What is stored, as the clock times of a scenario. */
function timesOf(desk: Desk): string {
  const { startsAt, endsAt, endsByTimeout, resolved } = alertOf(desk);
  const words = [`${desk.clock(startsAt)}–${desk.clock(endsAt)}`];
  if (endsByTimeout) words.push('by timeout');
  if (resolved) words.push('resolved');
  return words.join(' ');
}

describe('times that the sender left out', () => {
  it('none: it starts now and ends after resolve_timeout', () => {
    expect(timesOf(new Desk().at('1:00').push(A, { from: 'unset' }))).toBe('1:00–6:00 by timeout');
  });

  it('no end: it started then, and ends after resolve_timeout', () => {
    expect(timesOf(new Desk().at('1:00').push(A, { from: '0:10' }))).toBe('0:10–6:00 by timeout');
  });

  it('no start: it started when it ends, which only says that it is over', () => {
    const desk = new Desk().at('1:00').push(A, { from: 'unset', until: '0:50' });
    expect(timesOf(desk)).toBe('0:50–0:50 resolved');
  });

  it('resolve_timeout is five minutes where nobody has configured anything', () => {
    expect(timesOf(new Desk({ config: null }).push(A))).toBe('0:00–5:00 by timeout');
  });
});

describe('a push of an alert that is known', () => {
  it('keeps the earliest start and takes the newer texts', () => {
    const desk = new Desk().at('1:00').push(A, { annotations: { summary: 'old' } });
    desk.at('2:00').push(A, { from: '1:30', until: '9:00', annotations: { summary: 'new' } });
    expect(timesOf(desk)).toBe('1:00–9:00');
    expect(alertOf(desk).annotations).toEqual(['summary', 'new']);
  });

  it('may bring an earlier start than was known', () => {
    const desk = new Desk().at('2:00').push(A).push(A, { from: '1:00' });
    expect(timesOf(desk)).toBe('1:00–7:00 by timeout');
  });

  it('without an end does not shorten an end that was announced', () => {
    const desk = new Desk().push(A, { until: '30:00' }).at('1:00').push(A);
    expect(timesOf(desk)).toBe('0:00–30:00');
  });

  it('without an end lengthens an end by timeout', () => {
    const desk = new Desk().push(A).at('1:00').push(A);
    expect(timesOf(desk)).toBe('0:00–6:00 by timeout');
  });

  it('with an earlier end by its own word shortens an end by timeout', () => {
    const desk = new Desk().push(A).at('1:00').push(A, { from: '0:00', until: '2:00' });
    expect(timesOf(desk)).toBe('0:00–2:00');
  });

  it('both resolved: the later end stands', () => {
    const desk = new Desk().at('1:00').push(A, { from: '0:10', until: '0:50' });
    desk.at('2:00').push(A, { from: '0:10', until: '0:40' });
    expect(timesOf(desk)).toBe('0:10–0:50 resolved');
  });

  it('after its end, and not touching it, is a new life', () => {
    const desk = new Desk().push(A, { until: '1:00' }).at('2:00').push(A, { from: '1:30' });
    expect(timesOf(desk)).toBe('1:30–7:00 by timeout');
  });
});

describe('the end', () => {
  it('by timeout: nobody says so, and it is told with the time at which it ended', () => {
    const desk = new Desk().push(A).at('20:00');
    expect(desk.timeline('firing', 'resolved')).toEqual([
      '0:00 firing A',
      '5:00 resolved A: expired',
    ]);
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing A',
      '5:30 team | all alerts resolved | resolved A',
    ]);
    expect(desk.pages[0]?.alerts[0]?.endsAt).toBe(0);
    expect(desk.clock(desk.pages[1]?.alerts[0]?.endsAt)).toBe('5:00');
  });

  it('does not come while it is pushed again in time', () => {
    const desk = new Desk();
    for (let minute = 0; minute < 60; minute++) desk.at(`${minute}:00`).push(A);
    desk.at('1:10:00');
    expect(desk.timeline('resolved')).toEqual(['1:04:00 resolved A: expired']);
  });

  it('is seen at once, before any tick', () => {
    const desk = new Desk().push(A, { until: '2:00' }).at('1:59');
    expect(desk.firing()).toHaveLength(1);
    desk.at('2:00');
    expect(desk.firing()).toHaveLength(0);
  });

  it('of an alert that nobody knew is stored and never told', () => {
    const desk = new Desk().at('1:00').push(A, { from: '0:10', until: '0:50' }).at('10:00');
    expect(desk.told()).toEqual([]);
    expect(desk.timeline('firing', 'resolved')).toEqual([]);
  });

  it('is re-sent by Prometheus for a quarter of an hour, and told once', () => {
    const desk = new Desk().push(A, { until: '9:00:00' }).at('1:00');
    for (let minute = 1; minute <= 15; minute++) {
      desk.at(`${minute}:00`).push(A, { from: '0:00', until: '1:00' });
    }
    desk.at('1:00:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing A',
      '5:30 team | all alerts resolved | resolved A',
    ]);
    expect(desk.state.alerts.size).toBe(0);
  });
});

describe('alerts of checks and pushed alerts', () => {
  it('are the same from there on: one group, one page', () => {
    const desk = new Desk({ config: config({ checks: [check({ name: 'A' })] }) });
    desk.reading('servers.a.cpu', 95).push({ alertname: 'A', host: 'b' }).at('1:00');
    expect(desk.told()).toEqual(['0:30 team | first notification | firing A(b) A(servers.a.cpu)']);
  });

  it('pushed before any configuration wait for one', () => {
    const desk = new Desk({ config: null }).push(A, { until: '9:00:00' }).at('5:00');
    desk.config(config()).at('6:00');
    expect(desk.told()).toEqual(['5:00 team | first notification | firing A']);
  });

  it('are forgotten a quarter of an hour after their end, when nobody needs them', () => {
    const desk = new Desk().push(A, { until: '1:00' }).at('5:30');
    desk.until(desk.now - 270_000 + RESOLVED_KEEP_MS - 1);
    expect(desk.state.alerts.size).toBe(1);
    desk.until(desk.now + 1);
    expect(desk.state.alerts.size).toBe(0);
  });
});
