/** `tocsin snapshot verify`: reads every chunk of every snapshot and names each that is damaged. */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { Manifest } from '../ports.ts';
import { tableLines, timeText, type Column, type Format } from './render-table.ts';
import { inSession, type Session, type SnapshotIo } from './snapshot-session.ts';

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
  readonly at: number;
  readonly chunks: number;
  readonly problems: readonly string[];
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'INDEX', text: (row) => String(row.index) },
  { title: 'AT', text: (row) => timeText(row.at) },
  { title: 'CHUNKS', text: (row) => String(row.chunks) },
  { title: 'STATUS', text: (row) => statusOf(row) },
];

function statusOf({ problems }: Row): string {
  return problems.length === 0 ? 'good' : `${problems.length} damaged`;
}

function linesOf(rows: readonly Row[], format: Format): readonly string[] {
  if (format === 'json') return [JSON.stringify(rows, null, 2)];
  if (format === 'jsonl') return rows.map((row) => JSON.stringify(row));
  return tableLines(COLUMNS, rows);
}

async function rowsOf(session: Session): Promise<readonly Row[]> {
  const good = new Set<string>();
  const rows: Row[] = [];
  for (const manifest of await session.manifests()) {
    rows.push(await verified(session, manifest, good));
  }
  return rows;
}

/** A chunk that several snapshots share is read once when it is good, and named by each when not. */
async function verified(session: Session, manifest: Manifest, good: Set<string>): Promise<Row> {
  const problems: string[] = [];
  const chunks = manifest.chunks.filter(([, hash]) => !good.has(hash));
  for await (const read of session.snapshots.pages({ ...manifest, chunks })) {
    if (read.ok) {
      good.add(read.hash);
    } else {
      problems.push(read.problem);
      await session.complain(read.problem);
    }
  }
  const { index, at } = manifest;
  return { index, at, chunks: manifest.chunks.length, problems };
}
