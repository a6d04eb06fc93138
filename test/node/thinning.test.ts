/** Which snapshots are kept: laws that hold for every history of a log. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  droppedFrom,
  HOURLY_SLOTS,
  keptOf,
  READINGS_BETWEEN_MAX,
  RECENT_MAX,
} from '../../src/io/node/thinning.ts';
import type { KeptSnapshot } from '../../src/io/ports.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.parse('2026-01-05T00:00:00Z');

/** Steps from one snapshot to the next: entries, log time, readings. */
const step = fc.record({
  entries: fc.integer({ min: 1, max: 50_000 }),
  ms: fc.oneof(
    fc.integer({ min: 0, max: 20_000 }),
    fc.constant(MINUTE),
    fc.integer({ min: 0, max: 3 * HOUR }),
    fc.integer({ min: 0, max: 3 * DAY }),
  ),
  readings: fc.oneof(
    fc.integer({ min: 0, max: 100_000 }),
    fc.integer({ min: 0, max: 2 * READINGS_BETWEEN_MAX }),
  ),
  isCounted: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.boolean()),
});

const history = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: 300 }), fc.nat({ max: DAY }))
  .map(([steps, offset]) => {
    let index = 0;
    let at = START + offset;
    let readings = 0;
    return steps.map((each): KeptSnapshot => {
      index += each.entries;
      at += each.ms;
      readings += each.readings;
      return { index, at, readings: each.isCounted ? readings : null };
    });
  });

/** A history, and the first entry of the log at some place in it. */
const cutHistory = fc
  .tuple(history, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([snapshots, part]) => {
    const place = Math.floor(part * (snapshots.length - 1));
    return { snapshots, firstIndex: part < 0.3 ? 1 : (snapshots[place]?.index ?? 0) + 1 };
  });

describe('thinning, whatever the history,', () => {
  test('drops nothing when it is done again', () => {
    fc.assert(
      fc.property(cutHistory, ({ snapshots, firstIndex }) => {
        const kept = thinned(snapshots, firstIndex);
        expect(thinned(kept, firstIndex)).toEqual(kept);
      }),
    );
  });

  test('keeps the newest, and the one at which the log begins', () => {
    fc.assert(
      fc.property(cutHistory, ({ snapshots, firstIndex }) => {
        const kept = keptOf(snapshots, firstIndex);
        expect(kept.at(-1)).toBe(snapshots.at(-1)?.index);
        const base = snapshots.findLast(({ index }) => index === firstIndex - 1);
        if (base !== undefined) expect(kept).toContain(base.index);
      }),
    );
  });

  test('keeps no more than 60 for an hour, one an hour for a day, four a day, and those for readings', () => {
    fc.assert(
      fc.property(history, (snapshots) => {
        const kept = thinned(snapshots, 1);
        const first = snapshots[0];
        const last = snapshots.at(-1);
        if (first === undefined || last === undefined) return;
        const quarters = Math.floor(last.at / (6 * HOUR)) - Math.floor(first.at / (6 * HOUR)) + 1;
        const forReadings = (2 * (last.readings ?? sumOf(snapshots))) / READINGS_BETWEEN_MAX;
        expect(kept.length).toBeLessThanOrEqual(
          RECENT_MAX + HOURLY_SLOTS + 1 + quarters + forReadings + 3,
        );
      }),
    );
  });

  test('leaves over ten million readings between two only where none could have been kept', () => {
    fc.assert(
      fc.property(history, (all) => {
        const snapshots = all.filter(({ readings }) => readings !== null);
        const kept = thinned(snapshots, 1);
        for (const [i, each] of kept.entries()) {
          const next = kept[i + 1];
          if (next === undefined) continue;
          if ((next.readings ?? 0) - (each.readings ?? 0) <= READINGS_BETWEEN_MAX) continue;
          const between = snapshots.filter(({ index }) => index > each.index && index < next.index);
          expect(between).toEqual([]);
        }
      }),
    );
  });

  test('keeps the first of each hour of a day and of each quarter of every day', () => {
    fc.assert(
      fc.property(history, (snapshots) => {
        const kept = new Set(keptOf(snapshots, 1));
        const now = snapshots.at(-1)?.at ?? 0;
        for (const [i, each] of snapshots.entries()) {
          const before = snapshots[i - 1]?.at ?? -Infinity;
          const begins = (ms: number) => Math.floor(before / ms) < Math.floor(each.at / ms);
          if (begins(6 * HOUR)) expect(kept).toContain(each.index);
          if (begins(HOUR) && now - each.at <= DAY) expect(kept).toContain(each.index);
        }
      }),
    );
  });

  test('comes to the same when it is done after every snapshot, for all that slots want', () => {
    fc.assert(
      fc.property(history, (snapshots) => {
        const uncounted = snapshots.map((each) => ({ ...each, readings: null }));
        let step: readonly KeptSnapshot[] = [];
        for (const each of uncounted) step = thinned([...step, each], 1);
        expect(step.map(({ index }) => index)).toEqual(
          expect.arrayContaining([...slotFirsts(uncounted)]),
        );
      }),
    );
  });

  test('agrees among members of which each took some more, at its stops and under its limits', () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.boolean()), (all, coin) => {
        const uncounted = all.map((each) => ({ ...each, readings: null }));
        const common = new Set(slotFirsts(uncounted, MINUTE));
        const newest = uncounted.at(-1);
        const member = () =>
          uncounted.filter((each) => {
            return common.has(each.index) || each === newest || coin.next().value === true;
          });
        const a = keptOf(member(), 1);
        const b = keptOf(member(), 1);
        const old = new Set(
          uncounted.filter(({ at }) => (newest?.at ?? 0) - at > HOUR).map(({ index }) => index),
        );
        expect(a.filter((index) => old.has(index))).toEqual(b.filter((index) => old.has(index)));
      }),
    );
  });
});

describe('members that count readings', () => {
  /** A busy log: each common snapshot opens a minute, and what members take beside them follows it. */
  const busy = fc.array(
    fc.record({
      minutes: fc.integer({ min: 1, max: 90 }),
      readings: fc.integer({ min: 0, max: READINGS_BETWEEN_MAX }),
    }),
    { minLength: 2, maxLength: 200 },
  );

  test('keep the same for them, wherever each began to count and whatever else it took', () => {
    fc.assert(
      fc.property(busy, fc.infiniteStream(fc.boolean()), (steps, coin) => {
        const newest = START + sum(steps.map(({ minutes }) => minutes)) * MINUTE;
        const member = (counted: number): readonly KeptSnapshot[] => {
          let [at, index, readings] = [START, 0, counted];
          return steps.flatMap((each) => {
            index += 100;
            at += each.minutes * MINUTE;
            readings += each.readings;
            const common = { index, at, readings };
            const own = { index: index + 50, at: at + 20_000, readings: readings + 1 };
            return at < newest && coin.next().value === true ? [common, own] : [common];
          });
        };
        // As they do it: after each snapshot.
        const keptBefore = (snapshots: readonly KeptSnapshot[]): readonly number[] => {
          let kept: readonly KeptSnapshot[] = [];
          for (const each of snapshots) kept = thinned([...kept, each], 1);
          return kept.filter(({ at }) => newest - at > 2 * HOUR).map(({ index }) => index);
        };
        expect(keptBefore(member(0))).toEqual(keptBefore(member(123_456_789)));
      }),
    );
  });
});

describe('two weeks of a snapshot a minute', () => {
  test('leave 60, then one an hour, then four a day: 140 or so', () => {
    const all = Array.from({ length: 14 * 24 * 60 }, (_, i): KeptSnapshot => {
      return { index: 1 + i * 10, at: START + i * MINUTE, readings: i * 100 };
    });
    const kept = thinned(all, 1);
    expect(kept.length).toBeGreaterThan(130);
    expect(kept.length).toBeLessThan(145);
  });
});

describe('what goes', () => {
  test('is never all that is good', () => {
    const good = [{ index: 5, at: 0, readings: null }];
    expect(() => droppedFrom({ good, damaged: [] }, [])).toThrow('at least one snapshot');
  });

  test('takes damaged snapshots along only when all that stay are newer', () => {
    const good = [5, 10, 15].map((index) => ({ index, at: 0, readings: null }));
    expect(droppedFrom({ good, damaged: [3, 12] }, [10, 15])).toEqual([3, 5]);
    expect(droppedFrom({ good: [], damaged: [3, 12] }, [])).toEqual([]);
  });
});

function thinned(snapshots: readonly KeptSnapshot[], firstIndex: number): readonly KeptSnapshot[] {
  const kept = new Set(keptOf(snapshots, firstIndex));
  return snapshots.filter(({ index }) => kept.has(index));
}

/** The first of each quarter of a day, or of another slot. */
function slotFirsts(snapshots: readonly KeptSnapshot[], slotMs = 6 * HOUR): readonly number[] {
  return snapshots
    .filter(({ at }, i) => {
      const before = snapshots[i - 1]?.at ?? -Infinity;
      return Math.floor(before / slotMs) < Math.floor(at / slotMs);
    })
    .map(({ index }) => index);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function sumOf(snapshots: readonly KeptSnapshot[]): number {
  return snapshots.findLast(({ readings }) => readings !== null)?.readings ?? 0;
}
