/** Inhibition: a firing alert withholds others by the inhibition rules of the configuration. */

import type { InhibitRule } from '../../commands/config.ts';
import { labelValue, type Labels } from '../../commands/labels.ts';
import { matchesAll } from '../matching.ts';
import type { Alert, State } from '../state.ts';
import { entries, type Table } from '../table.ts';
import type { Suppressor } from './suppressor.ts';

/** The subjects are the fingerprints of the alerts that inhibit. */
export const inhibitionSuppressor: Suppressor = {
  kind: 'inhibition',
  scope: 'alert',
  prepare:
    ({ state }) =>
    (fingerprint, labels) =>
      inhibitorsOf(state, fingerprint, labels),
};

/**
 * Fingerprints of firing alerts that inhibit the given one, one for each rule that applies. A
 * label of `equal` that both lack counts as equal. An alert that matches both sides of a rule is
 * not inhibited by another such alert, as in Alertmanager.
 */
function inhibitorsOf(state: State, fingerprint: string, labels: Labels): readonly string[] {
  const found: string[] = [];
  for (const rule of state.config?.command.config.inhibitRules ?? []) {
    if (!matchesAll(rule.targetMatchers, labels)) continue;
    const isSourceToo = matchesAll(rule.sourceMatchers, labels);
    const sources = sourcesOf(state.alerts, rule).get(equalKey(rule, labels)) ?? [];
    const inhibitor = sources.find(
      (source) =>
        source.fingerprint !== fingerprint &&
        !(isSourceToo && matchesAll(rule.targetMatchers, source.labels)),
    );
    if (inhibitor !== undefined) found.push(inhibitor.fingerprint);
  }
  return found;
}

interface Source {
  readonly fingerprint: string;
  readonly labels: Labels;
}

type SourcesByKey = ReadonlyMap<string, readonly Source[]>;

/** Firing alerts by rule and `equal` labels; computed again only when the alerts have changed. */
const sources = new WeakMap<Table<Alert>, Map<InhibitRule, SourcesByKey>>();

function sourcesOf(alerts: Table<Alert>, rule: InhibitRule): SourcesByKey {
  const rules = sources.get(alerts) ?? new Map<InhibitRule, SourcesByKey>();
  sources.set(alerts, rules);
  const known = rules.get(rule);
  if (known !== undefined) return known;
  const byKey = new Map<string, Source[]>();
  for (const [fingerprint, alert] of entries(alerts)) {
    if (alert.resolved || !matchesAll(rule.sourceMatchers, alert.labels)) continue;
    const key = equalKey(rule, alert.labels);
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [{ fingerprint, labels: alert.labels }]);
    else same.push({ fingerprint, labels: alert.labels });
  }
  rules.set(rule, byKey);
  return byKey;
}

function equalKey(rule: InhibitRule, labels: Labels): string {
  return JSON.stringify(rule.equal.map((name) => labelValue(labels, name)));
}
