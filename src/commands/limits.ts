/**
 * The bounds of what may be stored, in one place, each with its reason.
 * Promise: every decoder and every input checks against these before it allocates.
 */

export const LIMITS = {
  /** Readings in one command: 12 bytes each keeps an entry far below the frame limit of a peer. */
  readingsPerCommand: 65_536,
  /** New names in one command; a name that is known travels as an id. */
  namesPerCommand: 65_536,
  /** Characters of a series name: a carbon line is at most 8 KiB and the name is most of it. */
  seriesName: 4_096,
  /** Commands in one batch. */
  commandsPerBatch: 4_096,
  /** Bytes of one encoded batch; a larger one is refused before it is decoded. */
  batchBytes: 8 * 1024 * 1024,
  /** Alerts in one push: Prometheus sends at most 256 at once, people's scripts send more. */
  alertsPerCommand: 16_384,
  /** Labels or annotations of one alert. */
  labelsPerAlert: 256,
  labelName: 1_024,
  labelValue: 65_536,
  /**
   * Characters of a label's value that comes from outside: what expressions are run on. Only inputs
   * ask for it; what was stored before there was this limit still folds.
   */
  matchedText: 4_096,
  /** Characters of a regular expression: a list of some hundred host names. */
  expression: 8_192,
  /** Instructions that an expression compiles to, its counted repeats written out: 50 ms of work. */
  expressionSize: 16_384,
  /**
   * Instructions that the expressions of one list of matchers run together, each over the longest
   * text: at worst some 50 ms for one alert, when the automaton does not fit into memory.
   */
  expressionSteps: 2_000_000,
  /** Characters of a configuration file. */
  configText: 4 * 1024 * 1024,
  /** Depth of the route tree; real trees are three or four deep. */
  routeDepth: 32,
  matchersPerList: 128,
  integrationsPerReceiver: 1_024,
  /** Silences and the like that a decision names as causes; beyond that, more say nothing new. */
  causesPerAlert: 8,
  /** Causes and muted alerts that one decision names: it has to fit into an entry. */
  causesPerDecision: 20_000,
  /** Characters of a group's key; a longer one is cut and told apart by its fingerprint. */
  groupKey: 1_024,
  /** Alerts named by one decision: what one group may hold. */
  alertsPerGroup: 262_144,
  /** Text of an outcome: enough for a receiver's own words, never a whole error page. */
  detail: 1_024,
  /** Any short name: receivers, monitors, nodes, people. */
  name: 1_024,
  /** `receiver/type[n]`: two names and a number. */
  integrationKey: 2_064,
  /** Characters of the name of an actor: a user, a token, an address. */
  actorName: 256,
  /** Characters of what an audit event is about, such as an id or the path of a file. */
  auditText: 256,
  /**
   * Audit events that the state keeps, the newest, of at most some 3 KiB each. Older ones are in the
   * log, as far as it is kept.
   */
  auditEvents: 4_096,
  /** HOST:PORT: a DNS name has at most 253 characters. */
  address: 300,
  /** Hexadecimal digits of a hash: SHA-512 is the longest in use. */
  hash: 128,
  /**
   * Requests of one node that are remembered above its oldest open one. A node must not begin one
   * whose number is further away than that: an older one that arrives late would be taken for done.
   */
  requestsRemembered: 1_024,
  /** Removed members that are remembered, so that they are told so when they come back. */
  removedMembers: 64,
} as const;
