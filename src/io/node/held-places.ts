/**
 * What this node remembers of the others: the last place that each is known to have held durably.
 *
 * A member whose data folder is put back from an older copy cannot see it, since all its files agree.
 * Those to which it acknowledged entries or gave votes can. Promise: a place is noted only when the
 * member has it on disk, so a member whose disk ends before it has lost data; places of an earlier start
 * are kept apart from those of the present one. They are in memory only, and their number is bounded.
 */

import { TERM_LIMIT } from '../../raft/guard.ts';
import type { Message } from '../../raft/types.ts';

/**
 * A term that a node has durably been in, and an index up to which its log was durably that of the leader
 * of this term. Such a log only grows while the term lasts, so of two places of one node the lesser is the
 * earlier one.
 */
export interface HeldPlace {
  readonly term: number;
  readonly index: number;
}

/** Nothing is before it. */
export const NOTHING_HELD: HeldPlace = { term: 0, index: 0 };

/** More than the members of any cluster. */
const NODES_MAX = 128;

interface Known {
  incarnation: number;
  /** Of the starts before `incarnation`. */
  before: HeldPlace;
  /** Of the start `incarnation`. */
  present: HeldPlace;
}

export class HeldPlaces {
  /** The node that was noted first is the first to be forgotten. */
  readonly #known = new Map<string, Known>();

  /** `node`, in its start `incarnation`, has shown that it holds `place`. */
  note(node: string, incarnation: number, place: HeldPlace): void {
    const known = this.#known.get(node);
    if (known === undefined) {
      this.#known.set(node, { incarnation, before: NOTHING_HELD, present: place });
      this.#forgetOldest();
      return;
    }
    if (incarnation > known.incarnation) {
      known.before = laterOf(known.before, known.present);
      known.present = place;
      known.incarnation = incarnation;
    } else if (incarnation < known.incarnation) {
      known.before = laterOf(known.before, place);
    } else if (isBefore(known.present, place)) {
      known.present = place;
    }
  }

  /** The last place that `node` is known to have held in any start before `incarnation`. */
  before(node: string, incarnation: number): HeldPlace {
    const known = this.#known.get(node);
    if (known === undefined) return NOTHING_HELD;
    return incarnation > known.incarnation ? laterOf(known.before, known.present) : known.before;
  }

  #forgetOldest(): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size > NODES_MAX && oldest !== undefined) this.#known.delete(oldest);
  }
}

export function isBefore(one: HeldPlace, other: HeldPlace): boolean {
  return one.term < other.term || (one.term === other.term && one.index < other.index);
}

/**
 * What a message shows of its sender's disk, or null. A node names its own term only once that is
 * durable; pre-votes and the replies that grant them name a term that does not exist yet.
 */
export function placeShownBy(message: Message): HeldPlace | null {
  const { term, type } = message;
  if (type === 'preVote' || (type === 'preVoteReply' && message.granted)) return null;
  if (term >= TERM_LIMIT) return null;
  return { term, index: type === 'appendReply' && message.ok ? message.index : 0 };
}

export function laterOf(one: HeldPlace, other: HeldPlace): HeldPlace {
  return isBefore(one, other) ? other : one;
}
