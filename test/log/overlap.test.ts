/**
 * Everything at once: appends, conflicts, snapshots, readers, compression and pruning overlap, on a
 * disk whose calls take their time in an order that a seed decides.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import type { Compressor } from '../../src/log/disk.ts';
import { openLog, type Log } from '../../src/log/log.ts';
import {
  BESIDE_SEGMENTS,
  contentOf,
  entries,
  entry,
  hardState,
  itemsOf,
  on,
  open,
  show,
  SMALL,
} from './world.ts';

const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append'), count: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('conflict'), count: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot'), count: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('compact'), count: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('prune'), count: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read'), count: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('rest'), count: fc.nat(60) }) },
);

test('overlapping work neither fails, nor shows what was never written, nor loses anything', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 20, maxLength: 120 }),
      fc.array(fc.nat(6), { minLength: 7, maxLength: 31 }),
      async (actions, hops) => {
        const disk = createSimulatedDisk({
          pace: ({ number }) => rest(hops[number % hops.length]),
        });
        const log = await open(disk);
        const busy = new Busy(log);
        for (const { kind, count } of actions) {
          if (kind === 'rest') await rest(count);
          else busy.start(kind, count);
        }
        await busy.finish();
        await log.close();
        expect(log.failure).toBeUndefined();

        const again = await open(disk);
        const kept = [...busy.lines].filter(([index]) => index >= again.firstIndex);
        expect((await contentOf(again)).map(show)).toEqual(kept.map(([, line]) => line));
        const items = await itemsOf(disk, again.firstIndex);
        expect(items.map(({ kind }) => kind)).toEqual(kept.map(() => 'entry'));
        expect((await disk.list()).length).toBe(again.segments().length + BESIDE_SEGMENTS.length);
      },
    ),
    { numRuns: 150 },
  );
});

test('a log whose history is to be cut waits for the segment that is being compressed, not for all', async () => {
  const ended: (() => void)[] = [];
  const compressor: Compressor = {
    compress: async (image) => {
      await new Promise<void>((resolve) => ended.push(resolve));
      return Uint8Array.from(image);
    },
    decompress: (image) => Promise.resolve(Uint8Array.from(image)),
  };
  const opened = await openLog(SMALL, on(createSimulatedDisk(), compressor));
  if (!opened.ok) throw new Error(opened.refusal.message);
  const { log } = opened;
  for (const each of entries(1, 100)) await log.append({ entries: [each] });
  expect(log.segments().length).toBeGreaterThan(5);

  const compressing = log.compressClosed();
  while (ended.length === 0) await rest(1);
  const pruning = log.prune(90);
  ended[0]?.();
  expect(await pruning).toBeGreaterThan(4);
  expect(log.firstIndex).toBeGreaterThan(50);

  // What is gone is not compressed any more.
  let isOver = false;
  void compressing.then(() => (isOver = true));
  for (let i = 0; !isOver; i++) {
    ended.at(-1)?.();
    await rest(1);
    expect(i).toBeLessThan(10_000);
  }
  expect(ended.length).toBeLessThan(5);
  await log.close();
});

/** Starts work on a log without waiting for it, and knows what must come of it. */
class Busy {
  /** What the log holds when all is done, by index. */
  lines = new Map<number, string>();
  readonly #log: Log;
  readonly #everWritten = new Set<string>();
  readonly #started: Promise<unknown>[] = [];
  /** Where conflicts that are not yet written cut the log. */
  readonly #cuts = new Set<number>();
  /** No conflict reaches below it: what is pruned was committed. */
  #prunedBefore = 1;
  #last = 0;
  #term = 1;

  constructor(log: Log) {
    this.#log = log;
  }

  start(kind: string, count: number): void {
    this.#started.push(this.#work(kind, count));
  }

  async finish(): Promise<void> {
    await Promise.all(this.#started);
  }

  async #work(kind: string, count: number): Promise<unknown> {
    switch (kind) {
      case 'append':
        return this.#log.append({ entries: this.#added(count) });
      case 'conflict': {
        const truncateFrom = Math.max(1, this.#last + 1 - count);
        // What a snapshot covers is committed, and no conflict reaches below it.
        if (!this.lines.has(truncateFrom) || truncateFrom < this.#prunedBefore) return undefined;
        this.#cutFrom(truncateFrom);
        this.#cuts.add(truncateFrom);
        await this.#log.append({ truncateFrom, entries: this.#added(2) });
        return this.#cuts.delete(truncateFrom);
      }
      case 'snapshot': {
        const index = this.#last + count;
        this.#term++;
        this.lines.clear();
        this.#last = index;
        return this.#log.append({
          restartAfter: { index, term: this.#term, chain: new Uint8Array(32).fill(count) },
          hardState: hardState(this.#term, index),
          entries: this.#added(1),
        });
      }
      case 'compact':
        return this.#log.compressClosed();
      case 'prune':
        return this.#prune(Math.min(this.#log.lastIndex - count, ...this.#cuts));
      default:
        return this.#readBack(count);
    }
  }

  async #prune(beforeIndex: number): Promise<number> {
    this.#prunedBefore = Math.max(this.#prunedBefore, beforeIndex);
    return this.#log.prune(beforeIndex);
  }

  #added(count: number): ReturnType<typeof entry>[] {
    return Array.from({ length: count }, () => {
      const added = entry(++this.#last, this.#term);
      this.lines.set(added.index, show(added));
      this.#everWritten.add(show(added));
      return added;
    });
  }

  #cutFrom(index: number): void {
    this.#term++;
    this.lines = new Map([...this.lines].filter(([each]) => each < index));
    this.#last = index - 1;
  }

  async #readBack(count: number): Promise<void> {
    const from = Math.max(this.#log.firstIndex, this.#log.lastIndex - count);
    let expected = from;
    try {
      for await (const each of this.#log.read(from, Infinity)) {
        expect(each.index).toBe(expected++);
        expect(this.#everWritten).toContain(show(each));
      }
    } catch (error) {
      // A reader may be overtaken by prune.
      if (!(error instanceof RangeError)) throw error;
    }
  }
}

async function rest(hops = 0): Promise<void> {
  for (let i = 0; i < hops; i++) await Promise.resolve();
}
