/**
 * The fold: state = all commands so far, in their order.
 *
 * Promise: the same log gives the same state, page for page, on every node and in every replay.
 * Knows no clock: time is the `at` of the entry. First the deadlines that have come by `at` take
 * effect, then the commands of the entry.
 */

import type { Batch, Command } from '../commands/command.ts';
import type { BeginRequest } from '../commands/membership.ts';
import { admin } from './audit.ts';
import { alertDue, postponeAlerts, pushAlerts } from './alerts.ts';
import { applyConfig } from './config.ts';
import { flush } from './flushes.ts';
import { resumeListening } from './gaps.ts';
import { postponeGroups } from './groups.ts';
import { forgetMember, setMember } from './members.ts';
import { attempt, notificationDue, outcome } from './notifications.ts';
import { rowsOf } from './pages.ts';
import { setReducers, THIS_BUILD, type Build } from './reducers.ts';
import { beginRequest } from './requests.ts';
import { missingDue, observe, pendingDue } from './series.ts';
import { expireSilence, postponeSilences, setSilence, silenceDue } from './silences.ts';
import type { State } from './state.ts';
import { dueTimers } from './timers.ts';
import { Transaction, type SeriesIndex, type Transition } from './transaction.ts';

/** What one entry did. */
export interface Applied {
  /**
   * The batch without the requests that had taken effect before; the very same batch when there is
   * none. Whoever counts commands counts these.
   */
  readonly batch: Batch;
  /** What happened, for people. */
  readonly transitions: readonly Transition[];
}

/** The state as it grows, with the index of series that every input needs. */
export class Projection {
  #state: State;
  readonly #build: Build;
  readonly #series: SeriesIndex = { ids: new Map(), watchers: new WeakMap() };

  constructor(state: State, build: Build = THIS_BUILD) {
    this.#state = state;
    this.#build = build;
    for (const [id, name] of rowsOf(state.series)) this.#series.ids.set(name, id);
  }

  get state(): State {
    return this.#state;
  }

  /** The id of a series, or -1. */
  seriesId(name: string): number {
    return this.#series.ids.get(name) ?? -1;
  }

  /** Folds the entry at `index`; see {@link fold} for what else there is to know of it. */
  apply(index: number, batch: Batch): readonly Transition[] {
    return this.fold(index, batch).transitions;
  }

  /** Folds the entry at `index`. Throws {@link NewerFold} when this build is too old for the log. */
  fold(index: number, batch: Batch): Applied {
    const tx = new Transaction(this.#state, this.#series, { index, at: batch.at });
    const [first] = batch.commands;
    // A new leader first says whether anybody listened: only then may deadlines count silence.
    const leads = first?.kind === 'lead';
    if (leads) reduce(tx, first, this.#build);
    fireTimers(tx);
    const commands = reduceFrom(leads ? 1 : 0, tx, batch.commands, this.#build);
    this.#state = tx.finish();
    const took = commands === batch.commands ? batch : { at: batch.at, commands };
    return { batch: took, transitions: tx.transitions };
  }
}

/**
 * Folds the commands from `first` on, without the requests that took effect before; gives back all
 * that took effect, which is the same list when no request is a repetition.
 */
function reduceFrom(
  first: number,
  tx: Transaction,
  commands: readonly Command[],
  build: Build,
): readonly Command[] {
  let isRepetition = false;
  let kept: Command[] | null = null;
  for (const [i, command] of commands.entries()) {
    if (i < first) continue;
    if (command.kind === 'request') isRepetition = !beginRequest(tx, command);
    else if (!isRepetition) reduce(tx, command, build);
    if (isRepetition) kept ??= commands.slice(0, i);
    else kept?.push(command);
  }
  return kept ?? commands;
}

/** All deadlines up to the entry's time take effect, in the order in which they fell due. */
function fireTimers(tx: Transaction): void {
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

/** That log time was set changes nothing of what is under way: not when, and not for how long. */
function postpone(tx: Transaction, stepMs: number): void {
  if (stepMs <= 0) return;
  postponeAlerts(tx, stepMs);
  postponeSilences(tx, stepMs);
  postponeGroups(tx, stepMs);
}

function reduce(tx: Transaction, command: Exclude<Command, BeginRequest>, build: Build): void {
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
    case 'member':
      setMember(tx, command);
      return;
    case 'forgetMember':
      forgetMember(tx, command);
      return;
    case 'reducers':
      setReducers(tx, command, build);
      return;
    case 'admin':
      admin(tx, command);
      return;
    case 'clock':
      return;
    case 'lead':
      postpone(tx, resumeListening(tx, command));
      return;
  }
}
