/**
 * `POST /api/v2/silences`: from JSON to a request that the fold can take, with every check that
 * Alertmanager makes.
 */

import { LIMITS } from '../../../commands/limits.ts';
import type { Matcher } from '../../../commands/matchers.ts';
import type { SetSilence } from '../../../commands/silences.ts';
import { expressionFault, listFault } from '../../../projections/expressions.ts';
import { matches } from '../../../projections/matching.ts';
import { nameFault } from './names.ts';
import { fieldNames, fieldsOf, textOf, type Fields } from './posted-fields.ts';
import { readAnnotations, type LabelRules } from './posted-labels.ts';
import type { Query } from './query.ts';
import { readTime, storedTime } from './times.ts';

export type PostedSilence = Omit<SetSilence, 'kind' | 'freshId' | 'actor'>;

export interface PostedSilenceRules extends LabelRules {
  /** Epoch milliseconds. */
  readonly now: number;
}

export function readPostedSilence(
  posted: unknown,
  rules: PostedSilenceRules,
): Query<PostedSilence> {
  if (typeof posted !== 'object' || posted === null || Array.isArray(posted)) {
    return bad('the body is not a silence');
  }
  const fields = fieldsOf(posted, SILENCE_FIELDS);
  const texts = readTexts(fields);
  if (!texts.ok) return texts;
  const matchers = readMatchers(fields['matchers'], rules);
  if (!matchers.ok) return matchers;
  const times = readTimes(fields, rules.now);
  if (!times.ok) return times;
  const annotations = readAnnotations(fields['annotations'], rules);
  if (typeof annotations === 'string') return bad(`annotations: ${annotations}`);
  return good({ ...texts.value, ...times.value, matchers: matchers.value, annotations });
}

const TEXT_FIELDS = ['id', 'createdBy', 'comment'] as const;
const SILENCE_FIELDS = fieldNames(...TEXT_FIELDS, 'matchers', 'startsAt', 'endsAt', 'annotations');

type Texts = Pick<PostedSilence, (typeof TEXT_FIELDS)[number]>;

function readTexts(fields: Fields): Query<Texts> {
  const texts = { id: '', createdBy: '', comment: '' };
  for (const name of TEXT_FIELDS) {
    const text = textOf(name, fields[name]);
    if (!text.ok) return text;
    texts[name] = text.value;
  }
  return texts.id.length > LIMITS.name ? bad(`id has over ${LIMITS.name} characters`) : good(texts);
}

/** A start that is past, or empty as in scripts, is now: the fold knows when that is. */
function readTimes(fields: Fields, now: number): Query<Pick<PostedSilence, 'startsAt' | 'endsAt'>> {
  const startsAt = fields['startsAt'] === '' ? now : readTime(fields['startsAt']);
  const endsAt = readTime(fields['endsAt']);
  if (startsAt === null || startsAt === 0) return bad('startsAt is missing or not a time');
  if (endsAt === null || endsAt === 0) return bad('endsAt is missing or not a time');
  if (endsAt <= startsAt) return bad('start time must be before end time');
  if (endsAt <= now) return bad("end time can't be in the past");
  return good({ startsAt: storedTime(startsAt), endsAt: storedTime(endsAt) });
}

function readMatchers(posted: unknown, rules: PostedSilenceRules): Query<readonly Matcher[]> {
  if (!Array.isArray(posted) || posted.length === 0) return bad('at least one matcher required');
  if (posted.length > LIMITS.matchersPerList) {
    return bad(`at most ${LIMITS.matchersPerList} matchers fit`);
  }
  const matchers: Matcher[] = [];
  for (const [i, each] of (posted as readonly unknown[]).entries()) {
    const matcher = readMatcher(each, rules);
    if (!matcher.ok) return bad(`matchers[${i}]: ${matcher.message}`);
    matchers.push(matcher.value);
  }
  const fault = listFault(matchers);
  if (fault !== null) return bad(`the expressions of all matchers: ${fault}`);
  return matchers.every(isMetByNothing)
    ? bad('at least one matcher must not match the empty string')
    : good(matchers);
}

/**
 * Whether a matcher narrows nothing down. Only `=` and `=~` can be written by mistake so that they
 * do: whoever writes `team!=web` means the alerts without a team, too (upstream decides alike).
 */
function isMetByNothing(matcher: Matcher): boolean {
  return !matcher.op.startsWith('!') && matches(matcher, '');
}

const MATCHER_FIELDS = fieldNames('name', 'value', 'isRegex', 'isEqual');

function readMatcher(posted: unknown, rules: PostedSilenceRules): Query<Matcher> {
  if (typeof posted !== 'object' || posted === null) return bad('is not an object');
  const fields = fieldsOf(posted, MATCHER_FIELDS);
  const name = requiredText('name', fields['name']);
  if (!name.ok) return name;
  const fault = nameFault(name.value, rules.classicNames);
  if (fault !== null) return bad(fault);
  const value = requiredText(name.value, fields['value']);
  if (!value.ok) return value;
  const isRegex = fields['isRegex'] ?? false;
  const isEqual = fields['isEqual'] ?? true;
  if (typeof isRegex !== 'boolean') return bad('isRegex is neither true nor false');
  if (typeof isEqual !== 'boolean') return bad('isEqual is neither true nor false');
  const problem = isRegex ? expressionFault(value.value) : null;
  if (problem !== null) return bad(`${name.value}: not a regular expression: ${problem}`);
  return good({ name: name.value, op: operatorOf(isRegex, isEqual), value: value.value });
}

function requiredText(name: string, value: unknown): Query<string> {
  if (typeof value === 'string') return textOf(name, value);
  return bad(`${JSON.stringify(name)} is not text`);
}

function operatorOf(isRegex: boolean, isEqual: boolean): Matcher['op'] {
  if (isRegex) return isEqual ? '=~' : '!~';
  return isEqual ? '=' : '!=';
}

function good<T>(value: T): Query<T> {
  return { ok: true, value };
}

function bad(message: string): Query<never> {
  return { ok: false, message };
}
