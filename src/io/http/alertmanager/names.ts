/**
 * What labels and annotations may be called and hold, in both of Alertmanager's modes.
 */

import { LIMITS } from '../../../commands/limits.ts';

const CLASSIC_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Why a name is refused, or null. */
export function nameFault(name: string, classicNames: boolean): string | null {
  if (name === '') return 'a name is empty';
  if (name.length > LIMITS.labelName) return `a name has over ${LIMITS.labelName} characters`;
  if (!name.isWellFormed()) return `name ${JSON.stringify(name)} is not valid Unicode`;
  if (classicNames && !CLASSIC_NAME.test(name)) {
    return `name ${JSON.stringify(name)} has other than ASCII letters, digits and _`;
  }
  return null;
}

/** Why the value of a label is refused that matchers will be run on, or null. */
export function matchedTextFault(name: string, value: string): string | null {
  if (value.length <= LIMITS.matchedText) return null;
  return (
    `${JSON.stringify(name.slice(0, 80))} has over ${LIMITS.matchedText} characters: ` +
    'put long texts into annotations'
  );
}

/** Why a value is refused, or null. */
export function valueFault(name: string, value: unknown): string | null {
  if (typeof value !== 'string') return `${JSON.stringify(name)} is not text`;
  if (value.length > LIMITS.labelValue) {
    return `${JSON.stringify(name)} has over ${LIMITS.labelValue} characters`;
  }
  return value.isWellFormed() ? null : `${JSON.stringify(name)} is not valid Unicode`;
}
