/**
 * The leader's record of one peer, and how much it may have under way to it.
 *
 * Promise: `match` falls in one leadership only when the peer reports that it lost entries; appends under way are bounded by count and by
 * bytes; a peer that does not answer is probed with one message at a time.
 */

import type { Limits, NodeId, SnapshotPosition } from './types.ts';

export interface SnapshotTransfer {
  readonly meta: SnapshotPosition;
  done: number;
  total: number;
  /** All parts are with the peer: only the word to install it is missing. */
  delivered: boolean;
  /** The host is moving parts; false between a failure and the next try. */
  moving: boolean;
  idleTicks: number;
}

export class Progress {
  readonly id: NodeId;
  match = 0;
  next: number;
  state: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /** Probing: a message is under way, so wait for an answer or the next heartbeat's. */
  paused = false;
  /** Highest commit index sent, so that one that rose can be passed on without waiting. */
  sentCommit = 0;
  /** Reads confirmed by this peer up to this round. */
  ackedRound = 0;
  lastContactTick: number;
  snapshot: SnapshotTransfer | null = null;
  /** Id of the read of old entries that the host does on behalf of this peer. */
  fetchId: number | null = null;
  /** Set once it is out of the configuration: it is served until it has the commit of its removal, or until this tick. */
  departsAtTick: number | null = null;
  readonly inflights: Inflights;

  constructor(id: NodeId, next: number, tick: number, limits: Limits) {
    this.id = id;
    this.next = next;
    this.lastContactTick = tick;
    this.inflights = new Inflights(limits.inflightMessagesMax, limits.inflightBytesMax);
  }

  /** The peer's log equals ours up to `index`. False if that was known already. */
  matched(index: number): boolean {
    this.next = Math.max(this.next, index + 1);
    if (index <= this.match) return false;
    this.match = index;
    this.paused = false;
    return true;
  }

  toProbe(): void {
    this.#enter('probe', this.match + 1);
  }

  toReplicate(): void {
    this.#enter('replicate', this.match + 1);
  }

  toSnapshot(meta: SnapshotPosition, done: number): void {
    this.#enter('snapshot', meta.index + 1);
    this.snapshot = { meta, done, total: 0, delivered: false, moving: true, idleTicks: 0 };
  }

  /** Counts an append of entries up to `last` as under way. */
  sent(last: number, bytes: number): void {
    if (this.state === 'replicate') {
      this.next = last + 1;
      this.inflights.add(last, bytes);
    } else {
      this.paused = true;
    }
  }

  /** Whether entries may be sent now. */
  hasRoom(): boolean {
    if (this.state === 'snapshot') return false;
    return this.state === 'probe' ? !this.paused : !this.inflights.full();
  }

  #enter(state: Progress['state'], next: number): void {
    this.state = state;
    this.next = next;
    this.paused = false;
    this.snapshot = null;
    this.fetchId = null;
    this.inflights.clear();
  }
}

/** The appends under way to one peer, oldest first. */
export class Inflights {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #queue: { readonly last: number; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
  }

  get messages(): number {
    return this.#queue.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The byte bound may be passed by one message, or a large entry could never leave. */
  full(): boolean {
    return this.#queue.length >= this.#messagesMax || this.#bytes >= this.#bytesMax;
  }

  add(last: number, bytes: number): void {
    this.#queue.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Frees every append whose entries all are at or below `index`. */
  freeUpTo(index: number): void {
    let freed = 0;
    for (const append of this.#queue) {
      if (append.last > index) break;
      this.#bytes -= append.bytes;
      freed++;
    }
    if (freed > 0) this.#queue.splice(0, freed);
  }

  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
  }
}
