/** A member dies while its request is on the way to the leader, and asks something else when it is back. */

import { expect, test } from 'vitest';
import { labelValue } from '../../src/commands/labels.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { SimulatedCluster, type Host, type Witness } from '../../src/io/sim/cluster.ts';
import { alert, witness } from './cluster-by-hand.ts';
import { CONFIG } from './runs.ts';

/** Of one frame: long enough for a process to die and start while one is under way. */
const TRAVEL_MS = 200;

test('the answer to what it asked before is not taken for the answer to that', async () => {
  const appliedAt = new Map<string, number>();
  const cluster = await threeMembers(appliedAt);
  const { time } = cluster;
  const asker = cluster.living().find(({ process }) => process?.node.isServing() === false);
  if (asker === undefined) throw new Error('all lead');
  await restart(cluster, asker);
  await time.run(1_000);
  cluster.network.weather = {
    delayMsMin: TRAVEL_MS,
    delayMsMax: TRAVEL_MS,
    lossShare: 0,
    doubledShare: 0,
  };

  void asker.process?.node.propose([alert('first')]);
  await time.run(1.25 * TRAVEL_MS);
  await restart(cluster, asker);
  await time.run(1.5 * TRAVEL_MS);
  const second = asker.process?.node.propose([alert('second')]);
  const answer = second === undefined ? undefined : await time.until(second);

  expect(appliedAt.has('first')).toBe(true);
  expect(answer).toMatchObject({ ok: true, index: appliedAt.get('second') });
});

async function threeMembers(appliedAt: Map<string, number>): Promise<SimulatedCluster> {
  const applied: Witness['applied'] = (_, { index, batch }) => {
    for (const command of batch.commands) {
      if (command.kind !== 'alerts') continue;
      for (const { labels } of command.alerts)
        appliedAt.set(labelValue(labels, 'alertname'), index);
    }
  };
  const cluster = new SimulatedCluster(
    { seed: 1, config: CONFIG, snapshotEntries: 1_000, segmentBytesMax: 1 << 20 },
    { digest: nodeDigest, localTimeIn, witness: witness({ applied }) },
  );
  const { time } = cluster;
  const founder = cluster.addHost('n1', true);
  await time.until(cluster.boot(founder));
  await time.run(1_000);
  for (const name of ['n2', 'n3']) {
    const host = cluster.addHost(name);
    await time.until(cluster.admit(host, founder));
    await time.until(cluster.boot(host));
    await time.run(1_000);
  }
  return cluster;
}

async function restart(cluster: SimulatedCluster, host: Host): Promise<void> {
  cluster.kill(host);
  await cluster.time.until(cluster.boot(host));
}
