/**
 * Drives consensus: gives the core one input after another, and makes durable what it asks for.
 *
 * Promise: the core is stepped from one queue of inputs, never from within itself, so effects are
 * handled in the order in which the core gave them; writes reach the log in that order, and the core
 * learns that one is durable only after its sync. A fault in the core or in the handling of an effect
 * ends the node. Boundary: it uses the core and the log; all other effects go to `handle`.
 */

import { ENTRY_BYTES_MAX, type HardState, type LogPoint } from '../../log/entry.ts';
import type { Log } from '../../log/log.ts';
import { createRaft } from '../../raft/core.ts';
import type {
  ConfigAt,
  Effect,
  Entry,
  Input,
  Message,
  Raft,
  RaftStatus,
  Restored,
} from '../../raft/types.ts';
import type { Clock, NodeObserver, Random } from '../ports.ts';
import { fromLogEntry, toLogEntry } from './entries.ts';

export const ELECTION_TICKS = 10;
/** A leader without a message for this long has missed one heartbeat of five. */
const HEARTBEAT_TICKS = 2;

type Persist = Extract<Effect, { type: 'persist' }>;
type ReadEntries = Extract<Effect, { type: 'readEntries' }>;
type RefusedMessage = Extract<Effect, { type: 'refused' }>;

/** What is left to the node: everything but the log and refused messages. */
export type NodeEffect = Exclude<Effect, Persist | ReadEntries | RefusedMessage>;

export interface RaftDriverModules {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly observer: NodeObserver;
  readonly handle: (effect: NodeEffect) => void;
  /** The place after which the log begins anew, once the snapshot at `index` is here. */
  readonly pointOf: (index: number) => LogPoint;
  /** Whether the node has ended: inputs are then kept and not acted on. */
  readonly isHalted: () => boolean;
  readonly onFailure: (error: Error) => void;
}

export class RaftDriver {
  readonly #modules: RaftDriverModules;
  readonly #raft: Raft;
  readonly #inputs: Input[] = [];
  #isStepping = false;
  #nextRef = 1;
  /** Why the core did not act on the message that it was given last. */
  #refusedMessage: RefusedMessage | null = null;
  #lastPersist: Promise<void> = Promise.resolve();
  #hardState: HardState | null = null;

  constructor(restored: Restored, modules: RaftDriverModules) {
    this.#modules = modules;
    this.#raft = createRaft(
      {
        id: modules.log.identity.nodeId,
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        seed: Math.floor(modules.random.next() * 2 ** 32),
        // The codec's limit is the one that people meet.
        limits: { entryBytesMax: ENTRY_BYTES_MAX },
      },
      restored,
    );
  }

  status(): RaftStatus {
    return this.#raft.status();
  }

  configAt(index: number): ConfigAt {
    return this.#raft.configAt(index);
  }

  /** A ref that nothing else given to the core has. */
  newRef(): number {
    return this.#nextRef++;
  }

  /** Resolves when everything that the core has asked to persist so far is durable. */
  persisted(): Promise<void> {
    return this.#lastPersist;
  }

  step(input: Input): void {
    this.#inputs.push(input);
    if (this.#isStepping || this.#modules.isHalted()) return;
    this.#isStepping = true;
    try {
      for (;;) {
        const next = this.#inputs.shift();
        if (next === undefined) break;
        for (const effect of this.#raft.step(next)) this.#handleEffect(effect);
      }
    } catch (error) {
      // A fault in the core or the fold is the same on every node: going on would be guessing.
      this.#modules.onFailure(error as Error);
    } finally {
      this.#isStepping = false;
    }
  }

  /** Steps a message of a peer. Answers why the core did not act on it, or null. */
  deliver(message: Message): RefusedMessage | null {
    this.#refusedMessage = null;
    this.step({ type: 'message', message });
    return this.#refusedMessage;
  }

  #handleEffect(effect: Effect): void {
    this.#modules.observer.carriedOut?.(effect);
    switch (effect.type) {
      case 'persist':
        this.#persist(effect);
        return;
      case 'readEntries':
        void this.#readEntries(effect);
        return;
      case 'refused':
        this.#refusedMessage = effect;
        return;
      default:
        this.#modules.handle(effect);
    }
  }

  /** One group commit; the core is notified when it is durable, in the order of the ids. */
  #persist(effect: Persist): void {
    const { log, clock, observer } = this.#modules;
    if (effect.hardState !== undefined) this.#hardState = effect.hardState;
    const persisted: Input = { type: 'persisted', id: effect.id };
    if (!effect.sync) {
      // Only the commit index moved, which may be lost: it rides along with the next append.
      this.#lastPersist = this.#lastPersist.then(() => this.step(persisted));
      return;
    }
    const startedAt = clock.monotonicMs();
    const { snapshot, truncateFrom } = effect;
    const entries = effect.entries.map(toLogEntry);
    const hardState = this.#hardState;
    this.#hardState = null;
    const append = {
      ...(snapshot === undefined ? {} : { restartAfter: this.#modules.pointOf(snapshot.index) }),
      ...(truncateFrom === undefined ? {} : { truncateFrom }),
      ...(hardState === null ? {} : { hardState }),
      entries,
    };
    this.#lastPersist = log.append(append).then(
      () => {
        if (entries.length > 0) observer.appended((clock.monotonicMs() - startedAt) / 1000);
        this.step(persisted);
      },
      (error: unknown) => this.#modules.onFailure(error as Error),
    );
  }

  async #readEntries(effect: ReadEntries): Promise<void> {
    const { log, onFailure } = this.#modules;
    const entries: Entry[] = [];
    let bytes = 0;
    try {
      for await (const entry of log.read(effect.from, effect.to)) {
        bytes += entry.data.length;
        if (entries.length > 0 && bytes > effect.bytesMax) break;
        // What the log gives is a view of its buffer; the core keeps entries for long.
        entries.push(fromLogEntry({ ...entry, data: entry.data.slice() }));
      }
    } catch (error) {
      // The limit of the history wins over members that are behind: they are sent a snapshot.
      const isDropped = effect.from < log.firstIndex;
      if (!isDropped) return onFailure(error as Error);
    }
    this.step({ type: 'entriesRead', id: effect.id, entries });
  }
}
