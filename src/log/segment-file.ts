/**
 * Segments as files: what they are called, and how one comes from the disk into memory.
 *
 * Promise: names sort in the order of writing. A loaded image is unmasked and unpacked, so that
 * nothing beyond this file depends on which of the two forms a segment has on disk.
 */

import type { DiskFile, LogModules, ReadableDisk, ReadableFile, ReadModules } from './disk.ts';
import { applyMask } from './mask.ts';
import { IMAGE_BYTES_MAX, unpack, type Unpacked } from './packed.ts';
import { encodeHeader, HEADER_BYTES, type SegmentHeader } from './segment-header.ts';

/** What a file name contains about a segment. */
export interface SegmentName {
  readonly sequence: number;
  /** The first index it can hold. */
  readonly firstIndex: number;
  /** Closed and compressed. */
  readonly packed: boolean;
}

/** The end of a name that is not yet, or no longer, part of the log: always safe to remove. */
export const UNFINISHED = '.tmp';

/** What is wrong with a file that lies on a bad sector. */
export const UNREADABLE = 'the disk cannot read it (EIO)';

const NOTHING = new Uint8Array(0);

const NAME = /^(\d{10})-(\d{16})\.(log|logz)$/;

/** `0000000003-0000000000000101.log`: sequence number, first index; `.logz` when compressed. */
export function segmentFileName(name: SegmentName): string {
  const sequence = String(name.sequence).padStart(10, '0');
  const firstIndex = String(name.firstIndex).padStart(16, '0');
  return `${sequence}-${firstIndex}.${name.packed ? 'logz' : 'log'}`;
}

export function parseSegmentFileName(file: string): SegmentName | undefined {
  const [, sequence, firstIndex, form] = NAME.exec(file) ?? [];
  if (sequence === undefined || firstIndex === undefined) return undefined;
  return { sequence: Number(sequence), firstIndex: Number(firstIndex), packed: form === 'logz' };
}

/** Segments in the order of writing, and what is left of unfinished work. Ignores other files. */
export function sortSegments(files: readonly string[]): {
  names: SegmentName[];
  leftovers: string[];
} {
  const names: SegmentName[] = [];
  const leftovers: string[] = [];
  for (const file of files.toSorted()) {
    const name = parseSegmentFileName(file);
    if (name === undefined) {
      if (file.endsWith(UNFINISHED)) leftovers.push(file);
      continue;
    }
    const before = names.at(-1);
    // The plain form sorts first, and is removed only after the packed one is durable.
    if (before?.sequence === name.sequence && before.firstIndex === name.firstIndex) {
      leftovers.push(file);
    } else {
      names.push(name);
    }
  }
  return { names, leftovers };
}

export function nameOf(header: SegmentHeader, packed: boolean): string {
  const firstIndex = header.previous.index + 1;
  return segmentFileName({ sequence: header.sequence, firstIndex, packed });
}

/** Reads a whole segment; undefined when the file is gone. What the disk cannot read is a fault. */
export async function loadImage(file: string, modules: ReadModules): Promise<Unpacked | undefined> {
  const bytes = await withFile(modules.disk, file, readWhole);
  if (bytes === undefined || 'fault' in bytes) return bytes;
  if (parseSegmentFileName(file)?.packed === true) return unpack(bytes, modules);
  applyMask(bytes.subarray(HEADER_BYTES), HEADER_BYTES);
  return { image: bytes, fault: undefined };
}

/** Opens, uses and closes a file; undefined when there is none of that name. */
export async function withFile<T>(
  disk: ReadableDisk,
  name: string,
  use: (file: ReadableFile) => Promise<T>,
): Promise<T | undefined> {
  const file = await disk.openToRead(name);
  if (file === undefined) return undefined;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/**
 * Creates a segment that holds nothing but its header, and makes it part of the log in one step:
 * before the rename it does not exist, and after the directory is synced it cannot vanish.
 */
export async function createSegment(
  header: SegmentHeader,
  { disk, digest }: LogModules,
): Promise<DiskFile> {
  const name = nameOf(header, false);
  const file = await disk.create(name + UNFINISHED);
  await file.write(0, encodeHeader(header, digest));
  await file.sync();
  await disk.rename(name + UNFINISHED, name);
  await disk.syncDirectory();
  return file;
}

/**
 * The bytes of a file; none where the disk has a bad sector, which is damage like any
 * other. Every other error is not about the bytes, and passes through.
 */
export async function readOrNothing(
  file: ReadableFile,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  try {
    return await file.read(offset, length);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EIO') return NOTHING;
    throw error;
  }
}

async function readWhole(file: ReadableFile): Promise<Uint8Array | Unpacked> {
  const size = await file.size();
  if (size <= IMAGE_BYTES_MAX) {
    const bytes = await readOrNothing(file, 0, size);
    if (bytes.length > 0 || size === 0) return bytes;
    return { image: bytes, fault: { offset: 0, what: UNREADABLE } };
  }
  const image = await file.read(0, HEADER_BYTES);
  const what = `the file has ${size} bytes, more than any segment holds`;
  return { image, fault: { offset: HEADER_BYTES, what } };
}
