/**
 * `flush`: the decision about one group at one of its ticks: tell these integrations, hold back
 * from those, each with its reason.
 *
 * `tick` is the flush time that the decision uses up. The fold ignores a decision whose tick is no
 * longer the group's next one, so two leaders in a row cannot decide twice.
 */

import { LIMITS } from './limits.ts';
import { flag, list, oneOf, record, text, time, type TypeOf } from './schema.ts';

/** Why an integration is told. The texts are those that Alertmanager 0.33 puts into a webhook. */
export const NOTIFY_REASONS = [
  'first notification',
  'new alerts added',
  'some alerts resolved',
  'all alerts resolved',
  'repeat interval elapsed',
] as const;

/** Why an integration is not told. */
export const WITHHOLD_REASONS = [
  'nothing new, repeat interval not elapsed',
  'every alert is muted',
  'resolved before anyone was told',
  'resolved notices are off for this integration',
  'the last notification is still being sent',
  'this build has no such integration',
] as const;

export type Reason = (typeof NOTIFY_REASONS)[number] | (typeof WITHHOLD_REASONS)[number];

const fingerprints = list(text(16), LIMITS.alertsPerGroup);

const verdictSchema = record({
  /** `receiver/type[n]`, as {@link integrationKey} writes it. */
  integration: text(LIMITS.integrationKey),
  notify: flag,
  reason: oneOf([...NOTIFY_REASONS, ...WITHHOLD_REASONS]),
});

export type Verdict = TypeOf<typeof verdictSchema>;

const mutedSchema = record({
  fingerprint: text(16),
  /** Each cause in the form of `causeText` (causes.ts), such as `silence:<id>`. */
  by: list(text(2 * LIMITS.name), LIMITS.causesPerAlert),
});

export type Muted = TypeOf<typeof mutedSchema>;

export const flushSchema = record({
  /** The key of the group's row, which begins with the place of its route. */
  group: text(LIMITS.groupKey),
  tick: time,
  firing: fingerprints,
  resolved: fingerprints,
  muted: list(mutedSchema, LIMITS.alertsPerGroup),
  verdicts: list(verdictSchema, LIMITS.integrationsPerReceiver),
});

export type Flush = { readonly kind: 'flush' } & TypeOf<typeof flushSchema>;
