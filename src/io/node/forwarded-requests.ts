/**
 * Requests that other members have forwarded to this one, which leads.
 *
 * Promise: bounded by bytes; the same request is taken once while it is under way here; every one is
 * answered, with `not-leader` when this node stops leading before it could append it.
 */

import type { Command } from '../../commands/command.ts';

export interface ForwardedRequest {
  readonly from: string;
  readonly incarnation: number;
  readonly sequence: number;
  readonly settledBelow: number;
  readonly commands: readonly Command[];
  readonly bytes: number;
}

const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Forwarded requests in one entry, each with a command that names it. */
const FORWARDED_PER_ENTRY = 64;

export class ForwardedRequests {
  #waiting: ForwardedRequest[] = [];
  #bytes = 0;
  /** Those that wait or are being appended. */
  readonly #underWay = new Set<string>();

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes one in; false when there is no room for it. One that is here already is not taken twice. */
  add(request: ForwardedRequest): boolean {
    if (this.#underWay.has(keyOf(request))) return true;
    if (this.#bytes + request.bytes > WAITING_BYTES_MAX) return false;
    this.#underWay.add(keyOf(request));
    this.#waiting.push(request);
    this.#bytes += request.bytes;
    return true;
  }

  /** As many as fit in `bytesMax`, in their order; one at least if `bytesMax` is a whole entry. */
  take(bytesMax: number, isWholeEntry: boolean): readonly ForwardedRequest[] {
    let bytes = 0;
    let count = 0;
    for (const request of this.#waiting) {
      bytes += request.bytes;
      const fits = bytes <= bytesMax || (isWholeEntry && count === 0);
      if (!fits || count === FORWARDED_PER_ENTRY) break;
      count++;
    }
    const taken = this.#waiting.splice(0, count);
    for (const request of taken) this.#bytes -= request.bytes;
    return taken;
  }

  /** It has its answer: the next one under its number is new. */
  done(request: ForwardedRequest): void {
    this.#underWay.delete(keyOf(request));
  }

  /** All that wait, for a node that leads no more. */
  takeAll(): readonly ForwardedRequest[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    return all;
  }
}

function keyOf({ from, incarnation, sequence }: ForwardedRequest): string {
  return `${from}/${incarnation}/${sequence}`;
}
