/**
 * `tocsin snapshot diff`: which rows were added, removed or changed between two snapshots. Pages
 * that both share are not read, so the cost is what changed.
 */

import type { AppliedConfig } from '../../projections/state.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { Manifest } from '../ports.ts';
import { tableLines, type Column, type Format } from './render-table.ts';
import { redactedConfig, type Redact } from './snapshot-redact.ts';
import { rowsOfPage, type StateRow } from '../../projections/page-rows.ts';
import { inSession, type Session, type SnapshotIo } from './snapshot-session.ts';

export interface DiffArgs {
  readonly dataDir: string;
  /** An index, `latest` or `previous`. */
  readonly from: string;
  readonly to: string;
  readonly format: Format;
}

export function diffCommand(args: DiffArgs, io: SnapshotIo): Promise<ExitCode> {
  return inSession(args.dataDir, io, async (session) => {
    const listed = await session.listed();
    const from = await session.choose(listed, args.from);
    if (typeof from === 'number') return from;
    const to = await session.choose(listed, args.to);
    if (typeof to === 'number') return to;
    const { changes, unreadable } = await changesOf(session, from, to);
    const rows = changes.map((change) => redacted(change, io.redact));
    const shown = [...rows, ...unreadableRows(unreadable)];
    const which = `from ${from.index} to ${to.index}`;
    await session.printNotice(
      unreadable.length === 0
        ? `${which}: ${rows.length} rows differ`
        : `${which}: ${rows.length} rows differ, and ${unreadable.length} pages that differ cannot be compared`,
    );
    await session.out.lines(linesOf(shown, args.format));
    return EXIT.ok;
  });
}

interface Change {
  /** `unreadable` for pages of a table that differ, where one of them cannot be read. */
  readonly change: 'added' | 'removed' | 'changed' | 'unreadable';
  readonly table: string;
  /** Empty when unreadable. */
  readonly key: string;
  /** How many pages are unreadable. */
  readonly pages?: number;
  /** Absent when added. */
  readonly before?: unknown;
  /** Absent when removed. */
  readonly after?: unknown;
}

const COLUMNS: readonly Column<Change>[] = [
  { title: 'CHANGE', text: (row) => row.change },
  { title: 'TABLE', text: (row) => row.table },
  { title: 'KEY', text: (row) => row.key },
  { title: 'WHAT', text: detailOf },
];

function linesOf(changes: readonly Change[], format: Format): readonly string[] {
  if (format === 'json') return [JSON.stringify(changes, null, 2)];
  if (format === 'jsonl') return changes.map((change) => JSON.stringify(change));
  return tableLines(COLUMNS, changes);
}

/** A row for each table of which pages cannot be compared. */
function unreadableRows(paths: readonly string[]): readonly Change[] {
  const counts = new Map<string, number>();
  for (const each of paths) {
    const [table = ''] = each.split('/');
    counts.set(table, (counts.get(table) ?? 0) + 1);
  }
  return [...counts].map(([table, pages]) => ({ change: 'unreadable', table, key: '', pages }));
}

/** The rows that differ, and the paths of pages that differ and cannot be read. */
async function changesOf(
  session: Session,
  from: Manifest,
  to: Manifest,
): Promise<{ readonly changes: readonly Change[]; readonly unreadable: readonly string[] }> {
  const before = new Map(from.chunks);
  const after = new Map(to.chunks);
  const paths = [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .sort();
  const rowsBefore = await rowsAt(session, from, new Set(paths));
  const rowsAfter = await rowsAt(session, to, new Set(paths));
  const unreadable: string[] = [];
  const changes = paths.flatMap((path) => {
    const was = before.has(path) ? rowsBefore.get(path) : NO_ROWS;
    const is = after.has(path) ? rowsAfter.get(path) : NO_ROWS;
    if (was !== undefined && is !== undefined) return changesBetween(was, is);
    // Its rows are not called removed.
    unreadable.push(path);
    return [];
  });
  return { changes, unreadable };
}

type Rows = ReadonlyMap<string, StateRow>;

const NO_ROWS: Rows = new Map();

/** The rows of some pages of a snapshot, by path and then by key. */
async function rowsAt(
  session: Session,
  manifest: Manifest,
  paths: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Rows>> {
  const byPath = new Map<string, Rows>();
  const chunks = manifest.chunks.filter(([path]) => paths.has(path));
  for await (const read of session.snapshots.pages({ ...manifest, chunks })) {
    if (!read.ok) {
      session.lostPage(manifest.index, read);
      continue;
    }
    const rows = [...rowsOfPage(read.path, read.page)];
    byPath.set(read.path, new Map(rows.map((row) => [row.key, row])));
  }
  return byPath;
}

function changesBetween(before: Rows, after: Rows): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, { table, row }] of before) {
    const now = after.get(key);
    if (now === undefined) changes.push({ change: 'removed', table, key, before: row });
    else if (!isSame(row, now.row)) {
      changes.push({ change: 'changed', table, key, before: row, after: now.row });
    }
  }
  for (const [key, { table, row }] of after) {
    if (!before.has(key)) changes.push({ change: 'added', table, key, after: row });
  }
  return changes;
}

/** Rows come out of canonical bytes, so equal rows have their keys in the same order. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Characters of one value in the table; JSON has all of them. */
const VALUE_CHARACTERS_MAX = 40;

/** For a changed row its fields that differ, with the values where they are short. */
function detailOf({ change, before, after, pages }: Change): string {
  if (change === 'unreadable') return `${pages} pages cannot be compared`;
  if (change !== 'changed') return '';
  if (!isRecord(before) || !isRecord(after)) return `${valueText(before)} → ${valueText(after)}`;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((field) => !isSame(before[field], after[field]))
    .map((field) => `${field}: ${valueText(before[field])} → ${valueText(after[field])}`)
    .join(', ');
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? '-';
  return text.length <= VALUE_CHARACTERS_MAX ? text : '…';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function redacted(change: Change, redact: Redact): Change {
  if (change.table !== 'config') return change;
  const { before, after } = change;
  return {
    ...change,
    ...(before === undefined ? {} : { before: redactedConfig(before as AppliedConfig, redact) }),
    ...(after === undefined ? {} : { after: redactedConfig(after as AppliedConfig, redact) }),
  };
}
