/** `tocsin snapshot ls`: which snapshots there are, how big, and how much each of them added. */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { Manifest } from '../ports.ts';
import { bytesText, tableLines, timeText, type Column, type Format } from './render-table.ts';
import { inSession, type Session, type SnapshotIo } from './snapshot-session.ts';

export interface ListArgs {
  readonly dataDir: string;
  readonly format: Format;
}

export function listCommand(args: ListArgs, io: SnapshotIo): Promise<ExitCode> {
  return inSession(args.dataDir, io, async (session) => {
    const rows = await rowsOf(session);
    await session.out.lines(linesOf(rows, args.format));
    return EXIT.ok;
  });
}

interface Row {
  readonly index: number;
  readonly term: number;
  readonly at: number;
  readonly chunks: number;
  /** Bytes of all its chunks, and of those that the snapshot before it does not have. */
  readonly bytes: number;
  readonly newBytes: number;
  readonly root: string;
}

/** Enough of a root to tell two apart by eye; JSON has all of it. */
const ROOT_DIGITS = 16;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'INDEX', text: (row) => String(row.index) },
  { title: 'TERM', text: (row) => String(row.term) },
  { title: 'AT', text: (row) => timeText(row.at) },
  { title: 'CHUNKS', text: (row) => String(row.chunks) },
  { title: 'BYTES', text: (row) => bytesText(row.bytes) },
  { title: 'NEW-BYTES', text: (row) => bytesText(row.newBytes) },
  { title: 'ROOT', text: (row) => row.root.slice(0, ROOT_DIGITS) },
];

function linesOf(rows: readonly Row[], format: Format): readonly string[] {
  if (format === 'json') return [JSON.stringify(rows, null, 2)];
  if (format === 'jsonl') return rows.map((row) => JSON.stringify(row));
  return tableLines(COLUMNS, rows);
}

async function rowsOf(session: Session): Promise<readonly Row[]> {
  const manifests = await session.manifests();
  const sizes = new Map<string, number>();
  for (const manifest of manifests) await addSizes(session, manifest, sizes);
  return manifests.map((manifest, i) => {
    const hashes = hashesOf(manifest);
    const before = hashesOf(manifests[i + 1]);
    const { index, term, at, root, chunks } = manifest;
    const added = [...hashes].filter((hash) => !before.has(hash));
    const bytes = (some: Iterable<string>): number =>
      [...some].reduce((sum, hash) => sum + (sizes.get(hash) ?? 0), 0);
    const total = { bytes: bytes(hashes), newBytes: bytes(added) };
    return { index, term, at, chunks: chunks.length, ...total, root };
  });
}

/** Reads the chunks whose size is not known yet; what is damaged counts as nothing. */
async function addSizes(
  session: Session,
  manifest: Manifest,
  sizes: Map<string, number>,
): Promise<void> {
  const chunks = manifest.chunks.filter(([, hash]) => !sizes.has(hash));
  for await (const read of session.snapshots.pages({ ...manifest, chunks })) {
    sizes.set(read.hash, read.ok ? read.size : 0);
    if (!read.ok) await session.complain(read.problem);
  }
}

function hashesOf(manifest: Manifest | undefined): ReadonlySet<string> {
  return new Set(manifest?.chunks.map(([, hash]) => hash));
}
