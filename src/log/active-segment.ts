/**
 * The segment that grows: its file, where each of its entries begins, and one group at a time.
 *
 * Promise: what it counts as its own is on disk; readers never see bytes whose sync is still to
 * come. Its caller decides when it is full, and what comes after it.
 */

import type { Digest, DiskFile } from './disk.ts';
import type { LogEntry } from './entry.ts';
import {
  chainOfFrame,
  decodeFrame,
  encodeGroup,
  type Frame,
  type GroupContent,
  type Tail,
} from './group.ts';
import { applyMask } from './mask.ts';
import { HEADER_BYTES, type SegmentHeader } from './segment-header.ts';
import { viewOf } from './segment.ts';

/** Bytes that a reader takes from the disk at once, unless one entry is larger. */
const READ_BYTES = 1024 * 1024;

export class ActiveSegment {
  readonly header: SegmentHeader;
  readonly #file: DiskFile;
  readonly #digest: Digest;
  readonly #frames: number[];
  #end: number;

  constructor(
    header: SegmentHeader,
    content: { readonly file: DiskFile; readonly frames: number[]; readonly end: number },
    digest: Digest,
  ) {
    this.header = header;
    this.#file = content.file;
    this.#frames = content.frames;
    this.#end = content.end;
    this.#digest = digest;
  }

  /** Bytes of the file that are durable. */
  get end(): number {
    return this.#end;
  }

  get isEmpty(): boolean {
    return this.#end === HEADER_BYTES;
  }

  /** Writes a group, syncs it, and gives the tail after it. */
  async append(content: GroupContent, tail: Tail): Promise<Tail> {
    const place = { sequence: this.header.sequence, offset: this.#end, tail };
    const group = encodeGroup(content, place, this.#digest);
    applyMask(group.bytes, this.#end);
    await this.#file.write(this.#end, group.bytes);
    await this.#file.sync();
    this.#end += group.bytes.length;
    for (const frame of group.frames) this.#frames.push(frame);
    return group.tail;
  }

  /** Entries from `from` on, up to `to` or as many as one read takes. */
  async read(from: number, to: number): Promise<readonly LogEntry[]> {
    const start = this.#offsetOf(from);
    let next = from + 1;
    while (next <= to && this.#offsetOf(next + 1) - start <= READ_BYTES) next++;
    const bytes = await this.#readBytes(start, this.#offsetOf(next));
    const view = viewOf(bytes);
    const entries: LogEntry[] = [];
    for (let index = from; index < next; index++) {
      const at = this.#offsetOf(index) - start;
      entries.push(expectEntry(decodeFrame(bytes, view, at, bytes.length, this.#digest), index));
    }
    return entries;
  }

  /** The chain at one of its entries. */
  async chainAt(index: number): Promise<Uint8Array> {
    const bytes = await this.#readBytes(this.#offsetOf(index), this.#offsetOf(index + 1));
    expectEntry(decodeFrame(bytes, viewOf(bytes), 0, bytes.length, this.#digest), index);
    return chainOfFrame(bytes, 0).slice();
  }

  /** Waits for reads that are under way. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  #offsetOf(index: number): number {
    return this.#frames[index - this.header.previous.index - 1] ?? this.#end;
  }

  async #readBytes(from: number, to: number): Promise<Uint8Array> {
    const bytes = await this.#file.read(from, to - from);
    applyMask(bytes, from);
    return bytes;
  }
}

function expectEntry(frame: Frame | string, index: number): LogEntry {
  if (typeof frame === 'string') {
    throw new Error(`entry ${index} was written and cannot be read back: ${frame}`);
  }
  if (frame.kind !== 'entry' || frame.entry.index !== index) {
    throw new Error(`entry ${index} is not where it was written`);
  }
  return frame.entry;
}
