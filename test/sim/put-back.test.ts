/**
 * Files of one member are put back from an older copy while another member is down: what clients were
 * promised must survive on the members that are left, or a member must stop and say so.
 */

import { expect, test } from 'vitest';
import type {
  FolderCopy,
  FolderPart,
  Host,
  SimulatedCluster,
  Witness,
} from '../../src/io/sim/cluster.ts';
import { CommittedConflict } from '../../src/raft/follower.ts';
import { alert, threeMembers } from './cluster-by-hand.ts';
import { CONFIG } from './runs.ts';

const ALERTS = 30;

interface Story {
  readonly cluster: SimulatedCluster;
  readonly leader: Host;
  /** Has acknowledged nothing of the alerts: it was down. */
  readonly absent: Host;
  /** Has acknowledged all of them together with the leader. */
  readonly restored: Host;
  readonly copies: ReadonlyMap<Host, FolderCopy>;
  readonly acknowledged: readonly string[];
  readonly failures: Error[];
  /** What all members logged as errors. */
  readonly errors: readonly string[];
}

const LOG_DIRECTORY = ['log', 'ballot'] as const;

test('30 acknowledged alerts survive an old log directory, and the member heals', async () => {
  const story = await told(1);
  const { acknowledged, absent, cluster, failures, leader, restored } = story;
  const { time } = cluster;
  cluster.kill(leader);
  putBack(story, restored, LOG_DIRECTORY);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(20_000);
  // Neither may lead: one may have lost entries, and the other votes alone.
  expect(cluster.living().some(({ process }) => process?.node.isServing())).toBe(false);

  await time.until(cluster.boot(leader));
  await time.run(20_000);

  expect(failures).toEqual([]);
  for (const host of [leader, absent, restored]) expect(missing(host, acknowledged)).toEqual([]);
  expect(restored.process?.node.raftStatus().damaged).toBe(false);
  expect(restored.process?.node.ready()).toBe(true);
});

test('without what lies beside the log the loss is not silent: who holds the others stops', async () => {
  const story = await told(2);
  const { absent, cluster, failures, leader, restored } = story;
  const { time } = cluster;
  cluster.kill(leader);
  cluster.wipeWitness(restored);
  putBack(story, restored, LOG_DIRECTORY);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(20_000);
  expect(cluster.living().some(({ process }) => process?.node.isServing())).toBe(true);

  await time.until(cluster.boot(leader));
  await time.run(20_000);

  expect(failures).toEqual([expect.any(CommittedConflict)]);
  expect(leader.process?.node.ready()).toBe(false);
});

test('a whole folder of yesterday is found out by the member that remembers, which leads no more', async () => {
  const story = await told(3);
  const { absent, acknowledged, cluster, failures, leader, restored } = story;
  const { time } = cluster;
  // The leader runs on, alone, until it has no quorum any more.
  putBack(story, restored);
  await time.run(5_000);
  expect(leader.process?.node.isServing()).toBe(false);

  // Now only the member that was put back hears both, and its vote would make the absent one leader.
  cluster.network.partition([leader.nodeId], [absent.nodeId]);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(20_000);
  expect(cluster.living().filter(({ process }) => process?.node.isServing())).toEqual([]);
  expect(story.errors.filter((line) => line.includes('older than what'))).toHaveLength(1);

  cluster.network.heal();
  await time.run(20_000);
  expect(failures).toEqual([]);
  for (const host of [leader, absent, restored]) expect(missing(host, acknowledged)).toEqual([]);
  expect(restored.process?.node.raftStatus().damaged).toBe(false);
});

test('a folder of yesterday is found out where its process had led itself and acknowledged nothing', async () => {
  const story = await told(4);
  const { absent, acknowledged, cluster, failures, leader, restored: follower } = story;
  const { time } = cluster;
  // What a leader holds it says once a second.
  await time.run(2_000);
  putBack(story, leader);
  cluster.network.partition([follower.nodeId], [absent.nodeId]);
  await time.until(cluster.boot(leader));
  await time.until(cluster.boot(absent));
  await time.run(20_000);
  expect(cluster.living().filter(({ process }) => process?.node.isServing())).toEqual([]);

  cluster.network.heal();
  await time.run(20_000);
  expect(failures).toEqual([]);
  for (const host of cluster.hosts.values()) expect(missing(host, acknowledged)).toEqual([]);
});

test('a member that was found out stays damaged over a restart, when nobody remembers any more', async () => {
  const story = await told(5);
  const { absent, cluster, leader, restored } = story;
  const { time } = cluster;
  putBack(story, restored);
  await time.run(5_000);
  await time.until(cluster.boot(restored));
  await time.run(3_000);
  expect(restored.process?.node.raftStatus().damaged).toBe(true);

  cluster.kill(leader);
  cluster.kill(restored);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(20_000);

  expect(restored.process?.node.raftStatus().damaged).toBe(true);
  expect(cluster.living().filter(({ process }) => process?.node.isServing())).toEqual([]);
});

test('a member that restarts with all that it had is not taken for one that was put back', async () => {
  const story = await told(6);
  const { absent, cluster, errors, leader, restored } = story;
  const { time } = cluster;
  for (const host of [restored, leader, restored]) {
    cluster.powerCut(host, { kind: 'everything' });
    await time.run(1_000);
    await time.until(cluster.boot(host));
    await time.run(10_000);
  }
  await time.until(cluster.boot(absent));
  await time.run(10_000);
  expect(errors.filter((line) => line.includes('older than what'))).toEqual([]);
  expect(cluster.living().every(({ process }) => process?.node.ready())).toBe(true);
});

test('a member of an earlier build is not asked, and votes as soon as it runs', async () => {
  const story = await told(7, { build: 0 });
  const { absent, cluster, leader, restored } = story;
  const { time } = cluster;
  cluster.install(restored, 1);
  cluster.kill(restored);
  await time.run(500);
  await time.until(cluster.boot(restored));
  await time.until(cluster.boot(absent));
  await time.run(500);
  cluster.kill(leader);
  await time.run(10_000);
  expect(cluster.living().some(({ process }) => process?.node.isServing())).toBe(true);
});

/** Parts of a folder are those of yesterday; all of them, if none are named, and none contradicts another. */
function putBack({ cluster, copies }: Story, host: Host, parts?: readonly FolderPart[]): void {
  const copy = copies.get(host);
  if (copy === undefined) throw new Error('no copy');
  cluster.putBack(host, copy, parts);
}

/** Three members; one goes down, and the others acknowledge alerts after a copy of a log was made. */
async function told(seed: number, { build = 2 } = {}): Promise<Story> {
  const errors: string[] = [];
  const failures: Error[] = [];
  const failed: Witness['failed'] = (_, error) => failures.push(error);
  const logged: Witness['logged'] = (_, level, message) => {
    if (level === 'error') errors.push(message);
  };
  const { cluster, hosts } = await threeMembers(
    { seed, config: CONFIG, founder: build },
    { failed, logged },
  );
  const [leader, absent, restored] = hosts;
  const { time } = cluster;
  cluster.kill(absent);
  await time.run(1_000);
  const copies = new Map([...cluster.hosts.values()].map((host) => [host, cluster.copyOf(host)]));
  const acknowledged: string[] = [];
  for (let i = 0; i < ALERTS; i++) {
    const name = `A${i}`;
    void leader.process?.node.propose([alert(name)]).then(({ ok }) => {
      if (ok) acknowledged.push(name);
    });
    await time.run(50);
  }
  expect(acknowledged).toHaveLength(ALERTS);
  return { cluster, leader, absent, restored, copies, acknowledged, failures, errors };
}

function missing(host: Host, names: readonly string[]): readonly string[] {
  const { state } = host.process?.node.view() ?? {};
  const text = JSON.stringify(state?.alerts, (_, value: unknown) =>
    value instanceof Map ? [...value] : value,
  );
  return names.filter((name) => !text.includes(`"${name}"`));
}
