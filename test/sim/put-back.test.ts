/**
 * Files of one member are put back from an older copy while another member is down: what clients were
 * promised must survive on the members that are left, or a member must stop and say so.
 */

import { expect, test } from 'vitest';
import type { Host, SimulatedCluster, Witness } from '../../src/io/sim/cluster.ts';
import { CommittedConflict } from '../../src/raft/follower.ts';
import { alert, threeMembers } from './cluster-by-hand.ts';
import { CONFIG } from './lives.ts';

const ALERTS = 30;

interface Story {
  readonly cluster: SimulatedCluster;
  readonly leader: Host;
  /** Has acknowledged nothing of the alerts: it was down. */
  readonly absent: Host;
  /** Has acknowledged all of them together with the leader. */
  readonly restored: Host;
  readonly copy: ReadonlyMap<string, Uint8Array>;
  readonly acknowledged: readonly string[];
  readonly failures: Error[];
}

test('30 acknowledged alerts survive an old log directory, and the member heals', async () => {
  const { acknowledged, absent, cluster, copy, failures, leader, restored } = await told(1);
  const { time } = cluster;
  cluster.kill(leader);
  cluster.putBackLog(restored, copy);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(20_000);
  // Neither may lead: one may have lost entries, and the other votes alone.
  expect(cluster.living().some(({ process }) => process?.node.leads())).toBe(false);

  await time.until(cluster.boot(leader));
  await time.run(20_000);

  expect(failures).toEqual([]);
  for (const host of [leader, absent, restored]) expect(missing(host, acknowledged)).toEqual([]);
  expect(restored.process?.node.raftStatus().damaged).toBe(false);
  expect(restored.process?.node.ready()).toBe(true);
});

test('without what lies beside the log the loss is not silent: who holds the others stops', async () => {
  const { absent, cluster, copy, failures, leader, restored } = await told(2);
  const { time } = cluster;
  cluster.kill(leader);
  cluster.wipeWitness(restored);
  cluster.putBackLog(restored, copy);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(20_000);
  expect(cluster.living().some(({ process }) => process?.node.leads())).toBe(true);

  await time.until(cluster.boot(leader));
  await time.run(20_000);

  expect(failures).toEqual([expect.any(CommittedConflict)]);
  expect(leader.process?.node.ready()).toBe(false);
});

/** Three members; one goes down, and the others acknowledge alerts after a copy of a log was made. */
async function told(seed: number): Promise<Story> {
  const failures: Error[] = [];
  const failed: Witness['failed'] = (_, error) => failures.push(error);
  const { cluster, hosts } = await threeMembers({ seed, config: CONFIG }, { failed });
  const [leader, absent, restored] = hosts;
  const { time } = cluster;
  cluster.kill(absent);
  await time.run(1_000);
  const copy = restored.disk.files();
  const acknowledged: string[] = [];
  for (let i = 0; i < ALERTS; i++) {
    const name = `A${i}`;
    void leader.process?.node.propose([alert(name)]).then(({ ok }) => {
      if (ok) acknowledged.push(name);
    });
    await time.run(50);
  }
  expect(acknowledged).toHaveLength(ALERTS);
  return { cluster, leader, absent, restored, copy, acknowledged, failures };
}

function missing(host: Host, names: readonly string[]): readonly string[] {
  const { state } = host.process?.node.view() ?? {};
  const text = JSON.stringify(state?.alerts, (_, value: unknown) =>
    value instanceof Map ? [...value] : value,
  );
  return names.filter((name) => !text.includes(`"${name}"`));
}
