/**
 * `inhibit_rules`: which alerts are held back while which others fire.
 *
 * Promise: nothing is held back that the file does not hold back. A rule this build cannot
 * follow (several `sources` that must fire together) is left out with a warning, so that at worst
 * somebody is notified too often.
 */

import type { InhibitRule } from '../../commands/config.ts';
import { LIMITS } from '../../commands/limits.ts';
import { fields, list, maybe, text, refuse } from './fields.ts';
import type { LabelFields } from './label-fields.ts';
import { matchesAbsent, sortedMatchers } from './matcher-text.ts';
import type { Reader } from './reader.ts';

function inhibitFields(labels: LabelFields) {
  const names = maybe(labels.equal);
  return fields({
    name: maybe(text(LIMITS.name)),
    source_match: maybe(labels.match),
    source_match_re: maybe(labels.matchRe),
    source_matchers: maybe(labels.matchers),
    sources: maybe(list(fields({ matchers: labels.matchers, equal: names }))),
    target_match: maybe(labels.match),
    target_match_re: maybe(labels.matchRe),
    target_matchers: maybe(labels.matchers),
    equal: names,
  }).superRefine((given, context) => {
    if ((given.sources ?? []).length === 0) return;
    for (const key of ['source_match', 'source_match_re', 'source_matchers', 'equal'] as const) {
      if ((given[key] ?? []).length > 0) refuse(context, [key], 'cannot stand beside sources');
    }
  });
}

export function readInhibitRules(reader: Reader): readonly InhibitRule[] {
  const ruleFields = inhibitFields(reader.labels);
  const items = reader.items(reader.sections['inhibit_rules'], ['inhibit_rules']);
  return items.flatMap(([value, path]) => {
    const given = reader.read(ruleFields, value, path);
    if (given === undefined) return [];
    if ((given.sources ?? []).length > 1) {
      reader.warning(
        [...path, 'sources'],
        'this build reads one source per rule: the rule is left out',
      );
      return [];
    }
    const source = given.sources?.[0];
    const rule: InhibitRule = {
      sourceMatchers: sortedMatchers([
        ...(given.source_match ?? []),
        ...(given.source_match_re ?? []),
        ...(given.source_matchers ?? []),
        ...(source?.matchers ?? []),
      ]),
      targetMatchers: sortedMatchers([
        ...(given.target_match ?? []),
        ...(given.target_match_re ?? []),
        ...(given.target_matchers ?? []),
      ]),
      equal: given.equal ?? source?.equal ?? [],
    };
    if (rule.sourceMatchers.every(matchesAbsent)) {
      reader.warning(path, 'every alert is a source of this rule', 'add source_matchers');
    }
    return [rule];
  });
}
