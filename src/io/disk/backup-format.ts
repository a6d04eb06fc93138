/**
 * A backup: the state of one running member at one index, in one file.
 *
 * `TOCSINBK`, the version of the format in four bytes, then frames: kind, length and CRC-32 of kind and
 * payload (1, 4 and 4 bytes), payload. The first frame is the head, then one for each page of the state,
 * and the last one has their number and the SHA-256 of every byte before it. Numbers are big-endian.
 *
 * Promise: both directions hold one frame at a time. What is read is what was written, or a
 * {@link BackupDamaged} names the byte. The magic and the version keep their places in every later
 * version.
 */

import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { MalformedCommand, record, text, time, whole, type TypeOf } from '../../commands/schema.ts';
import { decodeCanonical, encodeCanonical } from '../../log/codec.ts';
import { REDUCERS_MAX, reducerVersionOf } from '../../projections/reducers.ts';
import { pagesOf, restoredPage, type StatePage } from '../../projections/snapshot-pages.ts';
import type { View } from '../ports.ts';

const MAGIC = Buffer.from('TOCSINBK', 'latin1');
const FORMAT = 1;
const START_BYTES = MAGIC.length + 4;
const FRAME_HEAD_BYTES = 9;
/** A page of the largest configuration takes a quarter of it. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

/** Numbers are forever. */
const KIND = { head: 1, page: 2, end: 3 } as const;

const wholeNumber = whole(0, Number.MAX_SAFE_INTEGER);
const headSchema = record({
  clusterId: text(64),
  /** The entry up to which everything is in here, and its term and time. */
  index: wholeNumber,
  term: wholeNumber,
  at: time,
  reducerVersion: whole(1, 1_000_000),
});

export type BackupHead = TypeOf<typeof headSchema>;

/** What is wrong with a file, and where. */
export class BackupDamaged extends Error {
  readonly code = 'backup-damaged';
}

export type BackupPart =
  | { readonly kind: 'head'; readonly head: BackupHead }
  | { readonly kind: 'page'; readonly page: StatePage };

/** The bytes of a backup of this moment: the state never changes, so it may take as long as it wants. */
export function* backupOf({ state, ...view }: View, clusterId: string): Generator<Uint8Array> {
  const { index, term, at } = view;
  const sum = createHash('sha256');
  const start = Buffer.alloc(START_BYTES);
  start.set(MAGIC);
  start.writeUInt32BE(FORMAT, MAGIC.length);
  const given = (bytes: Uint8Array): Uint8Array => {
    sum.update(bytes);
    return bytes;
  };
  yield given(start);
  const head = { clusterId, index, term, at, reducerVersion: reducerVersionOf(state) };
  yield given(frame(KIND.head, encodeCanonical(headSchema.encode(head, 'head'))));
  let pages = 0;
  for (const { path, page } of pagesOf(state)) {
    yield given(frame(KIND.page, encodeCanonical([path, encodeCanonical(page)])));
    pages++;
  }
  yield frame(KIND.end, encodeCanonical([pages, sum.digest()]));
}

/** Reads a backup from its beginning to its end. Throws {@link BackupDamaged}. */
export async function* readBackup(source: AsyncIterable<Uint8Array>): AsyncGenerator<BackupPart> {
  const reader = new Reader(source);
  await readStart(reader);
  let pages = -1;
  for (;;) {
    const at = reader.offset;
    const before = reader.digest();
    const { kind, payload } = await readFrame(reader);
    const fields = fieldsOf(payload, at);
    if (kind === KIND.end) return endOf(reader, { at, before, fields, pages });
    pages++;
    if (kind === KIND.head && pages === 0) yield { kind: 'head', head: headOf(fields, at) };
    else if (kind === KIND.page && pages > 0) yield { kind: 'page', page: pageOf(fields, at) };
    else throw damagedAt(at, `a frame of kind ${kind} does not belong here`);
  }
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + payload.length);
  bytes.writeUInt8(kind);
  bytes.writeUInt32BE(payload.length, 1);
  bytes.writeUInt32BE(sumOf(kind, payload), 5);
  bytes.set(payload, FRAME_HEAD_BYTES);
  return bytes;
}

function sumOf(kind: number, payload: Uint8Array): number {
  return crc32(payload, crc32(Uint8Array.of(kind)));
}

async function readStart(reader: Reader): Promise<void> {
  const start = await reader.take(START_BYTES);
  if (!MAGIC.equals(start.subarray(0, MAGIC.length))) {
    throw new BackupDamaged('it is no backup of tocsin: it does not begin with TOCSINBK');
  }
  const format = start.readUInt32BE(MAGIC.length);
  if (format === FORMAT) return;
  throw new BackupDamaged(
    `it has format ${format}, and this build reads format ${FORMAT}: use a newer tocsin`,
  );
}

async function readFrame(
  reader: Reader,
): Promise<{ readonly kind: number; readonly payload: Uint8Array }> {
  const at = reader.offset;
  const head = await reader.take(FRAME_HEAD_BYTES);
  const kind = head.readUInt8();
  const length = head.readUInt32BE(1);
  if (length > PAYLOAD_BYTES_MAX) throw damagedAt(at, `a frame says that it has ${length} bytes`);
  const payload = await reader.take(length);
  if (sumOf(kind, payload) === head.readUInt32BE(5)) return { kind, payload };
  throw damagedAt(at, 'the checksum of a frame does not match');
}

function fieldsOf(payload: Uint8Array, at: number): unknown {
  try {
    return decodeCanonical(payload);
  } catch (error) {
    if (error instanceof MalformedCommand) throw damagedAt(at, error.message);
    throw error;
  }
}

function headOf(fields: unknown, at: number): BackupHead {
  let head: BackupHead;
  try {
    head = headSchema.decode(fields, 'head');
  } catch (error) {
    if (error instanceof MalformedCommand) throw damagedAt(at, error.message);
    throw error;
  }
  if (head.reducerVersion <= REDUCERS_MAX) return head;
  throw new BackupDamaged(
    `it was folded by version ${head.reducerVersion}, and this build has version ${REDUCERS_MAX}: ` +
      'use a newer tocsin',
  );
}

function pageOf(fields: unknown, at: number): StatePage {
  const [path, bytes] = Array.isArray(fields) ? (fields as readonly unknown[]) : [];
  const page = bytes instanceof Uint8Array ? fieldsOf(bytes, at) : null;
  if (typeof path !== 'string' || typeof page !== 'object' || page === null) {
    throw damagedAt(at, 'a page is none');
  }
  return { path, page: restoredPage(path, page) };
}

interface End {
  readonly at: number;
  readonly before: Buffer;
  readonly fields: unknown;
  readonly pages: number;
}

async function endOf(reader: Reader, { at, before, fields, pages }: End): Promise<void> {
  const [count, sum] = Array.isArray(fields) ? (fields as readonly unknown[]) : [];
  const isWhole = sum instanceof Uint8Array && before.equals(sum) && count === pages;
  if (!isWhole) throw damagedAt(at, 'what comes before the end is not what was written');
  if (await reader.hasMore()) throw damagedAt(reader.offset, 'something follows the end');
}

const NOTHING = new Uint8Array(0);

function damagedAt(at: number, what: string): BackupDamaged {
  return new BackupDamaged(`it is damaged at byte ${at}: ${what}`);
}

/** Takes bytes off a stream, as many as are asked for, and knows the hash of all that it took. */
class Reader {
  offset = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #sum: Hash = createHash('sha256');
  #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  digest(): Buffer {
    return this.#sum.copy().digest();
  }

  async take(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (!(await this.#fill())) {
        const end = this.offset + this.#length;
        throw new BackupDamaged(`it is cut short: it ends at byte ${end}, inside a frame`);
      }
    }
    const [first = NOTHING, ...more] = this.#chunks;
    const all =
      more.length === 0
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#chunks, this.#length);
    const taken = all.subarray(0, length);
    this.#chunks = [all.subarray(length)];
    this.#length -= length;
    this.offset += length;
    this.#sum.update(taken);
    return taken;
  }

  async hasMore(): Promise<boolean> {
    return this.#length > 0 || this.#fill();
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#chunks.push(next.value);
      this.#length += next.value.length;
      return true;
    }
  }
}
