/** A machine joins, and the snapshot that it needs has rotted on the leader, which does not know. */

import { expect, test } from 'vitest';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { SimulatedCluster, type Witness } from '../../src/io/sim/cluster.ts';
import { alert, witness } from './cluster-by-hand.ts';
import { CONFIG } from './runs.ts';

const SNAPSHOT_ENTRIES = 60;

test('another snapshot is taken at once, not when the next one is due', async () => {
  const warnings: string[] = [];
  const logged: Witness['logged'] = (_, level, message) => {
    if (level === 'warn') warnings.push(message);
  };
  const cluster = new SimulatedCluster(
    { seed: 1, config: CONFIG, snapshotEntries: SNAPSHOT_ENTRIES, segmentBytesMax: 1 << 14 },
    { digest: nodeDigest, localTimeIn, witness: witness({ logged }) },
  );
  const { time } = cluster;
  const leader = cluster.addHost('n1', true);
  await time.until(cluster.boot(leader));
  await time.run(1_000);
  for (let i = 0; i < 3.5 * SNAPSHOT_ENTRIES; i++) {
    void leader.process?.node.propose([alert(`A${i}`)]);
    await time.run(20);
  }
  const [newest = 0] = leader.snapshots.indexes();
  for (const page of leader.snapshots.pagesOf(newest)) leader.snapshots.flipBitOfPage(page, 0.5);

  const joiner = cluster.addHost('n2');
  await time.until(cluster.admit(joiner, leader));
  await time.until(cluster.boot(joiner));
  await time.run(30_000);

  expect(newest).toBeGreaterThanOrEqual(3 * SNAPSHOT_ENTRIES);
  expect(warnings.filter((line) => line.startsWith('snapshot unreadable'))).toHaveLength(1);
  expect(joiner.process?.node.view().index).toBe(leader.process?.node.view().index);
  expect(joiner.process?.node.status().role).toBe('follower');
});
