/**
 * The disk is full, or broken, at every single operation. Nothing that was acknowledged is lost, and
 * nothing is acknowledged after the error.
 */

import { describe, expect, test } from 'vitest';
import {
  createSimulatedDisk,
  type DiskFault,
  type DiskOperation,
  type SimulatedDisk,
  type SimulatedDiskOptions,
} from '../../src/io/sim/simulated-disk.ts';
import { LogFailed } from '../../src/log/damage.ts';
import type { Log } from '../../src/log/log.ts';
import { contentOf, entries, entry, hardState, open, show } from './world.ts';

describe('a call to the disk fails', () => {
  for (const code of ['ENOSPC', 'EIO'] as const) {
    test(`with ${code} at every operation in turn: nothing acknowledged is lost`, async () => {
      let failures = 0;
      for (let at = 1; ; at++) {
        const fault = { kind: 'error', code, bytesWritten: (at * 37) % 150 } as const;
        const run = await runWith(fault, at);
        if (!run.hasStruck) break;
        await expectKept(run, `${code} at operation ${at}`);
        failures++;
      }
      expect(failures).toBeGreaterThan(100);
    });
  }

  test('and from then on every append is refused with the same error', async () => {
    const breaker = new Breaker();
    const log = await open(createSimulatedDisk(breaker));
    await Promise.all([log.append({ entries: [entry(1)] }), log.append({ entries: [entry(2)] })]);
    breaker.failing = 'sync';

    const failed = log.append({ entries: [entry(3)] });
    await expect(failed).rejects.toThrow(LogFailed);
    await expect(failed).rejects.toThrow(/EIO.*Entries up to 2 are safe.*start again/);
    // A disk that was full for a moment works again; what it holds is no better known for that.
    breaker.failing = undefined;
    await expect(log.append({ entries: [entry(3)] })).rejects.toBe(log.failure);
    await expect(log.prune(2)).resolves.toBe(0);
    await expect(log.compressClosed()).resolves.toMatchObject({ segments: 0 });
    expect(log.lastIndex).toBe(2);
  });

  test('a sync that failed and a start after it: what the kernel forgot is written again', async () => {
    // Linux marks pages clean after a failed sync: readers see them, and no later sync writes them.
    const breaker = new Breaker();
    const disk = createSimulatedDisk(breaker);
    const log = await open(disk);
    await log.append({ entries: [entry(1)] });
    breaker.failing = 'sync';
    await expect(log.append({ entries: [entry(2)] })).rejects.toThrow(LogFailed);

    const next = disk.afterKill();
    const reopened = await open(next);
    expect((await contentOf(reopened)).map(show)).toEqual(entries(1, 2).map(show));
    await reopened.append({ entries: [entry(3)] });

    const after = await open(next.afterPowerCut({ kind: 'everything' }));
    expect((await contentOf(after)).map(show)).toEqual(entries(1, 3).map(show));
  });
});

/** A disk whose calls of one kind fail as soon as somebody says so. */
class Breaker implements SimulatedDiskOptions {
  failing: DiskOperation['kind'] | undefined;

  readonly fault = ({ kind }: DiskOperation): DiskFault | undefined =>
    kind === this.failing ? { kind: 'error', code: 'EIO' } : undefined;
}

interface Run {
  readonly disk: SimulatedDisk;
  readonly hasStruck: boolean;
  readonly acknowledged: readonly string[];
}

/** A working day that a fault may end. Its steps go on until the log refuses them. */
async function runWith(fault: DiskFault, at: number): Promise<Run> {
  let hasStruck = false;
  const disk = createSimulatedDisk({
    fault: ({ number }) => {
      hasStruck ||= number === at;
      return number === at ? fault : undefined;
    },
  });
  const acknowledged: string[] = [];
  const log = await open(disk).catch(() => undefined);
  if (log !== undefined) await workingDay(log, acknowledged).catch(() => undefined);
  return { disk, hasStruck, acknowledged };
}

async function workingDay(log: Log, acknowledged: string[]): Promise<void> {
  const acknowledge = async (from: number, to: number): Promise<void> => {
    const added = entries(from, to);
    await log.append({ hardState: hardState(1, from - 1), entries: added });
    acknowledged.push(...added.map(show));
  };
  for (let index = 1; index <= 12; index += 2) await acknowledge(index, index + 1);
  await log.compressClosed();
  await acknowledge(13, 14);
  await log.append({ truncateFrom: 15, entries: [] });
  for (let index = 15; index <= 24; index += 3) await acknowledge(index, index + 2);
  await log.prune(1);
  await log.close();
}

/** Everything is there after a restart, can be added to, and survives a power cut after that. */
async function expectKept({ disk, acknowledged }: Run, story: string): Promise<void> {
  const next = disk.afterKill();
  const log = await open(next);
  const lines = (await contentOf(log)).map(show);
  expect({ story, lines: lines.slice(0, acknowledged.length) }).toEqual({
    story,
    lines: acknowledged,
  });
  // What a reader was shown once is there for good, even if nothing is written after it.
  const shown = await open(next.afterPowerCut({ kind: 'everything' }));
  expect({ story, lines: (await contentOf(shown)).map(show) }).toEqual({ story, lines });

  const added = entry(log.lastIndex + 1);
  await log.append({ entries: [added] });
  const later = await open(next.afterPowerCut({ kind: 'everything' }));
  const laterLines = (await contentOf(later)).map(show);
  expect({ story, lines: laterLines }).toEqual({ story, lines: [...lines, show(added)] });
}
