/**
 * Pages: rows by small whole-number id, in two levels of plain objects.
 *
 * Promise: a write copies one page of at most 1,024 rows and one directory of 64 pages, never the
 * table (DESIGN section 6); an empty page and an empty directory are removed, so that equal rows
 * are equal pages whatever the history. Keys are small integers, which V8 keeps in arrays.
 */

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

/** The same rows but for these changes; `null` removes. The same pages when nothing changes. */
export function changedPages<Row>(
  pages: Pages<Row>,
  changes: Iterable<readonly [id: number, row: Row | null]>,
): Pages<Row> {
  const copies = new Map<number, Record<number, Row>>();
  const shrunk = new Set<number>();
  for (const [id, row] of changes) {
    const place = id >>> PAGE_BITS;
    const local = id & LOCAL_MASK;
    let page = copies.get(place);
    const before = page === undefined ? rowAt(pages, id) : page[local];
    if (before === (row ?? undefined)) continue;
    if (page === undefined) {
      page = { ...pages[place >>> DIRECTORY_BITS]?.[place & PAGE_MASK] };
      copies.set(place, page);
    }
    if (row === null) {
      delete page[local];
      shrunk.add(place);
    } else {
      page[local] = row;
    }
  }
  return withPages(pages, copies, shrunk);
}

/**
 * Directories with these pages in their places, of which the lowest bits say where in its directory
 * a page stands. A page without rows goes, and so does a directory without pages. Only the `shrunk` pages
 * are looked at for that: V8 collects all keys of a page to say whether it has any.
 *
 * All is copied by hand: a draft of Immer would ask for the keys of a whole page to find out
 * whether it is empty, and look through every page of a directory that it is handed.
 */
export function withPages<AnyPage extends object>(
  directories: Readonly<Record<number, Readonly<Record<number, AnyPage>>>>,
  pages: ReadonlyMap<number, AnyPage>,
  shrunk: ReadonlySet<number>,
): Readonly<Record<number, Readonly<Record<number, AnyPage>>>> {
  if (pages.size === 0) return directories;
  const copies = new Map<number, Record<number, AnyPage>>();
  for (const [place, page] of pages) {
    const high = place >>> DIRECTORY_BITS;
    let directory = copies.get(high);
    if (directory === undefined) {
      directory = { ...directories[high] };
      copies.set(high, directory);
    }
    if (shrunk.has(place) && isEmpty(page)) delete directory[place & PAGE_MASK];
    else directory[place & PAGE_MASK] = page;
  }
  const all: Record<number, Readonly<Record<number, AnyPage>>> = { ...directories };
  for (const [high, directory] of copies) {
    if (shrunk.size > 0 && isEmpty(directory)) delete all[high];
    else all[high] = directory;
  }
  return all;
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
