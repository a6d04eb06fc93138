/**
 * Start-up: the newest good snapshot and the tail of the log become a projection and a core.
 *
 * Promise: a snapshot is believed only if the log's chain hash at its index is the same; a log that
 * ends before its snapshot has lost acknowledged entries and is refused, never continued. The one
 * exception is a snapshot that came from the leader: the log was about to begin anew after it.
 */

import { decodeBatch } from '../../log/codec.ts';
import type { Log } from '../../log/log.ts';
import { Projection } from '../../projections/projection.ts';
import type { Build } from '../../projections/reducers.ts';
import { emptyDisk } from '../../raft/bootstrap.ts';
import { decodeConfState, EMPTY_CONFIG, encodeConfState } from '../../raft/confchange.ts';
import type { ConfigAt, Restored, TermRun } from '../../raft/types.ts';
import type { LoadedSnapshot, Manifest, PeerAddress } from '../ports.ts';
import { entryTypeOf, toLogEntry } from './entries.ts';

export interface StartPoint {
  readonly projection: Projection;
  readonly restored: Restored;
  /** Index and time up to which the projection is folded already. */
  readonly appliedIndex: number;
  readonly appliedAt: number;
  /** Addresses that members announced, in entries that may not be committed: good enough to find them. */
  readonly hints: readonly PeerAddress[];
}

/** Folders that are put back one by one are from other moments than the rest: nothing of that is advised. */
export const START_ANEW =
  'Start with an empty data directory: a member with --join, a node alone with `tocsin restore`.';

export type RestoreResult =
  | { readonly ok: true; readonly start: StartPoint }
  | {
      readonly ok: false;
      readonly code: 'log-behind-snapshot' | 'snapshot-of-other-log' | 'no-base';
      readonly message: string;
    };

/** Writes the first configuration of a new cluster, of which this node is the only member. */
export async function beginCluster(log: Log): Promise<void> {
  const confState = { ...EMPTY_CONFIG, voters: [log.identity.nodeId] };
  const first = { term: 1, index: 1, type: 'config', data: encodeConfState(confState) } as const;
  const hardState = { term: 1, vote: null, commit: 1 };
  await log.append({ hardState, entries: [toLogEntry(first)] });
}

/** Joins what the snapshot store and the log hold. */
export async function restore(
  snapshot: LoadedSnapshot,
  log: Log,
  build?: Build,
): Promise<RestoreResult> {
  const { manifest, state } = snapshot;
  if (manifest !== null && snapshot.isReceived) await restartLogAfter(manifest, log);
  const problem =
    manifest === null
      ? baseProblem(log, snapshot)
      : await manifestProblem(manifest, log, snapshot.problems);
  if (problem !== null) return problem;
  const appliedIndex = manifest?.index ?? 0;
  const term = manifest?.term ?? 0;
  const tail = await readTail(log, appliedIndex);
  const base = manifest?.config ?? firstConfig(log, tail);
  const restored: Restored = {
    hardState: log.hardState,
    configs: [base, ...tail.configs],
    compacted: { index: appliedIndex, term },
    lastIndex: log.lastIndex,
    terms: runsAfter(log, appliedIndex),
    snapshot: manifest === null ? null : { index: appliedIndex, term, config: base },
    appliedIndex,
    damaged: log.isHealing,
  };
  const projection = new Projection(state, build);
  const { hints } = tail;
  return {
    ok: true,
    start: { projection, restored, appliedIndex, appliedAt: manifest?.at ?? 0, hints },
  };
}

/** The process ended between taking the snapshot in and beginning the log anew after it. */
async function restartLogAfter(manifest: Manifest, log: Log): Promise<void> {
  const { index, term } = manifest;
  const chain = log.lastIndex >= index ? await log.chainAt(index) : undefined;
  if (index <= log.hardState.commit || (chain !== undefined && hex(chain) === manifest.chain))
    return;
  const { hardState } = log;
  const vote = hardState.term < term ? null : hardState.vote;
  await log.append({
    restartAfter: { index, term, chain: bytesOfHex(manifest.chain) },
    hardState: { term: Math.max(term, hardState.term), vote, commit: index },
    entries: [],
  });
}

interface TailFacts {
  readonly configs: readonly ConfigAt[];
  readonly hints: readonly PeerAddress[];
}

/** What must be known of the entries after the snapshot before any of them is folded. */
async function readTail(log: Log, appliedIndex: number): Promise<TailFacts> {
  const configs: ConfigAt[] = [];
  const addresses = new Map<string, string>();
  if (log.lastIndex > appliedIndex) {
    for await (const entry of log.read(appliedIndex + 1, log.lastIndex)) {
      const { index, data } = entry;
      const type = entryTypeOf(entry);
      if (type === 'config') configs.push({ index, confState: decodeConfState(data) });
      if (type !== 'command') continue;
      for (const command of decodeBatch(data).commands) {
        if (command.kind === 'member') addresses.set(command.node, command.peer);
      }
    }
  }
  return { configs, hints: [...addresses].map(([nodeId, address]) => ({ nodeId, address })) };
}

/** Before the first configuration in the log: none. A log without any is from before clusters. */
function firstConfig(log: Log, { configs }: TailFacts): ConfigAt {
  const isAlone = configs.length === 0 && log.lastIndex > 0;
  const [first] = emptyDisk(isAlone ? [log.identity.nodeId] : []).configs;
  return first ?? { index: 0, confState: EMPTY_CONFIG };
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
      START_ANEW,
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
        `entries are missing. ${START_ANEW}`,
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

export function bytesOfHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
