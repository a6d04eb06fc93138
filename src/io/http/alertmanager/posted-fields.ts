/**
 * Objects of parsed JSON as Go's decoder sees them.
 *
 * Promise: a field is found whatever the case of its letters, the last one of a name counts, and
 * text that has no UTF-8 form is read with U+FFFD in its place.
 */

import { valueFault } from './names.ts';
import type { Query } from './query.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Names of fields, by themselves and by their lower case. */
type FieldNames = ReadonlyMap<string, string>;

export function fieldNames(...names: readonly string[]): FieldNames {
  return new Map(names.flatMap((name) => [name, name.toLowerCase()].map((each) => [each, name])));
}

/** The fields of an object under their own names; what has another name is kept as it is. */
export function fieldsOf(posted: object, names: FieldNames): Fields {
  const fields = posted as Fields;
  const keys = Object.keys(fields);
  if (keys.every((key) => nameOf(key, names) === key)) return fields;
  return Object.fromEntries(keys.map((key) => [nameOf(key, names), fields[key]]));
}

function nameOf(key: string, names: FieldNames): string {
  return names.get(key) ?? names.get(key.toLowerCase()) ?? key;
}

/** Text that has a UTF-8 form; anything else as it is. */
export function wellFormed(value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value;
}

/** Text of a field; what is absent or null is the empty text, as in Go. */
export function textOf(name: string, value: unknown): Query<string> {
  if (value === undefined || value === null) return { ok: true, value: '' };
  const text = wellFormed(value);
  const message = valueFault(name, text);
  return message === null ? { ok: true, value: text as string } : { ok: false, message };
}
