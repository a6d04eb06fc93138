/**
 * The known name that a mistyped one most likely means, for hints such as `did you mean "url"?`.
 * Promise: it prefers no suggestion to a far-fetched one.
 */

/** Names longer than this are not compared: nobody mistypes them, and the cost is quadratic. */
const LENGTH_MAX = 64;

/** The hint, or the empty text when no known name is near. */
export function didYouMean(wrong: string, known: readonly string[]): string {
  const name = nearestName(wrong, known);
  return name === null ? '' : `did you mean "${name}"?`;
}

/** `there is no receiver "x"`, with the nearest one that there is. */
export function missingName(kind: string, wanted: string, known: readonly string[]) {
  const near = nearestName(wanted, known);
  const hint =
    near !== null
      ? `did you mean "${near}"?`
      : known.length === 0
        ? `the file defines no ${kind}`
        : `defined are: ${known.slice(0, 10).join(', ')}`;
  return { message: `there is no ${kind} "${wanted}"`, hint };
}

/** The nearest of `known` within a third of its length, or null. */
function nearestName(wrong: string, known: readonly string[]): string | null {
  if (wrong.length > LENGTH_MAX) return null;
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const name of known) {
    if (name.length > LENGTH_MAX) continue;
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase());
    if (distance <= Math.max(1, name.length / 3) && distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
