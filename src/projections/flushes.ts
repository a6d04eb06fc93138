/**
 * The projection of decisions: one tick of one group is used up.
 *
 * Promise: a decision takes effect once. Its tick must be the group's next one, so the decision of
 * a second leader about the same tick changes nothing.
 */

import type { Route } from '../commands/config.ts';
import type { Flush } from '../commands/decisions.ts';
import { byClientClock } from './client-time.ts';
import { removeResolved } from './groups.ts';
import { oweNotification, replaceNotification, type NotificationContent } from './notifications.ts';
import { routingOf } from './routing.ts';
import type { Alert, Group, NotifiedAlert, LastNotified } from './state.ts';
import type { Transaction } from './transaction.ts';

/** The verdict that leaves a notification as it is. */
const STILL_SENDING = 'the last notification is still being sent';

/** Folds a decision: owes what it says to tell, records what it says to withhold. */
export function flush(tx: Transaction, command: Flush): void {
  const key = command.group;
  const group = tx.get('groups', key);
  if (group === undefined || group.nextFlush !== command.tick) {
    // It was used up before, or a reload has started the ticks anew: which of them is not known here.
    const is = group === undefined ? 'of a group that is gone' : 'not the next one of its group';
    const why = `its tick is ${is}: ${key}`;
    tx.note({ kind: 'ignored', command: 'flush', why });
    return;
  }
  const owed: Record<string, string> = {};
  const keeps = new Set(
    command.verdicts
      .filter(({ reason }) => reason === STILL_SENDING)
      .map((each) => each.integration),
  );
  const decided = new Set(command.verdicts.map((each) => each.integration));
  for (const [integration, id] of Object.entries(group.owed)) {
    const cause = decided.has(integration) ? 'newer decision' : 'integration gone';
    // An attempt that is under way keeps its place, and so does one that was when it was decided;
    // what only waits is said anew, or not at all.
    if (keeps.has(integration) || !replaceNotification(tx, id, cause)) owed[integration] = id;
  }
  const isStillSending = Object.keys(owed).length > 0;
  const told: Record<string, LastNotified> = { ...group.told };
  const content = contentOf(tx, group, command);
  const { groupIntervalMs, repeatIntervalMs } = routeOf(tx, group);
  for (const { integration, notify, reason } of command.verdicts) {
    if (notify) {
      // Every verdict to tell uses up an id, so that whoever reads the log can count along.
      const id = tx.newNotificationId();
      if (owed[integration] !== undefined) continue;
      owed[integration] = id;
      oweNotification(
        tx,
        id,
        { ...content, group: key, integration, reason },
        { doubt: group.doubts?.[integration], repeatIntervalMs },
      );
    } else if (reason === 'resolved notices are off for this integration') {
      const { firing, resolved } = command;
      told[integration] = { at: tx.at, firing, resolved, notification: '' };
    }
  }
  const nextFlush = tickAfter(group.nextFlush, groupIntervalMs, tx.at);
  tx.clearTimer('flushTimers', key, group.nextFlush);
  tx.setTimer('flushTimers', key, nextFlush);
  const { muted, verdicts } = command;
  const flushed: Group = {
    ...group,
    told,
    owed,
    nextFlush,
    flushed: true,
    // Who is still being told of an alert's life must hear of its end later.
    leaving: isStillSending ? [] : resolvedMembers(tx, command),
    last: { index: tx.index, at: tx.at, muted, verdicts },
  };
  tx.put('groups', key, flushed);
  if (Object.keys(owed).length === 0) removeResolved(tx, key, flushed);
}

/** Resolved alerts, told or muted: once the flush is through, nobody waits for them. */
function resolvedMembers(tx: Transaction, command: Flush): readonly string[] {
  const muted = command.muted.map((each) => each.fingerprint);
  return [...command.resolved, ...muted].filter(
    (fingerprint) => tx.get('alerts', fingerprint)?.resolved === true,
  );
}

function routeOf(tx: Transaction, group: Group): Route {
  if (tx.config === null) throw new Error('a group exists without a configuration');
  const node = routingOf(tx.config.command.config).nodes[group.route];
  if (node === undefined) throw new Error(`group ${group.text} names a route that is not there`);
  return node.route;
}

/** The next tick on the grid of the group that lies after `now`: a late flush does not bunch up. */
function tickAfter(tick: number, intervalMs: number, now: number): number {
  const missed = Math.max(0, Math.floor((now - tick) / intervalMs));
  return tick + (missed + 1) * intervalMs;
}

function contentOf(
  tx: Transaction,
  group: Group,
  command: Flush,
): Omit<NotificationContent, 'group' | 'integration' | 'reason'> {
  const { firing, resolved } = command;
  const alerts = [...firing, ...resolved].flatMap((fingerprint): NotifiedAlert[] => {
    const alert = tx.get('alerts', fingerprint);
    return alert === undefined ? [] : [notifiedAlert(fingerprint, alert, resolved)];
  });
  return {
    groupText: group.text,
    groupLabels: group.labels,
    receiver: group.receiver,
    alerts,
    firing,
    resolved,
  };
}

/** An alert as it was decided to be told; the decision says whether it counts as resolved. */
function notifiedAlert(
  fingerprint: string,
  alert: Alert,
  resolved: readonly string[],
): NotifiedAlert {
  const isResolved = alert.resolved && resolved.includes(fingerprint);
  return {
    ...byClientClock(alert.offsetMs),
    fingerprint,
    labels: alert.labels,
    annotations: alert.annotations,
    generatorUrl: alert.generatorUrl,
    startsAt: alert.startsAt,
    endsAt: isResolved ? alert.endsAt : 0,
    resolved: isResolved,
    value: alert.origin?.value ?? null,
  };
}
