/**
 * Settings as JSON with sorted keys, so that equal settings are equal text in the log.
 */

import { isFields } from './fields.ts';
import { Scalar, type Value } from './yaml.ts';

/** JSON with the keys of every object in the order of their UTF-16 units. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const entries = Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.reduce<Record<string, unknown>>(
      (sorted, [key, each]) => {
        sorted[key] = each;
        return sorted;
      },
      Object.create(null) as Record<string, unknown>,
    );
  });
}

/**
 * A tree of the file as plain values. A number is one only when it comes out as it was written:
 * `-100123` is a number, `007` and `1e3` stay text, so that no key or token is ever changed.
 */
export function plainOf(value: Value): unknown {
  if (value === null) return null;
  if (value instanceof Scalar) return plainScalar(value);
  if (isFields(value)) {
    const plain = Object.create(null) as Record<string, unknown>;
    for (const [key, each] of Object.entries(value)) plain[key] = plainOf(each);
    return plain;
  }
  return value.map(plainOf);
}

function plainScalar({ text, plain }: Scalar): unknown {
  if (!plain) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  return String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text;
}
