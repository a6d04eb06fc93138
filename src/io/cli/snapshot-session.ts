/**
 * One run of a `tocsin snapshot` subcommand: opens the store for reading, says so, and turns what
 * was found into an exit code.
 */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { openSnapshotsReadOnly, type ReadOnlySnapshots } from '../disk/snapshot-readonly.ts';
import type { Manifest } from '../ports.ts';
import { Output, type Streams } from './render-output.ts';
import { timeText } from './render-table.ts';
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
    await session.tell(`reading ${snapshots.folder} in place, as it was at ${timeText(io.now())}`);
    const code = await run(session);
    return session.isDamaged && code === EXIT.ok ? EXIT.corrupt : code;
  } finally {
    await snapshots.close();
  }
}

export class Session {
  readonly snapshots: ReadOnlySnapshots;
  readonly out: Output;
  readonly #talk: Output;
  #isDamaged = false;

  constructor(snapshots: ReadOnlySnapshots, out: Output, talk: Output) {
    this.snapshots = snapshots;
    this.out = out;
    this.#talk = talk;
  }

  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Says something on stderr. */
  tell(sentence: string): Promise<void> {
    return this.#talk.lines([sentence]);
  }

  /** Names damage on stderr; the exit code will say so too. */
  complain(problem: string): Promise<void> {
    this.#isDamaged = true;
    return this.tell(`damaged: ${problem}`);
  }

  /** Manifests that can be read, the newest first; complains about the others. */
  async manifests(): Promise<readonly Manifest[]> {
    const { indexes, problems } = await this.snapshots.list();
    for (const problem of problems) await this.complain(problem);
    const manifests: Manifest[] = [];
    for (const index of indexes) {
      const read = await this.snapshots.manifest(index);
      if (read.ok) manifests.push(read.manifest);
      else await this.complain(read.problem);
    }
    return manifests;
  }

  /**
   * The snapshot that a person named by its index, or as `latest` or `previous`; null after saying
   * that it is not there.
   */
  async choose(manifests: readonly Manifest[], name: string): Promise<Manifest | null> {
    const manifest = named(manifests, name);
    if (manifest !== undefined) return manifest;
    const indexes = manifests.map(({ index }) => index).join(', ');
    await this.tell(`error: there is no snapshot ${name}; readable are: ${indexes || 'none'}`);
    return null;
  }
}

function named(manifests: readonly Manifest[], name: string): Manifest | undefined {
  if (name === 'latest') return manifests[0];
  if (name === 'previous') return manifests[1];
  return manifests.find(({ index }) => String(index) === name);
}
