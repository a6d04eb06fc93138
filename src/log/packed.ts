/**
 * The compressed form of a closed segment: its header as it was, then blocks, then an end block.
 *
 * Blocks are small, so that packing holds little memory and never keeps a worker thread for long.
 * Each carries checksums of its header and of its packed bytes, and nothing is unpacked that does
 * not match them: a decompressor is no place for damaged bytes.
 *
 * Promise: unpacking gives back the image of the plain segment, byte for byte, or returns what is wrong.
 */

import type { Compressor, Digest } from './disk.ts';
import { HEADER_BYTES } from './segment-header.ts';
import { viewOf } from './segment.ts';
import { getUint64, putUint64 } from './uint64.ts';

/** Plain bytes in one block: some ten milliseconds of a worker thread. */
const BLOCK_BYTES = 1024 * 1024;

/** More than the largest segment and the largest append together; a header that claims more is refused. */
export const IMAGE_BYTES_MAX = 128 * 1024 * 1024;

const BLOCK_HEADER_BYTES = 32;
const BLOCK_MAGIC = 0x4b4c4254; // "TBLK"
const AT = {
  magic: 0,
  crc: 4,
  plainOffset: 8,
  plainBytes: 16,
  packedBytes: 20,
  packedCrc: 24,
} as const;

interface Codec {
  readonly compressor: Compressor;
  readonly digest: Digest;
}

export interface Unpacked {
  /** What could be unpacked; shorter than the segment was when there is a fault. */
  readonly image: Uint8Array;
  readonly fault: { readonly offset: number; readonly what: string } | undefined;
}

/** Packs an image, one piece of the file at a time. */
export async function* pack(image: Uint8Array, codec: Codec): AsyncGenerator<Uint8Array> {
  yield image.subarray(0, HEADER_BYTES);
  for (let offset = HEADER_BYTES; offset < image.length; offset += BLOCK_BYTES) {
    const plain = image.subarray(offset, offset + BLOCK_BYTES);
    const packed = await codec.compressor.compress(plain);
    yield encodeBlockHeader(
      { plainOffset: offset, plainBytes: plain.length, packed },
      codec.digest,
    );
    yield packed;
  }
  const end = { plainOffset: image.length, plainBytes: 0, packed: new Uint8Array(0) };
  yield encodeBlockHeader(end, codec.digest);
}

/** Unpacks the bytes of a whole file. */
export async function unpack(bytes: Uint8Array, codec: Codec): Promise<Unpacked> {
  const layout = readLayout(bytes, codec.digest);
  const image = new Uint8Array(layout.plainBytes);
  image.set(bytes.subarray(0, HEADER_BYTES));
  let { fault } = layout;
  for (const block of layout.blocks) {
    const packed = bytes.subarray(block.at, block.at + block.packedBytes);
    const plain = await unpackBlock(packed, block, codec);
    if (plain !== undefined) image.set(plain, block.plainOffset);
    else fault ??= { offset: block.at, what: 'a compressed block does not match its checksum' };
  }
  return { image, fault };
}

interface Block {
  readonly plainOffset: number;
  readonly plainBytes: number;
  readonly packedBytes: number;
  readonly packedCrc: number;
  /** Where its packed bytes begin in the file. */
  readonly at: number;
}

interface Layout {
  readonly blocks: readonly Block[];
  readonly plainBytes: number;
  readonly fault: Unpacked['fault'];
}

/** Follows the block headers up to the end block. */
function readLayout(bytes: Uint8Array, digest: Digest): Layout {
  const blocks: Block[] = [];
  let at = HEADER_BYTES;
  let plainBytes = HEADER_BYTES;
  const stop = (what: string): Layout => ({ blocks, plainBytes, fault: { offset: at, what } });
  for (;;) {
    const block = decodeBlockHeader(bytes, at, digest);
    if (typeof block === 'string') return stop(block);
    if (block.plainOffset !== plainBytes) return stop('a compressed block is out of its place');
    if (block.plainBytes === 0) {
      if (block.at !== bytes.length) return stop('bytes follow the end of the compressed segment');
      return { blocks, plainBytes, fault: undefined };
    }
    blocks.push(block);
    plainBytes += block.plainBytes;
    if (plainBytes > IMAGE_BYTES_MAX) return stop('the blocks claim more than any segment holds');
    at = block.at + block.packedBytes;
  }
}

async function unpackBlock(
  packed: Uint8Array,
  block: Block,
  codec: Codec,
): Promise<Uint8Array | undefined> {
  if (codec.digest.crc32(packed) !== block.packedCrc) return undefined;
  const plain = await codec.compressor
    .decompress(packed, block.plainBytes)
    // Only a foreign writer makes bytes that match their checksum and do not unpack.
    .catch(() => undefined);
  return plain?.length === block.plainBytes ? plain : undefined;
}

function encodeBlockHeader(
  block: { readonly plainOffset: number; readonly plainBytes: number; readonly packed: Uint8Array },
  digest: Digest,
): Uint8Array {
  const bytes = new Uint8Array(BLOCK_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(AT.magic, BLOCK_MAGIC, true);
  putUint64(view, AT.plainOffset, block.plainOffset);
  view.setUint32(AT.plainBytes, block.plainBytes, true);
  view.setUint32(AT.packedBytes, block.packed.length, true);
  view.setUint32(AT.packedCrc, digest.crc32(block.packed), true);
  view.setUint32(AT.crc, digest.crc32(bytes.subarray(AT.plainOffset)), true);
  return bytes;
}

function decodeBlockHeader(bytes: Uint8Array, at: number, digest: Digest): Block | string {
  const head = bytes.subarray(at, at + BLOCK_HEADER_BYTES);
  if (head.length < BLOCK_HEADER_BYTES) return 'the file ends before its last block';
  const view = viewOf(head);
  const isIntact =
    view.getUint32(AT.magic, true) === BLOCK_MAGIC &&
    view.getUint32(AT.crc, true) === digest.crc32(head.subarray(AT.plainOffset));
  if (!isIntact) return 'the checksum of a block header does not match';
  const plainOffset = getUint64(view, AT.plainOffset);
  const plainBytes = view.getUint32(AT.plainBytes, true);
  const packedBytes = view.getUint32(AT.packedBytes, true);
  const start = at + BLOCK_HEADER_BYTES;
  if (plainOffset === undefined || plainBytes > BLOCK_BYTES || start + packedBytes > bytes.length) {
    return 'a block header claims more than the file holds';
  }
  return {
    plainOffset,
    plainBytes,
    packedBytes,
    packedCrc: view.getUint32(AT.packedCrc, true),
    at: start,
  };
}
