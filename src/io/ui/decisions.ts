/** Who is notified next, and who was: groups with their next flush, and notifications. */

import type { Group, Notification, NotificationStatus, State } from '../../projections/state.ts';
import { entries } from '../../projections/table.ts';
import type { Counted } from './alerts.ts';
import { html, type Markup } from './markup.ts';
import { section } from './section.ts';
import { untrusted, timeElement } from './words.ts';

/** Rows of one table. */
const ROWS_MAX = 25;

/** The groups that are due first. */
export function groupsSection(state: State, now: number): Markup {
  const groups = [...entries(state.groups)].map(([, group]) => group);
  groups.sort((a, b) => a.nextFlush - b.nextFlush || (a.text < b.text ? -1 : 1));
  return section({
    id: 'groups',
    title: 'Groups',
    columns: ['Group', 'Receiver', 'Alerts', 'Next flush', 'Last decision'],
    items: groups,
    rowsMax: ROWS_MAX,
    row: (group) => groupRow(group, now),
    empty: 'No alert waits for a notification.',
  });
}

function groupRow(group: Group, now: number): Markup {
  return html`<tr>
    <td data-name="Group"><code>${untrusted(group.text)}</code></td>
    <td data-name="Receiver">${untrusted(group.receiver)}</td>
    <td data-name="Alerts">${Object.keys(group.alerts).length}</td>
    <td data-name="Next flush">${timeElement(group.nextFlush, now)}</td>
    <td data-name="Last decision">${lastDecision(group, now)}</td>
  </tr>`;
}

function lastDecision({ last }: Group, now: number): Markup {
  if (last === null) return html`none yet`;
  const verdicts = last.verdicts.map(
    ({ integration, notify, reason }) =>
      html`<p>${notify ? '● notified' : '○ not notified'} ${untrusted(integration)}: ${reason}</p>`,
  );
  return html`<p>${timeElement(last.at, now)}, log index ${last.index}</p>
    ${verdicts}`;
}

/** The latest notifications, with what became of them. */
export function notificationsSection(
  state: State,
  now: number,
): Counted & { readonly owedCount: number } {
  const all = [...entries(state.notifications)];
  all.sort(([a, left], [b, right]) => right.decidedAt - left.decidedAt || placeOf(b) - placeOf(a));
  const markup = section({
    id: 'notifications',
    title: 'Recent notifications',
    columns: ['Outcome', 'Integration', 'Why', 'About', 'Decided', 'Tries'],
    items: all,
    rowsMax: ROWS_MAX,
    row: ([id, row]) => notificationRow(id, row, now),
    empty: 'No notification was sent in the last day.',
  });
  const owed = all.filter(([, { status }]) => status === 'owed' || status === 'trying');
  return { markup, count: all.length, owedCount: owed.length };
}

/** The place of a notification in its decision: its id is `<log index>.<place>`. */
function placeOf(id: string): number {
  return Number(id.split('.')[1]);
}

const MARKS: Readonly<Record<NotificationStatus, readonly [text: string, tone: string]>> = {
  owed: ['◔ owed', 'warn'],
  trying: ['↻ trying', 'warn'],
  delivered: ['✓ delivered', 'good'],
  rejected: ['✗ rejected', 'bad'],
  replaced: ['⤳ replaced', 'calm'],
};

function notificationRow(id: string, row: Notification, now: number): Markup {
  const [text, tone] = MARKS[row.status];
  return html`<tr>
    <td data-name="Outcome">
      <span class="mark ${tone}">${text}</span>
      ${row.lastResult === '' ? '' : html`<p class="why">${untrusted(row.lastResult)}</p>`}
      ${row.uncertain ? html`<p class="why">may have arrived twice</p>` : ''}
    </td>
    <td data-name="Integration">${untrusted(row.integration)}</td>
    <td data-name="Why">
      ${row.reason}
      <p class="why">decision ${id}</p>
    </td>
    <td data-name="About">
      ${about(row)}
      <p class="why"><code>${untrusted(row.groupText)}</code></p>
    </td>
    <td data-name="Decided">${timeElement(row.decidedAt, now)}</td>
    <td data-name="Tries">${row.tries}${nextTry(row, now)}</td>
  </tr>`;
}

function about({ firing, resolved }: Notification): string {
  const parts = [
    ...(firing.length > 0 ? [`${firing.length} firing`] : []),
    ...(resolved.length > 0 ? [`${resolved.length} resolved`] : []),
  ];
  return parts.join(', ');
}

function nextTry({ status, wakeAt, tries }: Notification, now: number): Markup | string {
  if (status !== 'owed' || tries === 0) return '';
  return html`<p class="why">next ${wakeAt <= now ? 'is due' : timeElement(wakeAt, now)}</p>`;
}
