/** How the types of consensus entries are written in the log: numbers that never change. */

import type { LogEntry } from '../../log/entry.ts';
import type { Entry, EntryType } from '../../raft/types.ts';

const NUMBERS: Readonly<Record<EntryType, number>> = { command: 1, noop: 2, config: 3 };
const NAMES = new Map(Object.entries(NUMBERS).map(([name, number]) => [number, name as EntryType]));

export function entryTypeOf(entry: LogEntry): EntryType {
  const type = NAMES.get(entry.type);
  if (type === undefined) {
    throw new Error(`entry ${entry.index} has type ${entry.type}, which this build does not know`);
  }
  return type;
}

export function toLogEntry({ term, index, type, data }: Entry): LogEntry {
  return { term, index, type: NUMBERS[type], data };
}

export function fromLogEntry(entry: LogEntry): Entry {
  const { term, index, data } = entry;
  return { term, index, type: entryTypeOf(entry), data };
}
