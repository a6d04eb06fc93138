/** From a reading to a page and back: what is told, and when, to the millisecond. */

import { describe, expect, test } from 'vitest';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import { World } from './world.ts';

const WATCHED = config({
  checks: [check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '1m' })],
});

describe('a reading over the threshold', () => {
  test('pages after `for` and group_wait, and once more when it is over', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.wait('10s');
    await world.reading('servers.a.cpu', 95);
    // `for` ends at 1:10, group_wait at 1:40.
    await world.time.runUntil(99_999);
    expect(world.told()).toEqual([]);
    await world.time.runUntil(200_000);
    expect(world.told()).toEqual([
      '1:40 team | first notification | firing HighCpu(servers.a.cpu)',
    ]);

    await world.reading('servers.a.cpu', 70);
    await world.wait('10m');
    // The ticks of the group are 1:40, 6:40, 11:40.
    expect(world.told(1)).toEqual([
      '6:40 team | all alerts resolved | resolved HighCpu(servers.a.cpu)',
    ]);
  });

  test('leaves in the log exactly what was seen, decided, tried and achieved', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.reading('servers.a.cpu', 95);
    await world.wait('2m');
    const entries = await world.entries(4);
    expect(entries.map(({ at, kinds }) => [at - (entries[0]?.at ?? 0), ...kinds])).toEqual([
      [0, 'observe'],
      // While `for` runs, a restart must see until when somebody listened.
      [10_000, 'clock'],
      [20_000, 'clock'],
      [30_000, 'clock'],
      [40_000, 'clock'],
      [50_000, 'clock'],
      [60_000, 'clock'],
      [90_000, 'flush'],
      [90_000, 'attempt'],
      [90_001, 'outcome'],
    ]);
  });

  test('pages nobody when it is back before `for` has passed', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.reading('servers.a.cpu', 95);
    await world.wait('59s');
    await world.reading('servers.a.cpu', 80);
    await world.wait('10m');
    expect(world.told()).toEqual([]);
  });
});

describe('a quiet night', () => {
  test('appends nothing and writes nothing when nothing is due', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.reading('servers.a.cpu', 50);
    const { lastIndex } = world.node.status();
    const writes = world.operations.get('write');

    await world.wait('6h');

    expect(world.node.status().lastIndex).toBe(lastIndex);
    expect(world.operations.get('write')).toBe(writes);
  });

  test('wakes the node for its ticks, a round a minute, and one look an hour', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.push({ alertname: 'Down' });
    await world.wait('10m');
    const fired = world.clock.timersFired;
    await world.wait('4h');
    // Ten ticks a second, sixty rounds an hour, and the group's own tick every five minutes.
    const ticks = 4 * 3_600 * 10;
    expect(world.clock.timersFired - fired - ticks).toBeLessThanOrEqual(4 * (60 + 12 + 1));
  });

  test('repeats a page that still holds, at the first tick after repeat_interval', async () => {
    const alwaysOn = config({ route: route({ repeat: '4h' }), resolveTimeoutMs: 1e9 });
    const world = await new World({ config: alwaysOn }).start();
    await world.push({ alertname: 'Down' });
    await world.wait('5h');
    // It was told at 0:30.001, so the tick of 4:00:30 is a millisecond early.
    expect(world.told()).toEqual([
      '0:30 team | first notification | firing Down',
      '4:05:30 team | repeat interval elapsed | firing Down',
    ]);
  });
});

describe('a start delay', () => {
  test('holds flushes back for as long, and nothing else', async () => {
    const world = await new World({ config: WATCHED, startDelayMs: 90_000 }).start();
    await world.push({ alertname: 'Down' });
    await world.time.runUntil(89_999);
    expect(world.told()).toEqual([]);
    await world.wait('1s');
    expect(world.told()).toEqual(['1:30 team | first notification | firing Down']);
  });

  test('does not hold back what was owed before the restart', async () => {
    const world = await new World({ config: WATCHED, startDelayMs: 90_000 }).start();
    world.receivers.usually('team/webhook[0]', { status: 503 });
    await world.push({ alertname: 'Down' });
    await world.wait('2m');
    world.receivers.usually('team/webhook[0]', { status: 200 });
    const tried = world.receivers.notifications.length;
    await world.kill().start();
    await world.wait('31s');
    expect(world.told(tried)).toHaveLength(1);
  });
});

describe('a receiver', () => {
  const two = config({
    receivers: [receiver('team'), receiver('other')],
    route: route({ by: 'all', routes: [route({ to: 'other', when: ['to=other'], by: 'all' })] }),
  });

  test('that answers 5xx is tried again after 0.5 s, 1 s, 2 s … up to 30 s', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.receivers.usually('team/webhook[0]', { status: 503 });
    await world.push({ alertname: 'Down' });
    await world.wait('2m');
    const times = world.receivers.notifications.map(({ atMs }) => atMs);
    const pauses = times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0));
    // Each try takes a millisecond to fail; the wait begins then.
    expect(pauses).toEqual([501, 1_001, 2_001, 4_001, 8_001, 16_001, 30_001]);
    expect(
      new Set(world.receivers.notifications.map(({ idempotencyKey }) => idempotencyKey)).size,
    ).toBe(1);
    expect(world.receivers.notifications.some(({ uncertain }) => uncertain)).toBe(false);
  });

  test('that answers 4xx is not tried again before the next tick of the group', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.receivers.next('team/webhook[0]', { status: 400 });
    await world.reading('servers.a.cpu', 95);
    await world.wait('6m');
    expect(world.told()).toHaveLength(1);
    await world.wait('1m');
    expect(world.told(1)).toEqual([
      '6:30 team | first notification | firing HighCpu(servers.a.cpu)',
    ]);
  });

  test('that is slow does not hold up another', async () => {
    const world = await new World({ config: two }).start();
    world.receivers.usually('team/webhook[0]', { status: 200, afterMs: 60_000 });
    await world.push(...Array.from({ length: 40 }, (_, i) => ({ alertname: `A${i}` })));
    await world.push({ alertname: 'Down', to: 'other' });
    await world.wait('31s');
    expect(world.told().filter((line) => line.includes(' other |'))).toEqual([
      '0:30 other | first notification | firing Down(other)',
    ]);
  });

  test('that hangs with a thousand pages waiting for it does not hold up another', async () => {
    const world = await new World({ config: two }).start();
    world.receivers.usually('team/webhook[0]', 'never');
    await world.push(...Array.from({ length: 1_100 }, (_, i) => ({ alertname: `A${i}` })));
    await world.wait('1s');
    await world.push({ alertname: 'Down', to: 'other' });
    await world.wait('31s');
    expect(world.told().filter((line) => line.includes(' other |'))).toHaveLength(1);
  });

  test('that hangs does not hold up the second try of another', async () => {
    const world = await new World({ config: two }).start();
    world.receivers.usually('team/webhook[0]', 'never');
    world.receivers.next('other/webhook[0]', { status: 503 });
    await world.push(...Array.from({ length: 40 }, (_, i) => ({ alertname: `A${i}` })));
    await world.push({ alertname: 'Down', to: 'other' });
    await world.wait('31s');
    expect(world.told().filter((line) => line.includes(' other |'))).toEqual([
      '0:30 other | first notification | firing Down(other)',
      '0:30.501 other | first notification | firing Down(other)',
    ]);
  });

  test('gets at most eight pages at once, and all receivers together at most sixty-four', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `team-${i}`);
    const many = config({
      receivers: [receiver('team'), ...names.map((name) => receiver(name))],
      route: route({
        by: 'all',
        routes: names.map((to) => route({ to, when: [`to=${to}`], by: 'all' })),
      }),
    });
    const world = await new World({ config: many }).start();
    for (const name of names)
      world.receivers.usually(`${name}/webhook[0]`, { status: 200, afterMs: 5_000 });
    const alerts = names.flatMap((to) =>
      Array.from({ length: 20 }, (_, i) => ({ alertname: `A${i}`, to })),
    );
    await world.push(...alerts);
    await world.wait('3m');
    expect(world.receivers.busiest.get('team-7/webhook[0]')).toBe(8);
    expect(world.receivers.busiest.get('all')).toBe(64);
    expect(world.receivers.notifications).toHaveLength(alerts.length);
  });

  test('that never answers, and cannot even be given up on, is given up on after five minutes', async () => {
    const slowly = config({ route: route({ interval: '7m' }), resolveTimeoutMs: 1e9 });
    const world = await new World({ config: slowly }).start();
    world.receivers.next('team/webhook[0]', 'deaf');
    await world.push({ alertname: 'Down' });
    await world.wait('6m');
    expect(world.told()).toEqual([
      '0:30 team | first notification | firing Down',
      '5:30.500 team | first notification | firing Down | may be a duplicate',
    ]);
  });

  test('whose failure comes in at the tick of its group is tried again all the same', async () => {
    const lasting = config({ resolveTimeoutMs: 1e9 });
    const world = await new World({ config: lasting }).start();
    // Both the answer and the second tick of the group come at 5:30.
    world.receivers.next('team/webhook[0]', { status: 503, afterMs: 300_000 });
    await world.push({ alertname: 'Down' });
    await world.wait('10m');
    expect(world.told().map((line) => line.split(' ')[0])).toEqual(['0:30', '5:30.500']);
  });

  test('that is taken out of the configuration while it is owed a page gets none', async () => {
    const world = await new World({ config: two }).start();
    world.receivers.usually('other/webhook[0]', { status: 503 });
    await world.push({ alertname: 'Down', to: 'other' });
    await world.wait('31s');
    const tried = world.receivers.notifications.length;
    const { route: root, receivers } = config();
    await world.propose({
      kind: 'config',
      origin: 'tocsin.yml',
      source: '',
      externalUrl: null,
      config: { ...two, route: root, receivers },
    });
    await world.wait('10m');
    const later = world.told(tried);
    expect(later.filter((line) => line.includes(' other |'))).toEqual([]);
    expect(later[0]).toContain('team | first notification | firing Down(other)');
  });
});

describe('a clean stop', () => {
  test('waits for answers that are under way, so that nothing is in doubt', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.receivers.usually('team/webhook[0]', { status: 200, afterMs: 2_000 });
    await world.push({ alertname: 'Down' });
    await world.wait('30s');
    expect(world.receivers.notifications).toHaveLength(1);
    await world.stop();
    expect(world.time.nowMs).toBeGreaterThanOrEqual(32_000);
    await world.start();
    await world.wait('3m');
    expect(world.told(1)).toEqual([]);
  });

  test('sends a page whose attempt is just being written, so that nothing is in doubt', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.push({ alertname: 'Down' });
    await world.time.runUntil(29_000);
    // The decision takes 10 ms to reach the disk, and then its attempt takes 10 ms.
    world.trouble({ takesMs: ({ kind }) => (kind === 'sync' ? 10 : 0) });
    await world.time.runUntil(30_015);
    expect(world.told()).toEqual([]);
    await world.stop();
    await world.start();
    await world.wait('4m');
    expect(world.told()).toEqual(['0:30.020 team | first notification | firing Down']);
  });

  test('does not wait for ever: the next start tells again, and says so', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.receivers.next('team/webhook[0]', 'never');
    await world.push({ alertname: 'Down' });
    await world.wait('30s');
    await world.stop();
    expect(world.time.nowMs).toBeLessThan(35_000);
    await world.start();
    await world.wait('1m');
    expect(world.told(1)).toEqual([
      expect.stringContaining('team | first notification | firing Down | may be a duplicate'),
    ]);
    const [first, second] = world.receivers.notifications;
    expect(second?.idempotencyKey).toBe(first?.idempotencyKey);
    expect(second?.try).toBe(2);
  });

  test('is one stop however often it is asked for', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.push({ alertname: 'Down' });
    await world.time.until(Promise.all([world.node.stop(), world.node.stop()]));
    expect(world.written).toHaveLength(1);
    expect(await world.propose({ kind: 'clock' })).toMatchObject({ ok: false, code: 'stopping' });
  });
});
