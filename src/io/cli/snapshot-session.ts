/**
 * One run of a `tocsin snapshot` subcommand: opens the store for reading, says so, and turns what
 * was found into an exit code.
 */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { openSnapshotsReadOnly, type ReadOnlySnapshots } from '../disk/snapshot-readonly.ts';
import type { Manifest } from '../ports.ts';
import { Output, type Streams } from './render-output.ts';
import { cellText } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';
import { DamageReport, type LostPage } from './snapshot-damage.ts';
import type { Redact } from './snapshot-redact.ts';

export interface SnapshotIo extends Streams {
  /** Epoch milliseconds. */
  now(): number;
  readonly redact: Redact;
}

/** Runs `run` over the store of a data directory; gives back the exit code. */
export async function inSession(
  dataDir: string,
  io: SnapshotIo,
  run: (session: Session) => Promise<ExitCode>,
): Promise<ExitCode> {
  const talk = new Output(io.stderr);
  const opened = await openSnapshotsReadOnly(dataDir);
  if (!opened.ok) {
    await talk.lines([`error: ${opened.message}`]);
    return opened.code === 'damaged' ? EXIT.corrupt : EXIT.refused;
  }
  const { snapshots } = opened;
  try {
    const session = new Session(snapshots, new Output(io.stdout), talk);
    await session.printNotice(
      `reading ${snapshots.folder} in place, as it was at ${timeText(io.now())}`,
    );
    const code = await run(session);
    await talk.lines(session.damage.lines());
    return !session.damage.isEmpty && code === EXIT.ok ? EXIT.corrupt : code;
  } finally {
    await snapshots.close();
  }
}

/** `unreadable` when its manifest is damaged, `damaged` when pages are. */
export type SnapshotState = 'good' | 'damaged' | 'unreadable' | 'newer' | 'lost';

/** `good`, `3 damaged`, `unreadable`: how the tables say it. */
export function stateText(row: {
  readonly state: SnapshotState;
  readonly damagedChunks: number;
}): string {
  return row.state === 'damaged' ? `${row.damagedChunks} damaged` : row.state;
}

/** A snapshot that there is, or was. */
export type ListedSnapshot =
  | { readonly ok: true; readonly index: number; readonly manifest: Manifest }
  | {
      readonly ok: false;
      readonly index: number;
      readonly state: Exclude<SnapshotState, 'good' | 'damaged'>;
      readonly problem: string;
    };

export class Session {
  readonly snapshots: ReadOnlySnapshots;
  readonly out: Output;
  /** What was found to be damaged; it is said when the command is done. */
  readonly damage = new DamageReport();
  readonly #talk: Output;

  constructor(snapshots: ReadOnlySnapshots, out: Output, talk: Output) {
    this.snapshots = snapshots;
    this.out = out;
    this.#talk = talk;
  }

  /** Says something on stderr. */
  printNotice(sentence: string): Promise<void> {
    return this.#talk.lines([sentence]);
  }

  /** Notes a page that cannot be read; the exit code will say so too. */
  lostPage(index: number, page: LostPage): void {
    this.damage.addPage(index, page);
  }

  /** All snapshots, the newest first, also those that cannot be read, which are noted. */
  async listed(): Promise<readonly ListedSnapshot[]> {
    const { indexes, problems, lost } = await this.snapshots.list();
    for (const problem of problems) this.damage.addSentence(problem);
    const listed: ListedSnapshot[] = [];
    if (lost !== null) {
      const problem = `snapshot ${lost}: it was saved last and is gone`;
      listed.push({ ok: false, index: lost, state: 'lost', problem });
    }
    for (const index of indexes) {
      const read = await this.snapshots.manifest(index);
      if (read.ok) {
        listed.push({ ok: true, index, manifest: read.manifest });
        continue;
      }
      this.damage.addManifest(index, read.problem);
      const state = read.code === 'newer-format' ? 'newer' : 'unreadable';
      listed.push({ ok: false, index, state, problem: read.problem });
    }
    return listed.sort((a, b) => b.index - a.index);
  }

  /**
   * The snapshot that a person named by its index, or as `latest` or `previous`; an exit code after
   * saying why there is none. What cannot be read is passed over by the two words, aloud.
   */
  async choose(listed: readonly ListedSnapshot[], name: string): Promise<Manifest | ExitCode> {
    const readable = listed.flatMap((each) => (each.ok ? [each.manifest] : []));
    const place = ['latest', 'previous'].indexOf(name);
    if (place < 0 && !/^\d{1,16}$/.test(name)) {
      await this.printNotice(
        `error: ${cellText(name)} is neither an index nor latest nor previous`,
      );
      return EXIT.usage;
    }
    const manifest =
      place < 0 ? readable.find(({ index }) => index === Number(name)) : readable[place];
    const passed = place < 0 ? undefined : listed.slice(0, place + 1).find((each) => !each.ok);
    if (manifest === undefined) {
      await this.printNotice(`error: ${this.#whyNone(listed, name)}`);
      return this.damage.isEmpty ? EXIT.refused : EXIT.corrupt;
    }
    if (passed !== undefined) {
      const instead = `${name} is taken to be ${manifest.index}`;
      await this.printNotice(`snapshot ${passed.index} is newer and cannot be read: ${instead}`);
    }
    return manifest;
  }

  #whyNone(listed: readonly ListedSnapshot[], name: string): string {
    const named = listed.find(({ index }) => index === Number(name));
    if (named !== undefined && !named.ok) return named.problem;
    const indexes = listed.filter(({ ok }) => ok).map(({ index }) => index);
    if (this.damage.isEmpty && listed.length < 2 && !/^\d/.test(name)) {
      const { folder } = this.snapshots;
      return listed.length === 0
        ? `no snapshot has been saved in ${folder}`
        : `${folder} has one snapshot, ${indexes.join()}, and none before it`;
    }
    const some = indexes.slice(0, INDEXES_NAMED_MAX).join(', ') || 'none';
    const more = indexes.length - INDEXES_NAMED_MAX;
    const readable = more > 0 ? `${some} and ${more} older ones` : some;
    return this.damage.isEmpty
      ? `there is no snapshot ${name}; readable are: ${readable}`
      : `snapshot ${name} is not found, and the store is damaged, so it may have been lost; readable are: ${readable}`;
  }
}

const INDEXES_NAMED_MAX = 10;
