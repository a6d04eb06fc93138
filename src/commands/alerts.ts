/**
 * `alerts`: ready-made verdicts that Prometheus, amtool or a script pushed.
 *
 * Zero means "not set" for both times, and is filled in when the command is folded: only then is
 * the time of receipt (`at`) and the live `resolve_timeout` known.
 */

import { annotationsSchema, labelsSchema } from './labels.ts';
import { LIMITS } from './limits.ts';
import { list, offset, record, text, time, type Since2, type TypeOf } from './schema.ts';

const pushedAlertSchema = record({
  labels: labelsSchema,
  annotations: annotationsSchema,
  startsAt: time,
  endsAt: time,
  generatorUrl: text(LIMITS.labelValue),
});

export type PushedAlert = TypeOf<typeof pushedAlertSchema>;

export const pushAlertsSchema = record({
  /** Who pushed: the User-Agent's first word, or the peer address. */
  source: text(LIMITS.name),
  alerts: list(pushedAlertSchema, LIMITS.alertsPerCommand),
  /** How far the clock by which their times are meant was ahead of log time when they were accepted. */
  offsetMs: offset,
});

export type PushAlerts = { readonly kind: 'alerts' } & Since2<typeof pushAlertsSchema, 'offsetMs'>;
