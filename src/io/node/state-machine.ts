/**
 * The replicated state machine: the projection, and how far the log is folded into it.
 *
 * Promise: only committed entries are folded, each once and in the order of the log; the time of the
 * log never goes back past an entry that was folded. Listeners see the state after a whole group of
 * entries, never in between.
 */

import type { Batch } from '../../commands/command.ts';
import { decodeBatch } from '../../log/codec.ts';
import { Projection } from '../../projections/projection.ts';
import type { Build } from '../../projections/reducers.ts';
import type { State } from '../../projections/state.ts';
import type { Entry } from '../../raft/types.ts';
import type { Manifest, NodeObserver, View } from '../ports.ts';
import type { StartPoint } from './restore.ts';

export interface StateMachineModules {
  readonly observer: NodeObserver;
  /** An entry of this time was folded. */
  readonly advanceTo: (at: number) => void;
}

export class StateMachine {
  readonly #build: Build;
  readonly #modules: StateMachineModules;
  #projection: Projection;
  #appliedIndex: number;
  #appliedTerm: number;
  #appliedAt: number;
  /** Entries that a leader sent, decoded when they came and not folded yet. */
  readonly #batches = new WeakMap<Uint8Array, Batch>();
  readonly #listeners = new Set<(view: View) => void>();

  constructor(build: Build, start: StartPoint, modules: StateMachineModules) {
    this.#build = build;
    this.#modules = modules;
    this.#projection = start.projection;
    this.#appliedIndex = start.appliedIndex;
    this.#appliedTerm = start.restored.snapshot?.term ?? 0;
    this.#appliedAt = start.appliedAt;
  }

  get state(): State {
    return this.#projection.state;
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Epoch milliseconds of the last entry; 0 before there is one. */
  get appliedAt(): number {
    return this.#appliedAt;
  }

  seriesId(name: string): number {
    return this.#projection.seriesId(name);
  }

  view(): View {
    return {
      state: this.#projection.state,
      index: this.#appliedIndex,
      term: this.#appliedTerm,
      at: this.#appliedAt,
    };
  }

  /** Calls `listener` after each group of entries, until the result is called. */
  onApplied(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  notifyListeners(): void {
    const view = this.view();
    for (const listener of this.#listeners) listener(view);
  }

  /** Keeps what the data of an entry decodes to, so that it is not decoded again. */
  keepDecoded(data: Uint8Array, batch: Batch): void {
    this.#batches.set(data, batch);
  }

  /** Folds a committed entry. Gives its batch, or null where consensus alone is concerned. */
  apply(entry: Entry): Batch | null {
    const batch = entry.type === 'command' ? this.#fold(entry) : null;
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    return batch;
  }

  #fold(entry: Entry): Batch {
    const decoded = this.#batches.get(entry.data) ?? decodeBatch(entry.data);
    this.#batches.delete(entry.data);
    const { batch, transitions } = this.#projection.fold(entry.index, decoded);
    this.#appliedAt = batch.at;
    this.#modules.advanceTo(batch.at);
    this.#modules.observer.applied({ index: entry.index, batch, transitions });
    return batch;
  }

  /** The state of a snapshot of the leader takes the place of this one. */
  install(index: number, term: number, { at }: Manifest, state: State): void {
    this.#projection = new Projection(state, this.#build);
    this.#appliedIndex = index;
    this.#appliedTerm = term;
    this.#appliedAt = at;
    this.#modules.advanceTo(at);
  }
}
