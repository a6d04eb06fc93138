/**
 * Labels and annotations out of parsed JSON, as the sorted flat lists that the log keeps.
 *
 * Promise: a label called `__proto__` is only text, because nothing is assigned by name. Order and
 * empty values are left to `labelsFrom`, so that there is one rule for what a label set is.
 */

import { LIMITS } from '../../../commands/limits.ts';
import { labelsFrom, type Labels } from '../../../commands/labels.ts';
import { nameFault, valueFault } from './names.ts';

/** The labels without those that are empty, or a text that says what is wrong with them. */
export function readLabels(posted: unknown, classicNames: boolean): Labels | string {
  if (posted === undefined || posted === null) return [];
  if (typeof posted !== 'object' || Array.isArray(posted)) return 'is not an object';
  const values = posted as Readonly<Record<string, unknown>>;
  const names = Object.keys(values);
  if (names.length > LIMITS.labelsPerAlert) return `has over ${LIMITS.labelsPerAlert} entries`;
  const pairs: [name: string, value: string][] = [];
  for (const name of names) {
    const value = values[name];
    const fault = nameFault(name, classicNames) ?? valueFault(name, value);
    if (fault !== null) return fault;
    pairs.push([name, value as string]);
  }
  return labelsFrom(pairs);
}
