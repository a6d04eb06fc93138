/**
 * The bounds of the HTTP server, each with its reason. Whoever connects may be broken or hostile,
 * so nothing here waits or grows without one of these numbers.
 */

import { availableParallelism } from 'node:os';

export const HTTP_LIMITS = {
  /** Bytes of a request body, also after unpacking: 10,000 alerts with rich texts fit. */
  bodyBytes: 16 * 1024 * 1024,
  /** A client that needs longer for its headers holds a connection and does nothing else. */
  headersTimeoutMs: 10_000,
  /** Time for a whole request to arrive; Prometheus itself gives up after 10 s. */
  requestTimeoutMs: 30_000,
  /**
   * How long an idle connection is kept: longer than the 5 minutes of Go clients, because a batch
   * that Prometheus sends into a closing connection is lost and never sent again.
   */
  keepAliveMs: 6 * 60_000,
  /** Open connections: some hundred Prometheus servers and people, far below the file limit. */
  connections: 1_024,
  /** As in Alertmanager: requests that only read must not starve those that write. */
  concurrentGets: Math.max(8, availableParallelism()),
  /** Rows of a list that are turned into JSON before other work gets its turn: about 5 ms. */
  rowsPerSlice: 500,
  /** Text of the alerts in one command, in UTF-16 units: three bytes each stay below a batch. */
  textPerCommand: 1024 * 1024,
  /** Alerts in one command: a quarter of what one may hold. */
  alertsPerCommand: 4_096,
  /** Readings in one command, as in the carbon intake. */
  readingsPerCommand: 8_192,
  /** Problems that one answer names; a broken sender repeats the same one. */
  problemsNamed: 20,
  /** Clients of the event stream; each costs a write for each applied entry. */
  eventClients: 64,
  /** Entries that wait for one slow client before it is sent away: it can come back. */
  eventsPerClient: 1_024,
  /** Below the idle limits of common proxies, so that a quiet stream is not cut. */
  heartbeatMs: 15_000,
  /** Alerts that one explanation covers; the answer says when there were more. */
  explainedAlerts: 100,
  /** Notifications in one answer. */
  notificationsListed: 1_000,
  /** Bytes of a backup that are encoded at once: a few milliseconds. */
  backupSliceBytes: 128 * 1024,
  /** A client that takes no byte of its backup for so long is cut off: the state that it reads is held. */
  backupPatienceMs: 30_000,
  /** How long `close` waits for answers under way before it cuts connections. */
  drainMs: 5_000,
} as const;
