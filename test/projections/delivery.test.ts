/** The protocol of attempts and outcomes: what is owed is told, once, or marked where nobody knows. */

import { describe, expect, it } from 'vitest';
import { entries } from '../../src/projections/table.ts';
import { config, receiver, route } from '../support/scenario-config.ts';
import { Desk, type Answer } from '../support/scenario.ts';

const down = (host: string) => ({ alertname: 'Down', host });
const LONG = { until: '23:00:00' };

function statuses(desk: Desk): readonly string[] {
  return [...entries(desk.state.notifications)].map(([, row]) => row.status).sort();
}

describe('a receiver that is ill', () => {
  it('is asked again after 0.5, 1, 2, 4 … 30 seconds, and told once', () => {
    const desk = new Desk().answers('team', ...Array<number>(9).fill(503));
    desk.push(down('a'), LONG).at('3:00');
    expect(desk.timeline('notification').filter((line) => line.includes(': try '))).toEqual([
      '0:30 team trying: try 1 by node-1',
      '0:30.500 team trying: try 2 by node-1',
      '0:31.500 team trying: try 3 by node-1',
      '0:33.500 team trying: try 4 by node-1',
      '0:37.500 team trying: try 5 by node-1',
      '0:45.500 team trying: try 6 by node-1',
      '1:01.500 team trying: try 7 by node-1',
      '1:31.500 team trying: try 8 by node-1',
      '2:01.500 team trying: try 9 by node-1',
      '2:31.500 team trying: try 10 by node-1',
    ]);
    expect(desk.told()).toEqual(['2:31.500 team | first notification | firing Down(a)']);
  });

  it('until the next tick: then the group speaks anew, with what is true by then', () => {
    const desk = new Desk().answers('team', ...Array<number>(15).fill(503));
    desk.push(down('a'), LONG).at('1:00').push(down('b'), LONG).at('6:00');
    expect(desk.told()).toEqual(['5:30 team | first notification | firing Down(a) Down(b)']);
    expect(statuses(desk)).toEqual(['delivered', 'replaced']);
  });

  it('holds up nobody else', () => {
    const receivers = [receiver('team', true, true)];
    const desk = new Desk({ config: config({ receivers }) }).answers('team', 503);
    desk.push(down('a'), LONG).at('1:00');
    expect(desk.told()).toEqual([
      '0:30 team/webhook[1] | first notification | firing Down(a)',
      '0:30.500 team | first notification | firing Down(a)',
    ]);
  });

  it('while everything resolves before it could be told: nobody needs to know', () => {
    const desk = new Desk().answers('team', ...Array<number>(20).fill(503));
    desk.push(down('a'), LONG).at('2:00').push(down('a'), { until: '2:00' }).at('10:00');
    expect(desk.told()).toEqual([]);
    expect(desk.withheld()).toEqual(['5:30 team | resolved before anyone was told']);
    expect(desk.state.groups.size).toBe(0);
  });
});

describe('a receiver whose answers cannot be read', () => {
  const unreadable = (repeat: string, copies: number): Desk => {
    const desk = new Desk({ config: config({ route: route({ repeat }) }) });
    desk.append({ kind: 'reducers', version: 2 });
    return desk.answers('team', ...Array<Answer>(copies).fill('unreadable'));
  };
  const times = (desk: Desk): readonly string[] =>
    desk.told().map((line) => line.split(' ')[0] ?? '');

  it('gets three copies, and then one each repeat_interval for as long as it is true', () => {
    const desk = unreadable('1h', 100).push(down('a'), { until: '99:00:00' }).at('3:30:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '0:30.500 team | first notification | firing Down(a) | may be a duplicate',
      '0:31.500 team | first notification | firing Down(a) | may be a duplicate',
      '1:00:31.500 team | first notification | firing Down(a) | may be a duplicate',
      '2:00:31.500 team | first notification | firing Down(a) | may be a duplicate',
      '3:00:31.500 team | first notification | firing Down(a) | may be a duplicate',
    ]);
    // A receiver that knows the key shows one for each repeat_interval.
    expect(new Set(desk.pages.map(({ key }) => key)).size).toBe(4);
  });

  it('says so in what is shown of the notification', () => {
    const desk = unreadable('1h', 100).push(down('a'), LONG).at('1:00');
    const [[, row] = []] = [...entries(desk.state.notifications)];
    expect(row?.lastResult).toBe(
      'unknown (after 3 copies the next ones follow by repeat_interval)',
    );
  });

  it('is told what is new at once, and again in three copies', () => {
    const desk = unreadable('4h', 100).push(down('a'), LONG).at('2:00').push(down('b'), LONG);
    expect(times(desk.at('1:00:00'))).toEqual([
      '0:30',
      '0:30.500',
      '0:31.500',
      '5:30',
      '5:30.500',
      '5:31.500',
    ]);
  });

  it('is told the end in three copies, and then rarely', () => {
    const desk = unreadable('4h', 100)
      .push(down('a'), LONG)
      .at('2:00')
      .push(down('a'), { until: '2:00' });
    desk.at('1:00:00');
    expect(times(desk)).toHaveLength(6);
    expect(desk.told().at(-1)).toContain('resolved Down(a)');
  });

  it('is notified again at the usual pace when a reload may have fixed it', () => {
    const desk = unreadable('4h', 3).push(down('a'), LONG).at('1:00');
    desk.config(config({ route: route({ repeat: '4h' }) })).at('10:00');
    expect(times(desk)).toEqual(['0:30', '0:30.500', '0:31.500', '1:00']);
  });

  it('that is ill in between is asked as often as one that is ill', () => {
    const desk = unreadable('4h', 0).answers('team', 'unreadable', 503, 503, 'unreadable', 503);
    desk.push(down('a'), LONG).at('1:00');
    expect(desk.ends().map((line) => line.split(' ')[0])).toEqual([
      '0:30',
      '0:30.500',
      '0:31.500',
      '0:33.500',
      '0:37.500',
      '0:45.500',
    ]);
  });

  it('is asked as before by version 1 of the fold, which members of older builds run', () => {
    const desk = new Desk().answers('team', ...Array<Answer>(100).fill('unreadable'));
    desk.push(down('a'), LONG).at('2:00');
    expect(times(desk)).toHaveLength(8);
    const [[, row] = []] = [...entries(desk.state.notifications)];
    expect(row).not.toHaveProperty('unreadable');
  });
});

describe('a receiver that says no (4xx)', () => {
  it('is not asked again before the next tick, which decides anew', () => {
    const desk = new Desk().answers('team', 404);
    desk.push(down('a'), LONG).at('5:29');
    expect(desk.told()).toEqual([]);
    expect(statuses(desk)).toEqual(['rejected']);

    desk.at('6:00');
    expect(desk.told()).toEqual(['5:30 team | first notification | firing Down(a)']);
  });

  it('to the end of an alert: the alert stays until its end is told', () => {
    const desk = new Desk().answers('team', 'ok', 404, 404);
    desk.push(down('a'), LONG).at('1:00').push(down('a'), { until: '1:00' }).at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '15:30 team | all alerts resolved | resolved Down(a)',
    ]);
    expect(desk.state.groups.size).toBe(0);
  });

  it('while another takes it: who took it is not told twice, who did not is', () => {
    const receivers = [receiver('team', true, true)];
    const desk = new Desk({ config: config({ receivers }) }).answers('team', 'ok', 404);
    desk.push(down('a'), LONG).at('1:00').push(down('a'), { until: '1:00' }).at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '0:30 team/webhook[1] | first notification | firing Down(a)',
      '5:30 team/webhook[1] | all alerts resolved | resolved Down(a)',
      '10:30 team | all alerts resolved | resolved Down(a)',
    ]);
  });
});

describe('a receiver that never answers', () => {
  it('is not asked twice at once; what came meanwhile is told after it', () => {
    const desk = new Desk().answers('team', 'hangs');
    desk.push(down('a'), LONG).at('1:00').push(down('b'), LONG).at('6:00');
    expect(desk.withheld()).toEqual(['5:30 team | the last notification is still being sent']);

    desk.at('7:00').answersNow('team', 'ok').at('11:00');
    expect(desk.told()).toEqual([
      '7:00 team | first notification | firing Down(a)',
      '10:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });

  it('an alert that resolved meanwhile stays until its end is told', () => {
    const desk = new Desk().answers('team', 'hangs');
    desk.push(down('a'), LONG).at('2:00').push(down('a'), { until: '2:00' });
    desk.at('7:00').answersNow('team', 'ok').at('20:00');
    expect(desk.told()).toEqual([
      '7:00 team | first notification | firing Down(a)',
      '10:30 team | all alerts resolved | resolved Down(a)',
    ]);
  });

  it('and fails in the end, after the next tick: it is tried again with the old content', () => {
    const desk = new Desk().answers('team', 'hangs');
    desk.push(down('a'), LONG).at('7:00').answersNow('team', 503).at('8:00');
    expect(desk.told()).toEqual(['7:00.500 team | first notification | firing Down(a)']);
  });
});

describe('whoever watches tries', () => {
  it('is told the end of each, once: not again when the next tick gives the page up', () => {
    const desk = new Desk().answers('team', 503, 404, 'hangs');
    desk.push(down('a'), LONG).at('1:00').at('6:00').answersNow('team', 503).at('6:01');
    expect(desk.ends()).toEqual([
      '0:30 team owed after retry',
      '0:30.500 team rejected after rejected',
      '6:00 team owed after retry',
      '6:00.500 team delivered after delivered',
    ]);

    const given = new Desk().answers('team', ...Array<number>(15).fill(503));
    given.push(down('a'), LONG).at('5:29').push(down('a'), { until: '5:29' }).at('6:00');
    expect(given.timeline('notification').at(-1)).toBe('5:30 team replaced: retry 503');
    expect(given.ends().at(-1)).toBe('5:01.500 team owed after retry');
  });

  it('is told of an unknown end as well, and of one that comes after the group has gone', () => {
    const desk = new Desk().answers('team', 'dies after').push(down('a'), LONG);
    desk
      .at('1:00')
      .config(config({ route: route({ by: ['host'] }) }))
      .leads('node-2');
    expect(desk.ends()).toContain('1:00 team replaced after unknown');
  });
});

describe('a leader that dies', () => {
  it('after the decision, before an attempt: the next leader sends what is owed', () => {
    const desk = new Desk();
    desk.push(down('a'), LONG).at('0:29').dies().at('0:30');
    desk.commit(...desk.decisions());
    desk.at('0:40').leads('node-2');
    expect(desk.told()).toEqual(['0:40 team | first notification | firing Down(a)']);
  });

  it.each(['dies before', 'dies after'] as const)(
    'around the sending (%s): nobody knows, so it is sent again and says so',
    (answer) => {
      const desk = new Desk().answers('team', answer);
      desk.push(down('a'), LONG).at('0:40').leads('node-2').at('1:00');
      const again = '0:40.500 team | first notification | firing Down(a) | may be a duplicate';
      expect(desk.told()).toEqual(
        answer === 'dies before'
          ? [again]
          : ['0:30 team | first notification | firing Down(a)', again],
      );
      expect(new Set(desk.pages.map(({ id }) => id)).size).toBe(1);
    },
  );

  it('and comes back after the tick: what is said anew still may be a duplicate, and says so', () => {
    const desk = new Desk().answers('team', 'dies after');
    desk.push(down('a'), LONG).at('5:29.900').leads('node-2').at('6:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | first notification | firing Down(a) | may be a duplicate',
    ]);
  });

  it('and comes back after the end: who may have been told is told the end', () => {
    const desk = new Desk().answers('team', 'dies after');
    desk.push(down('a'), LONG).at('2:00').push(down('a'), { until: '2:00' });
    desk.at('5:29.900').leads('node-2').at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | all alerts resolved | resolved Down(a) | may be a duplicate',
    ]);
  });

  it('and the end came back as a beginning: who may have been told the end is told that it fires', () => {
    const desk = new Desk().answers('team', 'ok', 'dies after');
    desk.push(down('a'), LONG).at('1:00').push(down('a'), { until: '1:00' });
    desk.at('10:00').push(down('a'), LONG).at('10:29.900').leads('node-2').at('11:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | all alerts resolved | resolved Down(a)',
      '10:30 team | new alerts added | firing Down(a) | may be a duplicate',
    ]);
  });

  it('and the page is silenced for a while: said again afterwards, it may be a duplicate', () => {
    const desk = new Desk().answers('team', 'dies after');
    desk.push(down('a'), LONG).at('5:29.900').silence('s1', ['host=a'], { until: '7:00' });
    desk.leads('node-2').at('11:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '10:30 team | first notification | firing Down(a) | may be a duplicate',
    ]);
  });

  it('and the receiver then says no: who may have been told that it fires is told the end', () => {
    const desk = new Desk().answers('team', 'dies after', 404);
    desk.push(down('a'), LONG).at('1:00').leads('node-2').at('2:00');
    desk.push(down('a'), { until: '2:00' }).at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | all alerts resolved | resolved Down(a) | may be a duplicate',
    ]);
  });

  it('and what may have been told ended a second time: its end is told a second time', () => {
    const desk = new Desk().answers('team', 'ok', 'ok', 'dies after');
    desk.push(down('a'), LONG).push(down('b'), LONG).at('1:00');
    desk.push(down('b'), { until: '1:00' }).at('5:40').push(down('b'), LONG).at('15:00');
    desk.push(down('b'), { until: '15:00' }).at('15:29.900').leads('node-2').at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a) Down(b)',
      '5:30 team | some alerts resolved | firing Down(a) | resolved Down(b)',
      '10:30 team | new alerts added | firing Down(a) Down(b)',
      '15:30 team | some alerts resolved | firing Down(a) | resolved Down(b) | may be a duplicate',
    ]);
  });

  it('twice, over an end and a new beginning: if only the end arrived, the beginning is told', () => {
    const desk = new Desk().answers('team', 'ok', 'dies after', 'dies before');
    desk.push(down('a'), LONG).push(down('b'), LONG).at('1:00').push(down('b'), { until: '1:00' });
    desk.at('10:00').push(down('b'), LONG).at('10:29.900').leads('node-2');
    desk.at('15:29.900').leads('node-3').at('16:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a) Down(b)',
      '5:30 team | some alerts resolved | firing Down(a) | resolved Down(b)',
      '15:30 team | new alerts added | firing Down(a) Down(b) | may be a duplicate',
    ]);
  });

  it('twice, over a beginning and an end: if only the beginning arrived, the end is told', () => {
    const desk = new Desk().answers('team', 'ok', 'ok', 'dies after', 'dies before');
    desk.push(down('a'), LONG).push(down('b'), LONG).at('1:00').push(down('b'), { until: '1:00' });
    desk.at('5:40').push(down('b'), LONG).at('15:00').push(down('b'), { until: '15:00' });
    desk.at('15:29.900').leads('node-2').at('20:29.900').leads('node-3').at('21:00');
    expect(desk.told().slice(2)).toEqual([
      '10:30 team | new alerts added | firing Down(a) Down(b)',
      '20:30 team | some alerts resolved | firing Down(a) | resolved Down(b) | may be a duplicate',
    ]);
  });

  it('and what may have been told is silenced to its end: the end of others is no news', () => {
    const desk = new Desk().answers('team', 'dies after');
    desk.push(down('b'), LONG).at('1:00');
    desk.silence('s1', ['alertname=Down'], { until: '7:00' });
    desk.push(down('a'), LONG).push(down('b'), { until: '1:00' });
    desk.at('5:29.900').leads('node-2').at('8:00').push(down('a'), { until: '8:00' }).at('20:00');
    expect(desk.told()).toEqual(['0:30 team | first notification | firing Down(b)']);
    expect(desk.withheld().at(-1)).toBe('10:30 team | resolved before anyone was told');
  });

  it('twice in a row: every try has its own number', () => {
    const desk = new Desk().answers('team', 'dies before', 'dies before');
    desk.push(down('a'), LONG).at('0:40').leads('node-2').at('0:50').leads('node-3').at('1:00');
    expect(desk.told()).toEqual([
      '0:51 team | first notification | firing Down(a) | may be a duplicate',
    ]);
  });
});

/** A notification of which nobody knows whether it arrived, and what its group says next. */
describe('a page that may have arrived', () => {
  const TICK = '5:29.900';
  const lost = (...more: readonly Answer[]): Desk =>
    new Desk().answers('team', 'dies after', ...more).push(down('a'), LONG);
  const keys = (desk: Desk): number => new Set(desk.pages.map(({ key }) => key)).size;

  it('said again at the next tick has its key, so a receiver that knows the key pages once', () => {
    const desk = lost().at(TICK).leads('node-2').at('6:00');
    expect(desk.pages.map(({ id }) => id)).toEqual(['3.0', '7.0']);
    expect(desk.pages.map(({ key }) => key)).toEqual(['3.0', '3.0']);
  });

  it('said again and again, each time with an unknown end, keeps its key', () => {
    const desk = lost('dies after', 'dies after').at(TICK).leads('node-2');
    desk.at('10:29.900').leads('node-3').at('15:29.900').leads('node-4').at('16:00');
    expect(desk.told()).toHaveLength(4);
    expect(keys(desk)).toBe(1);
  });

  it('is repeated under a new key once who got it is due to hear it again', () => {
    const model = config({ route: route({ repeat: '9m' }) });
    const desk = new Desk({ config: model }).answers('team', 'dies after', 'dies after');
    desk.push(down('a'), LONG).at(TICK).leads('node-2').at('10:29.900').leads('node-3').at('11:00');
    expect(desk.pages.map(({ key }) => key)).toEqual(['3.0', '3.0', '11.0']);
  });

  it('and could not be said again, because the receiver is ill, still lends its key', () => {
    const desk = lost(...Array<number>(15).fill(503))
      .at(TICK)
      .leads('node-2')
      .at('10:31');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '10:30 team | first notification | firing Down(a) | may be a duplicate',
    ]);
    expect(keys(desk)).toBe(1);
  });

  it('and is silenced for a while is said again under its key', () => {
    const desk = lost().at(TICK).silence('s1', ['host=a'], { until: '7:00' });
    desk.leads('node-2').at('11:00');
    expect(desk.told()).toHaveLength(2);
    expect(keys(desk)).toBe(1);
  });

  it('and is silenced for so long that it is forgotten is said again under a new key', () => {
    const model = config({ route: route({ repeat: '7d' }) });
    const desk = new Desk({ config: model }).answers('team', 'dies after');
    desk.push(down('a'), { until: '99:00:00' }).at(TICK).leads('node-2');
    desk.silence('s1', ['host=a'], { until: '48:00:00' }).at('48:10:00');
    expect(desk.told()[1]).toContain('first notification | firing Down(a) | may be a duplicate');
    expect(keys(desk)).toBe(2);
  });

  it.each<[string, (desk: Desk) => Desk]>([
    ['another alert has joined', (desk) => desk.push(down('b'), LONG)],
    ['it has ended', (desk) => desk.push(down('a'), { until: '5:00' })],
    [
      'it has ended and begun again',
      (desk) => desk.push(down('a'), { until: '5:00' }).at('5:10').push(down('a'), LONG),
    ],
  ])('says something new when %s: under a new key, or it would be dropped', (_what, happens) => {
    const desk = happens(lost().at('5:00')).at(TICK).leads('node-2').at('6:00');
    expect(desk.told()).toHaveLength(2);
    expect(keys(desk)).toBe(2);
  });

  it('has no key to lend after a reload, which may send it elsewhere', () => {
    const desk = lost().at('4:00').leads('node-2').config(config()).at('5:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '4:00 team | first notification | firing Down(a) | may be a duplicate',
    ]);
    expect(keys(desk)).toBe(2);
  });

  it('is not in doubt any more once a later one was delivered', () => {
    const desk = lost().at(TICK).leads('node-2').at('6:00').push(down('b'), LONG).at('11:00');
    expect(desk.told()[2]).toBe('10:30 team | new alerts added | firing Down(a) Down(b)');
    expect(desk.pages[2]?.key).toBe(desk.pages[2]?.id);
  });
});

describe('two leaders in a row', () => {
  it('decide the same tick: the second decision changes nothing', () => {
    const desk = new Desk();
    desk.push(down('a'), LONG).at('0:29').dies().at('0:30');
    const [first, second] = [desk.decisions(), desk.decisions()];
    desk.commit(...first);
    const before = desk.state;
    desk.commit(...second);
    expect(desk.state).toBe(before);
    expect(desk.timeline('ignored')).toEqual([
      '0:30 ignored flush: its tick is not the next one of its group: 0 {}:{alertname="Down"}',
    ]);
  });

  it('decide while a try is on its way into the log: the try keeps its place, and nobody is told twice', () => {
    const desk = new Desk().answers('team', 503);
    desk.push(down('a'), LONG).at('0:30').dies().at('5:30');
    const late = desk.decisions();
    const [[id] = ['']] = [...entries(desk.state.notifications)];
    desk.commit({ kind: 'attempt', notification: id, try: 2, node: 'node-1' });
    desk.commit(...late);
    desk.answersNow('team', 'ok').leads('node-2').at('11:00');
    expect(desk.told()).toEqual(['5:30 team | first notification | firing Down(a)']);
  });

  it('start the same try: the second start changes nothing', () => {
    const desk = new Desk().answers('team', 'hangs');
    desk.push(down('a'), LONG).at('0:30');
    const [[id] = ['']] = [...entries(desk.state.notifications)];
    const before = desk.state;
    desk.commit({ kind: 'attempt', notification: id, try: 1, node: 'node-2' });
    desk.commit({ kind: 'attempt', notification: id, try: 2, node: 'node-2' });
    desk.commit({ kind: 'attempt', notification: '77.0', try: 1, node: 'node-2' });
    expect(desk.state).toBe(before);
  });

  it('skip a try number: an attempt that does not follow the last one changes nothing', () => {
    const desk = new Desk().answers('team', 503);
    desk.push(down('a'), LONG).at('0:30').dies();
    const [[id] = ['']] = [...entries(desk.state.notifications)];
    const before = desk.state;
    desk.commit({ kind: 'attempt', notification: id, try: 1, node: 'node-2' });
    desk.commit({ kind: 'attempt', notification: id, try: 3, node: 'node-2' });
    expect(desk.state).toBe(before);
  });

  it('an outcome that comes too late, or of another try, changes nothing', () => {
    const desk = new Desk().answers('team', 503, 'hangs');
    desk.push(down('a'), LONG).at('0:40');
    const [[id] = ['']] = [...entries(desk.state.notifications)];
    const late = { kind: 'outcome', notification: id, status: 0, detail: '', tookMs: 0 } as const;
    const before = desk.state;
    desk.commit({ ...late, try: 1, result: 'delivered' });
    expect(desk.state).toBe(before);

    desk.answersNow('team', 'ok');
    const told = desk.state;
    desk.commit({ ...late, try: 2, result: 'unknown' });
    expect(desk.state).toBe(told);
  });
});

describe('repeat_interval', () => {
  it('counts from the delivery, not from the decision', () => {
    const model = config({ route: route({ interval: '1m', repeat: '10m' }) });
    const desk = new Desk({ config: model }).answers('team', 503, 503);
    desk.push(down('a'), LONG).at('15:00');
    expect(desk.told()).toEqual([
      '0:31.500 team | first notification | firing Down(a)',
      '11:30 team | repeat interval elapsed | firing Down(a)',
    ]);
  });
});

describe('an integration that this build cannot send', () => {
  it('is skipped and named, and the group goes on', () => {
    const desk = new Desk({ senders: ['email'] });
    desk.push(down('a'), LONG).at('1:00');
    expect(desk.told()).toEqual([]);
    expect(desk.withheld()).toEqual(['0:30 team | this build has no such integration']);
  });
});
