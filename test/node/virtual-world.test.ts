/** The world itself: the same seed gives the same life, and a life in a circle is an error. */

import { describe, expect, test } from 'vitest';
import { rootOf } from '../../src/io/disk/snapshot-root.ts';
import { SeededRandom } from '../../src/io/sim/seeded-random.ts';
import { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import { START, World } from './world.ts';

describe('a seed', () => {
  test('gives the same log, the same pages and the same root every time', async () => {
    const [first, second] = [await life(7), await life(7)];
    expect(first.log.length).toBeGreaterThan(150);
    expect(second).toEqual(first);
  });

  test('is not the only life there is', async () => {
    const [first, second] = [await life(7), await life(8)];
    expect(second.log).not.toEqual(first.log);
    expect(second.root).not.toBe(first.root);
  });
});

/** Two minutes in which chance decides on readings, disks, answers and crashes. */
async function life(
  seed: number,
): Promise<{ log: readonly string[]; told: readonly string[]; root: string }> {
  const random = new SeededRandom(seed);
  const roll = (sides: number): number => Math.floor(random.next() * sides);
  const world = new World({
    seed,
    snapshotEntries: 25,
    segmentBytesMax: 4_096,
    config: config({
      receivers: [receiver('team', true, false)],
      route: route({ wait: '2s', interval: '9s' }),
      checks: [check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '1s' })],
    }),
  });
  await world.start();
  for (let second = 0; second < 120; second++) {
    world.trouble({ takesMs: () => roll(4) });
    world.receivers.next('team/webhook[0]', {
      status: roll(3) === 0 ? 503 : 200,
      afterMs: roll(3_000),
    });
    const host = `servers.h${roll(5)}.cpu`;
    void world.node.propose([world.observe({ [host]: roll(100) })]);
    void world.node.propose([world.observe({ [host]: 60 + roll(40) })]);
    await world.time.run(roll(2_000));
    if (roll(20) === 0) await world.powerCut({ kind: 'random', seed: roll(1_000) }).start();
  }
  await world.trouble({}).wait('1m');
  const log = (await world.entries()).map(
    ({ index, at, kinds }) => `${index} ${at} ${kinds.join(' ')}`,
  );
  return { log, told: world.told(), root: rootOf(world.state) };
}

describe('virtual time', () => {
  test('runs tasks by time, then in the order in which they were set', async () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    for (const [name, delayMs] of [
      ['c', 5],
      ['a', 0],
      ['d', 5],
      ['b', 0],
      ['e', 9],
    ] as const) {
      time.after(delayMs, () => ran.push(`${name}@${time.nowMs}`));
    }
    const cancel = time.after(5, () => ran.push('cancelled'));
    cancel();
    await time.runUntil(6);
    expect(ran).toEqual(['a@0', 'b@0', 'c@5', 'd@5']);
    expect(time.nowMs).toBe(6);
  });

  test('lets everything that follows from a task happen before the next one', async () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    time.after(1, () => void chain(50).then(() => ran.push('chain')));
    time.after(1, () => ran.push('next'));
    await time.run(1);
    expect(ran).toEqual(['chain', 'next']);
  });

  test('stops a world that goes round in a circle, and names who goes round', async () => {
    const time = new VirtualTime();
    const goRound = (): void => void time.after(0, goRound);
    goRound();
    await expect(time.run(1)).rejects.toThrow(/over 10000 tasks ran at 0 ms[^]*goRound/);
  });

  test('says when a promise waits for something that will never happen', async () => {
    const time = new VirtualTime();
    await expect(time.until(new Promise(() => {}))).rejects.toThrow(/nothing will settle it/);
  });
});

describe('a virtual clock', () => {
  test('keeps monotonic time through a step of the wall', async () => {
    const time = new VirtualTime();
    const clock = new VirtualClock({ epochMs: START }, { time });
    await time.run(500);
    clock.stepWall(-10_000);
    expect([clock.now() - START, clock.monotonicMs()]).toEqual([-9_500, 500]);
  });

  test('fires nothing for a killed process, and late for a frozen one', async () => {
    const time = new VirtualTime();
    const [killed, frozen] = [1, 2].map(() => new VirtualClock({ epochMs: START }, { time }));
    const ran: string[] = [];
    killed?.after(10, () => ran.push('killed'));
    frozen?.after(10, () => ran.push(`frozen until ${time.nowMs}`));
    frozen?.freeze(1_000);
    killed?.kill();
    await time.run(5_000);
    expect(ran).toEqual(['frozen until 1000']);
  });
});

describe('seeded chance', () => {
  test('repeats itself, stays in its range, and makes proper UUIDs', () => {
    const [a, b] = [new SeededRandom(42), new SeededRandom(42)];
    for (let i = 0; i < 1_000; i++) {
      const number = a.next();
      expect(number).toBe(b.next());
      expect(number >= 0 && number < 1).toBe(true);
      expect(a.uuid()).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      b.uuid();
    }
  });
});

async function chain(length: number): Promise<void> {
  for (let i = 0; i < length; i++) await Promise.resolve();
}
