/** What the HTTP server counts; the metrics of the node implement it. */

import type { ClosingReason, LimitName, RefusalReason } from './limits.ts';

/** Counts that only the HTTP server can make. */
export interface HttpCounters {
  readonly alertsReceived: (count: number) => void;
  readonly alertsInvalid: (count: number) => void;
  readonly readingsDropped: (reason: 'refused' | 'not-committed' | 'late', count: number) => void;
  /** A request, or a part of one, was refused because of a limit. */
  readonly overLimit: (limit: LimitName) => void;
  /** What bodies under way hold together, of `HTTP_LIMITS.bytesInFlight`. */
  readonly bytesInFlight: (bytes: number) => void;
  readonly connectionsOpen: (count: number) => void;
  readonly connectionRefused: (reason: RefusalReason) => void;
  /** The server closed a connection, or one stream of it, before its client did. */
  readonly connectionClosed: (reason: ClosingReason) => void;
}
