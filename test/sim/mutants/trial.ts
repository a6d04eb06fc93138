/**
 * Runs inside a copy of the sources, with or without a mutant: `trial.js SEEDS` runs one seed after
 * the other until one fails, and prints it with its problem as JSON, or null. A program of its own,
 * because a mutant may hang.
 */

import { freezeStates } from '../../../src/projections/transaction.ts';
import { runCluster } from '../runs.ts';

/** The seed that caught the mutant, and the first line of its problem. */
export interface Detection {
  readonly seed: number;
  readonly reason: string;
}

const [, , seeds = '200'] = process.argv;

process.stdout.write(JSON.stringify(await firstDetection(Number(seeds))));

async function firstDetection(seedMax: number): Promise<Detection | null> {
  freezeStates(false);
  for (let seed = 1; seed <= seedMax; seed++) {
    const { problem } = await runCluster({ seed });
    if (problem !== null) return { seed, reason: problem.split('\n')[0] ?? '' };
  }
  return null;
}
