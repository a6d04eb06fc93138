/** What was bad before nothing listened: stopped processes, restarts, clusters without a leader. */

import { describe, expect, test } from 'vitest';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { SimulatedCluster, type Host } from '../../src/io/sim/cluster.ts';
import { check, config, route } from '../support/scenario-config.ts';
import { witness } from '../sim/cluster-by-hand.ts';
import { observed, World } from './world.ts';

const WATCHED = config({
  route: route({ wait: '200ms', interval: '1s' }),
  checks: [check({ name: 'Hi', series: 'p.*', above: 90, for: '5s' })],
});

async function badFor(span: string): Promise<World> {
  const world = await new World({ config: WATCHED }).start();
  await world.reading('p.a', 95);
  await world.wait(span);
  return world;
}

describe('a process that is stopped for fifteen seconds while a breach is pending', () => {
  const stopped = async (): Promise<World> => {
    const world = await badFor('1s');
    world.clock.freeze(15_000);
    return world.wait('15s');
  };

  test('notifies nobody when the first reading afterwards is in order', async () => {
    const world = await stopped();
    await world.wait('400ms');
    await world.reading('p.a', 5);
    await world.wait('10m');
    expect(world.told()).toEqual([]);
  });

  test('notifies after what was left of `for` when nothing has changed', async () => {
    const world = await stopped();
    await world.wait('10s');
    // Up to a tick of the time before the stop is taken for a part of it.
    const [told, ...others] = world.told();
    expect(told).toMatch(/^0:20\.[23]\d* team \| first notification \| firing Hi\(p\.a\)$/);
    expect(others).toEqual([]);
  });

  test('or for eight, which no leader used to say anything of', async () => {
    const world = await badFor('1s');
    world.clock.freeze(8_000);
    await world.wait('8s');
    await world.wait('400ms');
    await world.reading('p.a', 5);
    await world.wait('10m');
    expect(world.told()).toEqual([]);
  });

  test('again and again counts the time between the stops', async () => {
    const world = await badFor('1s');
    for (let i = 0; i < 3; i++) {
      world.clock.freeze(15_000);
      await world.wait('16s');
    }
    expect(world.told()).toEqual([]);
    await world.wait('3s');
    expect(world.told()).toHaveLength(1);
  });
});

describe('a restart while a breach is pending', () => {
  test('does not count the time in which there was no process', async () => {
    const world = await badFor('1s');
    world.kill();
    await world.wait('10m');
    await world.start();
    await world.wait('400ms');
    await world.reading('p.a', 5);
    await world.wait('10m');
    expect(world.told()).toEqual([]);
  });

  test('counts the time in which somebody listened and nothing came', async () => {
    const slow = config({
      route: route({ wait: '0s' }),
      checks: [check({ above: 90, for: '1h' })],
    });
    const world = await new World({ config: slow }).start();
    await world.reading('servers.a.cpu', 95);
    await world.wait('50m');
    await world.wait('7s');
    await world.kill().start();
    await world.wait('10m');
    // Until when somebody listened is known to ten seconds.
    expect(world.told()).toEqual([
      '1:00:07 team | first notification | firing HighCpu(servers.a.cpu)',
    ]);
  });
});

describe('a cluster', () => {
  async function clusterOf(names: readonly string[]) {
    const cluster = new SimulatedCluster(
      { seed: 1, config: WATCHED, snapshotEntries: 1_000, segmentBytesMax: 1 << 16, founder: 1 },
      { digest: nodeDigest, localTimeIn, witness: witness() },
    );
    const { time } = cluster;
    for (const [i, name] of names.entries()) {
      const host = cluster.addHost(name, i === 0);
      const [first] = cluster.living();
      if (first !== undefined) await time.until(cluster.admit(host, first));
      await time.until(cluster.boot(host));
      await time.run(3_000);
    }
    const leader = () => cluster.living().find(({ process }) => process?.node.isServing() === true);
    const read = async (value: number): Promise<void> => {
      const { node } = leader()?.process ?? {};
      if (node === undefined) throw new Error('nobody leads');
      await time.until(node.propose([observed(node, { 'p.a': value })]));
    };
    return {
      cluster,
      leader,
      read,
      time,
      told: () => cluster.receivers.notifications.map(({ firing }) => firing),
    };
  }
  const others = (cluster: SimulatedCluster, host: Host | undefined): readonly Host[] =>
    cluster.living().filter((each) => each !== host);

  test('without a leader for a minute does not count the minute', async () => {
    const { cluster, leader, read, time, told } = await clusterOf(['n1', 'n2', 'n3']);
    await read(95);
    await time.run(1_000);
    const gone = others(cluster, leader());
    for (const host of gone) cluster.kill(host);
    await time.run(60_000);
    for (const host of gone) await time.until(cluster.boot(host));
    while (leader() === undefined) await time.run(50);
    await time.run(300);
    await read(5);
    await time.run(60_000);
    expect(told()).toEqual([]);
  });

  test('whose leader is replaced after an idle hour counts the hour', async () => {
    const { cluster, leader, read, time, told } = await clusterOf(['n1', 'n2', 'n3']);
    await read(95);
    await time.run(4_000);
    const old = leader();
    if (old !== undefined) cluster.kill(old);
    await time.run(4_000);
    expect(told(), 'a change of leaders takes less than a second or two').toEqual([['Hi(p.a)']]);
  });

  test('whose leader stands still is led by another, which knows since when', async () => {
    const { leader, read, time, told } = await clusterOf(['n1', 'n2', 'n3']);
    await read(95);
    await time.run(1_000);
    const old = leader();
    old?.clock.freeze(30_000);
    await time.run(10_000);
    expect(old?.process?.node.isServing(), 'it does not know yet').toBe(true);
    expect(told()).toEqual([['Hi(p.a)']]);
    await time.run(60_000);
    expect(told()).toHaveLength(1);
  });

  test('all of whose members stand still at once does not count that time', async () => {
    const { cluster, leader, read, time, told } = await clusterOf(['n1', 'n2', 'n3']);
    await read(95);
    await time.run(1_000);
    for (const { clock } of cluster.living()) clock.freeze(30_000);
    await time.run(30_000);
    while (leader() === undefined) await time.run(50);
    await time.run(300);
    await read(5);
    await time.run(60_000);
    expect(told()).toEqual([]);
  });
});
