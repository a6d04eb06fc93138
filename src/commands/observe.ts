/**
 * `observe`: readings of monitors, in columns of ids and numbers.
 *
 * A series that is known travels as its id; a new one travels as a name and is interned when the
 * command is folded, so that every node gives it the same id. Twelve bytes a reading: an object
 * for each would cost a hundred times as much to code (DESIGN section 6). A reading has no time
 * of its own: it is judged at the `at` of its entry (docs/adr/0002).
 */

import { LIMITS } from './limits.ts';
import { MalformedCommand, list, text, type Schema } from './schema.ts';

export interface Observe {
  readonly kind: 'observe';
  /** Who observed: `carbon`, `push`, or the name of a monitor. */
  readonly source: string;
  /** Names that the sender did not know to be interned. */
  readonly names: readonly string[];
  /** A series id, or `-1 - i` for `names[i]`. */
  readonly ids: Int32Array;
  /** One finite value for each id. */
  readonly values: Float64Array;
}

const source = text(LIMITS.name);
const names = list(text(LIMITS.seriesName), LIMITS.namesPerCommand);

export const observeSchema: Schema<Observe> = {
  encode: (value, where) => {
    checkReadings(value, where);
    return [
      source.encode(value.source, `${where}.source`),
      names.encode(value.names, `${where}.names`),
      bytesOf(value.ids),
      bytesOf(value.values),
    ];
  },
  decode: (wire, where) => {
    if (!Array.isArray(wire) || wire.length !== 4) {
      throw new MalformedCommand(where, 'is not a list of 4 fields');
    }
    const observe: Observe = {
      kind: 'observe',
      source: source.decode(wire[0], `${where}.source`),
      names: names.decode(wire[1], `${where}.names`),
      ids: new Int32Array(column(wire[2], 4, `${where}.ids`)),
      values: new Float64Array(column(wire[3], 8, `${where}.values`)),
    };
    checkReadings(observe, where);
    return observe;
  },
};

/** Checks what the types cannot say: equal columns, finite values, names that exist. */
function checkReadings({ names: newNames, ids, values }: Observe, where: string): void {
  if (ids.length !== values.length) {
    throw new MalformedCommand(where, `has ${ids.length} ids for ${values.length} values`);
  }
  if (ids.length > LIMITS.readingsPerCommand) {
    throw new MalformedCommand(where, `has over ${LIMITS.readingsPerCommand} readings`);
  }
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] ?? 0;
    if (id < 0 && -1 - id >= newNames.length) {
      throw new MalformedCommand(`${where}.ids[${i}]`, 'points at a name that is not there');
    }
    // A finite number minus itself is zero; NaN and the infinities give NaN.
    const value = values[i] ?? NaN;
    if (value - value !== 0) {
      throw new MalformedCommand(`${where}.values[${i}]`, 'is not a finite number');
    }
  }
}

function bytesOf(column: Int32Array | Float64Array): Uint8Array {
  assertLittleEndian();
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

/** Copies a column out of its frame, since a typed array needs its own alignment. */
function column(wire: unknown, width: number, where: string): ArrayBuffer {
  assertLittleEndian();
  if (!(wire instanceof Uint8Array) || wire.length % width !== 0) {
    throw new MalformedCommand(where, `is not a column of ${width}-byte numbers`);
  }
  if (wire.length / width > LIMITS.readingsPerCommand) {
    throw new MalformedCommand(where, `has over ${LIMITS.readingsPerCommand} numbers`);
  }
  const copy = new Uint8Array(wire.length);
  copy.set(wire);
  return copy.buffer;
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function assertLittleEndian(): void {
  if (!littleEndian) throw new Error('stored columns are little-endian; this processor is not');
}
