/**
 * One replay: reads the log from a good beginning to the end of the range, folds it, proves it, and
 * gives the moments in between.
 *
 * Promise: damage ends nothing. It is a moment of the time line, and the state behind it is taken
 * from the next snapshot or is not known; what was recorded is shown either way. Whatever of the range
 * is not known is named.
 */

import type { LogEntry } from '../../log/entry.ts';
import { readLog, type LogItem } from '../../log/read-log.ts';
import { INITIAL_STATE } from '../../projections/initial.ts';
import type { State } from '../../projections/state.ts';
import { PageHashes, rootOf } from '../disk/snapshot-root.ts';
import { Fold, type Tally } from './fold.ts';
import type { TimelineEvent } from './timeline-event.ts';
import { isAfter, isBefore, type Range } from './point.ts';
import { Proof } from './proof.ts';
import { recordedState, type ManifestHead, type Recording } from './recording.ts';
import type { AlertFilter } from './alert-filter.ts';
import { TimeLine } from './time-line.ts';
import { touches, type Unknown } from './unknown.ts';

export interface ReplayOptions {
  readonly range: Range;
  /** So many milliseconds around a range of times are given, too; what is unknown there is not named. */
  readonly marginMs?: number;
  /** Null shows the whole time line. */
  readonly story: AlertFilter | null;
  /** Called now and then with the index that has been reached. */
  readonly onProgress: (index: number) => void;
}

/** How often progress is shown: often enough for the eye, too seldom to cost anything. */
const PROGRESS_ENTRIES = 64;

export class Replay {
  readonly proof: Proof;
  /** What is damaged or of a newer format, in the log or in the snapshots. */
  readonly damages: string[];
  /** Intact entries that this build cannot read. */
  readonly unreadable: string[] = [];
  /** The end of the log as it was found: being written just now, or cut off by a crash. */
  tail: string | null = null;
  /** Indexes of the snapshots from which the state was taken: at the beginning, or behind a hole. */
  readonly resumedAt: number[] = [];
  /** Entries that lie in the range. */
  entriesInRange = 0;
  /** Recorded where the state is not known, so that nobody can say whether the story has them. */
  possiblyMatching = 0;
  readonly #unknown: Unknown[] = [];
  readonly #recording: Recording;
  readonly #options: ReplayOptions;
  /** The range with its margin: what is read and given. */
  readonly #range: Range;
  readonly #fold = new Fold();
  readonly #timeLine = new TimeLine();
  readonly #hashes = new PageHashes();
  /** The snapshot to take up when its index is reached, after entries were missing. */
  #ahead: Ahead | null = null;
  #chain: Uint8Array | null = null;
  /** The time of the snapshot with which the replay began. */
  #resumedAt: number | null = null;
  /** Where reading stopped because something is damaged; null once an entry has followed. */
  #damagedAt: number | null = null;

  constructor(recording: Recording, options: ReplayOptions) {
    this.#recording = recording;
    this.#options = options;
    this.#range = widened(options.range, options.marginMs ?? 0);
    this.damages = [...recording.problems];
    this.proof = new Proof(recording, this.#hashes, { index: 0, state: INITIAL_STATE });
  }

  get tally(): Tally {
    return this.#fold.tally;
  }

  /** The first index that the log can hold. */
  get logFrom(): number {
    return this.#recording.segments[0] ?? 1;
  }

  /** The time of the first thing known; 0 where there is nothing. */
  get beganAt(): number {
    return this.#resumedAt ?? this.tally.firstAt;
  }

  /** The time of the last entry that was reached; 0 where there is nothing. */
  get endedAt(): number {
    return Math.max(this.tally.lastAt, this.#resumedAt ?? 0);
  }

  /** What of the range is not known. */
  get unknown(): readonly Unknown[] {
    return this.#unknown.filter((each) => touches(this.#options.range, each));
  }

  /** What is not known of all that was read, the margin of the range included. */
  get unknownOfAll(): readonly Unknown[] {
    return this.#unknown;
  }

  /** The state after the last entry; null where it is not known. */
  get state(): State | null {
    return this.#fold.state;
  }

  /** Hex SHA-256 of the state after the last entry; null where the state is not known. */
  get root(): string | null {
    const { state } = this.#fold;
    return state === null ? null : rootOf(state, this.#hashes);
  }

  /** The hash of the log's chain at the last entry, in hex; null before the first. */
  get chain(): string | null {
    return this.#chain === null ? null : Buffer.from(this.#chain).toString('hex');
  }

  /** Which alerts are shown; null for all. */
  get story(): AlertFilter | null {
    return this.#options.story;
  }

  /** The moments of the range, in order; to be asked for once. */
  async *events(): AsyncGenerator<TimelineEvent, void, undefined> {
    yield* this.#wanted(await this.#begin());
    const { to } = this.#range;
    const range = {
      from: Math.max(1, this.#fold.nextIndex - 1),
      ...(to?.kind === 'index' ? { to: to.index } : {}),
    };
    for await (const item of readLog(range, this.#recording.log)) {
      if (this.#isOver()) return;
      yield* this.#wanted(await this.#eventsOf(item));
    }
    if (!this.#isOver()) yield* this.#wanted(this.#end());
  }

  *#wanted(moments: readonly TimelineEvent[]): Generator<TimelineEvent> {
    for (const moment of moments) if (this.#isWanted(moment)) yield moment;
  }

  /**
   * Begins with the newest snapshot before the range, or with the first entry. Without a beginning
   * of its range a replay proves all there is, so it begins as early as it can.
   */
  async #begin(): Promise<readonly TimelineEvent[]> {
    const { from } = this.#range;
    const usable =
      from === null
        ? []
        : this.#recording.manifests.filter(
            ({ index, at }) => index >= this.logFrom - 1 && isAfter(from, index, at),
          );
    for (const manifest of usable.toReversed()) {
      const state = await this.#stateOf(manifest);
      if (state === null) continue;
      this.#resumeFrom(manifest, state);
      return NONE;
    }
    return this.logFrom > 1 ? this.#missing(this.logFrom, 'before the log') : NONE;
  }

  /** Called where nothing more can be read: what should be there behind that, and is not. */
  #end(): readonly TimelineEvent[] {
    const { from } = this.#options.range;
    const { to } = this.#range;
    const last = this.#fold.nextIndex - 1;
    const behind = { from: last + 1, fromAt: this.endedAt };
    if (to?.kind === 'index') {
      // It stopped before the end of the range, which lies within the log: that is a hole.
      const hole = { to: null, toAt: 0, missingFrom: last + 1, missingTo: to.index };
      return this.#invalidates({ ...behind, cause: 'entries missing', ...hole });
    }
    const newest = this.#recording.manifests.at(-1);
    if (newest !== undefined && newest.index > last) {
      const { index, at } = newest;
      const lost = { to: index, toAt: at, missingFrom: last + 1, missingTo: index };
      return this.#invalidates({ ...behind, cause: 'entries missing', ...lost });
    }
    if (this.#damagedAt !== null && this.#damagedAt > last) {
      const lost = { to: null, toAt: 0, missingFrom: last + 1, missingTo: null };
      return this.#invalidates({ ...behind, cause: 'entries missing', ...lost });
    }
    if (from === null || !isAfter(from, last, this.endedAt)) return NONE;
    const nothing = { to: null, toAt: 0, missingFrom: 0, missingTo: 0 };
    return this.#invalidates({ ...behind, cause: 'after the log', ...nothing });
  }

  #invalidates(unknown: Unknown): readonly TimelineEvent[] {
    this.#unknown.push(unknown);
    if (!touches(this.#options.range, unknown)) return NONE;
    const { cause, from, fromAt, to, toAt, missingFrom, missingTo } = unknown;
    const known = { knownFrom: to === null ? null : to + 1, knownAt: toAt };
    const missing = { missingFrom, missingTo, quietMs: 0 };
    return [{ index: from, at: fromAt, what: 'gap', cause, ...missing, ...known }];
  }

  async #stateOf(manifest: ManifestHead): Promise<State | null> {
    const state = await recordedState(this.#recording, manifest, this.#hashes);
    if (typeof state !== 'string') return state;
    if (!this.damages.includes(state)) this.damages.push(state);
    return null;
  }

  #resumeFrom({ index, at }: ManifestHead, state: State): void {
    this.resumedAt.push(index);
    if (this.tally.entries === 0) this.#resumedAt = at;
    this.#fold.resumeFrom(index, state);
    this.#timeLine.begin(state, at);
    this.proof.resumeFrom(index, state);
    this.#options.story?.begin(state);
  }

  #isOver(): boolean {
    const { to } = this.#range;
    if (to === null) return false;
    return to.kind === 'time' ? this.tally.lastAt > to.at : this.#fold.nextIndex > to.index;
  }

  #isWanted(moment: TimelineEvent): boolean {
    const { story } = this.#options;
    // A story must be shown to its teller from the beginning, whatever of it is printed.
    const isOfStory = story === null || story.includes(moment);
    // A gap of the state is no point: it was asked whether it touches the range.
    const isGap = moment.what === 'gap' && moment.cause !== 'nobody listened';
    if (!isGap && !isInRange(this.#range, moment.index, moment.at)) return false;
    if (!isOfStory && story.mayInclude(moment)) this.possiblyMatching++;
    return isOfStory;
  }

  async #eventsOf(item: LogItem): Promise<readonly TimelineEvent[]> {
    switch (item.kind) {
      case 'entry':
        return this.#entry(item.entry, item.chain);
      case 'damage': {
        const { file, offset, what } = item.damage;
        const place = { index: item.damage.index, at: this.tally.lastAt };
        this.#damagedAt = item.damage.index;
        this.damages.push(
          `${this.#recording.log.disk.directory}/${file} at byte ${offset}: ${what}`,
        );
        return [{ ...place, what: 'damage', file, offset, problem: what }];
      }
      case 'tail':
        this.tail = `${item.file} ends in ${item.bytes} bytes at ${item.offset} that are no whole write`;
        return NONE;
    }
  }

  async #entry(entry: LogEntry, chain: Uint8Array): Promise<readonly TimelineEvent[]> {
    const { index } = entry;
    this.#chain = chain.slice();
    this.#damagedAt = null;
    if (index % PROGRESS_ENTRIES === 0) this.#options.onProgress(index);
    const isFolded = index < this.#fold.nextIndex;
    const before =
      index > this.#fold.nextIndex ? await this.#missing(index, 'entries missing') : NONE;
    const moments = isFolded ? NONE : await this.#folded(entry);
    if (isInRange(this.#options.range, index, this.tally.lastAt)) this.entriesInRange++;
    if (index >= this.proof.nextIndex) {
      await this.proof.check(index, isFolded ? null : this.#fold.state, chain);
    }
    const after = index === this.#ahead?.manifest.index ? this.#resume(this.#ahead) : NONE;
    return before === NONE && after === NONE ? moments : [...before, ...moments, ...after];
  }

  async #folded(entry: LogEntry): Promise<readonly TimelineEvent[]> {
    try {
      const folded = this.#fold.entry(entry);
      return folded === null ? NONE : this.#timeLine.events(folded);
    } catch (error) {
      const { message: problem } = error as Error;
      this.unreadable.push(`entry ${entry.index} cannot be folded: ${problem}`);
      this.#invalidate(entry.index);
      await this.#lookAhead(entry.index + 1);
      const place = { index: entry.index, at: this.tally.lastAt };
      const nothing = { missingFrom: 0, missingTo: 0 };
      return [
        { ...place, what: 'unreadable', problem },
        ...this.#invalidates({
          ...this.#until(entry.index),
          cause: 'entry unreadable',
          ...nothing,
        }),
      ];
    }
  }

  /** The entries before `index` are not there: the state is unknown until a snapshot is reached. */
  async #missing(
    index: number,
    cause: 'before the log' | 'entries missing',
  ): Promise<readonly TimelineEvent[]> {
    const { nextIndex } = this.#fold;
    this.#invalidate(index - 1);
    await this.#lookAhead(index - 1);
    const missing = { missingFrom: nextIndex, missingTo: index - 1 };
    const gap = this.#invalidates({ ...this.#until(nextIndex), cause, ...missing });
    const taken = this.#ahead?.manifest.index === index - 1 ? this.#resume(this.#ahead) : NONE;
    return [...gap, ...taken];
  }

  /** The state is not known any more, and the next entry is the one behind `index`. */
  #invalidate(index: number): void {
    this.#fold.invalidate(index);
    this.#timeLine.invalidate();
    this.proof.invalidate();
  }

  /** A stretch that begins at an entry, and ends at the snapshot ahead. */
  #until(from: number): Pick<Unknown, 'from' | 'fromAt' | 'to' | 'toAt'> {
    const to = this.#ahead?.manifest ?? null;
    return { from, fromAt: this.endedAt, to: to?.index ?? null, toAt: to?.at ?? 0 };
  }

  /** Finds the first snapshot from which the fold can go on: one at `index` or later. */
  async #lookAhead(index: number): Promise<void> {
    this.#ahead = null;
    for (const manifest of this.#recording.manifests) {
      if (manifest.index < index) continue;
      const state = await this.#stateOf(manifest);
      if (state === null) continue;
      this.#ahead = { manifest, state };
      return;
    }
  }

  #resume({ manifest, state }: Ahead): readonly TimelineEvent[] {
    this.#ahead = null;
    this.#resumeFrom(manifest, state);
    const { index, at, root } = manifest;
    return [{ index, at, what: 'snapshot', root }];
  }
}

const NONE: readonly TimelineEvent[] = [];

function isInRange({ from, to }: Range, index: number, at: number): boolean {
  if (from !== null && isAfter(from, index, at)) return false;
  return to === null || !isBefore(to, index, at);
}

function widened({ from, to }: Range, marginMs: number): Range {
  return {
    from: from?.kind === 'time' ? { ...from, at: from.at - marginMs } : from,
    to: to?.kind === 'time' ? { ...to, at: to.at + marginMs } : to,
  };
}

interface Ahead {
  readonly manifest: ManifestHead;
  readonly state: State;
}
