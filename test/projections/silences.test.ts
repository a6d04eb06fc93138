/** Silences: requests of people to hold notifications back (Alertmanager's `silence` package). */

import { describe, expect, it } from 'vitest';
import { silenceStatus } from '../../src/projections/silences.ts';
import { get } from '../../src/projections/table.ts';
import { Desk } from '../support/scenario.ts';

const down = (host: string) => ({ alertname: 'Down', host });
const LONG = { until: '23:00:00' };

function statusOf(desk: Desk, id: string): string {
  const silence = get(desk.state.silences, id);
  return silence === undefined ? 'unknown' : silenceStatus(silence, desk.now);
}

describe('an active silence', () => {
  it('holds the page back and says why; when it ends, the page comes with the next tick', () => {
    const desk = new Desk();
    desk.silence('s1', ['alertname=Down'], { until: '7:00' }).push(down('a'), LONG).at('15:00');
    expect(desk.withheld().slice(0, 2)).toEqual([
      '0:30 team | every alert is muted | silence:s1',
      '5:30 team | every alert is muted | silence:s1',
    ]);
    expect(desk.told()).toEqual(['10:30 team | first notification | firing Down(a)']);
  });

  it('holds back what it matches and nothing else', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=~"a|b"'], { until: '1:00:00' });
    desk.push(down('a'), LONG).push(down('ab'), LONG).push(down('b'), LONG).at('1:00');
    expect(desk.told()).toEqual(['0:30 team | first notification | firing Down(ab)']);
  });

  it('that is taken back early: the next tick tells', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00:00' }).push(down('a'), LONG);
    desk.at('2:00').unsilence('s1').at('6:00');
    expect(desk.told()).toEqual(['5:30 team | first notification | firing Down(a)']);
  });

  it('that ends before the tick has held nothing back', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '0:29' }).push(down('a'), LONG).at('1:00');
    expect(desk.told()).toEqual(['0:30 team | first notification | firing Down(a)']);
  });

  it('that ends with the tick has ended', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '0:30' }).push(down('a'), LONG).at('1:00');
    expect(desk.told()).toEqual(['0:30 team | first notification | firing Down(a)']);
  });

  it('after a page: the end of a silenced alert is not told, and its next life is', () => {
    const desk = new Desk();
    desk.push(down('a'), LONG).push(down('b'), LONG).at('1:00');
    desk.silence('s1', ['host=a'], { until: '12:00' });
    desk.at('2:00').push(down('a'), { from: '0:00', until: '2:00' });
    desk.at('13:00').push(down('a'), LONG).at('20:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a) Down(b)',
      '15:30 team | new alerts added | firing Down(a) Down(b)',
    ]);
  });
});

describe('a pending silence', () => {
  it('begins at its time', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { from: '3:00', until: '8:00' }).push(down('a'), LONG);
    expect(statusOf(desk, 's1')).toBe('pending');
    desk.at('1:00').push(down('a2'), LONG);

    desk.at('3:00');
    expect(statusOf(desk, 's1')).toBe('active');
    desk.at('6:00');
    expect(desk.told()).toEqual([
      '0:30 team | first notification | firing Down(a)',
      '5:30 team | new alerts added | firing Down(a2)',
    ]);
  });
});

describe('an edit', () => {
  it('of the end changes an active silence in place', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00:00' }).at('10:00');
    desk.silence('s2', ['host=a'], { edits: 's1', from: '0:00', until: '2:00:00' });
    expect([statusOf(desk, 's1'), statusOf(desk, 's2')]).toEqual(['active', 'unknown']);
    desk.at('1:30:00');
    expect(statusOf(desk, 's1')).toBe('active');
  });

  it('of the matchers ends the old one and begins a new one', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00:00' }).at('10:00');
    desk.silence('s2', ['host=b'], { edits: 's1', from: '0:00', until: '1:00:00' });
    expect([statusOf(desk, 's1'), statusOf(desk, 's2')]).toEqual(['expired', 'active']);
    expect(get(desk.state.silences, 's2')?.startsAt).toBe(desk.now);
  });

  it('of an active silence to another start replaces it', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00:00' }).at('10:00');
    desk.silence('s2', ['host=a'], { edits: 's1', from: '0:02', until: '1:00:00' });
    expect([statusOf(desk, 's1'), statusOf(desk, 's2')]).toEqual(['expired', 'active']);
  });

  it('of a pending silence may move its start, but not into the past', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { from: '30:00', until: '1:00:00' }).at('10:00');
    desk.silence('s2', ['host=a'], { edits: 's1', from: '20:00', until: '1:00:00' });
    expect([statusOf(desk, 's1'), statusOf(desk, 's2')]).toEqual(['pending', 'unknown']);

    desk.silence('s3', ['host=a'], { edits: 's1', from: '9:00', until: '1:00:00' });
    expect([statusOf(desk, 's1'), statusOf(desk, 's3')]).toEqual(['expired', 'active']);
  });

  it('of an expired silence makes a new one', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00' }).at('2:00');
    desk.silence('s2', ['host=a'], { edits: 's1', until: '1:00:00' });
    expect([statusOf(desk, 's1'), statusOf(desk, 's2')]).toEqual(['expired', 'active']);
  });

  it('of a silence that nobody knows is ignored, and said', () => {
    const desk = new Desk();
    const before = desk.state;
    desk.silence('s2', ['host=a'], { edits: 's1', until: '1:00:00' }).unsilence('s9');
    expect(desk.state).toBe(before);
    expect(desk.timeline('ignored')).toEqual([
      '0:00 ignored silence: there is no silence s1',
      '0:00 ignored expireSilence: there is no s9',
    ]);
  });
});

describe('an expired silence', () => {
  it('can be looked at for 120 hours, then it is forgotten', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00:00' }).wait('120h');
    expect(statusOf(desk, 's1')).toBe('expired');
    desk.wait('1h');
    expect(statusOf(desk, 's1')).toBe('unknown');
    expect(desk.state.foldTimers).toEqual({});
  });

  it('so is one that should have lasted a year and was taken back', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '8760:00:00' }).at('1:00:00').unsilence('s1');
    desk.wait('120h');
    expect(statusOf(desk, 's1')).toBe('unknown');
    expect(desk.state.foldTimers).toEqual({});
  });

  it('and one that was edited to end earlier', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '8760:00:00' });
    desk.silence('s2', ['host=a'], { edits: 's1', until: '1:00:00' }).wait('121h');
    expect(statusOf(desk, 's1')).toBe('unknown');
    expect(desk.state.foldTimers).toEqual({});
  });

  it('taken back twice stays as it was', () => {
    const desk = new Desk();
    desk.silence('s1', ['host=a'], { until: '1:00:00' }).at('1:00').unsilence('s1').at('2:00');
    const before = desk.state;
    expect(desk.unsilence('s1').state).toBe(before);
  });
});
