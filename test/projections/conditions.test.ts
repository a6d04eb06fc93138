/** Checks on readings: when a breach becomes an alert, and when it ends. */

import { describe, expect, it } from 'vitest';
import { check, config, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

const CPU = 'servers.a.cpu';

/** A desk that tells at once, so that the page shows when the alert fired. */
function deskWith(...sketches: Parameters<typeof check>[0][]): Desk {
  return new Desk({
    config: config({ route: route({ wait: '0s' }), checks: sketches.map(check) }),
  });
}

describe('above, below, outside', () => {
  it.each([
    [{ above: 90 }, 90, 90.5],
    [{ below: 10 }, 10, 9.5],
    [{ outside: [10, 90] as const }, 90, 90.5],
    [{ outside: [10, 90] as const }, 10, 9.5],
  ])('%o: %d is in order, %d is not', (condition, inOrder, inBreach) => {
    const desk = deskWith(condition);
    desk.reading(CPU, inOrder);
    expect(desk.told()).toEqual([]);

    desk.reading(CPU, inBreach);
    expect(desk.told()).toEqual(['0:00 team | first notification | firing HighCpu(servers.a.cpu)']);
  });

  it('one check, many series: each has its own alert', () => {
    const desk = deskWith({ above: 90 });
    desk.readings({ 'servers.a.cpu': 95, 'servers.b.cpu': 50, 'servers.c.cpu': 99, uptime: 1e6 });
    expect(desk.timeline('firing')).toEqual([
      '0:00 firing HighCpu(servers.a.cpu)',
      '0:00 firing HighCpu(servers.c.cpu)',
    ]);
  });

  it('two checks on one series: warned at 80, paged at 95, and each recovers on its own', () => {
    const desk = deskWith(
      { above: 80, labels: { severity: 'warning' } },
      { above: 95, labels: { severity: 'page' } },
    );
    desk.reading(CPU, 85).at('0:10').reading(CPU, 99).at('0:20').reading(CPU, 85);
    expect(desk.timeline('firing', 'resolved')).toEqual([
      '0:00 firing HighCpu(servers.a.cpu,warning)',
      '0:10 firing HighCpu(servers.a.cpu,page)',
      '0:20 resolved HighCpu(servers.a.cpu,page): recovered',
    ]);
  });
});

describe('for: five minutes', () => {
  it('fires when the breach has lasted, with no reading at that moment', () => {
    const desk = deskWith({ above: 90, for: '5m' });
    desk.reading(CPU, 95).at('4:59.999');
    expect(desk.told()).toEqual([]);

    desk.at('5:00');
    expect(desk.told()).toEqual(['5:00 team | first notification | firing HighCpu(servers.a.cpu)']);
  });

  it('flapping inside `for` never fires, and each breach counts from its own start', () => {
    const desk = deskWith({ above: 90, for: '5m' });
    for (const minute of [0, 4, 8, 12]) {
      desk.at(`${minute}:00`).reading(CPU, 95);
      desk.at(`${minute + 3}:00`).reading(CPU, 50);
    }
    desk.at('30:00');
    expect(desk.told()).toEqual([]);
    expect(desk.timeline('breach', 'recovered').slice(0, 3)).toEqual([
      '0:00 breach HighCpu servers.a.cpu=95',
      '3:00 recovered HighCpu servers.a.cpu',
      '4:00 breach HighCpu servers.a.cpu=95',
    ]);
  });

  it('a worse reading during `for` does not start it again', () => {
    const desk = deskWith({ above: 90, for: '5m' });
    desk.reading(CPU, 95).at('4:00').reading(CPU, 99).at('5:00');
    expect(desk.timeline('breach', 'firing')).toEqual([
      '0:00 breach HighCpu servers.a.cpu=95',
      '5:00 firing HighCpu(servers.a.cpu)',
    ]);
  });

  it('the breach and its end in one batch leave nothing behind', () => {
    const desk = deskWith({ above: 90, for: '5m' });
    desk.reading(CPU, 50);
    const before = desk.state;
    desk.append({
      kind: 'observe',
      source: 'carbon',
      names: [],
      ids: Int32Array.of(0, 0),
      values: Float64Array.of(95, 50),
    });
    expect(desk.state).toEqual(before);
  });
});

describe('recover: hysteresis', () => {
  it('above 90, recover 80: 85 neither fires nor resolves', () => {
    const desk = deskWith({ above: 90, recover: 80 });
    for (const value of [85, 91, 85, 80.5, 80, 85]) desk.wait('1m').reading(CPU, value);
    expect(desk.timeline('firing', 'resolved')).toEqual([
      '2:00 firing HighCpu(servers.a.cpu)',
      '5:00 resolved HighCpu(servers.a.cpu): recovered',
    ]);
  });

  it('below 10, recover 20: mirrored', () => {
    const desk = deskWith({ below: 10, recover: 20 });
    for (const value of [15, 9, 15, 20, 15]) desk.wait('1m').reading(CPU, value);
    expect(desk.timeline('firing', 'resolved')).toEqual([
      '2:00 firing HighCpu(servers.a.cpu)',
      '4:00 resolved HighCpu(servers.a.cpu): recovered',
    ]);
  });

  it('a pending breach, too, needs to come back past it', () => {
    const desk = deskWith({ above: 90, recover: 80, for: '5m' });
    desk.reading(CPU, 91).at('3:00').reading(CPU, 85).at('5:00');
    expect(desk.timeline('firing')).toEqual(['5:00 firing HighCpu(servers.a.cpu)']);
  });
});
