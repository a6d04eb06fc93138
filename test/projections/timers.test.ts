/** The index of "what is due next?" against a list that is sorted anew for every question. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  changedTimers,
  dueTimers,
  nextTimer,
  type Timer,
  type Timers,
} from '../../src/projections/timers.ts';

const key = fc.constantFrom('alert:1', 'alert:2', 'pending:1:7', 'constructor', '12.0', '7');
/** Around the borders of minutes, and far away. */
const at = fc.oneof(fc.nat(200_000), fc.constantFrom(0, 59_999, 60_000, 60_001, 4e14));
const step = fc.record({ set: fc.boolean(), key, at });

it('answers as a sorted list does, in any order of setting and clearing', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), at, fc.nat(8), (steps, now, countMax) => {
      let timers: Timers = {};
      let list: readonly Timer[] = [];
      for (const { set, key: name, at: time } of steps) {
        timers = changedTimers(timers, [{ set, key: name, at: time }]);
        list = set ? withTimer(list, name, time) : withoutTimer(list, name, time);
        expect(nextTimer(timers)).toBe(Math.min(Infinity, ...list.map((timer) => timer.at)));
      }
      expect(dueTimers(timers, Infinity, Infinity)).toEqual(sorted(list));
      expect(changedTimers({}, steps)).toEqual(timers);
      const due = sorted(list).filter((timer) => timer.at <= now);
      expect(dueTimers(timers, now, countMax)).toEqual(due.slice(0, countMax));
    }),
  );
});

it('knows what is due next after many changes at once', () => {
  const steps = fc.array(step, { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 8 }), (entries) => {
      let timers: Timers = {};
      for (const changes of entries) {
        timers = changedTimers(timers, changes);
        const [first] = dueTimers(timers, Infinity, Infinity);
        expect(nextTimer(timers)).toBe(first?.at ?? Infinity);
      }
    }),
  );
});

it('is empty again when everything is cleared', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, at)), (pairs) => {
      const all = (set: boolean) => pairs.map(([name, time]) => ({ set, key: name, at: time }));
      const empty = changedTimers(changedTimers({}, all(true)), all(false));
      // Within one minute a key stands once, so the last of its times is the one that counts.
      const left = dueTimers(empty, Infinity, Infinity);
      expect(left).toEqual([]);
      expect(empty).toEqual({});
    }),
  );
});

/** One key stands once in each minute: setting it again there moves it. */
function withTimer(list: readonly Timer[], name: string, time: number): readonly Timer[] {
  const minute = Math.floor(time / 60_000);
  const others = list.filter(
    (each) => each.key !== name || Math.floor(each.at / 60_000) !== minute,
  );
  return [...others, { key: name, at: time }];
}

function withoutTimer(list: readonly Timer[], name: string, time: number): readonly Timer[] {
  return list.filter((each) => each.key !== name || each.at !== time);
}

function sorted(list: readonly Timer[]): readonly Timer[] {
  return list.toSorted((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
}
