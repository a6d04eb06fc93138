/** `tocsin snapshot show`: one snapshot as tables for people, or all of it as JSON. */

import { pagesOf, stateFrom, type StatePage } from '../../projections/snapshot-pages.ts';
import type { AppliedConfig, State } from '../../projections/state.ts';
import { EXIT, type ExitCode } from '../daemon/exit.ts';
import type { Manifest } from '../ports.ts';
import type { Format } from './render-table.ts';
import { damageOf, type LostPage } from './snapshot-damage.ts';
import { redactedConfig, type Redact } from './snapshot-redact.ts';
import { rowsOfPage } from '../../projections/page-rows.ts';
import { inSession, type Session, type SnapshotIo } from './snapshot-session.ts';
import { stateLines, summaryLines, type Summary } from './snapshot-tables.ts';

export interface ShowArgs {
  readonly dataDir: string;
  /** An index, `latest` or `previous`. */
  readonly index: string;
  /** One page, such as `alerts/3/17`; null for all of them. */
  readonly path: string | null;
  readonly format: Format;
}

export function showCommand(args: ShowArgs, io: SnapshotIo): Promise<ExitCode> {
  return inSession(args.dataDir, io, async (session) => {
    const manifest = await session.choose(await session.listed(), args.index);
    if (typeof manifest === 'number') return manifest;
    return args.path === null
      ? showState(session, manifest, args.format, io.redact)
      : showPage(session, manifest, args.path, io.redact);
  });
}

async function showState(
  session: Session,
  manifest: Manifest,
  format: Format,
  redact: Redact,
): Promise<ExitCode> {
  const { pages, bytes, lost } = await goodPages(session, manifest, redact);
  const state = stateFrom(pages);
  const summary = summaryOf(manifest, bytes, lost);
  if (format === 'json') await session.out.lines(documentLines(summary, state));
  else if (format === 'jsonl') await session.out.lines(objectLines(summary, state));
  else await session.out.lines([...summaryLines(summary), ...stateLines(state)]);
  return EXIT.ok;
}

async function showPage(
  session: Session,
  manifest: Manifest,
  path: string,
  redact: Redact,
): Promise<ExitCode> {
  const chunks = manifest.chunks.filter(([each]) => each === path);
  if (chunks.length === 0) {
    const example = manifest.chunks[0]?.[0] ?? 'none';
    await session.printNotice(
      `error: snapshot ${manifest.index} has no page ${path}; one is ${example}`,
    );
    return EXIT.refused;
  }
  const { pages } = await goodPages(session, { ...manifest, chunks }, redact);
  await session.out.lines(pages.map(({ page }) => JSON.stringify(page, null, 2)));
  return EXIT.ok;
}

/** The pages that can be read, with secrets hidden; the others are named and left out. */
async function goodPages(
  session: Session,
  manifest: Manifest,
  redact: Redact,
): Promise<{
  readonly pages: readonly StatePage[];
  readonly bytes: number;
  readonly lost: readonly LostPage[];
}> {
  const pages: StatePage[] = [];
  const lost: LostPage[] = [];
  let bytes = 0;
  for await (const read of session.snapshots.pages(manifest)) {
    if (!read.ok) {
      session.lostPage(manifest.index, read);
      lost.push(read);
      continue;
    }
    bytes += read.size;
    const { path, page } = read;
    const isConfig = path === 'config';
    pages.push({ path, page: isConfig ? redactedConfig(page as AppliedConfig, redact) : page });
  }
  return { pages, bytes, lost };
}

function summaryOf(manifest: Manifest, bytes: number, lost: readonly LostPage[]): Summary {
  const state = lost.length === 0 ? 'good' : 'damaged';
  const damage = { state, damagedChunks: lost.length, damage: damageOf(lost) } as const;
  return { ...manifest, chunks: manifest.chunks.length, bytes, ...damage };
}

/** One JSON document, written row by row: a million series do not fit in one string. */
function* documentLines(summary: Summary, state: State): Generator<string> {
  yield `{"snapshot": ${JSON.stringify(summary)},`;
  yield `"state": {`;
  let table = '';
  for (const { path, page } of pagesOf(state)) {
    for (const each of rowsOfPage(path, page)) {
      const isSingle = each.table === each.key;
      const row = isSingle
        ? JSON.stringify(each.row)
        : `${JSON.stringify(each.key)}: ${JSON.stringify(each.row)}`;
      if (each.table === table) {
        yield `,${row}`;
        continue;
      }
      if (table !== '') yield `${closing(table)},`;
      table = each.table;
      yield `${JSON.stringify(table)}: ${isSingle ? '' : '{'}${row}`;
    }
  }
  yield `${closing(table)}}}`;
}

/** `config` and `facts` are one row, not a table of rows. */
function closing(table: string): string {
  return table === 'config' || table === 'facts' || table === '' ? '' : '}';
}

function* objectLines(summary: Summary, state: State): Generator<string> {
  yield JSON.stringify({ snapshot: summary });
  for (const { path, page } of pagesOf(state)) {
    for (const row of rowsOfPage(path, page)) yield JSON.stringify(row);
  }
}
