/**
 * (f) How long a node with a million entries since bootstrap needs until it is ready.
 *
 * The entries are written into the log of a real node while it is stopped, by src/log itself and as
 * a node writes them, because a client would need hours to have them committed one by one. Nothing
 * but the log is made this way: the node that starts has no snapshot and folds all of them. Then it
 * is killed and started again, as happens in life: with the snapshots that it took meanwhile.
 */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Observe } from '../../src/commands/observe.ts';
import { brotliCompressor } from '../../src/io/disk/compressor.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { createRealDisk } from '../../src/io/disk/real-disk.ts';
import { encodeBatch } from '../../src/log/codec.ts';
import { openLog, type Log } from '../../src/log/log.ts';
import { readLogIdentity } from '../../src/log/recovery.ts';
import { startNode, type Member, type NodeFiles } from './members.ts';
import { kill, pause, until } from './process.ts';

export interface RestartFigures {
  readonly entries: number;
  readonly readingsPerEntry: number;
  readonly logBytes: number;
  readonly withoutSnapshotSeconds: number;
  readonly withSnapshotSeconds: number;
}

const SERIES = 1_000;
const READINGS_PER_ENTRY = 10;
const ENTRIES_PER_APPEND = 1_000;

export async function measureRestart(
  folder: string,
  configuration: string,
  entries: number,
): Promise<RestartFigures> {
  const config = path.join(folder, 'tocsin.yml');
  await writeFile(config, configuration);
  const files = { folder, config };
  const founder = await startNode(files, 'n1', []);
  await until(() => isReady(founder));
  await kill(founder.child);
  const logBytes = await writeEntries(path.join(folder, 'n1/log'), entries);
  const withoutSnapshotSeconds = await secondsUntilReady(files, snapshotTaken);
  const withSnapshotSeconds = await secondsUntilReady(files, () => Promise.resolve());
  return {
    entries,
    readingsPerEntry: READINGS_PER_ENTRY,
    logBytes,
    withoutSnapshotSeconds,
    withSnapshotSeconds,
  };
}

async function secondsUntilReady(
  files: NodeFiles,
  meanwhile: (node: Member) => Promise<void>,
): Promise<number> {
  const startedAtMs = performance.now();
  const node = await startNode(files, 'n1', []);
  await until(() => isReady(node), 10);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  await meanwhile(node);
  await kill(node.child);
  return seconds;
}

/** Snapshots are taken beside everything else: the last one may still be on its way. */
async function snapshotTaken(node: Member): Promise<void> {
  await until(async () => (await node.metric('tocsin_snapshot_seconds_count')) > 0);
  await pause(1_000);
}

async function isReady({ url }: Member): Promise<boolean> {
  return (await fetch(`${url}/-/ready`)).status === 200;
}

/** Appends and commits entries of readings, one in a hundred of which begins or ends a breach. */
async function writeEntries(directory: string, entries: number): Promise<number> {
  const log = await logIn(directory);
  const first = log.lastIndex + 1;
  const term = log.lastTerm;
  for (let at = 0; at < entries; at += ENTRIES_PER_APPEND) {
    const batch = Array.from({ length: Math.min(ENTRIES_PER_APPEND, entries - at) }, (_, i) => ({
      term,
      index: first + at + i,
      type: 1,
      data: encodeBatch({ at: Date.now(), commands: [readings(at + i)] }),
    }));
    const commit = batch.at(-1)?.index ?? log.lastIndex;
    await log.append({ entries: batch, hardState: { ...log.hardState, commit } });
  }
  const bytes = log.segments().reduce((sum, segment) => sum + segment.bytes, 0);
  await log.close();
  return bytes;
}

function readings(entry: number): Observe {
  const first = (entry * READINGS_PER_ENTRY) % SERIES;
  const round = Math.floor((entry * READINGS_PER_ENTRY) / SERIES);
  const all = Array.from({ length: READINGS_PER_ENTRY }, (_, i) => first + i);
  const names = round === 0 ? all.map((i) => `servers.web-${i}.cpu.user`) : [];
  return {
    kind: 'observe',
    source: 'carbon',
    names,
    ids: Int32Array.from(all, (i) => (round === 0 ? first - 1 - i : i)),
    values: Float64Array.from(all, (i) => ((i + round) % 200 === 0 ? 99 : 20 + ((i + round) % 50))),
  };
}

async function logIn(directory: string): Promise<Log> {
  const modules = {
    disk: await createRealDisk({ directory }),
    digest: nodeDigest,
    compressor: brotliCompressor,
  };
  const identity = await readLogIdentity(modules);
  if (identity === undefined) throw new Error(`there is no log in ${directory}`);
  const opened = await openLog({ ...identity, create: false }, modules);
  if (!opened.ok) throw new Error(opened.refusal.message);
  return opened.log;
}
