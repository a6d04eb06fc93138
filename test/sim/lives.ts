/** The cluster whose lives are simulated: what it is told to watch, and how its lives are led. */

import { nodeDigest } from '../../src/io/disk/digest.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import {
  simulate,
  type SimulationOptions,
  type SimulationResult,
} from '../../src/io/sim/simulation.ts';
import { check, config, route, span } from '../support/scenario-config.ts';

export const CONFIG = config({
  route: route({ by: ['group'], wait: '2s', interval: '5s', repeat: '1m' }),
  checks: [check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '4s' })],
  resolveTimeoutMs: span('20s'),
});

export interface LifeOptions extends Partial<Omit<SimulationOptions, 'config'>> {
  readonly seed: number;
}

/** Leads one life: the number of faults in it depends on the seed, too. */
export function live(options: LifeOptions): Promise<SimulationResult> {
  const usual = {
    config: CONFIG,
    members: 3,
    faultyMs: 60_000,
    actionsPerTenSeconds: 1 + (options.seed % 7),
    clientPauseMsMax: 3_000,
  };
  return simulate({ ...usual, ...options }, { digest: nodeDigest, localTimeIn });
}
