/** `missing`: the check on what does not come. */

import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/commands/config.ts';
import { nextTimer } from '../../src/projections/timers.ts';
import { check, config, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

/**
 * `missing: 10m`. The time of the last reading is kept in steps of a tenth, so the alert comes
 * between 10 and 11 minutes after it.
 */
function watching(series: string, missing = '10m'): Config {
  return config({
    route: route({ wait: '0s' }),
    checks: [check({ name: 'Silent', series, missing })],
  });
}

describe('a series that was seen', () => {
  it('fires ten to eleven minutes after its last reading', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    for (let minute = 0; minute < 20; minute++) desk.at(`${minute}:30`).reading('servers.a.up', 1);
    desk.at('29:30');
    expect(desk.timeline('firing')).toEqual([]);

    desk.at('30:30');
    expect(desk.timeline('firing')).toEqual(['30:30 firing Silent(servers.a.up)']);
  });

  it('comes back, is resolved, falls silent again, fires again', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('30:00').reading('servers.a.up', 1).at('1:00:00');
    expect(desk.timeline('firing', 'resolved')).toEqual([
      '11:00 firing Silent(servers.a.up)',
      '30:00 resolved Silent(servers.a.up): recovered',
      '41:00 firing Silent(servers.a.up)',
    ]);
  });

  it('that is gone for good is not asked about for ever', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('1:00:00');
    expect(nextTimer(desk.state.foldTimers)).toBeGreaterThan(desk.now + 3_600_000);
  });
});

describe('a series that was never seen', () => {
  it('fires if the pattern names it: somebody says that it must exist', () => {
    const desk = new Desk({ config: watching('backups.nightly.done') });
    desk.at('20:00');
    expect(desk.told()).toEqual([
      '11:00 team | first notification | firing Silent(backups.nightly.done)',
    ]);
  });

  it('does not fire if the pattern has a wildcard: nobody knows its name', () => {
    const desk = new Desk({ config: watching('backups.*.done') });
    desk.reading('something.else', 1).at('1:00:00');
    expect(desk.told()).toEqual([]);
  });

  it('is known by its tags in any order', () => {
    const desk = new Desk({ config: watching('backup;site=b;host=a') });
    for (let minute = 0; minute < 30; minute++) {
      desk.at(`${minute}:00`).reading('backup;host=a;site=b', 1);
    }
    expect(desk.told()).toEqual([]);
  });
});

describe('a time in which nobody listened', () => {
  it('is not silence of the monitors: the watch begins with the new leader', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('1:00').dies().at('20:00').leads('node-2');
    expect(desk.told()).toEqual([]);

    desk.at('30:59');
    expect(desk.told()).toEqual([]);
    desk.at('31:00');
    expect(desk.told()).toEqual(['31:00 team | first notification | firing Silent(servers.a.up)']);
  });

  it('and a quick fail-over changes nothing', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).reading('servers.b.up', 1);
    desk.at('1:00').reading('servers.b.up', 1).dies().at('1:02').leads('node-2');
    desk.at('11:30');
    expect(desk.told()).toEqual(['11:00 team | first notification | firing Silent(servers.a.up)']);
  });
});

describe('a reload', () => {
  it('goes on with the watch: what was silent stays silent', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('9:00').config(watching('servers.*.up')).at('12:00');
    expect(desk.timeline('firing')).toEqual(['11:00 firing Silent(servers.a.up)']);
  });

  it('that shortens the period counts from the last reading', () => {
    const desk = new Desk({ config: watching('servers.*.up', '1h') });
    desk.reading('servers.a.up', 1).at('9:00').config(watching('servers.*.up', '10m')).at('12:00');
    expect(desk.timeline('firing')).toEqual(['11:00 firing Silent(servers.a.up)']);
  });

  it('while it is missing keeps the alert, and its page is not repeated', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('12:00').config(watching('servers.*.up')).at('1:00:00');
    expect(desk.told()).toEqual(['11:00 team | first notification | firing Silent(servers.a.up)']);
    expect(desk.timeline('firing')).toHaveLength(1);
  });

  it('at the moment at which the check looks leaves no timer of the old rules', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('5:00').reading('servers.a.up', 1);
    desk.at('10:59').dies().at('11:00').config(config());
    expect(desk.state.foldTimers).toEqual({});
  });

  it('that drops the check forgets the watch', () => {
    const desk = new Desk({ config: watching('servers.*.up') });
    desk.reading('servers.a.up', 1).at('5:00').config(config());
    expect(desk.state.seen).toEqual({});
    expect(desk.state.foldTimers).toEqual({});
  });
});
