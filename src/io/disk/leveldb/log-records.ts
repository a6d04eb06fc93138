/**
 * The records of a file in LevelDB's log format (doc/log_format.md): its logs and its manifest.
 *
 * Promise: a record is given only when its checksum is right. A record that the file ends in is
 * one that is being written, or was when the machine stopped: it is left out without a word, as
 * LevelDB does. Anything else is damage with its place; reading goes on with the next block.
 */

import { hasChecksum } from './bytes.ts';

export type LogPiece =
  | { readonly ok: true; readonly record: Buffer; readonly at: number }
  | { readonly ok: false; readonly what: string; readonly at: number };

export function* logRecords(bytes: Buffer): Generator<LogPiece> {
  let parts: Buffer[] = [];
  let began = 0;
  /** After damage the rest of a record may follow, which is not damage of its own. */
  let isResyncing = false;
  for (const fragment of fragments(bytes)) {
    const { at } = fragment;
    if (!fragment.ok) {
      parts = [];
      isResyncing = true;
      yield fragment;
      continue;
    }
    const isFirst = fragment.type === FULL || fragment.type === FIRST;
    if (isFirst !== (parts.length === 0)) {
      if (!isResyncing) yield { ok: false, what: 'a record is not whole', at };
      isResyncing = true;
      parts = [];
      if (!isFirst) continue;
    }
    if (isFirst) began = at;
    isResyncing = false;
    parts.push(fragment.payload);
    if (fragment.type !== FULL && fragment.type !== LAST) continue;
    yield { ok: true, record: Buffer.concat(parts), at: began };
    parts = [];
  }
}

type Fragment =
  | { readonly ok: true; readonly type: number; readonly payload: Buffer; readonly at: number }
  | { readonly ok: false; readonly what: string; readonly at: number };

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;

const FULL = 1;
const FIRST = 2;
const LAST = 4;

function* fragments(bytes: Buffer): Generator<Fragment> {
  for (let block = 0; block < bytes.length; block += BLOCK_BYTES) {
    const end = Math.min(block + BLOCK_BYTES, bytes.length);
    for (let at = block; at + HEADER_BYTES <= end;) {
      const length = bytes.readUInt16LE(at + 4);
      const type = bytes[at + 6] as number;
      const next = at + HEADER_BYTES + length;
      // Space that was reserved and not written: the file system makes it after a loss of power.
      if (type === 0 && length === 0) break;
      if (next > end) {
        if (end === bytes.length && end < block + BLOCK_BYTES) return;
        yield { ok: false, what: 'a record is longer than its block', at };
        break;
      }
      if (!hasChecksum(bytes.subarray(at + 6, next), bytes.readUInt32LE(at))) {
        yield { ok: false, what: 'a record has another checksum', at };
        break;
      }
      if (type < FULL || type > LAST) {
        yield { ok: false, what: `a record has the unknown type ${type}`, at };
        break;
      }
      yield { ok: true, type, payload: bytes.subarray(at + HEADER_BYTES, next), at };
      at = next;
    }
  }
}
