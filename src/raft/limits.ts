/** The bounds of the core with their defaults, and the one measure of an entry's size. */

import type { Entry, Limits, RaftOptions } from './types.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Framing, index and term of an entry, so that empty entries are not free. */
export const ENTRY_OVERHEAD_BYTES = 32;

const DEFAULT_LIMITS: Limits = {
  entryBytesMax: 4 * MIB,
  appendBytesMax: MIB,
  inflightMessagesMax: 256,
  inflightBytesMax: 8 * MIB,
  uncommittedBytesMax: 64 * MIB,
  applyBytesMax: MIB,
  applyInflightBytesMax: 8 * MIB,
  windowBytesMax: 32 * MIB,
  readsMax: 4096,
  promoteLagMax: 64,
  snapshotStallTicks: 50,
  persistStallTicks: 40,
};

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/** Throws on options that would make elections unsafe or endless. */
export function resolveLimits(options: RaftOptions): Limits {
  const { electionTicks, heartbeatTicks } = options;
  if (options.id === '') throw new Error('raft: a node needs a name; pass `id`');
  if (heartbeatTicks < 1 || !Number.isInteger(heartbeatTicks)) {
    throw new Error(`raft: heartbeatTicks is ${heartbeatTicks}; use a whole number of at least 1`);
  }
  if (electionTicks <= heartbeatTicks || !Number.isInteger(electionTicks)) {
    throw new Error(
      `raft: electionTicks is ${electionTicks}; use a whole number above heartbeatTicks ` +
        `(${heartbeatTicks}), or followers would campaign against a healthy leader`,
    );
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  for (const [name, value] of Object.entries(limits)) {
    if (value < 1 && name !== 'promoteLagMax') {
      throw new Error(`raft: limit ${name} is ${value}; use at least 1`);
    }
  }
  return limits;
}
