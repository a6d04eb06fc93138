/**
 * Writes that the host was given and has not acknowledged, in order.
 *
 * Promise: a message that rests on a write is owned by it and comes out only when it is durable;
 * it cannot be sent sooner. An acknowledgement is matched by the number of its write, never by
 * (index, term): if an entry is written, truncated and written again, the acknowledgement of the
 * first write does not count for the second (the ABA case).
 */

import type { LogView } from './log.ts';
import type { Entry, HardState, Message, NodeId, Persist, SnapshotPosition } from './types.ts';

interface PendingWrite {
  readonly id: number;
  /** Last index of the log once this write is done. */
  readonly lastIndex: number;
  /** First index that this write takes back; Infinity if it only adds. */
  readonly takesBackFrom: number;
  readonly term: number;
  readonly vote: NodeId | null;
  readonly tick: number;
  readonly withheld: Message[];
}

export class Writes {
  /** Term and vote as they are known to be on disk. */
  durableTerm: number;
  durableVote: NodeId | null;

  #handed: HardState;
  #pending: PendingWrite[] = [];
  #lastId = 0;
  #truncateFrom: number | null = null;
  #entries: Entry[] = [];
  #snapshot: SnapshotPosition | null = null;

  constructor(hardState: HardState) {
    this.#handed = hardState;
    this.durableTerm = hardState.term;
    this.durableVote = hardState.vote;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** How many ticks the oldest write has been waiting. */
  ageTicks(tick: number): number {
    const [oldest] = this.#pending;
    return oldest === undefined ? 0 : tick - oldest.tick;
  }

  appendEntries(entries: readonly Entry[]): void {
    this.#entries.push(...entries);
  }

  truncateFrom(index: number): void {
    if (this.#entries.length > 0) throw new Error('raft: truncation after append in one step');
    this.#truncateFrom = index;
  }

  restartAfter(snapshot: SnapshotPosition): void {
    this.#snapshot = snapshot;
  }

  /**
   * Closes what this step gathered into one atomic write, or null if there is nothing to write.
   * A commit index that moved alone is worth a write only if `commitToo`, and never a sync.
   */
  take(hard: HardState, lastIndex: number, tick: number, commitToo: boolean): Persist | null {
    const handed = this.#handed;
    const votedOrRaised = hard.term !== handed.term || hard.vote !== handed.vote;
    const moved = votedOrRaised || hard.commit !== handed.commit;
    const logChanged =
      this.#entries.length > 0 || this.#truncateFrom !== null || this.#snapshot !== null;
    if (!votedOrRaised && !logChanged && !(moved && commitToo)) return null;

    const write: Persist = {
      type: 'persist',
      id: ++this.#lastId,
      ...(moved ? { hardState: hard } : {}),
      ...(this.#truncateFrom === null ? {} : { truncateFrom: this.#truncateFrom }),
      entries: this.#entries,
      ...(this.#snapshot === null ? {} : { snapshot: this.#snapshot }),
      sync: votedOrRaised || logChanged,
    };
    this.#pending.push({
      id: write.id,
      lastIndex,
      takesBackFrom: this.#snapshot === null ? (this.#truncateFrom ?? Infinity) : 0,
      term: hard.term,
      vote: hard.vote,
      tick,
      withheld: [],
    });
    this.#handed = hard;
    this.#entries = [];
    this.#truncateFrom = null;
    this.#snapshot = null;
    return write;
  }

  /** Hands the messages to the newest write; false if there is none to wait for. */
  withhold(messages: readonly Message[]): boolean {
    const newest = this.#pending.at(-1);
    newest?.withheld.push(...messages);
    return newest !== undefined;
  }

  /** Writes up to `id` are durable: moves the log's durable mark, returns what may leave now. */
  acknowledge(id: number, log: LogView): readonly Message[] {
    if (id > this.#lastId) {
      throw new Error(`raft: write ${id} was acknowledged, but only ${this.#lastId} were made`);
    }
    const done = this.#pending.filter((write) => write.id <= id);
    const newest = done.at(-1);
    if (newest === undefined) return [];
    this.#pending = this.#pending.slice(done.length);
    this.durableTerm = newest.term;
    this.durableVote = newest.vote;
    const stillTakenBack = this.#pending.map((write) => write.takesBackFrom - 1);
    log.durableIndex = Math.max(
      log.durableIndex,
      Math.min(newest.lastIndex, log.lastIndex, ...stillTakenBack),
    );
    log.shrinkWindow();
    return done.flatMap((write) => write.withheld);
  }
}
