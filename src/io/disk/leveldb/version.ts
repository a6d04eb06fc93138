/**
 * Which files a LevelDB database consists of: the edits of its manifest, folded.
 *
 * Promise: a manifest that cannot be read to its end gives a {@link LevelDamage}, never a part.
 */

import { Cursor, MalformedBytes, keyText, LevelDamage } from './bytes.ts';
import { logRecords } from './log-records.ts';

export interface TableFile {
  readonly number: number;
  readonly level: number;
  /** Bytes of the file. */
  readonly size: number;
  /** First and last key, as Latin-1. */
  readonly smallest: string;
  readonly largest: string;
}

export interface Version {
  /** In the order in which a key is looked for: what was written last comes first. */
  readonly tables: readonly TableFile[];
  /** Logs with this number and above hold what is in no table yet; 0 when none was begun. */
  readonly logNumber: number;
  /** The one log before it that counts too, or 0. */
  readonly previousLogNumber: number;
}

/** Reads the manifest `file`. */
export function versionOf(file: string, bytes: Buffer): Version {
  const version = new VersionFold();
  for (const piece of logRecords(bytes)) {
    if (!piece.ok) throw new LevelDamage(file, piece.what, piece.at);
    try {
      version.apply(new Cursor(piece.record));
    } catch (error) {
      if (error instanceof MalformedBytes) throw new LevelDamage(file, error.message, piece.at);
      throw error;
    }
  }
  if (!version.hasComparator) throw new LevelDamage(file, 'it is empty');
  return version;
}

/** The number of a sequence and type is the last eight bytes of an internal key. */
export const TRAILER_BYTES = 8;

const COMPARATOR = 'leveldb.BytewiseComparator';

class VersionFold implements Version {
  hasComparator = false;
  logNumber = 0;
  previousLogNumber = 0;
  readonly #tables = new Map<string, TableFile>();

  get tables(): readonly TableFile[] {
    // Tables of level 0 overlap, and the higher number is the newer one.
    return [...this.#tables.values()].sort((a, b) => a.level - b.level || b.number - a.number);
  }

  /** Tags as in LevelDB's version_edit.cc. */
  apply(edit: Cursor): void {
    while (!edit.isAtEnd) {
      const tag = edit.varint();
      switch (tag) {
        case 1: {
          const name = edit.slice().toString();
          if (name !== COMPARATOR) throw new MalformedBytes(`its keys are ordered by ${name}`);
          this.hasComparator = true;
          break;
        }
        case 2:
          this.logNumber = edit.varint();
          break;
        case 3:
        case 4:
          edit.varint();
          break;
        case 5:
          edit.varint();
          edit.slice();
          break;
        case 6:
          this.#tables.delete(`${edit.varint()}/${edit.varint()}`);
          break;
        case 7:
          this.#add(edit);
          break;
        case 9:
          this.previousLogNumber = edit.varint();
          break;
        default:
          throw new MalformedBytes(`an edit has the unknown tag ${tag}`);
      }
    }
  }

  #add(edit: Cursor): void {
    const [level, number, size] = [edit.varint(), edit.varint(), edit.varint()];
    const [smallest, largest] = [userKey(edit.slice()), userKey(edit.slice())];
    this.#tables.set(`${level}/${number}`, { level, number, size, smallest, largest });
  }
}

function userKey(internal: Buffer): string {
  return keyText(internal.subarray(0, -TRAILER_BYTES));
}
