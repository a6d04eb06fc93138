/**
 * Labels, annotations, label names and matchers as they stand in the file.
 *
 * Promise: names are checked by the mode the daemon runs in: any text, or with `classicNames`
 * only `[a-zA-Z_][a-zA-Z0-9_]*`.
 */

import { z } from 'zod';
import { LIMITS } from '../../commands/limits.ts';
import type { Matcher } from '../../commands/matchers.ts';
import { leaf, list, pairs, text } from './fields.ts';
import { bad, good, type Parsed } from './parsed.ts';
import { checkExpression, parseMatchers } from './matcher-text.ts';
import { Scalar } from './yaml.ts';

export type Pairs = readonly (readonly [string, string])[];

const CLASSIC_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** The words of the file that depend on how label names are read. */
export function labelFields(classicNames: boolean) {
  const checkName = (name: string): Parsed<string> => {
    if (name === '') return bad('a label name is empty');
    if (name.length > LIMITS.labelName) {
      return bad(`a label name has over ${LIMITS.labelName} characters`);
    }
    if (!classicNames || CLASSIC_NAME.test(name)) return good(name);
    return bad(`"${name}" is not a label name in classic mode`, 'use letters, digits and _');
  };

  const named = <T>(schema: z.ZodType<readonly (readonly [string, T])[]>) =>
    schema.superRefine((found, context) => {
      for (const [key] of found) {
        const name = checkName(key);
        if (name.ok) continue;
        const { message, hint } = name;
        context.addIssue({ code: 'custom', message, params: { hint }, path: [key] });
      }
    });

  return {
    /** Labels of a group; `...` stands for all, and is no name of a label. */
    groupBy: list(leaf((value) => (value === '...' ? good(value) : checkName(value)))),
    /** Label names that two alerts share; one without a value is the name that all alerts lack. */
    equal: list(leaf(checkName), '').transform((names) => names.filter((name) => name !== '')),
    /** A map of labels, or of annotations. */
    labels: named(pairs(text(LIMITS.labelValue), '')),
    /** The list form: `matchers: ['severity="critical"']`. */
    matchers: list(matcherLine(classicNames), []).transform((lines) => lines.flat()),
    /** The deprecated `match`. */
    match: named(pairs(text(LIMITS.labelValue), '')).transform((found) => matchersOf(found, '=')),
    /** The deprecated `match_re`. */
    matchRe: named(pairs(leaf(checkExpression))).transform((found) => matchersOf(found, '=~')),
  };
}

export type LabelFields = ReturnType<typeof labelFields>;

function matcherLine(classicNames: boolean): z.ZodType<readonly Matcher[]> {
  const line = leaf((value) => parseMatchers(value, classicNames));
  return z
    .unknown()
    .transform((value, context) => {
      const [key, inner] = singlePair(value) ?? [];
      if (key !== undefined) {
        const hint = `write '${key}="${inner ?? ''}"'`;
        context.issues.push({
          code: 'custom',
          message: 'is a map, not a matcher',
          params: { hint },
          input: value,
        });
        return z.NEVER;
      }
      return value;
    })
    .pipe(line);
}

/** `- severity: critical`, which people write for `- severity="critical"`. */
function singlePair(value: unknown): readonly [string, string] | null {
  if (typeof value !== 'object' || value === null || value instanceof Scalar) return null;
  const [first] = Object.entries(value);
  if (first === undefined || Array.isArray(value)) return null;
  return [first[0], first[1] instanceof Scalar ? first[1].text : ''];
}

function matchersOf(found: Pairs, op: '=' | '=~'): readonly Matcher[] {
  return found.map(([name, value]) => ({ name, op, value }));
}
