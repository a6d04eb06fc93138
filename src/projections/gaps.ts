/**
 * Times in which nothing listened: the process was stopped, the machine was suspended, or the cluster
 * had no leader.
 *
 * Promise: from version 2 of the fold on, such time counts neither towards `for` and `missing` nor
 * towards a repeat interval, and it gives pushed alerts as much time to be renewed. What is kept is
 * bounded: of many gaps the oldest are added up, which makes a deadline later and never earlier.
 */

import type { Lead } from '../commands/leadership.ts';
import type { Breach, Facts, Gap } from './state.ts';
import type { Transaction } from './transaction.ts';

/**
 * After a longer gap monitors and senders begin anew: they get their full time again. Inputs that came
 * during a shorter one may still wait at a member, or be sent again.
 */
const LONG_GAP_MS = 10_000;
/** Leaders that change places, and pauses of the runtime, are shorter. */
export const GAP_MS = 1_000;
const GAPS_MAX = 64;

/** Folds what a leader says of the time before it; answers by how much log time was set forward. */
export function resumeListening(tx: Transaction, { previousAt, stepMs = 0 }: Lead): number {
  if (previousAt === 0) return 0;
  if (tx.at - previousAt - stepMs > LONG_GAP_MS) tx.facts = { ...tx.facts, listeningSince: tx.at };
  if (tx.reducers.version < 2) return 0;
  const { gaps = [] } = tx.facts;
  // Two leaders in a row may speak of the same time.
  const ms = tx.at - Math.max(previousAt, gaps.at(-1)?.until ?? 0);
  if (ms <= GAP_MS) return 0;
  const gap = { until: tx.at, ms, ...(stepMs === 0 ? {} : { stepMs }) };
  tx.facts = { ...tx.facts, gaps: withGap(gaps, gap) };
  return stepMs;
}

function withGap(gaps: readonly Gap[], gap: Gap): readonly Gap[] {
  const all = [...gaps, gap];
  const [oldest, second, ...others] = all;
  if (all.length <= GAPS_MAX || oldest === undefined || second === undefined) return all;
  const stepMs = (oldest.stepMs ?? 0) + (second.stepMs ?? 0);
  const both = { until: second.until, ms: oldest.ms + second.ms };
  return [stepMs === 0 ? both : { ...both, stepMs }, ...others];
}

/** How much of the log time since `since` nothing listened, in milliseconds. */
export function gapsSince(facts: Facts, since: number): number {
  return sumSince(facts, since, ({ ms }) => ms);
}

/** The same without what has not passed at all. */
export function lostSince(facts: Facts, since: number): number {
  return sumSince(facts, since, ({ ms, stepMs = 0 }) => ms - stepMs);
}

function sumSince({ gaps = [] }: Facts, since: number, msOf: (gap: Gap) => number): number {
  let sum = 0;
  for (let i = gaps.length - 1; i >= 0; i--) {
    const gap = gaps[i];
    if (gap === undefined || gap.until <= since) break;
    sum += msOf(gap);
  }
  return sum;
}

/** When `for` ends for a breach that lasts, with all the time in which nothing listened. */
export function firesAt(facts: Facts, breach: Breach): number {
  return breach.firesAt + gapsSince(facts, breach.since) - (breach.gapsMs ?? 0);
}

/** By page, directory and all: nothing of a state ever changes. */
const orZeroGaps = new WeakMap<object, boolean>();

/** Whether any breach waits for the end of its `for`. What has not changed is not looked at again. */
export function hasPending(breaches: object): boolean {
  const before = orZeroGaps.get(breaches);
  if (before !== undefined) return before;
  let found = false;
  for (const child of Object.values(breaches)) {
    found = 'firesAt' in child ? (child as Breach).firesAt > 0 : hasPending(child as object);
    if (found) break;
  }
  orZeroGaps.set(breaches, found);
  return found;
}
