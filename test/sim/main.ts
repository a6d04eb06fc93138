/**
 * Runs many simulated clusters and reports the results: the program behind `npm run sim`.
 *
 * A run that fails is repeated with fewer and fewer of its faults, as long as it still fails, and its
 * trace is printed with the seed.
 */

import { freezeStates } from '../../src/projections/transaction.ts';
import { Coverage } from '../../src/io/sim/coverage.ts';
import type { SimulationResult } from '../../src/io/sim/simulation.ts';
import { runCluster } from './runs.ts';
import { reportOn } from './shortest.ts';

/** The caller adds up the coverage of several campaigns. */
export { Coverage };

export interface CampaignOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly faultyMs: number;
  readonly print: (line: string) => void;
}

export interface CampaignResult {
  readonly broken: readonly number[];
  readonly coverage: Coverage;
  readonly simulatedMs: number;
}

/** Every so many seeds one is run twice, and must leave the same trace. */
const TWICE_EVERY = 10;

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { faultyMs, firstSeed, print, seeds } = options;
  const coverage = new Coverage();
  const broken: number[] = [];
  let simulatedMs = 0;
  freezeStates(false);
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const result = await runCluster({ seed, faultyMs });
    simulatedMs += result.simulatedMs;
    coverage.add(result.coverage);
    const problem = result.problem ?? (await differs(result, faultyMs));
    if (problem !== null) {
      broken.push(seed);
      for (const line of await reportOn(result, problem, faultyMs)) print(line);
    }
  }
  return { broken, coverage, simulatedMs };
}

async function differs({ seed, traceHash }: SimulationResult, faultyMs: number) {
  if (seed % TWICE_EVERY !== 0) return null;
  const again = await runCluster({ seed, faultyMs });
  if (again.traceHash === traceHash) return null;
  return `the same seed gave two traces: ${traceHash} and ${again.traceHash}`;
}
