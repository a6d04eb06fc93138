/**
 * The fold of a recorded log: state after state, and what each entry did.
 *
 * Promise: it is the fold of the node, over the same bytes. Where entries are missing the state is
 * not known, and is not guessed: what was recorded is still given, without transitions, until a
 * snapshot is taken up. Knows no file and prints nothing.
 */

import type { Batch, Command } from '../../commands/command.ts';
import { decodeBatch } from '../../log/codec.ts';
import type { LogEntry } from '../../log/entry.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import { Projection } from '../../projections/projection.ts';
import type { State } from '../../projections/state.ts';
import type { Transition } from '../../projections/transaction.ts';

/** An entry that holds commands, and what they did. */
export interface Folded {
  readonly index: number;
  readonly term: number;
  readonly batch: Batch;
  /** The states around it; null where the state is not known. */
  readonly before: State | null;
  readonly after: State | null;
  readonly transitions: readonly Transition[];
}

/** What has been folded so far. */
export interface Tally {
  entries: number;
  readings: number;
  firstIndex: number;
  lastIndex: number;
  /** The time of the oldest entry that has one; 0 before it. */
  firstAt: number;
  /** The time of the newest entry that has one; 0 before the first. */
  lastAt: number;
}

export class Fold {
  readonly tally: Tally = {
    entries: 0,
    readings: 0,
    firstIndex: 0,
    lastIndex: 0,
    firstAt: 0,
    lastAt: 0,
  };
  /** The last index that is folded; the state is that after it. */
  #index = 0;
  #projection: Projection | null = new Projection(INITIAL_STATE);

  /** The state after the last entry, or null where it is not known. */
  get state(): State | null {
    return this.#projection?.state ?? null;
  }

  /** The index of the entry that must come next. */
  get nextIndex(): number {
    return this.#index + 1;
  }

  /** Takes up a state that was recorded whole. */
  resumeFrom(index: number, state: State): void {
    this.#index = index;
    this.#projection = new Projection(state);
  }

  /** Entries up to `index` are missing: what they did is not known. */
  invalidate(index: number): void {
    this.#index = index;
    this.#projection = null;
  }

  /**
   * Folds the next entry; null when it holds no commands. Throws MalformedCommand when it cannot
   * be decoded, and whatever the reducers throw; the state is lost in both cases.
   */
  entry({ index, term, type, data }: LogEntry): Folded | null {
    this.#index = index;
    this.#count(index);
    if (type !== COMMANDS) {
      if (CONSENSUS.has(type)) return null;
      this.#projection = null;
      throw new Error(`it has type ${type}, which this build does not know: use a newer tocsin`);
    }
    const before = this.state;
    const projection = this.#projection;
    this.#projection = null;
    const batch = decodeBatch(data);
    if (this.tally.firstAt === 0) this.tally.firstAt = batch.at;
    this.tally.lastAt = batch.at;
    this.tally.readings += readingsIn(batch.commands);
    const transitions = projection?.apply(index, batch) ?? NONE;
    this.#projection = projection;
    return { index, term, batch, before, after: this.state, transitions };
  }

  #count(index: number): void {
    if (this.tally.entries === 0) this.tally.firstIndex = index;
    this.tally.entries++;
    this.tally.lastIndex = index;
  }
}

/** The types of entries in the log, as src/io/node/entries.ts numbers them for ever. */
export const COMMANDS = 1;
/** Entries of consensus itself: a leader's first, and changes of membership. */
const CONSENSUS: ReadonlySet<number> = new Set([2, 3]);

const NONE: readonly Transition[] = [];

function readingsIn(commands: readonly Command[]): number {
  let count = 0;
  for (const command of commands) if (command.kind === 'observe') count += command.ids.length;
  return count;
}
