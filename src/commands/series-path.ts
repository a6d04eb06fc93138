/**
 * The one spelling of the path in a series name: parts joined by single dots.
 *
 * Promise: a name and a pattern are spelled by the same rule, so both sides of a check meet. Carbon
 * stores `n2..a.b` in the file of `n2.a.b`, since it makes folders of dots; relays and Graphite's
 * finders collapse dots, too. A tag's value is no path: its dots stay. So do slashes, which carbon
 * keeps in the names that it hands on.
 */

const RUN_OF_DOTS = /\.{2,}/g;
const OUTER_DOTS = /^\.+|\.+$/g;

/** The text with the dots of its path collapsed, and without dots around the path. */
export function withPlainDots(text: string): string {
  const tagsAt = text.indexOf(';');
  const path = tagsAt < 0 ? text : text.slice(0, tagsAt);
  if (!path.includes('..') && !path.startsWith('.') && !path.endsWith('.')) return text;
  const plain = path.replace(RUN_OF_DOTS, '.').replace(OUTER_DOTS, '');
  return tagsAt < 0 ? plain : plain + text.slice(tagsAt);
}
