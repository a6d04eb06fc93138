/**
 * All writes to a snapshot store.
 *
 * Promise: a write that resolved is on the disk. After one that failed nothing more is written:
 * LevelDB that goes on after a full disk loses what it acknowledges.
 */

import { open } from 'node:fs/promises';
import { compactRange, type LevelFolder } from './level-open.ts';
import {
  INCOMING_KEY,
  manifestKey,
  ownHashOf,
  readingsKey,
  RECEIVED_KEY,
} from './snapshot-format.ts';
import { writeNewest } from './snapshot-newest.ts';

/** A write failed. The store refuses all further writes; end the process. */
export class SnapshotWriteFailed extends Error {
  readonly code = 'snapshot-write-failed';
}

/** Keys in one write: LevelDB's wrapper takes some ten microseconds for each, on the event loop. */
export const BATCH_KEYS_MAX = 250;

type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

/** A manifest as it is stored. */
export interface StoredManifest {
  readonly index: number;
  readonly bytes: Uint8Array;
  /** Readings folded up to it; null when nobody counted them. */
  readonly readings: number | null;
}

export class SnapshotWrites {
  readonly #db: LevelFolder;
  readonly #folder: string;
  #failure: SnapshotWriteFailed | null = null;

  constructor(db: LevelFolder, folder: string) {
    this.#db = db;
    this.#folder = folder;
  }

  /** Writes and syncs LevelDB's log; {@link manifest} and {@link forget} do the rest. */
  async batch(writes: Write[]): Promise<void> {
    await this.#orFail(() => this.#db.batch(writes, { sync: true }));
  }

  /** The chunks of a snapshot are all there. At once it is known where it came from. */
  async manifest(
    { index, bytes, readings }: StoredManifest,
    from: 'here' | 'member',
  ): Promise<void> {
    const put: readonly Write[] = [
      { type: 'put', key: manifestKey(index), value: bytes },
      // What lay there may be of an earlier snapshot at this index.
      readings === null
        ? { type: 'del', key: readingsKey(index) }
        : { type: 'put', key: readingsKey(index), value: Buffer.from(String(readings)) },
    ];
    const arrived: readonly Write[] = [
      { type: 'put', key: RECEIVED_KEY, value: ownHashOf(bytes) },
      { type: 'del', key: INCOMING_KEY },
    ];
    await this.batch(from === 'here' ? [...put] : [...put, ...arrived]);
    await this.#orFail(() => writeNewest(this.#folder, index));
    await this.#orFail(() => this.#syncFolder());
  }

  /** Removes the manifests of snapshots, and what lies beside them. */
  async forget(indexes: readonly number[]): Promise<void> {
    await this.batch(
      indexes.flatMap((index) => [
        { type: 'del', key: manifestKey(index) },
        { type: 'del', key: readingsKey(index) },
      ]),
    );
    await this.#orFail(() => this.#syncFolder());
  }

  /** Gives back the room of deleted values with keys in a range. */
  async compact(from: string, to: string): Promise<void> {
    await this.#orFail(() => compactRange(this.#db, from, to));
  }

  /** Runs a write; the first failure is remembered and refuses all that comes after. */
  async #orFail(write: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    try {
      await write();
    } catch (error) {
      this.#failure = new SnapshotWriteFailed(
        `${this.#folder} cannot be written: ${(error as Error).message}. Nothing more is written ` +
          'to it by this process: see to the disk, then start again',
        { cause: error },
      );
      throw this.#failure;
    }
  }

  /** LevelDB syncs a log file that it begins, but not the folder's entry for it. */
  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}
