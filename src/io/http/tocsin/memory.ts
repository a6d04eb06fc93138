/**
 * What a node does not know any more: it forgets what has ended, and the log does not. Answers out of
 * the state say so, because an empty list would deny what may have happened.
 */

import { RESOLVED_KEEP_MS } from '../../../projections/alerts.ts';
import { FINAL_KEEP_MS } from '../../../projections/notifications.ts';
import { selectorText, type AlertSelector } from './alert-selector.ts';
import { timeOrNull } from './times.ts';

export interface Memory {
  /** Every alert that ended at or after this time is known, and no other one that has ended. */
  readonly alertsSince: string | null;
  /** The same of notifications that were delivered, rejected or replaced. */
  readonly notificationsSince: string | null;
  /** What may have happened and is not in this answer. */
  readonly notKnown: string;
  /** The command that reads it from the log, for a shell on a machine of the cluster. */
  readonly ask: string;
}

/** The time since which ended notifications are known. */
export function notificationsSince(now: number): string | null {
  return timeOrNull(now - FINAL_KEEP_MS);
}

export function memoryOf(
  selector: AlertSelector,
  { now, isFound, dataDirectory }: { now: number; isFound: boolean; dataDirectory: string },
): Memory {
  const [alerts, notifications] = [timeOrNull(now - RESOLVED_KEEP_MS), notificationsSince(now)];
  const ofAlerts = isFound
    ? `If it fired before and that ended before ${alerts}, it is not shown.`
    : `This node knows no such alert now. One that ended before ${alerts} may have fired, and ` +
      'somebody may have been notified.';
  return {
    alertsSince: alerts,
    notificationsSince: notifications,
    notKnown: `${ofAlerts} ${FORGETS}`,
    ask: `tocsin replay ${shellQuoted(dataDirectory)} --alert ${shellQuoted(selectorText(selector))}`,
  };
}

const FORGETS =
  `A node forgets an alert ${RESOLVED_KEEP_MS / 60_000} minutes after its end, a notification ` +
  `${FINAL_KEEP_MS / 3_600_000} hours after its end, a breach that ended before it fired at once, and ` +
  'all decisions about a group but the last. The log has them, as far back as it reaches.';

/** A word that a POSIX shell takes as it is. */
function shellQuoted(text: string): string {
  return /^[\w/.-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
