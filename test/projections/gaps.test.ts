/** Times in which nothing listened, as the fold counts them from its version 2 on. */

import { describe, expect, it } from 'vitest';
import { nextTimer } from '../../src/projections/timers.ts';
import { pendingAlerts } from '../../src/projections/views.ts';
import { hasPending } from '../../src/projections/gaps.ts';
import { check, config, route } from '../support/scenario-config.ts';
import { pageBytes, reloaded } from '../support/scenario-fold.ts';
import { Desk } from '../support/scenario.ts';

const CPU = 'servers.a.cpu';

function desk(sketch: Parameters<typeof check>[0], reducers = 2): Desk {
  const model = config({ route: route({ wait: '0s' }), checks: [check(sketch)] });
  return new Desk({ config: model, reducers });
}

describe('a breach that is pending when nobody listens any more', () => {
  it('fires after what was left of `for`, when it still holds', () => {
    const story = desk({ above: 90, for: '5m' });
    story.reading(CPU, 95).at('2:00').dies().at('22:00').leads('node-2');
    expect(story.timeline('firing')).toEqual([]);
    story.at('24:59');
    expect(story.timeline('firing')).toEqual([]);
    story.at('25:00');
    expect(story.timeline('firing')).toEqual(['25:00 firing HighCpu(servers.a.cpu)']);
  });

  it('and that is over at the first reading afterwards has never fired', () => {
    const story = desk({ above: 90, for: '5m' });
    story.reading(CPU, 95).at('2:00').dies().at('22:00').leads('node-2');
    story.at('22:01').reading(CPU, 5).at('1:00:00');
    expect(story.told()).toEqual([]);
    expect(story.state.foldTimers).toEqual({});
  });

  it('says to people when it will fire from then on', () => {
    const story = desk({ above: 90, for: '30m' });
    story.reading(CPU, 95).at('2:00').dies().at('12:00').leads('node-2');
    // Its timer is still that of before, and is looked at when it comes.
    expect(pendingAlerts(story.state)).toMatchObject([{ firesAt: story.now + 28 * 60_000 }]);
    story.at('35:00');
    expect(pendingAlerts(story.state)).toMatchObject([{ firesAt: story.now + 5 * 60_000 }]);
    story.at('40:00');
    expect(story.timeline('firing')).toEqual(['40:00 firing HighCpu(servers.a.cpu)']);
  });

  it('through many gaps, one after the other, is given what each of them took', () => {
    const story = desk({ above: 90, for: '1m' });
    story.reading(CPU, 95);
    for (let i = 0; i < 5; i++) story.wait('10s').dies().wait('8s').leads(`node-${i}`);
    // Fifty seconds were listened to.
    expect(story.clock()).toBe('1:30');
    story.at('1:39.999');
    expect(story.timeline('firing')).toEqual([]);
    story.at('1:40');
    expect(story.timeline('firing')).toEqual(['1:40 firing HighCpu(servers.a.cpu)']);
  });

  it('through more gaps than are remembered fires late, and never early', () => {
    const story = desk({ above: 90, for: '1h' });
    story.reading(CPU, 95);
    for (let i = 0; i < 300; i++) story.wait('5s').dies().wait('5s').leads(`node-${i}`);
    story.at('1:24:59');
    expect(story.timeline('firing')).toEqual([]);
    expect(story.state.facts.gaps).toHaveLength(64);
    story.at('1:25:00');
    expect(story.timeline('firing')).toHaveLength(1);
  });

  it('does not wait for a gap that was over before it began', () => {
    const story = desk({ above: 90, for: '1m' });
    story.at('1:00').dies().at('11:00').leads('node-2').reading(CPU, 95).at('12:00');
    expect(story.timeline('firing')).toEqual(['12:00 firing HighCpu(servers.a.cpu)']);
  });

  it('counts a time once that two leaders in a row speak of', () => {
    const story = desk({ above: 90, for: '1m' });
    story.reading(CPU, 95).at('0:10');
    const previousAt = story.now;
    story.dies().at('1:10').leads('node-2').at('1:12');
    story.append({ kind: 'lead', node: 'node-3', previousAt }).at('2:02');
    expect(story.timeline('firing')).toEqual(['2:02 firing HighCpu(servers.a.cpu)']);
  });

  it('is not held up by leaders that follow one another within a second', () => {
    const story = desk({ above: 90, for: '1m' });
    story.reading(CPU, 95);
    for (let i = 0; i < 5; i++) story.wait('9s').dies().wait('1s').leads(`node-${i}`);
    story.at('1:00');
    expect(story.timeline('firing')).toEqual(['1:00 firing HighCpu(servers.a.cpu)']);
  });

  it('fires at once by the first version of the fold, as old logs do', () => {
    const story = desk({ above: 90, for: '5m' }, 1);
    story.reading(CPU, 95).at('2:00').dies().at('22:00').leads('node-2');
    expect(story.timeline('firing')).toEqual(['22:00 firing HighCpu(servers.a.cpu)']);
    expect(story.state.facts.gaps).toBeUndefined();
  });

  it('is what keeps the log alive, and nothing else does', () => {
    const story = desk({ above: 90, for: '5m' });
    expect(hasPending(story.state.breaches)).toBe(false);
    story.reading(CPU, 95);
    expect(hasPending(story.state.breaches)).toBe(true);
    story.at('6:00');
    expect(hasPending(story.state.breaches)).toBe(false);
  });

  it('and its gaps come back from a snapshot', () => {
    const story = desk({ above: 90, for: '5m' });
    story.reading(CPU, 95).at('4:00').dies().at('14:00').leads('node-2').at('14:30');
    const again = reloaded(story.state);
    expect(again).toEqual(story.state);
    expect(pageBytes(again)).toEqual(pageBytes(story.state));
    expect(again.facts.gaps).toHaveLength(1);
  });
});

describe('a `missing` check', () => {
  it('does not take a short gap for silence', () => {
    const story = desk({ series: 'servers.*.cpu', missing: '10s' });
    story.reading(CPU, 1).at('0:05').dies().at('0:13').leads('node-2').at('0:18.999');
    expect(story.timeline('firing')).toEqual([]);
    story.at('0:19');
    expect(story.timeline('firing')).toEqual(['0:19 firing HighCpu(servers.a.cpu)']);
  });

  it('comes to its end although leaders change all the time', () => {
    const story = desk({ series: 'servers.*.cpu', missing: '1m' });
    story.reading(CPU, 1);
    for (let i = 0; i < 40; i++) story.wait('8s').dies().wait('2s').leads(`node-${i}`);
    expect(story.timeline('firing')).toEqual(['1:22 firing HighCpu(servers.a.cpu)']);
  });

  it('gives monitors their full time after a long gap', () => {
    const story = desk({ series: 'servers.*.cpu', missing: '10m' });
    story.reading(CPU, 1).at('9:00').dies().at('1:09:00').leads('node-2').at('1:19:59');
    expect(story.timeline('firing')).toEqual([]);
    story.at('1:20:00');
    expect(story.timeline('firing')).toHaveLength(1);
  });
});

describe('a pushed alert', () => {
  it('has after a short gap as much time to be renewed as was lost', () => {
    const story = new Desk({ reducers: 2 });
    story.push({ alertname: 'Down' }, { until: '1:00' });
    story.at('0:55').dies().at('1:03').leads('node-2').at('1:07.999');
    expect(story.timeline('resolved')).toEqual([]);
    story.at('1:08').at('10:00');
    expect(story.timeline('resolved')).toEqual(['1:08 resolved Down: expired']);
    expect(nextTimer(story.state.foldTimers)).toBeGreaterThan(story.now);
  });

  it('that ends much later ends when it was to end', () => {
    const story = new Desk({ reducers: 2 });
    story.push({ alertname: 'Down' }, { until: '1:00:00' });
    story.at('1:00').dies().at('30:00').leads('node-2').at('2:00:00');
    expect(story.timeline('resolved')).toEqual(['1:00:00 resolved Down: expired']);
  });
});

describe('a repeat', () => {
  it('is not sent on waking up for what nobody has seen since', () => {
    const model = config({
      route: route({ wait: '0s', interval: '1m', repeat: '1h' }),
      checks: [check({ above: 90 })],
    });
    const story = new Desk({ config: model, reducers: 2 });
    story.reading(CPU, 95).at('10:00').dies().at('5:10:00').leads('node-2');
    story.at('5:59:59');
    expect(story.told()).toHaveLength(1);
    story.at('6:01:00');
    expect(story.told(), 'fifty minutes of the hour were left').toHaveLength(2);
  });
});
