/**
 * Finds out, after a start, whether the disk of this node is that of an earlier moment: it asks every
 * other member for the last place at which it knew this node in an earlier start.
 *
 * Promise: until every other voter has answered, or one election timeout has passed, this node takes no
 * part in an election, and listens only to members that have answered; a member whose build cannot be
 * asked counts as one that has. An answer that comes later counts, too. What nobody remembers stays
 * undetected: see ADR 20.
 */

import { TERM_LIMIT } from '../../raft/guard.ts';
import type { Message } from '../../raft/types.ts';
import {
  HeldPlaces,
  isBefore,
  laterOf,
  NOTHING_HELD,
  placeShownBy,
  type HeldPlace,
} from './held-places.ts';
import type { Frame } from './wire.ts';

/** The level of frames from which a build reads those of this check. */
const LEVEL = 2;

/** As long as an election timeout: this node stands for no election sooner anyway. */
const WAIT_TICKS = 10;
/** How often a member that has not answered is asked again. */
const ASK_EVERY_TICKS = 5;
/** How often this node reports what it holds, if that has changed. */
const SAY_EVERY_TICKS = 10;
/** More than the members of any cluster. */
const ASKED_MAX = 128;

export interface RollbackCheckOptions {
  readonly incarnation: number;
  /** What the disk held at the start. */
  readonly start: HeldPlace;
  /** The log is known to lack what it acknowledged: what others remember is no news. */
  readonly isDamaged: boolean;
}

export interface RollbackCheckModules {
  /** The other voters of the configuration in force. */
  readonly otherVoters: () => readonly string[];
  readonly others: () => readonly string[];
  /** The level of frames that a node reads; null for one that is not connected. */
  readonly framesLevel: (node: string) => number | null;
  /** What the disk holds of the log of this term, if this node leads in it; otherwise null. */
  readonly heldAsLeader: () => HeldPlace | null;
  readonly send: (to: string, frame: Frame) => void;
  /** `by` has seen that this node held `place`, which is not on its disk. Called once. */
  readonly onRolledBack: (place: HeldPlace, by: string) => void;
  /** From here on this node may stand for election. Called once. */
  readonly onOver: () => void;
}

export class RollbackCheck {
  readonly #options: RollbackCheckOptions;
  readonly #modules: RollbackCheckModules;
  readonly #places = new HeldPlaces();
  readonly #answered = new Set<string>();
  /** In which tick a member was asked last; only those that have not answered. */
  readonly #askedAt = new Map<string, number>();
  #ticks = 0;
  #isOver = false;
  #isRolledBack = false;
  /** What the messages that this node sent have shown of its disk. */
  #shown = NOTHING_HELD;
  #said = NOTHING_HELD;

  constructor(options: RollbackCheckOptions, modules: RollbackCheckModules) {
    this.#options = options;
    this.#modules = modules;
  }

  tick(): void {
    this.#ticks++;
    const { otherVoters, others } = this.#modules;
    for (const node of others()) this.#ask(node);
    if (!this.#isOver) {
      this.#isOver =
        this.#ticks >= WAIT_TICKS || otherVoters().every((node) => this.#hasAnswered(node));
      if (this.#isOver) this.#modules.onOver();
    }
    if (this.#ticks % SAY_EVERY_TICKS === 0) this.#say();
  }

  /** Whether a message of `from` may be acted on. One that may not is dropped, and its sender asked. */
  admits(from: string, { type }: Message): boolean {
    if (this.#hasAnswered(from)) return this.#isOver || !isOfElection(type);
    this.#ask(from);
    return this.#isOver;
  }

  /** A message was acted on: what it shows of its sender is remembered. */
  heard(from: string, incarnation: number, message: Message): void {
    const place = placeShownBy(message);
    if (place !== null) this.#places.note(from, incarnation, place);
  }

  /** Messages leave this node, so what they show is durable. */
  sent(messages: readonly Message[]): void {
    for (const message of messages) {
      const place = message.type === 'appendReply' ? placeShownBy(message) : null;
      if (place !== null) this.#shown = laterOf(this.#shown, place);
    }
  }

  /** Whether the frame was one of this check. */
  onFrame(from: string, incarnation: number, frame: Frame): boolean {
    switch (frame.kind) {
      case 'held':
        this.#places.note(from, incarnation, frame);
        return true;
      case 'recall': {
        // An earlier build has taken the place of the process that asked.
        if (!this.#reads(from)) return true;
        const { term, index } = this.#places.before(from, incarnation);
        this.#modules.send(from, { kind: 'recalled', life: incarnation, term, index });
        return true;
      }
      case 'recalled':
        this.#onRecalled(from, frame);
        return true;
      default:
        return false;
    }
  }

  #onRecalled(from: string, { life, term, index }: Extract<Frame, { kind: 'recalled' }>): void {
    // Only what was asked is answered; the answer to an earlier start shows nothing of this one.
    if (life !== this.#options.incarnation || !this.#askedAt.delete(from)) return;
    this.#noteAnswer(from);
    const place = { term, index };
    if (isBefore(this.#options.start, place)) this.#rolledBack(place, from);
  }

  /** The member `by` has seen a later start of this node than the present one, or its twin. */
  outdated(by: string): void {
    this.#rolledBack(this.#options.start, by);
  }

  #rolledBack(place: HeldPlace, by: string): void {
    if (this.#isRolledBack || this.#options.isDamaged) return;
    this.#isRolledBack = true;
    this.#modules.onRolledBack(place, by);
  }

  #reads(node: string): boolean {
    return (this.#modules.framesLevel(node) ?? 0) >= LEVEL;
  }

  #noteAnswer(from: string): void {
    this.#answered.add(from);
    const [oldest] = this.#answered;
    // Should it still be a member, it is asked once more.
    if (this.#answered.size > ASKED_MAX && oldest !== undefined) this.#answered.delete(oldest);
  }

  #hasAnswered(node: string): boolean {
    if (this.#answered.has(node)) return true;
    const level = this.#modules.framesLevel(node);
    return level !== null && level < LEVEL;
  }

  #ask(node: string): void {
    if (this.#hasAnswered(node) || this.#modules.framesLevel(node) === null) return;
    const askedAt = this.#askedAt.get(node);
    if (askedAt === undefined && this.#askedAt.size >= ASKED_MAX) return;
    if (askedAt !== undefined && this.#ticks - askedAt < ASK_EVERY_TICKS) return;
    this.#askedAt.set(node, this.#ticks);
    this.#modules.send(node, { kind: 'recall' });
  }

  /**
   * A leader acknowledges nothing to anybody, and a follower only to its leader: only their own report shows
   * the others what they hold.
   */
  #say(): void {
    const held = laterOf(this.#shown, this.#modules.heldAsLeader() ?? NOTHING_HELD);
    // Nobody remembers a term that no frame can name: see the limit of terms in raft/guard.ts.
    if (held.term >= TERM_LIMIT || !isBefore(this.#said, held)) return;
    this.#said = held;
    for (const node of this.#modules.others()) {
      if (this.#reads(node)) this.#modules.send(node, { kind: 'held', ...held });
    }
  }
}

function isOfElection(type: Message['type']): boolean {
  return type === 'preVote' || type === 'vote' || type === 'timeoutNow';
}
