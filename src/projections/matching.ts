/**
 * Matching of labels by matchers, with Alertmanager's meaning: a missing label is the empty text,
 * and a regular expression must match the whole value.
 *
 * Promise: linear time whatever the pattern, because RE2 has no backtracking; what it costs is
 * bounded where matchers and values come in (expressions.ts). Compiled expressions, and answers about
 * long values, are kept per matcher object; they are derived, so forgetting them changes nothing.
 */

import type { RE2JS } from 're2js';
import { labelValue, type Labels } from '../commands/labels.ts';
import type { Matcher } from '../commands/matchers.ts';
import { compiledExpression } from './expressions.ts';

export function matchesAll(matchers: readonly Matcher[], labels: Labels): boolean {
  return matchers.every((matcher) => matches(matcher, labelValue(labels, matcher.name)));
}

export function matches(matcher: Matcher, value: string): boolean {
  switch (matcher.op) {
    case '=':
      return value === matcher.value;
    case '!=':
      return value !== matcher.value;
    case '=~':
      return meets(matcher, value);
    case '!~':
      return !meets(matcher, value);
  }
}

interface Expression {
  readonly compiled: RE2JS;
  readonly answers: Map<string, boolean>;
}

const expressions = new WeakMap<Matcher, Expression>();

/** Values from which on an answer is kept: a shorter one is matched as fast as it is looked up. */
const LONG_VALUE = 256;
/** Answers that are kept for one matcher. */
const ANSWERS_KEPT = 256;

function meets(matcher: Matcher, value: string): boolean {
  const { answers, compiled } = expressionOf(matcher);
  if (value.length < LONG_VALUE) return compiled.testExact(value);
  const known = answers.get(value);
  if (known !== undefined) return known;
  const answer = compiled.testExact(value);
  if (answers.size >= ANSWERS_KEPT) answers.clear();
  answers.set(value, answer);
  return answer;
}

function expressionOf(matcher: Matcher): Expression {
  const known = expressions.get(matcher);
  if (known !== undefined) return known;
  const expression = {
    compiled: compiledExpression(matcher.value),
    answers: new Map<string, boolean>(),
  };
  expressions.set(matcher, expression);
  return expression;
}
