/** The cluster whose lives are simulated: what it is told to watch, and how its lives are led. */

import { nodeDigest } from '../../src/io/disk/digest.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { simulate, type SimulationResult } from '../../src/io/sim/simulation.ts';
import { check, config, route, span } from '../support/scenario-config.ts';

const CONFIG = config({
  route: route({ by: ['group'], wait: '2s', interval: '5s', repeat: '1m' }),
  checks: [check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '1s' })],
  resolveTimeoutMs: span('20s'),
});

export interface LifeOptions {
  readonly seed: number;
  readonly faultyMs?: number;
  readonly only?: ReadonlySet<number>;
}

/** Leads one life: the number of faults in it depends on the seed, too. */
export function live({ seed, faultyMs = 60_000, only }: LifeOptions): Promise<SimulationResult> {
  const actionsPerTenSeconds = 1 + (seed % 7);
  return simulate(
    {
      seed,
      config: CONFIG,
      members: 3,
      faultyMs,
      actionsPerTenSeconds,
      ...(only === undefined ? {} : { only }),
    },
    { digest: nodeDigest, localTimeIn },
  );
}
