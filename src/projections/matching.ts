/**
 * Matching of labels by matchers, with Alertmanager's meaning: a missing label is the empty text,
 * and a regular expression must match the whole value.
 *
 * Promise: linear time whatever the pattern, because RE2 has no backtracking. Compiled expressions
 * are kept per matcher object; they are derived, so forgetting them changes nothing.
 */

import { RE2JS } from 're2js';
import { labelValue, type Labels } from '../commands/labels.ts';
import type { Matcher } from '../commands/matchers.ts';

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
      return expressionOf(matcher).testExact(value);
    case '!~':
      return !expressionOf(matcher).testExact(value);
  }
}

const expressions = new WeakMap<Matcher, RE2JS>();

function expressionOf(matcher: Matcher): RE2JS {
  const known = expressions.get(matcher);
  if (known !== undefined) return known;
  const compiled = RE2JS.compile(matcher.value);
  expressions.set(matcher, compiled);
  return compiled;
}
