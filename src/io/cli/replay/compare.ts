/**
 * The pages of two logs side by side: which of them are the same, which have no counterpart, and
 * which came at another time.
 *
 * Promise: pure. Pages are the same when they tell one integration of the same alerts, each firing
 * or resolved, in a group of the same labels. Equal pages are paired in order of time.
 */

import type { Decision, Decisions } from './decisions.ts';

export interface Range {
  /** Epoch milliseconds; both ends belong to it. */
  readonly from: number;
  readonly to: number;
}

/** A page of both logs, or of one. */
export type Pair =
  | { readonly a: Decision; readonly b: Decision }
  | { readonly a: Decision; readonly b: null }
  | { readonly a: null; readonly b: Decision };

export interface Difference {
  readonly what: 'only in A' | 'only in B' | 'later in A' | 'later in B';
  /** When it was told first. */
  readonly at: number;
  readonly a: Decision | null;
  readonly b: Decision | null;
  /** The page: A's where both have it. */
  readonly page: Decision;
  readonly laterMs: number;
  /** What the log without the page decided about its alerts instead; null for nothing. */
  readonly instead: Decision | null;
}

export interface Comparison {
  readonly same: number;
  readonly onlyInA: number;
  readonly onlyInB: number;
  readonly later: number;
  /** In the order of time. */
  readonly differences: readonly Difference[];
}

/** Pages that are further apart are of two incidents, or two repeats, not one page that came late. */
const LATE_MS_MAX = 3_600_000;

export function compare(
  a: Decisions,
  b: Decisions,
  { range, toleranceMs }: { readonly range: Range; readonly toleranceMs: number },
): Comparison {
  const isIn = (page: Decision | null): boolean =>
    page !== null && page.at >= range.from && page.at <= range.to;
  // Paired first and cut after: a page on the border has its counterpart beyond it.
  const pairs = paired(a.pages, b.pages, toleranceMs).filter(
    (pair) => isIn(pair.a) || isIn(pair.b),
  );
  const differences = pairs.flatMap((pair): readonly Difference[] => {
    if (pair.b === null) {
      return [{ ...pair, what: 'only in A', ...alone(pair.a), instead: b.nearest(pair.a) }];
    }
    if (pair.a === null) {
      return [{ ...pair, what: 'only in B', ...alone(pair.b), instead: a.nearest(pair.b) }];
    }
    const laterMs = Math.abs(pair.b.at - pair.a.at);
    if (laterMs <= toleranceMs) return [];
    const what = pair.b.at > pair.a.at ? 'later in B' : 'later in A';
    const at = Math.min(pair.a.at, pair.b.at);
    return [{ ...pair, what, at, page: pair.a, laterMs, instead: null }];
  });
  const count = (...whats: readonly Difference['what'][]): number =>
    differences.filter(({ what }) => whats.includes(what)).length;
  return {
    same: pairs.length - differences.length,
    onlyInA: count('only in A'),
    onlyInB: count('only in B'),
    later: count('later in A', 'later in B'),
    differences: differences.toSorted((one, other) => one.at - other.at),
  };
}

function alone(page: Decision) {
  return { at: page.at, page, laterMs: 0 };
}

function paired(
  as: readonly Decision[],
  bs: readonly Decision[],
  toleranceMs: number,
): readonly Pair[] {
  const inA = byIdentity(as);
  const inB = byIdentity(bs);
  return [...new Set([...inA.keys(), ...inB.keys()])].flatMap((identity) =>
    aligned(inA.get(identity) ?? [], inB.get(identity) ?? [], toleranceMs),
  );
}

function byIdentity(pages: readonly Decision[]): ReadonlyMap<string, readonly Decision[]> {
  const all = new Map<string, Decision[]>();
  for (const page of pages) {
    const identity = identityOf(page);
    const equal = all.get(identity);
    if (equal === undefined) all.set(identity, [page]);
    else equal.push(page);
  }
  return all;
}

function identityOf({ integration, group, firing, resolved }: Decision): string {
  return JSON.stringify([integration, group, firing.toSorted(), resolved.toSorted()]);
}

/**
 * Pairs two rows of equal pages. Of two that are further apart than the tolerance, the earlier one
 * stays alone when the page behind it is nearer to the later one: a repeat that was left out.
 */
function aligned(
  as: readonly Decision[],
  bs: readonly Decision[],
  toleranceMs: number,
): readonly Pair[] {
  const pairs: Pair[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [a, b] = [as[i], bs[j]];
    if (a === undefined && b === undefined) return pairs;
    const isBFirst = a === undefined || (b !== undefined && b.at < a.at);
    const apartMs = a === undefined || b === undefined ? Infinity : Math.abs(a.at - b.at);
    const [late, next] = isBFirst ? [a, bs[j + 1]] : [b, as[i + 1]];
    const nextMs =
      late === undefined || next === undefined ? Infinity : Math.abs(late.at - next.at);
    const isPair = apartMs <= toleranceMs || (apartMs <= LATE_MS_MAX && apartMs <= nextMs);
    if (a !== undefined && b !== undefined && isPair) {
      pairs.push({ a, b });
      i++;
      j++;
    } else if (isBFirst && b !== undefined) {
      pairs.push({ a: null, b });
      j++;
    } else if (a !== undefined) {
      pairs.push({ a, b: null });
      i++;
    }
  }
}
