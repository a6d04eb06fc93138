/** The strip at the top of the page: four numbers and one sentence. */

import type { PageFacts } from '../ports.ts';
import { html, type Markup } from './markup.ts';

export interface Counts {
  readonly firing: number;
  readonly pending: number;
  readonly groups: number;
  /** Notifications that have not arrived yet. */
  readonly owed: number;
}

export function summary(counts: Counts, facts: PageFacts): Markup {
  return html`<section class="summary" role="status" aria-label="Summary">
    <p class="verdict">${verdict(counts, facts)}</p>
    <dl>
      ${tile('Firing', counts.firing, counts.firing > 0 ? 'bad' : 'good')}
      ${tile('Pending', counts.pending, counts.pending > 0 ? 'warn' : 'calm')}
      ${tile('Groups', counts.groups, 'calm')}
      ${tile('Owed', counts.owed, counts.owed > 0 ? 'warn' : 'calm')}
    </dl>
  </section>`;
}

function tile(name: string, count: number, tone: 'bad' | 'warn' | 'good' | 'calm'): Markup {
  return html`<div class="tile ${tone}">
    <dt>${name}</dt>
    <dd>${count}</dd>
  </div>`;
}

function verdict({ firing, pending }: Counts, { view, status, isReady }: PageFacts): string {
  if (status.leader === null) return '✗ No leader is known: no notification can be sent now.';
  if (!isReady) return '… Starting: the log is still being read.';
  if (view.state.config === null) return '… No configuration has been applied yet.';
  if (firing > 0) return `▲ ${firing} ${firing === 1 ? 'alert' : 'alerts'} firing.`;
  if (pending > 0) return '◔ No alert is firing, but a check is in breach.';
  return '✓ All quiet.';
}
