/** The monitors that this node runs: whether they get answers, and what of these cannot be judged. */

import type { MonitorReport, PageFacts } from '../ports.ts';
import { html, type Markup } from './markup.ts';
import { section } from './section.ts';
import { untrusted, timeElement } from './words.ts';

const ROWS_MAX = 200;

export function monitorsSection({ monitors, now }: PageFacts): Markup {
  // What is wrong comes first, since not all may be shown.
  const sorted = monitors.toSorted((a, b) => troubles(b) - troubles(a));
  return section({
    id: 'monitors',
    title: 'Monitors',
    columns: ['Name', 'Type', 'State', 'Polls', 'What is wrong'],
    items: sorted,
    rowsMax: ROWS_MAX,
    row: (monitor) => monitorRow(monitor, now),
    empty: 'No monitor runs here: they run on the leader.',
  });
}

function monitorRow(monitor: MonitorReport, now: number): Markup {
  const { failures, name, polls, problem, type } = monitor;
  return html`<tr>
    <td data-name="Name">${untrusted(name)}</td>
    <td data-name="Type">${type}</td>
    <td data-name="State">${stateOf(monitor)}</td>
    <td data-name="Polls">${polls}, ${failures} failed</td>
    <td data-name="What is wrong">
      ${problem === null ? '' : html`<div>${untrusted(problem)}</div>`} ${partsOf(monitor, now)}
    </td>
  </tr>`;
}

function partsOf({ dropped, shared }: MonitorReport, now: number): readonly Markup[] {
  const parts = dropped.map(
    ({ at, count, reason, sample }) =>
      html`<div>
        ${count} dropped, ${reason}: ${untrusted(sample)}
        <span class="why">last ${timeElement(at, now)}</span>
      </div>`,
  );
  if (shared === null) return parts;
  const both = html`<div>
    ${untrusted(shared.series)} comes from monitor ${untrusted(shared.monitor)}, too
  </div>`;
  return [...parts, both];
}

function stateOf({ polls, problem, ...monitor }: MonitorReport): string {
  if (problem !== null) return '✗ fails';
  if (polls === 0) return '○ not polled yet';
  return monitor.dropped.length > 0 || monitor.shared !== null ? '▲ in part' : '● well';
}

function troubles({ dropped, problem, shared }: MonitorReport): number {
  if (problem !== null) return 2;
  return dropped.length > 0 || shared !== null ? 1 : 0;
}
