/** `tocsin snapshot verify`: reads every chunk of every snapshot and says which are damaged. */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { tableLines, type Column, type Format } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';
import type { Damage } from './snapshot-damage.ts';
import {
  inSession,
  stateText,
  type Session,
  type SnapshotIo,
  type SnapshotState,
} from './snapshot-session.ts';
import { surveyOf } from './snapshot-survey.ts';

export interface VerifyArgs {
  readonly dataDir: string;
  readonly format: Format;
}

export function verifyCommand(args: VerifyArgs, io: SnapshotIo): Promise<ExitCode> {
  return inSession(args.dataDir, io, async (session) => {
    const rows = await rowsOf(session);
    await session.out.lines(linesOf(rows, args.format));
    return EXIT.ok;
  });
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

function linesOf(rows: readonly Row[], format: Format): readonly string[] {
  if (format === 'json') return [JSON.stringify(rows, null, 2)];
  if (format === 'jsonl') return rows.map((row) => JSON.stringify(row));
  return tableLines(COLUMNS, rows);
}

async function rowsOf(session: Session): Promise<readonly Row[]> {
  const { snapshots } = await surveyOf(session);
  return snapshots.map(({ manifest, ...found }) => ({
    ...found,
    at: manifest?.at ?? null,
    chunks: manifest?.chunks.length ?? null,
  }));
}
