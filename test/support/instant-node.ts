/**
 * A node without a log: every proposal is folded at once by the real projection.
 *
 * It stands in for the node behind a server or a page. What it leaves out is what those may not
 * depend on: disks, elections, other members.
 */

import type { Admin } from '../../src/commands/admin.ts';
import { batchFromWire, batchToWire, type Command } from '../../src/commands/command.ts';
import type { Observe } from '../../src/commands/observe.ts';
import { MalformedCommand } from '../../src/commands/schema.ts';
import type {
  Clock,
  FitnessReport,
  LogTime,
  MembershipAnswer,
  MembershipChange,
  NodeHandle,
  NodeStatus,
  OnReadingsLost,
  Proposed,
  View,
} from '../../src/io/ports.ts';
import { readableCommands } from '../../src/projections/audit.ts';
import { decide } from '../../src/projections/decide.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { recordsActors } from '../../src/projections/reducers.ts';
import { Projection } from '../../src/projections/projection.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';

export class InstantNode implements NodeHandle {
  readonly #clock: Clock;
  readonly #projection: Projection;
  readonly #listeners = new Set<(view: View) => void>();
  #index = 0;
  #at = 0;
  /** While set, every proposal is refused with it and nothing is folded. */
  refusal: Extract<Proposed, { readonly ok: false }> | null = null;
  isReady = true;
  isLeading = true;
  /** What it was asked to change, and what it answers. */
  readonly changes: MembershipChange[] = [];
  changeAnswer: MembershipAnswer = { code: 'ok', message: '' };
  leader: string | null = 'n1';
  /** What it says of itself. */
  fitness: FitnessReport | null = null;

  /** The second is the version of the fold, from the beginning. */
  constructor(clock: Clock, reducers = INITIAL_STATE.reducers.version) {
    this.#clock = clock;
    this.#projection = new Projection({ ...INITIAL_STATE, reducers: { version: reducers } });
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  seriesId(name: string): number {
    return this.#projection.seriesId(name);
  }

  propose(commands: readonly Command[]): Promise<Proposed> {
    return Promise.resolve(
      this.refusal ?? this.fold(readableCommands(this.view().state, commands)),
    );
  }

  offer(readings: Observe, lost: OnReadingsLost): boolean {
    const folded = this.refusal ?? this.fold([readings]);
    if (folded.ok) return true;
    lost({ code: folded.code, count: readings.ids.length, sample: folded.message });
    return false;
  }

  /** Folds commands now. They go through their wire form, so what no log could hold is refused. */
  fold(commands: readonly Command[]): Proposed {
    const at = Math.max(this.#at, this.#clock.now());
    try {
      const batch = batchFromWire(batchToWire({ at, commands }));
      this.#projection.apply(this.#index + 1, batch);
    } catch (error) {
      if (!(error instanceof MalformedCommand)) throw error;
      return { ok: false, code: 'malformed', message: error.message };
    }
    this.#index++;
    this.#at = at;
    const view = this.view();
    for (const listener of this.#listeners) listener(view);
    return { ok: true, index: this.#index, at };
  }

  /** Takes and folds the decisions that are due now, as a leader would. */
  decide(): void {
    this.fold([{ kind: 'clock' }]);
    const options = { localTimeIn, senders: new Set(['webhook']), groupsMax: 1_000 };
    const decisions = decide(this.view().state, this.#at, options);
    if (decisions.length > 0) this.fold(decisions);
  }

  view(): View {
    return { state: this.#projection.state, index: this.#index, term: 1, at: this.#at };
  }

  status(): NodeStatus {
    const self = {
      name: 'n1',
      nodeId: 'node-1',
      role: 'leader',
      lag: null,
      silentMs: null,
      clockOffsetMs: 0,
      fitness: this.fitness,
    } as const;
    const address = { peerAddress: '127.0.0.1:9094', httpAddress: '127.0.0.1:9093' };
    return {
      ...self,
      clusterId: 'cluster-1',
      shadow: false,
      term: 1,
      leader: this.leader,
      firstIndex: 1,
      lastIndex: this.#index,
      commitIndex: this.#index,
      appliedIndex: this.#index,
      snapshotIndex: 0,
      snapshotRoot: '',
      startedAt: 1_700_000_000_000,
      logBytes: 0,
      members: [{ ...self, ...address, lag: null, silentMs: null, clockOffsetMs: 0 }],
    };
  }

  ready(): boolean {
    return this.isReady;
  }

  isServing(): boolean {
    return this.isLeading;
  }

  time(): LogTime {
    return { at: Math.max(this.#at, this.#clock.now()), offsetMs: 0 };
  }

  record(request: Omit<Admin, 'kind'>): void {
    if (recordsActors(this.view().state)) this.fold([{ kind: 'admin', ...request }]);
  }

  acceptClock(): number {
    return 0;
  }

  changeMembership(change: MembershipChange): Promise<MembershipAnswer> {
    this.changes.push(change);
    return Promise.resolve(this.changeAnswer);
  }

  onApplied(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
