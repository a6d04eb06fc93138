/**
 * Doubts: what an integration may have been told by tries of which nobody knows the outcome.
 *
 * Promise: until a delivery ends the doubt, what is decided is right in both cases. An alert counts
 * as told only if it was told either way; its end is owed if anybody may have heard that it fires.
 * What is said again is said under the same key only where nothing is lost when the receiver drops
 * it for a message it had before.
 */

import { logTimeOf } from './client-time.ts';
import type { UncertainDelivery, Notification, NotificationKey, LastNotified } from './state.ts';

/** The doubt after one more try of which nobody knows the outcome. */
export function withUncertain(
  before: UncertainDelivery | undefined,
  id: string,
  row: Notification,
): UncertainDelivery {
  const { firing } = row;
  if (before === undefined) return { notification: id, surely: firing, maybe: firing };
  const still = new Set(firing);
  return {
    notification: id,
    surely: before.surely.filter((fingerprint) => still.has(fingerprint)),
    maybe: [...new Set([...before.maybe, ...firing])],
  };
}

/** Alerts that were told as firing whatever became of the tries in doubt. */
export function certainlyNotified(
  told: LastNotified,
  doubt: UncertainDelivery | undefined,
): readonly string[] {
  if (doubt === undefined) return told.firing;
  const surely = new Set(doubt.surely);
  return told.firing.filter((fingerprint) => surely.has(fingerprint));
}

/** The doubt without alerts that have left the group: nobody is told any more that they ended. */
export function uncertainWithout(
  doubt: UncertainDelivery,
  left: ReadonlySet<string>,
): UncertainDelivery {
  return { ...doubt, maybe: doubt.maybe.filter((fingerprint) => !left.has(fingerprint)) };
}

/** The id from which the idempotency key of a notification is made. */
export function keyOf(id: string, row: Notification): string {
  return row.key?.notification ?? id;
}

/** What a new notification says, as far as it matters for its key. */
type NotifiedContent = Pick<Notification, 'reason' | 'alerts' | 'firing' | 'resolved'>;

/** When a notification is decided. */
interface DecidedContent {
  readonly at: number;
  /** When the configuration was applied by which it is sent. */
  readonly configAt: number;
  readonly repeatIntervalMs: number;
}

/**
 * The key under which a new notification says again what the one in doubt said, or null when it
 * needs a key of its own: because it says something else, because a new configuration may send it
 * elsewhere or otherwise, or because even who heard it is due to hear it again by now.
 */
export function reusableKey(
  id: string,
  before: Notification,
  said: NotifiedContent,
  { at, configAt, repeatIntervalMs }: DecidedContent,
): NotificationKey | null {
  const key = before.key ?? { notification: id, since: before.decidedAt };
  const isStillNew = at < key.since + repeatIntervalMs;
  return isStillNew && repeatsContent(before, said, configAt) ? key : null;
}

/** Whether a new notification says what an earlier one said, in the same way and to the same. */
export function repeatsContent(
  before: Notification,
  said: NotifiedContent,
  configAt: number,
): boolean {
  return (
    before.reason === said.reason &&
    isSameList(before.firing, said.firing) &&
    isSameList(before.resolved, said.resolved) &&
    // An alert that ended and began again is another one, under the same fingerprint.
    said.alerts.every((alert) => logTimeOf(alert.startsAt, alert) <= before.decidedAt) &&
    configAt < before.decidedAt
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
