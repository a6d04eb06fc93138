import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeriesTable, bytesOf } from '../../src/io/monitors/series-table.ts';

function find(table: SeriesTable, name: string): number {
  const text = bytesOf(Buffer.from(`${name} 1\n`));
  const cursor = { at: 0 };
  const id = table.find(text, cursor);
  expect(cursor.at).toBe(Buffer.byteLength(name));
  return id;
}

/** The hash of the table: its seed and prime are no secret, so anyone can look for collisions. */
function fnv(name: string): number {
  return [...Buffer.from(name)].reduce(
    (hash, byte) => Math.imul(hash ^ byte, 0x01000193),
    0x811c9dc5 | 0,
  );
}

describe('the table of series', () => {
  it('agrees with a map over any order of adding and finding', () => {
    const names = fc.stringMatching(/^[ab]{1,9}$/);
    fc.assert(
      fc.property(fc.array(names, { maxLength: 200 }), (asked) => {
        const table = new SeriesTable();
        const model = new Map<string, number>();
        for (const name of asked) {
          expect(find(table, name)).toBe(model.get(name) ?? -1);
          if (model.has(name)) continue;
          model.set(name, model.size * 10);
          table.add(Buffer.from(name), (model.size - 1) * 10);
        }
        expect(table.size).toBe(model.size);
      }),
    );
  });

  it('keeps every id while it grows', () => {
    const table = new SeriesTable();
    const names = Array.from({ length: 20_000 }, (_, i) => `servers.${i}.load`);
    for (const [id, name] of names.entries()) table.add(Buffer.from(name), id);
    const text = bytesOf(Buffer.from(names.toReversed().concat(names).join('\n') + '\n'));
    const ids: number[] = [];
    for (const cursor = { at: 0 }; cursor.at < text.bytes.length; cursor.at++) {
      ids.push(table.find(text, cursor));
    }
    const inOrder = [...names.keys()];
    expect(ids).toEqual(inOrder.toReversed().concat(inOrder));
  });

  it('does not take a name for another that starts alike', () => {
    const table = new SeriesTable();
    table.add(Buffer.from('load'), 1);
    table.add(Buffer.from('loadavg'), 2);
    expect(find(table, 'load')).toBe(1);
    expect(find(table, 'loadavg')).toBe(2);
    expect(find(table, 'loadav')).toBe(-1);
    expect(find(table, 'load')).toBe(1);
    expect(find(table, 'loadavgs')).toBe(-1);
  });

  it('is bounded by names and by bytes, and stays right when it is full', () => {
    const few = new SeriesTable({ namesMax: 2, bytesMax: 1_000 });
    for (const [i, name] of ['a', 'b', 'c'].entries()) few.add(Buffer.from(name), i);
    expect([few.size, find(few, 'b'), find(few, 'c')]).toEqual([2, 1, -1]);

    const short = new SeriesTable({ namesMax: 100, bytesMax: 18 });
    short.add(Buffer.from('12345678'), 1);
    short.add(Buffer.from('123'), 2);
    expect([short.size, find(short, '12345678'), find(short, '123')]).toEqual([1, 1, -1]);
  });

  it('does not take a name for another with the same hash', () => {
    const twins = ['web-0y8hwtv.load', 'web-0ow1h83.load'] as const;
    expect(fnv(twins[0])).toBe(fnv(twins[1]));
    const table = new SeriesTable();
    table.add(Buffer.from(twins[0]), 1);
    expect(find(table, twins[1])).toBe(-1);
    table.add(Buffer.from(twins[1]), 2);
    expect([find(table, twins[0]), find(table, twins[1])]).toEqual([1, 2]);
  });

  it('gives up on names that were made to collide, instead of getting slow', () => {
    const crowd: string[] = [];
    for (let i = 0; crowd.length < 200; i++) {
      const hash = fnv(`n${i}`);
      if (((hash ^ (hash >>> 15)) & 1_023) === 7) crowd.push(`n${i}`);
    }
    const table = new SeriesTable();
    for (const [i, name] of crowd.entries()) table.add(Buffer.from(name), i);
    // Backwards, because in the order of adding each name is found behind the one before it.
    const found = crowd.toReversed().map((name) => find(table, name));
    expect(found.toReversed()).toEqual(crowd.map((_, i) => (i < 64 ? i : -1)));
  });
});
