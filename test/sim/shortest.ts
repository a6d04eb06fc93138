/** The report on a run that failed, with as few of its faults as still make it fail. */

import type { SimulationResult } from '../../src/io/sim/simulation.ts';
import { runCluster } from './runs.ts';

const LINES = 60;

/** The lines of a report: what failed, the end of the shortest trace found, and how to see it. */
export async function reportOn(
  result: SimulationResult,
  problem: string,
  faultyMs: number,
): Promise<readonly string[]> {
  const { only, shortest } = await shrunk(result, faultyMs);
  return [
    `seed ${result.seed}: ${problem}`,
    ...shortest.trace.slice(-LINES),
    `seed ${result.seed}: ${shortest.problem ?? problem}`,
    `again: npm run sim -- --seed ${result.seed} --seeds 1 --length ${faultyMs / 1_000}`,
    `with the faults ${[...only].join(',')} of ${result.actions.length} it fails, too`,
  ];
}

/** Leaves out faults, half of them at first, as long as the run still fails. */
async function shrunk(
  result: SimulationResult,
  faultyMs: number,
): Promise<{ readonly only: ReadonlySet<number>; readonly shortest: SimulationResult }> {
  let only: ReadonlySet<number> = new Set(result.actions.keys());
  let shortest = result;
  for (
    let size = Math.ceil(only.size / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    const places = [...only];
    for (let from = 0; from < places.length; from += size) {
      const fewer = new Set(only);
      for (const place of places.slice(from, from + size)) fewer.delete(place);
      if (fewer.size === only.size) continue;
      const again = await runCluster({ seed: result.seed, faultyMs, only: fewer });
      if (again.problem === null) continue;
      only = fewer;
      shortest = again;
    }
  }
  return { only, shortest };
}
