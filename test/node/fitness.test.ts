/** Who is fit to lead: laws that hold for whatever figures members give. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FAILED_TRANSFER_PAUSE_MS,
  TRANSFER_PAUSE_MS,
  isSettled,
  mayTransfer,
  successor,
  troublesOf,
  type Candidate,
  type TransferDecision,
} from '../../src/io/node/fitness.ts';
import type { Fitness } from '../../src/io/ports.ts';

const FIT: Fitness = { syncMs: 2, lagMs: 0, descriptorsFree: 1_000, unreachable: [] };

const KEYS = ['a/webhook[0]', 'a/webhook[1]', 'b/webhook[0]', 'c/webhook[0]', 'd/webhook[0]'];

/** Figures around the limits, where rules meet, and far from them. */
const figure = fc.oneof(fc.integer({ min: 0, max: 1_100 }), fc.integer({ min: 0, max: 100_000 }));
const fitness: fc.Arbitrary<Fitness> = fc.record({
  syncMs: fc.option(figure),
  lagMs: figure,
  descriptorsFree: fc.option(fc.oneof(fc.integer({ min: 0, max: 80 }), figure)),
  unreachable: fc.subarray(KEYS),
});

function candidates(all: readonly Fitness[]): readonly Candidate[] {
  return all.map((each, i) => ({ node: `n${i}`, fitness: each }));
}

describe('a member takes the place of the leader', () => {
  test('never while the leader has no trouble, whatever the others say', () => {
    fc.assert(
      fc.property(fitness, fc.array(fitness), (own, others) => {
        fc.pre(troublesOf(own).length === 0);
        expect(successor(own, candidates(others))).toBeNull();
      }),
    );
  });

  test('never when all are alike: a receiver that is down for everybody moves nothing', () => {
    fc.assert(
      fc.property(fitness, fc.integer({ min: 1, max: 6 }), (own, count) => {
        expect(successor(own, candidates(Array<Fitness>(count).fill(own)))).toBeNull();
      }),
    );
  });

  test('never from one to the other and back while their figures stay as they are', () => {
    fc.assert(
      fc.property(fitness, fitness, (a, b) => {
        const there = successor(a, [{ node: 'b', fitness: b }]);
        const back = successor(b, [{ node: 'a', fitness: a }]);
        expect(there === null || back === null).toBe(true);
      }),
    );
  });

  test('never round in a circle: a chain of transfers ends before a member leads twice', () => {
    fc.assert(
      fc.property(fc.array(fitness, { minLength: 2, maxLength: 7 }), (all) => {
        let leader = 0;
        const led = new Set<number>();
        for (;;) {
          expect(led.has(leader)).toBe(false);
          led.add(leader);
          const others = candidates(all).filter(({ node }) => node !== `n${leader}`);
          const decision = successor(all[leader] ?? FIT, others);
          if (decision === null) return;
          leader = Number(decision.to.slice(1));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('only with no more receivers out of reach, and with no trouble that the leader has not', () => {
    fc.assert(
      fc.property(fitness, fc.array(fitness, { minLength: 1 }), (own, others) => {
        const decision = successor(own, candidates(others));
        if (decision === null) return;
        const chosen = others[Number(decision.to.slice(1))] ?? FIT;
        expect(chosen.unreachable.length).toBeLessThanOrEqual(own.unreachable.length);
        expect(troublesOf(own)).toEqual(expect.arrayContaining([...troublesOf(chosen)]));
        expect(troublesOf(own)).toContain(decision.because);
      }),
    );
  });

  test('whatever the order in which the others have answered', () => {
    fc.assert(
      fc.property(fitness, fc.array(fitness, { minLength: 2, maxLength: 6 }), (own, others) => {
        const all = candidates(others);
        expect(successor(own, all.toReversed())).toEqual(successor(own, all));
      }),
    );
  });

  const TROUBLES: readonly (readonly [
    trouble: string,
    Partial<Fitness>,
    TransferDecision['because'],
  ])[] = [
    ['cannot reach a receiver', { unreachable: KEYS.slice(0, 1) }, 'receivers'],
    ['syncs in half a second', { syncMs: 500 }, 'disk'],
    ['has no descriptors left', { descriptorsFree: 0 }, 'descriptors'],
    ['is half a second late', { lagMs: 500 }, 'event loop'],
  ];
  test.for(TROUBLES)('that %s, if it has no such trouble itself', ([, trouble, because]) => {
    const own = { ...FIT, ...trouble };
    expect(troublesOf(own)).toEqual([because]);
    expect(successor(own, [{ node: 'b', fitness: FIT }])).toEqual({ to: 'b', because });
  });

  test('for none of what it does not know of itself', () => {
    const unknown = { ...FIT, syncMs: null, descriptorsFree: null };
    const of = (own: Partial<Fitness>): TransferDecision | null =>
      successor({ ...FIT, ...own }, [{ node: 'b', fitness: unknown }]);
    expect(of({ syncMs: 5_000 })).toBeNull();
    expect(of({ descriptorsFree: 0 })).toBeNull();
    expect(of({ unreachable: KEYS })).toEqual({ to: 'b', because: 'receivers' });
  });

  test('when both miss something, only where it reaches twice as many', () => {
    const missing = (own: number, other: number): TransferDecision | null =>
      successor({ ...FIT, unreachable: KEYS.slice(0, own) }, [
        { node: 'b', fitness: { ...FIT, unreachable: KEYS.slice(0, other) } },
      ]);
    expect(missing(2, 1)).not.toBeNull();
    expect(missing(4, 3)).toBeNull();
    expect(missing(1, 1)).toBeNull();
  });

  test('the one with the fewest troubles of its own', () => {
    const own = { ...FIT, unreachable: KEYS };
    const decision = successor(own, [
      { node: 'a', fitness: { ...FIT, unreachable: KEYS.slice(0, 1) } },
      { node: 'b', fitness: { ...FIT, syncMs: 200 } },
      { node: 'c', fitness: FIT },
    ]);
    expect(decision?.to).toBe('c');
  });
});

describe('a transfer waits', () => {
  test('for a minute after the last one, and for a quarter of it after a try that moved nothing', () => {
    fc.assert(
      fc.property(fc.nat(120_000), fc.nat(120_000), (sinceTransferMs, sinceFailureMs) => {
        const may = mayTransfer({ sinceTransferMs, sinceFailureMs });
        if (sinceTransferMs < TRANSFER_PAUSE_MS) expect(may).toBe(false);
        if (sinceFailureMs < FAILED_TRANSFER_PAUSE_MS) expect(may).toBe(false);
        const isLong = Math.min(sinceTransferMs, sinceFailureMs) >= TRANSFER_PAUSE_MS;
        if (isLong) expect(may).toBe(true);
      }),
    );
    expect(TRANSFER_PAUSE_MS).toBe(60_000);
  });

  test('for a second look where a connection failed; figures of disks are medians already', () => {
    const decision = (because: TransferDecision['because']): TransferDecision => ({
      to: 'b',
      because,
    });
    expect(isSettled(decision('receivers'), [])).toBe(false);
    expect(isSettled(decision('receivers'), [null])).toBe(false);
    expect(isSettled(decision('receivers'), [decision('disk')])).toBe(false);
    expect(isSettled(decision('receivers'), [{ to: 'c', because: 'receivers' }])).toBe(true);
    for (const because of ['disk', 'descriptors', 'event loop'] as const) {
      expect(isSettled(decision(because), [])).toBe(true);
    }
  });
});
