/**
 * `config`: a configuration that was applied, as a command, so that a replay knows which rules
 * were live at each index.
 *
 * The model is what the fold and the senders read; it is made from the file at the edge, with all
 * inheritance resolved. The file's text travels too, for `/api/v2/status` and for people. Secrets
 * that stand in the file are therefore in the log, which is why data directories are private;
 * `*_file` keys keep them out (docs/adr/0005).
 */

import { actorField } from './actor.ts';
import { annotationsSchema, labelsSchema } from './labels.ts';
import { LIMITS } from './limits.ts';
import { matchersSchema, type Matcher } from './matchers.ts';
import {
  finite,
  flag,
  list,
  oneOf,
  optional,
  record,
  recursive,
  span,
  text,
  whole,
  type Schema,
  type Since2,
  type TypeOf,
} from './schema.ts';

const name = text(LIMITS.name);
const names = list(name, 4_096);

/** A node of the route tree, with everything inherited from its parents filled in. */
export interface Route {
  readonly receiver: string;
  readonly matchers: readonly Matcher[];
  readonly groupBy: readonly string[];
  /** `group_by: ['...']`: every label set is a group of its own. */
  readonly groupByAll: boolean;
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly continue: boolean;
  /** Names of the intervals in which this route is mute. */
  readonly muteIntervals: readonly string[];
  /** Names of the intervals outside which this route is mute; empty means always active. */
  readonly activeIntervals: readonly string[];
  readonly routes: readonly Route[];
}

const routeSchema: Schema<Route> = recursive<Route>(LIMITS.routeDepth, (self) =>
  record({
    receiver: name,
    matchers: matchersSchema,
    groupBy: names,
    groupByAll: flag,
    groupWaitMs: span,
    groupIntervalMs: span,
    repeatIntervalMs: span,
    continue: flag,
    muteIntervals: names,
    activeIntervals: names,
    routes: list(self, 4_096),
  }),
);

const integrationSchema = record({
  /** `webhook`, `email`, `slack` …: the key of the configuration without `_configs`. */
  type: name,
  /** The place in its list, from 0. */
  position: whole(0, 4_096),
  sendResolved: flag,
  /** What only the sender of this type reads, as JSON with sorted keys. */
  settings: text(LIMITS.labelValue),
});

export type Integration = TypeOf<typeof integrationSchema>;

const receiverSchema = record({
  name,
  integrations: list(integrationSchema, LIMITS.integrationsPerReceiver),
});

export type Receiver = TypeOf<typeof receiverSchema>;

const inhibitRuleSchema = record({
  sourceMatchers: matchersSchema,
  targetMatchers: matchersSchema,
  equal: names,
});

export type InhibitRule = TypeOf<typeof inhibitRuleSchema>;

const rangeSchema = record({ from: whole(-366, 9_999), to: whole(-366, 9_999) });
const ranges = list(rangeSchema, 366);

/** Each list is a choice, each field a condition; an empty list means "any". */
const intervalPartSchema = record({
  /** Minutes of the day, `from` inclusive, `to` exclusive. */
  times: ranges,
  /** Days of the week, Sunday is 0, both ends inclusive. */
  weekdays: ranges,
  /** Days of the month from 1, negative from its end, both ends inclusive. */
  daysOfMonth: ranges,
  months: ranges,
  years: ranges,
  /** An IANA zone; UTC when the file names none. */
  zone: name,
});

const timeIntervalSchema = record({ name, parts: list(intervalPartSchema, 1_024) });

export type IntervalPart = TypeOf<typeof intervalPartSchema>;
export type TimeInterval = TypeOf<typeof timeIntervalSchema>;

/**
 * When a check is in breach. Values are compared as they were received. `recover` keeps a breach
 * until the value has come back past it, so that a value at the threshold does not flap.
 */
const conditionSchema = record({
  kind: oneOf(['above', 'below', 'outside', 'missing']),
  /** `below` and `outside`: in breach under this. */
  low: finite,
  /** `above` and `outside`: in breach over this. */
  high: finite,
  /** In breach until the value is at least this (`below`, `outside`). */
  recoverLow: finite,
  /** In breach until the value is at most this (`above`, `outside`). */
  recoverHigh: finite,
  /** `missing`: in breach after this long without a reading. */
  missingMs: span,
});

export type Condition = TypeOf<typeof conditionSchema>;

const checkSchema = record({
  name,
  /** A Graphite glob, with `name;tag=value` for tagged series. */
  series: text(LIMITS.seriesName),
  condition: conditionSchema,
  forMs: span,
  /** All labels but `series`: `alertname`, `severity` and those of the file. */
  labels: labelsSchema,
  annotations: annotationsSchema,
});

export type Check = TypeOf<typeof checkSchema>;

const monitorSchema = record({
  name,
  type: oneOf(['http', 'graphite', 'host']),
  intervalMs: span,
  timeoutMs: span,
  /** What only the monitor of this type reads, as JSON with sorted keys. */
  settings: text(LIMITS.labelValue),
});

export type Monitor = TypeOf<typeof monitorSchema>;

const configSchema = record({
  resolveTimeoutMs: span,
  route: routeSchema,
  receivers: list(receiverSchema, 16_384),
  inhibitRules: list(inhibitRuleSchema, 4_096),
  timeIntervals: list(timeIntervalSchema, 4_096),
  checks: list(checkSchema, 65_536),
  monitors: list(monitorSchema, 16_384),
});

export type Config = TypeOf<typeof configSchema>;

export const applyConfigSchema = record({
  /** Where it came from: the file's path as the user wrote it. */
  origin: text(LIMITS.seriesName),
  /** The file, to the letter. */
  source: text(LIMITS.configText),
  /** The URL under which people reach this cluster; it goes into every notification. */
  externalUrl: optional(text(LIMITS.seriesName)),
  config: configSchema,
  /** Who was proven to apply it. */
  actor: actorField,
});

export type ApplyConfig = { readonly kind: 'config' } & Since2<typeof applyConfigSchema, 'actor'>;

/** The key of an integration in decisions, metrics and tables: `team-web/webhook[0]`. */
export function integrationKey(receiver: string, integration: Integration): string {
  return `${receiver}/${integration.type}[${integration.position}]`;
}
