/**
 * The way out when a majority is lost for good: one member's log goes on as that of a cluster of one.
 *
 * Promise: everything on this disk is kept, also what was never known to be committed, since some of
 * it may have been acknowledged; the members of before are refused, because the cluster has another id.
 */

import { decodeBatch } from '../../log/codec.ts';
import { nextEpoch } from '../../log/epoch.ts';
import type { Log } from '../../log/log.ts';
import { EMPTY_CONFIG, encodeConfState } from '../../raft/confchange.ts';
import { entryTypeOf, toLogEntry } from './entries.ts';

export interface ForkedCluster {
  readonly clusterId: string;
  /** The last entry that came from the cluster of before. */
  readonly lastIndex: number;
  /** Its log time in epoch milliseconds; null when none of the last entries has one. */
  readonly lastAt: number | null;
}

/** How many entries from the end are looked at for the time. */
const ENTRIES_READ = 1_000;

/**
 * Makes the log of cluster `before` that of the next epoch, from wherever an earlier process ended on
 * the way. Durable when it resolves. The log must be opened anew afterwards.
 */
export async function forkAsSingleNode(log: Log, before: string): Promise<ForkedCluster> {
  const { nodeId } = log.identity;
  const { lastIndex } = log;
  const recovered = { clusterId: nextEpoch(before), lastIndex, lastAt: await lastTime(log) };
  if (log.identity.clusterId !== recovered.clusterId) await log.beginEpoch(recovered.clusterId);
  const term = Math.max(log.hardState.term, log.lastTerm) + 1;
  const index = lastIndex + 1;
  // Written twice when a process ended right after it, which changes nothing.
  const confState = { ...EMPTY_CONFIG, voters: [nodeId] };
  const first = { term, index, type: 'config', data: encodeConfState(confState) } as const;
  await log.append({
    hardState: { term, vote: null, commit: index },
    entries: [toLogEntry(first)],
  });
  return recovered;
}

async function lastTime(log: Log): Promise<number | null> {
  let at: number | null = null;
  const from = Math.max(log.firstIndex, log.lastIndex - ENTRIES_READ + 1);
  for await (const entry of log.read(from, log.lastIndex)) {
    if (entryTypeOf(entry) === 'command') ({ at } = decodeBatch(entry.data));
  }
  return at;
}
