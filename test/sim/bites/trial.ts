/**
 * Runs inside a copy of the sources, broken or not: `trial.js SEEDS` leads lives until one goes
 * wrong, and prints as JSON which it was and what was said of it, or null. A program of its own,
 * because a broken node may hang.
 */

import { freezeStates } from '../../../src/projections/transaction.ts';
import { live } from '../lives.ts';

/** The seed that noticed, and the first line of what it said. */
export interface Catch {
  readonly seed: number;
  readonly reason: string;
}

const [, , seeds = '200'] = process.argv;

process.stdout.write(JSON.stringify(await firstCatch(Number(seeds))));

async function firstCatch(seedMax: number): Promise<Catch | null> {
  freezeStates(false);
  for (let seed = 1; seed <= seedMax; seed++) {
    const { problem } = await live({ seed });
    if (problem !== null) return { seed, reason: problem.split('\n')[0] ?? '' };
  }
  return null;
}
