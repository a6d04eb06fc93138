/**
 * The projection of groups: which alerts are told together, when, and what was told.
 *
 * Promise: timing as in Alertmanager's dispatcher. A new group waits `group_wait`, counted from
 * the start of its alert; afterwards it has a tick every `group_interval` (see `flushes.ts`).
 * Resolved alerts leave only when their end is told or nobody needs telling.
 */

import { logTimeOf } from './client-time.ts';
import { withUncertain, uncertainWithout } from './uncertain-deliveries.ts';
import { isEmpty } from './pages.ts';
import { groupOf, routesOf, routingOf, type RouteNode } from './routing.ts';
import type { Alert, UncertainDelivery, Group, Notification, LastNotified } from './state.ts';
import type { Transaction } from './transaction.ts';

/** Log time was set forward: groups wait as long as they would have. */
export function postponeGroups(tx: Transaction, stepMs: number): void {
  for (const [key, group] of tx.entries('groups')) {
    const nextFlush = group.nextFlush + stepMs;
    tx.clearTimer('flushTimers', key, group.nextFlush);
    tx.setTimer('flushTimers', key, nextFlush);
    tx.put('groups', key, { ...group, nextFlush });
  }
}

/** Puts an alert into the groups of its routes; gives back all groups that now hold it. */
export function joinGroups(tx: Transaction, fingerprint: string, alert: Alert): readonly string[] {
  if (tx.config === null) return alert.groups;
  const routing = routingOf(tx.config.command.config);
  const joined = routesOf(routing, alert.labels).map((node) =>
    joinGroup(tx, node, fingerprint, alert),
  );
  return [...new Set([...alert.groups, ...joined])];
}

export function joinGroup(
  tx: Transaction,
  node: RouteNode,
  fingerprint: string,
  alert: Alert,
): string {
  const { key, text, labels } = groupOf(node, alert.labels);
  const waitedAt = logTimeOf(alert.startsAt, alert) + node.route.groupWaitMs;
  const group = tx.get('groups', key);
  if (group === undefined) {
    const nextFlush = waitedAt <= tx.at ? tx.at : tx.at + node.route.groupWaitMs;
    tx.put('groups', key, {
      text,
      route: node.index,
      receiver: node.route.receiver,
      labels,
      alerts: tx.own({ [fingerprint]: 1 }),
      createdAt: tx.at,
      nextFlush,
      flushed: false,
      told: {},
      owed: {},
      leaving: [],
      last: null,
    });
    tx.setTimer('flushTimers', key, nextFlush);
    return key;
  }
  const alerts = tx.own(group.alerts);
  alerts[fingerprint] = 1;
  if (!group.flushed && waitedAt <= tx.at && group.nextFlush > tx.at) {
    tx.clearTimer('flushTimers', key, group.nextFlush);
    tx.setTimer('flushTimers', key, tx.at);
    tx.put('groups', key, { ...group, alerts, nextFlush: tx.at });
  } else {
    tx.put('groups', key, { ...group, alerts });
  }
  return key;
}

/** Nobody knows what became of a try: until the next delivery, all it said is in doubt. */
export function markUncertain(tx: Transaction, id: string, row: Notification): void {
  const group = tx.get('groups', row.group);
  if (group === undefined) return;
  const { integration } = row;
  const doubt = withUncertain(group.doubts?.[integration], id, row);
  tx.put('groups', row.group, { ...group, doubts: { ...group.doubts, [integration]: doubt } });
}

/** The group as it is when nothing that an integration was told is in doubt. */
function withoutUncertain(group: Group, integration: string): Group {
  const { doubts = {}, ...rest } = group;
  const { [integration]: _settled, ...others } = doubts;
  return isEmpty(others) ? rest : { ...rest, doubts: others };
}

/** A notification was delivered: what it said is told. */
export function markNotified(
  tx: Transaction,
  key: string,
  integration: string,
  told: LastNotified,
): void {
  const group = tx.get('groups', key);
  if (group === undefined) return;
  settle(tx, key, integration, told.notification, {
    ...withoutUncertain(group, integration),
    told: { ...group.told, [integration]: told },
  });
}

/** A notification will never be delivered: the next tick finds the same facts and decides again. */
export function markFailed(tx: Transaction, key: string, integration: string, id: string): void {
  const group = tx.get('groups', key);
  if (group !== undefined) settle(tx, key, integration, id, { ...group, leaving: [] });
}

function settle(tx: Transaction, key: string, integration: string, id: string, group: Group): void {
  const owed = Object.fromEntries(
    Object.entries(group.owed).filter(([name, each]) => name !== integration || each !== id),
  );
  const settled = { ...group, owed };
  tx.put('groups', key, settled);
  if (Object.keys(owed).length === 0) removeResolved(tx, key, settled);
}

/** Lets resolved alerts go, and the group with them when it is empty. */
export function removeResolved(tx: Transaction, key: string, group: Group): void {
  const alerts: Record<string, 1> = { ...group.alerts };
  const left = new Set<string>();
  for (const fingerprint of group.leaving) {
    const alert = tx.get('alerts', fingerprint);
    if (alert !== undefined && !alert.resolved) continue;
    delete alerts[fingerprint];
    left.add(fingerprint);
    if (alert !== undefined) {
      const groups = alert.groups.filter((each) => each !== key);
      tx.put('alerts', fingerprint, { ...alert, groups });
    }
  }
  if (Object.keys(alerts).length === 0) {
    tx.clearTimer('flushTimers', key, group.nextFlush);
    tx.remove('groups', key);
  } else {
    tx.put('groups', key, { ...forgotten(group, left), alerts, leaving: [] });
  }
}

/** An alert that has left is no longer told as firing: if it comes back, that is news. */
function forgotten(group: Group, left: ReadonlySet<string>): Group {
  if (left.size === 0) return group;
  const told = Object.entries(group.told).map(([integration, each]): [string, LastNotified] => {
    const firing = each.firing.filter((fingerprint) => !left.has(fingerprint));
    return [integration, { ...each, firing }];
  });
  const stays: Group = { ...group, told: Object.fromEntries(told) };
  if (group.doubts === undefined) return stays;
  const doubts = Object.entries(group.doubts).map(
    ([integration, each]): [string, UncertainDelivery] => {
      return [integration, uncertainWithout(each, left)];
    },
  );
  return { ...stays, doubts: Object.fromEntries(doubts) };
}
