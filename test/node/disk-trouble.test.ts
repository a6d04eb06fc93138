/** Disks that are full, broken or slow, and inputs that are too much or make no sense. */

import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { labelValue } from '../../src/commands/labels.ts';
import type { Observe } from '../../src/commands/observe.ts';
import type { Proposed } from '../../src/io/ports.ts';
import { entries } from '../../src/projections/table.ts';
import { check, config } from '../support/scenario-config.ts';
import { configCommand, pushed, silence, World } from './world.ts';

const WATCHED = config({ checks: [check({ series: 'servers.*.cpu', above: 90 })] });

describe('a disk that fails', () => {
  const failures = [
    { what: 'is full', kind: 'write', code: 'ENOSPC' },
    { what: 'is full in the middle of a write', kind: 'write', code: 'ENOSPC', bytesWritten: 70 },
    { what: 'cannot sync', kind: 'sync', code: 'EIO' },
  ] as const;

  test.each(failures)(
    'that $what ends the node once, and nothing acknowledged is lost',
    async ({ kind, ...error }) => {
      for (let failing = 1; failing <= 12; failing++) {
        const world = await new World({ config: WATCHED }).start();
        let calls = 0;
        world.trouble({
          fault: (operation) =>
            operation.kind === kind && ++calls === failing
              ? { kind: 'error', ...error }
              : undefined,
        });
        const answers = await pushOneAfterTheOther(world, 8);
        const acknowledged = answers.flatMap(({ ok }, i) => (ok ? [`A${i}`] : []));

        expect(world.process.failures).toHaveLength(1);
        expect(await world.propose({ kind: 'clock' })).toMatchObject({ ok: false, code: 'failed' });
        expect(world.node.offer(world.observe({ 'servers.a.cpu': 1 }), ignore)).toBe(false);
        expect(world.node.ready()).toBe(false);
        await world.node.stop();

        for (const survivor of [
          world.disk.afterKill(),
          world.disk.afterPowerCut({ kind: 'everything' }),
        ]) {
          const later = new World({ config: WATCHED, disk: survivor });
          await later.start();
          expect(alertNames(later)).toEqual(expect.arrayContaining(acknowledged));
        }
      }
    },
  );

  test('ends the node even when a snapshot meets it first', async () => {
    // Of the fourth entry, which is the push: the start takes three.
    const world = await new World({ snapshotEntries: 4 }).start();
    world.trouble({
      fault: ({ name }) =>
        name.startsWith('snapshot') ? { kind: 'error', code: 'ENOSPC' } : undefined,
    });
    await world.push({ alertname: 'Down' });
    await world.wait('1s');
    expect(world.process.failures).toHaveLength(1);
    expect(await world.propose({ kind: 'clock' })).toMatchObject({ ok: false, code: 'failed' });
  });

  test('answers all that still waited, however much that was', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.trouble({ takesMs: () => 100 });
    const answers = Array.from({ length: 15 }, () => world.node.propose([largePush()]));
    await world.time.run(50);
    world.trouble({ fault: () => ({ kind: 'error', code: 'EIO' }) });
    const settled = await world.time.until(Promise.all(answers));
    const codes = settled.map((answer) => (answer.ok ? 'ok' : answer.code));
    expect(codes.filter((code) => code !== 'failed' && code !== 'indeterminate')).toEqual([]);
    expect(codes).toContain('failed');
  });

  test('leaves no timer running', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.trouble({ fault: () => ({ kind: 'error', code: 'EIO' }) });
    await world.push({ alertname: 'Down' });
    await world.wait('2m');
    const fired = world.clock.timersFired;
    await world.wait('10m');
    expect(world.clock.timersFired).toBe(fired);
  });
});

describe('a disk that is slow', () => {
  test('shares one sync among all that wait for it', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.trouble({ takesMs: ({ kind }) => (kind === 'sync' ? 50 : 0) });
    const before = syncs(world);
    const answers: Promise<Proposed>[] = [];
    for (let i = 0; i < 500; i++) {
      answers.push(world.node.propose([world.observe({ 'servers.a.cpu': i % 50 })]));
      await world.time.run(1);
    }
    const settled = await world.time.until(Promise.all(answers));
    expect(settled.every(({ ok }) => ok)).toBe(true);
    // Half a second, 50 ms a sync: entries and the durable mark each take their turn.
    expect(syncs(world) - before).toBeLessThanOrEqual(30);
  });

  test('is answered with `busy` when too much waits, and readings are refused, not kept', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.trouble({ takesMs: () => 200 });
    let taken = 0;
    while (world.node.offer(readings(60_000), ignore)) taken++;
    // 64 MiB at twelve bytes a reading.
    expect(taken).toBeGreaterThan(80);
    expect(taken).toBeLessThan(100);
    expect(await world.propose(largePush())).toMatchObject({ ok: false, code: 'busy' });
    await world.wait('1m');
    expect(await world.push({ alertname: 'Down' })).toMatchObject({ ok: true });
  });

  test('loses no outcome to readings that crowd the queue: the group can speak again', async () => {
    const world = await new World({ config: WATCHED }).start();
    world.receivers.usually('team/webhook[0]', { status: 200, afterMs: 1_000 });
    await world.reading('servers.a.cpu', 99);
    await world.wait('30s');
    expect(world.receivers.notifications).toHaveLength(1);
    world.trouble({ takesMs: () => 100 });
    for (let i = 0; i < 40; i++) {
      while (world.node.offer(readings(60_000), ignore));
      while (world.node.offer(readings(1), ignore));
      await world.time.run(50);
    }
    world.trouble({});
    await world.wait('1s');
    await world.reading('servers.a.cpu', 1);
    await world.wait('6m');
    expect(world.told(1)).toEqual([expect.stringContaining('all alerts resolved')]);
  });

  test('does not let readings that crowd the queue hold up a page', async () => {
    const world = await new World({ config: WATCHED }).start();
    await world.reading('servers.a.cpu', 99);
    await world.time.runUntil(29_500);
    world.trouble({ takesMs: ({ kind }) => (kind === 'sync' ? 100 : 0) });
    for (let i = 0; i < 60; i++) {
      while (world.node.offer(readings(60_000), ignore));
      await world.time.run(50);
    }
    // The decision, then its attempt: each behind the two entries that are being written already,
    // of which every one takes 200 ms.
    expect(world.receivers.notifications[0]?.atMs).toBeLessThanOrEqual(31_100);
  });
});

describe('a proposal that makes no sense', () => {
  test('is refused with a reason, and does not spoil those that share its entry', async () => {
    const world = await new World({ config: WATCHED }).start();
    const before: Command = pushed(world.clock.now(), { alertname: 'Before' });
    const broken: Command = { ...readings(1), values: Float64Array.of(NaN) };
    const after: Command = pushed(world.clock.now(), { alertname: 'After' });
    const answers = await world.time.until(
      Promise.all([before, broken, after].map((command) => world.node.propose([command]))),
    );
    expect(answers.map((answer) => (answer.ok ? 'ok' : answer.code))).toEqual([
      'ok',
      'malformed',
      'ok',
    ]);
    expect(answers[1]).toMatchObject({ message: expect.stringContaining('finite') as string });
    expect(alertNames(world)).toEqual(['After', 'Before']);
  });

  test('of the largest size that a batch may have is taken', async () => {
    const world = await new World().start();
    const source = '#'.repeat(4 * 1024 * 1024);
    const largest = await world.propose({ ...configCommand(WATCHED), source });
    expect(largest).toMatchObject({ ok: true });
  });

  test('is told apart from one that is only too large', async () => {
    const world = await new World().start();
    const huge = await world.propose(largePush(9_000));
    expect(huge).toMatchObject({ ok: false, code: 'malformed' });
    expect(huge).toMatchObject({ message: expect.stringContaining('bytes') as string });
  });

  test('is never a decision: one with more causes than an entry can hold names fewer', async () => {
    const world = await new World({ config: WATCHED }).start();
    const now = world.clock.now();
    const silences = Array.from({ length: 64 }, (_, i) =>
      silence(`${i}`.padStart(64, '0'), now, now + 3_600_000, 'a=b'),
    );
    expect(await world.propose(...silences)).toMatchObject({ ok: true });
    const muted = Array.from({ length: 1_800 }, (_, i) => ({
      alertname: 'Muted',
      a: 'b',
      i: `${i}`,
    }));
    await world.push(...muted, { alertname: 'Down' });
    await world.time.runUntil(30_050);
    expect(world.told()).toEqual(['0:30 team | first notification | firing Down']);
    const groups = [...entries(world.state.groups)].map(([, group]) => group);
    const decided = groups.find((group) => group.labels.includes('Muted'))?.last;
    expect(decided?.muted).toHaveLength(1_800);
    expect(world.warnings).not.toContain('decision refused');
  });
});

async function pushOneAfterTheOther(world: World, count: number): Promise<readonly Proposed[]> {
  const answers: Proposed[] = [];
  for (let i = 0; i < count; i++) {
    answers.push(await world.push({ alertname: `A${i}` }));
    await world.wait('1s');
  }
  // Whatever was left to fail fails now: a page, an outcome, the next push.
  for (let i = 0; i < 20 && world.process.failures.length === 0; i++) {
    answers.push(await world.push({ alertname: `A${answers.length}` }));
  }
  return answers;
}

function alertNames(world: World): readonly string[] {
  return [...entries(world.state.alerts)]
    .map(([, { labels }]) => labelValue(labels, 'alertname'))
    .sort();
}

function syncs(world: World): number {
  return world.operations.get('sync') ?? 0;
}

function readings(count: number): Observe {
  return {
    kind: 'observe',
    source: 'carbon',
    names: ['crowd'],
    ids: new Int32Array(count).fill(-1),
    values: new Float64Array(count).fill(1),
  };
}

/** An alert for each kilobyte. */
function largePush(kilobytes = 3_000): Command {
  const text = 'x'.repeat(1_000);
  const alerts = Array.from({ length: kilobytes }, (_, i) => ({ alertname: `L${i}`, text }));
  return pushed(0, ...alerts);
}

/** What is lost here is counted elsewhere. */
function ignore(): void {}
