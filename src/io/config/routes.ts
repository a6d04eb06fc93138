/**
 * `route`: the tree that decides which receiver is notified, with all inheritance resolved.
 *
 * Promise: what Alertmanager refuses is refused: unknown receivers and intervals, a root that
 * does not take every alert, intervals of zero, labels that stand twice in `group_by`.
 */

import { z } from 'zod';
import type { Matcher } from '../../commands/matchers.ts';
import type { Route } from '../../commands/config.ts';
import { LIMITS } from '../../commands/limits.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from './durations.ts';
import { duration, fields, flag, isFields, list, maybe, text } from './fields.ts';
import type { LabelFields } from './label-fields.ts';
import { sortedMatchers } from './matcher-text.ts';
import type { Path } from './problems.ts';
import { missingName } from './nearest.ts';
import { ROUTE_HINT, type Reader } from './reader.ts';
import type { Value } from './yaml.ts';

/** The names that routes may refer to. */
export interface Names {
  readonly receivers: readonly string[];
  readonly intervals: readonly string[];
}

function routeFields(labels: LabelFields) {
  return fields({
    receiver: maybe(text(LIMITS.name)),
    group_by: maybe(labels.groupBy),
    group_wait: maybe(duration),
    group_interval: maybe(duration),
    repeat_interval: maybe(duration),
    continue: maybe(flag),
    match: maybe(labels.match),
    match_re: maybe(labels.matchRe),
    matchers: maybe(labels.matchers),
    mute_time_intervals: maybe(list(text(LIMITS.name))),
    active_time_intervals: maybe(list(text(LIMITS.name))),
    labels: maybe(labels.labels),
    routes: maybe(z.unknown()),
  });
}

type Given = z.infer<ReturnType<typeof routeFields>>;

type Inherited = Pick<
  Route,
  'receiver' | 'groupBy' | 'groupByAll' | 'groupWaitMs' | 'groupIntervalMs' | 'repeatIntervalMs'
>;

const DEFAULTS: Inherited = {
  receiver: '',
  groupBy: [],
  groupByAll: false,
  groupWaitMs: 30 * SECOND_MS,
  groupIntervalMs: 5 * MINUTE_MS,
  repeatIntervalMs: 4 * HOUR_MS,
};

/** The tree; undefined after its problems have been noted. */
export function readRoute(reader: Reader, names: Names): Route | undefined {
  const root = reader.sections['route'];
  if (root === undefined || root === null) {
    const checks = reader.sections['checks'];
    const what =
      checks === undefined || checks === null
        ? 'there is no route'
        : 'the checks have no route: nobody would be notified';
    reader.problem(checks === undefined ? ['route'] : ['checks'], what, ROUTE_HINT);
    return undefined;
  }
  return new RouteReader(reader, names).read(root, ['route'], DEFAULTS, 0);
}

/** All routes of a tree, the root included. */
export function countRoutes(route: Route): number {
  return route.routes.reduce((count, child) => count + countRoutes(child), 1);
}

class RouteReader {
  readonly #reader: Reader;
  readonly #names: Names;
  readonly #fields: ReturnType<typeof routeFields>;

  constructor(reader: Reader, names: Names) {
    this.#reader = reader;
    this.#names = names;
    this.#fields = routeFields(reader.labels);
  }

  read(value: Value, path: Path, parent: Inherited, depth: number): Route | undefined {
    const given = this.#reader.read(this.#fields, value, path);
    const own = given === undefined ? parent : inherit(parent, given);
    const children = isFields(value) ? value['routes'] : undefined;
    const routes = this.#children(children, [...path, 'routes'], own, depth);
    if (given === undefined) return undefined;
    this.#checkNames(given, path);
    this.#checkGrouping(given, path);
    if (depth === 0) this.#checkRoot(given, path);
    if (given.labels !== undefined) {
      this.#reader.warning([...path, 'labels'], 'labels of routes are not used by this build');
    }
    return {
      ...own,
      matchers: sortedMatchers(matchersOf(given)),
      continue: given.continue ?? false,
      muteIntervals: given.mute_time_intervals ?? [],
      activeIntervals: given.active_time_intervals ?? [],
      routes,
    };
  }

  #children(value: Value | undefined, path: Path, own: Inherited, depth: number): Route[] {
    const items = this.#reader.items(value, path);
    if (items.length > 0 && depth + 1 >= LIMITS.routeDepth) {
      this.#reader.problem(path, `routes are nested over ${LIMITS.routeDepth} deep`);
      return [];
    }
    return items.flatMap(([item, at]) => this.read(item, at, own, depth + 1) ?? []);
  }

  #checkNames(given: Given, path: Path): void {
    if ((given.receiver ?? '') !== '') {
      this.#known('receiver', given.receiver ?? '', this.#names.receivers, [...path, 'receiver']);
    }
    for (const key of ['mute_time_intervals', 'active_time_intervals'] as const) {
      for (const [i, interval] of (given[key] ?? []).entries()) {
        this.#known('time interval', interval, this.#names.intervals, [...path, key, i]);
      }
    }
  }

  #known(kind: string, wanted: string, known: readonly string[], path: Path): void {
    if (known.includes(wanted)) return;
    const { message, hint } = missingName(kind, wanted, known);
    this.#reader.problem(path, message, hint);
  }

  #checkGrouping(given: Given, path: Path): void {
    const groupBy = given.group_by ?? [];
    if (groupBy.includes('...') && groupBy.length > 1) {
      const hint = "'...' means all labels: keep it alone, or remove it";
      this.#reader.problem([...path, 'group_by'], "'...' cannot stand beside other labels", hint);
    }
    for (const [i, label] of groupBy.entries()) {
      if (groupBy.indexOf(label) === i) continue;
      this.#reader.problem([...path, 'group_by', i], `"${label}" stands twice`, 'remove one');
    }
    for (const key of ['group_interval', 'repeat_interval'] as const) {
      if (given[key] === 0) this.#reader.problem([...path, key], 'cannot be zero');
    }
  }

  #checkRoot(given: Given, path: Path): void {
    if ((given.receiver ?? '') === '') {
      const hint = 'it receives all alerts that no other route takes';
      this.#reader.problem(path, 'the root route has no receiver', hint);
    }
    for (const key of ['match', 'match_re', 'matchers'] as const) {
      if ((given[key] ?? []).length === 0) continue;
      const hint = 'it takes every alert: put the condition on a route under routes';
      this.#reader.problem([...path, key], 'the root route cannot have matchers', hint);
    }
    for (const key of ['mute_time_intervals', 'active_time_intervals'] as const) {
      if ((given[key] ?? []).length === 0) continue;
      const hint = 'put it on a route under routes';
      this.#reader.problem([...path, key], `the root route cannot have ${key}`, hint);
    }
    if (given.continue === true) {
      const hint = 'nothing comes after it: remove the line';
      this.#reader.problem([...path, 'continue'], 'the root route cannot continue', hint);
    }
  }
}

function inherit(parent: Inherited, given: Given): Inherited {
  const all = given.group_by?.includes('...') ?? parent.groupByAll;
  return {
    receiver:
      given.receiver === undefined || given.receiver === '' ? parent.receiver : given.receiver,
    groupBy: all ? [] : (given.group_by ?? parent.groupBy),
    groupByAll: all,
    groupWaitMs: given.group_wait ?? parent.groupWaitMs,
    groupIntervalMs: given.group_interval ?? parent.groupIntervalMs,
    repeatIntervalMs: given.repeat_interval ?? parent.repeatIntervalMs,
  };
}

function matchersOf(given: Given): readonly Matcher[] {
  return [...(given.match ?? []), ...(given.match_re ?? []), ...(given.matchers ?? [])];
}
