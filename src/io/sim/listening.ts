/**
 * What must hold of time in a simulated cluster, measured by the time of the world and not by any clock
 * in it.
 *
 * Promise: the first alert that fires for a breach to which nobody listened for as long as its check asks,
 * and the first entry whose time is not that of the world, are reported with the facts.
 */

import { labelValue } from '../../commands/labels.ts';
import type { AppliedEntry } from '../ports.ts';
import { LawBroken } from './checker.ts';

/** A gap of up to a second is not told apart from a change of leaders, and a breach may have one or two. */
const UNCOUNTED_MS = 2_500;
/** Words of clocks travel, and what was stamped waits for its disk. */
const STAMPED_MS_MAX = 2_000;

interface Pending {
  readonly forMs: number;
  /** Since when: the entry may be folded much later. */
  readonly since: number;
}

/** Somebody listened. */
interface Span {
  readonly from: number;
  until: number;
}

export class Listening {
  readonly #pending = new Map<string, Pending>();
  /** By a clock that is right. */
  readonly #spans: Span[] = [];
  #wasListening = false;
  #version: number;

  /** By which version of the fold the log begins. */
  constructor(version: number) {
    this.#version = version;
  }

  /** Called after each step of the world; `wallMs` is what a right clock shows. */
  look(wallMs: number, isListening: boolean): void {
    const last = this.#spans.at(-1);
    if (this.#wasListening && last !== undefined) last.until = wallMs;
    else if (isListening) this.#spans.push({ from: wallMs, until: wallMs });
    this.#wasListening = isListening;
  }

  /** An entry took effect on the first node that folds it. */
  applied({ batch, index, transitions }: AppliedEntry, wallMs: number): void {
    this.#stamped(index, batch.at, wallMs);
    for (const transition of transitions) {
      switch (transition.kind) {
        case 'breach':
          this.#pending.set(`${transition.check} ${transition.series}`, {
            forMs: transition.firesAt - batch.at,
            since: batch.at,
          });
          break;
        case 'recovered':
          this.#pending.delete(`${transition.check} ${transition.series}`);
          break;
        case 'firing':
          this.#fires(
            `${labelValue(transition.labels, 'alertname')} ${labelValue(transition.labels, 'series')}`,
          );
          break;
        default:
      }
    }
    for (const command of batch.commands) {
      if (command.kind !== 'reducers' || command.version <= this.#version) continue;
      // What was missed before is not known to the log.
      this.#version = command.version;
      this.#pending.clear();
    }
  }

  #fires(key: string): void {
    const pending = this.#pending.get(key);
    this.#pending.delete(key);
    if (pending === undefined || this.#version < 2) return;
    let listenedMs = 0;
    for (const { from, until } of this.#spans) {
      listenedMs += Math.max(0, until - Math.max(from, pending.since));
    }
    if (listenedMs >= pending.forMs - UNCOUNTED_MS) return;
    throw new LawBroken(
      'nothing fires to which nobody listened for long enough',
      `${key} was bad for ${listenedMs} ms of ${pending.forMs}`,
    );
  }

  /** An entry may be folded long after it was stamped, and never before. */
  #stamped(index: number, at: number, wallMs: number): void {
    if (this.#version < 2 || at <= wallMs + STAMPED_MS_MAX) return;
    throw new LawBroken(
      'no leap of a clock is in the log',
      `${index} is of ${at - wallMs} ms ahead`,
    );
  }
}
