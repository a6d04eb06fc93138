/**
 * `POST /api/v2/silences`: from JSON to a request that the fold can take, with every check that
 * Alertmanager makes.
 */

import { LIMITS } from '../../../commands/limits.ts';
import type { Matcher } from '../../../commands/matchers.ts';
import type { SetSilence } from '../../../commands/silences.ts';
import { matches } from '../../../projections/matching.ts';
import { expressionFault } from './expressions.ts';
import { nameFault, valueFault } from './names.ts';
import { readLabels } from './posted-labels.ts';
import type { Query } from './query.ts';
import { readTime } from './times.ts';

export type PostedSilence = Omit<SetSilence, 'kind' | 'freshId'>;

export interface PostedSilenceRules {
  readonly classicNames: boolean;
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
  const fields = posted as Readonly<Record<string, unknown>>;
  const texts = readTexts(fields);
  if (!texts.ok) return texts;
  const matchers = readMatchers(fields['matchers'], rules);
  if (!matchers.ok) return matchers;
  const times = readTimes(fields, rules.now);
  if (!times.ok) return times;
  const annotations = readLabels(fields['annotations'], rules.classicNames);
  if (typeof annotations === 'string') return bad(`annotations: ${annotations}`);
  return good({ ...texts.value, ...times.value, matchers: matchers.value, annotations });
}

function readTexts(
  fields: Readonly<Record<string, unknown>>,
): Query<Pick<PostedSilence, 'id' | 'createdBy' | 'comment'>> {
  const { id, createdBy, comment } = fields;
  const texts = { id: id ?? '', createdBy: createdBy ?? '', comment: comment ?? '' };
  for (const [name, value] of Object.entries(texts)) {
    const fault = valueFault(name, value);
    if (fault !== null) return bad(fault);
  }
  const read = texts as Pick<PostedSilence, 'id' | 'createdBy' | 'comment'>;
  return read.id.length > LIMITS.name ? bad(`id has over ${LIMITS.name} characters`) : good(read);
}

function readTimes(
  fields: Readonly<Record<string, unknown>>,
  now: number,
): Query<Pick<PostedSilence, 'startsAt' | 'endsAt'>> {
  const startsAt = readTime(fields['startsAt']);
  const endsAt = readTime(fields['endsAt']);
  if (startsAt === null || startsAt === 0) return bad('startsAt is missing or not a time');
  if (endsAt === null || endsAt === 0) return bad('endsAt is missing or not a time');
  if (endsAt <= startsAt) return bad('start time must be before end time');
  if (endsAt <= now) return bad("end time can't be in the past");
  return good({ startsAt, endsAt });
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
  return matchers.every((matcher) => matches(matcher, ''))
    ? bad('at least one matcher must not match the empty string')
    : good(matchers);
}

function readMatcher(posted: unknown, rules: PostedSilenceRules): Query<Matcher> {
  if (typeof posted !== 'object' || posted === null) return bad('is not an object');
  const fields = posted as Readonly<Record<string, unknown>>;
  const { name, value, isRegex = false, isEqual = true } = fields;
  if (typeof name !== 'string') return bad('name is not text');
  const fault = nameFault(name, rules.classicNames) ?? valueFault(name, value);
  if (fault !== null) return bad(fault);
  if (typeof isRegex !== 'boolean') return bad('isRegex is neither true nor false');
  if (typeof isEqual !== 'boolean') return bad('isEqual is neither true nor false');
  const text = value as string;
  const problem = isRegex ? expressionFault(text) : null;
  if (problem !== null) return bad(`${name}: not a regular expression: ${problem}`);
  return good({ name, op: operatorOf(isRegex, isEqual), value: text });
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
