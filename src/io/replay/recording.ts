/**
 * A data directory opened for reading: its log and its snapshots, in place.
 *
 * Promise: nothing in the directory is written, locked or kept from a running daemon. What cannot
 * be read is said in a sentence that names the place and the fix.
 */

import path from 'node:path';
import type { ReadModules } from '../../log/disk.ts';
import { sortSegments, segmentFileName, withFile } from '../../log/segment-file.ts';
import { decodeHeader, HEADER_BYTES } from '../../log/segment-header.ts';
import { stateFrom, type StatePage } from '../../projections/snapshot-pages.ts';
import { REDUCERS_MAX } from '../../projections/reducers.ts';
import type { State } from '../../projections/state.ts';
import { brotliCompressor } from '../disk/compressor.ts';
import { nodeDigest } from '../disk/digest.ts';
import { createReadOnlyDisk } from '../disk/real-disk.ts';
import { openSnapshotsReadOnly, type ReadOnlySnapshots } from '../disk/snapshot-readonly.ts';
import type { PageHashes } from '../disk/snapshot-root.ts';
import type { Manifest } from '../ports.ts';

/** What is kept of a manifest; its chunks are read again when they are needed. */
export type ManifestHead = Omit<Manifest, 'chunks' | 'config'>;

export interface Recording {
  readonly log: ReadModules;
  /** The cluster whose log it is now; null when no segment says so. */
  readonly clusterId: string | null;
  /** The first index that each segment can hold, ascending; at least one. */
  readonly segments: readonly number[];
  /** Snapshots whose manifest can be read, the oldest first. */
  readonly manifests: readonly ManifestHead[];
  /** Null when there are none, or they cannot be read. */
  readonly snapshots: ReadOnlySnapshots | null;
  /** What is damaged in the snapshot store. */
  readonly problems: readonly string[];
  /** How the directory is read. */
  readonly remarks: readonly string[];
  close(): Promise<void>;
}

/** `refused`: the directory cannot be read, or records nothing. `corrupt`: its format is newer. */
type OpenFault = 'refused' | 'corrupt';

export type OpenedRecording =
  | { readonly ok: true; readonly recording: Recording }
  | { readonly ok: false; readonly code: OpenFault; readonly message: string };

export async function openRecording(given: string): Promise<OpenedRecording> {
  const directory = path.resolve(given);
  const log: ReadModules = {
    disk: createReadOnlyDisk({ directory: path.join(directory, 'log') }),
    digest: nodeDigest,
    compressor: brotliCompressor,
  };
  const found = await segmentsIn(log, directory);
  if (!found.ok) return found;
  const { snapshots, problem, remark } = await openSnapshots(path.join(directory, 'snapshots'));
  const { manifests, problems } = await manifestsIn(snapshots);
  return {
    ok: true,
    recording: {
      log,
      clusterId: found.clusterId,
      segments: found.segments,
      manifests,
      snapshots,
      problems: [...problem, ...problems],
      remarks: [`reading ${log.disk.directory} in place: it only ever grows`, remark],
      close: async () => snapshots?.close(),
    },
  };
}

/** The state of a snapshot, every page proved by its hash; or a sentence about what is wrong. */
export async function recordedState(
  { snapshots }: Recording,
  { index, reducerVersion }: ManifestHead,
  hashes: PageHashes,
): Promise<State | string> {
  if (reducerVersion > REDUCERS_MAX) {
    const versions = `version ${reducerVersion}, and this build has version ${REDUCERS_MAX}`;
    return `snapshot ${index}: it was folded by ${versions}: use a newer tocsin`;
  }
  const read = await snapshots?.manifest(index);
  if (snapshots === null || read === undefined) return 'there are no snapshots';
  if (!read.ok) return read.problem;
  const pages: StatePage[] = [];
  for await (const page of snapshots.pages(read.manifest)) {
    if (!page.ok) return page.problem;
    pages.push(page);
    hashes.set(page.page, page.hash);
  }
  try {
    return stateFrom(pages);
  } catch (error) {
    return `snapshot ${index}: ${(error as Error).message}`;
  }
}

type FoundSegments =
  | { readonly ok: true; readonly clusterId: string | null; readonly segments: readonly number[] }
  | { readonly ok: false; readonly code: OpenFault; readonly message: string };

async function segmentsIn(log: ReadModules, directory: string): Promise<FoundSegments> {
  const files = await log.disk.list().catch((error: unknown) => error as NodeJS.ErrnoException);
  if (files instanceof Error && files.code !== 'ENOENT' && files.code !== 'ENOTDIR') {
    return {
      ok: false,
      code: 'refused',
      message: `${directory} cannot be read: ${files.message}`,
    };
  }
  const { names } = sortSegments(files instanceof Error ? [] : files);
  if (names.length === 0) return nothingRecorded(directory, files instanceof Error);
  let clusterId: string | null = null;
  for (const name of names) {
    const file = segmentFileName(name);
    const header = await withFile(log.disk, file, (each) => each.read(0, HEADER_BYTES));
    const decoded = header === undefined ? undefined : decodeHeader(header, log.digest);
    // A damaged header is for readLog to report, with what stands behind it.
    if (decoded?.ok === true) ({ clusterId } = decoded.header);
    if (decoded === undefined || decoded.ok || decoded.code === 'corrupt') continue;
    const message = `${log.disk.directory}/${file} was ${decoded.what}: use a newer tocsin`;
    return { ok: false, code: 'corrupt', message };
  }
  return { ok: true, clusterId, segments: names.map(({ firstIndex }) => firstIndex) };
}

function nothingRecorded(directory: string, isMissing: boolean): FoundSegments {
  const what = isMissing ? 'there is no log' : 'the log is empty';
  const message =
    `${directory}: ${what}, so there is nothing to replay. ` +
    'Name the directory that `tocsin start --data-dir` was given.';
  return { ok: false, code: 'refused', message };
}

async function openSnapshots(folder: string): Promise<{
  readonly snapshots: ReadOnlySnapshots | null;
  readonly problem: readonly string[];
  readonly remark: string;
}> {
  const opened = await openSnapshotsReadOnly(folder);
  if (opened.ok) {
    const remark = `reading ${folder} in place, as it is now`;
    return { snapshots: opened.snapshots, problem: [], remark };
  }
  const remark = `no snapshots to compare with: ${opened.message}`;
  return { snapshots: null, problem: opened.code === 'missing' ? [] : [opened.message], remark };
}

async function manifestsIn(snapshots: ReadOnlySnapshots | null): Promise<{
  readonly manifests: readonly ManifestHead[];
  readonly problems: readonly string[];
}> {
  if (snapshots === null) return { manifests: [], problems: [] };
  const listing = await snapshots.list();
  const manifests: ManifestHead[] = [];
  const problems = [...listing.problems];
  for (const index of listing.indexes.toReversed()) {
    const read = await snapshots.manifest(index);
    if (read.ok) {
      const { chunks: _chunks, config: _config, ...head } = read.manifest;
      manifests.push(head);
    } else {
      problems.push(read.problem);
    }
  }
  return { manifests, problems };
}
