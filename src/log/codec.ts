/**
 * The bytes of a batch and of a page of state: msgpack in one frozen configuration.
 *
 * Promise: equal values give equal bytes. Records and shared structures of msgpackr are off,
 * because a decoder with other structures reads other keys without an error; commands are arrays
 * in a fixed order, pages are maps with sorted keys. Knows no file and no hash.
 */

import { Packr, RESET_BUFFER_MODE } from 'msgpackr/pack';
import { batchFromWire, batchToWire, type Batch } from '../commands/command.ts';
import { LIMITS } from '../commands/limits.ts';
import { MalformedCommand, type Wire } from '../commands/schema.ts';
import { tokenProblem } from './tokens.ts';

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: false,
  int64AsType: 'number',
});

/** Encodes a batch. Throws {@link MalformedCommand} on a value that does not fit its schema. */
export function encodeBatch(batch: Batch): Uint8Array {
  const bytes = pack(batchToWire(batch));
  if (bytes.length > LIMITS.batchBytes) {
    throw new MalformedCommand(
      'batch',
      `takes ${bytes.length} bytes, at most ${LIMITS.batchBytes} fit in one entry`,
    );
  }
  return bytes;
}

/** Decodes a batch. Throws {@link MalformedCommand} on anything that is not a batch. */
export function decodeBatch(bytes: Uint8Array): Batch {
  if (bytes.length > LIMITS.batchBytes) {
    throw new MalformedCommand('batch', `takes ${bytes.length} bytes, over the limit`);
  }
  return batchFromWire(unpack(bytes));
}

/** Encodes what a schema wrote: nothing in it has keys, so nothing has to be sorted. */
export function encodeWire(wire: Wire): Uint8Array {
  return pack(wire);
}

/** Encodes plain data (maps, arrays, text, numbers) so that equal data gives equal bytes. */
export function encodeCanonical(value: unknown): Uint8Array {
  return pack(sorted(value));
}

/** Decodes what {@link encodeCanonical} wrote. Throws {@link MalformedCommand} on broken bytes. */
export function decodeCanonical(bytes: Uint8Array): unknown {
  return unpack(bytes);
}

/** Copies the result out of msgpackr's buffer, which every call reuses. */
function pack(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value, RESET_BUFFER_MODE));
}

function unpack(bytes: Uint8Array): unknown {
  const problem = tokenProblem(bytes);
  if (problem !== null) throw new MalformedCommand('bytes', problem);
  try {
    return packr.unpack(bytes);
  } catch (error) {
    // For example a map in the place of a key.
    throw new MalformedCommand('bytes', `are not msgpack: ${(error as Error).message}`);
  }
}

/** The same data, keys in one order: whole numbers as JavaScript has them, then UTF-16 units. */
function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const source = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(source);
  // Whole numbers come first and in order, so when the last key is one, all are in order already.
  const inOrder = /^\d{1,9}$/.test(keys.at(-1) ?? '');
  if (inOrder && keys.every((key) => typeof source[key] !== 'object')) return source;
  const result: Record<string, unknown> = {};
  for (const key of inOrder ? keys : keys.sort()) result[key] = sorted(source[key]);
  return result;
}
