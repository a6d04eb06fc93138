/** Prints one row for each snapshot of a store, in the format that the command line names. */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { tableLines, type Column, type Format } from './render-table.ts';
import { inSession, type Session, type SnapshotIo } from './snapshot-session.ts';

export interface ListingArgs {
  readonly dataDir: string;
  readonly format: Format;
}

export interface Listing<Row> {
  readonly columns: readonly Column<Row>[];
  /** The rows, the newest snapshot first. */
  readonly rowsOf: (session: Session) => Promise<readonly Row[]>;
}

/** Reads the store of `args.dataDir` and prints it; the result is the exit code. */
export function printListing<Row>(
  args: ListingArgs,
  io: SnapshotIo,
  { columns, rowsOf }: Listing<Row>,
): Promise<ExitCode> {
  return inSession(args.dataDir, io, async (session) => {
    const rows = await rowsOf(session);
    await session.out.lines(linesOf(columns, rows, args.format));
    return EXIT.ok;
  });
}

function linesOf<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  format: Format,
): readonly string[] {
  if (format === 'json') return [JSON.stringify(rows, null, 2)];
  if (format === 'jsonl') return rows.map((row) => JSON.stringify(row));
  return tableLines(columns, rows);
}
