/** Readings that nobody waits for: each of them is in the log in the end, or counted as lost. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import type { Observe } from '../../src/commands/observe.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import type { LostReadings } from '../../src/io/ports.ts';
import { SimulatedCluster, type Host } from '../../src/io/sim/cluster.ts';
import { witness } from '../sim/cluster-by-hand.ts';
import { CONFIG } from '../sim/runs.ts';
import { pushed, World } from './world.ts';

/** Readings by name; a name that is given as a number is an id. */
function observe(readings: readonly (readonly [string | number, number])[]): Observe {
  const names = readings.flatMap(([name]) => (typeof name === 'string' ? [name] : []));
  return {
    kind: 'observe',
    source: 'g',
    names,
    ids: Int32Array.from(readings, ([name]) =>
      typeof name === 'string' ? -1 - names.indexOf(name) : name,
    ),
    values: Float64Array.from(readings, ([, value]) => value),
  };
}

function counting() {
  const losses: LostReadings[] = [];
  const lost = (loss: LostReadings): void => void losses.push(loss);
  return { losses, lost, count: () => losses.reduce((sum, { count }) => sum + count, 0) };
}

async function commandsOf(world: World): Promise<readonly Command[]> {
  return (await world.entries()).flatMap(({ commands }) => commands);
}

/** The values of the readings in the log, in its order. */
function valuesIn(commands: readonly Command[]): readonly number[] {
  return commands.flatMap((command) => (command.kind === 'observe' ? [...command.values] : []));
}

describe('an offer with readings that the log would refuse', () => {
  test.each<[string, readonly (readonly [string | number, number])[]]>([
    ['an infinity', [['x.ratio', Infinity]]],
    [
      'NaN and minus infinity',
      [
        ['x.ratio', NaN],
        ['x.rate', -Infinity],
      ],
    ],
    ['a name over its limit', [['x'.repeat(4_097), 1]]],
    ['a name with half a character', [['x.\ud800', 1]]],
    ['a name that is not there', [[-77, 1]]],
  ])('loses %s and nothing else, and says so once', async (_story, bad) => {
    const world = await new World().start();
    const { count, losses, lost } = counting();
    const alongside = world.propose(pushed(world.clock.now(), { alertname: 'Alongside' }));
    const given = observe([['x.first', 1], ...bad, ['x.load', 96]]);
    expect(world.node.offer(given, lost)).toBe(true);
    await world.wait('1s');
    expect(await alongside).toMatchObject({ ok: true });
    expect(valuesIn(await commandsOf(world))).toEqual([1, 96]);
    expect(world.node.seriesId('x.load')).toBe(1);
    expect(losses.map(({ code }) => code)).toEqual(['malformed']);
    expect(count()).toBe(bad.length);
  });

  test('loses all of it when nothing in it is sound', async () => {
    const world = await new World().start();
    const { count, lost } = counting();
    world.node.offer(
      observe([
        ['a', NaN],
        ['b', Infinity],
      ]),
      lost,
    );
    await world.wait('1s');
    expect(count()).toBe(2);
    expect(world.node.seriesId('a')).toBe(-1);
  });

  test('is in the log or counted, each reading of it, whatever it holds', async () => {
    const world = await new World().start();
    const value = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -0, 1e308));
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.integer({ min: -9, max: 3 }),
    );
    let offered = 0;
    const { count, lost } = counting();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 8 }), async (readings) => {
        world.node.offer(observe(readings), lost);
        offered += readings.length;
        await world.wait('1s');
        const stored = valuesIn(await commandsOf(world));
        expect(stored.length + count()).toBe(offered);
      }),
      { numRuns: 60 },
    );
  });
});

describe('an offer that is larger than an entry', () => {
  test('goes into several, and loses nothing', async () => {
    const world = await new World().start();
    const { losses, lost } = counting();
    // Three bytes a character: 14 MiB, where an entry holds 8.
    const names = Array.from({ length: 8_000 }, (_, i) => `${'€'.repeat(600)}.${i}`);
    world.node.offer(observe(names.map((name, i) => [name, i])), lost);
    await world.wait('1s');
    expect(losses).toEqual([]);
    const stored = valuesIn(await commandsOf(world));
    expect(stored).toEqual(names.map((_, i) => i));
  });
});

describe('an offer that this node cannot bring into the log', () => {
  test('is counted when the node stops', async () => {
    const world = await new World().start();
    world.trouble({ takesMs: () => 3_600_000 });
    const { count, lost } = counting();
    for (let i = 0; i < 20; i++) world.node.offer(observe([['a', i]]), lost);
    void world.node.stop();
    await world.wait('10s');
    expect(world.node.offer(observe([['a', 1]]), lost)).toBe(false);
    expect(count()).toBe(21);
  });
});

describe('an offer to a member that follows', () => {
  test('loses what is bad, once, and the leader takes the rest', async () => {
    const cluster = await twoMembers();
    const { count, losses, lost } = counting();
    const follower = memberThat(cluster, false).process;
    follower?.node.offer(
      observe([
        ['x.ratio', Infinity],
        ['x.load', 96],
        ['x.\ud800', 3],
      ]),
      lost,
    );
    await cluster.time.run(2_000);
    const leader = memberThat(cluster, true).process;
    expect(leader?.node.seriesId('x.load')).toBeGreaterThanOrEqual(0);
    expect(leader?.node.seriesId('x.ratio')).toBe(-1);
    expect(losses.map(({ code }) => code)).toEqual(['malformed']);
    expect(count()).toBe(2);
  });

  test('waits for a leader as long as it takes, and is not counted meanwhile', async () => {
    const cluster = await twoMembers();
    const { losses, lost } = counting();
    const [follower, leader] = [memberThat(cluster, false), memberThat(cluster, true)];
    cluster.kill(leader);
    follower.process?.node.offer(observe([['x.load', 96]]), lost);
    await cluster.time.run(30_000);
    expect(losses).toEqual([]);
    await cluster.time.until(cluster.boot(leader));
    await cluster.time.run(10_000);
    expect(losses).toEqual([]);
    expect(follower.process?.node.seriesId('x.load')).toBeGreaterThanOrEqual(0);
  });
});

async function twoMembers(): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster(
    { seed: 1, config: CONFIG, snapshotEntries: 1_000, segmentBytesMax: 1 << 20 },
    { digest: nodeDigest, localTimeIn, witness: witness() },
  );
  const founder = cluster.addHost('n1', true);
  await cluster.time.until(cluster.boot(founder));
  await cluster.time.run(1_000);
  const second = cluster.addHost('n2');
  await cluster.time.until(cluster.admit(second, founder));
  await cluster.time.until(cluster.boot(second));
  await cluster.time.run(3_000);
  return cluster;
}

function memberThat(cluster: SimulatedCluster, leads: boolean): Host {
  const member = cluster.living().find(({ process }) => process?.node.isServing() === leads);
  if (member === undefined) throw new Error('there is no such member');
  return member;
}
