/**
 * What a leader appends next: the passing of time, decisions, attempts; and when it has to look again.
 *
 * Promise: a pure function of the state, the time and what the process has under way. Nothing due,
 * nothing to append. The node and the scenarios of the tests ask here, so they act alike.
 */

import type { Command } from '../commands/command.ts';
import type { Attempt } from '../commands/delivery.ts';
import { decide } from './decide.ts';
import { hasPending } from './gaps.ts';
import type { LocalTimeIn } from './muting.ts';
import type { State } from './state.ts';
import { dueTimers, nextTimer } from './timers.ts';
import { dueNotifications } from './views.ts';

/** Groups decided at once. */
const GROUPS_MAX = 256;
const SENDS_MAX = 64;
const SENDS_PER_INTEGRATION_MAX = 8;
/**
 * While a breach waits for the end of its `for`, the log is not without an entry for longer than this:
 * by its last entry a restart sees since when nobody has listened.
 */
const SIGN_OF_LIFE_MS = 10_000;

export interface NextOptions {
  /** The name of the node, which the attempts carry. */
  readonly node: string;
  /** Integration types that this build can send. */
  readonly senders: ReadonlySet<string>;
  readonly localTimeIn: LocalTimeIn;
  /** The integration of each attempt that this process has under way. */
  readonly underWay: readonly string[];
  /** The time of the last entry. */
  readonly appliedAt: number;
  /** No flush before this time. */
  readonly holdUntil: number;
}

/** Time first: decisions are made on a state in which every deadline has taken effect. */
export function nextCommands(state: State, now: number, options: NextOptions): readonly Command[] {
  if (nextTimer(state.foldTimers) <= now || owesSignOfLife(state, now, options.appliedAt)) {
    return [{ kind: 'clock' }];
  }
  const { localTimeIn, senders } = options;
  const flushes =
    now < options.holdUntil
      ? []
      : decide(state, now, { localTimeIn, senders, groupsMax: GROUPS_MAX });
  return [...flushes, ...attempts(state, now, options)];
}

/**
 * When something falls due if nothing is appended before; Infinity for never. Attempts that are due
 * already and were not started wait for an outcome, which is an entry.
 */
export function nextWakeAt(
  state: State,
  now: number,
  { holdUntil }: Pick<NextOptions, 'holdUntil'>,
): number {
  const flush = Math.max(nextTimer(state.flushTimers), holdUntil);
  return Math.min(nextTimer(state.foldTimers), flush, nextAttempt(state, now));
}

/** Whether an entry is owed only so that the log shows that somebody listened. */
export function owesSignOfLife(state: State, now: number, appliedAt: number): boolean {
  if (state.reducers.version < 2 || now - appliedAt < SIGN_OF_LIFE_MS) return false;
  return hasPending(state.breaches);
}

/** Attempts to start, within the limits of what may be under way. */
function attempts(state: State, now: number, { node, underWay }: NextOptions): readonly Attempt[] {
  const started: Attempt[] = [];
  const busy = new Map<string, number>();
  for (const integration of underWay) count(busy, integration);
  let free = SENDS_MAX - underWay.length;
  // All that is due is examined: behind those that wait for a slow receiver there are others.
  for (const { id, notification } of dueNotifications(state, now, Infinity)) {
    if (free === 0) break;
    const { integration, tries } = notification;
    if ((busy.get(integration) ?? 0) >= SENDS_PER_INTEGRATION_MAX) continue;
    count(busy, integration);
    free--;
    started.push({ kind: 'attempt', notification: id, try: tries + 1, node });
  }
  return started;
}

function nextAttempt({ attemptTimers }: State, now: number): number {
  const next = nextTimer(attemptTimers);
  if (next > now) return next;
  return dueTimers(attemptTimers, Infinity, Infinity).find(({ at }) => at > now)?.at ?? Infinity;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
