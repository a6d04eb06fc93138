/**
 * The state cut into the pages that a snapshot stores, and put together again.
 *
 * Promise: a page that did not change is the same object as in the snapshot before, so what is
 * already stored is recognised without being read; every part of the state is in exactly one page.
 */

import { auditedCount } from './audit.ts';
import { INITIAL_STATE } from './initial.ts';
import { REDUCER_VERSION, type State } from './state.ts';
import { withoutPrototype } from './table.ts';

/** Parts that are one page. */
const WHOLE = ['config', 'facts', 'reducers'] as const;
const TABLES = ['alerts', 'groups', 'silences', 'notifications', 'members', 'requests'] as const;
/** Tables that only a cluster fills. */
const CLUSTER_TABLES: ReadonlySet<string> = new Set(['members', 'requests']);
/** A page of timers is one of the directories of a minute. */
const LEVELS = [
  'series',
  'breaches',
  'seen',
  'audit',
  'foldTimers',
  'flushTimers',
  'attemptTimers',
] as const;

/** A page with its place, such as `alerts/3/17`. */
export interface StatePage {
  readonly path: string;
  readonly page: object;
}

type Levels = Readonly<Record<string, Readonly<Record<string, object>>>>;

/** All pages, in a fixed order of paths. */
export function* pagesOf(state: State): Generator<StatePage> {
  if (state.config !== null) yield { path: 'config', page: state.config };
  yield { path: 'facts', page: state.facts };
  // The first version has no page, so that the roots of older snapshots stay what they are.
  if (state.reducers.version > REDUCER_VERSION) yield { path: 'reducers', page: state.reducers };
  for (const name of TABLES) yield* pagesUnder(name, state[name].directories);
  for (const name of LEVELS) yield* pagesUnder(name, state[name]);
}

function* pagesUnder(name: string, levels: Levels): Generator<StatePage> {
  for (const [high, directory] of Object.entries(levels)) {
    for (const [low, page] of Object.entries(directory)) {
      yield { path: `${name}/${high}/${low}`, page };
    }
  }
}

/** A page as it was decoded, made into what the fold would have made: text keys, no prototype. */
export function restoredPage(path: string, decoded: object): object {
  const name = path.slice(0, path.indexOf('/'));
  if ((TABLES as readonly string[]).includes(name)) return withoutPrototype(decoded as Page);
  if (!name.endsWith('Timers')) return decoded;
  const buckets = Object.entries(decoded as Record<string, Page>);
  return Object.fromEntries(buckets.map(([low, bucket]) => [low, withoutPrototype(bucket)]));
}

type Page = Readonly<Record<string, unknown>>;

/** The chunks of a snapshot do not make up a state; the store is as it was. */
export class UnusableSnapshot extends Error {}

/**
 * Puts pages together. Throws an Error that names the page when its path belongs to no part of the
 * state; what is inside a page is proved by its hash, not here.
 */
export function stateFrom(pages: Iterable<StatePage>): State {
  const tables = new Map<string, { size: number; directories: MutableLevels }>(
    TABLES.map((name) => [name, { size: 0, directories: {} }]),
  );
  const levels = new Map<string, MutableLevels>(LEVELS.map((name) => [name, {}]));
  const whole: Record<string, object> = {};
  for (const { path, page } of pages) {
    const [name = '', high = '', low = ''] = path.split('/');
    const table = tables.get(name);
    const level = table?.directories ?? levels.get(name);
    if ((WHOLE as readonly string[]).includes(path)) {
      whole[path] = page;
    } else if (level !== undefined && low !== '') {
      (level[high] ??= {})[low] = page;
      if (table !== undefined) table.size += Object.keys(page).length;
    } else {
      throw new Error(`page ${path} belongs to no part of the state`);
    }
  }
  const parts = [...tables, ...levels];
  return { ...INITIAL_STATE, ...Object.fromEntries(parts), ...whole } as State;
}

type MutableLevels = Record<string, Record<string, object>>;

/** Rows by table, for people who count them. A node that was always alone has no cluster to show. */
export function sizesOf(state: State): Readonly<Record<string, number>> {
  const shown = TABLES.filter((name) => state[name].size > 0 || !CLUSTER_TABLES.has(name));
  const sizes = shown.map((name) => [name, state[name].size] as const);
  const audit = auditedCount(state);
  return {
    series: state.facts.seriesCount,
    ...Object.fromEntries(sizes),
    ...(audit === 0 ? {} : { audit }),
  };
}
