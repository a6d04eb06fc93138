/**
 * Labels and annotations out of parsed JSON, as the sorted flat lists that the log keeps.
 *
 * Promise: a label called `__proto__` is only text, because nothing is assigned by name. Null is the
 * empty text, as in Go. An empty label is no label, whatever its name; an empty annotation is kept.
 */

import { LIMITS } from '../../../commands/limits.ts';
import { annotationsFromList, labelsFromList, type Labels } from '../../../commands/labels.ts';
import { matchedTextFault, nameFault, valueFault } from './names.ts';
import { wellFormed } from './posted-fields.ts';
import type { LimitName } from '../limits.ts';

export interface LabelRules {
  readonly classicNames: boolean;
  /** False while a member of the cluster could not read an annotation whose value is empty. */
  readonly keepsEmptyAnnotations: boolean;
  /** Called with the limit that something exceeds. */
  readonly over: (limit: LimitName) => void;
}

/** The labels without those that are empty, or a text that says what is wrong with them. */
export function readLabels(posted: unknown, rules: LabelRules): Labels | string {
  const pairs = readPairs(
    posted,
    rules,
    (name, value) =>
      value !== '' && (nameFault(name, rules.classicNames) ?? matchedTextFault(name, value)),
  );
  return typeof pairs === 'string' ? pairs : labelsFromList(pairs);
}

/** The annotations, or a text that says what is wrong with them. */
export function readAnnotations(posted: unknown, rules: LabelRules): Labels | string {
  const pairs = readPairs(posted, rules, (name) => nameFault(name, rules.classicNames));
  if (typeof pairs === 'string') return pairs;
  return rules.keepsEmptyAnnotations ? annotationsFromList(pairs) : labelsFromList(pairs);
}

/** `[name, value, …]` as they were posted. */
function readPairs(
  posted: unknown,
  { over }: LabelRules,
  faultOf: (name: string, value: string) => string | null | false,
): readonly string[] | string {
  if (posted === undefined || posted === null) return [];
  if (typeof posted !== 'object' || Array.isArray(posted)) return 'is not an object';
  const values = posted as Readonly<Record<string, unknown>>;
  const keys = Object.keys(values);
  if (keys.length > LIMITS.labelsPerAlert) {
    over('label-count');
    return `has over ${LIMITS.labelsPerAlert} entries`;
  }
  const pairs: string[] = [];
  for (const key of keys) {
    const name = key.toWellFormed();
    const value = wellFormed(values[key]) ?? '';
    const fault = valueFault(name, value) ?? faultOf(name, value as string);
    if (typeof fault === 'string') {
      if (name.length > LIMITS.labelName) over('label-name');
      else if (/ has over \d+ characters/.test(fault)) over('label-value');
      return fault;
    }
    pairs.push(name, value as string);
  }
  return pairs;
}
