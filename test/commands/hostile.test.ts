/**
 * Bytes that nobody of ours wrote: from a damaged disk, a broken peer, or somebody who wants the
 * node to fall over. Each ends with a named error or a batch, at once, and leaves no trace.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchToWire, type Batch } from '../../src/commands/command.ts';
import { LIMITS } from '../../src/commands/limits.ts';
import { MalformedCommand } from '../../src/commands/schema.ts';
import { decodeBatch, decodeCanonical, encodeBatch, encodeCanonical } from '../../src/log/codec.ts';
import { batches, commandsOf, KINDS } from './arbitraries.ts';

/** Decodes; answers whether it was a batch. Anything but a batch or MalformedCommand is a bug. */
function isBatch(bytes: Uint8Array): boolean {
  try {
    decodeBatch(bytes);
    return true;
  } catch (error) {
    if (error instanceof MalformedCommand) return false;
    throw error;
  }
}

describe('bytes by chance', () => {
  it('are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        isBatch(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it('in a batch: one changed, cut off, put in or left out', () => {
    fc.assert(
      fc.property(batches, fc.nat(), fc.nat(255), (batch, at, byte) => {
        const good = [...encodeBatch(batch)];
        const place = at % good.length;
        isBatch(Uint8Array.from(good.with(place, byte)));
        isBatch(Uint8Array.from(good.toSpliced(place, 0, byte)));
        isBatch(Uint8Array.from(good.toSpliced(place, 1)));
        expect(isBatch(Uint8Array.from(good.slice(0, place)))).toBe(false);
        expect(isBatch(Uint8Array.from([...good, byte]))).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a wrong type', () => {
  const wrong: readonly unknown[] = [
    null,
    true,
    -1,
    1.5,
    1e300,
    NaN,
    'x',
    '',
    [],
    [[]],
    {},
    { toString: 1, valueOf: 1 },
    Uint8Array.of(1, 2, 3),
  ];

  it.each(KINDS)('in any place of %s ends with a named error or a batch', (kind) => {
    for (const command of fc.sample(commandsOf(kind), { numRuns: 5, seed: 1 })) {
      const wire = batchToWire({ at: 1, commands: [command] });
      for (const path of pathsOf(wire)) {
        for (const value of wrong) isBatch(encodeCanonical(withAt(wire, path, value)));
      }
    }
  });

  it('is named with its place', () => {
    const bytes = (wire: unknown): Uint8Array => encodeCanonical(wire);
    expect(() => decodeBatch(bytes([1, 0]))).toThrow('batch: is not a list');
    expect(() => decodeBatch(bytes([2, 0, []]))).toThrow(
      'batch: has version 2; this build reads 1',
    );
    expect(() => decodeBatch(bytes([1, -1, []]))).toThrow('batch.at: is not a whole number');
    expect(() => decodeBatch(bytes([1, 0, [9]]))).toThrow('commands[0]: is not a list of tag');
    expect(() => decodeBatch(bytes([1, 0, [[99, 1, []]]]))).toThrow(
      'commands[0]: has tag 99, which this build does not know',
    );
    expect(() => decodeBatch(bytes([1, 0, [[9, 0, []]]]))).toThrow('clock: has no version');
    expect(() => decodeBatch(bytes([1, 0, [[9, 2, []]]]))).toThrow(
      'commands[0].clock: has version 2; this build reads up to 1: use a newer build',
    );
    expect(() => decodeBatch(bytes([1, 0, [[10, 1, ['n', 'x']]]]))).toThrow(
      'commands[0].lead.previousAt: is not a whole number',
    );
  });
});

type Path = readonly number[];

/** Every place in nested lists, the outermost first. */
function pathsOf(wire: unknown, path: Path = []): readonly Path[] {
  const inner = Array.isArray(wire) ? wire.flatMap((each, i) => pathsOf(each, [...path, i])) : [];
  return [path, ...inner];
}

function withAt(wire: unknown, [first, ...rest]: Path, value: unknown): unknown {
  if (first === undefined) return value;
  const items = wire as readonly unknown[];
  return items.with(first, withAt(items[first], rest, value));
}

describe('bombs', () => {
  const length = (token: number, count: number): readonly number[] => [
    token,
    ...Buffer.from(Uint32Array.of(count).buffer).toReversed(),
  ];
  const HUGE = [0x0100_0000, 0x7fff_ffff, 0xffff_ffff];

  it.each([
    ['list', 0xdd],
    ['map', 0xdf],
    ['text', 0xdb],
    ['bytes', 0xc6],
  ])('a %s that claims to be huge', (_name, token) => {
    for (const count of HUGE) {
      expect(isBatch(Uint8Array.from(length(token, count)))).toBe(false);
      // Claims in claims must not multiply.
      const nested = Array.from({ length: 1_000 }, () => length(token, count)).flat();
      expect(isBatch(Uint8Array.from([...nested, ...Array<number>(1_000).fill(0xc0)]))).toBe(false);
    }
  });

  it.each([
    ['lists', 0x91],
    ['maps', 0x81],
  ])('%s in each other, a million deep', (_name, token) => {
    expect(isBatch(new Uint8Array(1_000_000).fill(token))).toBe(false);
  });

  it('more bytes than a batch may have are not even looked at', () => {
    const bytes = new Uint8Array(LIMITS.batchBytes + 1);
    expect(() => decodeBatch(bytes)).toThrow('over the limit');
  });

  it('a tree in which every route has the same route twice (references, as msgpackr reads them)', () => {
    // Three levels are harmless; thirty would be 2^30 routes, all within the depth limit.
    for (const levels of [3, 30]) expect(isBatch(withRoute(shared(levels)))).toBe(false);
    expect(isBatch(withRoute(ROUTE))).toBe(true);
  });

  it.each([
    ['a record definition', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x05]],
    ['a set', [0xd4, 0x73, 0, 0x91, 1]],
    ['a date', [0xd6, 0xff, 0, 0, 0, 1]],
    ['an error', [0xd4, 0x65, 0, 0x93, 0xa1, 0x61, 0xa1, 0x62, 0xc0]],
    ['a large extension', [0xc7, 4, 0x40, 1, 2, 3, 4]],
    ['a token that means nothing', [0xc1]],
  ])('%s is refused: nothing of ours writes it', (_name, bytes) => {
    expect(() => decodeCanonical(Uint8Array.from(bytes))).toThrow(MalformedCommand);
  });

  it('what was refused leaves no trace in what is read next', () => {
    const batch: Batch = { at: 64, commands: [{ kind: 'lead', node: 'a', previousAt: 65 }] };
    const bytes = encodeBatch(batch);
    for (const bomb of [
      [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x05],
      [0xdd, 255, 255, 255, 255],
    ]) {
      isBatch(Uint8Array.from(bomb));
      expect(decodeBatch(bytes)).toEqual(batch);
    }
  });
});

/** The bytes of a route without children: the last of its fields is the empty list. */
const ROUTE = [...encodeCanonical(['root', [], [], false, 0, 1, 1, false, [], [], []])];

/** A route whose two children are one and the same route, and so on, so many levels down. */
function shared(levels: number): readonly number[] {
  if (levels === 0) return ROUTE;
  const child = [0xd6, 0x69, 0, 0, 0, levels, ...shared(levels - 1)];
  return [...ROUTE.slice(0, -1), 0x92, ...child, 0xd6, 0x70, 0, 0, 0, levels];
}

/** A batch that applies a configuration with this route. */
function withRoute(bytes: readonly number[]): Uint8Array {
  const batch = encodeBatch({
    at: 0,
    commands: [
      {
        kind: 'config',
        origin: '',
        source: '',
        externalUrl: null,
        config: {
          resolveTimeoutMs: 1,
          route: {
            receiver: 'root',
            matchers: [],
            groupBy: [],
            groupByAll: false,
            groupWaitMs: 0,
            groupIntervalMs: 1,
            repeatIntervalMs: 1,
            continue: false,
            muteIntervals: [],
            activeIntervals: [],
            routes: [],
          },
          receivers: [],
          inhibitRules: [],
          timeIntervals: [],
          checks: [],
          monitors: [],
        },
      },
    ],
  });
  const [before = '', after = ''] = hexOf(batch).split(hexOf(ROUTE));
  return Buffer.from(before + hexOf(bytes) + after, 'hex');
}

function hexOf(bytes: Iterable<number>): string {
  return Buffer.from([...bytes]).toString('hex');
}
