/**
 * Regular expressions from the network: compiled as RE2, which cannot be made to backtrack, and
 * refused where compiling alone would hold the event loop.
 */

import { RE2JS } from 're2js';

/** A list of some hundred host names; the header limit keeps queries close to it anyway. */
const EXPRESSION_LENGTH_MAX = 8_192;
/** RE2 writes counted repeats out: 100,000 copies take 100 ms to compile here. */
const REPEATS_MAX = 2_000;

/** Why an expression is refused, or null. */
export function expressionFault(expression: string): string | null {
  const bulk = bulkFault(expression);
  if (bulk !== null) return bulk;
  try {
    RE2JS.compile(expression);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Why a text that holds expressions is too much work to look at, or null. */
export function bulkFault(text: string): string | null {
  if (text.length > EXPRESSION_LENGTH_MAX) return `it has over ${EXPRESSION_LENGTH_MAX} characters`;
  let repeats = 0;
  for (const [, least = '', most = ''] of text.matchAll(/\{(\d+),?(\d*)\}/g)) {
    repeats += Math.max(Number(least), Number(most));
  }
  return repeats > REPEATS_MAX ? `it repeats over ${REPEATS_MAX} times in all` : null;
}
