/**
 * Points with a time of their own, while the wall clock of the node leaps: what is late is told by the
 * clock that the node believes, on virtual time.
 */

import { describe, expect, it } from 'vitest';
import { senderClock } from '../../src/io/daemon/sender-clock.ts';
import { CarbonLines } from '../../src/io/monitors/carbon-lines.ts';
import { IngestCounters } from '../../src/io/monitors/ingest-counters.ts';
import { NewestPoints } from '../../src/io/monitors/newest-points.ts';
import { lateness } from '../../src/io/monitors/point-time.ts';
import { ReadingBatch } from '../../src/io/monitors/reading-batch.ts';
import { SeriesTable } from '../../src/io/monitors/series-table.ts';
import { KeepingIntake, KeepingLogger } from '../monitors/world.ts';
import { World } from '../node/world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LATE_AFTER_MS = 10 * MINUTE_MS;

/** A node, and one point after another for each way in which points come. */
async function intakes() {
  const world = await new World().start();
  const clock = senderClock(world.node, world.clock);
  const intake = new KeepingIntake();
  const ledger = new IngestCounters({ clock, logger: new KeepingLogger() });
  const batch = new ReadingBatch({ source: 'carbon' }, { clock, intake, ledger });
  const modules = { table: new SeriesTable(), batch, ledger, clock };
  const lines = new CarbonLines({ lateAfterMs: LATE_AFTER_MS }, modules);
  const newest = new NewestPoints({
    ownName: 'g.up',
    intervalMs: MINUTE_MS,
    lateAfterMs: LATE_AFTER_MS,
  });
  let points = 0;
  /** Whether a point of this moment, by the clock of its sender, is judged. */
  const judged = (atMs: number) => {
    const name = `l.p${points++}`;
    const seconds = Math.floor(atMs / 1_000);
    const before = ledger.dropped.late;
    lines.read(Buffer.from(`${name} 1 ${seconds}\n`));
    const point = { value: 1, seconds };
    const { readings } = newest.take(
      { odd: [], series: [{ target: name, points: [point] }] },
      clock.now(),
    );
    const limit = { nowMs: clock.now(), limitMs: LATE_AFTER_MS };
    return {
      carbon: ledger.dropped.late === before,
      graphite: readings.length === 1,
      posted: lateness(seconds, limit) === 'on-time',
    };
  };
  return { world, judged };
}

const ALL = { carbon: true, graphite: true, posted: true };
const NONE = { carbon: false, graphite: false, posted: false };

describe('a point with a time of its own', () => {
  it('is judged while the wall clock of the node is an hour ahead for a moment', async () => {
    const { world, judged } = await intakes();
    await world.wait('5m');
    const senders = () => world.clock.now() - HOUR_MS;
    world.clock.stepWall(HOUR_MS);
    for (let seconds = 0; seconds < 20; seconds += 5) {
      expect(judged(senders())).toEqual(ALL);
      await world.wait('5s');
    }
    world.clock.stepWall(-HOUR_MS);
    expect(judged(world.clock.now())).toEqual(ALL);
    expect(judged(world.clock.now() - 11 * MINUTE_MS)).toEqual(NONE);
  });

  it('is late while the wall clock of the node is an hour behind for a moment', async () => {
    const { world, judged } = await intakes();
    await world.wait('5m');
    world.clock.stepWall(-HOUR_MS);
    await world.wait('5s');
    expect(judged(world.clock.now() + HOUR_MS - 11 * MINUTE_MS)).toEqual(NONE);
    expect(judged(world.clock.now() + HOUR_MS)).toEqual(ALL);
  });

  it('is compared with the wall clock of the node once that is believed, also one set back', async () => {
    const { world, judged } = await intakes();
    for (const ms of [HOUR_MS, -HOUR_MS]) {
      await world.wait('5m');
      world.clock.stepWall(ms);
      await world.wait('1m');
      expect(judged(world.clock.now())).toEqual(ALL);
      expect(judged(world.clock.now() - 11 * MINUTE_MS)).toEqual(NONE);
    }
  });
});
