/** A stop at any moment of a start, of a restart and of an election is quiet. */

import { describe, expect, test } from 'vitest';
import { check, config } from '../support/scenario-config.ts';
import { World } from './world.ts';

/** Longer than everything that a start waits for: three syncs of the election, one of the entry. */
const MOMENTS_MS = Array.from({ length: 130 }, (_, i) => i);

describe('a node that is stopped', () => {
  test.each([
    ['at each millisecond of its first start', false],
    ['at each millisecond of a restart with a changed configuration', true],
  ])('%s reports no fault, although its log is closed at once', async (_, isRestart) => {
    for (const moment of MOMENTS_MS) {
      const world = new World();
      if (isRestart) {
        await world.start();
        world.kill();
        world.config = config({ checks: [check()] });
      }
      world.trouble({ takesMs: ({ kind }) => (kind === 'sync' ? 30 : 0) });
      await world.boot();
      const { failures } = world.process;
      await world.time.run(moment);
      await world.stopWithoutKill();
      // Whatever was on its way arrives after the end.
      await world.time.run(500);

      expect(failures, `stopped after ${moment} ms`).toEqual([]);
    }
  });

  test('twice is stopped once', async () => {
    const world = await new World().start();

    await world.time.until(Promise.all([world.node.stop(), world.node.stop()]));
    expect(world.process.failures).toEqual([]);
  });

  test('while it writes has its write on the disk, and a fault of the disk is still one', async () => {
    const world = await new World().start();
    world.trouble({
      fault: ({ kind }) => (kind === 'sync' ? { kind: 'error', code: 'EIO' } : undefined),
    });
    void world.node.propose([world.observe({ 'servers.a.cpu': 1 })]);

    await world.time.until(world.node.stop());
    expect(world.process.failures).toHaveLength(1);
  });
});
