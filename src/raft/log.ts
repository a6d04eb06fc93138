/**
 * The core's view of the log: terms of everything, entries of the recent end.
 *
 * Promise: memory is bounded by `windowBytesMax` plus what is not yet durable, however long the log
 * grows; the term of every index in [compacted, last] is always known. Whether an entry is on disk
 * comes from outside (`durableIndex`), because only the order of writes shows it.
 */

import { entryBytes } from './limits.ts';
import type { Entry, SnapshotPosition, TermRun } from './types.ts';

export interface LogStart {
  readonly compacted: { readonly index: number; readonly term: number };
  readonly lastIndex: number;
  readonly terms: readonly TermRun[];
}

export class LogView {
  /** Last index that was dropped from the log: a snapshot covers it and all before. */
  compactedIndex: number;
  compactedTerm: number;
  lastIndex: number;
  /** Every entry up to here is on disk, in the form that it has in this log. */
  durableIndex: number;
  windowBytes = 0;

  readonly #windowBytesMax: number;
  #runs: TermRun[];
  /** Entries (windowStart, lastIndex], the first `#head` slots being spent. */
  #window: (Entry | undefined)[] = [];
  #head = 0;

  constructor(start: LogStart, windowBytesMax: number) {
    this.compactedIndex = start.compacted.index;
    this.compactedTerm = start.compacted.term;
    this.lastIndex = start.lastIndex;
    this.durableIndex = start.lastIndex;
    this.#runs = [...start.terms];
    this.#windowBytesMax = windowBytesMax;
    this.#checkRuns();
  }

  get firstIndex(): number {
    return this.compactedIndex + 1;
  }

  get lastTerm(): number {
    return this.#runs.at(-1)?.term ?? this.compactedTerm;
  }

  /** First index whose entry is in memory; lastIndex + 1 if none is. */
  get windowFirst(): number {
    return this.lastIndex + 1 - (this.#window.length - this.#head);
  }

  /** Term at `index`, or undefined outside of [compactedIndex, lastIndex]. */
  term(index: number): number | undefined {
    if (index < this.compactedIndex || index > this.lastIndex) return undefined;
    if (index === this.compactedIndex) return this.compactedTerm;
    return this.#runs.findLast((run) => run.from <= index)?.term;
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends so is at least as complete as this one (paper 5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /**
   * The highest index up to `index` whose term is at most `term`.
   *
   * Entries above it cannot agree with a log that has `term` at `index`, so a whole conflicting
   * run is skipped at once (paper 5.3, the optimisation left to the reader).
   */
  lastIndexWithin(index: number, term: number): number {
    let upTo = Math.min(index, this.lastIndex);
    for (let at = this.#runs.length - 1; at >= 0; at--) {
      const run = this.#runs[at];
      if (run === undefined || run.from > upTo) continue;
      if (run.term <= term) return upTo;
      upTo = run.from - 1;
    }
    return upTo;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index !== this.lastIndex + 1 || entry.term < this.lastTerm) {
        throw new Error(
          `raft log: entry ${entry.term}/${entry.index} cannot follow ` +
            `${this.lastTerm}/${this.lastIndex}`,
        );
      }
      if (entry.term > this.lastTerm || this.#runs.length === 0) {
        this.#runs.push({ term: entry.term, from: entry.index });
      }
      this.#window.push(entry);
      this.windowBytes += entryBytes(entry);
      this.lastIndex = entry.index;
    }
    this.shrinkWindow();
  }

  /** Drops every entry from `from` on. */
  truncateFrom(from: number): void {
    while (this.lastIndex >= from) {
      this.lastIndex--;
      if (this.#window.length > this.#head) this.#release(this.#window.pop());
    }
    this.#runs = this.#runs.filter((run) => run.from < from);
    this.durableIndex = Math.min(this.durableIndex, from - 1);
  }

  /** Starts over, empty, after a snapshot that is not yet durable. */
  resetTo(snapshot: SnapshotPosition): void {
    this.compactedIndex = snapshot.index;
    this.compactedTerm = snapshot.term;
    this.lastIndex = snapshot.index;
    this.durableIndex = 0;
    this.windowBytes = 0;
    this.#runs = [];
    this.#window = [];
    this.#head = 0;
  }

  compact(index: number): void {
    const term = this.term(index);
    if (term === undefined || index > this.durableIndex) {
      throw new Error(
        `raft log: cannot compact to ${index}; the durable log is ` +
          `[${this.firstIndex}, ${this.durableIndex}]`,
      );
    }
    this.compactedIndex = index;
    this.compactedTerm = term;
    const covering = this.#runs.findLastIndex((run) => run.from <= index + 1);
    this.#runs = this.lastIndex === index ? [] : this.#runs.slice(Math.max(covering, 0));
    const [first] = this.#runs;
    if (first !== undefined) this.#runs[0] = { term: first.term, from: index + 1 };
    while (this.windowFirst <= index) this.#dropOldest();
  }

  /** Entries [from, to] as far as they are in memory and fit, at least one; undefined if evicted. */
  slice(from: number, to: number, bytesMax: number): readonly Entry[] | undefined {
    if (from > Math.min(to, this.lastIndex)) return [];
    if (from < this.windowFirst) return undefined;
    const start = this.#head + from - this.windowFirst;
    const end = start + Math.min(to, this.lastIndex) - from + 1;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let at = start; at < end; at++) {
      const entry = this.#window[at];
      if (entry === undefined) break;
      bytes += entryBytes(entry);
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Whether `entries`, as read by the host, are this log's from `from` on. */
  agreesWith(from: number, entries: readonly Entry[]): boolean {
    return entries.every((entry, at) => {
      return entry.index === from + at && this.matches(entry.index, entry.term);
    });
  }

  /** Evicts the oldest entries over the bound; what is not durable has no other home and stays. */
  shrinkWindow(): void {
    while (this.windowBytes > this.#windowBytesMax && this.windowFirst <= this.durableIndex) {
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    this.#release(this.#window[this.#head]);
    this.#window[this.#head] = undefined;
    this.#head++;
    // Moving the rest down only when half is spent keeps the cost per entry constant.
    if (this.#head * 2 > this.#window.length) {
      this.#window = this.#window.slice(this.#head);
      this.#head = 0;
    }
  }

  #release(entry: Entry | undefined): void {
    if (entry !== undefined) this.windowBytes -= entryBytes(entry);
  }

  #checkRuns(): void {
    const rising = this.#runs.every((run, at) => {
      const before = this.#runs[at - 1] ?? { term: this.compactedTerm - 1, from: -1 };
      return run.term > before.term && run.from > before.from && run.from <= this.lastIndex;
    });
    const covers = (this.#runs[0]?.from ?? this.firstIndex) === this.firstIndex;
    const empty = this.lastIndex === this.compactedIndex;
    if (!rising || !covers || empty !== (this.#runs.length === 0)) {
      throw new Error(
        `raft log: terms ${JSON.stringify(this.#runs)} do not describe ` +
          `[${this.firstIndex}, ${this.lastIndex}]`,
      );
    }
  }
}
