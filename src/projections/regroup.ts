/**
 * What a new configuration does to groups: every alert is routed anew and all timers start again,
 * as Alertmanager does on a reload.
 *
 * Promise: a group that a receiver sees as the same one goes on: what it was told stays told, what
 * it is owed stays owed. What is owed to a group that is gone is not sent any more.
 */

import { joinGroup } from './groups.ts';
import { replaceNotification } from './notifications.ts';
import { routesOf, type Routing } from './routing.ts';
import type { Group } from './state.ts';
import type { Transaction } from './transaction.ts';

/** Routes every alert that fires, or whose end is not yet told, by the new tree. */
export function regroup(tx: Transaction, routing: Routing): void {
  const previousGroups = new Map<string, Group[]>();
  for (const [key, group] of tx.entries('groups')) {
    previousGroups.set(successorKey(group), [
      ...(previousGroups.get(successorKey(group)) ?? []),
      group,
    ]);
    tx.clearTimer('flushTimers', key, group.nextFlush);
    tx.remove('groups', key);
  }
  for (const [fingerprint, alert] of tx.entries('alerts')) {
    if (alert.resolved && alert.groups.length === 0) continue;
    const groups = routesOf(routing, alert.labels).map((node) =>
      joinGroup(tx, node, fingerprint, alert),
    );
    tx.put('alerts', fingerprint, { ...alert, groups: [...new Set(groups)] });
  }
  for (const [key, group] of tx.entries('groups')) {
    const old = previousGroups.get(successorKey(group))?.shift();
    if (old !== undefined) inherit(tx, key, group, old);
  }
  for (const { owed } of [...previousGroups.values()].flat()) {
    for (const id of Object.values(owed)) replaceNotification(tx, id, 'reload');
  }
}

/** Routes may have moved in the tree; what receivers see as the same group is the same group. */
function successorKey(group: Group): string {
  return `${group.receiver} ${group.text}`;
}

function inherit(tx: Transaction, key: string, group: Group, old: Group): void {
  const { told, doubts, owed, last } = old;
  const successor: Group = { ...group, told, owed, last };
  tx.put('groups', key, doubts === undefined ? successor : { ...successor, doubts });
  for (const id of Object.values(old.owed)) {
    const row = tx.get('notifications', id);
    if (row !== undefined) tx.put('notifications', id, { ...row, group: key });
  }
}
