/**
 * The place of the node, for neighbours that are there before it: a node that waits to be let into a
 * cluster has addresses already, and says at them that it is not ready.
 *
 * Promise: whoever has the slot has the node, from the moment that there is one; until then nothing
 * is taken, and every refusal says why.
 */

import type { Actor } from '../../commands/actor.ts';
import type { Admin } from '../../commands/admin.ts';
import type { Command } from '../../commands/command.ts';
import type { Observe } from '../../commands/observe.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import type {
  MembershipAnswer,
  MembershipChange,
  LogTime,
  NodeHandle,
  NodeStatus,
  OnReadingsLost,
  Proposed,
  View,
} from '../ports.ts';

/** What can be said of a node that is in no cluster yet. */
export interface PendingNode {
  readonly name: string;
  readonly nodeId: string;
  readonly shadow: boolean;
  readonly startedAt: number;
  /** The wall clock. */
  readonly now: () => number;
  readonly addresses: () => { readonly http: string; readonly peer: string };
}

export class NodeProxy implements NodeHandle {
  readonly #pending: PendingNode;
  readonly #listeners = new Set<(view: View) => void>();
  #node: NodeHandle | null = null;

  constructor(pending: PendingNode) {
    this.#pending = pending;
  }

  /** From now on this is the node. Once. */
  fill(node: NodeHandle): void {
    this.#node = node;
    node.onApplied((view) => {
      for (const listener of this.#listeners) listener(view);
    });
  }

  seriesId(name: string): number {
    return this.#node?.seriesId(name) ?? -1;
  }

  propose(commands: readonly Command[]): Promise<Proposed> {
    if (this.#node !== null) return this.#node.propose(commands);
    return Promise.resolve({ ok: false, code: 'not-leader', message: OUTSIDE });
  }

  offer(readings: Observe, lost: OnReadingsLost): boolean {
    if (this.#node !== null) return this.#node.offer(readings, lost);
    lost({ code: 'not-leader', count: readings.ids.length, sample: OUTSIDE });
    return false;
  }

  view(): View {
    return this.#node?.view() ?? { state: INITIAL_STATE, index: 0, term: 0, at: 0 };
  }

  status(): NodeStatus {
    return this.#node?.status() ?? pendingStatus(this.#pending);
  }

  ready(): boolean {
    return this.#node?.ready() ?? false;
  }

  isServing(): boolean {
    return this.#node?.isServing() ?? false;
  }

  time(): LogTime {
    return this.#node?.time() ?? { at: this.#pending.now(), offsetMs: 0 };
  }

  acceptClock(actor?: Actor): number {
    return this.#node?.acceptClock(actor) ?? 0;
  }

  record(request: Omit<Admin, 'kind'>): void {
    this.#node?.record(request);
  }

  changeMembership(change: MembershipChange): Promise<MembershipAnswer> {
    if (this.#node !== null) return this.#node.changeMembership(change);
    return Promise.resolve({ code: 'retry', message: OUTSIDE });
  }

  onApplied(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const OUTSIDE = 'this node waits to be let into a cluster';

function pendingStatus({ addresses, name, nodeId, shadow, startedAt }: PendingNode): NodeStatus {
  const { http, peer } = addresses();
  const self = { name, nodeId, role: 'learner' } as const;
  return {
    ...self,
    clusterId: '',
    shadow,
    term: 0,
    leader: null,
    firstIndex: 1,
    lastIndex: 0,
    commitIndex: 0,
    appliedIndex: 0,
    snapshotIndex: 0,
    snapshotRoot: '',
    startedAt,
    logBytes: 0,
    members: [
      {
        ...self,
        peerAddress: peer,
        httpAddress: http,
        lag: null,
        silentMs: null,
        clockOffsetMs: 0,
        fitness: null,
      },
    ],
  };
}
