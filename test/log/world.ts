/** What the stories about the log share: real checksums, short words for entries, whole logs read. */

import { nodeDigest } from '../../src/io/disk/digest.ts';
import type { SimulatedDiskOptions } from '../../src/io/sim/simulated-disk.ts';
import type {
  Compressor,
  Disk,
  LogModules,
  ReadableDisk,
  ReadModules,
} from '../../src/log/disk.ts';
import type { HardState, LogEntry } from '../../src/log/entry.ts';
import { openLog, type Log, type LogOptions } from '../../src/log/log.ts';
import { readLog, type LogItem } from '../../src/log/read-log.ts';

export const OWNER = { clusterId: 'cluster-1', nodeId: 'node-1' } as const;

/** Small segments, so that a handful of entries fills several. */
export const SMALL: LogOptions = { ...OWNER, create: true, segmentBytesMax: 800 };

/** Packs nothing. Making a real compressor costs more than the rest of opening a small log. */
const storing: Compressor = {
  compress: async (bytes) => Uint8Array.from(bytes),
  decompress: async (bytes) => Uint8Array.from(bytes),
};

/** Files that are no segments. Each may be spoiled without harm as long as the segments are whole. */
export const BESIDE_SEGMENTS: readonly string[] = ['ballot.copy', 'durable.mark'];

export function on(disk: Disk, compressor: Compressor = storing): LogModules {
  return { disk, digest: nodeDigest, compressor };
}

export function reading(disk: ReadableDisk, compressor: Compressor = storing): ReadModules {
  return { disk, digest: nodeDigest, compressor };
}

/** Opens a log that must not be refused. */
export async function open(disk: Disk, options: Partial<LogOptions> = {}): Promise<Log> {
  const result = await openLog({ ...SMALL, ...options }, on(disk));
  if (!result.ok) throw new Error(result.refusal.message);
  return result.log;
}

/** An entry whose data tell its index and term, `size` bytes of them. */
export function entry(index: number, term = 1, size = 40): LogEntry {
  const data = new Uint8Array(size);
  new TextEncoder().encodeInto(`entry ${index} of term ${term} `, data);
  return { index, term, type: index % 3, data };
}

export function entries(from: number, to: number, term = 1): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
}

export function hardState(term: number, commit = 0, vote: string | null = 'node-1'): HardState {
  return { term, vote, commit };
}

/** Every entry that a log gives, with its data copied. */
export async function contentOf(log: Log): Promise<LogEntry[]> {
  const result: LogEntry[] = [];
  for await (const each of log.read(log.firstIndex, log.lastIndex)) {
    result.push({ ...each, data: Uint8Array.from(each.data) });
  }
  return result;
}

export async function itemsOf(disk: ReadableDisk, from?: number, to?: number): Promise<LogItem[]> {
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const result: LogItem[] = [];
  for await (const item of readLog(range, reading(disk))) result.push(item);
  return result;
}

/** One line for an entry, to compare and to show. */
export function show({ index, term, type, data }: LogEntry): string {
  return `${index}/${term}/${type}/${Buffer.from(data).toString('latin1')}`;
}

/** What lies on a disk, by name. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** The same files, with one bit changed. */
export function flipped(files: Files, name: string, offset: number, bit: number): Files {
  const bytes = Uint8Array.from(files.get(name) ?? []);
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  return new Map(files).set(name, bytes);
}

/** Every byte that somebody wrote. */
export function* everyByte(files: Files): Generator<[name: string, offset: number]> {
  for (const [name, bytes] of files) {
    for (let offset = 0; offset < bytes.length; offset++) {
      // Nothing is written between the two records of the ballot.
      if (name !== 'ballot.copy' || offset % 4096 < 256) yield [name, offset];
    }
  }
}

const LOOKING: readonly string[] = ['list', 'open', 'size', 'read'];

/** The power fails at the operation with this number, of those that change something. */
export function cutAt(at: number): SimulatedDiskOptions {
  let changes = 0;
  return {
    fault: ({ kind }) => {
      if (LOOKING.includes(kind)) return undefined;
      return ++changes === at ? { kind: 'power-off' } : undefined;
    },
  };
}
