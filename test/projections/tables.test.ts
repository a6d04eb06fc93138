/** Tables and pages against a plain map, and the promise that equal rows are equal pages. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedPages, rowAt, rowsOf, type Pages } from '../../src/projections/pages.ts';
import { changedTable, emptyTable, entries, get, type Table } from '../../src/projections/table.ts';

/** `null` removes. */
const change = fc.option(fc.nat(9));
/** Any text but the one name that a plain object cannot hold; minted ids and keys never are it. */
const key = fc.oneof(
  fc.constantFrom('a', 'b', 'constructor', 'toString', '7'),
  fc.string().filter((text) => text !== '__proto__'),
);
/** In one page, in the next one, and in another directory. */
const id = fc.oneof(fc.nat(3), fc.constantFrom(1_023, 1_024, 65_535, 65_536, 2_147_483_647));

/** Changes come in entries of one, or all in one: it makes no difference. */
const together = fc.boolean();

function tableOf(
  changes: readonly (readonly [string, number | null])[],
  inOne = true,
): Table<number> {
  if (inOne) return changedTable(emptyTable<number>(), changes);
  return changes.reduce((table, each) => changedTable(table, [each]), emptyTable<number>());
}

function pagesFrom(
  changes: readonly (readonly [number, number | null])[],
  inOne = true,
): Pages<number> {
  if (inOne) return changedPages({}, changes);
  return changes.reduce<Pages<number>>((pages, each) => changedPages(pages, [each]), {});
}

/** What is left after all changes, by key. */
function leftOf<Key>(changes: readonly (readonly [Key, number | null])[]): Map<Key, number> {
  const left = new Map<Key, number>();
  for (const [name, row] of changes) {
    if (row === null) left.delete(name);
    else left.set(name, row);
  }
  return left;
}

describe('a table', () => {
  it('holds what a map holds, whatever the keys are called', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, change)), key, together, (changes, other, inOne) => {
        const table = tableOf(changes, inOne);
        const left = leftOf(changes);
        expect(table.size).toBe(left.size);
        expect(new Map(entries(table))).toEqual(left);
        for (const name of [...left.keys(), other]) expect(get(table, name)).toBe(left.get(name));
      }),
    );
  });

  it('is the same table when the same rows came another way', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, change)), (changes) => {
        const direct = tableOf([...leftOf(changes)].toReversed());
        expect(tableOf(changes)).toEqual(direct);
        expect([...entries(tableOf(changes))]).toEqual([...entries(direct)]);
      }),
    );
  });

  it('is the very same table when nothing changes', () => {
    const table = tableOf([['a', 1]]);
    expect(
      changedTable(table, [
        ['a', 1],
        ['b', null],
      ]),
    ).toBe(table);
  });

  it('copies one page and one directory for a write', () => {
    const keys = Array.from({ length: 5_000 }, (_, i) => `alert-${i}`);
    const before = tableOf(keys.map((name) => [name, 1]));
    const after = changedTable(before, [['alert-77', 2]]);
    const copied = Object.entries(after.directories).flatMap(([high, directory]) =>
      Object.entries(directory).filter(
        ([low, page]) => page !== before.directories[Number(high)]?.[Number(low)],
      ),
    );
    expect(copied).toHaveLength(1);
  });
});

describe('pages', () => {
  it('hold what a map holds, in the order of ids', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(id, change)), id, together, (changes, other, inOne) => {
        const pages = pagesFrom(changes, inOne);
        const left = leftOf(changes);
        expect([...rowsOf(pages)]).toEqual([...left].sort(([a], [b]) => a - b));
        for (const at of [...left.keys(), other]) expect(rowAt(pages, at)).toBe(left.get(at));
      }),
    );
  });

  it('are the very same pages when nothing changes', () => {
    const pages = pagesFrom([[7, 1]]);
    expect(
      changedPages(pages, [
        [7, 1],
        [8, null],
        [70_000, null],
      ]),
    ).toBe(pages);
  });

  it('are the same pages when the same rows came another way', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(id, change)), (changes) => {
        expect(pagesFrom(changes)).toEqual(pagesFrom([...leftOf(changes)].toReversed()));
      }),
    );
  });
});
