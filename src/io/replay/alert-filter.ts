/**
 * The alert that a story is about, and which moments belong to it.
 *
 * Promise: a moment belongs to the story when it names an alert that was asked for: its breaches
 * and transitions, the decisions about its groups, its notifications, the silences that match it.
 * What stands in the way of the story (gaps, damage) belongs to every one.
 */

import { fingerprint, type Labels } from '../../commands/labels.ts';
import type { Matcher } from '../../commands/matchers.ts';
import { matchesAll } from '../../projections/matching.ts';
import type { State } from '../../projections/state.ts';
import { entries } from '../../projections/table.ts';
import { parseMatchers } from '../config/matcher-text.ts';
import { bad, good, type Parsed } from '../config/parsed.ts';
import type { TimelineEvent } from './timeline-event.ts';

/** A fingerprint, or matchers on labels. */
export type AlertQuery =
  | { readonly kind: 'fingerprint'; readonly fingerprint: string }
  | { readonly kind: 'matchers'; readonly matchers: readonly Matcher[] };

const FINGERPRINT = /^[0-9a-f]{16}$/i;

/** A bare word is the name of an alert, as amtool has it. */
const NAME = /^[\w.:-]+$/;

const HINT =
  'write a name such as HighCpu, matchers such as alertname="HighCpu",team=~"web|db", or a fingerprint';

export function parseAlertQuery(text: string): Parsed<AlertQuery> {
  if (FINGERPRINT.test(text)) {
    return good({ kind: 'fingerprint', fingerprint: text.toLowerCase() });
  }
  const parsed = parseStrictly(NAME.test(text) ? `alertname=${JSON.stringify(text)}` : text);
  return parsed.ok ? good({ kind: 'matchers', matchers: parsed.value }) : parsed;
}

/**
 * Reads matchers one by one, so that what is wrong has a place. A configuration forgives half a brace
 * and takes nothing for a matcher of everything; here both would show the story of other alerts.
 */
function parseStrictly(text: string): Parsed<readonly Matcher[]> {
  const opens = text.search(/\S/);
  const closes = text.trimEnd().length - 1;
  const isOpened = text[opens] === '{';
  const isClosed = closes > opens && text[closes] === '}';
  if (isOpened && !isClosed) return badAt(opens, 'this brace is not closed');
  const [from, to] = isOpened ? [opens + 1, closes] : [0, text.length];
  const matchers: Matcher[] = [];
  for (const part of partsOf(text, from, to)) {
    const isLast = part.end === to;
    if (part.text.trim() === '' && isLast && matchers.length > 0) break;
    if (part.text.trim() === '') return badAt(part.start, 'a matcher is expected');
    const start = part.start + part.text.search(/\S/);
    const parsed = parseMatchers(part.text, false);
    if (!parsed.ok) return badAt(start, parsed.message, parsed.hint);
    const [matcher] = parsed.value;
    if (matcher === undefined || isAmbiguous(part.text, matcher)) {
      const quoted = 'put names and values that hold { } = ~ or quotes into double quotes';
      return badAt(start, `cannot read ${part.text.trim()} as one matcher`, quoted);
    }
    matchers.push(matcher);
  }
  return good(matchers);
}

/** What Alertmanager's older parser takes for part of a bare value, and hardly anybody means so. */
function isAmbiguous(text: string, { value }: Matcher): boolean {
  const bare = text.replace(/"(?:[^"\\]|\\[^])*"/g, '""');
  return /[{}'`]/.test(bare) || (!bare.includes('"') && /^[=~]/.test(value));
}

function badAt(offset: number, message: string, hint = HINT): Parsed<never> {
  return bad(`at character ${offset + 1}: ${message}`, hint === '' ? HINT : hint);
}

interface Part {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Splits at the commas that stand in no quotes. */
function* partsOf(text: string, from: number, to: number): Generator<Part> {
  let start = from;
  let isQuoted = false;
  for (let at = from; at < to; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ',' && !isQuoted) {
      yield { text: text.slice(start, at), start, end: at };
      start = at + 1;
    }
  }
  yield { text: text.slice(start, to), start, end: to };
}

/** Chooses the moments of one story out of a time line that is shown to it from its beginning. */
export class AlertFilter {
  readonly #subject: AlertQuery;
  /** The alerts of the story that have been seen, by fingerprint. */
  readonly #alerts = new Map<string, Labels>();

  constructor(subject: AlertQuery) {
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

  includes(moment: TimelineEvent): boolean {
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
      case 'admin':
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

  /** Whether a moment that was recorded where the state is not known may belong to the story. */
  mayInclude(moment: TimelineEvent): boolean {
    if (moment.effectUnknown !== true) return false;
    switch (moment.what) {
      case 'notify':
      case 'withhold':
        return this.#subject.kind === 'matchers';
      case 'attempt':
      case 'outcome':
        return true;
      default:
        return false;
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
