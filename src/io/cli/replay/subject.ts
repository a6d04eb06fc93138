/**
 * The alert that a story is about, and which moments belong to it.
 *
 * Promise: a moment belongs to the story when it names an alert that was asked for: its breaches
 * and transitions, the decisions about its groups, its notifications, the silences that match it.
 * What stands in the way of the story (gaps, damage) belongs to every one.
 */

import { fingerprint, type Labels } from '../../../commands/labels.ts';
import type { Matcher } from '../../../commands/matchers.ts';
import { matchesAll } from '../../../projections/matching.ts';
import type { State } from '../../../projections/state.ts';
import { entries } from '../../../projections/table.ts';
import { parseMatchers } from '../../config/matcher-text.ts';
import { good, type Parsed } from '../../config/parsed.ts';
import type { Moment } from './moment.ts';

/** A fingerprint, or matchers on labels. */
export type Subject =
  | { readonly kind: 'fingerprint'; readonly fingerprint: string }
  | { readonly kind: 'matchers'; readonly matchers: readonly Matcher[] };

const FINGERPRINT = /^[0-9a-f]{16}$/;

/** A bare word is the name of an alert, as amtool has it. */
const NAME = /^[\w.:-]+$/;

export function parseSubject(text: string): Parsed<Subject> {
  if (FINGERPRINT.test(text)) return good({ kind: 'fingerprint', fingerprint: text });
  const isName = NAME.test(text);
  const parsed = parseMatchers(isName ? `alertname=${JSON.stringify(text)}` : text, false);
  return parsed.ok ? good({ kind: 'matchers', matchers: parsed.value }) : parsed;
}

/** Chooses the moments of one story out of a time line that is shown to it from its beginning. */
export class Story {
  readonly #subject: Subject;
  /** The alerts of the story that have been seen, by fingerprint. */
  readonly #alerts = new Map<string, Labels>();

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  /** How many alerts were found. */
  get size(): number {
    return this.#alerts.size;
  }

  /** Learns of the alerts in a state that is taken as a whole. */
  begin(state: State): void {
    for (const [key, { labels }] of entries(state.alerts)) this.#isOurs(key, labels);
  }

  includes(moment: Moment): boolean {
    switch (moment.what) {
      case 'breach':
      case 'recovered':
        return this.#isOurs(null, moment.labels);
      case 'firing':
      case 'resolved':
        return this.#isOurs(moment.fingerprint, moment.labels);
      case 'notify':
      case 'withhold':
        return this.#names([
          ...moment.firing,
          ...moment.resolved,
          ...moment.muted.map((muted) => muted.fingerprint),
        ]);
      case 'attempt':
      case 'outcome':
      case 'replaced':
        return this.#names([...moment.firing, ...moment.resolved]);
      case 'silence':
      case 'expired':
        return this.#isMatchedBy(moment.matchers);
      case 'config':
      case 'leader':
      case 'ignored':
        return false;
      case 'gap':
      case 'damage':
      case 'unreadable':
      case 'snapshot':
        return true;
    }
  }

  /** `known` is the fingerprint where somebody has computed it already: it costs microseconds. */
  #isOurs(known: string | null, labels: Labels): boolean {
    const subject = this.#subject;
    if (subject.kind === 'matchers' && !matchesAll(subject.matchers, labels)) return false;
    const key = known ?? fingerprint(labels);
    if (subject.kind === 'fingerprint' && subject.fingerprint !== key) return false;
    this.#alerts.set(key, labels);
    return true;
  }

  #names(fingerprints: readonly string[]): boolean {
    return fingerprints.some(
      (key) =>
        this.#alerts.has(key) ||
        (this.#subject.kind === 'fingerprint' && this.#subject.fingerprint === key),
    );
  }

  #isMatchedBy(matchers: readonly Matcher[]): boolean {
    return [...this.#alerts.values()].some((labels) => matchesAll(matchers, labels));
  }
}
