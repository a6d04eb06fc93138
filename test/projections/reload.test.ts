/** A new configuration: rules change, what was said stays said. */

import { describe, expect, it } from 'vitest';
import { entries } from '../../src/projections/table.ts';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

const A = { alertname: 'A' };
const LONG = { until: '99:00:00' };
const NEW_ROUTE_FIRST = config({
  route: route({ routes: [route({ to: 'other', when: ['alertname=Z'] }), route({ when: [] })] }),
  receivers: [receiver('team'), receiver('other')],
});
const OLD_ROUTE = config({
  route: route({ routes: [route({ when: [] })] }),
  receivers: [receiver('team'), receiver('other')],
});

describe('timers', () => {
  it('start again at the reload, as in Alertmanager: the ticks count from there', () => {
    const desk = new Desk().push(A, LONG).at('3:00').config(config());
    desk.at('4:00').push({ alertname: 'A', host: 'b' }, LONG).at('10:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing A',
      '8:00 team | new alerts added | firing A A(b)',
    ]);
  });

  it('a group that still waits starts to wait again', () => {
    const desk = new Desk().push(A, LONG).at('0:20').config(config()).at('1:00');
    expect(desk.told()).toEqual(['0:50 team | first notification | firing A']);
  });

  it('a decision from before the reload is not used after it', () => {
    const desk = new Desk().push(A, LONG).at('0:29').dies().at('0:30');
    const decided = desk.decisions();
    desk.at('0:31').config(config());
    const before = desk.state;
    desk.commit(...decided);
    expect(desk.state).toBe(before);
  });
});

describe('what was told', () => {
  it('stays told under the same configuration', () => {
    const desk = new Desk().push(A, LONG).at('1:00').config(config()).at('3:59:00');
    expect(desk.told()).toHaveLength(1);
  });

  it('stays told when the route moves in the tree', () => {
    const desk = new Desk({ config: OLD_ROUTE }).push(A, LONG).at('1:00').config(NEW_ROUTE_FIRST);
    desk.at('3:59:00');
    expect(desk.told()).toHaveLength(1);
  });

  it('stays told when the route moves while the page is being sent', () => {
    const desk = new Desk({ config: OLD_ROUTE }).answers('team', 'hangs').push(A, LONG);
    desk.at('1:00').config(NEW_ROUTE_FIRST).at('2:00').answersNow('team', 'ok').at('3:59:00');
    expect(desk.told()).toEqual(['2:00 team | first notification | firing A']);
  });

  it('stays told to each of two routes that only their place tells apart', () => {
    const twice = config({
      route: route({
        routes: [route({ when: ['x=1'], continue: true }), route({ when: ['x=1'] })],
      }),
    });
    const desk = new Desk({ config: twice }).push({ ...A, x: '1' }, LONG).at('1:00');
    desk.config(twice).at('3:59:00');
    expect(desk.told()).toHaveLength(2);
  });

  it('is not known of a receiver with another name: it is told', () => {
    const desk = new Desk().push(A, LONG).at('1:00');
    desk.config(config({ route: route({ to: 'crew' }), receivers: [receiver('crew')] }));
    desk.at('2:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing A',
      '1:00 crew | first notification | firing A',
    ]);
  });

  it('to one integration is not told to a new one beside it', () => {
    const desk = new Desk().push(A, LONG).at('1:00');
    desk.config(config({ receivers: [receiver('team', true, true)] })).at('2:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing A',
      '1:00 team/webhook[1] | first notification | firing A',
    ]);
  });
});

describe('what is owed', () => {
  it('to a receiver that is no longer responsible is not sent any more', () => {
    const desk = new Desk().answers('team', 503).push(A, LONG).at('0:30');
    desk.config(config({ route: route({ to: 'crew' }), receivers: [receiver('crew')] }));
    desk.at('5:00');
    expect(desk.told()).toEqual(['0:30 crew | first notification | firing A']);
    expect([...entries(desk.state.notifications)].map(([, row]) => row.status).sort()).toEqual([
      'delivered',
      'replaced',
    ]);
  });

  it('and on its way to such a receiver is settled by its outcome', () => {
    const desk = new Desk().answers('team', 'hangs').push(A, LONG).at('1:00');
    desk.config(config({ route: route({ to: 'crew' }), receivers: [receiver('crew')] }));
    desk.at('2:00').answersNow('team', 503).at('5:00');
    expect(desk.told()).toEqual(['1:00 crew | first notification | firing A']);
  });

  it('of an end that was not told yet is told after the reload', () => {
    const desk = new Desk().push(A, LONG).at('1:00').push(A, { until: '1:00' });
    desk.at('2:00').config(config()).at('3:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing A',
      '2:00 team | all alerts resolved | resolved A',
    ]);
  });
});

describe('checks', () => {
  const cpu = check({ above: 90, for: '5m' });

  it('one that is removed resolves its alert, and a pending breach is dropped', () => {
    const desk = new Desk({ config: config({ checks: [cpu] }) });
    desk.reading('servers.a.cpu', 95).at('4:00').reading('servers.b.cpu', 95).at('6:00');
    desk.config(config()).at('30:00');
    expect(desk.timeline('firing', 'resolved')).toEqual([
      '5:00 firing HighCpu(servers.a.cpu)',
      '6:00 resolved HighCpu(servers.a.cpu): check changed',
    ]);
    expect(desk.state.breaches).toEqual({});
  });

  it('one that no longer watches a series resolves the alert of that series only', () => {
    const desk = new Desk({ config: config({ checks: [check()] }) });
    desk.readings({ 'servers.a.cpu': 95, 'servers.b.cpu': 95 }).at('1:00');
    desk.config(config({ checks: [check({ series: 'servers.a.cpu' })] }));
    expect(desk.timeline('resolved')).toEqual([
      '1:00 resolved HighCpu(servers.b.cpu): check changed',
    ]);
  });

  it('one that stays keeps its pending breach: `for` does not start again', () => {
    const desk = new Desk({ config: config({ checks: [cpu] }) });
    desk
      .reading('servers.a.cpu', 95)
      .at('4:00')
      .config(config({ checks: [cpu] }))
      .at('5:00');
    expect(desk.timeline('firing')).toEqual(['5:00 firing HighCpu(servers.a.cpu)']);
  });

  it('one with another threshold judges by the next reading', () => {
    const desk = new Desk({ config: config({ checks: [check({ above: 90 })] }) });
    desk.reading('servers.a.cpu', 95).at('1:00');
    desk.config(config({ checks: [check({ above: 97 })] }));
    expect(desk.timeline('resolved')).toEqual([]);
    desk.at('2:00').reading('servers.a.cpu', 95);
    expect(desk.timeline('resolved')).toEqual(['2:00 resolved HighCpu(servers.a.cpu): recovered']);
  });

  it('one that comes back is the same one, and a new one watches series that are known', () => {
    const desk = new Desk({ config: config({ checks: [check()] }) });
    desk.reading('servers.a.cpu', 95).at('1:00').config(config()).at('2:00');
    desk.config(config({ checks: [check(), check({ name: 'Hot', above: 94 })] }));
    desk.reading('servers.a.cpu', 95);
    expect(desk.timeline('firing').slice(1)).toEqual([
      '2:00 firing HighCpu(servers.a.cpu)',
      '2:00 firing Hot(servers.a.cpu)',
    ]);
    expect(desk.state.facts.nextCheckId).toBe(3);
  });
});
