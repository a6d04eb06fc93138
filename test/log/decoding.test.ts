/** Any log comes back as it was written; any other bytes get a name, and nothing worse happens. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brotliCompressor } from '../../src/io/disk/compressor.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import type { Compressor } from '../../src/log/disk.ts';
import type { LogEntry } from '../../src/log/entry.ts';
import { encodeGroup, GROUP_HEADER_BYTES, type Tail } from '../../src/log/group.ts';
import { openLog } from '../../src/log/log.ts';
import { applyMask, isUnwritten, SECTOR_BYTES } from '../../src/log/mask.ts';
import { pack, unpack } from '../../src/log/packed.ts';
import { decodeHeader } from '../../src/log/segment-header.ts';
import { viewOf, walkGroup } from '../../src/log/segment.ts';
import { contentOf, entries, entry, hardState, itemsOf, on, open, show, SMALL } from './world.ts';

const CODEC = { compressor: brotliCompressor, digest: nodeDigest };

describe('what was written comes back', () => {
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(3_000).map((length) => new Uint8Array(length)),
    fc.nat(3_000).map((length) => new Uint8Array(length).fill(255)),
  );
  const added = fc.record({ data, type: fc.integer({ min: 0, max: 255 }), newTerm: fc.boolean() });
  const step = fc.record({
    added: fc.array(added, { maxLength: 6 }),
    /** How many of the last entries a new leader takes back. */
    taken: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(4)),
    upkeep: fc.constantFrom('none', 'none', 'none', 'compact', 'reopen'),
  });

  test('whatever the entries, the conflicts, the segments and the restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.integer({ min: 300, max: 5_000 }),
        async (steps, segmentBytesMax) => {
          const disk = createSimulatedDisk();
          let log = await open(disk, { segmentBytesMax });
          let model: LogEntry[] = [];
          let term = 1;
          for (const { added: batch, taken, upkeep } of steps) {
            if (taken > 0) term++;
            model = model.slice(0, Math.max(0, model.length - taken));
            const truncateFrom = model.length + 1;
            const fresh = batch.map(({ newTerm, ...rest }, i): LogEntry => {
              if (newTerm) term++;
              return { ...rest, term, index: truncateFrom + i };
            });
            const cut = taken > 0 ? { truncateFrom } : {};
            await log.append({ ...cut, hardState: hardState(term), entries: fresh });
            model.push(...fresh);
            if (upkeep === 'compact') await log.compressClosed();
            if (upkeep === 'reopen') {
              await log.close();
              log = await open(disk, { segmentBytesMax });
            }
          }
          await log.close();
          const reopened = await open(disk, { segmentBytesMax });
          expect(await contentOf(reopened)).toEqual(model);
          expect(model.map(({ index }) => reopened.termAt(index))).toEqual(
            model.map((e) => e.term),
          );
          expect((await itemsOf(disk)).map((item) => item.kind)).toEqual(model.map(() => 'entry'));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a packed image, of any size around the size of a block', async () => {
    for (const size of [256, 257, 1_048_576 + 255, 1_048_576 + 256, 2 * 1_048_576 + 300]) {
      const image = new Uint8Array(size).map((_, i) => (i * i) >> 7);
      const parts: Uint8Array[] = [];
      for await (const part of pack(image, CODEC)) parts.push(part);
      const { image: copy, fault } = await unpack(Buffer.concat(parts), CODEC);
      expect(fault).toBeUndefined();
      expect(Buffer.compare(copy, image)).toBe(0);
    }
  });
});

describe('other bytes', () => {
  test('of any kind are a refusal or a log, never a crash', async () => {
    const disk = createSimulatedDisk();
    const log = await open(disk);
    for (const each of entries(1, 12)) await log.append({ entries: [each] });
    await log.compressClosed();
    await log.close();
    const store = disk.files();
    const edit = fc.record({
      file: fc.constantFrom(...store.keys()),
      at: fc.nat(1_200),
      remove: fc.nat(40),
      insert: fc.uint8Array({ maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        const files = new Map(store);
        for (const { file, at, remove, insert } of edits) {
          const bytes = files.get(file) ?? new Uint8Array(0);
          const parts = [bytes.subarray(0, at), insert, bytes.subarray(at + remove)];
          files.set(file, Uint8Array.from(Buffer.concat(parts)));
        }
        const result = await openLog(SMALL, on(createSimulatedDisk({}, files)));
        if (!result.ok) expect(result.refusal.message.length).toBeGreaterThan(20);
        const items = await itemsOf(createSimulatedDisk({}, files));
        const lines = items.flatMap((item) => (item.kind === 'entry' ? [show(item.entry)] : []));
        expect(entries(1, 12).map(show)).toEqual(expect.arrayContaining(lines));
      }),
      { numRuns: 600 },
    );
  });

  test('at random are no header, no group and no packed segment', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (bytes) => {
        expect(decodeHeader(bytes, nodeDigest).ok).toBe(false);
        expect(walk(bytes)).toHaveProperty('what');
        expect((await unpack(bytes, CODEC)).fault).toBeDefined();
      }),
      { numRuns: 2_000 },
    );
  });

  test('that carry right checksums and wrong contents are named', () => {
    const group = (entry1 = entry(1), tail = TAIL): Uint8Array =>
      encodeGroup({ entries: [entry1] }, { sequence: 1, offset: 0, tail }, nodeDigest).bytes;
    const elsewhere = encodeGroup(
      { entries: [entry(1)] },
      { sequence: 2, offset: 0, tail: TAIL },
      nodeDigest,
    );
    const forgeries: readonly (readonly [Uint8Array, RegExp])[] = [
      [group().subarray(0, 31), /ends inside a group header/],
      [group().subarray(0, 50), /ends inside a group/],
      [elsewhere.bytes, /belongs to another place/],
      [group(entry(3)), /entry 3 is where entry 1 belongs/],
      [group(entry(1, 0)), /term 0, after term 1/],
      [group(entry(1), { ...TAIL, chain: new Uint8Array(32).fill(1) }), /hash chain/],
      [forged(group(), 28, 2), /has 1 frames, not 2/],
      [forged(group(), 24, 0xffff_ffff), /ends inside a group/],
      [forgedFrame(group(), 8, 0xffff_ffff), /does not fit its group/],
      [forgedFrame(group(), 12, 9), /of kind 9/],
      [forgedFrame(group(), 20, 0xffff_ffff), /beyond 2\^53/],
    ];
    for (const [bytes, message] of forgeries) {
      expect(walk(bytes)).toMatchObject({ what: expect.stringMatching(message) });
    }
  });

  test('in a packed block are never handed to the decompressor', async () => {
    const parts: Uint8Array[] = [];
    for await (const part of pack(new Uint8Array(5_000), CODEC)) parts.push(part);
    const bytes = Buffer.concat(parts);
    let unpacked = 0;
    const compressor: Compressor = {
      compress: (plain) => brotliCompressor.compress(plain),
      decompress: (packed, sizeMax) => {
        unpacked++;
        return brotliCompressor.decompress(packed, sizeMax);
      },
    };
    for (let offset = 256; offset < bytes.length; offset++) {
      const damaged = Uint8Array.from(bytes);
      damaged[offset] = (damaged[offset] ?? 0) ^ 1;
      const { fault } = await unpack(damaged, { ...CODEC, compressor });
      expect([offset, fault?.what]).toEqual([offset, expect.any(String)]);
    }
    // Only a damaged end block leaves the block before it to be unpacked.
    expect(unpacked).toBe(32);
  });

  test('that would unpack to more than they say are not unpacked', async () => {
    const packed = await brotliCompressor.compress(new Uint8Array(1_000_000));
    await expect(brotliCompressor.decompress(packed, 999_999)).rejects.toThrow();
    expect(await brotliCompressor.decompress(packed, 1_000_000)).toHaveLength(1_000_000);
  });
});

describe('the mask', () => {
  test('gives the bytes back when it is applied twice, at any place', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 700 }),
        fc.nat(1_000),
        fc.nat(3),
        (bytes, at, skip) => {
          const moved = new Uint8Array(bytes.length + skip).subarray(skip);
          moved.set(bytes);
          applyMask(moved, at * 4);
          applyMask(moved, at * 4);
          expect(moved).toEqual(bytes);
        },
      ),
    );
  });

  test('leaves no sector empty, or one bit away from it, that a group was written to', async () => {
    // Groups of every length, so that one begins and ends at every place within a sector.
    for (const fill of [0, 255, 1, 32]) {
      const disk = createSimulatedDisk();
      const log = await open(disk, { segmentBytesMax: 1_000_000 });
      let written = log.segments()[0]?.bytes ?? 0;
      for (let index = 1; index <= 200; index++) {
        const added = { ...entry(index), data: new Uint8Array(index * 9).fill(fill) };
        await log.append({ entries: [added] });
        const file = [...disk.files()].find(([name]) => name.endsWith('.log'))?.[1];
        for (let from = written; from < (file?.length ?? 0);) {
          const to = Math.min(from + SECTOR_BYTES - (from % SECTOR_BYTES), file?.length ?? 0);
          expect(bitsIn(file?.subarray(from, to))).toBeGreaterThan(1);
          from = to;
        }
        written = file?.length ?? 0;
      }
    }
  });

  test('makes what was never written look like nothing else', () => {
    const sector = new Uint8Array(SECTOR_BYTES);
    applyMask(sector, 0);
    expect(isUnwritten(sector, 0, SECTOR_BYTES)).toBe(true);
    sector[77] = (sector[77] ?? 0) ^ 1;
    expect(isUnwritten(sector, 0, SECTOR_BYTES)).toBe(false);
  });
});

const TAIL: Tail = {
  index: 0,
  term: 1,
  chain: new Uint8Array(32),
  hardState: hardState(1),
  keptFrom: 1,
};

/** Reads a group that begins at the first byte. */
function walk(bytes: Uint8Array): ReturnType<typeof walkGroup> {
  return walkGroup(bytes, viewOf(bytes), { sequence: 1, offset: 0 }, TAIL, nodeDigest);
}

/** Another number in the group header, and a checksum to match. */
function forged(group: Uint8Array, at: number, value: number): Uint8Array {
  viewOf(group).setUint32(at, value, true);
  const covered = group.subarray(8, GROUP_HEADER_BYTES);
  viewOf(group).setUint32(4, nodeDigest.crc32(covered), true);
  return group;
}

/** Another number in the header of the first frame, an entry's, and checksums to match. */
function forgedFrame(group: Uint8Array, at: number, value: number): Uint8Array {
  const frame = group.subarray(GROUP_HEADER_BYTES);
  viewOf(frame).setUint32(at, value, true);
  const payloadAt = frame[12] === 1 ? 64 : 32;
  const payload = frame.subarray(payloadAt, payloadAt + viewOf(frame).getUint32(8, true));
  viewOf(frame).setUint32(4, nodeDigest.crc32(payload), true);
  viewOf(frame).setUint32(0, nodeDigest.crc32(frame.subarray(4, payloadAt)), true);
  return group;
}

function bitsIn(bytes: Uint8Array = new Uint8Array(0)): number {
  let bits = 0;
  for (const byte of bytes) for (let rest = byte; rest > 0; rest &= rest - 1) bits++;
  return bits;
}
