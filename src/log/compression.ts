/**
 * Replaces the plain file of a closed segment by its compressed form.
 *
 * Promise: at every moment one of the two is whole and durable. The packed file is read back and
 * compared before the plain one goes, so an error of the compressor or the disk is detected.
 */

import type { SegmentRef } from './closed-segment.ts';
import type { Digest, DiskFile, LogModules } from './disk.ts';
import { pack, unpack } from './packed.ts';
import { nameOf, UNFINISHED } from './segment-file.ts';

/** Writes the packed form beside the plain one. Gives its size. */
export async function writePacked(
  { header }: SegmentRef,
  image: Uint8Array,
  modules: LogModules,
): Promise<number> {
  const { disk } = modules;
  const name = nameOf(header, true);
  const file = await disk.create(name + UNFINISHED);
  try {
    const size = await writeBlocks(file, image, modules);
    const { image: copy, fault } = await unpack(await file.read(0, size), modules);
    if (fault !== undefined || !isSame(image, copy, modules.digest)) {
      throw new Error(`${name} did not read back as it was written`);
    }
    await disk.rename(name + UNFINISHED, name);
    await disk.syncDirectory();
    return size;
  } finally {
    await file.close();
  }
}

async function writeBlocks(
  file: DiskFile,
  image: Uint8Array,
  modules: LogModules,
): Promise<number> {
  let size = 0;
  for await (const part of pack(image, modules)) {
    await file.write(size, part);
    size += part.length;
  }
  await file.sync();
  return size;
}

function isSame(a: Uint8Array, b: Uint8Array, digest: Digest): boolean {
  return a.length === b.length && digest.crc32(a) === digest.crc32(b);
}
