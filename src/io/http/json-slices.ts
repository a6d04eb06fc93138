/**
 * JSON of any size in slices: the items of a list, parsed some at a time, so that no single
 * `JSON.parse` is given more than one slice, or one item.
 *
 * Promise: what is read is what `JSON.parse` reads from the whole, or a {@link BodyFault}. An item
 * that is over a limit is never parsed: an {@link Oversized} stands in its place, and its neighbours
 * are read. Stops at least once a slice, also where the body holds no item.
 */

import { HTTP_LIMITS, type LimitName } from './limits.ts';

export interface Slice {
  readonly items: readonly unknown[];
  /** Place of the first item in the whole list. */
  readonly first: number;
}

/** Stands for an item that is over a limit. */
export class Oversized {
  readonly limit: LimitName;
  readonly message: string;

  constructor(limit: LimitName, message: string) {
    this.limit = limit;
    this.message = message;
  }
}

/** The body as a whole is refused. */
export class BodyFault extends Error {
  readonly status: 400 | 413 | 503;
  readonly limit: LimitName | null;

  constructor(status: 400 | 413 | 503, message: string, limit: LimitName | null = null) {
    super(message);
    this.status = status;
    this.limit = limit;
  }
}

export interface ListShape {
  readonly itemsMax: number;
  readonly valuesPerItemMax: number;
  readonly sliceBytes: number;
}

/**
 * The items of a list whose opening bracket stands before `at`. Returns the place behind its closing
 * bracket.
 */
export function* jsonSlices(body: Buffer, at: number, shape: ListShape): Generator<Slice, number> {
  const { itemBytes, nesting, numberLength } = HTTP_LIMITS;
  const { sliceBytes } = shape;
  let count = 0;
  let sliceStart = at;
  let sliceFirst = 0;
  let itemStart = at;
  let isEmpty = true;
  let depth = 1;
  let values = 0;
  let run = 0;
  let over: Oversized | null = null;
  let pauseAt = at + sliceBytes;
  const parsed = (end: number): Slice => {
    return { items: parsedItems(body, sliceStart, end, sliceFirst), first: sliceFirst };
  };
  for (let place = at; place < body.length; place++) {
    if (place >= pauseAt) {
      yield { items: [], first: count };
      pauseAt = place + sliceBytes;
    }
    switch (body[place]) {
      case QUOTE:
        isEmpty = false;
        run = 0;
        for (place++; place < body.length && body[place] !== QUOTE; place++) {
          if (body[place] === BACKSLASH) place++;
          if (place < pauseAt) continue;
          yield { items: [], first: count };
          pauseAt = place + sliceBytes;
        }
        continue;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        isEmpty = false;
        values++;
        if (++depth > nesting + 1) over ??= new Oversized('nesting', `nests over ${nesting} deep`);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        break;
      case COMMA:
        if (depth > 1) values++;
        break;
      case COLON:
        isEmpty = false;
        run = 0;
        continue;
      case SPACE:
      case TAB:
      case LINE_FEED:
      case CARRIAGE_RETURN:
        run = 0;
        continue;
      default:
        isEmpty = false;
        if (++run > numberLength) {
          over ??= new Oversized('number-length', `has a number of over ${numberLength} digits`);
        }
        continue;
    }
    run = 0;
    const isEnd = depth === 0;
    if (!isEnd && (depth > 1 || body[place] !== COMMA)) continue;
    if (isEnd && body[place] !== CLOSE_BRACKET) throw notJson('a brace closes the list');
    if (isEmpty && isEnd && count === 0) return place + 1;
    if (isEmpty) throw notJson(`item ${count} is missing`);
    if (count === shape.itemsMax) {
      throw new BodyFault(413, `the body has over ${count} items: send it in parts`, 'items');
    }
    if (place - itemStart > itemBytes) {
      over ??= new Oversized('item-bytes', `has over ${itemBytes} bytes`);
    }
    if (values > shape.valuesPerItemMax) {
      over ??= new Oversized('item-values', `holds over ${shape.valuesPerItemMax} values`);
    }
    const isFull = isEnd || place - sliceStart >= sliceBytes;
    if (over !== null) {
      if (itemStart > sliceStart) yield parsed(itemStart - 1);
      yield { items: [over], first: count };
    } else if (isFull) {
      yield parsed(place);
    }
    count++;
    if (over !== null || isFull) {
      sliceStart = place + 1;
      sliceFirst = count;
      pauseAt = place + sliceBytes;
    }
    if (isEnd) return place + 1;
    itemStart = place + 1;
    isEmpty = true;
    values = 0;
    over = null;
  }
  throw notJson('it ends in the middle');
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

function parsedItems(body: Buffer, start: number, end: number, first: number): readonly unknown[] {
  try {
    // Bytes that are not UTF-8 become U+FFFD, as in Go.
    return JSON.parse(`[${body.toString('utf8', start, end)}]`) as unknown[];
  } catch (error) {
    const where = first === 0 ? '' : `behind item ${first - 1}: `;
    throw notJson(`${where}${(error as Error).message}`);
  }
}

export function notJson(why: string): BodyFault {
  return new BodyFault(400, `the body is not JSON: ${why}`);
}
