/**
 * Reads a LevelDB database in place, also while another process has it open and writes to it:
 * LevelDB itself has no read-only open, takes a lock and rewrites files when it opens.
 *
 * Promise: nothing is written, created or locked, and what is read is of one moment. All files of
 * that moment are open before the first key is given, and an open file can still be read after its
 * name is gone. What is damaged is named, once for each file, and all else is still read; where the
 * list of files itself is damaged, every file is read and the newest entry of each key counts.
 */

import { open, readdir, readFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { Cursor, keyText, LevelDamage, MalformedBytes } from './bytes.ts';
import { logRecords } from './log-records.ts';
import { Table, type Entry, type KeyRange } from './table.ts';
import { versionOf, type TableFile, type Version } from './version.ts';

/** A file that LevelDB replaced while we opened the others: the next look finds its successor. */
const LOOKS_MAX = 50;

/** LevelDB begins another log after 4 MB and a batch. */
const LOG_BYTES_MAX = 1024 * 1024 * 1024;

export class LevelReader {
  /** What is damaged or missing, a sentence for each file; keys may have been lost with it. */
  readonly problems: readonly string[];
  /** In the order in which a key is looked for. */
  readonly #tables: readonly RangedTable[];
  readonly #recent: ReadonlyMap<string, Entry>;
  /** False when the order of the tables says nothing about the age of what is in them. */
  readonly #isOrdered: boolean;

  constructor(files: OpenFiles, recent: Recent) {
    this.problems = [...files.problems, ...recent.problems];
    this.#tables = files.tables;
    this.#recent = recent.entries;
    this.#isOrdered = files.isOrdered;
  }

  /** The value of a key, or undefined. Throws {@link LevelDamage} when it may be in what is damaged. */
  async get(key: string): Promise<Uint8Array | undefined> {
    const text = keyText(Buffer.from(key));
    let newest = this.#recent.get(text);
    let damage: LevelDamage | null = null;
    for (const { table, smallest, largest } of this.#tables) {
      if (newest !== undefined && this.#isOrdered) break;
      if (text < smallest || text > largest) continue;
      try {
        newest = newer(newest, await table.get(text));
      } catch (error) {
        if (!(error instanceof LevelDamage)) throw error;
        damage ??= error;
      }
    }
    // A value that is found in spite of damage may be an old one; whoever asks verifies it anyway.
    if (newest === undefined && damage !== null) throw damage;
    return newest?.value ?? undefined;
  }

  /**
   * The keys between two, in order. When some lie in what is damaged, all others come first and
   * then {@link LevelDamage} is thrown.
   */
  async *keys(range: KeyRange & { readonly reverse?: boolean }): AsyncGenerator<string> {
    const { gt, lt, reverse = false } = range;
    const found = new Map<string, Entry>();
    const note = (entry: Entry): void => {
      found.set(
        entry.key,
        newer(found.get(entry.key), { ...entry, value: entry.value && NOTHING }),
      );
    };
    for (const entry of this.#recent.values()) if (entry.key > gt && entry.key < lt) note(entry);
    let damage: LevelDamage | null = null;
    for (const { table, smallest, largest } of this.#tables) {
      if (largest <= gt || smallest >= lt) continue;
      try {
        for await (const entry of table.scan(range)) {
          if (entry instanceof LevelDamage) damage ??= entry;
          else note(entry);
        }
      } catch (error) {
        if (!(error instanceof LevelDamage)) throw error;
        damage ??= error;
      }
    }
    const keys = [...found.values()].filter(({ value }) => value !== null).map(({ key }) => key);
    keys.sort();
    if (reverse) keys.reverse();
    for (const key of keys) yield Buffer.from(key, 'latin1').toString();
    if (damage !== null) throw damage;
  }

  async close(): Promise<void> {
    await Promise.all(this.#tables.map(({ table }) => table.close()));
  }
}

/** Only keys are wanted of what a range is scanned for. */
const NOTHING = Buffer.alloc(0);

function newer(known: Entry | undefined, entry: Entry): Entry;
function newer(known: Entry | undefined, entry: Entry | null): Entry | undefined;
function newer(known: Entry | undefined, entry: Entry | null): Entry | undefined {
  return entry !== null && (known === undefined || entry.sequence > known.sequence) ? entry : known;
}

/**
 * Opens a database; null when the folder holds none. Throws what the file system throws, save for
 * files that vanish.
 */
export async function readLevel(folder: string): Promise<LevelReader | null> {
  if ((await databaseFiles(folder)).all.length === 0) return null;
  let files = await openFiles(folder);
  try {
    const recent = await recentEntries(files.logs);
    const closing = files.logs.map(({ handle }) => handle.close());
    files = { ...files, logs: [] };
    await Promise.all(closing);
    return new LevelReader(files, recent);
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

interface RangedTable {
  readonly table: Table;
  readonly smallest: string;
  readonly largest: string;
}

interface OpenLog {
  readonly file: string;
  readonly handle: FileHandle;
}

/** The files of one moment. */
interface OpenFiles {
  readonly tables: readonly RangedTable[];
  /** In the order in which they were written. */
  readonly logs: readonly OpenLog[];
  readonly problems: readonly string[];
  readonly isOrdered: boolean;
}

/**
 * Opens what the manifest names. A table or log that is gone was replaced meanwhile if the manifest
 * has changed since; otherwise it is lost.
 */
async function openFiles(folder: string): Promise<OpenFiles> {
  for (let look = 1; ; look++) {
    const listed = await listedFiles(folder);
    if (typeof listed === 'string') return openAll(folder, listed);
    const opened = await openListed(folder, listed.version);
    if (opened.missing.length === 0) return opened;
    const after = await listedFiles(folder);
    const isSame = typeof after !== 'string' && after.mark === listed.mark;
    if (isSame || look === LOOKS_MAX) {
      return { ...opened, problems: missingProblems(opened.missing) };
    }
    await closeAll(opened);
  }
}

/**
 * A log that is missing for good is no problem to LevelDB, and none here: an empty one is left out
 * of many a copy. What it held is missed by whoever knows what was written.
 */
function missingProblems(files: readonly string[]): readonly string[] {
  const missing = files.filter((file) => !file.endsWith('.log'));
  if (missing.length === 0) return [];
  const named = missing.slice(0, FILES_NAMED_MAX).join(', ');
  const more = missing.length - FILES_NAMED_MAX;
  const what = more > 0 ? `${named} and ${more} more` : named;
  return [`LevelDB's ${what} ${missing.length === 1 ? 'is' : 'are'} missing`];
}

const FILES_NAMED_MAX = 5;

/** What the manifest says, and a mark that changes with it; or a sentence about its damage. */
async function listedFiles(
  folder: string,
): Promise<{ readonly version: Version; readonly mark: string } | string> {
  for (let look = 1; ; look++) {
    const current = await bytesOf(path.join(folder, 'CURRENT'));
    if (current === null) return 'CURRENT is missing';
    const name = /^(MANIFEST-\d+)\n$/.exec(current.toString('latin1'))?.[1];
    if (name === undefined) return 'CURRENT is damaged: it names no manifest';
    const manifest = await bytesOf(path.join(folder, name));
    if (manifest !== null) {
      try {
        return { version: versionOf(name, manifest), mark: `${name} ${manifest.length}` };
      } catch (error) {
        if (error instanceof LevelDamage) return error.message;
        throw error;
      }
    }
    // A process that opens the database begins another manifest and removes this one.
    if (look === LOOKS_MAX) return `${name} is missing`;
  }
}

/** The bytes of a file, or null when it is not there. */
async function bytesOf(file: string): Promise<Buffer | null> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

async function openListed(
  folder: string,
  { tables, logNumber, previousLogNumber }: Version,
): Promise<OpenFiles & { readonly missing: readonly string[] }> {
  const opening = new Opening(folder);
  return opening.orClose(async () => {
    for (const table of tables) await opening.table(namesOf(table), table);
    const logs = (await databaseFiles(folder)).logs.filter(
      ({ number }) => number >= logNumber || number === previousLogNumber,
    );
    if (logNumber !== 0 && logs.every(({ number }) => number !== logNumber)) {
      opening.missing.push(fileName(logNumber, 'log'));
    }
    for (const { file } of logs) await opening.log(file);
    return { ...opening.files(), problems: [], isOrdered: true, missing: opening.missing };
  });
}

/** Without a list of files all of them are read, also those that LevelDB had done with. */
async function openAll(folder: string, why: string): Promise<OpenFiles> {
  const opening = new Opening(folder);
  return opening.orClose(async () => {
    const { tables, logs } = await databaseFiles(folder);
    for (const { file } of tables) await opening.table([file], EVERY_KEY);
    for (const { file } of logs) await opening.log(file);
    const problems = [`LevelDB's ${why}; here is what its tables and logs hold`];
    return { ...opening.files(), problems, isOrdered: false };
  });
}

const EVERY_KEY = { smallest: '', largest: '\u{ffff}' };

/** LevelDB of Debian's age wrote `.sst`; it still reads them. */
function namesOf({ number }: TableFile): readonly string[] {
  return [fileName(number, 'ldb'), fileName(number, 'sst')];
}

function fileName(number: number, ending: string): string {
  return `${String(number).padStart(6, '0')}.${ending}`;
}

/** Files as they are opened, so that all can be closed when one of them cannot be. */
class Opening {
  readonly missing: string[] = [];
  readonly #folder: string;
  readonly #tables: RangedTable[] = [];
  readonly #logs: OpenLog[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  files(): Pick<OpenFiles, 'tables' | 'logs'> {
    return { tables: this.#tables, logs: this.#logs };
  }

  /** Opens a table under the first of its names that is there. */
  async table(
    names: readonly string[],
    { smallest, largest }: { readonly smallest: string; readonly largest: string },
  ): Promise<void> {
    for (const file of names) {
      const handle = await this.#open(file);
      if (handle === null) continue;
      const { size } = await handle.stat();
      this.#tables.push({ table: new Table(file, handle, size), smallest, largest });
      return;
    }
    this.missing.push(names[0] ?? '');
  }

  async log(file: string): Promise<void> {
    const handle = await this.#open(file);
    if (handle === null) this.missing.push(file);
    else this.#logs.push({ file, handle });
  }

  async orClose<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      await closeAll(this.files());
      throw error;
    }
  }

  async #open(file: string): Promise<FileHandle | null> {
    return open(path.join(this.#folder, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
  }
}

async function closeAll({ tables, logs }: Pick<OpenFiles, 'tables' | 'logs'>): Promise<void> {
  await Promise.all([
    ...tables.map(({ table }) => table.close()),
    ...logs.map(({ handle }) => handle.close()),
  ]);
}

interface NumberedFile {
  readonly file: string;
  readonly number: number;
}

/** The files of a database in its folder, by their numbers. */
async function databaseFiles(folder: string): Promise<{
  readonly all: readonly string[];
  readonly tables: readonly NumberedFile[];
  readonly logs: readonly NumberedFile[];
}> {
  const names = await readdir(folder);
  const numbered = (kind: RegExp): readonly NumberedFile[] =>
    names
      .filter((file) => kind.test(file))
      .map((file) => ({ file, number: Number.parseInt(file, 10) }))
      .sort((a, b) => a.number - b.number);
  const all = names.filter((name) => /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|sst|log))$/.test(name));
  return { all, tables: numbered(/^\d+\.(ldb|sst)$/), logs: numbered(/^\d+\.log$/) };
}

interface Recent {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly problems: readonly string[];
}

/**
 * What the logs hold. They are read only when all of them are open: when there is a later one, the
 * one before it is complete.
 */
async function recentEntries(logs: readonly OpenLog[]): Promise<Recent> {
  const entries = new Map<string, Entry>();
  const problems: string[] = [];
  for (const { file, handle } of logs) {
    const damages = await readLogInto(entries, file, handle);
    const [first] = damages;
    if (first === undefined) continue;
    const more = damages.length > 1 ? `, and at ${damages.length - 1} more places` : '';
    problems.push(`LevelDB's ${first.message}${more}: what was written last may be lost`);
  }
  return { entries, problems };
}

async function readLogInto(
  entries: Map<string, Entry>,
  file: string,
  handle: FileHandle,
): Promise<readonly LevelDamage[]> {
  const { size } = await handle.stat();
  if (size > LOG_BYTES_MAX) return [new LevelDamage(file, `it has ${size} bytes`)];
  const bytes = await handle
    .readFile()
    .catch((error: Error) => new LevelDamage(file, error.message));
  if (bytes instanceof LevelDamage) return [bytes];
  const damages: LevelDamage[] = [];
  for (const piece of logRecords(bytes)) {
    if (!piece.ok) {
      damages.push(new LevelDamage(file, piece.what, piece.at));
      continue;
    }
    try {
      for (const entry of entriesOfBatch(piece.record)) {
        entries.set(entry.key, newer(entries.get(entry.key), entry));
      }
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      damages.push(new LevelDamage(file, error.message, piece.at));
    }
  }
  return damages;
}

/** A batch: the sequence of its first entry, how many there are, and the entries. */
function* entriesOfBatch(record: Buffer): Generator<Entry> {
  const cursor = new Cursor(record);
  const sequence = Number(cursor.take(8).readBigUInt64LE());
  const count = cursor.take(4).readUInt32LE();
  for (let i = 0; i < count; i++) {
    const type = cursor.take(1)[0];
    if (type !== 0 && type !== 1) throw new MalformedBytes(`an entry has the unknown type ${type}`);
    const key = keyText(cursor.slice());
    yield { key, sequence: sequence + i, value: type === 1 ? cursor.slice() : null };
  }
}
