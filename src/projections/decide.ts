/**
 * What is due now: for each group whose tick has come, whom to tell and whom not, with the reason.
 *
 * Promise: a pure function of the state and the time. It writes nothing: what it returns is
 * appended by the leader and takes effect when it is folded. It asks nothing of a network, and of
 * a time zone only through the function it is given.
 */

import { causeText } from '../commands/causes.ts';
import type { Flush, Muted, Reason, Verdict } from '../commands/decisions.ts';
import { integrationKey, type Integration } from '../commands/config.ts';
import { LIMITS } from '../commands/limits.ts';
import { certainlyNotified } from './uncertain-deliveries.ts';
import { gapsSince } from './gaps.ts';
import type { LocalTimeIn } from './muting.ts';
import { integrationsOf, routingOf, type RouteNode } from './routing.ts';
import type { Alert, UncertainDelivery, Group, State, LastNotified } from './state.ts';
import { Suppressions } from './suppressions.ts';
import { get } from './table.ts';
import { dueTimers, nextTimer } from './timers.ts';

export interface DecideOptions {
  readonly localTimeIn: LocalTimeIn;
  /** Integration types that this build can send. */
  readonly senders: ReadonlySet<string>;
  /** At most so many groups at once, so that one entry stays small. */
  readonly groupsMax: number;
}

/** The decisions that are due at `now`, those of the longest-waiting groups first. */
export function decide(state: State, now: number, options: DecideOptions): readonly Flush[] {
  const due = dueTimers(state.flushTimers, now, options.groupsMax);
  if (due.length === 0) return [];
  const suppressions = new Suppressions({ state, now, localTimeIn: options.localTimeIn });
  return due.flatMap(({ key }) => {
    const group = get(state.groups, key);
    return group === undefined ? [] : [flushOf(state, now, key, group, suppressions, options)];
  });
}

/** The earliest time at which the fold, a group or a notification is due; Infinity if none is. */
export function nextDue(state: State): number {
  return Math.min(
    nextTimer(state.foldTimers),
    nextTimer(state.flushTimers),
    nextTimer(state.attemptTimers),
  );
}

function flushOf(
  state: State,
  now: number,
  key: string,
  group: Group,
  suppressions: Suppressions,
  { senders }: DecideOptions,
): Flush {
  if (state.config === null) throw new Error('a group exists without a configuration');
  const { config } = state.config.command;
  const routing = routingOf(config);
  const node = routing.nodes[group.route];
  if (node === undefined) throw new Error(`group ${key} names a route that is not there`);
  const sorted = alertsOf(state, group);
  const muted = sorted.flatMap(([fingerprint, alert]): Muted[] => {
    const causes = suppressions.inRoute(fingerprint, alert.labels, group.route);
    if (causes.length === 0) return [];
    return [{ fingerprint, by: causes.slice(0, LIMITS.causesPerAlert).map(causeText) }];
  });
  const isMuted = new Set(muted.map((each) => each.fingerprint));
  const visible = sorted.filter(([fingerprint]) => !isMuted.has(fingerprint));
  const firing = visible.filter(([, alert]) => !alert.resolved).map(([fingerprint]) => fingerprint);
  const resolved = visible
    .filter(([, alert]) => alert.resolved)
    .map(([fingerprint]) => fingerprint);
  const verdicts = integrationsOf(routing, group.receiver).map((integration): Verdict => {
    const name = integrationKey(group.receiver, integration);
    const reason = senders.has(integration.type)
      ? reasonFor(state, now, { group, name, node, integration, firing, resolved })
      : 'this build has no such integration';
    return { integration: name, notify: isNotify(reason), reason };
  });
  return {
    kind: 'flush',
    group: key,
    tick: group.nextFlush,
    firing: firing.slice(0, LIMITS.alertsPerGroup),
    resolved: resolved.slice(0, LIMITS.alertsPerGroup),
    muted: named(muted),
    verdicts,
  };
}

/**
 * As many muted alerts and causes as a decision can name. What is left out is muted all the same;
 * a decision that is too large for an entry could never be taken.
 */
function named(muted: readonly Muted[]): readonly Muted[] {
  const causesMax = Math.max(1, Math.floor(LIMITS.causesPerDecision / (muted.length + 1)));
  return muted
    .slice(0, LIMITS.causesPerDecision)
    .map(({ fingerprint, by }) => ({ fingerprint, by: by.slice(0, causesMax) }));
}

interface Case {
  readonly group: Group;
  /** The integration's key. */
  readonly name: string;
  readonly node: RouteNode;
  readonly integration: Integration;
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
}

/**
 * Whether to tell, and why: the order of Alertmanager's `DedupStage.needsUpdate`, with a word for
 * each way of saying no.
 */
function reasonFor(state: State, now: number, each: Case): Reason {
  const { group, name, node, integration, firing, resolved } = each;
  const owed = get(state.notifications, group.owed[name] ?? '');
  if (owed?.status === 'trying') return 'the last notification is still being sent';
  if (firing.length === 0 && resolved.length === 0) return 'every alert is muted';
  const told = group.told[name];
  const doubt = group.doubts?.[name];
  if (firing.length === 0) return allResolved(told, doubt, integration);
  if (told === undefined) return 'first notification';
  if (hasNew(firing, certainlyNotified(told, doubt))) return 'new alerts added';
  if (integration.sendResolved && hasEnded(resolved, told, doubt)) return 'some alerts resolved';
  // While nobody listened, nobody saw that it still fires.
  const repeatsAt = told.at + node.route.repeatIntervalMs + gapsSince(state.facts, told.at);
  return repeatsAt <= now ? 'repeat interval elapsed' : 'nothing new, repeat interval not elapsed';
}

/** Who may have heard that an alert fires must hear of its end. */
function allResolved(
  told: LastNotified | undefined,
  doubt: UncertainDelivery | undefined,
  integration: Integration,
): Reason {
  const mayKnow = [...(told?.firing ?? []), ...(doubt?.maybe ?? [])];
  if (mayKnow.length === 0) return 'resolved before anyone was told';
  return integration.sendResolved
    ? 'all alerts resolved'
    : 'resolved notices are off for this integration';
}

/** Whether there is an end that was not told, or not since the alert may have been told again. */
function hasEnded(
  resolved: readonly string[],
  told: LastNotified,
  doubt: UncertainDelivery | undefined,
): boolean {
  const maybe = new Set(doubt?.maybe);
  return hasNew(resolved, told.resolved) || resolved.some((fingerprint) => maybe.has(fingerprint));
}

function hasNew(now: readonly string[], before: readonly string[]): boolean {
  const known = new Set(before);
  return now.some((fingerprint) => !known.has(fingerprint));
}

const NOTIFY: ReadonlySet<Reason> = new Set([
  'first notification',
  'new alerts added',
  'some alerts resolved',
  'all alerts resolved',
  'repeat interval elapsed',
]);

function isNotify(reason: Reason): boolean {
  return NOTIFY.has(reason);
}

/** The alerts of a group, the longest-lasting first. */
function alertsOf(state: State, group: Group): readonly (readonly [string, Alert])[] {
  return Object.keys(group.alerts)
    .flatMap((fingerprint): (readonly [string, Alert])[] => {
      const alert = get(state.alerts, fingerprint);
      return alert === undefined ? [] : [[fingerprint, alert]];
    })
    .sort(([a, left], [b, right]) => left.startsAt - right.startsAt || (a < b ? -1 : 1));
}
