/** Syncs of a disk are timed: what slow disks, hanging disks and accidents look like. */

import { expect, test } from 'vitest';
import { createSimulatedDisk, type SimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import { SyncTimes, timedDisk } from '../../src/io/node/sync-times.ts';
import { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import type { DiskFile } from '../../src/log/disk.ts';

class Machine {
  readonly time = new VirtualTime();
  readonly #clock = new VirtualClock({ epochMs: 0 }, this);
  readonly times = new SyncTimes(this.#clock);
  syncMs = 1;
  readonly disk: SimulatedDisk = createSimulatedDisk({
    pace: ({ kind }) => (kind === 'sync' ? this.#clock.pause(this.syncMs) : undefined),
    fault: ({ kind }) =>
      kind === 'sync' && this.fails ? { kind: 'error', code: 'EIO' } : undefined,
  });
  fails = false;

  file(name = 'log'): Promise<DiskFile> {
    return this.time.until(timedDisk(this.disk, this.times).create(name));
  }

  async syncs(file: DiskFile, ...tookMs: readonly number[]): Promise<number | null> {
    for (const syncMs of tookMs) {
      this.syncMs = syncMs;
      await this.time.until(file.sync());
    }
    return this.times.recentMs();
  }
}

test('one slow sync among quick ones is an accident, two are the disk', async () => {
  const machine = new Machine();
  const file = await machine.file();
  expect(machine.times.recentMs()).toBeNull();
  expect(await machine.syncs(file, 900)).toBeNull();
  expect(await machine.syncs(file, 2, 3)).toBe(3);
  expect(await machine.syncs(file, 900)).toBe(3);
  expect(await machine.syncs(file, 800)).toBe(800);
});

test('a disk that has recovered is quick again after two syncs, and forgotten after half a minute', async () => {
  const machine = new Machine();
  const file = await machine.file();
  expect(await machine.syncs(file, 500, 500, 500)).toBe(500);
  expect(await machine.syncs(file, 1, 1)).toBe(1);
  await machine.time.run(30_001);
  expect(machine.times.recentMs()).toBeNull();
});

test('a sync that hangs is seen while it hangs', async () => {
  const machine = new Machine();
  const file = await machine.file();
  await machine.syncs(file, 1, 1, 1);
  machine.syncMs = 60_000;
  void file.sync();
  await machine.time.run(900);
  expect(machine.times.recentMs()).toBe(1);
  await machine.time.run(600);
  expect(machine.times.recentMs()).toBe(1_500);
  await machine.time.run(60_000);
  // It is over, and one alone says nothing.
  expect(machine.times.recentMs()).toBeNull();
});

test('a sync that fails is timed as well, and its error passes through', async () => {
  const machine = new Machine();
  const file = await machine.file();
  machine.fails = true;
  const failing = file.sync();
  await expect(machine.time.until(failing)).rejects.toThrow('EIO');
  machine.fails = false;
  await machine.syncs(file, 1, 1, 1);
  expect(machine.times.recentMs()).toBe(1);
});

test('what goes through it is there on the disk behind it', async () => {
  const machine = new Machine();
  const { time } = machine;
  const disk = timedDisk(machine.disk, machine.times);
  const file = await machine.file();
  await time.until(file.write(0, Uint8Array.of(1, 2, 3)));
  await time.until(file.truncate(2));
  await time.until(file.close());
  await time.until(disk.rename('log', 'other'));
  await time.until(disk.syncDirectory());
  expect(await time.until(disk.list())).toEqual(['other']);
  const again = await time.until(disk.open('other'));
  expect(await time.until(again.size())).toBe(2);
  expect([...(await time.until(again.read(0, 9)))]).toEqual([1, 2]);
  await time.until(disk.remove('other'));
  expect(await time.until(machine.disk.list())).toEqual([]);
});
