/**
 * Rows of the state by their status, for the metrics.
 *
 * Promise: a scrape walks the tables once, however many metrics ask, and not at all when nothing
 * has changed.
 */

import { rowsOf } from '../../projections/pages.ts';
import { silenceStatus, type SilenceStatus } from '../../projections/silences.ts';
import type { NotificationStatus, State } from '../../projections/state.ts';
import { entries } from '../../projections/table.ts';
import { isFiring } from '../../projections/views.ts';

export interface StateCounts {
  readonly alerts: Readonly<Record<'pending' | 'firing' | 'resolved', number>>;
  readonly silences: Readonly<Record<SilenceStatus, number>>;
  readonly notifications: Readonly<Record<NotificationStatus, number>>;
}

/** A reader of counts at a time (epoch milliseconds) that remembers its last answer for a second. */
export function stateCounter(): (state: State, now: number) => StateCounts {
  let last: { state: State; second: number; counts: StateCounts } | null = null;
  return (state, now) => {
    const second = Math.floor(now / 1000);
    if (last?.state !== state || last.second !== second) {
      last = { state, second, counts: counted(state, now) };
    }
    return last.counts;
  };
}

function counted(state: State, now: number): StateCounts {
  const alerts = { pending: 0, firing: 0, resolved: 0 };
  for (const [, breaches] of rowsOf(state.breaches)) {
    for (const { firesAt } of Object.values(breaches)) if (firesAt > 0) alerts.pending++;
  }
  for (const [, alert] of entries(state.alerts))
    alerts[isFiring(alert, now) ? 'firing' : 'resolved']++;
  const silences = { pending: 0, active: 0, expired: 0 };
  for (const [, silence] of entries(state.silences)) silences[silenceStatus(silence, now)]++;
  const notifications = { owed: 0, trying: 0, delivered: 0, rejected: 0, replaced: 0 };
  for (const [, { status }] of entries(state.notifications)) notifications[status]++;
  return { alerts, silences, notifications };
}
