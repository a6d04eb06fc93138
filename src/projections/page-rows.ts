/**
 * Pages of state as rows with the keys that people know: a series by its id, an alert by its
 * fingerprint, an audit event by its number, a timer by its key and time.
 */

/** One row of a table of the state, as it is stored. */
export interface StateRow {
  readonly table: string;
  readonly key: string;
  readonly row: unknown;
}

/** The rows of the page at `path`, such as `alerts/3/17`. */
export function* rowsOfPage(path: string, page: object): Generator<StateRow> {
  const [table = '', high = '0', low = '0'] = path.split('/');
  switch (table) {
    case 'config':
    case 'facts':
      yield { table, key: table, row: page };
      return;
    case 'series':
    case 'breaches':
    case 'seen':
    case 'audit':
      for (const [local, row] of Object.entries(page)) {
        yield { table, key: String(rowId(Number(high), Number(low), Number(local))), row };
      }
      return;
    case 'foldTimers':
    case 'flushTimers':
    case 'attemptTimers':
      yield* timersOf(table, page);
      return;
    default:
      for (const [key, row] of Object.entries(page)) yield { table, key, row };
  }
}

/** As `projections/pages.ts` lays ids out: 64 pages of 1,024 rows in a directory. */
function rowId(high: number, low: number, local: number): number {
  return (high * 64 + low) * 1_024 + local;
}

/** The page is in buckets of key → time. A key may stand under two times, so both name the row. */
function* timersOf(table: string, page: object): Generator<StateRow> {
  for (const bucket of Object.values(page)) {
    for (const [key, at] of Object.entries(bucket as Readonly<Record<string, number>>)) {
      yield { table, key: `${key}@${at}`, row: at };
    }
  }
}
