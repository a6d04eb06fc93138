/**
 * `POST /api/v2/alerts`: from JSON to commands, with Alertmanager's rules for what is an alert.
 *
 * Promise: each alert is read once; a bad alert costs itself and no other, and is named by
 * its place. Times that are not set stay so: the fold fills them in, when it is known how late it
 * is (docs/adr/0002).
 */

import type { PushAlerts, PushedAlert } from '../../../commands/alerts.ts';
import { Problems } from '../answers.ts';
import { Oversized } from '../json-slices.ts';
import { HTTP_LIMITS } from '../limits.ts';
import { fieldNames, fieldsOf, textOf } from './posted-fields.ts';
import { readAnnotations, readLabels, type LabelRules } from './posted-labels.ts';
import { readTime, storedTime } from './times.ts';

export interface PostedAlertRules extends LabelRules {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly resolveTimeoutMs: number;
}

/** The alerts of one body, which comes in slices. */
export class PostedAlerts {
  readonly #rules: PostedAlertRules;
  readonly #alerts: PushedAlert[] = [];
  /** A sentence for each alert that was refused. */
  readonly problems = new Problems();

  constructor(rules: PostedAlertRules) {
    this.#rules = rules;
  }

  get alerts(): readonly PushedAlert[] {
    return this.#alerts;
  }

  /** Reads a slice; `first` is the place of its first item in the body. */
  read(posted: readonly unknown[], first: number): void {
    for (let i = 0; i < posted.length; i++) {
      const alert = readAlert(posted[i], this.#rules);
      if (typeof alert === 'string') this.problems.add(`alerts[${first + i}]: ${alert}`);
      else this.#alerts.push(alert);
    }
  }
}

/** The alerts as commands, each small enough for one log entry. */
export function* pushCommands(
  source: string,
  alerts: readonly PushedAlert[],
): Generator<PushAlerts> {
  let start = 0;
  let text = 0;
  for (let i = 0; i < alerts.length; i++) {
    const length = lengthOf(alerts[i] as PushedAlert);
    const isFull =
      text + length > HTTP_LIMITS.textPerCommand || i - start === HTTP_LIMITS.alertsPerCommand;
    if (isFull && i > start) {
      yield { kind: 'alerts', source, alerts: alerts.slice(start, i) };
      start = i;
      text = 0;
    }
    text += length;
  }
  if (alerts.length > start) yield { kind: 'alerts', source, alerts: alerts.slice(start) };
}

const FIELDS = fieldNames('labels', 'annotations', 'startsAt', 'endsAt', 'generatorURL');

/** An alert, or what is wrong with it. */
function readAlert(posted: unknown, rules: PostedAlertRules): PushedAlert | string {
  if (posted instanceof Oversized) return posted.message;
  if (typeof posted !== 'object' || posted === null) return 'is not an object';
  const fields = fieldsOf(posted, FIELDS);
  const labels = readLabels(fields['labels'], rules);
  if (typeof labels === 'string') return `labels: ${labels}`;
  if (labels.length === 0) return 'at least one label pair required';
  const annotations = readAnnotations(fields['annotations'], rules);
  if (typeof annotations === 'string') return `annotations: ${annotations}`;
  const startsAt = readTime(fields['startsAt']);
  if (startsAt === null) return 'startsAt is not a time such as 2024-01-31T12:00:00.000Z';
  const endsAt = readTime(fields['endsAt']);
  if (endsAt === null) return 'endsAt is not a time such as 2024-01-31T12:00:00.000Z';
  const end = endsAt === 0 ? rules.now + rules.resolveTimeoutMs : endsAt;
  if (startsAt !== 0 && startsAt > end) return 'start time must be before end time';
  const generatorUrl = textOf('generatorURL', fields['generatorURL']);
  if (!generatorUrl.ok) return generatorUrl.message;
  const alert = {
    labels,
    annotations,
    startsAt: storedTime(startsAt),
    endsAt: storedTime(endsAt),
    generatorUrl: generatorUrl.value,
  };
  if (lengthOf(alert) > HTTP_LIMITS.textPerAlert) {
    return `all texts together have over ${HTTP_LIMITS.textPerAlert} characters`;
  }
  return alert;
}

function lengthOf({ labels, annotations, generatorUrl }: PushedAlert): number {
  let length = generatorUrl.length;
  for (const part of labels) length += part.length;
  for (const part of annotations) length += part.length;
  return length;
}
