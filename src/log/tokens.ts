/**
 * A walk over the tokens of msgpack bytes before anything is decoded: no extensions, nothing
 * nested too deep, no list longer than the bytes that are there.
 *
 * Promise: bytes that pass decode to plain data (maps, lists, text, bytes, numbers, true, false,
 * null) in memory and time linear in their length. A decoder alone does not give that: extensions
 * of msgpackr can name a value and use it twice, so that a hundred bytes unfold to 2^30 routes.
 */

/** Deeper than any page of state: 32 routes in each other, each a map in a list, and their shell. */
const DEPTH_MAX = 128;

/** Why the bytes are refused, or null when they are fine. */
export function tokenProblem(bytes: Uint8Array): string | null {
  /** For each list and map around the place, how many items are still to come. */
  const left: number[] = [1];
  let at = 0;
  while (left.length > 0) {
    const items = left.pop() ?? 0;
    if (items === 0) continue;
    left.push(items - 1);
    const token = bytes[at];
    if (token === undefined) return 'end too early';
    const size = sizeOf(bytes, at, token);
    if (size === null) return `hold the token 0x${token.toString(16)}, which nothing here writes`;
    at += size.bytes;
    if (size.items > bytes.length - at) return 'claim more than there is';
    if (size.items > 0 && left.push(size.items) > DEPTH_MAX) return `are over ${DEPTH_MAX} deep`;
  }
  if (at > bytes.length) return 'end too early';
  return at < bytes.length ? 'go on after their end' : null;
}

interface TokenSize {
  /** Bytes of the token with its content, but without the items of a list or map. */
  readonly bytes: number;
  /** Values that follow as its items; a map has two for each key. */
  readonly items: number;
}

function sizeOf(bytes: Uint8Array, at: number, token: number): TokenSize | null {
  if (token < 0x80 || token >= 0xe0) return { bytes: 1, items: 0 };
  if (token < 0x90) return { bytes: 1, items: 2 * (token & 0x0f) };
  if (token < 0xa0) return { bytes: 1, items: token & 0x0f };
  if (token < 0xc0) return { bytes: 1 + (token & 0x1f), items: 0 };
  switch (token) {
    case 0xc0: // null
    case 0xc2: // false
    case 0xc3: // true
      return { bytes: 1, items: 0 };
    case 0xc4: // bytes
    case 0xd9: // text
      return { bytes: 2 + uint(bytes, at, 1), items: 0 };
    case 0xc5:
    case 0xda:
      return { bytes: 3 + uint(bytes, at, 2), items: 0 };
    case 0xc6:
    case 0xdb:
      return { bytes: 5 + uint(bytes, at, 4), items: 0 };
    case 0xcc: // numbers
    case 0xd0:
      return { bytes: 2, items: 0 };
    case 0xcd:
    case 0xd1:
      return { bytes: 3, items: 0 };
    case 0xca:
    case 0xce:
    case 0xd2:
      return { bytes: 5, items: 0 };
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return { bytes: 9, items: 0 };
    case 0xdc: // lists
      return { bytes: 3, items: uint(bytes, at, 2) };
    case 0xdd:
      return { bytes: 5, items: uint(bytes, at, 4) };
    case 0xde: // maps
      return { bytes: 3, items: 2 * uint(bytes, at, 2) };
    case 0xdf:
      return { bytes: 5, items: 2 * uint(bytes, at, 4) };
    default:
      return null;
  }
}

/** The length behind a token, big-endian; what lies past the end counts as zero. */
function uint(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 1; i <= width; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
