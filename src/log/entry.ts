/**
 * The types of the log: an entry, what a node must never lose, and the limits of sizes.
 *
 * Promise: plain data, structurally the same as what consensus calls by these names, so that
 * neither folder imports the other. It contains no byte layout.
 */

/** One slot of the log. `data` is opaque here. */
export interface LogEntry {
  readonly term: number;
  /** From 1, without gaps. */
  readonly index: number;
  /** 0 to 255; what the numbers mean is the caller's business. */
  readonly type: number;
  readonly data: Uint8Array;
}

/** Raft's persistent state beside the entries (Ongaro, figure 2), and the commit index as a hint. */
export interface HardState {
  readonly term: number;
  /** The candidate that got this node's vote in `term`; null when none did. */
  readonly vote: string | null;
  readonly commit: number;
}

/** To whom a log belongs. It is written into every segment and checked at every open. */
export interface LogIdentity {
  readonly clusterId: string;
  readonly nodeId: string;
}

/** A place in the log, and the hash of everything up to it. */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
  /** 32 bytes. Two nodes with the same chain at an index hold the same entries up to there. */
  readonly chain: Uint8Array;
}

/** Entries from `from` on are of `term`, up to the next run or the end of the log. */
export interface TermRun {
  readonly from: number;
  readonly term: number;
}

/** The state of a node that has never voted nor seen a term. */
export const FRESH_HARD_STATE: HardState = { term: 0, vote: null, commit: 0 };

/** The point before the first entry of a new log. */
export const GENESIS: LogPoint = { index: 0, term: 0, chain: new Uint8Array(32) };

/** Ids have fixed fields of the segment header; a UUID takes 36 bytes. */
export const ID_BYTES_MAX = 47;

/** One entry. Twice the largest batch, so that the codec's own limit is always the one people meet. */
export const ENTRY_BYTES_MAX = 16 * 1024 * 1024;

/** All entries of one append: it is written in one piece, so it is held in memory twice. */
export const APPEND_BYTES_MAX = 32 * 1024 * 1024;
