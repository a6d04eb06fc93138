/** How often a simulated cluster came into each situation: a run that tested nothing is seen. */

import { ACTIONS } from './schedule.ts';

/** What enough lives must come into, each of them: rows that are shown also while they are zero. */
const EXPECTED = [
  ...ACTIONS.map((kind) => `fault: ${kind}`),
  'answered indeterminate',
  'answered not-leader',
  'candidate stood',
  'clock too far off to lead',
  'clock wrong for a moment',
  'clock wrong for long',
  'command acknowledged',
  'configuration changed',
  'dead member replaced',
  'entries truncated',
  'fold switched',
  'frame cut off',
  'frame doubled',
  'frame lost',
  'hand-over given up',
  'healed',
  'history dropped',
  'history dropped that a member lacks',
  'indeterminate',
  'joint configuration',
  'leader elected',
  'leadership handed over',
  'leader found unfit: descriptors',
  'leader found unfit: disk',
  'leader found unfit: receivers',
  'learner taken in',
  'log begun anew after a snapshot',
  'log damaged and set aside',
  'log given up for want of its snapshot',
  'members of two builds',
  'node stopped by its disk',
  'old entries read from disk',
  'older folder found out',
  'page marked as a possible duplicate',
  'page sent',
  'put back: a part of a folder',
  'put back: the whole folder',
  'readReady',
  'rotten snapshot set aside',
  'sendSnapshot',
  'snapshot installed',
  'torn tail cut',
] as const;

export class Coverage {
  readonly #counts = new Map<string, number>(EXPECTED.map((name) => [name, 0]));

  /** Bound, so that it can be handed around. */
  readonly count = (name: string, times = 1): void => {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  };

  /** Names and counts, sorted by name. */
  entries(): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  /** What was not reached, and should have been if there were enough lives. */
  missing(): readonly string[] {
    return this.entries().flatMap(([name, count]) => (count === 0 ? [name] : []));
  }

  add(others: Coverage): void {
    for (const [name, count] of others.entries()) this.count(name, count);
  }
}
