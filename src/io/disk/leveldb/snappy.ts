/** Unpacks a block of Snappy (google/snappy, format_description.txt), as LevelDB packs its blocks. */

import { Cursor, MalformedBytes } from './bytes.ts';

/** Throws {@link MalformedBytes} when the bytes do not unpack to what they say, or to too much. */
export function unpackSnappy(packed: Buffer, sizeMax: number): Buffer {
  const cursor = new Cursor(packed);
  const size = cursor.varint();
  if (size > sizeMax) throw new MalformedBytes(`it unpacks to ${size} bytes`);
  const out = Buffer.alloc(size);
  let at = 0;
  while (!cursor.isAtEnd) {
    const tag = byteOf(cursor);
    const kind = tag & 3;
    if (kind === LITERAL) {
      const code = tag >> 2;
      const length = (code < 60 ? code : cursor.take(code - 59).readUIntLE(0, code - 59)) + 1;
      if (at + length > size) throw new MalformedBytes('it unpacks to more than it says');
      at += cursor.take(length).copy(out, at);
      continue;
    }
    const length = kind === NEAR ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset =
      kind === NEAR
        ? ((tag >> 5) << 8) | byteOf(cursor)
        : cursor.take(kind === FAR ? 2 : 4).readUIntLE(0, kind === FAR ? 2 : 4);
    if (offset === 0 || offset > at || at + length > size) {
      throw new MalformedBytes('it repeats what is not there');
    }
    // Byte by byte: what is repeated may reach into what is being written.
    for (const end = at + length; at < end; at++) out[at] = out[at - offset] as number;
  }
  if (at !== size) throw new MalformedBytes('it unpacks to less than it says');
  return out;
}

/** The two low bits of a tag; what is none of these is a copy with an offset of four bytes. */
const LITERAL = 0;
const NEAR = 1;
const FAR = 2;

function byteOf(cursor: Cursor): number {
  return cursor.take(1)[0] as number;
}
