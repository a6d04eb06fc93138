/** What a member that follows does with the answers to readings that it has handed over. */

import { expect, test } from 'vitest';
import type { Observe } from '../../src/commands/observe.ts';
import { GapDetector } from '../../src/io/node/gap-detector.ts';
import type { LogClock } from '../../src/io/node/log-clock.ts';
import { Proposer } from '../../src/io/node/proposer.ts';
import type { Frame } from '../../src/io/node/wire.ts';
import type { LostReadings } from '../../src/io/ports.ts';
import { THIS_BUILD } from '../../src/projections/reducers.ts';
import { HandClock } from '../support/hand-clock.ts';

const READINGS: Observe = {
  kind: 'observe',
  source: 'carbon',
  names: ['a'],
  ids: Int32Array.of(-1, -1, -1),
  values: Float64Array.of(1, 2, 3),
};

type Forward = Extract<Frame, { kind: 'forward' }>;

/** A member whose leader answers what the story says. */
async function follower() {
  const clock = new HandClock(0);
  const losses: LostReadings[] = [];
  const sent: Forward[] = [];
  let tick = 0;
  const proposer = new Proposer(
    { nodeId: 'b', incarnation: 1 },
    {
      clock,
      build: THIS_BUILD,
      gapDetector: new GapDetector(
        'b',
        { logClock: { now: () => 0 } as LogClock, knowsSteps: () => true },
        0,
      ),
      offsetMs: () => 0,
      leadership: {
        refusal: () => null,
        isLeader: () => false,
        isLeading: () => false,
        leader: () => 'a',
        isCluster: () => true,
        tick: () => tick,
      },
      step: () => undefined,
      newRef: () => 0,
      send: (_, frame) => {
        if (frame.kind === 'forward') sent.push(frame);
      },
    },
  );
  proposer.offer(READINGS, (lost) => losses.push(lost));
  await Promise.resolve();
  const answer = async (
    result: 'ok' | 'malformed' | 'busy' | 'not-leader' | 'indeterminate',
  ): Promise<void> => {
    const sequence = sent.at(-1)?.sequence ?? 0;
    const said = { life: 1, sequence, index: 7, at: 0, message: 'it says so' };
    proposer.onForwarded({ kind: 'forwarded', result, ...said });
    tick++;
    proposer.tick();
    await Promise.resolve();
  };
  return { answer, losses, proposer, sent };
}

test('a leader that does not take what makes sense here: all of it is counted, once', async () => {
  const { answer, losses, proposer, sent } = await follower();
  await answer('malformed');
  expect(losses).toEqual([{ code: 'malformed', count: 3, sample: 'it says so' }]);
  expect(sent).toHaveLength(1);
  expect(proposer.isIdle).toBe(true);
});

test.each(['busy', 'not-leader', 'indeterminate'] as const)(
  'a leader that says %s is asked again, and nothing is counted',
  async (result) => {
    const { answer, losses, proposer, sent } = await follower();
    await answer(result);
    await answer(result);
    expect(sent.length).toBeGreaterThan(1);
    expect(losses).toEqual([]);
    await answer('ok');
    proposer.appliedUpTo(7);
    expect(losses).toEqual([]);
    expect(proposer.isIdle).toBe(true);
  },
);

test('a member that ends before its leader has answered does not know, and says so once', async () => {
  const { losses, proposer } = await follower();
  proposer.fail(new Error('the end'));
  proposer.fail(new Error('the end'));
  expect(losses).toEqual([{ code: 'indeterminate', count: 3, sample: 'the end' }]);
});
