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

/** Why a value is refused, or null. */
export function valueFault(name: string, value: unknown): string | null {
  if (typeof value !== 'string') return `${JSON.stringify(name)} is not text`;
  if (value.length > LIMITS.labelValue) {
    return `${JSON.stringify(name)} has over ${LIMITS.labelValue} characters`;
  }
  return value.isWellFormed() ? null : `${JSON.stringify(name)} is not valid Unicode`;
}
