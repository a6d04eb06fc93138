/**
 * A store is damaged behind our back: every bit of it, every length, every file. Opening it either
 * refuses or gives back all that was there. There is no third outcome.
 */

import { beforeAll, describe, expect, test } from 'vitest';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import type { LogEntry } from '../../src/log/entry.ts';
import { openLog } from '../../src/log/log.ts';
import {
  BESIDE_SEGMENTS,
  contentOf,
  entries,
  entry,
  everyByte,
  flipped,
  hardState,
  itemsOf,
  on,
  open,
  show,
  SMALL,
  type Files,
} from './world.ts';

/** Two packed segments, two plain ones, one that a conflict began, and the mark. */
let store: Files;
let whole: string;

beforeAll(async () => {
  const disk = createSimulatedDisk();
  const log = await open(disk, { segmentBytesMax: 600 });
  await log.append({ hardState: hardState(1), entries: entries(1, 2) });
  await log.append({ entries: entries(3, 4) });
  await log.append({ entries: [entry(5), zeros(6)] });
  await log.compressClosed();
  await log.append({ entries: entries(7, 8) });
  await log.append({ truncateFrom: 8, hardState: hardState(2, 6), entries: entries(8, 9, 2) });
  await log.close();
  store = disk.files();
  whole = await outcomeOf(store);
});

describe('one bit changes', () => {
  test('the store in question holds every kind of file', () => {
    expect([...store.keys()].toSorted()).toEqual([
      '0000000001-0000000000000001.logz',
      '0000000002-0000000000000003.logz',
      '0000000003-0000000000000005.log',
      '0000000004-0000000000000007.log',
      '0000000005-0000000000000008.log',
      ...BESIDE_SEGMENTS,
    ]);
    expect(whole).toContain('9/2/');
  });

  test('anywhere, and is never overlooked: every byte, every bit', async () => {
    const counts = { refused: 0, unharmed: 0, silent: 0 };
    for (const [name, offset] of everyByte(store)) {
      for (let bit = 0; bit < 8; bit++) {
        const outcome = await outcomeOf(flipped(store, name, offset, bit));
        if (outcome === 'refused') counts.refused++;
        else if (outcome === whole) counts.unharmed++;
        else counts.silent++;
      }
    }
    expect(counts.silent).toBe(0);
    const spare = [...everyByte(store)].filter(([name]) => BESIDE_SEGMENTS.includes(name));
    expect(counts.unharmed).toBe(8 * spare.length);
    expect(counts.refused).toBeGreaterThan(10_000);
  });

  test('in a segment that ends where a snapshot does, and the chain there is still known', async () => {
    const log = await open(createSimulatedDisk({}, store), { segmentBytesMax: 600 });
    const chain = await log.chainAt(6);
    await log.close();
    const rotten = flipped(store, '0000000003-0000000000000005.log', 300, 0);
    const again = await open(createSimulatedDisk({}, rotten), { verifyFrom: 7, create: false });
    expect(await again.chainAt(6)).toEqual(chain);
    await expect(again.chainAt(5)).rejects.toThrow('is damaged at byte');
  });

  test('in the last group, when a power cut has taken the mark and the data are zeros', async () => {
    const disk = createSimulatedDisk();
    const log = await open(disk);
    await log.append({ entries: [entry(1)] });
    await log.append({ entries: [zeros(2, 1_500)] });
    const files = new Map([...disk.files()].filter(([name]) => name !== 'durable.mark'));
    const expected = await outcomeOf(files);
    let silent = 0;
    for (const [name, offset] of everyByte(files)) {
      for (const bit of [0, offset % 8]) {
        const outcome = await outcomeOf(flipped(files, name, offset, bit));
        if (outcome !== 'refused' && outcome !== expected) silent++;
      }
    }
    expect(silent).toBe(0);
  });

  test('and tools go on behind it, and show no entry that was not written', async () => {
    const written = new Set(whole.split('\n'));
    let damaged = 0;
    for (const [name, offset] of everyByte(store)) {
      const items = await itemsOf(
        createSimulatedDisk({}, flipped(store, name, offset, offset % 8)),
      );
      const shown = items.flatMap((item) => (item.kind === 'entry' ? [show(item.entry)] : []));
      expect(shown.filter((line) => !written.has(line))).toEqual([]);
      if (shown.length < 9) expect(items.map(({ kind }) => kind)).toContain('damage');
      if (items.some(({ kind }) => kind === 'damage')) damaged++;
    }
    expect(damaged).toBeGreaterThan(1_000);
  });
});

describe('a sector', () => {
  test('turns to zeros in the middle, which a crash does only at the end', async () => {
    const disk = createSimulatedDisk();
    const log = await open(disk, { segmentBytesMax: 100_000 });
    for (let index = 1; index <= 30; index++) await log.append({ entries: [entry(index, 1, 700)] });
    const lastGroup = log.segments()[0]?.bytes ?? 0;
    await log.append({ entries: [entry(31, 1, 700)] });
    await log.close();
    const name = '0000000001-0000000000000001.log';
    for (let from = 0; from < lastGroup; from += 512) {
      const bytes = Uint8Array.from(disk.files().get(name) ?? []).fill(0, from, from + 512);
      // With the mark, and without it: then the groups that follow tell.
      for (const files of [new Map(disk.files()).set(name, bytes), new Map([[name, bytes]])]) {
        expect([from, await outcomeOf(files)]).toEqual([from, 'refused']);
      }
    }
  });
});

describe('a file', () => {
  test('is cut short, at any length', async () => {
    for (const [name, bytes] of store) {
      for (let length = 0; length < bytes.length; length++) {
        const cut = new Map(store).set(name, bytes.slice(0, length));
        const outcome = await outcomeOf(cut);
        if (outcome !== 'refused')
          expect({ name, length, outcome }).toEqual({ name, length, outcome: whole });
      }
    }
  });

  test('is missing', async () => {
    for (const name of store.keys()) {
      const rest = new Map([...store].filter(([each]) => each !== name));
      const expected = BESIDE_SEGMENTS.includes(name) ? whole : 'refused';
      expect([name, await outcomeOf(rest)]).toEqual([name, expected]);
    }
  });

  test('is all that is left: the mark or the voteRecord alone tells that a log was here', async () => {
    for (const left of BESIDE_SEGMENTS) {
      const files = new Map([...store].filter(([name]) => name === left));
      expect([left, await outcomeOf(files)]).toEqual([left, 'refused']);
    }
  });

  test('lies under the name of another, or under both', async () => {
    for (const [name, bytes] of store) {
      for (const [other, otherBytes] of store) {
        if (other === name || BESIDE_SEGMENTS.includes(other)) continue;
        if (BESIDE_SEGMENTS.includes(name)) continue;
        const swapped = new Map(store).set(name, otherBytes).set(other, bytes);
        expect([name, other, await outcomeOf(swapped)]).toEqual([name, other, 'refused']);
        const copied = new Map(store).set(other, bytes);
        expect([name, other, await outcomeOf(copied)]).toEqual([name, other, 'refused']);
      }
    }
  });

  test('lies under a new name as well, or only there', async () => {
    const strange = '0000000006-0000000000000010.log';
    for (const [name, bytes] of store) {
      if (BESIDE_SEGMENTS.includes(name)) continue;
      const copied = new Map(store).set(strange, bytes);
      expect([name, await outcomeOf(copied)]).toEqual([name, 'refused']);
      const renamed = new Map([...store].filter(([each]) => each !== name)).set(strange, bytes);
      expect([name, await outcomeOf(renamed)]).toEqual([name, 'refused']);
    }
    expect(await outcomeOf(new Map(store).set('notes.txt', new Uint8Array(3)))).toBe(whole);
  });

  test('comes from another history of the same node, as out of an old backup', async () => {
    const disk = createSimulatedDisk();
    const log = await open(disk, { segmentBytesMax: 600 });
    await log.append({ entries: entries(1, 2).map((each) => ({ ...each, type: 7 })) });
    await log.append({ entries: entries(3, 4) });
    await log.compressClosed();
    const name = '0000000001-0000000000000001.logz';
    const foreign = disk.files().get(name) ?? new Uint8Array(0);
    expect(foreign.length).toBeGreaterThan(256);
    expect(await outcomeOf(new Map(store).set(name, foreign))).toBe('refused');
  });

  test('was written by a newer program, or belongs to somebody else: a sentence says so', async () => {
    const disk = createSimulatedDisk({}, store);
    const other = await openLog({ ...SMALL, clusterId: 'cluster-2' }, on(disk));
    expect(other).toMatchObject({ refusal: { code: 'other-cluster' } });
    const node = await openLog({ ...SMALL, nodeId: 'node-2' }, on(disk));
    expect(node).toMatchObject({ refusal: { code: 'other-node' } });

    const newer = await openLog(SMALL, on(createSimulatedDisk({}, ofVersion(2))));
    expect(newer).toMatchObject({ refusal: { code: 'newer-format' } });
    expect(!newer.ok && newer.refusal.message).toMatch(
      /log format 2.*reads up to 1.*newer program/,
    );
  });
});

describe('a refusal', () => {
  test('names the file, the byte, the entry, and what is intact; and changes nothing', async () => {
    const name = '0000000004-0000000000000007.log';
    const files = flipped(store, name, 330, 0);
    const disk = createSimulatedDisk({}, files);
    const result = await openLog(SMALL, on(disk));
    expect(result).toMatchObject({
      ok: false,
      refusal: { code: 'corrupt', file: name, index: 7, intactUpTo: 6 },
    });
    expect(!result.ok && result.refusal.message).toMatch(/damaged at byte \d+.*Entries up to 6/);
    expect(disk.files()).toEqual(new Map(files));
  });

  test('waits for the read when the damage lies before what is checked at once', async () => {
    const name = '0000000001-0000000000000001.logz';
    const log = await open(createSimulatedDisk({}, flipped(store, name, 300, 0)), {
      verifyFrom: 8,
    });
    expect(log.lastIndex).toBe(9);
    await expect(contentOf(log)).rejects.toMatchObject({
      code: 'log-damaged',
      damage: { file: name },
    });
  });
});

/** `refused`, or every entry and the hard state, a line each. */
async function outcomeOf(files: Files): Promise<string> {
  const result = await openLog(SMALL, on(createSimulatedDisk({}, files)));
  if (!result.ok) return 'refused';
  const lines = (await contentOf(result.log)).map(show);
  return [JSON.stringify(result.log.hardState), ...lines].join('\n');
}

function zeros(index: number, size = 60): LogEntry {
  return { index, term: 1, type: 0, data: new Uint8Array(size) };
}

/** The store with another version in the header of its newest segment, and a checksum to match. */
function ofVersion(version: number): Files {
  const name = '0000000005-0000000000000008.log';
  const bytes = Uint8Array.from(store.get(name) ?? []);
  const view = new DataView(bytes.buffer);
  view.setUint16(8, version, true);
  view.setUint32(252, on(createSimulatedDisk()).digest.crc32(bytes.subarray(0, 252)), true);
  return new Map(store).set(name, bytes);
}
