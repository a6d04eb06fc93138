/**
 * The fold: state = all commands so far, in their order.
 *
 * Promise: the same log gives the same state, page for page, on every node and in every replay.
 * Knows no clock: time is the `at` of the entry. First the deadlines that have come by `at` take
 * effect, then the commands of the entry.
 */

import type { Batch, Command } from '../commands/command.ts';
import { alertDue, pushAlerts } from './alerts.ts';
import { applyConfig } from './config.ts';
import { flush } from './flushes.ts';
import { attempt, notificationDue, outcome } from './notifications.ts';
import { rowsOf } from './pages.ts';
import { missingDue, observe, pendingDue } from './series.ts';
import { expireSilence, setSilence, silenceDue } from './silences.ts';
import type { State } from './state.ts';
import { dueTimers } from './timers.ts';
import { Transaction, type SeriesIndex, type Transition } from './transaction.ts';

/** A silence of this length between two entries means that nobody listened (see `lead`). */
const GAP_MS = 10_000;

/** The state as it grows, with the index of series that every input needs. */
export class Projection {
  #state: State;
  readonly #series: SeriesIndex = { ids: new Map(), watchers: new WeakMap() };

  constructor(state: State) {
    this.#state = state;
    for (const [id, name] of rowsOf(state.series)) this.#series.ids.set(name, id);
  }

  get state(): State {
    return this.#state;
  }

  /** The id of a series, or -1. */
  seriesId(name: string): number {
    return this.#series.ids.get(name) ?? -1;
  }

  /** Folds the entry at `index`; gives back what happened, for people. */
  apply(index: number, batch: Batch): readonly Transition[] {
    const tx = new Transaction(this.#state, this.#series, { index, at: batch.at });
    const [first, ...rest] = batch.commands;
    // A new leader first says whether anybody listened: only then may deadlines count silence.
    const leads = first?.kind === 'lead';
    if (leads) reduce(tx, first);
    passTime(tx);
    for (const command of leads ? rest : batch.commands) reduce(tx, command);
    this.#state = tx.finish();
    return tx.transitions;
  }
}

/** All deadlines up to the entry's time take effect, in the order in which they fell due. */
function passTime(tx: Transaction): void {
  for (const { key, at } of dueTimers(tx.base.foldTimers, tx.at, Infinity)) {
    tx.clearTimer('foldTimers', key, at);
    const [kind, ...rest] = key.split(':');
    const id = rest.join(':');
    switch (kind) {
      case 'pending':
        pendingDue(tx, Number(rest[0]), Number(rest[1]));
        break;
      case 'missing':
        missingDue(tx, Number(rest[0]), Number(rest[1]));
        break;
      case 'alert':
        alertDue(tx, id);
        break;
      case 'silence':
        silenceDue(tx, id);
        break;
      case 'notification':
        notificationDue(tx, id);
        break;
      default:
        throw new Error(`timer ${key} belongs to no table`);
    }
  }
}

function reduce(tx: Transaction, command: Command): void {
  switch (command.kind) {
    case 'observe':
      observe(tx, command);
      return;
    case 'alerts':
      pushAlerts(tx, command);
      return;
    case 'config':
      applyConfig(tx, command);
      return;
    case 'silence':
      setSilence(tx, command);
      return;
    case 'expireSilence':
      expireSilence(tx, command);
      return;
    case 'flush':
      flush(tx, command);
      return;
    case 'attempt':
      attempt(tx, command);
      return;
    case 'outcome':
      outcome(tx, command);
      return;
    case 'clock':
      return;
    case 'lead':
      if (command.previousAt > 0 && tx.at - command.previousAt > GAP_MS) {
        tx.facts = { ...tx.facts, listeningSince: tx.at };
      }
      return;
  }
}
