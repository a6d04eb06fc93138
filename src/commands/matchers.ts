/**
 * Matchers: the conditions on labels that routes, silences and inhibition rules are made of,
 * exactly as in Alertmanager. Here is only what is stored; matching is in `projections/`.
 */

import { LIMITS } from './limits.ts';
import { list, oneOf, record, text, type TypeOf } from './schema.ts';

export const matcherSchema = record({
  name: text(LIMITS.labelName),
  op: oneOf(['=', '!=', '=~', '!~']),
  value: text(LIMITS.labelValue),
});

export type Matcher = TypeOf<typeof matcherSchema>;

export const matchersSchema = list(matcherSchema, LIMITS.matchersPerList);

/** The matcher as people write it: `severity=~"critical|page"`. */
export function matcherText(matcher: Matcher): string {
  return `${matcher.name}${matcher.op}${JSON.stringify(matcher.value)}`;
}
