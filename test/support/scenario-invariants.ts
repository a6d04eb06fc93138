/**
 * What holds of every state after every entry, numbered. The numbers appear in the error.
 *
 * 1. No page, directory, minute or bucket is empty; a table's size is the number of its rows.
 * 2. Series have the ids from 0 up without a gap, and each name is found under its id.
 * 3. A pending breach has its timer at the end of `for`, and a firing one has none.
 * 4. A series that a `missing` check watches has its time of the last reading, and the other way.
 * 5. An alert is stored under its fingerprint, is in exactly the groups that hold it, and is woken
 *    at the time it says; a resolved one is woken for sure, so it can be forgotten.
 * 6. A group holds an alert, and is due for a decision exactly once, at its next tick.
 * 7. What a group owes is owed to it: the notification exists, is not final and names the group.
 * 8. An owed notification is due for one attempt, a running one for none, a final one will be
 *    forgotten. No timer belongs to nothing.
 * 9. Where a try of what is owed ended unknown, the group is in doubt about the integration.
 * 10. A removed member has no requests, and not too many are remembered.
 * 11. The requests that a row names are ascending, above what is settled, and not too many.
 */

import { fingerprint } from '../../src/commands/labels.ts';
import { LIMITS } from '../../src/commands/limits.ts';
import { rowAt, rowsOf } from '../../src/projections/pages.ts';
import type { Projection } from '../../src/projections/projection.ts';
import type { State } from '../../src/projections/state.ts';
import { entries, get, type Table } from '../../src/projections/table.ts';
import { dueTimers, type Timers } from '../../src/projections/timers.ts';

export function checkInvariants(state: State, projection: Projection): void {
  checkLevels(state);
  checkSeries(state, projection);
  const fold = new TimersLeft('foldTimers', state.foldTimers);
  checkBreaches(state, fold);
  checkAlerts(state, fold);
  checkGroups(state);
  checkNotifications(state, fold);
  for (const [id] of entries(state.silences)) fold.takeAny(`silence:${id}`);
  fold.expectNone();
  checkMembers(state);
  checkRequests(state);
}

function checkLevels(state: State): void {
  for (const [part, levels] of Object.entries(state)) {
    if (part === 'config' || part === 'facts' || part === 'reducers') continue;
    const table = levels as Table<unknown>;
    const isTable = 'directories' in table;
    let rows = 0;
    for (const directory of Object.values(isTable ? table.directories : (levels as object))) {
      hold(1, Object.keys(directory as object).length > 0, `${part} has an empty directory`);
      for (const page of Object.values(directory as object)) {
        hold(1, Object.keys(page as object).length > 0, `${part} has an empty page`);
        rows += Object.keys(page as object).length;
      }
    }
    if (isTable) hold(1, table.size === rows, `${part} says ${table.size} rows and has ${rows}`);
  }
}

function checkSeries(state: State, projection: Projection): void {
  let next = 0;
  for (const [id, name] of rowsOf(state.series)) {
    hold(2, id === next++, `series ${id} comes after ${next - 2}`);
    hold(2, projection.seriesId(name) === id, `${name} is not found under ${id}`);
  }
  hold(2, state.facts.seriesCount === next, `${next} series, ${state.facts.seriesCount} counted`);
}

function checkBreaches(state: State, fold: TimersLeft): void {
  for (const [series, breaches] of rowsOf(state.breaches)) {
    for (const [check, breach] of Object.entries(breaches)) {
      const key = `pending:${check}:${series}`;
      if (breach.firesAt > 0) fold.take(3, key, breach.firesAt);
    }
  }
  for (const key of fold.keys('missing:')) {
    const series = Number(key.split(':')[2]);
    hold(4, rowAt(state.seen, series) !== undefined, `${key} watches what is not watched`);
    fold.takeAny(key);
  }
}

function checkAlerts(state: State, fold: TimersLeft): void {
  for (const [key, alert] of entries(state.alerts)) {
    hold(5, key === fingerprint(alert.labels), `alert ${key} has other labels`);
    hold(5, !alert.resolved || alert.wakeAt > 0, `resolved alert ${key} is never forgotten`);
    if (alert.wakeAt > 0) fold.take(5, `alert:${key}`, alert.wakeAt);
    const holders = [...entries(state.groups)].filter(([, group]) => key in group.alerts);
    const names = holders.map(([group]) => group).sort();
    hold(5, names.join() === [...alert.groups].sort().join(), `alert ${key} is in other groups`);
  }
}

function checkGroups(state: State): void {
  const flushes = new TimersLeft('flushTimers', state.flushTimers);
  for (const [key, group] of entries(state.groups)) {
    const alerts = Object.keys(group.alerts);
    hold(6, alerts.length > 0, `group ${key} holds nothing`);
    for (const each of alerts) hold(6, get(state.alerts, each) !== undefined, `${key}: no ${each}`);
    flushes.take(6, key, group.nextFlush);
    for (const [integration, id] of Object.entries(group.owed)) {
      const row = get(state.notifications, id);
      hold(7, row?.status === 'owed' || row?.status === 'trying', `${id} is ${row?.status}`);
      hold(7, row?.group === key, `${id} is owed by ${key} and names ${row?.group}`);
      hold(7, row?.integration === integration, `${id} is owed to another integration`);
      const isInDoubt = group.doubts?.[integration] !== undefined;
      hold(9, isInDoubt === row?.uncertain, `${key} knows another fate of ${id} than its row`);
    }
  }
  flushes.expectNone();
}

function checkNotifications(state: State, fold: TimersLeft): void {
  const attempts = new TimersLeft('attemptTimers', state.attemptTimers);
  for (const [id, row] of entries(state.notifications)) {
    if (row.status === 'owed') attempts.take(8, id, row.wakeAt);
    else if (row.status !== 'trying') fold.take(8, `notification:${id}`, row.wakeAt);
  }
  attempts.expectNone();
}

function checkMembers(state: State): void {
  const removed = [...entries(state.members)].filter(([, member]) => member.removed);
  for (const [node] of removed) {
    hold(10, get(state.requests, node) === undefined, `${node} is removed and has requests`);
  }
  hold(10, removed.length <= LIMITS.removedMembers, `${removed.length} removed members`);
}

function checkRequests(state: State): void {
  for (const [node, { settledBelow, applied }] of entries(state.requests)) {
    const floors = [settledBelow, ...applied];
    const isAscending = applied.every((sequence, i) => sequence > (floors[i] ?? 0));
    hold(11, isAscending, `${node} has ${applied.join(', ')} above ${settledBelow}`);
    hold(11, applied.length <= LIMITS.requestsRemembered, `${node} has ${applied.length} requests`);
  }
}

/** The timers of an index; each is taken by the row that it belongs to. */
class TimersLeft {
  readonly #name: string;
  readonly #timers: Set<string>;

  constructor(name: string, timers: Timers) {
    this.#name = name;
    this.#timers = new Set(
      dueTimers(timers, Infinity, Infinity).map(({ key, at }) => `${key} @${at}`),
    );
  }

  take(rule: number, key: string, at: number): void {
    hold(rule, this.#timers.delete(`${key} @${at}`), `${this.#name}: no ${key} at ${at}`);
  }

  /** Takes all timers of a key: a timer that comes too early only looks again. */
  takeAny(key: string): void {
    const mine = [...this.#timers].filter((timer) => timer.startsWith(`${key} @`));
    hold(8, mine.length > 0, `${this.#name}: no ${key}`);
    for (const timer of mine) this.#timers.delete(timer);
  }

  keys(prefix: string): readonly string[] {
    const mine = [...this.#timers].filter((timer) => timer.startsWith(prefix));
    return [...new Set(mine.map((timer) => timer.slice(0, timer.lastIndexOf(' @'))))];
  }

  expectNone(): void {
    hold(8, this.#timers.size === 0, `${this.#name} has ${[...this.#timers].join(', ')}`);
  }
}

function hold(rule: number, holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(`invariant ${rule}: ${otherwise}`);
}
