/** `tocsin snapshot ls`: which snapshots there are, how big, and how much each of them added. */

import type { ExitCode } from '../daemon/exit.ts';
import type { Manifest } from '../ports.ts';
import { bytesText, type Column } from './render-table.ts';
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

export function listCommand(args: ListingArgs, io: SnapshotIo): Promise<ExitCode> {
  return printListing(args, io, { columns: COLUMNS, rowsOf });
}

/** What only its manifest says is null for a snapshot whose manifest cannot be read. */
interface Row {
  readonly index: number;
  readonly state: SnapshotState;
  readonly term: number | null;
  readonly at: number | null;
  readonly chunks: number | null;
  /** Chunks that cannot be read; they are not in the bytes. */
  readonly damagedChunks: number;
  /** Bytes of all its chunks. */
  readonly bytes: number | null;
  /** Bytes that the snapshot before it does not have; null when that one cannot be read. */
  readonly newBytes: number | null;
  readonly root: string | null;
  readonly damage: readonly Damage[];
}

/** Enough of a root to tell two apart by eye; JSON has all of it. */
const ROOT_DIGITS = 16;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'INDEX', text: (row) => String(row.index) },
  { title: 'TERM', text: (row) => String(row.term ?? '') },
  { title: 'AT', text: (row) => timeText(row.at ?? 0) },
  { title: 'CHUNKS', text: (row) => String(row.chunks ?? '') },
  { title: 'BYTES', text: (row) => atLeast(row, row.bytes) },
  { title: 'NEW-BYTES', text: (row) => atLeast(row, row.newBytes) },
  { title: 'ROOT', text: (row) => row.root?.slice(0, ROOT_DIGITS) ?? '' },
  { title: 'STATE', text: stateText },
];

/** What cannot be read has a size that nobody knows. */
function atLeast({ damagedChunks }: Row, bytes: number | null): string {
  if (bytes === null) return '';
  return damagedChunks === 0 ? bytesText(bytes) : `${bytesText(bytes)} + ?`;
}

async function rowsOf(session: Session): Promise<readonly Row[]> {
  const { snapshots, sizes } = await surveyOf(session);
  const bytesOf = (hashes: Iterable<string>): number =>
    [...hashes].reduce((sum, hash) => sum + (sizes.get(hash) ?? 0), 0);
  return snapshots.map(({ index, state, manifest, damagedChunks, damage }, i) => {
    const found = { index, state, damagedChunks, damage };
    if (manifest === null) return { ...found, ...NO_MANIFEST };
    const { term, at, root, chunks } = manifest;
    const hashes = hashesOf(manifest);
    const before = snapshots[i + 1];
    const known = before === undefined ? new Set<string>() : hashesOf(before.manifest);
    const isKnown = before === undefined || before.manifest !== null;
    const newBytes = isKnown ? bytesOf([...hashes].filter((hash) => !known.has(hash))) : null;
    return { ...found, term, at, chunks: chunks.length, bytes: bytesOf(hashes), newBytes, root };
  });
}

const NO_MANIFEST = {
  term: null,
  at: null,
  chunks: null,
  bytes: null,
  newBytes: null,
  root: null,
} as const;

function hashesOf(manifest: Manifest | null): ReadonlySet<string> {
  return new Set(manifest?.chunks.map(([, hash]) => hash));
}
