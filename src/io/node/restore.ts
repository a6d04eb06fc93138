/**
 * Start-up: the newest good snapshot and the tail of the log become a projection and a core.
 *
 * Promise: a snapshot is believed only if the log's chain hash at its index is the same; a log that
 * ends before its snapshot has lost acknowledged entries and is refused, never continued.
 */

import type { Log } from '../../log/log.ts';
import { Projection } from '../../projections/projection.ts';
import { emptyDisk } from '../../raft/bootstrap.ts';
import type { Restored, SnapshotMeta, TermRun } from '../../raft/types.ts';
import type { LoadedSnapshot, Manifest } from '../ports.ts';

export interface StartPoint {
  readonly projection: Projection;
  readonly restored: Restored;
  /** Index and time up to which the projection is folded already. */
  readonly appliedIndex: number;
  readonly appliedAt: number;
}

export type RestoreResult =
  | { readonly ok: true; readonly start: StartPoint }
  | {
      readonly ok: false;
      readonly code: 'log-behind-snapshot' | 'snapshot-of-other-log' | 'no-base';
      readonly message: string;
    };

/** Joins what the snapshot store and the log hold. */
export async function restore(snapshot: LoadedSnapshot, log: Log): Promise<RestoreResult> {
  const { manifest, state } = snapshot;
  const problem =
    manifest === null
      ? baseProblem(log, snapshot)
      : await manifestProblem(manifest, log, snapshot.problems);
  if (problem !== null) return problem;
  const appliedIndex = manifest?.index ?? 0;
  const term = manifest?.term ?? 0;
  // A cluster of one: its only voter is the node whose log this is.
  const { configs } = emptyDisk([log.identity.nodeId]);
  const restored: Restored = {
    hardState: log.hardState,
    configs,
    compacted: { index: appliedIndex, term },
    lastIndex: log.lastIndex,
    terms: runsAfter(log, appliedIndex),
    snapshot: manifest === null ? null : snapshotMeta(manifest, configs),
    appliedIndex,
  };
  const projection = new Projection(state);
  return {
    ok: true,
    start: { projection, restored, appliedIndex, appliedAt: manifest?.at ?? 0 },
  };
}

function baseProblem(log: Log, { problems }: LoadedSnapshot): RestoreResult | null {
  return log.firstIndex <= 1 ? null : noBase(log, problems);
}

function noBase(log: Log, problems: readonly string[]): RestoreResult {
  return {
    ok: false,
    code: 'no-base',
    message:
      `the log begins at index ${log.firstIndex} and no snapshot that reaches up to it can be read` +
      `${problems.length === 0 ? '' : `: ${problems.join('; ')}`}. ` +
      'Put the snapshots folder back from a backup, or start with an empty data directory.',
  };
}

async function manifestProblem(
  manifest: Manifest,
  log: Log,
  problems: readonly string[],
): Promise<RestoreResult | null> {
  const { index } = manifest;
  if (index < log.firstIndex - 1) return noBase(log, problems);
  if (log.lastIndex < index) {
    return {
      ok: false,
      code: 'log-behind-snapshot',
      message:
        `the snapshot is at index ${index} but the log ends at ${log.lastIndex}: acknowledged ` +
        'entries are missing. Put the log folder back from a backup, or start with an empty ' +
        'data directory.',
    };
  }
  const chain = await log.chainAt(index);
  if (chain === undefined || hex(chain) === manifest.chain) return null;
  return {
    ok: false,
    code: 'snapshot-of-other-log',
    message:
      `the snapshot at index ${index} was taken of another log (chain ${manifest.chain.slice(0, 12)}, ` +
      `here ${hex(chain).slice(0, 12)}). Do not mix folders of two data directories.`,
  };
}

function snapshotMeta({ index, term }: Manifest, [config]: Restored['configs']): SnapshotMeta {
  if (config === undefined) throw new Error('a node without a configuration has no snapshot');
  return { index, term, config };
}

/** The runs of terms over the entries after `index`: none when the snapshot covers the log. */
function runsAfter(log: Log, index: number): readonly TermRun[] {
  if (log.lastIndex <= index) return [];
  const runs = log.termRuns();
  const first = runs.findLastIndex((run) => run.from <= index + 1);
  return runs
    .slice(Math.max(0, first))
    .map(({ term, from }) => ({ term, from: Math.max(from, index + 1) }));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
