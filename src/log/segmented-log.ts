/**
 * How the log works: one queue of appends, one active segment, and upkeep beside them.
 *
 * Appends that arrive while a sync is running wait together, and share the next one. The first error
 * of the disk is the last: every later append is refused with the same LogFailed, because after it
 * the contents of the disk are unknown.
 */

import { ActiveSegment } from './active-segment.ts';
import { appendBytes, checkAppend, cutsLog, type Append, type Expected } from './append.ts';
import { isSameVote, writeVoteRecord, type Vote } from './vote-record.ts';
import {
  entriesOf,
  findSegment,
  lastIndexes,
  loadClosed,
  pointAt,
  type LoadedSegment,
  type SegmentRef,
} from './closed-segment.ts';
import { writePacked } from './compression.ts';
import { LogDamaged, LogFailed } from './damage.ts';
import type { LogModules } from './disk.ts';
import type { DurableMark } from './durable-mark.ts';
import type { HardState, LogEntry, LogIdentity, LogPoint, TermRun } from './entry.ts';
import type { GroupContent, Tail } from './group.ts';
import type { CompressionReport, Log, SegmentInfo } from './log.ts';
import type { OpenedLog } from './recovery.ts';
import { HEADER_BYTES, type SegmentHeader } from './segment-header.ts';
import { createSegment, nameOf } from './segment-file.ts';
import { noteTerm } from './segment.ts';
import type { QuarantinedFile } from './quarantine.ts';

/** Bytes in one group, so that the first append of a burst need not wait for all of it. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;

interface Waiting {
  readonly append: Append;
  /** Set by prune: entries before this one are about to be dropped. */
  readonly keptFrom: number | undefined;
  /** Set by markHealed, markHealing and beginEpoch: what the log is from here on. */
  readonly renewedAs: RenewedAs | undefined;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface RenewedAs {
  readonly clusterId: string;
  readonly isHealing: boolean;
}

export class SegmentedLog implements Log {
  #identity: LogIdentity;
  readonly quarantined: readonly QuarantinedFile[];
  readonly #segmentBytesMax: number;
  readonly #modules: LogModules;
  readonly #mark: DurableMark;
  /** In the order of writing; the last one is the active one. */
  #segments: SegmentRef[];
  #active: ActiveSegment;
  #tail: Tail;
  /** Term and vote of the vote record. */
  #vote: Vote;
  /** Terms are known from the entry after this point on. */
  #base: LogPoint;
  #runs: TermRun[];
  #expected: Expected;
  #queue: Waiting[] = [];
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #isMarking = false;
  #marking: Promise<void> = Promise.resolve();
  /** Prune, compaction and removal take turns. */
  #upkeep: Promise<unknown> = Promise.resolve();
  /** The closed segment read last: a follower that catches up reads one in many small pieces. */
  #loaded: LoadedSegment | undefined;
  #failure: LogFailed | undefined;
  #isClosed = false;

  constructor(
    recovered: OpenedLog,
    options: LogIdentity & {
      readonly segmentBytesMax: number;
      readonly quarantined: readonly QuarantinedFile[];
    },
    modules: LogModules,
  ) {
    const { segments, active, tail, base, runs, mark, vote } = recovered;
    this.#identity = { clusterId: options.clusterId, nodeId: options.nodeId };
    this.quarantined = options.quarantined;
    this.#segmentBytesMax = options.segmentBytesMax;
    this.#modules = modules;
    this.#segments = [...segments];
    this.#active = new ActiveSegment(active.header, active, modules.digest);
    this.#tail = tail;
    this.#vote = vote;
    this.#base = base;
    this.#runs = runs;
    this.#expected = tail;
    this.#mark = mark;
  }

  get identity(): LogIdentity {
    return this.#identity;
  }

  get firstIndex(): number {
    return (this.#segments[0]?.header.previous.index ?? this.#tail.index) + 1;
  }

  get lastIndex(): number {
    return this.#tail.index;
  }

  get lastTerm(): number {
    return this.#tail.term;
  }

  get lastChain(): Uint8Array {
    return this.#tail.chain.slice();
  }

  get hardState(): HardState {
    return this.#tail.hardState;
  }

  get isHealing(): boolean {
    return this.#active.header.isHealing;
  }

  get failure(): LogFailed | undefined {
    return this.#failure;
  }

  async append(append: Append): Promise<void> {
    this.#checkOpen();
    this.#expected = checkAppend(append, this.#expected);
    await this.#enqueue(append);
  }

  async markHealed(): Promise<void> {
    this.#checkOpen();
    await this.#enqueue({ entries: [] }, { renewedAs: { ...this.#identity, isHealing: false } });
  }

  async markHealing(): Promise<void> {
    this.#checkOpen();
    await this.#enqueue({ entries: [] }, { renewedAs: { ...this.#identity, isHealing: true } });
  }

  async beginEpoch(clusterId: string): Promise<void> {
    this.#checkOpen();
    await this.#enqueue({ entries: [] }, { renewedAs: { clusterId, isHealing: false } });
  }

  async *read(from: number, to: number): AsyncGenerator<LogEntry, void, undefined> {
    for (let index = from; index <= Math.min(to, this.lastIndex);) {
      if (index < this.firstIndex) throw new RangeError(`entry ${index} is no longer kept`);
      const place = findSegment(this.#segments, index);
      const upTo = Math.min(to, this.#lastIndexes()[place] ?? 0);
      const entries =
        place === this.#segments.length - 1
          ? await this.#active.read(index, upTo)
          : entriesOf(await this.#load(place), index, upTo);
      for (const entry of entries) {
        yield entry;
        index = entry.index + 1;
      }
    }
  }

  termAt(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term;
    if (index < this.#base.index || index > this.lastIndex) return undefined;
    return this.#runs.findLast((run) => run.from <= index)?.term;
  }

  termRuns(): readonly TermRun[] {
    return [...this.#runs];
  }

  async chainAt(index: number): Promise<Uint8Array | undefined> {
    if (index < this.firstIndex - 1 || index > this.lastIndex) return undefined;
    if (index === this.lastIndex) return this.lastChain;
    // The header of the segment after it has the chain, too: a damaged segment may end at `index`.
    const place = Math.max(0, findSegment(this.#segments, index + 1));
    const { previous } = this.#segments[place]?.header ?? this.#active.header;
    if (previous.index === index) return previous.chain.slice();
    if (place === this.#segments.length - 1) return this.#active.chainAt(index);
    return pointAt(await this.#load(place), index).chain.slice();
  }

  segments(): readonly SegmentInfo[] {
    const lasts = this.#lastIndexes();
    return this.#segments.map(({ header, packed, bytes }, i) => {
      const closed = i < this.#segments.length - 1;
      return {
        file: nameOf(header, packed),
        sequence: header.sequence,
        firstIndex: header.previous.index + 1,
        lastIndex: lasts[i] ?? this.lastIndex,
        bytes: closed ? bytes : this.#active.end,
        closed,
        compressed: packed,
      };
    });
  }

  async prune(beforeIndex: number): Promise<number> {
    return this.#takeTurn(async () => {
      const lasts = this.#lastIndexes();
      const closed = this.#segments.slice(0, -1);
      const firstKept = closed.findIndex((_, i) => (lasts[i] ?? 0) >= beforeIndex);
      const dropped = firstKept === -1 ? closed : closed.slice(0, firstKept);
      const kept = this.#segments[dropped.length];
      if (kept === undefined || dropped.length === 0) return 0;
      // The record comes first: a segment that is missing without one is damage.
      await this.#enqueue({ entries: [] }, { keptFrom: kept.header.previous.index + 1 });
      // A snapshot may have replaced some of them meanwhile: they have their own turn.
      const listed = dropped.filter((segment) => this.#segments.includes(segment));
      this.#segments = this.#segments.filter((segment) => !listed.includes(segment));
      await this.#guard(() => this.#remove(listed));
      return listed.length;
    });
  }

  async compressClosed(): Promise<CompressionReport> {
    const report = { segments: 0, bytesBefore: 0, bytesAfter: 0 };
    // Each takes its own turn, so that a disk that is full for its limit need not wait for all of them.
    for (const segment of this.#segments.slice(0, -1)) {
      if (segment.packed) continue;
      const bytes = await this.#takeTurn(() => this.#compress(segment));
      if (bytes === undefined) continue;
      report.segments++;
      report.bytesBefore += segment.bytes;
      report.bytesAfter += bytes;
    }
    return report;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#upkeep;
    if (this.#queue.length > 0) this.#startWriting();
    await this.#writing;
    await this.#upkeep;
    await this.#marking;
    if (this.#failure !== undefined) return;
    await this.#guard(async () => {
      await this.#mark.close();
      await this.#active.close();
    });
  }

  // -------------------------------------------------------------------------------------------
  // Writing

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw new Error('the log is closed');
  }

  async #enqueue(
    append: Append,
    { keptFrom, renewedAs }: { readonly keptFrom?: number; readonly renewedAs?: RenewedAs } = {},
  ): Promise<void> {
    const waiting = { append, keptFrom, renewedAs, bytes: appendBytes(append) };
    if (append.sync === false) {
      // Only the newest of them counts.
      if (this.#queue.at(-1)?.append.sync === false) this.#queue.pop();
      this.#queue.push({ ...waiting, resolve: ignore, reject: ignore });
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ ...waiting, resolve, reject });
      this.#startWriting();
    });
  }

  #startWriting(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#writeQueue();
  }

  /** Never rejects: the waiting callers get the error. */
  async #writeQueue(): Promise<void> {
    // What is appended in the same turn shares the first sync, too.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#takeBatch();
      const outcome = await this.#guard(() => this.#write(batch)).catch((error: unknown) => ({
        error,
      }));
      for (const { resolve, reject } of batch) {
        if (outcome === undefined) resolve();
        else reject(outcome.error);
      }
    }
    this.#isWriting = false;
  }

  /** The longest run of appends that makes one group. One that begins a segment begins its own. */
  #takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      bytes += waiting.bytes;
      if (count > 0 && (bytes > GROUP_BYTES_MAX || beginsSegment(waiting))) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const cut = batch.find(({ append }) => cutsLog(append));
    const bytes = batch.reduce((sum, waiting) => sum + waiting.bytes, 0);
    if (cut !== undefined) await this.#cutLog(cut.append);
    else if (batch[0]?.renewedAs !== undefined) await this.#renew(batch[0].renewedAs);
    else if (!this.#active.isEmpty && this.#active.end + bytes > this.#segmentBytesMax) {
      await this.#beginSegment('rotation', this.#tail);
    }
    const content = contentOf(batch, this.#tail);
    if (content === undefined) return;
    if ((content.entries[0]?.term ?? this.lastTerm) < this.lastTerm) {
      throw new Error(
        `term ${this.lastTerm} of entry ${this.lastIndex} may not be followed by less`,
      );
    }
    await this.#noteVote(content.hardState);
    this.#tail = await this.#active.append(content, this.#tail);
    for (const entry of content.entries) noteTerm(this.#runs, entry);
    this.#moveMark();
  }

  /** A vote record that still names the epoch before is rewritten at the next open. */
  async #renew({ clusterId, isHealing }: RenewedAs): Promise<void> {
    const isSame = clusterId === this.#identity.clusterId;
    if (isSame && this.isHealing === isHealing) return;
    this.#identity = { ...this.#identity, clusterId };
    await this.#beginSegment('rotation', this.#tail, { isHealing });
    if (!isSame) await this.#writeVoteRecord(this.#vote);
  }

  /** A new term or vote goes to the vote record first, so that damage to the log cannot take both. */
  async #noteVote({ term, vote }: Vote = this.#vote): Promise<void> {
    if (isSameVote(this.#vote, { term, vote })) return;
    await this.#writeVoteRecord({ term, vote });
    this.#vote = { term, vote };
  }

  async #writeVoteRecord({ term, vote }: Vote): Promise<void> {
    const { header, end: offset } = this.#active;
    const place = { sequence: header.sequence, offset };
    const voteRecord = { ...this.#identity, term, vote, place };
    const { digest, disk, witness } = this.#modules;
    const disks = witness === undefined ? [disk] : [disk, witness];
    await Promise.all(disks.map((each) => writeVoteRecord(voteRecord, { disk: each, digest })));
  }

  /** A conflict or a snapshot: a new segment begins elsewhere than where the log ends. */
  async #cutLog({ restartAfter, truncateFrom, hardState = this.hardState }: Append): Promise<void> {
    await this.#noteVote(hardState);
    if (restartAfter !== undefined) {
      const keptFrom = restartAfter.index + 1;
      await this.#beginSegment('snapshot', { ...restartAfter, keptFrom, hardState });
    }
    if (truncateFrom === undefined || truncateFrom > this.lastIndex) return;
    const index = truncateFrom - 1;
    const term = this.termAt(index);
    const chain = await this.chainAt(index);
    if (term === undefined || chain === undefined) {
      throw new Error(`entry ${index}, after which the log is to be cut, is not in it`);
    }
    await this.#beginSegment('conflict', { ...this.#tail, index, term, chain, hardState });
  }

  async #beginSegment(
    begunBy: SegmentHeader['begunBy'],
    tail: Tail,
    { isHealing } = { isHealing: this.isHealing },
  ): Promise<void> {
    const { index, term, chain, keptFrom } = tail;
    // The header is durable before the entries that follow it, and a crash may come between.
    const hardState = { ...tail.hardState, commit: Math.min(tail.hardState.commit, index) };
    const header: SegmentHeader = {
      ...this.#identity,
      begunBy,
      sequence: this.#active.header.sequence + 1,
      previous: { index, term, chain },
      keptFrom,
      hardState,
      isHealing,
    };
    const file = await createSegment(header, this.#modules);
    // From here to the last line nothing waits, so that no reader sees half of the change.
    const closed = this.#active;
    const before = this.#segments.slice(0, -1);
    before.push({ header: closed.header, packed: false, bytes: closed.end });
    const begun: SegmentRef = { header, packed: false, bytes: HEADER_BYTES };
    if (begunBy === 'snapshot') {
      this.#segments = [begun];
      this.#base = header.previous;
      this.#runs = [];
      void this.#takeTurn(() => this.#guard(() => this.#remove(before))).catch(ignore);
    } else {
      this.#segments = [...before, begun];
      this.#runs = this.#runs.filter((run) => run.from <= index);
    }
    const content = { file, frames: [], end: HEADER_BYTES };
    this.#active = new ActiveSegment(header, content, this.#modules.digest);
    this.#tail = { ...tail, hardState };
    this.#moveMark();
    await closed.close();
  }

  /** Updates the durable mark without delaying an append. */
  #moveMark(): void {
    if (this.#isMarking) return;
    this.#isMarking = true;
    this.#marking = this.#guard(() => this.#followTail()).catch(ignore);
  }

  async #followTail(): Promise<void> {
    let marked: Tail | undefined;
    while (marked !== this.#tail) {
      marked = this.#tail;
      const { header, end } = this.#active;
      await this.#mark.write({ sequence: header.sequence, offset: end, index: marked.index });
    }
    this.#isMarking = false;
  }

  /** Does something to the disk; if that fails, the log has failed for good. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      this.#failure ??= new LogFailed(this.#modules.disk.directory, this.lastIndex, error);
      for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
      throw this.#failure;
    }
  }

  // -------------------------------------------------------------------------------------------
  // Closed segments

  #lastIndexes(): number[] {
    const firstIndexes = this.#segments.map(({ header }) => header.previous.index + 1);
    return lastIndexes(firstIndexes, this.lastIndex);
  }

  async #load(place: number): Promise<LoadedSegment> {
    const segment = this.#segments[place];
    if (segment === undefined) throw new Error(`there is no segment at place ${place}`);
    if (this.#loaded?.header.sequence !== segment.header.sequence) {
      this.#loaded = await this.#loadFromDisk(segment, place);
    }
    return this.#loaded;
  }

  async #loadFromDisk(segment: SegmentRef, place: number): Promise<LoadedSegment> {
    const upTo = this.#lastIndexes()[place] ?? 0;
    const later = this.#segments.slice(place + 1);
    const loaded = await loadClosed(segment, upTo, later, this.#modules);
    if (loaded === undefined) return this.#loadAgain(segment);
    if ('what' in loaded) throw new LogDamaged(loaded, this.#modules.disk.directory);
    return loaded;
  }

  /** The file went away while it was being opened: it was compressed meanwhile, or dropped. */
  async #loadAgain(gone: SegmentRef): Promise<LoadedSegment> {
    const { sequence, previous } = gone.header;
    const place = this.#segments.findIndex(({ header }) => header.sequence === sequence);
    if (place === -1) throw new RangeError(`entry ${previous.index + 1} is no longer kept`);
    const now = this.#segments[place];
    if (now !== undefined && now !== gone) return this.#loadFromDisk(now, place);
    const what = 'the file is gone';
    const damage = { file: nameOf(gone.header, gone.packed), offset: 0, what };
    const intact = { index: previous.index + 1, intactUpTo: previous.index };
    throw new LogDamaged({ ...damage, ...intact }, this.#modules.disk.directory);
  }

  /** Packs one segment; undefined when it was dropped meanwhile. */
  async #compress(segment: SegmentRef): Promise<number | undefined> {
    const place = this.#segments.indexOf(segment);
    if (place === -1) return undefined;
    const { image } = await this.#loadFromDisk(segment, place);
    return this.#guard(async () => {
      const bytes = await writePacked(segment, image, this.#modules);
      const packed: SegmentRef = { ...segment, packed: true, bytes };
      const isKept = this.#segments.includes(segment);
      this.#segments = this.#segments.map((each) => (each === segment ? packed : each));
      // A segment that a snapshot replaced meanwhile is about to lose its plain file anyway.
      await this.#remove([isKept ? segment : packed]);
      return isKept ? bytes : undefined;
    });
  }

  async #remove(segments: readonly SegmentRef[]): Promise<void> {
    const { disk } = this.#modules;
    for (const { header, packed } of segments) await disk.remove(nameOf(header, packed));
    await disk.syncDirectory();
  }

  async #takeTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#upkeep.then(work);
    this.#upkeep = turn.catch(ignore);
    return turn;
  }
}

/** Nothing that came before it may share its group. */
function beginsSegment({ append, renewedAs }: Waiting): boolean {
  return renewedAs !== undefined || cutsLog(append);
}

/** What a run of appends adds to the tail; undefined when that is nothing. */
function contentOf(batch: readonly Waiting[], tail: Tail): GroupContent | undefined {
  const entries = batch.flatMap(({ append }) => append.entries);
  const hardState = batch.findLast(({ append }) => append.hardState !== undefined)?.append
    .hardState;
  // A snapshot may have moved it further since the prune was requested.
  const keptFrom = batch.findLast((waiting) => (waiting.keptFrom ?? 0) > tail.keptFrom)?.keptFrom;
  if (entries.length === 0 && hardState === undefined && keptFrom === undefined) return undefined;
  return {
    entries,
    ...(hardState === undefined ? {} : { hardState }),
    ...(keptFrom === undefined ? {} : { keptFrom }),
  };
}

function ignore(): void {}
