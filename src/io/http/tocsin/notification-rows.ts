/**
 * Notifications as our own API shows them: what was owed to whom, why, and what became of it.
 */

import type { Notification, NotificationStatus, State } from '../../../projections/state.ts';
import { entries } from '../../../projections/table.ts';
import { labelsObject } from '../../../projections/views.ts';
import { timeOrNull } from './times.ts';

const STATUSES: readonly NotificationStatus[] = [
  'owed',
  'trying',
  'delivered',
  'rejected',
  'replaced',
];

export function isStatus(text: string): text is NotificationStatus {
  return STATUSES.some((status) => status === text);
}

export const STATUS_WORDS = STATUSES.join(', ');

/** Newest first; an empty list of statuses wants all. */
export function notificationRows(
  state: State,
  statuses: readonly NotificationStatus[],
  countMax: number,
): readonly object[] {
  return [...entries(state.notifications)]
    .filter(([, row]) => statuses.length === 0 || statuses.includes(row.status))
    .sort(([a], [b]) => byDecision(b, a))
    .slice(0, countMax)
    .map(([id, row]) => notificationJson(id, row));
}

export function notificationJson(id: string, row: Notification): object {
  return {
    id,
    status: row.status,
    reason: row.reason,
    receiver: row.receiver,
    integration: row.integration,
    group: row.groupText,
    groupLabels: labelsObject(row.groupLabels),
    firing: row.firing,
    resolved: row.resolved,
    /** The log index of the decision. */
    index: indexOf(id),
    decidedAt: timeOrNull(row.decidedAt),
    tries: row.tries,
    /** True when an attempt ended unknown: it may have arrived more than once. */
    uncertain: row.uncertain,
    node: row.node,
    lastResult: row.lastResult,
    lastAt: timeOrNull(row.lastAt),
    nextTryAt: row.status === 'owed' ? timeOrNull(row.wakeAt) : null,
  };
}

/** Orders ids `<log index>.<place>`, the oldest decision first. */
export function byDecision(a: string, b: string): number {
  return indexOf(a) - indexOf(b) || placeOf(a) - placeOf(b);
}

function indexOf(id: string): number {
  return Number(id.split('.')[0]);
}

function placeOf(id: string): number {
  return Number(id.split('.')[1]);
}
