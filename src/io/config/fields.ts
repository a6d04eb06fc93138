/**
 * The building blocks of schemas, in zod: maps with fixed keys, lists, and leaves that
 * read text. Every section is described with them.
 *
 * Promise: an issue carries a sentence for people and, in `params.hint`, how to fix it. The
 * message of an unknown key is the list of known keys, from which the reader picks the nearest.
 */

import { z } from 'zod';
import { LIMITS } from '../../commands/limits.ts';
import { parseDuration, parseGoDuration } from './durations.ts';
import { bad, good, type Parsed } from './parsed.ts';
import { parseHttpUrl, parseProxyUrl } from './urls.ts';
import { Scalar, type Fields } from './yaml.ts';

export type Shape = Readonly<Record<string, z.ZodType>>;

/**
 * How to read the values of a schema back from the JSON in which a configuration command stores
 * them. Zod copies an entry of this registry to what a refinement makes of the schema.
 */
const storedForms = z.registry<{ readonly storedForm: unknown }>();

/**
 * The schema of what `schema` has read from a file, after it was stored as JSON. It checks types
 * alone and ignores keys that it does not have, so that a build reads what earlier and later builds
 * stored, whatever rules those had for files. Throws for a schema that ends in a transformation.
 */
export function storedForm<T>(schema: z.ZodType<T>): z.ZodType<T> {
  const known = storedForms.get(schema);
  if (known === undefined) throw new Error('storedForm: this schema has no stored form');
  return (known.storedForm as () => z.ZodType<T>)();
}

function withStoredForm<S extends z.ZodType>(schema: S, form: () => z.ZodType): S {
  storedForms.add(schema, { storedForm: form });
  return schema;
}

/** A map with exactly these keys; a key with no value is the same as an absent one, as in Go. */
export function fields<S extends Shape>(shape: S) {
  const known = Object.keys(shape).join(' ');
  const object = z.strictObject(shape, { error: () => known });
  const read = z.preprocess((value, context) => passed(checkMap(value), value, context), object);
  return withStoredForm(read, () =>
    z.object(
      Object.fromEntries(Object.entries(shape).map(([key, each]) => [key, storedForm(each)])),
    ),
  );
}

/**
 * A list. A single value is refused, as in Go. `zero` is what an item without a value means, where
 * Go gives it its zero value; without it, such an item is refused.
 */
export function list<T>(item: z.ZodType<T>, zero?: T) {
  const read = checked<unknown[]>((value) =>
    Array.isArray(value)
      ? good(value)
      : bad(`${must(value)} be a list`, 'write [a, b] or one "- item" a line'),
  ).pipe(z.array(orZero(item, zero)));
  return withStoredForm(read, () => z.array(storedForm(item)));
}

/** A map with free keys, as pairs in the order of the file. `zero` as in {@link list}. */
export function pairs<T>(
  item: z.ZodType<T>,
  zero?: T,
): z.ZodType<readonly (readonly [string, T])[]> {
  return checked(checkMap).transform((value, context) =>
    Object.keys(value).flatMap((key) => {
      const read = inner(orZero(item, zero), value[key], context, [key]);
      return read.ok ? [[key, read.value] as const] : [];
    }),
  );
}

/** A map with free keys, as an object without a prototype: a key `__proto__` is only a key. */
export function record<T>(item: z.ZodType<T>, zero?: T): z.ZodType<Readonly<Record<string, T>>> {
  const read = pairs(item, zero).transform(asObject);
  return withStoredForm(read, () => z.record(z.string(), storedForm(item)));
}

export function asObject<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) object[key] = value;
  return object;
}

/** Go never asks a type what null means: it takes the zero value, unchecked. */
function orZero<T>(item: z.ZodType<T>, zero: T | undefined): z.ZodType<T> {
  if (zero === undefined) return item;
  return z.unknown().transform((value, context): T => {
    if (value === null) return zero;
    const read = inner(item, value, context, []);
    return read.ok ? read.value : z.NEVER;
  });
}

/** Whichever of two forms the value has: a list, or a single value. */
export function listOr<L, S>(many: z.ZodType<L>, single: z.ZodType<S>): z.ZodType<L | S> {
  return z.unknown().transform((value, context): L | S => {
    const read = inner<L | S>(Array.isArray(value) ? many : single, value, context, []);
    return read.ok ? read.value : z.NEVER;
  });
}

/** A key that may be left out. */
export function maybe<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  const read = z.preprocess((value) => value ?? undefined, schema.optional());
  return withStoredForm(read, () => storedForm(schema).optional());
}

/**
 * A leaf: text, in quotes or not, that `read` turns into a value. `stored` is the type of that value
 * in JSON: text unless given.
 */
export function leaf<T>(
  read: (text: string, scalar: Scalar) => Parsed<T>,
  stored: z.ZodType = z.string(),
): z.ZodType<T> {
  const leafOf = checked((value) => {
    if (value instanceof Scalar) return read(value.text, value);
    return bad(`${must(value)} be a single value`);
  });
  return withStoredForm(leafOf, () => stored);
}

export function text(lengthMax: number): z.ZodType<string> {
  return leaf((value) =>
    value.length <= lengthMax
      ? good(value)
      : bad(`has ${value.length} characters, at most ${lengthMax} fit`),
  );
}

/** Text that is not empty. */
export function name(lengthMax: number): z.ZodType<string> {
  return leaf((value) => {
    if (value === '') return bad('is empty');
    if (value.length <= lengthMax) return good(value);
    return bad(`has ${value.length} characters, at most ${lengthMax} fit`);
  });
}

const TRUE_WORDS = /^(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE_WORDS = /^(n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;

/** `true` and `false` in all the words of YAML 1.1, without quotes, as Go reads them. */
export const flag: z.ZodType<boolean> = leaf((value, scalar) => {
  if (scalar.plain && TRUE_WORDS.test(value)) return good(true);
  if (scalar.plain && FALSE_WORDS.test(value)) return good(false);
  return bad(`"${value}" is not true or false`, scalar.plain ? '' : 'write it without quotes');
}, z.boolean());

export const number: z.ZodType<number> = leaf((value, scalar) => {
  if (!scalar.plain) return bad(`"${value}" is text, not a number`, 'write it without quotes');
  if (!/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(value)) {
    const bare = /^[-+]?\d+(\.\d+)?/.exec(value)?.[0];
    const hint = bare === undefined ? '' : `write ${bare}, in the unit of the series`;
    return bad(`"${value}" is not a number`, hint);
  }
  const parsed = Number(value);
  return Number.isFinite(parsed) ? good(parsed) : bad(`"${value}" is too large`);
}, z.number());

/** A whole number without a sign. */
export function whole(min: number, max: number): z.ZodType<number> {
  return leaf((value, scalar) => {
    const parsed = scalar.plain ? goInteger(value) : NaN;
    if (parsed >= min && parsed <= max) return good(parsed);
    return bad(`"${value}" is not a whole number from ${min} to ${max}`);
  }, z.number());
}

/** A whole number as Go reads YAML 1.1: `0x10` and `0b11`, octal `010` and `0o10`, `1_000` and `1e3`. */
function goInteger(text: string): number {
  const digits = text.replaceAll('_', '').replace(/^\+/, '');
  if (/^0[0-7]+$/.test(digits)) return parseInt(digits, 8);
  const form = /^(?:0x[0-9a-fA-F]+|0b[01]+|0o[0-7]+|(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][-+]?\d+)?)$/;
  const value = form.test(digits) ? Number(digits) : NaN;
  return Number.isInteger(value) ? value : NaN;
}

/** Milliseconds of a Prometheus duration. */
export const duration: z.ZodType<number> = leaf((value) => parseDuration(value), z.number());

/** Milliseconds of a Go duration. */
export const goDuration: z.ZodType<number> = leaf((value) => parseGoDuration(value), z.number());

/** An http or https URL. */
export const url: z.ZodType<string> = leaf(readUrl);

/** An http or https URL, or a template of one, which is left to the sender. */
export const templatedUrl: z.ZodType<string> = leaf((value) => {
  if (!/\{\{[^]*\}\}/.test(value)) return readUrl(value);
  if (value.length <= LIMITS.seriesName) return good(value);
  return bad(`has over ${LIMITS.seriesName} characters`);
});

/** The URL of a proxy; empty for none. */
export const proxyUrl: z.ZodType<string> = leaf((value) => parseProxyUrl(value));

function readUrl(value: string): Parsed<string> {
  if (value !== '<secret>') return parseHttpUrl(value);
  return bad('is a masked secret', 'put the real URL here: this one was hidden for display');
}

/** Refuses two of `keys` at once. */
export function exclusive(
  context: z.core.$RefinementCtx,
  given: object,
  keys: readonly string[],
): void {
  const used = keys.filter((key) => isUsed((given as Record<string, unknown>)[key]));
  const second = used[1];
  if (second === undefined) return;
  refuse(context, [second], `cannot stand beside ${used[0] ?? ''}`, 'keep one of them');
}

export function refuse(
  context: z.core.$RefinementCtx,
  path: readonly (string | number)[],
  message: string,
  hint = '',
): void {
  context.addIssue({ code: 'custom', message, params: { hint }, path: [...path] });
}

/** An empty text is the same as an absent one, as in Go. */
function isUsed(value: unknown): boolean {
  return value !== undefined && value !== '';
}

export function isFields(value: unknown): value is Fields {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Scalar)
  );
}

/** A schema of one check, whose refusals carry hints. */
function checked<T>(check: (value: unknown) => Parsed<T>) {
  return z.unknown().transform((value, context): T => passed(check(value), value, context));
}

function passed<T>(parsed: Parsed<T>, input: unknown, context: z.core.$RefinementCtx): T {
  if (parsed.ok) return parsed.value;
  const { message, hint } = parsed;
  context.issues.push({ code: 'custom', message, params: { hint }, input });
  return z.NEVER;
}

/** Runs `schema` inside another one and passes its issues on. */
function inner<T>(
  schema: z.ZodType<T>,
  value: unknown,
  context: z.core.$RefinementCtx,
  path: readonly string[],
): { readonly ok: true; readonly value: T } | { readonly ok: false } {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  for (const issue of result.error.issues) {
    context.issues.push({ ...issue, path: [...path, ...issue.path], input: value } as never);
  }
  return { ok: false };
}

function checkMap(value: unknown): Parsed<Fields> {
  return isFields(value) ? good(value) : bad(`${must(value)} be a map (key: value)`);
}

function must(value: unknown): string {
  return value === undefined || value === null ? 'is missing; it must' : 'must';
}
