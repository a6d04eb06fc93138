/** The simulated cluster of these tests: its configuration, and the usual options of a run. */

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

export interface RunOptions extends Partial<Omit<SimulationOptions, 'config'>> {
  readonly seed: number;
}

/** Runs one simulated cluster. The number of faults depends on the seed, too. */
export function runCluster(options: RunOptions): Promise<SimulationResult> {
  const usual = {
    config: CONFIG,
    members: 3,
    faultyMs: 60_000,
    actionsPerTenSeconds: 1 + (options.seed % 7),
    clientPauseMsMax: 3_000,
  };
  return simulate({ ...usual, ...options }, { digest: nodeDigest, localTimeIn });
}
