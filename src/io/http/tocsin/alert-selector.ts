/** The alerts that an explanation is about. */

import { matcherText, type Matcher } from '../../../commands/matchers.ts';

/** A fingerprint, or matchers on labels. */
export type AlertSelector =
  | { readonly fingerprint: string }
  | { readonly matchers: readonly Matcher[] };

/** The selector as `--alert` of `tocsin replay` takes it. */
export function selectorText(selector: AlertSelector): string {
  if ('fingerprint' in selector) return selector.fingerprint;
  return `{${selector.matchers.map(matcherText).join(', ')}}`;
}
