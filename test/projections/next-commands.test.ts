/** What a leader appends next, and when it looks again. */

import { expect, test } from 'vitest';
import { nextCommands, nextWakeAt } from '../../src/projections/next-commands.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { Desk } from '../support/scenario.ts';

function optionsAt(now: number) {
  return {
    node: 'node-2',
    senders: new Set(['webhook']),
    localTimeIn,
    underWay: [] as readonly string[],
    appliedAt: now,
    holdUntil: 0,
  };
}

/** A desk without a leader, whose group is due 30 s after the push. */
function waitingDesk(): Desk {
  const desk = new Desk();
  desk.push({ alertname: 'A' }).dies();
  return desk;
}

test('a group is decided when its tick has come, not before, and not while flushes are held', () => {
  const desk = waitingDesk();
  const options = optionsAt(desk.now);
  expect(nextCommands(desk.state, desk.now, options)).toEqual([]);
  const wakeAt = nextWakeAt(desk.state, desk.now, options);
  expect(wakeAt).toBeGreaterThan(desk.now);
  expect(nextCommands(desk.state, wakeAt - 1, options)).toEqual([]);
  expect(nextCommands(desk.state, wakeAt, options)).toMatchObject([{ kind: 'flush' }]);

  const held = { ...options, holdUntil: wakeAt + 5_000 };
  expect(nextCommands(desk.state, wakeAt, held)).toEqual([]);
  expect(nextWakeAt(desk.state, wakeAt, held)).toBe(wakeAt + 5_000);
});

test('an owed notification is attempted by the node that asks, unless its integration is busy', () => {
  const desk = waitingDesk();
  const options = optionsAt(desk.now);
  const wakeAt = nextWakeAt(desk.state, desk.now, options);
  desk.until(wakeAt).commit(...nextCommands(desk.state, wakeAt, options));
  const [attempt] = nextCommands(desk.state, wakeAt, options);
  expect(attempt).toMatchObject({ kind: 'attempt', try: 1, node: 'node-2' });

  const busy = Array.from({ length: 8 }, () => 'team/webhook[0]');
  expect(nextCommands(desk.state, wakeAt, { ...options, underWay: busy })).toEqual([]);
  const others = Array.from({ length: 63 }, (_, i) => `other-${i}/webhook[0]`);
  expect(nextCommands(desk.state, wakeAt, { ...options, underWay: others })).toHaveLength(1);
  const full = [...others, 'last/webhook[0]'];
  expect(nextCommands(desk.state, wakeAt, { ...options, underWay: full })).toEqual([]);
});
