/** Pieces for tests that lead a simulated cluster by hand: somebody who watches, something to push. */

import type { Command } from '../../src/commands/command.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import type { Witness } from '../../src/io/sim/cluster.ts';

/** Wants to know nothing but what is said here; a process that gives up or does not start ends the test. */
export function witness(told: Partial<Witness> = {}): Witness {
  const fail = (_: unknown, error: Error): never => {
    throw error;
  };
  return {
    started: () => undefined,
    effect: () => undefined,
    applied: () => undefined,
    logged: () => undefined,
    failed: fail,
    refused: fail,
    ...told,
  };
}

export function alert(alertname: string): Command {
  const labels = labelsFrom([['alertname', alertname]]);
  const pushed = { labels, annotations: [], startsAt: 0, endsAt: 0, generatorUrl: '' };
  return { kind: 'alerts', source: 'client', alerts: [pushed] };
}
