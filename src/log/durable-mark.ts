/**
 * The durable mark: a small file beside the segments that records how far the log was certainly on disk.
 *
 * A torn tail is what a crash leaves, and it can only lie behind the last sync. But a file that was
 * cut short, or a last segment that is missing, looks just like one. The mark is written after each
 * sync, without a sync of its own: it may lag behind, and it never runs ahead.
 *
 * Promise: two slots take turns, so a torn write spoils at most the newer one. A mark that cannot be
 * read proves nothing and harms nothing.
 */

import type { Digest, Disk, ReadableDisk } from './disk.ts';
import { SECTOR_BYTES } from './mask.ts';
import { readOrNothing, withFile } from './segment-file.ts';
import { viewOf } from './segment.ts';
import { getUint64, putUint64 } from './uint64.ts';

/** Everything before `offset` of segment `sequence`, and every earlier segment, was synced. */
export interface DurablePlace {
  readonly sequence: number;
  readonly offset: number;
  /** The last entry before that place. */
  readonly index: number;
}

export interface DurableMark {
  /** Notes a place that a sync has reached. */
  write(place: DurablePlace): Promise<void>;
  /** Makes the last note durable. */
  sync(): Promise<void>;
  /** Makes the last note durable and lets go of the file. */
  close(): Promise<void>;
}

export const MARK_FILE = 'durable.mark';

const SLOT_BYTES = 48;
const FILE_BYTES = SECTOR_BYTES + SLOT_BYTES;
const MAGIC = new TextEncoder().encode('TOCSINMK');
const AT = { counter: 8, sequence: 16, offset: 24, index: 32, crc: SLOT_BYTES - 4 } as const;

/** The newest readable mark, if there is one. */
export async function readMark({
  disk,
  digest,
}: {
  readonly disk: ReadableDisk;
  readonly digest: Digest;
}): Promise<DurablePlace | undefined> {
  const bytes = await withFile(disk, MARK_FILE, (file) => readOrNothing(file, 0, FILE_BYTES));
  return bytes && newest(bytes, digest);
}

/** Opens the mark for writing, and makes the file when there is none. */
export async function openMark(
  exists: boolean,
  { disk, digest }: { readonly disk: Disk; readonly digest: Digest },
): Promise<DurableMark> {
  const file = exists ? await disk.open(MARK_FILE) : await disk.create(MARK_FILE);
  let counter = (newest(await readOrNothing(file, 0, FILE_BYTES), digest)?.counter ?? 0) + 1;
  return {
    async write(place) {
      const slot = encodeSlot({ ...place, counter }, digest);
      await file.write((counter % 2) * SECTOR_BYTES, slot);
      counter++;
    },
    sync: () => file.sync(),
    async close() {
      await file.sync();
      await file.close();
    },
  };
}

/** Two marks that are always written together. */
export function pairOf(one: DurableMark, other: DurableMark): DurableMark {
  const both = async (act: (mark: DurableMark) => Promise<void>): Promise<void> => {
    await Promise.all([act(one), act(other)]);
  };
  return {
    write: (place) => both((mark) => mark.write(place)),
    sync: () => both((mark) => mark.sync()),
    close: () => both((mark) => mark.close()),
  };
}

/** The one that is further along. */
export function laterPlace(
  one: DurablePlace | undefined,
  other: DurablePlace | undefined,
): DurablePlace | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  if (one.sequence !== other.sequence) return one.sequence > other.sequence ? one : other;
  return one.offset >= other.offset ? one : other;
}

interface Slot extends DurablePlace {
  /** Rises with each write; the higher one of the two slots counts. */
  readonly counter: number;
}

function newest(bytes: Uint8Array, digest: Digest): Slot | undefined {
  const slots = [0, SECTOR_BYTES]
    .map((at) => decodeSlot(bytes.subarray(at, at + SLOT_BYTES), digest))
    .filter((slot) => slot !== undefined);
  return slots.sort((a, b) => b.counter - a.counter)[0];
}

function encodeSlot(slot: Slot, digest: Digest): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES);
  const view = viewOf(bytes);
  bytes.set(MAGIC);
  putUint64(view, AT.counter, slot.counter);
  putUint64(view, AT.sequence, slot.sequence);
  putUint64(view, AT.offset, slot.offset);
  putUint64(view, AT.index, slot.index);
  view.setUint32(AT.crc, digest.crc32(bytes.subarray(0, AT.crc)), true);
  return bytes;
}

function decodeSlot(bytes: Uint8Array, digest: Digest): Slot | undefined {
  if (bytes.length < SLOT_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(AT.crc, true) !== digest.crc32(bytes.subarray(0, AT.crc))) return undefined;
  const counter = getUint64(view, AT.counter);
  const sequence = getUint64(view, AT.sequence);
  const offset = getUint64(view, AT.offset);
  const index = getUint64(view, AT.index);
  if (counter === undefined || sequence === undefined) return undefined;
  if (offset === undefined || index === undefined) return undefined;
  return { counter, sequence, offset, index };
}
