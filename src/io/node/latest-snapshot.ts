/**
 * The snapshots that this node took last, and whether the states of the other members agree with them.
 *
 * Promise: the core may drop what lies before the snapshot before the newest, so that a member that is
 * a little behind is sent entries; every member is sent the root of each snapshot, and a node whose state
 * differs ends.
 */

import type { Input, NodeId } from '../../raft/types.ts';
import { RootComparison, StateDiffers } from './roots.ts';
import type { Frame } from './wire.ts';

export interface LatestSnapshotModules {
  readonly step: (input: Input) => void;
  readonly others: () => readonly NodeId[];
  readonly leader: () => NodeId | null;
  readonly send: (to: NodeId, frame: Frame) => void;
  readonly onFailure: (error: Error) => void;
}

export class LatestSnapshot {
  readonly #modules: LatestSnapshotModules;
  readonly #roots = new RootComparison();
  #newest: { readonly index: number; readonly root: string };

  constructor(
    newest: { readonly index: number; readonly root: string },
    modules: LatestSnapshotModules,
  ) {
    this.#newest = newest;
    this.#modules = modules;
  }

  /** Index 0 and an empty root when there is none. */
  get newest(): { readonly index: number; readonly root: string } {
    return this.#newest;
  }

  /** A snapshot was installed, and the log begins after it. */
  installed(index: number, root: string): void {
    this.#newest = { index, root };
  }

  taken(index: number, root: string): void {
    const { leader, others, send, step } = this.#modules;
    const olderIndex = this.#newest.index;
    this.#newest = { index, root };
    step({ type: 'snapshotTaken', index });
    // Members that are a little behind are sent entries, not the whole state.
    if (olderIndex > 0) step({ type: 'compacted', index: olderIndex });
    for (const to of others()) send(to, { kind: 'root', index, root });
    this.#judge(this.#roots.own(index, root, leader()));
  }

  /** Another member has taken a snapshot at `index`. */
  onRoot(from: NodeId, index: number, root: string): void {
    this.#judge(this.#roots.other(from, index, root, this.#modules.leader()));
  }

  #judge(problem: string | null): void {
    if (problem !== null) this.#modules.onFailure(new StateDiffers(problem));
  }
}
