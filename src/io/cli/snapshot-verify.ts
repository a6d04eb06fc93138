/** `tocsin snapshot verify`: reads every chunk of every snapshot and says which are damaged. */

import type { ExitCode } from '../daemon/exit.ts';
import type { Column } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';
import type { Damage } from './snapshot-damage.ts';
import { printListing, type ListingArgs } from './snapshot-listing.ts';
import {
  stateText,
  type Session,
  type SnapshotIo,
  type SnapshotState,
} from './snapshot-session.ts';
import { surveyOf } from './snapshot-survey.ts';

export function verifyCommand(args: ListingArgs, io: SnapshotIo): Promise<ExitCode> {
  return printListing(args, io, { columns: COLUMNS, rowsOf });
}

interface Row {
  readonly index: number;
  readonly state: SnapshotState;
  /** Null when its manifest cannot be read. */
  readonly at: number | null;
  readonly chunks: number | null;
  readonly damagedChunks: number;
  readonly damage: readonly Damage[];
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'INDEX', text: (row) => String(row.index) },
  { title: 'AT', text: (row) => timeText(row.at ?? 0) },
  { title: 'CHUNKS', text: (row) => String(row.chunks ?? '') },
  { title: 'STATE', text: stateText },
];

async function rowsOf(session: Session): Promise<readonly Row[]> {
  const { snapshots } = await surveyOf(session);
  return snapshots.map(({ manifest, ...found }) => ({
    ...found,
    at: manifest?.at ?? null,
    chunks: manifest?.chunks.length ?? null,
  }));
}
