/** Groups: who is told with whom, and when (Alertmanager's dispatcher and `needsUpdate`). */

import { describe, expect, it } from 'vitest';
import { config, receiver, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

/** group_wait 30 s, group_interval 5 m, repeat_interval 4 h, grouped by alertname. */
function desk(...sendResolved: readonly boolean[]): Desk {
  return new Desk({ config: config({ receivers: [receiver('team', ...sendResolved)] }) });
}

const web = (host: string) => ({ alertname: 'Down', host });

describe('the first flush', () => {
  it('waits for group_wait, so that one cause is one page', () => {
    const d = desk();
    d.push(web('a')).at('0:10').push(web('b')).at('0:29').push(web('c')).at('1:00');
    expect(d.told()).toEqual(['0:30 team | first notification | firing Down(a) Down(b) Down(c)']);
  });

  it('is at once if the alert began longer than group_wait ago', () => {
    const d = desk();
    d.at('1:00').push(web('a'), { from: '0:29', until: '1:00:00' });
    expect(d.told()).toEqual(['1:00 team | first notification | firing Down(a)']);
  });

  it('comes forward when an old alert joins a group that still waits', () => {
    const d = desk();
    d.at('1:00').push(web('a')).at('1:10').push(web('b'), { from: '0:20', until: '1:00:00' });
    expect(d.told()).toEqual(['1:10 team | first notification | firing Down(a) Down(b)']);
  });

  it('different alertnames are different groups, each with its own wait', () => {
    const d = desk();
    d.push({ alertname: 'A' }).at('0:20').push({ alertname: 'B' }).at('2:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing A',
      '0:50 team | first notification | firing B',
    ]);
  });

  it('of many groups at one instant tells each of them, and owes each its own notification', () => {
    const d = desk();
    d.push({ alertname: 'A' }).push({ alertname: 'B' }).push({ alertname: 'C' }).at('1:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing A',
      '0:30 team | first notification | firing B',
      '0:30 team | first notification | firing C',
    ]);
    expect(new Set(d.pages.map(({ id }) => id)).size).toBe(3);
  });
});

describe('later ticks, every group_interval', () => {
  it('a new alert in a known group waits for the next tick', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).at('1:00').push(web('b'), { until: '9:00:00' });
    d.at('6:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });

  it('so does one that began long ago: only the first flush comes forward', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).at('3:00');
    d.push(web('b'), { from: '0:00', until: '9:00:00' }).at('6:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });

  it('some resolved, then all resolved', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).push(web('b'), { until: '9:00:00' });
    d.at('1:00').push(web('a'), { from: '0:00', until: '1:00' });
    d.at('6:00').push(web('b'), { from: '0:00', until: '6:00' });
    d.at('20:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a) Down(b)',
      '5:30 team | some alerts resolved | firing Down(b) | resolved Down(a)',
      '10:30 team | all alerts resolved | resolved Down(b)',
    ]);
    expect(d.state.groups.size).toBe(0);
  });

  it('nothing new: nothing is told until repeat_interval has passed', () => {
    const d = desk();
    d.push(web('a'), { until: '23:00:00' }).at('8:10:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '4:00:30 team | repeat interval elapsed | firing Down(a)',
      '8:00:30 team | repeat interval elapsed | firing Down(a)',
    ]);
    expect(d.withheld()[0]).toBe('5:30 team | nothing new, repeat interval not elapsed');
  });

  it('resolved before the first flush: nobody hears of it', () => {
    const d = desk();
    d.push(web('a')).at('0:20').push(web('a'), { until: '0:20' }).at('10:00');
    expect(d.told()).toEqual([]);
    expect(d.withheld()).toEqual(['0:30 team | resolved before anyone was told']);
    expect(d.state.groups.size).toBe(0);
  });

  it('a new alert that resolves between two ticks is not told, the rest goes on', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).at('1:00').push(web('b')).at('2:00');
    d.push(web('b'), { until: '2:00' }).at('20:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | some alerts resolved | firing Down(a) | resolved Down(b)',
    ]);
  });

  it('resolved and firing again between two ticks: the receiver never knew of the pause', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).at('1:00').push(web('a'), { until: '1:00' });
    d.at('2:00').push(web('a'), { until: '9:00:00' }).at('20:00');
    expect(d.told()).toEqual(['0:30 team | first notification | firing Down(a)']);
  });

  it('resolved, told, firing again: told again', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).push(web('b'), { until: '9:00:00' });
    d.at('1:00').push(web('a'), { from: '0:00', until: '1:00' });
    d.at('6:00').push(web('a'), { until: '9:00:00' }).at('20:00');
    expect(d.told().slice(1)).toEqual([
      '5:30 team | some alerts resolved | firing Down(b) | resolved Down(a)',
      '10:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });

  it('a leader that was away does not make up for missed ticks, and stays on the grid', () => {
    const d = desk();
    d.push(web('a'), { until: '9:00:00' }).at('1:00').dies().at('22:00').leads('node-2');
    d.push(web('b'), { until: '9:00:00' }).at('30:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '25:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });
});

describe('send_resolved: false', () => {
  it('tells no end, and knows that it ended: the next life is a new page', () => {
    const d = desk(false);
    d.push(web('a'), { until: '9:00:00' }).at('1:00').push(web('a'), { until: '1:00' });
    d.at('6:00').push(web('a'), { until: '9:00:00' }).at('20:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '6:30 team | first notification | firing Down(a)',
    ]);
    expect(d.withheld()[0]).toBe('5:30 team | resolved notices are off for this integration');
  });

  it('beside one that wants them: each gets its own', () => {
    const d = desk(true, false);
    d.push(web('a'), { until: '9:00:00' }).push(web('b'), { until: '9:00:00' });
    d.at('1:00').push(web('a'), { from: '0:00', until: '1:00' });
    d.at('6:00').push(web('b'), { from: '0:00', until: '6:00' }).at('20:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a) Down(b)',
      '0:30 team/webhook[1] | first notification | firing Down(a) Down(b)',
      '5:30 team | some alerts resolved | firing Down(b) | resolved Down(a)',
      '10:30 team | all alerts resolved | resolved Down(b)',
    ]);
  });

  it('an alert that resolved, left and fires again beside others is told again', () => {
    const d = desk(false);
    d.push(web('a'), { until: '9:00:00' }).push(web('b'), { until: '9:00:00' });
    d.at('1:00').push(web('a'), { from: '0:00', until: '1:00' });
    d.at('7:00').push(web('a'), { until: '9:00:00' }).at('20:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Down(a) Down(b)',
      '10:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });
});

describe('group_by', () => {
  it('no labels: one group for all', () => {
    const d = new Desk({ config: config({ route: route({ by: [] }) }) });
    d.push({ alertname: 'A' }).push({ alertname: 'B', host: 'b' }).at('1:00');
    expect(d.told()).toEqual(['0:30 team | first notification | firing A B(b)']);
    expect(d.pages[0]?.group).toBe('0 {}:{}');
  });

  it("['...']: every label set is a group of its own", () => {
    const d = new Desk({ config: config({ route: route({ by: 'all' }) }) });
    d.push(web('a')).push(web('b')).at('1:00');
    expect(d.told()).toHaveLength(2);
    expect(d.pages.map(({ group }) => group).sort()).toEqual([
      '0 {}:{alertname="Down", host="a"}',
      '0 {}:{alertname="Down", host="b"}',
    ]);
  });

  it('a label that an alert lacks is simply not in its group', () => {
    const d = new Desk({ config: config({ route: route({ by: ['cluster', 'alertname'] }) }) });
    d.push(web('a')).push({ alertname: 'Down', cluster: 'eu' }).at('1:00');
    expect(d.pages.map(({ group }) => group).sort()).toEqual([
      '0 {}:{alertname="Down", cluster="eu"}',
      '0 {}:{alertname="Down"}',
    ]);
  });
});
