/**
 * The projection of the configuration: gives checks their ids, drops what no check watches any
 * more, starts watching what is new, and routes all alerts anew.
 *
 * Promise: a check that keeps its labels keeps its breaches, whatever else of it was edited; the
 * next reading judges them by the new rule.
 */

import type { ApplyConfig } from '../commands/config.ts';
import { resolveCheck } from './alerts.ts';
import { audit } from './audit.ts';
import { checkKey, checksOf, type Checks } from './checks.ts';
import { regroup } from './regroup.ts';
import { routingOf } from './routing.ts';
import { dropBreach, intern, MISSING_TIMER, watch, watchers } from './series.ts';
import type { Facts } from './state.ts';
import type { Transaction } from './transaction.ts';

/** Folds a configuration that was applied. */
export function applyConfig(tx: Transaction, command: ApplyConfig): void {
  const before = checksOf(tx.config, tx.facts);
  tx.facts = withCheckIds(tx.facts, command.config.checks.map(checkKey));
  const { actor, origin, source, externalUrl, config } = command;
  audit(tx, { action: 'applyConfig', subject: origin, actor });
  tx.config = { index: tx.index, at: tx.at, command: { origin, source, externalUrl, config } };
  const checks = checksOf(tx.config, tx.facts);
  dropUnwatched(tx, before);
  watchMissing(tx, checks);
  regroup(tx, routingOf(command.config));
}

/** Keys of checks that are gone are kept: a check that comes back is the same one. */
function withCheckIds(facts: Facts, keys: readonly string[]): Facts {
  const checkIds: Record<string, number> = { ...facts.checkIds };
  let { nextCheckId } = facts;
  for (const key of keys) if (!Object.hasOwn(checkIds, key)) checkIds[key] = nextCheckId++;
  return { ...facts, checkIds, nextCheckId };
}

function dropUnwatched(tx: Transaction, before: Checks): void {
  for (const [series, breaches] of tx.rows('breaches')) {
    const watching = watchers(tx, series);
    for (const [key, breach] of Object.entries(breaches)) {
      const id = Number(key);
      if (watching.some((compiled) => compiled.id === id)) continue;
      dropBreach(tx, series, id);
      const gone = before.byId.get(id);
      if (breach.firesAt === 0 && gone !== undefined) {
        resolveCheck(tx, gone.check, series, 'check changed');
      }
    }
  }
}

/**
 * Starts the watch of series that a `missing` check is now responsible for. A pattern without
 * wildcards names a series that must exist: it is watched even if it was never seen.
 */
function watchMissing(tx: Transaction, checks: Checks): void {
  const missing = checks.all.filter(({ check }) => check.condition.kind === 'missing');
  if (missing.length === 0 && tx.rows('seen').length === 0) return;
  // Each watched series is given its timers below; those of the old rules would only pile up.
  tx.clearTimersOf('foldTimers', MISSING_TIMER);
  for (const { glob } of missing) if (glob.literal !== null) intern(tx, glob.literal);
  for (const [series] of tx.rows('series')) {
    const watching = watchers(tx, series);
    const isWatched = watching.some(({ check }) => check.condition.kind === 'missing');
    if (!isWatched) tx.removeRow('seen', series);
    else watch(tx, series, watching);
  }
}
