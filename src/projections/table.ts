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

import { withPages } from './pages.ts';

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

/** The same rows but for these changes; `null` removes. The same table when nothing changes. */
export function changedTable<Row>(
  table: Table<Row>,
  changes: Iterable<readonly [key: string, row: Row | null]>,
): Table<Row> {
  const rewrite = new Rewrite(table.directories);
  let { size } = table;
  for (const [key, row] of changes) {
    rewrite.change(key, (before) => {
      size += Number(row !== null) - Number(before !== undefined);
      return row ?? undefined;
    });
  }
  const directories = rewrite.finish();
  return directories === table.directories ? table : { size, directories };
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

/** Directories that are being written to: each page that changes is copied, once. */
export class Rewrite<Row> {
  readonly #directories: Directories<Row>;
  readonly #copies = new Map<number, Record<string, Row>>();
  readonly #shrunk = new Set<number>();

  constructor(directories: Directories<Row>) {
    this.#directories = directories;
  }

  /** Puts what `next` makes of the row of a key in its place; undefined is no row. */
  change(key: string, next: (before: Row | undefined) => Row | undefined): void {
    const hash = hashOf(key);
    const copy = this.#copies.get(hash);
    const page = copy ?? this.#directories[hash >>> LEVEL_BITS]?.[hash & LEVEL_MASK];
    const before = page?.[key];
    const after = next(before);
    if (after === before) return;
    const written = copy ?? withoutPrototype(page ?? {});
    if (copy === undefined) this.#copies.set(hash, written);
    if (after === undefined) {
      delete written[key];
      this.#shrunk.add(hash);
    } else {
      written[key] = after;
    }
  }

  finish(): Directories<Row> {
    return withPages(this.#directories, this.#copies, this.#shrunk);
  }
}

/** The same entries without a prototype. */
export function withoutPrototype<Row>(page: Readonly<Record<string, Row>>): Record<string, Row> {
  const copy = Object.create(null) as Record<string, Row>;
  // Half of the time that `Object.assign` takes.
  for (const key in page) copy[key] = page[key] as Row;
  return copy;
}

/** Twelve bits of 32-bit FNV-1a over the UTF-16 units of the key. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return (hash ^ (hash >>> 12) ^ (hash >>> 24)) & 4095;
}
