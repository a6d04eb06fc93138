/** Counts how often simulated clusters reached each condition, so that runs that test nothing show. */

import { ACTIONS } from './schedule.ts';

/** What enough runs must reach together. These rows are shown also while they are zero. */
const EXPECTED = [
  ...ACTIONS.map((kind) => `fault: ${kind}`),
  'answered indeterminate',
  'answered not-leader',
  'candidate campaigned',
  'clock too wrong to be leader',
  'clock wrong for a short time',
  'clock wrong for a long time',
  'command acknowledged',
  'configuration changed',
  'dead member replaced',
  'entries truncated',
  'reducers switched',
  'frame cut off',
  'frame doubled',
  'frame lost',
  'transfer given up',
  'healed',
  'history dropped',
  'history dropped that a member lacks',
  'indeterminate',
  'joint configuration',
  'leader elected',
  'leadership transferred',
  'leader found unfit: descriptors',
  'leader found unfit: disk',
  'leader found unfit: receivers',
  'learner added',
  'log started after a snapshot',
  'log damaged and quarantined',
  'log given up without its snapshot',
  'members of two builds',
  'node stopped by its disk',
  'old entries read from disk',
  'older data directory detected',
  'notification marked as a possible duplicate',
  'notification sent',
  'put back: a part of a directory',
  'put back: the whole directory',
  'readReady',
  'damaged snapshot quarantined',
  'sendSnapshot',
  'snapshot installed',
  'torn tail cut',
] as const;

export class Coverage {
  readonly #counts = new Map<string, number>(EXPECTED.map((name) => [name, 0]));

  /** Bound, so that callers can pass it on as a function. */
  readonly count = (name: string, times = 1): void => {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  };

  /** Names and counts, sorted by name. */
  entries(): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Rows that are still zero. Enough runs leave none. */
  missing(): readonly string[] {
    return this.entries().flatMap(([name, count]) => (count === 0 ? [name] : []));
  }

  add(others: Coverage): void {
    for (const [name, count] of others.entries()) this.count(name, count);
  }
}
