/** The alerts that fire, with what holds them back, and the breaches that may become alerts. */

import { causeWords } from '../../commands/causes.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import type { Alert, State } from '../../projections/state.ts';
import { Suppressions } from '../../projections/suppressions.ts';
import { entries } from '../../projections/table.ts';
import {
  alertView,
  isFiring,
  pendingAlerts,
  type AlertView,
  type PendingView,
} from '../../projections/views.ts';
import { html, type Markup } from './markup.ts';
import { section } from './section.ts';
import { untrusted, timeElement } from './words.ts';

/** Rows of one table: more than anybody reads in a fire. */
const ROWS_MAX = 50;

export interface Counted {
  readonly markup: Markup;
  readonly count: number;
}

/** The latest alerts first: what is new is what somebody looks for. */
export function alertsSection(state: State, now: number, localTimeIn: LocalTimeIn): Counted {
  const firing: (readonly [string, Alert])[] = [];
  for (const entry of entries(state.alerts)) if (isFiring(entry[1], now)) firing.push(entry);
  firing.sort(([a, left], [b, right]) => right.startsAt - left.startsAt || (a < b ? -1 : 1));
  const suppressions = new Suppressions({ state, now, localTimeIn });
  const markup = section({
    id: 'alerts',
    title: 'Firing alerts',
    columns: ['State', 'Alert', 'Since', 'Receivers'],
    items: firing,
    rowsMax: ROWS_MAX,
    row: ([fingerprint, alert]) =>
      alertRow(alertView(state, fingerprint, alert, suppressions), now),
    empty: 'No alert is firing.',
  });
  return { markup, count: firing.length };
}

function alertRow(view: AlertView, now: number): Markup {
  const summary = view.annotations['summary'] ?? view.annotations['description'] ?? '';
  const receivers = view.receivers.length === 0 ? html`none` : view.receivers.map(receiverChip);
  return html`<tr>
    <td data-name="State">${stateMark(view)}</td>
    <td data-name="Alert">
      <strong>${untrusted(view.labels['alertname'] ?? view.fingerprint)}</strong>
      ${summary === '' ? '' : html`<p>${untrusted(summary)}</p>`}
      <p class="labels">${labelChips(view)}</p>
    </td>
    <td data-name="Since">${timeElement(view.startsAt, now)}</td>
    <td data-name="Receivers">${receivers}</td>
  </tr>`;
}

function receiverChip(name: string): Markup {
  return html`<span class="chip">${untrusted(name)}</span> `;
}

/** Whether it is notified, and if not, why. */
function stateMark(view: AlertView): Markup {
  const causes = view.causes.map(causeWords);
  if (causes.length === 0) return html`<span class="mark bad">▲ firing</span>`;
  return html`<span class="mark calm">◇ held back</span>
    <p class="why">${untrusted(causes.join(', '))}</p>`;
}

/** Labels of one alert on the page; the rest is a click away. */
const LABELS_MAX = 12;

function labelChips(view: AlertView): readonly Markup[] {
  const pairs = Object.entries(view.labels).filter(([name]) => name !== 'alertname');
  const chips = pairs.slice(0, LABELS_MAX).map(([name, value]) => {
    return html`<span class="chip ${toneOf(name, value)}">${untrusted(`${name}=${value}`)}</span> `;
  });
  const more = pairs.length - LABELS_MAX;
  return more > 0 ? [...chips, html`<span class="chip">and ${more} more</span>`] : chips;
}

function toneOf(name: string, value: string): string {
  if (name !== 'severity') return '';
  return value === 'critical' || value === 'page' ? 'bad' : 'warn';
}

export function pendingSection(state: State, now: number): Counted {
  const pending = pendingAlerts(state);
  const markup = section({
    id: 'pending',
    title: 'Pending breaches',
    columns: ['State', 'Check', 'Series', 'Value', 'Since', 'Fires'],
    items: pending,
    rowsMax: ROWS_MAX,
    row: (breach) => pendingRow(breach, now),
    empty: 'No check is in breach.',
  });
  return { markup, count: pending.length };
}

function pendingRow({ check, series, value, since, firesAt }: PendingView, now: number): Markup {
  return html`<tr>
    <td data-name="State"><span class="mark warn">◔ pending</span></td>
    <td data-name="Check"><strong>${untrusted(check)}</strong></td>
    <td data-name="Series"><code>${untrusted(series)}</code></td>
    <td data-name="Value">${value}</td>
    <td data-name="Since">${timeElement(since, now)}</td>
    <td data-name="Fires">${timeElement(firesAt, now)}</td>
  </tr>`;
}
