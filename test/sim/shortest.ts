/** What there is to say about a life that went wrong, with as few of its faults as will do. */

import type { SimulationResult } from '../../src/io/sim/simulation.ts';
import { live } from './lives.ts';

const LINES = 60;

/** The lines of a report: what went wrong, the end of the shortest trace found, and how to see it. */
export async function reportOn(
  life: SimulationResult,
  problem: string,
  faultyMs: number,
): Promise<readonly string[]> {
  const { only, shortest } = await shrunk(life, faultyMs);
  return [
    `seed ${life.seed}: ${problem}`,
    ...shortest.trace.slice(-LINES),
    `seed ${life.seed}: ${shortest.problem ?? problem}`,
    `again: npm run sim -- --seed ${life.seed} --seeds 1 --length ${faultyMs / 1_000}`,
    `with the faults ${[...only].join(',')} of ${life.actions.length} it goes wrong, too`,
  ];
}

/** Leaves out faults, half of them at first, as long as the life still goes wrong. */
async function shrunk(
  life: SimulationResult,
  faultyMs: number,
): Promise<{ readonly only: ReadonlySet<number>; readonly shortest: SimulationResult }> {
  let only: ReadonlySet<number> = new Set(life.actions.keys());
  let shortest = life;
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
      const again = await live({ seed: life.seed, faultyMs, only: fewer });
      if (again.problem === null) continue;
      only = fewer;
      shortest = again;
    }
  }
  return { only, shortest };
}
