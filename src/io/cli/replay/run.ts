/**
 * One replay: reads the log from a good beginning to the end of the range, folds it, proves it, and
 * gives the moments in between.
 *
 * Promise: damage ends nothing. It is a moment of the time line, and the state behind it is taken
 * from the next snapshot or is not known; what was recorded is shown either way.
 */

import type { LogEntry } from '../../../log/entry.ts';
import { readLog, type LogItem } from '../../../log/read-log.ts';
import { INITIAL_STATE } from '../../../projections/initial.ts';
import type { State } from '../../../projections/state.ts';
import { PageHashes, rootOf } from '../../disk/snapshot-root.ts';
import { Fold, type Tally } from './fold.ts';
import type { Moment } from './moment.ts';
import { isAfter, isBefore, type Range } from './point.ts';
import { Proof } from './proof.ts';
import { recordedState, type ManifestHead, type Recording } from './recording.ts';
import type { Story } from './subject.ts';
import { TimeLine } from './time-line.ts';

export interface ReplayOptions {
  readonly range: Range;
  /** Null shows the whole time line. */
  readonly story: Story | null;
  /** Called now and then with the index that has been reached. */
  readonly onProgress: (index: number) => void;
}

/** How often progress is told: often enough for the eye, too seldom to cost anything. */
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
  readonly takenUp: number[] = [];
  readonly #recording: Recording;
  readonly #options: ReplayOptions;
  readonly #fold = new Fold();
  readonly #timeLine = new TimeLine();
  readonly #hashes = new PageHashes();
  /** The snapshot to take up when its index is reached, after entries were missing. */
  #ahead: Ahead | null = null;
  #chain: Uint8Array | null = null;
  /** The time of the snapshot with which the replay began. */
  #takenUpAt: number | null = null;

  constructor(recording: Recording, options: ReplayOptions) {
    this.#recording = recording;
    this.#options = options;
    this.damages = [...recording.problems];
    this.proof = new Proof(recording, this.#hashes, { index: 0, state: INITIAL_STATE });
  }

  get tally(): Tally {
    return this.#fold.tally;
  }

  /** Since when this replay knows of everything; 0 where there is nothing. */
  get beganAt(): number {
    return this.#takenUpAt ?? this.tally.firstAt;
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

  /** Whose story is told; null when everybody's is. */
  get story(): Story | null {
    return this.#options.story;
  }

  /** The moments of the range, in order; to be asked for once. */
  async *moments(): AsyncGenerator<Moment, void, undefined> {
    await this.#begin();
    const { to } = this.#options.range;
    const range = {
      from: Math.max(1, this.#fold.nextIndex - 1),
      ...(to?.kind === 'index' ? { to: to.index } : {}),
    };
    for await (const item of readLog(range, this.#recording.log)) {
      if (this.#isOver()) return;
      for (const moment of await this.#momentsOf(item)) if (this.#isWanted(moment)) yield moment;
    }
  }

  /**
   * Begins with the newest snapshot before the range, or with the first entry. Without a beginning
   * of its range a replay proves all there is, so it begins as early as it can.
   */
  async #begin(): Promise<void> {
    const { from } = this.#options.range;
    if (from === null) return;
    const firstIndex = this.#recording.segments[0] ?? 1;
    const usable = this.#recording.manifests.filter(
      ({ index, at }) => index >= firstIndex - 1 && isAfter(from, index, at),
    );
    for (const manifest of usable.toReversed()) {
      const state = await this.#stateOf(manifest);
      if (state === null) continue;
      this.#takeUp(manifest, state);
      return;
    }
  }

  async #stateOf(manifest: ManifestHead): Promise<State | null> {
    const state = await recordedState(this.#recording, manifest, this.#hashes);
    if (typeof state !== 'string') return state;
    if (!this.damages.includes(state)) this.damages.push(state);
    return null;
  }

  #takeUp({ index, at }: ManifestHead, state: State): void {
    this.takenUp.push(index);
    if (this.tally.entries === 0) this.#takenUpAt = at;
    this.#fold.takeUp(index, state);
    this.#timeLine.begin(state, at);
    this.proof.takeUp(index, state);
    this.#options.story?.begin(state);
  }

  #isOver(): boolean {
    const { to } = this.#options.range;
    return to?.kind === 'time' && this.tally.lastAt > to.at;
  }

  #isWanted(moment: Moment): boolean {
    const { story, range } = this.#options;
    // A story must be shown to its teller from the beginning, whatever of it is printed.
    if (story !== null && !story.includes(moment)) return false;
    const { index, at } = moment;
    if (range.from !== null && isAfter(range.from, index, at)) return false;
    return range.to === null || !isBefore(range.to, index, at);
  }

  async #momentsOf(item: LogItem): Promise<readonly Moment[]> {
    switch (item.kind) {
      case 'entry':
        return this.#entry(item.entry, item.chain);
      case 'damage': {
        const { file, offset, what } = item.damage;
        const place = { index: item.damage.index, at: this.tally.lastAt };
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

  async #entry(entry: LogEntry, chain: Uint8Array): Promise<readonly Moment[]> {
    const { index } = entry;
    this.#chain = chain.slice();
    if (index % PROGRESS_ENTRIES === 0) this.#options.onProgress(index);
    const isFolded = index < this.#fold.nextIndex;
    const before = index > this.#fold.nextIndex ? await this.#missing(index) : NONE;
    const moments = isFolded ? NONE : await this.#folded(entry);
    if (index >= this.proof.nextIndex) {
      await this.proof.check(index, isFolded ? null : this.#fold.state, chain);
    }
    const after = index === this.#ahead?.manifest.index ? this.#resume(this.#ahead) : NONE;
    return before === NONE && after === NONE ? moments : [...before, ...moments, ...after];
  }

  async #folded(entry: LogEntry): Promise<readonly Moment[]> {
    try {
      const folded = this.#fold.entry(entry);
      return folded === null ? NONE : this.#timeLine.moments(folded);
    } catch (error) {
      const { message: problem } = error as Error;
      this.unreadable.push(`entry ${entry.index} cannot be folded: ${problem}`);
      this.proof.lose();
      await this.#lookAhead(entry.index + 1);
      return [{ index: entry.index, at: this.tally.lastAt, what: 'unreadable', problem }];
    }
  }

  /** The entries before `index` are not there: the state is unknown until a snapshot is reached. */
  async #missing(index: number): Promise<readonly Moment[]> {
    const { nextIndex } = this.#fold;
    // A log begins where the retention has cut it; only a hole in its midst is worth a word.
    const isHole = this.tally.entries > 0 || this.takenUp.length > 0;
    const place = { index: nextIndex, at: this.tally.lastAt };
    const missing = { missingFrom: nextIndex, missingTo: index - 1, quietMs: 0 };
    const gap: Moment = { ...place, what: 'gap', cause: 'entries missing', ...missing };
    this.#fold.lose(index - 1);
    this.proof.lose();
    await this.#lookAhead(index - 1);
    const taken = this.#ahead?.manifest.index === index - 1 ? this.#resume(this.#ahead) : NONE;
    return isHole ? [gap, ...taken] : taken;
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

  #resume({ manifest, state }: Ahead): readonly Moment[] {
    this.#ahead = null;
    this.#takeUp(manifest, state);
    const { index, at, root } = manifest;
    return [{ index, at, what: 'snapshot', root }];
  }
}

const NONE: readonly Moment[] = [];

interface Ahead {
  readonly manifest: ManifestHead;
  readonly state: State;
}
