/**
 * A disk whose syncs are timed: whether a node could lead with it shows in nothing else.
 *
 * Promise: the disk behind it does what it did before, in the same order. A sync that takes long counts
 * while it lasts, since one that hangs would otherwise never be seen.
 */

import type { Disk, DiskFile } from '../../log/disk.ts';
import type { Clock } from '../ports.ts';

/** What is older shows nothing of the present state of the disk. */
const RECENT_MS = 30_000;
/** A median of so many is not moved by one that had to wait. */
const SAMPLES = 3;
/** Of two the lower one counts; one alone is an accident. */
const SAMPLES_MIN = 2;
/** One sync under way for so long is enough: whatever it waits for, the node waits, too. */
const STALL_MS = 1_000;

interface Sample {
  readonly tookMs: number;
  readonly endedAtMs: number;
}

export class SyncTimes {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** The last ones, the newest last. */
  readonly #samples: Sample[] = [];
  /** When those began that are under way, the oldest first. */
  readonly #underWay = new Set<{ readonly startedAtMs: number }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  async time(sync: () => Promise<void>): Promise<void> {
    const started = { startedAtMs: this.#clock.monotonicMs() };
    this.#underWay.add(started);
    try {
      await sync();
    } finally {
      this.#underWay.delete(started);
      const endedAtMs = this.#clock.monotonicMs();
      this.#samples.push({ tookMs: endedAtMs - started.startedAtMs, endedAtMs });
      if (this.#samples.length > SAMPLES) this.#samples.shift();
    }
  }

  /** The median of the last syncs, or the age of one that hangs, in milliseconds; null without them. */
  recentMs(): number | null {
    const nowMs = this.#clock.monotonicMs();
    const times = this.#samples
      .filter(({ endedAtMs }) => nowMs - endedAtMs <= RECENT_MS)
      .map(({ tookMs }) => tookMs);
    const [oldest] = this.#underWay;
    const waitedMs = oldest === undefined ? 0 : nowMs - oldest.startedAtMs;
    if (oldest !== undefined) times.push(waitedMs);
    const last = times.slice(-SAMPLES).toSorted((a, b) => a - b);
    const medianMs = last[Math.floor((last.length - 1) / 2)] ?? 0;
    if (waitedMs >= STALL_MS) return Math.round(Math.max(waitedMs, medianMs));
    return last.length < SAMPLES_MIN ? null : Math.round(medianMs);
  }
}

/** `disk`, with each sync of a file timed by `times`. */
export function timedDisk(disk: Disk, times: SyncTimes): Disk {
  return {
    directory: disk.directory,
    list: () => disk.list(),
    openToRead: (name) => disk.openToRead(name),
    open: async (name) => timedFile(await disk.open(name), times),
    create: async (name) => timedFile(await disk.create(name), times),
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    syncDirectory: () => disk.syncDirectory(),
  };
}

function timedFile(file: DiskFile, times: SyncTimes): DiskFile {
  return {
    size: () => file.size(),
    read: (offset, length) => file.read(offset, length),
    write: (offset, bytes) => file.write(offset, bytes),
    sync: () => times.time(() => file.sync()),
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  };
}
