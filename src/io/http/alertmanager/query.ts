/**
 * The query parameters that lists share: matchers, a receiver pattern, switches.
 *
 * Promise: a switch is read as go-openapi reads it, so it has no wrong value; a `filter` is one
 * matcher, so commas and braces in its value belong to the value, or a list in braces.
 */

import type { Context } from 'hono';
import type { Cause, CauseKind } from '../../../commands/causes.ts';
import type { Labels } from '../../../commands/labels.ts';
import type { Matcher } from '../../../commands/matchers.ts';
import {
  compiledExpression,
  expressionFault,
  isOverLimit,
  listFault,
} from '../../../projections/expressions.ts';
import { matchesAll } from '../../../projections/matching.ts';
import type { HttpEnv } from '../env.ts';
import type { HttpModules } from '../modules.ts';
import { QueryText } from './query-text.ts';

export type Query<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

export interface AlertStatus {
  /** Why the alert is withheld. */
  readonly causes: readonly Cause[];
  /** False while it belongs to no group. */
  readonly isRouted: boolean;
}

/** Which alerts a list is about. */
export interface AlertQuery {
  /** By labels and receivers: cheap, asked first. */
  readonly wants: (labels: Labels, receivers: readonly string[]) => boolean;
  /** By what withholds the alert. */
  readonly wantsStatus: (status: AlertStatus) => boolean;
}

export function alertQuery(c: Context<HttpEnv>, modules: HttpModules): Query<AlertQuery> {
  const query = new QueryText(c.req.url);
  const matchers = filtersOf(query, modules);
  if (!matchers.ok) return matchers;
  const receiver = receiverPattern(query.last('receiver'));
  if (!receiver.ok) return receiver;
  const { active, silenced, inhibited, muted, unprocessed } = switchesOf(query, [
    'active',
    'silenced',
    'inhibited',
    'muted',
    'unprocessed',
  ]);
  const wanted: Readonly<Record<CauseKind, boolean>> = {
    silence: silenced,
    inhibition: inhibited,
    interval: muted,
  };
  return {
    ok: true,
    value: {
      wants: (labels, receivers) =>
        (receiver.value === null || receivers.some(receiver.value)) &&
        matchesAll(matchers.value, labels),
      wantsStatus: (status) =>
        status.causes.every(({ kind }) => wanted[kind]) &&
        (active || stateOf(status) !== 'active') &&
        (unprocessed || stateOf(status) !== 'unprocessed'),
    },
  };
}

export function stateOf(status: AlertStatus): 'active' | 'suppressed' | 'unprocessed' {
  const { causes, isRouted } = status;
  if (causes.length > 0) return 'suppressed';
  return isRouted ? 'active' : 'unprocessed';
}

/** The matchers of all `filter` parameters: one of each, or those of a list in braces. */
export function filtersOf(
  query: QueryText,
  modules: Pick<HttpModules, 'parseMatcher' | 'parseMatchers'>,
): Query<readonly Matcher[]> {
  const matchers: Matcher[] = [];
  for (const text of query.all('filter')) {
    const read = /^\s*\{[^]*\}\s*$/.test(text) ? listOf(text, modules) : oneOf(text, modules);
    if (!read.ok) return read;
    matchers.push(...read.value);
  }
  const fault = listFault(matchers);
  if (fault !== null) return { ok: false, message: `bad matcher format: all filters: ${fault}` };
  return { ok: true, value: matchers };
}

type Matchers = Query<readonly Matcher[]>;

function oneOf(text: string, { parseMatcher }: Pick<HttpModules, 'parseMatcher'>): Matchers {
  const matcher = readable(text, parseMatcher);
  return matcher.ok ? { ok: true, value: [matcher.value] } : matcher;
}

/** Alertmanager refuses a list. We read it, but not one that is empty and so matches everything. */
function listOf(text: string, modules: Pick<HttpModules, 'parseMatchers'>): Matchers {
  const matchers = matchersOf(text, modules);
  if (!matchers.ok || matchers.value.length > 0) return matchers;
  return { ok: false, message: 'bad matcher format: there is no matcher in the braces' };
}

/** All matchers of a list such as `{a="b", c=~"d|e"}`. */
export function matchersOf(
  text: string,
  { parseMatchers }: Pick<HttpModules, 'parseMatchers'>,
): Query<readonly Matcher[]> {
  return readable(text, parseMatchers);
}

function readable<T>(text: string, parse: (text: string) => Query<T>): Query<T> {
  const parsed = parse(text);
  return parsed.ok ? parsed : { ok: false, message: `bad matcher format: ${parsed.message}` };
}

function receiverPattern(pattern: string): Query<((name: string) => boolean) | null> {
  if (pattern === '') return { ok: true, value: null };
  const fault = expressionFault(pattern);
  if (fault !== null) {
    // Scripts compare what Alertmanager says of a pattern that is none.
    const why = isOverLimit(fault) ? fault : `error parsing regexp: ${fault}`;
    return { ok: false, message: `failed to parse receiver param: ${why}` };
  }
  const expression = compiledExpression(pattern);
  return { ok: true, value: (name) => expression.testExact(name) };
}

const TRUE = new Set('true 1 yes ok y on selected checked t enabled'.split(' '));

/** Switches that are on unless the query turns them off; what is no word for on is off. */
export function switchesOf<const Name extends string>(
  query: QueryText,
  names: readonly Name[],
): Readonly<Record<Name, boolean>> {
  const switches = {} as Record<Name, boolean>;
  for (const name of names) {
    const text = query.last(name);
    switches[name] = text === '' || TRUE.has(text.toLowerCase());
  }
  return switches;
}
