/**
 * What this node has asked the cluster to append and has no answer for.
 *
 * A request is some proposals under one number. It goes into the log here when this node leads, or
 * to the leader when another does, and again to the next one when its fate is unknown: the fold
 * remembers the number and takes it once (DESIGN section 9, sessions).
 *
 * Promise: requests are sent in the order of their numbers; each waiting proposer is answered once, in
 * bounded time; readings that nobody waits for are kept until they are in the log.
 */

import type { Command } from '../../commands/command.ts';
import type { Proposed } from '../ports.ts';
import { offeredProposal, settleProposal, type Proposal, type ProposalQueue } from './proposals.ts';
import { separateInvalid } from './valid-readings.ts';

export interface Request {
  readonly sequence: number;
  readonly proposals: readonly Proposal[];
  readonly commands: readonly Command[];
  readonly bytes: number;
  /** It has left this queue once, so it may be in the log whatever comes now. */
  wasSent: boolean;
  /** To whom, and when in ticks; null while it waits here. */
  sent: { readonly to: string; readonly tick: number } | null;
  /** Where it was committed, once that is known and not yet applied here. */
  committed: { readonly index: number; readonly at: number } | null;
  /** Nobody waits any more. */
  isAnswered: boolean;
}

/** Requests under way to a leader elsewhere: one travels while the next is filled. */
const SENT_MAX = 4;
/** A leader that has not answered for so long is asked again. */
const ANSWER_TICKS = 20;

export class Requests {
  readonly #queue: ProposalQueue;
  #nextSequence = 1;
  /** All that are not settled, in the order of their numbers. */
  readonly #open = new Map<number, Request>();

  constructor(queue: ProposalQueue) {
    this.#queue = queue;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** Every request below this number has its answer and will never be sent again. */
  get settledBelow(): number {
    for (const sequence of this.#open.keys()) return sequence;
    return this.#nextSequence;
  }

  /** The next one to send, of at most `bytesMax` unless that is a whole entry; null for none. */
  next(bytesMax: number): Request | null {
    for (const request of this.#open.values()) {
      if (request.sent !== null || request.committed !== null) continue;
      return request.bytes <= bytesMax ? request : null;
    }
    const proposals = this.#queue.takeInputs(bytesMax);
    return proposals.length === 0 ? null : this.#create(proposals);
  }

  /** Notes that a request has gone to `to`, which may be this node itself. */
  markSent(request: Request, to: string, tick: number): void {
    request.sent = { to, tick };
    request.wasSent = true;
  }

  /** Whether the leader elsewhere can be given another one. */
  hasRoom(): boolean {
    let sent = 0;
    for (const request of this.#open.values()) if (request.sent !== null) sent++;
    return sent < SENT_MAX;
  }

  find(sequence: number): Request | undefined {
    return this.#open.get(sequence);
  }

  /** It was not taken, or its outcome is unknown: it waits to be sent again. */
  retry(request: Request): void {
    request.sent = null;
  }

  /** The leader would not take it just now, or could not report the outcome. */
  retryNextTick(request: Request, tick: number): void {
    if (request.sent === null || request.committed !== null) return;
    request.sent = { ...request.sent, tick: tick + 1 - ANSWER_TICKS };
  }

  /** Those that went to somebody who does not lead any more, or does not answer, wait again. */
  retryUnanswered(leader: string | null, tick: number): void {
    for (const request of this.#open.values()) {
      const { sent } = request;
      if (sent === null || request.committed !== null) continue;
      if (sent.to !== leader || tick - sent.tick >= ANSWER_TICKS) request.sent = null;
    }
  }

  /** It is in the log at `index`; its proposers are answered once that is applied here. */
  commit(request: Request, index: number, at: number): void {
    request.committed = { index, at };
  }

  /** Everything up to `index` is applied here. */
  applied(index: number): void {
    for (const request of this.#open.values()) {
      const { committed } = request;
      if (committed === null || committed.index > index) continue;
      this.settle(request, { ok: true, ...committed });
    }
  }

  settle(request: Request, result: Proposed): void {
    // What was given up has had its answer.
    if (this.#open.delete(request.sequence)) this.#answer(request, result);
  }

  /** Makes a request of each of these proposals, which stand for the refused one from now on. */
  replace(request: Request, proposals: readonly Proposal[]): void {
    this.#open.delete(request.sequence);
    for (const proposal of proposals) this.#create([proposal]);
  }

  /**
   * Proposals that share a refused request are tried one by one, and so are the sound ones among
   * offered readings. False when there is nothing to save.
   */
  retryValidParts(request: Request): boolean {
    const [proposal] = request.proposals;
    if (request.proposals.length > 1) {
      this.replace(request, request.proposals);
      return true;
    }
    if (proposal?.offered === undefined) return false;
    const { lost, readings } = proposal.offered;
    const { badCount, sample, sound } = separateInvalid(readings);
    if (sound.length === 0) return false;
    if (badCount > 0) lost({ code: 'malformed', count: badCount, sample });
    const parts = sound.map((part) => offeredProposal({ readings: part, lost }, proposal.since));
    this.replace(request, parts);
    return true;
  }

  /**
   * Answers proposers that have waited since before `since`. What was never sent is given up; what was, is
   * sent on until it has its place in the log, since it may have one already.
   */
  expire(since: number): void {
    const message = 'no leader took it in time: try again';
    for (const proposal of this.#queue.takeOlderThan(since)) {
      settleProposal(proposal, { ok: false, code: 'not-leader', message });
    }
    for (const request of this.#open.values()) {
      const [oldest] = request.proposals;
      if (oldest === undefined || oldest.since >= since || request.isAnswered) continue;
      request.isAnswered = true;
      for (const { settle } of request.proposals) {
        settle?.({
          ok: false,
          code: 'indeterminate',
          message: 'no leader has answered in time: it may have happened, or may happen yet',
        });
      }
    }
  }

  /** For a node that will propose nothing more. */
  abandon(result: Extract<Proposed, { ok: false }>): void {
    for (const request of this.#open.values()) {
      const code = request.wasSent ? 'indeterminate' : result.code;
      this.#answer(request, { ...result, code });
    }
    this.#open.clear();
  }

  #create(proposals: readonly Proposal[]): Request {
    const request: Request = {
      sequence: this.#nextSequence++,
      proposals,
      commands: proposals.flatMap(({ commands }) => commands),
      bytes: proposals.reduce((sum, { bytes }) => sum + bytes, 0),
      wasSent: false,
      sent: null,
      committed: null,
      isAnswered: false,
    };
    this.#open.set(request.sequence, request);
    return request;
  }

  /** Those who waited may have been answered; offered readings have not, as long as it is open. */
  #answer(request: Request, result: Proposed): void {
    const { isAnswered, proposals } = request;
    request.isAnswered = true;
    for (const proposal of proposals) {
      if (proposal.offered !== undefined || !isAnswered) settleProposal(proposal, result);
    }
  }
}
