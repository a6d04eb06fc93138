/**
 * The projection of notifications: what is owed to whom, and what became of each try.
 *
 * Promise: `owed → trying → delivered | rejected`, or back to `owed` after a try that failed or
 * whose outcome nobody knows; `replaced` when the next flush of the group speaks instead. At most
 * one attempt is under way for one notification, and one try number is used once.
 */

import { integrationKey } from '../commands/config.ts';
import { UNREADABLE_STATUS, type Attempt, type Outcome } from '../commands/delivery.ts';
import { reusableKey, repeatsContent } from './uncertain-deliveries.ts';
import { markUncertain, markFailed, markNotified } from './groups.ts';
import { integrationsOf, routingOf } from './routing.ts';
import type {
  UncertainDelivery,
  Group,
  Notification,
  NotificationKey,
  NotificationStatus,
} from './state.ts';
import type { GivenUp, Transaction } from './transaction.ts';

type Result = Outcome['result'];

/** How long a final notification can still be looked at. */
export const FINAL_KEEP_MS = 24 * 3_600_000;
/** Wait before the second try; it doubles with each further one. */
const BACKOFF_FIRST_MS = 500;
/** The longest wait between two tries. */
const BACKOFF_LAST_MS = 30_000;

/**
 * So many copies go out at the usual pace to a receiver whose answers cannot be read; then one each
 * `repeat_interval`. It takes them, as far as anybody knows, and more of them help nobody.
 */
const UNREADABLE_COPIES_MAX = 3;

/** What a decision says of a notification; all else is what becomes of it. */
export type NotificationContent = Pick<
  Notification,
  | 'group'
  | 'groupText'
  | 'groupLabels'
  | 'receiver'
  | 'integration'
  | 'reason'
  | 'alerts'
  | 'firing'
  | 'resolved'
>;

/** What there is to know of earlier notifications when the next one is owed. */
export interface Before {
  /** What its integration may have been told. */
  readonly doubt: UncertainDelivery | undefined;
  readonly repeatIntervalMs: number;
}

/** Owes a notification from now on; its first try is due at once. */
export function oweNotification(
  tx: Transaction,
  id: string,
  content: NotificationContent,
  before: Before,
): void {
  const sendResolved = sendsResolved(tx, content);
  const key = inheritedKey(tx, content, before);
  const unreadable = inheritedUnreadable(tx, content, before);
  const row: Notification = {
    ...content,
    ...(key === null ? {} : { key }),
    ...(unreadable === null ? {} : { unreadable: unreadable.copies }),
    alerts: sendResolved ? content.alerts : content.alerts.filter((alert) => !alert.resolved),
    uncertain: before.doubt !== undefined,
    decidedAt: tx.at,
    status: 'owed',
    tries: 0,
    wakeAt: unreadable === null ? tx.at : Math.max(tx.at, unreadable.nextAt),
    node: '',
    lastResult: '',
    lastAt: 0,
  };
  tx.put('notifications', id, row);
  tx.setTimer('attemptTimers', id, row.wakeAt);
  note(tx, id, row, content.reason);
}

function inheritedKey(
  tx: Transaction,
  content: NotificationContent,
  { doubt, repeatIntervalMs }: Before,
): NotificationKey | null {
  if (doubt === undefined) return null;
  const row = tx.get('notifications', doubt.notification);
  if (row === undefined) return null;
  const decided = { at: tx.at, configAt: tx.config?.at ?? 0, repeatIntervalMs };
  return reusableKey(doubt.notification, row, content, decided);
}

/**
 * How often the answer to what is said again could not be read, and when its next copy is due: a group
 * that decides anew with every tick must not begin to count anew.
 */
function inheritedUnreadable(
  tx: Transaction,
  content: NotificationContent,
  { doubt, repeatIntervalMs }: Before,
): { readonly copies: number; readonly nextAt: number } | null {
  if (doubt === undefined || tx.reducers.version < 2) return null;
  const row = tx.get('notifications', doubt.notification);
  if (row?.unreadable === undefined) return null;
  if (!repeatsContent(row, content, tx.config?.at ?? 0)) return null;
  const copies = row.unreadable;
  const waitMs = copies < UNREADABLE_COPIES_MAX ? backoffMs(copies) : repeatIntervalMs;
  return { copies, nextAt: row.lastAt + waitMs };
}

/** Folds the start of a try. */
export function attempt(tx: Transaction, command: Attempt): void {
  const row = tx.get('notifications', command.notification);
  if (row === undefined || row.status !== 'owed' || command.try !== row.tries + 1) {
    ignore(tx, 'attempt', command, row);
    return;
  }
  tx.clearTimer('attemptTimers', command.notification, row.wakeAt);
  const trying: Notification = {
    ...row,
    status: 'trying',
    tries: command.try,
    wakeAt: 0,
    node: command.node,
    lastAt: tx.at,
  };
  tx.put('notifications', command.notification, trying);
  note(tx, command.notification, trying, `try ${command.try} by ${command.node}`);
}

/** Folds what became of a try. */
export function outcome(tx: Transaction, command: Outcome): void {
  const id = command.notification;
  const row = tx.get('notifications', id);
  if (row === undefined || row.status !== 'trying' || command.try !== row.tries) {
    ignore(tx, 'outcome', command, row);
    return;
  }
  const isUnreadable = tx.reducers.version >= 2 && command.status === UNREADABLE_STATUS;
  const status = command.status === 0 || isUnreadable ? '' : ` ${command.status}`;
  const lastResult = `${command.result}${status}${command.detail === '' ? '' : `: ${command.detail}`}`;
  const tried: Notification = { ...row, lastResult, lastAt: tx.at };
  switch (command.result) {
    case 'delivered': {
      finish(tx, id, tried, 'delivered', { result: command.result });
      const { firing, resolved } = row;
      markNotified(tx, row.group, row.integration, {
        at: tx.at,
        firing,
        resolved,
        notification: id,
      });
      return;
    }
    case 'rejected':
      finish(tx, id, tried, 'rejected', { result: command.result });
      markFailed(tx, row.group, row.integration, id);
      return;
    case 'retry':
      tryAgain(tx, id, tried, command.result);
      return;
    case 'unknown':
      markUncertain(tx, id, tried);
      if (isUnreadable) notUnderstood(tx, id, { ...tried, uncertain: true });
      else tryAgain(tx, id, { ...tried, uncertain: true }, command.result);
      return;
  }
}

/**
 * The group decides anew, or has gone: a notification that only waits is given up. Answers false
 * when an attempt is under way, which nobody can call back.
 */
export function replaceNotification(tx: Transaction, id: string, cause: GivenUp): boolean {
  const row = tx.get('notifications', id);
  if (row === undefined) return true;
  if (row.status === 'trying') return false;
  if (row.status === 'owed') {
    tx.clearTimer('attemptTimers', id, row.wakeAt);
    finish(tx, id, row, 'replaced', { cause });
  }
  return true;
}

/** Its timer has come: a final notification is forgotten. */
export function notificationDue(tx: Transaction, id: string): void {
  const row = tx.get('notifications', id);
  if (row !== undefined && row.status !== 'owed' && row.status !== 'trying') {
    tx.remove('notifications', id);
  }
}

/** Its receiver answers what cannot be read: after a few copies they become rare. */
function notUnderstood(tx: Transaction, id: string, row: Notification): void {
  const copies = (row.unreadable ?? 0) + 1;
  const counted: Notification = { ...row, unreadable: copies };
  const group = tx.get('groups', row.group);
  if (copies < UNREADABLE_COPIES_MAX || group === undefined) {
    tryAgain(tx, id, counted, 'unknown');
    return;
  }
  const lastResult = `${row.lastResult} (after ${copies} copies the next ones follow by repeat_interval)`;
  const waitMs = repeatIntervalOf(tx, group);
  tryAgain(tx, id, { ...counted, lastResult }, 'unknown', waitMs);
}

function repeatIntervalOf(tx: Transaction, { route, text }: Group): number {
  if (tx.config === null) throw new Error('a group exists without a configuration');
  const node = routingOf(tx.config.command.config).nodes[route];
  if (node === undefined) throw new Error(`group ${text} names a route that is not there`);
  return node.route.repeatIntervalMs;
}

function tryAgain(
  tx: Transaction,
  id: string,
  row: Notification,
  result: Result,
  waitMs = backoffMs(row.tries),
): void {
  const cause = supersededBy(tx, id, row);
  if (cause !== null) {
    finish(tx, id, row, 'replaced', { result, cause });
    return;
  }
  const owed: Notification = { ...row, status: 'owed', wakeAt: tx.at + waitMs };
  tx.put('notifications', id, owed);
  tx.setTimer('attemptTimers', id, owed.wakeAt);
  note(tx, id, owed, row.lastResult, { result });
}

/**
 * Why a notification whose try failed is not tried again; null when it is. A group that has gone may
 * have come back under its key: then it owes nothing of before.
 */
function supersededBy(tx: Transaction, id: string, row: Notification): GivenUp | null {
  const owed = tx.get('groups', row.group)?.owed[row.integration];
  if (owed === id) return null;
  return owed === undefined ? 'group gone' : 'newer decision';
}

/** What became of a try, and why a notification was given up; absent where it is neither. */
interface Ended {
  readonly result?: Result;
  readonly cause?: GivenUp;
}

function finish(
  tx: Transaction,
  id: string,
  row: Notification,
  status: Exclude<NotificationStatus, 'owed' | 'trying'>,
  ended: Ended,
): void {
  const final: Notification = { ...row, status, alerts: [], wakeAt: tx.at + FINAL_KEEP_MS };
  tx.put('notifications', id, final);
  tx.setTimer('foldTimers', `notification:${id}`, final.wakeAt);
  note(tx, id, final, row.lastResult, ended);
}

/** Deterministic, so that every node knows the same due time; the cap bounds the load. */
function backoffMs(tries: number): number {
  return Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * (1 << Math.min(tries - 1, 16)));
}

function sendsResolved(tx: Transaction, content: NotificationContent): boolean {
  if (tx.config === null) return true;
  const routing = routingOf(tx.config.command.config);
  const integration = integrationsOf(routing, content.receiver).find(
    (each) => integrationKey(content.receiver, each) === content.integration,
  );
  return integration?.sendResolved ?? true;
}

function note(
  tx: Transaction,
  id: string,
  row: Notification,
  detail: string,
  ended: Ended = {},
): void {
  const { integration, groupText: group, status } = row;
  tx.note({ kind: 'notification', id, integration, group, status, ...ended, detail });
}

function ignore(
  tx: Transaction,
  command: 'attempt' | 'outcome',
  { notification: id, try: tryNumber }: Attempt | Outcome,
  row: Notification | undefined,
): void {
  const is = row === undefined ? 'not known (any more)' : `${row.status} after try ${row.tries}`;
  tx.note({
    kind: 'ignored',
    command,
    why: `try ${tryNumber} of ${id}: the notification is ${is}`,
  });
}
