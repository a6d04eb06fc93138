/**
 * The state cut into the pages that a snapshot stores, and put together again.
 *
 * Promise: a page that did not change is the same object as in the snapshot before, so what is
 * already stored is recognised without being read; every part of the state is in exactly one page.
 */

import { INITIAL_STATE } from './initial.ts';
import type { State } from './state.ts';

const TABLES = ['alerts', 'groups', 'silences', 'notifications'] as const;
const LEVELS = ['series', 'breaches', 'seen'] as const;
/** A page of timers is a minute. */
const TIMERS = ['foldTimers', 'flushTimers', 'attemptTimers'] as const;

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
  for (const name of TABLES) yield* pagesUnder(name, state[name].directories);
  for (const name of LEVELS) yield* pagesUnder(name, state[name]);
  for (const name of TIMERS) {
    for (const [minute, page] of Object.entries(state[name])) {
      yield { path: `${name}/${minute}`, page };
    }
  }
}

function* pagesUnder(name: string, levels: Levels): Generator<StatePage> {
  for (const [high, directory] of Object.entries(levels)) {
    for (const [low, page] of Object.entries(directory)) {
      yield { path: `${name}/${high}/${low}`, page };
    }
  }
}

/**
 * Puts pages together. Throws an Error that names the page when its path belongs to no part of the
 * state; what is inside a page is proved by its hash, not here.
 */
export function stateFrom(pages: Iterable<StatePage>): State {
  const tables = new Map<string, { size: number; directories: MutableLevels }>(
    TABLES.map((name) => [name, { size: 0, directories: {} }]),
  );
  const levels = new Map<string, MutableLevels>(LEVELS.map((name) => [name, {}]));
  const timers = new Map<string, Record<string, object>>(TIMERS.map((name) => [name, {}]));
  const whole: Record<string, object> = {};
  for (const { path, page } of pages) {
    const [name = '', high = '', low = ''] = path.split('/');
    const table = tables.get(name);
    const level = table?.directories ?? levels.get(name);
    const minutes = timers.get(name);
    if (path === 'config' || path === 'facts') {
      whole[path] = page;
    } else if (level !== undefined && low !== '') {
      (level[high] ??= {})[low] = page;
      if (table !== undefined) table.size += Object.keys(page).length;
    } else if (minutes !== undefined && high !== '') {
      minutes[high] = page;
    } else {
      throw new Error(`page ${path} belongs to no part of the state`);
    }
  }
  const parts = [...tables, ...levels, ...timers];
  return { ...INITIAL_STATE, ...Object.fromEntries(parts), ...whole } as State;
}

type MutableLevels = Record<string, Record<string, object>>;

/** Rows by table, for people who count them. */
export function sizesOf(state: State): Readonly<Record<string, number>> {
  const sizes = TABLES.map((name) => [name, state[name].size] as const);
  return { series: state.facts.seriesCount, ...Object.fromEntries(sizes) };
}
