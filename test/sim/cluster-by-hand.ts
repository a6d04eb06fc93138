/** Pieces for tests that lead a simulated cluster by hand: somebody who watches, something to push. */

import type { Command } from '../../src/commands/command.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import {
  SimulatedCluster,
  type ClusterOptions,
  type Host,
  type Witness,
} from '../../src/io/sim/cluster.ts';

/** Wants to know nothing but what is said here; a process that gives up or does not start ends the test. */
export function witness(told: Partial<Witness> = {}): Witness {
  const fail = (_: unknown, error: Error): never => {
    throw error;
  };
  return {
    started: () => undefined,
    effect: () => undefined,
    applied: () => undefined,
    transferring: () => undefined,
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

/** Three members, all of them voters, with the leader first. */
export async function threeMembers(
  options: Pick<ClusterOptions, 'seed' | 'config' | 'founder' | 'receivers'>,
  told: Partial<Witness> = {},
): Promise<{ readonly cluster: SimulatedCluster; readonly hosts: readonly [Host, Host, Host] }> {
  const cluster = new SimulatedCluster(
    { snapshotEntries: 1_000, segmentBytesMax: 1 << 14, ...options },
    { digest: nodeDigest, localTimeIn, witness: witness(told) },
  );
  const { time } = cluster;
  const founder = cluster.addHost('n1', true);
  await time.until(cluster.boot(founder));
  await time.run(1_000);
  for (const name of ['n2', 'n3']) {
    const host = cluster.addHost(name);
    await time.until(cluster.admit(host, founder));
    await time.until(cluster.boot(host));
    await time.run(5_000);
  }
  const [leader, second, third] = [...cluster.hosts.values()].toSorted((a, b) => {
    return Number(b.process?.node.isServing()) - Number(a.process?.node.isServing());
  });
  if (leader === undefined || second === undefined || third === undefined) throw new Error('three');
  return { cluster, hosts: [leader, second, third] };
}
