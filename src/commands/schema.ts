/**
 * A small vocabulary for describing what may be stored: each schema writes a value as plain
 * arrays, strings, numbers and bytes in one fixed order, and reads it back with every check.
 *
 * Promise: equal values give equal wire forms, so their bytes can be hashed; whatever does not
 * fit is refused with the place and the reason. Knows nothing of msgpack, files or sockets.
 */

/** What a schema writes: nothing but arrays, so that key order can never change the bytes. */
export type Wire = null | boolean | number | string | Uint8Array | readonly Wire[];

/** A value that does not fit its schema. `where` is a path such as `alerts[3].labels`. */
export class MalformedCommand extends Error {
  readonly code = 'malformed-command';
  readonly where: string;
  readonly #problem: string;

  constructor(where: string, problem: string) {
    super(`${where}: ${problem}`);
    this.name = 'MalformedCommand';
    this.where = where;
    this.#problem = problem;
  }

  /** The same problem, in a part of `where`. */
  within(where: string): MalformedCommand {
    return new MalformedCommand(where + this.where, this.#problem);
  }
}

/**
 * Rethrows what went wrong in a part that was read under the place `''`. Places are put together only
 * here: in a batch of a thousand alerts they would be ten thousand texts that nobody reads.
 */
export function failedWithin(error: unknown, where: string): never {
  throw error instanceof MalformedCommand ? error.within(where) : error;
}

export interface Schema<T> {
  /** Writes `value`; checks it as strictly as `decode`, so nothing unreadable is ever stored. */
  encode(value: T, where: string): Wire;
  /** Reads what `encode` wrote. Throws {@link MalformedCommand}. */
  decode(wire: unknown, where: string): T;
}

export type TypeOf<S> = S extends Schema<infer T> ? T : never;

/** A record with fields that came with a later version and may be left out. */
export type Since2<S, Names extends string> = Omit<TypeOf<S>, Names> & {
  readonly [Name in Names & keyof TypeOf<S>]?: TypeOf<S>[Name] | undefined;
};

/** Text of at most `lengthMax` UTF-16 units, without lone surrogates (they have no UTF-8 form). */
export function text(lengthMax: number): Schema<string> {
  return checked((value, where) => {
    if (typeof value !== 'string') throw new MalformedCommand(where, 'is not text');
    if (value.length > lengthMax) {
      throw new MalformedCommand(where, `has ${value.length} characters, at most ${lengthMax} fit`);
    }
    if (!value.isWellFormed()) throw new MalformedCommand(where, 'is not valid Unicode');
    return value;
  });
}

/** An id that a node minted: letters, digits and dashes, safe as a key and in a URL. */
export const mintedId: Schema<string> = checked((value, where) => {
  if (typeof value !== 'string' || !/^[0-9A-Za-z-]{1,64}$/.test(value)) {
    throw new MalformedCommand(where, 'is not an id of letters, digits and dashes');
  }
  return value;
});

/** Lower-case hexadecimal text of at most `lengthMax` digits; none is allowed. */
export function hexText(lengthMax: number): Schema<string> {
  return checked((value, where) => {
    if (typeof value !== 'string' || value.length > lengthMax || !/^[0-9a-f]*$/.test(value)) {
      throw new MalformedCommand(where, `is not up to ${lengthMax} hexadecimal digits`);
    }
    return value;
  });
}

/** A finite number; minus zero becomes zero because msgpack has no minus zero. */
export const finite: Schema<number> = checked((value, where) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new MalformedCommand(where, 'is not a finite number');
  }
  return value === 0 ? 0 : value;
});

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number): Schema<number> {
  return checked((value, where) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new MalformedCommand(where, `is not a whole number from ${min} to ${max}`);
    }
    return value === 0 ? 0 : value;
  });
}

/** Epoch milliseconds, in 48 bits: up to the year 10889. */
export const time = whole(0, 281_474_976_710_655);

const offsetMs = whole(-281_474_976_710_655, 281_474_976_710_655);

/** How far one clock is ahead of another, in milliseconds; absent is zero. */
export const offset: Schema<number | undefined> = {
  encode: (value, where) => offsetMs.encode(value ?? 0, where),
  decode: (wire, where) => offsetMs.decode(wire, where) || undefined,
};

/** A span of time in milliseconds. */
export const span = whole(0, 281_474_976_710_655);

export const flag: Schema<boolean> = checked((value, where) => {
  if (typeof value !== 'boolean') throw new MalformedCommand(where, 'is not true or false');
  return value;
});

/** One of a closed set of words. */
export function oneOf<const T extends string>(words: readonly T[]): Schema<T> {
  return checked((value, where) => {
    const found = words.find((word) => word === value);
    if (found === undefined) {
      throw new MalformedCommand(where, `is none of ${words.join(', ')}`);
    }
    return found;
  });
}

/** A list of at most `countMax` items. */
export function list<T>(item: Schema<T>, countMax: number): Schema<readonly T[]> {
  const items = (value: unknown, where: string): readonly unknown[] => {
    if (!Array.isArray(value)) throw new MalformedCommand(where, 'is not a list');
    if (value.length > countMax) {
      throw new MalformedCommand(where, `has ${value.length} items, at most ${countMax} fit`);
    }
    return value;
  };
  const each = <From, To>(
    value: unknown,
    where: string,
    convert: (one: From, place: string) => To,
  ): readonly To[] => {
    const given = items(value, where);
    const all: To[] = [];
    try {
      for (const one of given) all.push(convert(one as From, ''));
    } catch (error) {
      failedWithin(error, `${where}[${all.length}]`);
    }
    return all;
  };
  return {
    encode: (value, where) => each(value, where, (one: T, place) => item.encode(one, place)),
    decode: (wire, where) => each(wire, where, (one, place) => item.decode(one, place)),
  };
}

/** A value that may be absent; absent is `null`, never `undefined`. */
export function optional<T>(inner: Schema<T>): Schema<T | null> {
  return {
    encode: (value, where) => (value === null ? null : inner.encode(value, where)),
    decode: (wire, where) => (wire === null ? null : inner.decode(wire, where)),
  };
}

type Fields = Readonly<Record<string, Schema<unknown>>>;
type RecordOf<F> = { readonly [K in keyof F]: TypeOf<F[K]> };

/** A record, written as an array of its fields in the order in which they are declared here. */
export function record<const F extends Fields>(fields: F): Schema<RecordOf<F>> {
  const all = Object.entries(fields).map(([name, schema]) => ({
    name,
    dotted: `.${name}`,
    schema,
  }));
  return {
    encode: (value, where) => {
      const source = value as Readonly<Record<string, unknown>>;
      const wire: Wire[] = [];
      try {
        for (const { name, schema } of all) wire.push(schema.encode(source[name], ''));
      } catch (error) {
        failedWithin(error, where + (all[wire.length]?.dotted ?? ''));
      }
      return wire;
    },
    decode: (wire, where) => {
      if (!Array.isArray(wire) || wire.length !== all.length) {
        throw new MalformedCommand(where, `is not a list of ${all.length} fields`);
      }
      const result: Record<string, unknown> = {};
      let at = 0;
      try {
        for (const { name, schema } of all) {
          result[name] = schema.decode(wire[at], '');
          at++;
        }
      } catch (error) {
        failedWithin(error, where + (all[at]?.dotted ?? ''));
      }
      return result as RecordOf<F>;
    },
  };
}

/** A schema that refers to itself, such as a tree of routes; `depthMax` stops decoder bombs. */
export function recursive<T>(depthMax: number, build: (self: Schema<T>) => Schema<T>): Schema<T> {
  let depth = 0;
  const guarded = <R>(where: string, run: () => R): R => {
    if (depth >= depthMax) throw new MalformedCommand(where, `is nested over ${depthMax} deep`);
    depth++;
    try {
      return run();
    } finally {
      depth--;
    }
  };
  const self: Schema<T> = {
    encode: (value, where) => guarded(where, () => inner.encode(value, where)),
    decode: (wire, where) => guarded(where, () => inner.decode(wire, where)),
  };
  const inner = build(self);
  return self;
}

function checked<T extends Wire>(check: (value: unknown, where: string) => T): Schema<T> {
  return { encode: check, decode: check };
}
