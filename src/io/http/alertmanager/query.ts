/**
 * The query parameters that lists share: matchers, a receiver pattern, yes-or-no switches.
 */

import { RE2JS } from 're2js';
import type { Context } from 'hono';
import type { Labels } from '../../../commands/labels.ts';
import type { Matcher } from '../../../commands/matchers.ts';
import { matchesAll } from '../../../projections/matching.ts';
import type { HttpEnv, HttpModules } from '../modules.ts';
import { bulkFault, expressionFault } from './expressions.ts';

export type Query<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

/** What holds an alert back, each cause by name. */
export interface AlertStatus {
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly mutedBy: readonly string[];
  /** False while it belongs to no group. */
  readonly isRouted: boolean;
}

/** Which alerts a list is about. */
export interface AlertQuery {
  /** By labels and receivers: cheap, asked first. */
  readonly wants: (labels: Labels, receivers: readonly string[]) => boolean;
  /** By what holds the alert back. */
  readonly wantsStatus: (status: AlertStatus) => boolean;
}

export function alertQuery(c: Context<HttpEnv>, modules: HttpModules): Query<AlertQuery> {
  const matchers = matchersOf(c.req.queries('filter') ?? [], modules);
  if (!matchers.ok) return matchers;
  const receiver = receiverPattern(c.req.query('receiver'));
  if (!receiver.ok) return receiver;
  const flags = flagsOf(c, ['active', 'silenced', 'inhibited', 'muted', 'unprocessed']);
  if (!flags.ok) return flags;
  const { active, silenced, inhibited, muted, unprocessed } = flags.value;
  return {
    ok: true,
    value: {
      wants: (labels, receivers) =>
        (receiver.value === null || receivers.some(receiver.value)) &&
        matchesAll(matchers.value, labels),
      wantsStatus: (status) =>
        (silenced || status.silencedBy.length === 0) &&
        (inhibited || status.inhibitedBy.length === 0) &&
        (muted || status.mutedBy.length === 0) &&
        (active || stateOf(status) !== 'active') &&
        (unprocessed || stateOf(status) !== 'unprocessed'),
    },
  };
}

export function stateOf(status: AlertStatus): 'active' | 'suppressed' | 'unprocessed' {
  const { silencedBy, inhibitedBy, mutedBy, isRouted } = status;
  if (silencedBy.length + inhibitedBy.length + mutedBy.length > 0) return 'suppressed';
  return isRouted ? 'active' : 'unprocessed';
}

/** All matchers of all texts. */
export function matchersOf(
  texts: readonly string[],
  { parseMatchers }: Pick<HttpModules, 'parseMatchers'>,
): Query<readonly Matcher[]> {
  const matchers: Matcher[] = [];
  for (const text of texts) {
    const bulk = bulkFault(text);
    if (bulk !== null) return { ok: false, message: `bad matcher format: ${bulk}` };
    const parsed = parseMatchers(text);
    if (!parsed.ok) return { ok: false, message: `bad matcher format: ${parsed.message}` };
    matchers.push(...parsed.value);
  }
  return { ok: true, value: matchers };
}

function receiverPattern(pattern: string | undefined): Query<((name: string) => boolean) | null> {
  if (pattern === undefined || pattern === '') return { ok: true, value: null };
  const fault = expressionFault(pattern);
  if (fault !== null) return { ok: false, message: `failed to parse receiver param: ${fault}` };
  const expression = RE2JS.compile(pattern);
  return { ok: true, value: (name) => expression.testExact(name) };
}

/** Switches that are on unless the query turns them off. */
export function flagsOf<const Name extends string>(
  c: Context<HttpEnv>,
  names: readonly Name[],
): Query<Readonly<Record<Name, boolean>>> {
  const flags = {} as Record<Name, boolean>;
  for (const name of names) {
    const value = c.req.query(name) ?? 'true';
    if (value !== 'true' && value !== 'false') {
      return { ok: false, message: `${name} is neither true nor false` };
    }
    flags[name] = value === 'true';
  }
  return { ok: true, value: flags };
}
