/**
 * What will befall a simulated cluster, drawn from a seed before anything runs.
 *
 * Promise: the same seed gives the same list, and leaving actions out changes none of the others, so
 * that a failure can be shrunk to the actions that matter. Whether an action makes sense when its
 * time has come is decided then.
 */

import { SeededRandom } from './seeded-random.ts';

/** What was drawn from the beginning. The list stays as it is, so that known seeds mean what they meant. */
export const FIRST_ACTIONS = [
  'kill',
  'power cut',
  'crash at a write',
  'all lose power',
  'freeze',
  'clock step',
  'partition',
  'one way cut',
  'bridge partition',
  'bad weather',
  'slow disk',
  'disk error',
  'bit rot',
  'wipe',
  'grow',
  'shrink',
  'transfer',
] as const;

/** What came later is drawn from numbers of its own, and changes nothing of the first list. */
const LATER_ACTIONS = ['upgrade', 'downgrade', 'snapshot rot'] as const;
/** So does what came last. */
const LAST_ACTIONS = ['put back'] as const;

/** A member runs and cannot do the work of a leader. From numbers of their own, too. */
export const GRAY_ACTIONS = ['lost egress', 'slow syncs', 'descriptors gone'] as const;

export const ACTIONS = [
  ...FIRST_ACTIONS,
  ...LATER_ACTIONS,
  ...LAST_ACTIONS,
  ...GRAY_ACTIONS,
] as const;

export type ActionKind = (typeof ACTIONS)[number];

export interface Action {
  readonly atMs: number;
  readonly kind: ActionKind;
  /** From 0 to 1 each; what they choose is the action's own business. */
  readonly who: number;
  readonly how: number;
  /** How long it lasts, where that means something. */
  readonly lastsMs: number;
}

/** How often each kind is drawn, beside the others. */
const WEIGHTS: Readonly<Record<ActionKind, number>> = {
  kill: 6,
  'power cut': 5,
  'crash at a write': 5,
  'all lose power': 1,
  freeze: 4,
  'clock step': 2,
  partition: 6,
  'one way cut': 4,
  'bridge partition': 2,
  'bad weather': 4,
  'slow disk': 3,
  'disk error': 2,
  'bit rot': 3,
  wipe: 2,
  grow: 3,
  shrink: 2,
  transfer: 4,
  upgrade: 5,
  downgrade: 2,
  'snapshot rot': 3,
  'put back': 1,
  'lost egress': 3,
  'slow syncs': 2,
  'descriptors gone': 1,
};

/** Actions of the later list for each one of the first. */
const LATER_SHARE = 0.5;
/** Each lasts for seconds in which nothing else happens, and most find the cluster in no state for it. */
const LAST_SHARE = 0.15;
const GRAY_SHARE = 0.25;

export interface ScheduleOptions {
  readonly seed: number;
  readonly lengthMs: number;
  /** Actions of the first list in ten seconds, on average. */
  readonly perTenSeconds: number;
}

/** The actions of the first list, then those that came later, list by list in the order of their times. */
export function scheduleOf({ seed, lengthMs, perTenSeconds }: ScheduleOptions): readonly Action[] {
  const count = Math.round((lengthMs / 10_000) * perTenSeconds);
  return [
    ...drawn(FIRST_ACTIONS, count, { seed: seed ^ 0x5eed, lengthMs }),
    ...drawn(LATER_ACTIONS, Math.round(count * LATER_SHARE), { seed: seed ^ 0x1a7e, lengthMs }),
    ...drawn(LAST_ACTIONS, Math.round(count * LAST_SHARE), { seed: seed ^ 0x0bac, lengthMs }),
    ...drawn(GRAY_ACTIONS, Math.round(count * GRAY_SHARE), { seed: seed ^ 0x62a7, lengthMs }),
  ];
}

function drawn(
  kinds: readonly ActionKind[],
  count: number,
  { seed, lengthMs }: Pick<ScheduleOptions, 'seed' | 'lengthMs'>,
): readonly Action[] {
  const random = new SeededRandom(seed);
  const actions = Array.from({ length: count }, (): Action => ({
    atMs: Math.floor(random.next() * lengthMs),
    kind: pick(kinds, random.next()),
    who: random.next(),
    how: random.next(),
    lastsMs: Math.floor(100 + random.next() ** 2 * 8_000),
  }));
  return actions.toSorted((a, b) => a.atMs - b.atMs);
}

function pick(kinds: readonly ActionKind[], share: number): ActionKind {
  let left = share * kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
  for (const kind of kinds) {
    left -= WEIGHTS[kind];
    if (left < 0) return kind;
  }
  return 'kill';
}
