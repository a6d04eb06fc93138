/** A majority is lost for good: the log of one node goes on as that of another cluster. */

import { expect, test } from 'vitest';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import { openLog } from '../../src/log/log.ts';
import { readLogIdentity } from '../../src/log/recovery.ts';
import { entries, entry, hardState, on, open, OWNER, reading } from './world.ts';

const RECOVERED = { ...OWNER, clusterId: `${OWNER.clusterId}~1` };

test('the log of a new epoch keeps its history, and is refused to the cluster of before', async () => {
  const disk = createSimulatedDisk();
  const log = await open(disk);
  await log.append({ hardState: hardState(3), entries: entries(1, 4, 3) });
  const chain = await log.chainAt(4);
  await log.beginEpoch(RECOVERED.clusterId);
  await log.append({ hardState: hardState(4, 5, null), entries: [entry(5, 4, 8)] });
  await log.close();

  expect(await readLogIdentity(reading(disk))).toEqual(RECOVERED);
  const old = await openLog({ ...OWNER, create: false }, on(disk));
  expect(old).toMatchObject({ ok: false, refusal: { code: 'other-cluster' } });
  const again = await openLog({ ...RECOVERED, create: false }, on(disk));
  if (!again.ok) throw new Error(again.refusal.message);
  expect(again.repaired).toBeUndefined();
  expect(again.log.firstIndex).toBe(1);
  expect(again.log.lastIndex).toBe(5);
  expect(await again.log.chainAt(4)).toEqual(chain);
  expect(again.log.hardState).toEqual(hardState(4, 5, null));
});

test('the power fails at any moment of the change: the log is whole, in one epoch or the other', async () => {
  for (let crashAt = 0, isDone = false; !isDone; crashAt++) {
    const whole = createSimulatedDisk();
    const first = await open(whole);
    await first.append({ hardState: hardState(3, 4), entries: entries(1, 4, 3) });
    await first.close();
    let operations = 0;
    const disk = whole.afterKill({
      fault: () => (operations++ >= crashAt ? { kind: 'error', code: 'EIO' } : undefined),
    });
    const opened = await openLog({ ...OWNER, create: false }, on(disk)).catch(() => null);
    isDone = opened?.ok === true && (await changed(opened.log.beginEpoch(RECOVERED.clusterId)));
    const after = disk.afterPowerCut({ kind: 'everything' });
    const owner = await readLogIdentity(reading(after));
    expect([OWNER, RECOVERED]).toContainEqual(owner);
    const again = await openLog({ ...(owner ?? OWNER), create: false }, on(after));
    expect(again, `crash at operation ${crashAt}`).toMatchObject({
      ok: true,
      log: { lastIndex: 4 },
    });
  }
});

async function changed(change: Promise<void>): Promise<boolean> {
  return change.then(
    () => true,
    () => false,
  );
}
