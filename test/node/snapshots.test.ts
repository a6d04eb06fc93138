/** Snapshots: taken while work goes on, started from, damaged, and set against the log. */

import { describe, expect, test } from 'vitest';
import { rootOf } from '../../src/io/disk/snapshot-root.ts';
import { decodeBatch } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { pageBytes } from '../support/scenario-fold.ts';
import { check, config, route } from '../support/scenario-config.ts';
import { World, type WorldOptions } from './world.ts';

const BUSY: WorldOptions = {
  config: config({
    route: route({ wait: '5s', interval: '20s' }),
    checks: [check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '3s' })],
  }),
  snapshotEntries: 10,
  segmentBytesMax: 2_048,
};

/** Readings that cross the threshold and come back, and a push now and then. */
async function work(world: World, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    const value = 85 + 10 * Math.sin(second / 7);
    await world.propose(
      world.observe({ 'servers.a.cpu': value, [`servers.h${second % 9}.cpu`]: 100 - value }),
    );
    if (second % 11 === 0) await world.push({ alertname: `P${second}` });
    await world.wait('1s');
  }
}

/** The state that the whole log gives, folded from its first entry. */
async function folded(world: World): Promise<Projection> {
  const { log } = world.process;
  const projection = new Projection(INITIAL_STATE);
  for await (const { index, type, data } of log.read(1, world.node.view().index)) {
    if (type === 1) projection.apply(index, decodeBatch(data));
  }
  return projection;
}

/** What the log and the snapshots take. */
async function bytesOf(world: World): Promise<number> {
  const ofLog = world.process.log.segments().reduce((sum, { bytes }) => sum + bytes, 0);
  return ofLog + (await world.snapshots.bytes());
}

describe('a snapshot', () => {
  test('taken while entries go on is of one index, and none is lost or folded twice', async () => {
    const world = await new World(BUSY).start();
    // Each of its writes takes longer than the entries that come meanwhile.
    world.trouble({ takesMs: ({ name }) => (name.startsWith('snapshot') ? 2_500 : 1) });
    await work(world, 60);
    expect(world.written.length).toBeGreaterThan(5);
    expect(world.node.view().index - (world.snapshots.indexes()[0] ?? 0)).toBeGreaterThan(2);

    world.powerCut({ kind: 'everything' });
    await world.start();
    const whole = await world.time.until(folded(world));
    expect(pageBytes(world.state)).toEqual(pageBytes(whole.state));
  });

  test('and the tail of the log give, at every index, what the whole log gives', async () => {
    const world = await new World(BUSY).start();
    for (let life = 0; life < 6; life++) {
      await work(world, 7);
      world.kill();
      await world.start();
      const whole = await world.time.until(folded(world));
      expect(pageBytes(world.state)).toEqual(pageBytes(whole.state));
      expect(rootOf(world.state)).toBe(rootOf(whole.state));
    }
    expect(world.snapshots.indexes().length).toBeGreaterThan(5);
  });

  test('that a stop takes leaves nothing to fold', async () => {
    const world = await new World(BUSY).start();
    await work(world, 5);
    await world.stop();
    world.transitions.length = 0;
    await world.boot();
    expect(world.transitions).toEqual([]);
    expect(world.node.view().index).toBe(world.snapshots.indexes()[0]);
  });

  test('that is damaged is passed over for the one before it', async () => {
    const world = await new World(BUSY).start();
    await work(world, 25);
    world.kill();
    const [newest, previous] = world.snapshots.indexes();
    world.snapshots.damage(newest ?? 0);
    const { manifest, problems } = await world.snapshots.load();
    expect(manifest?.index).toBe(previous);
    expect(problems).toEqual([expect.stringContaining(`snapshot ${newest}: page `)]);

    await world.start();
    const whole = await world.time.until(folded(world));
    expect(pageBytes(world.state)).toEqual(pageBytes(whole.state));
  });

  test('that was cut short by a crash does not exist', async () => {
    const world = await new World({ ...BUSY, snapshotEntries: 12 }).start();
    world.trouble({
      fault: ({ name }) => (name === 'snapshot manifest' ? { kind: 'power-off' } : undefined),
    });
    await work(world, 4);
    void world.node.propose([world.observe({ 'servers.a.cpu': 1 })]);
    await world.time.run(10_000);
    expect(world.clock.isKilled).toBe(true);
    world.powerCut();
    expect(world.snapshots.indexes()).toEqual([]);
  });

  test('that is ahead of the log is refused, since the log must have lost entries', async () => {
    const world = await new World(BUSY).start();
    const old = world.disk.afterKill();
    await work(world, 15);
    world.kill();
    const mixed = new World({ ...BUSY, disk: old, snapshots: world.snapshots });
    await expect(mixed.boot()).rejects.toThrow(/snapshot is at index \d+ but the log ends at 3/);
  });

  test('of another log is refused by its chain hash', async () => {
    const world = await new World(BUSY).start();
    await work(world, 15);
    world.kill();
    const other = await new World({ ...BUSY, config: config() }).start();
    await work(other, 40);
    other.kill();
    const mixed = new World({ ...BUSY, disk: other.disk, snapshots: world.snapshots });
    await expect(mixed.boot()).rejects.toThrow(/was taken of another log/);
  });

  test('is taken at the first entry of each span of log time, and not again when nothing came', async () => {
    const world = await new World({ ...BUSY, snapshotEntries: 1_000, snapshotMs: 300_000 }).start();
    await world.reading('servers.a.cpu', 1);
    await world.wait('4m');
    expect(world.snapshots.indexes()).toEqual([]);
    await world.wait('2m');
    await world.reading('servers.a.cpu', 2);
    await world.reading('servers.a.cpu', 3);
    expect(world.snapshots.indexes()).toEqual([5]);
    await world.wait('3h');
    expect(world.snapshots.indexes()).toEqual([5]);
    await world.reading('servers.a.cpu', 4);
    await world.wait('1s');
    expect(world.snapshots.indexes()).toEqual([7, 5]);
  });

  test('is taken soon by a node that had much to fold: killed again, it has not', async () => {
    const rarely = { snapshotEntries: 1e6, snapshotMs: 3_600_000 };
    const world = await new World({ ...BUSY, ...rarely }).start();
    for (let i = 0; i < 1_100; i++) await world.reading('servers.a.cpu', i % 50);
    expect(world.snapshots.indexes()).toEqual([]);

    await world.kill().start();
    await world.wait('6s');
    expect(world.snapshots.indexes()[0]).toBeGreaterThan(1_000);
  });
});

describe('the history', () => {
  test('is dropped past its retention, but never above the newest snapshot', async () => {
    const world = await new World({ ...BUSY, retentionMs: 120_000 }).start();
    await work(world, 120);
    await world.wait('5m');
    const { firstIndex, snapshotIndex } = world.node.status();
    expect(firstIndex).toBeGreaterThan(50);
    expect(firstIndex).toBeLessThanOrEqual(snapshotIndex);
    await world.kill().start();
    expect(world.node.status()).toMatchObject({ firstIndex, role: 'leader' });
  });

  test('is told to have rotted below the snapshot, and ends no process', async () => {
    const world = await new World({ ...BUSY, retentionMs: 120_000 }).start();
    await work(world, 60);
    world.kill();
    const [oldest = ''] = [...world.disk.files().keys()].filter((name) => name.endsWith('.log'));
    world.disk.flipBit(oldest, 1_000, 0);
    await world.start();
    await world.wait('1m');
    expect(world.process.failures).toEqual([]);
    await world.wait('5m');
    expect(world.process.failures).toEqual([]);
    expect(world.node.status().firstIndex).toBeGreaterThan(1);
  });

  test('and its snapshots never take more bytes than they may, however long it goes on', async () => {
    const limit = 100_000;
    const world = await new World({ ...BUSY, retentionBytes: limit }).start();
    let most = 0;
    for (let round = 0; round < 40; round++) {
      await work(world, 15);
      most = Math.max(most, await bytesOf(world));
    }
    expect(most).toBeLessThanOrEqual(limit);
    expect(most).toBeGreaterThan(limit / 2);
    const { firstIndex } = world.node.status();
    expect(firstIndex).toBeGreaterThan(100);
    // What is left can be folded from its beginning, but for the rest of one segment.
    const oldest = world.snapshots.indexes().at(-1) ?? 0;
    expect(oldest).toBeGreaterThanOrEqual(firstIndex - 1);
    const [segment] = world.process.log.segments();
    expect(oldest).toBeLessThanOrEqual(segment?.lastIndex ?? 0);
    expect(world.process.failures).toEqual([]);
    await world.kill().start();
  });

  test('makes room by a snapshot when none was due yet', async () => {
    const limit = 64_000;
    const rarely = { snapshotEntries: 1e6, snapshotMs: 86_400_000, retentionBytes: limit };
    const world = await new World({ ...BUSY, ...rarely }).start();
    let most = 0;
    for (let round = 0; round < 30; round++) {
      await work(world, 15);
      most = Math.max(most, await bytesOf(world));
    }
    expect(world.snapshots.indexes().length).toBeGreaterThan(0);
    expect(world.node.status().firstIndex).toBeGreaterThan(100);
    expect(most).toBeLessThanOrEqual(limit);
  });

  test('keeps the newest snapshot and the log after it, and says that these are more than allowed', async () => {
    const world = await new World({ ...BUSY, retentionBytes: 1_000 }).start();
    await work(world, 60);
    expect(world.snapshots.indexes()).toHaveLength(1);
    expect(world.warnings.filter((each) => each.includes('more room than it may'))).toHaveLength(1);
    const { firstIndex, snapshotIndex } = world.node.status();
    expect(firstIndex).toBeLessThanOrEqual(snapshotIndex + 1);
    await world.kill().start();
  });

  test('is kept whole while there is no snapshot', async () => {
    const world = await new World({ ...BUSY, snapshotEntries: 1e6, retentionMs: 1_000 }).start();
    await work(world, 60);
    await world.wait('5m');
    expect(world.node.status()).toMatchObject({ firstIndex: 1, snapshotIndex: 0 });
  });
});
