/**
 * What a series may be called, and the one spelling of a name with tags.
 *
 * Promise: `cpu;host=a;dc=b` and `cpu;dc=b;host=a` are the same series, and so are `n2..a.b` and
 * `n2.a.b`. The rules for tags are Graphite's ("Graphite Tag Support", section Carbon); a tag twice
 * is refused because Graphite would silently keep either.
 */

import { LIMITS } from '../../commands/limits.ts';
import { withPlainDots } from '../../commands/series-path.ts';

/** The name with plain dots and its tags sorted by key, or null when nothing may be called that. */
export function normalSeriesName(name: string): string | null {
  if (!isPrintable(name)) return null;
  const plain = withPlainDots(name);
  if (plain === '') return null;
  if (!plain.includes(';')) return plain;
  const [path = '', ...tags] = plain.split(';');
  if (path === '' || !tags.every((tag) => TAG.test(tag))) return null;
  const keys = tags.map(tagKey);
  if (new Set(keys).size < keys.length) return null;
  return [path, ...tags.sort((a, b) => (tagKey(a) < tagKey(b) ? -1 : 1))].join(';');
}

/**
 * The name of what a monitor gives: a series name, or an expression over some (a target, an alias),
 * which is taken as it is.
 */
export function monitorSeriesName(name: string): string | null {
  const normal = normalSeriesName(name);
  if (normal !== null) return normal;
  const plain = withPlainDots(name);
  return isPrintable(name) && plain !== '' && !plain.startsWith(';') ? plain : null;
}

/** Whether a name can be stored and shown as it is: some text without control characters. */
function isPrintable(name: string): boolean {
  return name !== '' && name.length <= LIMITS.seriesName && !UNPRINTABLE.test(name);
}

/** Control, format, private-use and line-separator characters, and lone surrogates. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

/** A key of ASCII without `!`, `^` and `=`, and a value that does not start with `~`. */
const TAG = /^[^=!^\P{ASCII}]+=[^~]/u;

function tagKey(tag: string): string {
  return tag.slice(0, tag.indexOf('='));
}
