/** Wall clocks that jump, and processes that were not there for a while. */

import { describe, expect, test } from 'vitest';
import { check, config } from '../support/scenario-config.ts';
import { World } from './world.ts';

const WATCHED = config({
  checks: [check({ series: 'servers.*.cpu', above: 90, for: '1m' })],
  resolveTimeoutMs: 1e9,
});
const MINUTE_MS = 60_000;

describe('the wall clock steps back by ten minutes', () => {
  test('and no entry is older than the one before it', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.wait('20m');
    await world.reading('servers.a.cpu', 95);
    world.clock.stepWall(-10 * MINUTE_MS);
    for (let i = 0; i < 30; i++) {
      await world.wait('1m');
      await world.reading('servers.b.cpu', i);
    }
    const times = (await world.entries(3)).map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test('and a page is late by as long as it would have taken, not by ten minutes', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.wait('20m');
    await world.reading('servers.a.cpu', 95);
    world.clock.stepWall(-10 * MINUTE_MS);
    await world.wait('12m');
    // `for` and group_wait together take 90 s; the time of the log goes at half its pace.
    expect(world.told()).toEqual([
      '23:00 team | first notification | firing HighCpu(servers.a.cpu)',
    ]);
  });

  test('and twice as long after, the log has the time of the wall again', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.wait('20m');
    await world.reading('servers.a.cpu', 1);
    world.clock.stepWall(-10 * MINUTE_MS);
    await world.wait('19m');
    const early = await world.reading('servers.a.cpu', 1);
    expect(early).toMatchObject({ at: world.clock.now() + 30_000 });
    await world.wait('1m');
    const caughtUp = await world.reading('servers.a.cpu', 1);
    expect(caughtUp).toMatchObject({ at: world.clock.now() });
  });

  test('before a restart, and the log still goes on from where it was', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.wait('20m');
    const before = await world.reading('servers.a.cpu', 95);
    world.clock.stepWall(-10 * MINUTE_MS);
    await world.kill().start();
    const after = await world.reading('servers.a.cpu', 95);
    expect(after).toMatchObject({ ok: true, at: before.ok ? before.at : 0 });
    await world.wait('4m');
    expect(world.told()).toHaveLength(1);
  });
});

describe('the wall clock steps forward by an hour', () => {
  test('and what is pending does not count the hour, which nobody has listened to', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.reading('servers.a.cpu', 95);
    await world.wait('1s');
    world.clock.stepWall(60 * MINUTE_MS);
    await world.wait('1s');
    await world.reading('servers.b.cpu', 1);
    await world.wait('2m');
    // A minute for the check, half a minute for the group.
    expect(world.told()).toEqual([
      '1:30.100 team | first notification | firing HighCpu(servers.a.cpu)',
    ]);
  });

  test('nor without an entry', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.reading('servers.a.cpu', 95);
    world.clock.stepWall(60 * MINUTE_MS);
    await world.wait('2m');
    expect(world.told()).toEqual([
      '1:30.100 team | first notification | firing HighCpu(servers.a.cpu)',
    ]);
  });
});

describe('nobody listened for an hour', () => {
  const missing = config({ checks: [check({ series: 'servers.*.cpu', missing: '10m' })] });
  const names = Array.from({ length: 20 }, (_, i) => `servers.h${i}.cpu`);
  /** Each series is read once a minute, one after the other. */
  const goOn = async (world: World, minutes: number): Promise<void> => {
    for (let minute = 0; minute < minutes; minute++) {
      for (const name of names) {
        await world.reading(name, 1);
        await world.wait('3s');
      }
    }
  };
  const withReadings = async (): Promise<World> => {
    const world = await new World({ config: missing }).start();
    await goOn(world, 2);
    return world;
  };

  test('because the node was down: silent series get their full time again', async () => {
    const world = await withReadings();
    world.kill();
    await world.wait('1h');
    await world.start();
    await goOn(world, 15);
    expect(world.told()).toEqual([]);
  });

  test('and what is silent afterwards is missed after its period', async () => {
    const world = await withReadings();
    world.kill();
    await world.wait('1h');
    await world.start();
    await world.wait('9m');
    expect(world.state.alerts.size).toBe(0);
    await world.wait('4m');
    expect(world.state.alerts.size).toBe(names.length);
  });

  test('because the machine was suspended, which its wall clock shows as a step', async () => {
    const world = await withReadings();
    world.clock.stepWall(60 * MINUTE_MS);
    await goOn(world, 15);
    expect(world.told()).toEqual([]);
    expect(world.state.alerts.size).toBe(0);
  });

  test('because the process was stopped, and then let go on', async () => {
    const world = await withReadings();
    world.clock.freeze(60 * MINUTE_MS);
    await world.wait('1h');
    await goOn(world, 15);
    expect(world.told()).toEqual([]);
    expect(world.state.alerts.size).toBe(0);
  });
});
