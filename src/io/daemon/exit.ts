/** How the daemon ends, for supervisors and scripts; the table is in docs/operating.md. */

export const EXIT = {
  /** Stopped as asked. */
  ok: 0,
  /** The configuration is wrong, an address is taken, or the data directory cannot be used. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A tool's answer does not cover all that was asked for: part of it cannot be known. */
  unknown: 3,
  /** No leader, no answer. */
  unavailable: 4,
  /** Stored data is damaged, of a newer format, or of another cluster. */
  corrupt: 5,
  /** A write or sync failed: nothing was acknowledged since. Fix the disk, then start again. */
  disk: 6,
  /** Another process uses the data directory. */
  inUse: 7,
  /** The leader has other entries where this node has committed ones: see docs/operating.md. */
  conflict: 8,
  /** A fault of Tocsin itself; the log has the stack. */
  fault: 70,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
