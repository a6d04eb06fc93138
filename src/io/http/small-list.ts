/**
 * A body that is a short list, read in one piece: nearly every push is one, and one `JSON.parse` costs
 * half of what json-slices.ts does.
 *
 * Promise: what is read is what json-slices.ts reads. Wherever that could refuse something, also an item
 * of a kind that nobody sends, the answer is null and json-slices.ts has the word.
 */

import type { ListShape } from './json-slices.ts';
import { HTTP_LIMITS } from './limits.ts';

/** The items of a body of at most one slice; null when it has to be read in slices. */
export function smallList(body: Buffer, shape: ListShape): readonly unknown[] | null {
  if (body.length > shape.sliceBytes || hasLongWord(body)) return null;
  let items: unknown;
  try {
    // Bytes that are not UTF-8 become U+FFFD, as in Go.
    items = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(items) || items.length > shape.itemsMax) return null;
  const isOrdinary = items.every((item) => valuesIn(item, 0) <= shape.valuesPerItemMax);
  return isOrdinary ? items : null;
}

/** At least as many values as json-slices.ts counts, but for names that are there twice. */
function valuesIn(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (depth === HTTP_LIMITS.nesting) return Infinity;
  let count = 1;
  for (const name in value) {
    if (Object.hasOwn(value, name))
      count += valuesIn((value as Record<string, unknown>)[name], depth + 1);
  }
  return count;
}

/** Whether there may be a number or a word over its limit: one would fill the space before one of the places. */
function hasLongWord(body: Buffer): boolean {
  const step = HTTP_LIMITS.numberLength / 2;
  for (let place = step; place < body.length; place += step) {
    let start = place;
    while (start > place - step && !DELIMITERS.has(body[start] ?? 0)) start--;
    if (start === place - step) return true;
  }
  return false;
}

/** What no number and no word has in it. */
const DELIMITERS: ReadonlySet<number> = new Set(Buffer.from('"[]{},: \t\r\n'));
