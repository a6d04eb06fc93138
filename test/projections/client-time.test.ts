/** Times that clients send, by clocks that are ahead of log time or behind it. */

import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { get } from '../../src/projections/table.ts';
import { check, config, matchers, route } from '../support/scenario-config.ts';
import { pageBytes, reloaded } from '../support/scenario-fold.ts';
import { Desk } from '../support/scenario.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MODEL = config({
  route: route({ wait: '0s', interval: '1m', repeat: '1h' }),
  checks: [check({ above: 90, for: '5m' })],
});

function desk(reducers = 2): Desk {
  return new Desk({ config: MODEL, reducers });
}

/** A push for so long by a clock that is ahead of log time. */
function pushed(at: number, alertname: string, forMs: number, offsetMs: number): Command {
  const labels = labelsFrom([['alertname', alertname]]);
  const startsAt = at + offsetMs;
  const alert = { labels, annotations: [], startsAt, endsAt: startsAt + forMs, generatorUrl: '' };
  return { kind: 'alerts', source: 'script', alerts: [alert], offsetMs };
}

function silenced(at: number, id: string, forMs: number, offsetMs: number, edits = ''): Command {
  const startsAt = at + offsetMs;
  return {
    kind: 'silence',
    id: edits,
    freshId: id,
    matchers: matchers('alertname=~".+"'),
    startsAt,
    endsAt: startsAt + forMs,
    createdBy: 'alice',
    comment: '',
    annotations: [],
    offsetMs,
  };
}

describe.each([0, 300, 10 * MINUTE_MS, -HOUR_MS])(
  'a clock that is %i ms ahead of log time',
  (ms) => {
    it('pushes an alert for four minutes, which is notified at once and lasts four minutes', () => {
      const story = desk();
      story.append(pushed(story.now, 'Down', 4 * MINUTE_MS, ms)).at('10:00');
      expect(story.timeline('firing', 'resolved')).toEqual([
        '0:00 firing Down',
        '4:00 resolved Down: expired',
      ]);
      expect(story.told()[0]).toBe('0:00 team | first notification | firing Down');
    });

    it('and the alert is kept as it was sent, with the offset beside it', () => {
      const story = desk();
      const sentAt = story.now + ms;
      story.append(pushed(story.now, 'Down', 4 * MINUTE_MS, ms));
      const [view] = story.firing();
      expect(view).toMatchObject({ startsAt: sentAt, endsAt: sentAt + 4 * MINUTE_MS });
      expect(get(story.state.alerts, view?.fingerprint ?? '')?.offsetMs).toBe(
        ms === 0 ? undefined : ms,
      );
      expect(story.pages[0]?.alerts).toMatchObject([{ startsAt: sentAt }]);
      expect(pageBytes(reloaded(story.state))).toEqual(pageBytes(story.state));
    });

    it('renews it, ends it, and without an end gives it `resolve_timeout`', () => {
      const story = desk();
      story.append(pushed(story.now, 'Down', 4 * MINUTE_MS, ms)).at('2:00');
      story.append(pushed(story.now, 'Down', 4 * MINUTE_MS, ms)).at('5:00');
      expect(story.timeline('resolved')).toEqual([]);
      story.append(pushed(story.now, 'Down', 0, ms)).at('10:00');
      expect(story.timeline('resolved')).toEqual(['5:00 resolved Down: pushed']);
    });

    it('makes a silence that mutes at once, can be edited in place, and ends in time', () => {
      const story = desk();
      const begin = story.now;
      story.append(silenced(begin, 's1', 10 * MINUTE_MS, ms)).at('1:00');
      story.append(silenced(begin, 's2', 3 * MINUTE_MS, ms, 's1'));
      expect(story.state.silences.size, 'edited in place').toBe(1);
      expect(get(story.state.silences, 's1')).toMatchObject({ startsAt: begin + ms });
      story.append(pushed(story.now, 'Down', HOUR_MS, ms)).at('2:59');
      expect(story.told()).toEqual([]);
      story.at('10:00');
      expect(story.told()).toEqual(['3:00 team | first notification | firing Down']);
    });

    it('expires a silence, which says when by the clock of whoever made it', () => {
      const story = desk();
      story
        .append(silenced(story.now, 's1', HOUR_MS, ms))
        .at('1:00')
        .unsilence('s1');
      expect(get(story.state.silences, 's1')).toMatchObject({ endsAt: story.now + ms });
    });
  },
);

describe('log time that is set forward by an hour', () => {
  const step = (story: Desk): Desk => {
    const previousAt = story.now;
    return story.at('1:01:00').append({ kind: 'lead', node: 'n1', previousAt, stepMs: HOUR_MS });
  };
  /** Nothing is due while time is set: the desk would let it pass. */
  const stopped = (story: Desk): Desk => story.at('1:00').dies();

  it('changes nothing of when a check fires', () => {
    const story = desk();
    step(stopped(story.reading('servers.a.cpu', 95)))
      .leads('n1')
      .at('1:04:59');
    expect(story.timeline('firing')).toEqual([]);
    story.at('1:05:00');
    expect(story.timeline('firing')).toEqual(['1:05:00 firing HighCpu(servers.a.cpu)']);
  });

  it('nor of how long alerts and silences last', () => {
    const story = desk();
    story.append(silenced(story.now, 's1', 3 * MINUTE_MS, 0));
    story.append(pushed(story.now, 'Down', 4 * MINUTE_MS, 0));
    step(stopped(story)).leads('n1').at('1:10:00');
    expect(story.told()[0]).toBe('1:03:00 team | first notification | firing Down');
    expect(story.timeline('resolved')).toEqual(['1:04:00 resolved Down: expired']);
  });

  it('nor of when a group is told again', () => {
    const story = desk();
    story.append(pushed(story.now, 'Down', 24 * HOUR_MS, 0));
    step(stopped(story)).leads('n1').at('1:59:00');
    expect(story.told()).toHaveLength(1);
    story.at('2:01:00');
    expect(story.told()[1]).toMatch(/^2:0[01]:00 team \| repeat interval elapsed/);
  });

  it('by the first version of the fold is an hour in which nobody listened', () => {
    const story = desk(1);
    step(stopped(story.reading('servers.a.cpu', 95)))
      .leads('n1')
      .at('1:02:00');
    expect(story.timeline('firing')).toEqual(['1:01:00 firing HighCpu(servers.a.cpu)']);
  });
});
