/** A list in slices is what it is as a whole, wherever the cuts fall. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyFault, jsonSlices, Oversized } from '../../src/io/http/json-slices.ts';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { smallList } from '../../src/io/http/small-list.ts';

interface Found {
  readonly items: readonly unknown[];
  readonly end: number;
}

/** The items, or the fault; checks that each slice says where it begins. */
function read(text: string, sliceBytes: number, itemsMax = 1e6, valuesPerItemMax = 1e6): Found {
  const slices = jsonSlices(Buffer.from(text), 1, { itemsMax, valuesPerItemMax, sliceBytes });
  const items: unknown[] = [];
  for (;;) {
    const next = slices.next();
    if (next.done === true) return { items, end: next.value };
    if (next.value.items.length > 0) expect(next.value.first).toBe(items.length);
    items.push(...next.value.items);
  }
}

function outcome(text: string, sliceBytes: number): unknown {
  try {
    const { end, items } = read(text, sliceBytes);
    return Buffer.from(text).toString('utf8', end).trim() === '' ? items : 'fault';
  } catch (error) {
    if (error instanceof BodyFault) return 'fault';
    throw error;
  }
}

function whole(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return 'fault';
  }
}

/** Shallow and short, so that no limit is met. */
const json = fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 6 });
const indent = fc.constantFrom(undefined, 1, '\t', '\r\n');

describe('a list that is read in slices', () => {
  it('is what JSON.parse reads', () => {
    fc.assert(
      fc.property(json, indent, fc.integer({ min: 1, max: 40 }), (value, space, sliceBytes) => {
        const text = JSON.stringify(value, null, space);
        expect(outcome(text, sliceBytes)).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it('is refused when JSON.parse refuses it, and only then', () => {
    const cut = fc.record({
      at: fc.nat(),
      length: fc.nat(2),
      insert: fc.constantFrom('', ',', ']', '[', '{', '}', '"', '\\', ':', ' ', '1', 'null', '😀'),
    });
    fc.assert(
      fc.property(json, cut, fc.integer({ min: 1, max: 40 }), (value, edit, sliceBytes) => {
        const text = JSON.stringify(value);
        const at = 1 + (edit.at % text.length);
        const changed = text.slice(0, at) + edit.insert + text.slice(at + edit.length);
        expect(outcome(changed, sliceBytes)).toEqual(whole(changed));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['[', '[1', '[1,', '[,]', '[1,]', '[,1]', '[1,,2]', '[}', '[1}', '[{]}', '[1] 2', '["'])(
    '%s is no list',
    (text) => {
      for (const sliceBytes of [1, 100]) expect(outcome(text, sliceBytes)).toBe('fault');
    },
  );

  it('an item over a limit is named in its place, and its neighbours are read', () => {
    const { itemBytes, nesting, numberLength } = HTTP_LIMITS;
    const deep = '['.repeat(nesting + 1) + ']'.repeat(nesting + 1);
    const parts = [
      '1',
      deep,
      '"a"',
      '9'.repeat(numberLength + 1),
      `"${'x'.repeat(itemBytes)}"`,
      '[1,2,3,4,5]',
      '[[]]',
    ];
    for (const sliceBytes of [1, 1e9]) {
      const { items } = read(`[${parts.join(' , ')}]`, sliceBytes, 7, 4);
      const limits = items.map((item) => (item instanceof Oversized ? item.limit : item));
      expect(limits).toEqual([
        1,
        'nesting',
        'a',
        'number-length',
        'item-bytes',
        'item-values',
        [[]],
      ]);
    }
  });

  it('one item too many is refused before it is parsed', () => {
    expect(() => read('[1,2,3]', 100, 2)).toThrow('over 2 items: send it in parts');
    expect(read('[1,2]', 100, 2).items).toEqual([1, 2]);
  });

  it.each([
    ['brackets', '['.repeat(1_000)],
    ['a string', `"${'x'.repeat(1_000)}`],
    ['escapes', `"${'\\n'.repeat(500)}`],
    ['white space', ' '.repeat(1_000)],
  ])('stops once a slice also where there are only %s', (_, inner) => {
    const text = `[${inner}`;
    const slices = jsonSlices(Buffer.from(text), 1, {
      itemsMax: 1,
      valuesPerItemMax: 1,
      sliceBytes: 100,
    });
    for (let i = 0; i < 9; i++) expect(slices.next()).toMatchObject({ value: { items: [] } });
    expect(() => [...slices]).toThrow('it ends in the middle');
  });
});

describe('a short list that is read in one piece', () => {
  const { numberLength, nesting } = HTTP_LIMITS;
  const shape = { itemsMax: 6, valuesPerItemMax: 5, sliceBytes: 4 * numberLength };

  /** What the slices of the list are, if they hold nothing that is over a limit. */
  const inSlices = (text: string): unknown => {
    try {
      const items = [...jsonSlices(Buffer.from(text), 1, shape)].flatMap((slice) => slice.items);
      return items.some((item) => item instanceof Oversized) ? null : items;
    } catch {
      return null;
    }
  };

  /** Values with every limit in reach; a number as long as it has digits. */
  const deep = fc.nat(nesting + 2).map((depth) => '['.repeat(depth) + ']'.repeat(depth));
  const digits = fc.integer({ min: numberLength - 2, max: numberLength + 2 });
  const item = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
    deep,
    digits.map((count) => '9'.repeat(count)),
    digits.map((count) => `"${'x'.repeat(count)}"`),
  );

  it('is what its slices are, or is left to them', () => {
    let countRead = 0;
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 7 }),
        fc.constantFrom(',', ' ,\n'),
        (items, comma) => {
          const text = `[${items.join(comma)}]`;
          const read = smallList(Buffer.from(text), shape);
          if (read === null) return;
          countRead++;
          expect(read).toEqual(inSlices(text));
        },
      ),
      { numRuns: 1_000 },
    );
    expect(countRead).toBeGreaterThan(100);
  });

  it.each([
    ['no JSON', '[1,]'],
    ['an object', '{"a":1}'],
    ['too many items', '[1,2,3,4,5,6,7]'],
    ['too many values', '[{"a":[1,2,3,4,5]}]'],
    ['too deep', `[${'['.repeat(nesting + 1)}${']'.repeat(nesting + 1)}]`],
    ['a number that is too long', `[${'1'.repeat(numberLength + 1)}]`],
    ['more than a slice', `["${'x'.repeat(4 * numberLength)}"]`],
  ])('leaves %s to the slices, which name what is wrong', (_, text) => {
    expect(smallList(Buffer.from(text), shape)).toBeNull();
  });
});
