/**
 * Opens what a node's disk holds, by the same steps for the daemon and the simulator: snapshot, log,
 * and what both give together.
 *
 * Promise: existing data never begins a new cluster; what cannot be trusted is refused with a
 * sentence, or, on a member of a cluster that can bring it back, quarantined to be healed.
 */

import type { LogModules } from '../../log/disk.ts';
import { GENESIS, type LogIdentity, type LogPoint } from '../../log/entry.ts';
import { openLog, type Log, type OpenLogResult } from '../../log/log.ts';
import { readLogIdentity } from '../../log/recovery.ts';
import { salvage } from '../../log/salvage.ts';
import type { LoadedSnapshot, Logger, Manifest, SnapshotStore } from '../ports.ts';
import type { Build } from '../../projections/reducers.ts';
import { beginCluster, bytesOfHex, restore, START_ANEW, type StartPoint } from './restore.ts';

export interface OpenOptions {
  /** Whose log it shall be if there is none; null refuses to begin one. */
  readonly fresh: LogIdentity | null;
  /** A log that holds nothing yet is that of a new cluster; otherwise this node waits to be invited. */
  readonly founds: boolean;
  /** There were other members when this node was last seen: they can bring back what is lost. */
  readonly hasOthers: boolean;
  readonly segmentBytesMax?: number;
  /** The build that will go on from here, if it is not this one. */
  readonly build?: Build;
}

export interface OpenModules {
  readonly log: LogModules;
  readonly snapshots: SnapshotStore;
  readonly logger: Logger;
}

export interface OpenedData {
  readonly log: Log;
  readonly start: StartPoint;
  /** The snapshot that the start is based on; index 0 when there is none. */
  readonly snapshot: { readonly index: number; readonly root: string };
  /** Whether the log has just begun. */
  readonly isNew: boolean;
}

export type OpenDataResult =
  | { readonly ok: true; readonly data: OpenedData }
  | { readonly ok: false; readonly code: 'empty' | 'corrupt'; readonly message: string };

export async function openData(
  options: OpenOptions,
  modules: OpenModules,
): Promise<OpenDataResult> {
  const { logger, snapshots } = modules;
  const loaded = await snapshots.load();
  for (const problem of loaded.problems) logger.warn('snapshot damaged', { problem });
  const identity = await readLogIdentity(modules.log);
  const isNew = identity === undefined && loaded.manifest === null;
  const owner = identity ?? options.fresh;
  if (owner === null) return { ok: false, code: 'empty', message: 'there is no log' };
  if (identity === undefined && !isNew) return logIsMissing(loaded.manifest);
  const opened = await openLog(
    { ...logOptions(owner, options), create: isNew, verifyFrom: (loaded.manifest?.index ?? 0) + 1 },
    modules.log,
  );
  if (!opened.ok) return salvaged(owner, loaded, opened.refusal.message, options, modules);
  if (opened.cut !== undefined) logger.warn('torn tail cut, as after a crash', { ...opened.cut });
  const { log } = opened;
  // The process may have ended between making the log and its first entry. A log that is being
  // healed is empty for another reason.
  const isBlank = log.lastIndex === 0 && loaded.manifest === null && !log.isHealing;
  if (isBlank && options.founds) await beginCluster(log);
  const restored = await restore(loaded, log, options.build);
  if (restored.ok) return { ok: true, data: dataOf(log, restored.start, loaded, isNew) };
  await log.close();
  return salvaged(owner, loaded, restored.message, options, modules);
}

/** Goes on as a member that has lost entries, where others can bring them back. */
async function salvaged(
  owner: LogIdentity,
  loaded: LoadedSnapshot,
  problem: string,
  options: OpenOptions,
  { log: logModules, logger }: OpenModules,
): Promise<OpenDataResult> {
  if (!options.hasOthers) return { ok: false, code: 'corrupt', message: problem };
  const restartAfter = pointOf(loaded.manifest);
  const opened: OpenLogResult = await salvage(
    { ...logOptions(owner, options), restartAfter },
    logModules,
  );
  if (!opened.ok) {
    return { ok: false, code: 'corrupt', message: `${problem} ${opened.refusal.message}` };
  }
  const { log } = opened;
  const restored = await restore(loaded, log, options.build);
  if (!restored.ok) return { ok: false, code: 'corrupt', message: restored.message };
  logger.error(
    'log damaged: quarantined; this node will not vote before the leader has healed it',
    {
      problem,
      setAside: log.quarantined.map(({ file }) => file),
      restartAfter: restartAfter.index,
    },
  );
  return { ok: true, data: dataOf(log, restored.start, loaded, false) };
}

function logOptions(
  { clusterId, nodeId }: LogIdentity,
  { segmentBytesMax }: OpenOptions,
): LogIdentity & { readonly segmentBytesMax?: number } {
  const identity = { clusterId, nodeId };
  return segmentBytesMax === undefined ? identity : { ...identity, segmentBytesMax };
}

function pointOf(manifest: Manifest | null): LogPoint {
  if (manifest === null) return GENESIS;
  const { index, term, chain } = manifest;
  return { index, term, chain: bytesOfHex(chain) };
}

function dataOf(
  log: Log,
  start: StartPoint,
  { manifest }: LoadedSnapshot,
  isNew: boolean,
): OpenedData {
  const { index, root } = manifest ?? { index: 0, root: '' };
  return { log, start, snapshot: { index, root }, isNew };
}

function logIsMissing(manifest: Manifest | null): OpenDataResult {
  return {
    ok: false,
    code: 'corrupt',
    message: `there is a snapshot at index ${manifest?.index} but no log. ${START_ANEW}`,
  };
}
