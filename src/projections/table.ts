/**
 * Tables: rows by text key, spread over 1,024 pages by a hash of the key.
 *
 * Promise: as for pages, a write copies one page and one directory, and equal rows are equal pages
 * whatever the history. A key may be any text but `__proto__`. The hash only spreads; it is not a
 * defence, so keys that people choose (groups) are as safe as the sizes they may have.
 */

import type { Draft } from 'immer';
import { isEmpty } from './pages.ts';

export interface Table<Row> {
  readonly size: number;
  readonly directories: Readonly<
    Record<number, Readonly<Record<number, Readonly<Record<string, Row>>>>>
  >;
}

interface MutableTable<Row> {
  size: number;
  directories: Record<number, Record<number, Record<string, Row>>>;
}

export function emptyTable<Row>(): Table<Row> {
  return { size: 0, directories: {} };
}

export function get<Row>(table: Table<Row>, key: string): Row | undefined {
  const hash = hashOf(key);
  const page = table.directories[hash >>> 5]?.[hash & 31];
  // A key such as `constructor` must not find what every object inherits.
  return page !== undefined && Object.hasOwn(page, key) ? page[key] : undefined;
}

export function put<Row>(draft: Draft<Table<Row>>, key: string, row: Row): void {
  const table = draft as MutableTable<Row>;
  const hash = hashOf(key);
  const directory = (table.directories[hash >>> 5] ??= {});
  const page = (directory[hash & 31] ??= {});
  if (!Object.hasOwn(page, key)) table.size++;
  page[key] = row;
}

export function remove<Row>(draft: Draft<Table<Row>>, key: string): void {
  const table = draft as MutableTable<Row>;
  const hash = hashOf(key);
  const directory = table.directories[hash >>> 5];
  const page = directory?.[hash & 31];
  if (directory === undefined || page === undefined || !Object.hasOwn(page, key)) return;
  delete page[key];
  table.size--;
  if (!isEmpty(page)) return;
  delete directory[hash & 31];
  if (isEmpty(directory)) delete table.directories[hash >>> 5];
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

/** Ten bits of 32-bit FNV-1a over the UTF-16 units of the key. */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 10) ^ (hash >>> 20)) & 1023;
}
