/**
 * Reads a decimal number out of bytes, without making a string of it.
 *
 * Promise: whatever it accepts has the very value that `Number` gives (minus zero becomes zero).
 * The grammar is a decimal with an optional sign, fraction and exponent; hexadecimal, underscores
 * and words are not numbers here, although JavaScript or Python would read some of them.
 */

/** A place in the bytes that readers move forward. */
export interface Cursor {
  at: number;
}

/**
 * Reads a number at the cursor and moves the cursor past it. Gives NaN, and leaves the cursor
 * where it was, when no number starts there. A huge number gives an infinity, as `Number` does.
 * The bytes must end in one that cannot belong to a number, such as a newline.
 */
export function readDecimal(bytes: Buffer, cursor: Cursor): number {
  const start = cursor.at;
  let at = start;
  let byte = bytes[at] as number;
  const negative = byte === MINUS;
  if (negative || byte === PLUS) byte = bytes[++at] as number;

  const wholeAt = at;
  let digits = 0;
  while (byte >= ZERO && byte <= NINE) {
    digits = digits * 10 + (byte - ZERO);
    byte = bytes[++at] as number;
  }
  let digitCount = at - wholeAt;
  let fractionCount = 0;
  if (byte === POINT) {
    const fractionAt = ++at;
    byte = bytes[at] as number;
    while (byte >= ZERO && byte <= NINE) {
      digits = digits * 10 + (byte - ZERO);
      byte = bytes[++at] as number;
    }
    fractionCount = at - fractionAt;
    digitCount += fractionCount;
  }
  if (digitCount === 0) return NaN;

  const hasExponent = byte === LOWER_E || byte === UPPER_E;
  if (hasExponent || digitCount > DIGITS_MAX || fractionCount > POWERS.length - 1) {
    return readSlowly(bytes, cursor, hasExponent ? exponentEnd(bytes, at) : at);
  }
  cursor.at = at;
  const size = fractionCount === 0 ? digits : digits / (POWERS[fractionCount] as number);
  return negative ? 0 - size : size;
}

const ZERO = 0x30;
const NINE = 0x39;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const UPPER_E = 0x45;
const LOWER_E = 0x65;

/** A double holds every integer of this many digits, so that collecting them loses nothing. */
const DIGITS_MAX = 15;

/**
 * The powers of ten that a double holds exactly. An exact integer divided by one of them is
 * rounded once, which is what reading the text correctly means (Clinger 1990, the fast case).
 */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** The end of an exponent whose `e` stands at `at`, or `at` when no digit follows it. */
function exponentEnd(bytes: Buffer, at: number): number {
  let end = at + 1;
  if (bytes[end] === PLUS || bytes[end] === MINUS) end++;
  const digitsAt = end;
  while (isDigit(bytes[end])) end++;
  return end === digitsAt ? at : end;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** Lets `Number` round what is too long for the exact case: it is right for all of them. */
function readSlowly(bytes: Buffer, cursor: Cursor, end: number): number {
  const text = bytes.toString('latin1', cursor.at, end);
  cursor.at = end;
  return Number(text) + 0;
}
