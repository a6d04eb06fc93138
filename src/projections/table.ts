/**
 * Tables: rows by text key, spread over 4,096 pages by a hash of the key.
 *
 * Promise: as for pages, a write copies one page and one directory of 64, and equal rows are equal
 * pages whatever the history. The hash only spreads; it is not a defence, so keys that people
 * choose (groups) are as safe as the sizes they may have.
 *
 * Pages have no prototype. V8 would give every set of keys a hidden class of its own, which makes
 * copying a page three times as slow (measured with 5 and with 25 keys); and a key such as
 * `constructor` or `__proto__` is then a key like any other.
 */

import type { Draft } from 'immer';
import { isEmpty } from './pages.ts';

/** Pages by hash, in two levels of 64. Timers are made of them, too. */
export type Directories<Row> = Readonly<
  Record<number, Readonly<Record<number, Readonly<Record<string, Row>>>>>
>;

export interface Table<Row> {
  readonly size: number;
  readonly directories: Directories<Row>;
}

const LEVEL_BITS = 6;
const LEVEL_MASK = (1 << LEVEL_BITS) - 1;

export function emptyTable<Row>(): Table<Row> {
  return { size: 0, directories: {} };
}

export function get<Row>(table: Table<Row>, key: string): Row | undefined {
  const hash = hashOf(key);
  return table.directories[hash >>> LEVEL_BITS]?.[hash & LEVEL_MASK]?.[key];
}

export function put<Row>(draft: Draft<Table<Row>>, key: string, row: Row): void {
  if (putIn(draft.directories, key, row)) draft.size++;
}

export function remove<Row>(draft: Draft<Table<Row>>, key: string): void {
  if (removeIn(draft.directories, key)) draft.size--;
}

/** All rows, in an order that depends on the keys alone. */
export function* entries<Row>(table: Table<Row>): Generator<readonly [key: string, row: Row]> {
  for (const directory of Object.values(table.directories)) {
    for (const page of Object.values(directory)) {
      for (const key of Object.keys(page).sort()) {
        const row = page[key];
        if (row !== undefined) yield [key, row];
      }
    }
  }
}

type MutableDirectories<Row> = Record<number, Record<number, Record<string, Row>>>;

/** Writes a row; answers whether its key is new. */
export function putIn<Row>(draft: Draft<Directories<Row>>, key: string, row: Row): boolean {
  const directories = draft as MutableDirectories<Row>;
  const hash = hashOf(key);
  const directory = (directories[hash >>> LEVEL_BITS] ??= {});
  const page = (directory[hash & LEVEL_MASK] ??= bare<Row>({}));
  const isNew = !(key in page);
  page[key] = row;
  return isNew;
}

/** Removes a row, and the page and directory that it leaves empty; answers whether it was there. */
export function removeIn<Row>(draft: Draft<Directories<Row>>, key: string): boolean {
  const directories = draft as MutableDirectories<Row>;
  const hash = hashOf(key);
  const directory = directories[hash >>> LEVEL_BITS];
  const page = directory?.[hash & LEVEL_MASK];
  if (directory === undefined || page === undefined || !(key in page)) return false;
  delete page[key];
  if (isEmpty(page)) delete directory[hash & LEVEL_MASK];
  if (isEmpty(directory)) delete directories[hash >>> LEVEL_BITS];
  return true;
}

/** The same entries without a prototype. */
export function bare<Row>(page: Readonly<Record<string, Row>>): Record<string, Row> {
  return Object.assign(Object.create(null) as Record<string, Row>, page);
}

/** Twelve bits of 32-bit FNV-1a over the UTF-16 units of the key. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 12) ^ (hash >>> 24)) & 4095;
}
