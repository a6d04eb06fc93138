/**
 * Whether a leader listened all the time, as far as this node can see: a leader that was stopped or
 * suspended did not, nor did a cluster without a leader.
 *
 * Promise: the first entry after such a time records since when nobody listened, before anything else; so
 * does the first one after log time was set forward, and by how much.
 */

import type { Command } from '../../commands/command.ts';
import { GAP_MS } from '../../projections/gaps.ts';
import type { LogClock } from './log-clock.ts';

export interface GapDetectorModules {
  readonly logClock: LogClock;
  /** Whether all members can read that log time was set. */
  readonly knowsSteps: () => boolean;
}

export class GapDetector {
  readonly #name: string;
  readonly #modules: GapDetectorModules;
  /** Log time when this node last led, or last received a frame of the leader. */
  #seenAt: number;
  /** Set when nobody may have listened for a while, until an entry has recorded it. */
  #absentSince: number | null = null;
  /** By how much log time was set forward since then. */
  #stepMs = 0;
  /** Log time of the first frame of a leader after a silence. */
  #heardAgainAt = 0;

  constructor(name: string, modules: GapDetectorModules, appliedAt: number) {
    this.#name = name;
    this.#modules = modules;
    this.#seenAt = appliedAt;
  }

  /** A leader notes that it is there, a tick apart at most; gives the time of the log. */
  noteLeading(): number {
    const now = this.#now();
    if (now - this.#seenAt > GAP_MS) this.#absentSince ??= this.#seenAt;
    this.#seenAt = now;
    return now;
  }

  /** A leader has just set log time forward by so much. */
  noteStep(ms: number): void {
    this.#absentSince ??= this.#seenAt;
    this.#stepMs += ms;
    this.#seenAt = this.#now();
  }

  /**
   * Another member leads, and has just sent a frame. After a silence it may have stood still itself: then it
   * gives leadership up within a tick, and the next leader must record the gap. If it goes on, only this node
   * was away.
   */
  noteLeader(): void {
    const now = this.#now();
    if (now - this.#seenAt > GAP_MS) {
      this.#absentSince ??= this.#seenAt;
      this.#heardAgainAt = now;
    } else if (now - this.#heardAgainAt > GAP_MS) {
      this.markWritten();
    }
    this.#seenAt = now;
  }

  /** What the next entry of a leader must record first. */
  pendingGap(): readonly Command[] {
    return this.#absentSince === null ? [] : [this.#lead(this.#absentSince)];
  }

  /** The first command of a leader. An entry that was applied shows that a leader listened at its time. */
  leaderStart(appliedAt: number): Command {
    const since = Math.max(appliedAt, this.#absentSince ?? this.#seenAt);
    const lead = this.#lead(appliedAt === 0 ? 0 : since);
    this.markWritten();
    this.#seenAt = this.#now();
    return lead;
  }

  /** An entry has recorded it. */
  markWritten(): void {
    this.#absentSince = null;
    this.#stepMs = 0;
  }

  #lead(previousAt: number): Command {
    const lead = { kind: 'lead', node: this.#name, previousAt } as const;
    const isSaid = this.#stepMs > 0 && this.#modules.knowsSteps();
    return isSaid ? { ...lead, stepMs: this.#stepMs } : lead;
  }

  #now(): number {
    return this.#modules.logClock.now();
  }
}
