/**
 * What will befall a simulated cluster, drawn from a seed before anything runs.
 *
 * Promise: the same seed gives the same list, and leaving actions out changes none of the others, so
 * that a failure can be shrunk to the actions that matter. Whether an action makes sense when its
 * time has come is decided then.
 */

import { SeededRandom } from './seeded-random.ts';

export const ACTIONS = [
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
};

export interface ScheduleOptions {
  readonly seed: number;
  readonly lengthMs: number;
  /** Actions in ten seconds, on average. */
  readonly perTenSeconds: number;
}

/** The actions in the order of their times. */
export function scheduleOf({ seed, lengthMs, perTenSeconds }: ScheduleOptions): readonly Action[] {
  const random = new SeededRandom(seed ^ 0x5eed);
  const count = Math.round((lengthMs / 10_000) * perTenSeconds);
  const actions = Array.from({ length: count }, (): Action => ({
    atMs: Math.floor(random.next() * lengthMs),
    kind: pick(random.next()),
    who: random.next(),
    how: random.next(),
    lastsMs: Math.floor(100 + random.next() ** 2 * 8_000),
  }));
  return actions.toSorted((a, b) => a.atMs - b.atMs);
}

const TOTAL = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);

function pick(share: number): ActionKind {
  let left = share * TOTAL;
  for (const kind of ACTIONS) {
    left -= WEIGHTS[kind];
    if (left < 0) return kind;
  }
  return 'kill';
}
