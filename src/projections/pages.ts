/**
 * Pages: rows by small whole-number id, in two levels of plain objects.
 *
 * Promise: a write copies one page of at most 1,024 rows and one directory of 64 pages, never the
 * table (DESIGN section 6); an empty page and an empty directory are removed, so that equal rows
 * are equal pages whatever the history. Keys are small integers, which V8 keeps in arrays.
 */

import type { Draft } from 'immer';

export type Page<Row> = Readonly<Record<number, Row>>;
export type Directory<Row> = Readonly<Record<number, Page<Row>>>;
export type Pages<Row> = Readonly<Record<number, Directory<Row>>>;

const PAGE_BITS = 10;
const DIRECTORY_BITS = 6;
const LOCAL_MASK = (1 << PAGE_BITS) - 1;
const PAGE_MASK = (1 << DIRECTORY_BITS) - 1;

export function rowAt<Row>(pages: Pages<Row>, id: number): Row | undefined {
  return pages[id >>> (PAGE_BITS + DIRECTORY_BITS)]?.[(id >>> PAGE_BITS) & PAGE_MASK]?.[
    id & LOCAL_MASK
  ];
}

export function setRow<Row>(draft: Draft<Pages<Row>>, id: number, row: Row): void {
  const directories = draft as Record<number, Record<number, Record<number, Row>>>;
  const directory = (directories[id >>> (PAGE_BITS + DIRECTORY_BITS)] ??= {});
  const page = (directory[(id >>> PAGE_BITS) & PAGE_MASK] ??= {});
  page[id & LOCAL_MASK] = row;
}

export function removeRow<Row>(draft: Draft<Pages<Row>>, id: number): void {
  const directories = draft as Record<number, Record<number, Record<number, Row>>>;
  const high = id >>> (PAGE_BITS + DIRECTORY_BITS);
  const middle = (id >>> PAGE_BITS) & PAGE_MASK;
  const directory = directories[high];
  const page = directory?.[middle];
  if (directory === undefined || page === undefined) return;
  delete page[id & LOCAL_MASK];
  if (!isEmpty(page)) return;
  delete directory[middle];
  if (isEmpty(directory)) delete directories[high];
}

/** All rows in the order of their ids. */
export function* rowsOf<Row>(pages: Pages<Row>): Generator<readonly [id: number, row: Row]> {
  for (const [high, directory] of Object.entries(pages)) {
    for (const [middle, page] of Object.entries(directory)) {
      const first = ((Number(high) << DIRECTORY_BITS) | Number(middle)) << PAGE_BITS;
      for (const [local, row] of Object.entries(page)) yield [first + Number(local), row];
    }
  }
}

export function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}
