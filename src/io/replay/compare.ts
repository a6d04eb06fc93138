/**
 * The notifications of two logs side by side: which of them are the same, which have no counterpart,
 * and which came at another time.
 *
 * Promise: pure. Notifications are the same when they tell one integration of the same alerts, each
 * firing or resolved, in a group of the same labels, and when both are repeats or neither is. They are
 * paired in order of time, while their alerts fire in both logs. Where one of the logs is not known, no
 * difference is claimed.
 */

import type { Decision, Decisions } from './decisions.ts';

/** A part of the time; both ends belong to it. */
export interface Span {
  /** Epoch milliseconds; -Infinity and Infinity where there is no end. */
  readonly from: number;
  readonly to: number;
}

export interface Scope {
  readonly range: Span;
  readonly toleranceMs: number;
  /** What is not known of each log. */
  readonly unknown: { readonly a: readonly Span[]; readonly b: readonly Span[] };
}

/** A notification of both logs, or of one. */
export type Pair =
  | { readonly a: Decision; readonly b: Decision }
  | { readonly a: Decision; readonly b: null }
  | { readonly a: null; readonly b: Decision };

export interface Difference {
  readonly what: 'only in A' | 'only in B' | 'later in A' | 'later in B';
  /** When it was notified first. */
  readonly at: number;
  readonly a: Decision | null;
  readonly b: Decision | null;
  /** The notification: A's where both have it. */
  readonly page: Decision;
  readonly laterMs: number;
  /** What the log without the notification decided about its alerts instead; null for nothing. */
  readonly instead: Decision | null;
}

export interface Comparison {
  readonly same: number;
  readonly onlyInA: number;
  readonly onlyInB: number;
  readonly later: number;
  /** Notifications of one log, so near to what is not known of the other that it may have them. */
  readonly undecided: number;
  /** In the order of time. */
  readonly differences: readonly Difference[];
}

/** What is further apart is of two incidents, or two repeats, not one notification that came late. */
export const LATE_MS_MAX = 3_600_000;

export function compare(a: Decisions, b: Decisions, scope: Scope): Comparison {
  const { range, toleranceMs, unknown } = scope;
  const isIn = ({ at }: Decision): boolean => at >= range.from && at <= range.to;
  let [same, undecided] = [0, 0];
  const differences: Difference[] = [];
  // Paired first and cut after: a notification on the border has its counterpart beyond it.
  for (const pair of paired(a.notifications, b.notifications, toleranceMs)) {
    if (pair.a !== null && pair.b !== null) {
      const laterMs = Math.abs(pair.b.at - pair.a.at);
      const earlier = pair.a.at <= pair.b.at ? pair.a : pair.b;
      if (laterMs <= toleranceMs) {
        if (isIn(pair.a) || isIn(pair.b)) same++;
      } else if (isIn(earlier)) {
        const what = pair.b === earlier ? 'later in A' : 'later in B';
        const { at } = earlier;
        // What came between them is not known everywhere, so it may have come sooner.
        if (isKnown(pair.a.at, pair.b.at, unknown)) {
          differences.push({ ...pair, what, at, page: pair.a, laterMs, instead: null });
        } else {
          undecided++;
        }
      }
      continue;
    }
    const page = pair.a ?? pair.b;
    if (!isIn(page)) continue;
    const other = pair.a === null ? unknown.a : unknown.b;
    if (isOutside(page.at - toleranceMs, page.at + toleranceMs, other)) {
      const what = pair.a === null ? 'only in B' : 'only in A';
      const instead = (pair.a === null ? a : b).nearest(page);
      differences.push({ ...pair, what, at: page.at, page, laterMs: 0, instead });
    } else {
      undecided++;
    }
  }
  const count = (...whats: readonly Difference['what'][]): number =>
    differences.filter(({ what }) => whats.includes(what)).length;
  return {
    same,
    undecided,
    onlyInA: count('only in A'),
    onlyInB: count('only in B'),
    later: count('later in A', 'later in B'),
    differences: differences.toSorted((one, other) => one.at - other.at),
  };
}

function isKnown(one: number, other: number, { a, b }: Scope['unknown']): boolean {
  const [from, to] = [Math.min(one, other), Math.max(one, other)];
  return isOutside(from, to, a) && isOutside(from, to, b);
}

function isOutside(from: number, to: number, spans: readonly Span[]): boolean {
  return spans.every((span) => to < span.from || from > span.to);
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

/** A repeat is no counterpart of what was news, however near it is. */
function identityOf({ integration, group, firing, resolved, reason }: Decision): string {
  const isRepeat = reason === 'repeat interval elapsed';
  return JSON.stringify([integration, group, firing.toSorted(), resolved.toSorted(), isRepeat]);
}

/**
 * Pairs two rows of equal notifications. Of two that are further apart than the tolerance, the earlier
 * one stays alone when the one behind it is nearer to the later one: a repeat that was left out; and
 * when the alerts had ended before the later one's began: another incident.
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
    const isNear = apartMs <= LATE_MS_MAX && apartMs <= nextMs;
    if (a !== undefined && b !== undefined && isPair(a, b, { apartMs, isNear, toleranceMs })) {
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

interface Distance {
  readonly apartMs: number;
  readonly isNear: boolean;
  readonly toleranceMs: number;
}

function isPair(a: Decision, b: Decision, { apartMs, isNear, toleranceMs }: Distance): boolean {
  if (apartMs <= toleranceMs) return true;
  if (!isNear) return false;
  const [inA, inB] = [spanOf(a), spanOf(b)];
  return inA.from <= inB.to + toleranceMs && inB.from <= inA.to + toleranceMs;
}

/** From the first firing to the last end of the alerts in a notification. */
function spanOf({ episodes }: Decision): Span {
  return {
    from: episodes.reduce((least, { from }) => Math.min(least, from), Infinity),
    to: episodes.reduce((most, { to }) => Math.max(most, to), -Infinity),
  };
}
