/**
 * Leads many lives and says what became of them: the program behind `npm run sim`.
 *
 * A life that goes wrong is led again with fewer and fewer of its faults, as long as it still goes
 * wrong, and its trace is printed with the seed.
 */

import { freezeStates } from '../../src/projections/transaction.ts';
import { Coverage } from '../../src/io/sim/coverage.ts';
import type { SimulationResult } from '../../src/io/sim/simulation.ts';
import { live } from './lives.ts';
import { reportOn } from './shortest.ts';

/** For whoever adds up the situations of several campaigns. */
export { Coverage };

export interface CampaignOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly faultyMs: number;
  readonly print: (line: string) => void;
}

export interface CampaignResult {
  readonly broken: readonly number[];
  readonly situations: Coverage;
  readonly simulatedMs: number;
}

/** Every so many seeds one is led twice, and must leave the same trace. */
const TWICE_EVERY = 10;

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { faultyMs, firstSeed, print, seeds } = options;
  const situations = new Coverage();
  const broken: number[] = [];
  let simulatedMs = 0;
  freezeStates(false);
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const life = await live({ seed, faultyMs });
    simulatedMs += life.simulatedMs;
    situations.add(life.situations);
    const problem = life.problem ?? (await differs(life, faultyMs));
    if (problem !== null) {
      broken.push(seed);
      for (const line of await reportOn(life, problem, faultyMs)) print(line);
    }
  }
  return { broken, situations, simulatedMs };
}

async function differs({ seed, traceHash }: SimulationResult, faultyMs: number) {
  if (seed % TWICE_EVERY !== 0) return null;
  const again = await live({ seed, faultyMs });
  if (again.traceHash === traceHash) return null;
  return `the same seed gave two lives: ${traceHash} and ${again.traceHash}`;
}
