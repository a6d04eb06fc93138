/** Time intervals: routes that are mute, or active only, by the wall clock of a zone. */

import { describe, expect, it } from 'vitest';
import { intervalHolds } from '../../src/projections/muting.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { config, interval, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

const LONG = { until: '99:00:00' };
const NINE_TO_FIVE = [[540, 1020]] as const;

function holds(named: ReturnType<typeof interval>, ...utc: readonly string[]): readonly boolean[] {
  return utc.map((time) => intervalHolds(named, Date.parse(time), localTimeIn));
}

describe('routes by the clock', () => {
  it('mute at night: the page comes with the first tick of the morning, with its reason until then', () => {
    const night = interval('night', { times: [[0, 360]] });
    const desk = new Desk({
      startsAt: '2026-01-05T05:50:00Z',
      config: config({
        route: route({ routes: [route({ when: ['alertname=Down'], mute: ['night'] })] }),
        timeIntervals: [night],
      }),
    });
    desk.push({ alertname: 'Down' }, LONG).push({ alertname: 'Fire' }, LONG).at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Fire',
      '10:30 team | first notification | firing Down',
    ]);
    expect(desk.withheld()[0]).toBe('0:30 team | every alert is muted | interval:night');
  });

  it('active in office hours: outside of them, the reason names the hours', () => {
    const office = interval('office', { times: NINE_TO_FIVE, weekdays: [[1, 5]] });
    const desk = new Desk({
      startsAt: '2026-01-05T08:50:00Z',
      config: config({
        route: route({ routes: [route({ when: ['alertname=Down'], active: ['office'] })] }),
        timeIntervals: [office],
      }),
    });
    desk.push({ alertname: 'Down' }, LONG).at('20:00');
    expect(desk.told()).toEqual(['10:30 team | first notification | firing Down']);
    expect(desk.withheld()[0]).toBe('0:30 team | every alert is muted | interval:outside office');
  });

  it('active in either of two intervals is enough', () => {
    const desk = new Desk({
      startsAt: '2026-01-05T12:00:00Z',
      config: config({
        route: route({ active: ['weekend', 'noon'] }),
        timeIntervals: [
          interval('weekend', { weekdays: [[6, 6]] }),
          interval('noon', { times: [[720, 780]] }),
        ],
      }),
    });
    desk.push({ alertname: 'Down' }, LONG).at('1:00');
    expect(desk.told()).toHaveLength(1);
  });
});

describe('an interval', () => {
  it('begins with its first minute and ends before its last', () => {
    expect(
      holds(
        interval('office', { times: NINE_TO_FIVE }),
        '2026-01-05T08:59:59Z',
        '2026-01-05T09:00:00Z',
        '2026-01-05T16:59:59Z',
        '2026-01-05T17:00:00Z',
      ),
    ).toEqual([false, true, true, false]);
  });

  it('of days counts from the end of the month when negative, leap years too', () => {
    expect(
      holds(
        interval('last days', { daysOfMonth: [[-2, -1]] }),
        '2026-02-26T12:00:00Z',
        '2026-02-27T12:00:00Z',
        '2028-02-27T12:00:00Z',
        '2028-02-29T12:00:00Z',
        '2026-01-30T12:00:00Z',
      ),
    ).toEqual([false, true, false, true, true]);
  });

  it('of days is cut to the month', () => {
    const long = interval('day 31 on', { daysOfMonth: [[31, 31]] });
    expect(holds(long, '2026-01-31T12:00:00Z', '2026-02-28T12:00:00Z')).toEqual([true, false]);
  });

  it('holds when every field holds, and a field when any of its ranges does', () => {
    const summerWeekends = interval('summer weekends', {
      weekdays: [
        [0, 0],
        [6, 6],
      ],
      months: [[6, 8]],
      years: [[2026, 2026]],
    });
    expect(
      holds(
        summerWeekends,
        '2026-07-04T12:00:00Z',
        '2026-07-05T12:00:00Z',
        '2026-07-06T12:00:00Z',
        '2026-09-05T12:00:00Z',
        '2027-07-04T12:00:00Z',
      ),
    ).toEqual([true, true, false, false, false]);
  });
});

describe('in Berlin, when the clocks change', () => {
  const earlyMorning = interval('early', { times: [[120, 180]] }, 'Europe/Berlin');

  it('spring: the hour from 2 to 3 does not exist', () => {
    expect(
      holds(earlyMorning, '2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z', '2026-03-29T01:30:00Z'),
    ).toEqual([false, false, false]);
  });

  it('autumn: the hour from 2 to 3 comes twice, and holds both times', () => {
    expect(
      holds(
        earlyMorning,
        '2026-10-24T23:59:59Z',
        '2026-10-25T00:30:00Z',
        '2026-10-25T01:30:00Z',
        '2026-10-25T02:00:00Z',
      ),
    ).toEqual([false, true, true, false]);
  });

  it('office hours move with the clocks', () => {
    const office = interval('office', { times: NINE_TO_FIVE }, 'Europe/Berlin');
    expect(
      holds(
        office,
        '2026-03-28T07:30:00Z',
        '2026-03-28T08:00:00Z',
        '2026-03-29T07:00:00Z',
        '2026-10-25T07:30:00Z',
        '2026-10-25T08:00:00Z',
      ),
    ).toEqual([false, true, true, false, true]);
  });

  it('midnight there is not midnight in UTC: weekdays follow the zone', () => {
    const monday = interval('monday', { weekdays: [[1, 1]] }, 'Europe/Berlin');
    expect(holds(monday, '2026-01-04T22:59:59Z', '2026-01-04T23:00:00Z')).toEqual([false, true]);
  });
});
