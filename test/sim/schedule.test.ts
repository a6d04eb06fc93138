/** What befalls a cluster is drawn from its seed: known seeds go on to mean what they meant. */

import { expect, test } from 'vitest';
import { mayRun } from '../../src/io/sim/builds.ts';
import { FIRST_ACTIONS, scheduleOf, type ActionKind } from '../../src/io/sim/schedule.ts';

const OPTIONS = { seed: 7, lengthMs: 20_000, perTenSeconds: 4 };

function isFirst(kind: ActionKind): boolean {
  return (FIRST_ACTIONS as readonly ActionKind[]).includes(kind);
}

test('the first actions of a seed are those that it had when they were all there were', () => {
  const first = scheduleOf(OPTIONS).filter(({ kind }) => isFirst(kind));
  expect(first.map(({ atMs, kind }) => `${atMs} ${kind}`)).toMatchInlineSnapshot(`
    [
      "198 power cut",
      "1117 slow disk",
      "1374 bad weather",
      "3346 freeze",
      "15038 transfer",
      "15318 power cut",
      "16912 partition",
      "19805 crash at a write",
    ]
  `);
});

test('later actions come behind them, so that the places of the first ones stay', () => {
  const kinds = scheduleOf(OPTIONS).map(({ kind }) => isFirst(kind));
  expect(kinds).toEqual([...Array(8).fill(true), ...Array(7).fill(false)]);
});

test('builds run side by side with their neighbours, and go back by one', () => {
  const before = { others: [0, 0], newestEver: 0, founder: 0 };
  expect([0, 1, 2].filter((build) => mayRun(build, before))).toEqual([0, 1]);
  const between = { others: [0, 1], newestEver: 1, founder: 0 };
  expect([0, 1, 2].filter((build) => mayRun(build, between))).toEqual([0, 1]);
  const ready = { others: [1, 1], newestEver: 1, founder: 0 };
  expect([0, 1, 2, 3].filter((build) => mayRun(build, ready))).toEqual([0, 1, 2]);
  // The log may be folded by the new rules, which the first build does not have.
  const after = { others: [1, 1], newestEver: 2, founder: 0 };
  expect([-1, 0, 1, 2].filter((build) => mayRun(build, after))).toEqual([1, 2]);
  // So is the log of a cluster that the second build founds.
  const founded = { others: [1, 1], newestEver: 1, founder: 1 };
  expect([0, 1, 2].filter((build) => mayRun(build, founded))).toEqual([1, 2]);
});
