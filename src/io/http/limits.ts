/**
 * The bounds of the HTTP server, each with its reason. Whoever connects may be broken or hostile,
 * so nothing here waits or grows without one of these numbers.
 */

import { availableParallelism } from 'node:os';

export const HTTP_LIMITS = {
  /** Bytes of a request body, also after unpacking: 10,000 alerts with rich texts fit. */
  bodyBytes: 16 * 1024 * 1024,
  /** Bytes of a body that is one thing, such as a silence, and no list. */
  documentBytes: 1024 * 1024,
  /** Bytes that all bodies under way hold together, beyond what each may hold. */
  bytesInFlight: 32 * 1024 * 1024,
  /** Bytes that each connection may hold whatever the others do: a push of Prometheus fits. */
  bytesOfEach: 256 * 1024,
  /** What an alert counts as, beside its text: it becomes some objects. */
  bytesPerAlert: 512,
  /** The same for a reading. */
  bytesPerReading: 128,
  /** Alerts in one push; Prometheus sends at most 256. */
  alertsPerRequest: 32_768,
  /** Readings in one request. */
  readingsPerRequest: 65_536,
  /** Bytes of one item of a list: what takes more text than an alert may have. */
  itemBytes: 4 * 1024 * 1024,
  /** Values in one item of a list, or in a document: 256 labels and 256 annotations are 516. */
  itemValues: 2_048,
  /** Depth of what stands in one item of a list: an alert nests two deep. */
  nesting: 16,
  /** Characters of a number or a word outside quotes. */
  numberLength: 1_024,
  /** Characters of a line with a reading, as in carbon. */
  lineLength: 8_192,
  /** Bytes of a body that are read in one piece. */
  sliceBytes: 64 * 1024,
  /** After that long, bodies wait for the event loop to do what else there is. */
  turnMs: 10,
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
  /** Open connections of one IPv4 address or one IPv6 network (/64) that is no trusted proxy. */
  connectionsPerAddress: 256,
  /** A new connection has this long for its first request before it may make room for another. */
  freshMs: 1_000,
  /** Connections beyond those: each is for one probe, leader lookup or push, and then closed. */
  reservedConnections: 64,
  /** Time for a request on one of those to arrive; what a probe or a push sends is short. */
  reservedMs: 5_000,
  /** TCP asks an idle client after that time whether it is still there, as Go's servers do. */
  keepAliveProbeMs: 15_000,
  /** Requests that one HTTP/1.1 connection may have under way; common clients send one at a time. */
  pipelinedRequests: 16,
  /** A client that takes nothing of its response for so long is cut off. */
  writeStallMs: 10_000,
  /** The same while other reads wait for a place: above the pauses of a slow but honest reader. */
  readStallMs: 2_000,
  /** Bytes that a client must take within those times, so that single bytes are no progress. */
  progressBytes: 16 * 1024,
  /** As in Alertmanager: requests that only read must not starve those that write. */
  concurrentGets: Math.max(8, availableParallelism()),
  /** Requests for `/metrics` under way, apart from the other reads: scrapes do not wait for them. */
  concurrentScrapes: 4,
  /** Reads that wait for a place, and for how long; the time is above `readStallMs`. */
  readsWaiting: 256,
  readWaitMs: 4_000,
  /**
   * Bytes of a response that are written at once, and text of a list that is made in one piece: the
   * progress of its client shows in such steps, and other work gets its turn between them.
   */
  writeBytes: 64 * 1024,
  /** Rows of a list that are turned into JSON before other work gets its turn: about 5 ms. */
  rowsPerSlice: 500,
  /** Text of one alert, in UTF-16 units: three bytes each stay below a batch. */
  textPerAlert: 1024 * 1024,
  /** Text of the alerts in one command, unless one alert has more: some milliseconds to fold. */
  textPerCommand: 256 * 1024,
  /** Alerts in one command: a few milliseconds to fold. Prometheus sends at most as many in one request. */
  alertsPerCommand: 256,
  /** Readings in one command: some ten milliseconds to fold. */
  readingsPerCommand: 4_096,
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
  /** Audit events in one answer. */
  auditListed: 1_000,
  /** Bytes of a backup that are encoded at once: a few milliseconds. */
  backupSliceBytes: 128 * 1024,
  /** A client that takes no byte of its backup for so long is cut off: the state that it reads is held. */
  backupPatienceMs: 30_000,
  /** Passwords that wait for their bcrypt comparison; at a cost of 10 that is about 6 s. */
  passwordChecks: 100,
  /** Results of comparisons that are remembered, right and wrong ones apart. */
  passwordsRemembered: 1_000,
  /** Wrong credentials that one address may show at once; then one more each `failureEveryMs`. */
  failuresAtOnce: 10,
  failureEveryMs: 6_000,
  /** Addresses whose failures are counted. */
  failingAddresses: 10_000,
  /** Streams of one HTTP/2 connection. */
  streamsPerConnection: 100,
  /** How long `close` waits for answers under way before it cuts connections. */
  drainMs: 5_000,
} as const;

/** Limits that tests and options may set otherwise. */
export interface ConnectionLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly reservedConnections: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** The limits because of which requests are refused, as `tocsin_over_limit_total` names them. */
export const REFUSING_LIMITS = [
  'body-bytes',
  'bytes-in-flight',
  'items',
  'item-bytes',
  'item-values',
  'nesting',
  'number-length',
  'line-length',
  'label-count',
  'label-name',
  'label-value',
  'expression',
  'concurrent-reads',
  'connections',
  'pipelined-requests',
] as const;

export type LimitName = (typeof REFUSING_LIMITS)[number];

/** Why a connection is refused, as `tocsin_http_connections_refused_total` names it. */
export const REFUSAL_REASONS = ['reserve-full', 'certificate'] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Why the server closes a connection or a stream, as `tocsin_http_connections_closed_total` names it. */
export const CLOSING_REASONS = [
  'room',
  'reader-for-room',
  'idle-timeout',
  'handshake-timeout',
  'header-timeout',
  'request-timeout',
  'write-timeout',
  'malformed',
] as const;

export type ClosingReason = (typeof CLOSING_REASONS)[number];
