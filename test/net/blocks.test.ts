import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BlockReader,
  blockOf,
  hasChecksum,
  TAG_BYTES,
  type BlockProblem,
} from '../../src/io/net/blocks.ts';

const TAG = Buffer.from('12345678');

function reading(sizeBytesMax = 1_000) {
  const taken: string[] = [];
  const reader = new BlockReader({
    accepts: (tag) => TAG.equals(tag),
    isWhole: hasChecksum,
    sizeBytesMax,
    take: (payload) => taken.push(Buffer.from(payload).toString('hex')),
  });
  return { taken, reader };
}

/** The bytes in pieces that end at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  let start = 0;
  return ends
    .toSorted((a, b) => a - b)
    .map((end) => {
      const piece = bytes.subarray(start, end);
      start = end;
      return piece;
    });
}

describe('a reader of blocks', () => {
  it('gives out what was sent, wherever the network cut it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 10 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (payloads, places) => {
          const { taken, reader } = reading();
          const bytes = Buffer.concat(payloads.map((payload) => blockOf(TAG, payload)));
          const problems = cut(bytes, places).map((piece) => reader.read(piece));
          expect(problems.every((problem) => problem === null)).toBe(true);
          expect(taken).toEqual(payloads.map((payload) => Buffer.from(payload).toString('hex')));
        },
      ),
    );
  });

  it('gives out nothing that one flipped bit has changed', () => {
    const good = blockOf(TAG, Buffer.from('the only true frame'));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(7), (at, bit) => {
        const { taken, reader } = reading();
        const bytes = Uint8Array.from(good);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        reader.read(bytes);
        expect(taken).toEqual([]);
      }),
    );
  });

  it('judges a length before it makes room for it', () => {
    const { reader } = reading(10);
    const header = Buffer.concat([TAG, Buffer.from('ffffffff00000000', 'hex')]);
    expect(reader.read(header)).toEqual<BlockProblem>({
      kind: 'size',
      sizeBytes: 0xffff_ffff,
      sizeBytesMax: 10,
    });
  });

  it('keeps a payload apart from the bytes that it came in', () => {
    const kept: Uint8Array[] = [];
    const take = (payload: Uint8Array): void => void kept.push(payload);
    const reader = new BlockReader({
      accepts: () => true,
      isWhole: hasChecksum,
      sizeBytesMax: 10,
      take,
    });
    const bytes = blockOf(TAG, Buffer.from('ours'));
    reader.read(bytes);
    bytes.fill(0);
    expect(Buffer.from(kept[0] ?? []).toString()).toBe('ours');
  });

  it('reads nothing after the first problem', () => {
    const { taken, reader } = reading();
    const foreign = blockOf(Buffer.alloc(TAG_BYTES), Buffer.from('a'));
    expect(reader.read(foreign)).toHaveProperty('kind', 'tag');
    expect(reader.read(blockOf(TAG, Buffer.from('b')))).toBeNull();
    expect(taken).toEqual([]);
  });
});
