/**
 * The status page: what is firing, what is about to, who is notified when, with what result, and how the
 * node is. One document without scripts, so that it also works on the worst day.
 *
 * Promise: a pure function of one state and one time; all foreign text is escaped; its size is
 * bounded whatever the size of the incident; each state is a word and a shape, not only a colour.
 */

import type { LocalTimeIn } from '../../projections/muting.ts';
import type { PageFacts, StatusPage } from '../ports.ts';
import { alertsSection, pendingSection } from './alerts.ts';
import { groupsSection, notificationsSection } from './decisions.ts';
import { ICON } from './icon.ts';
import { html, type Markup } from './markup.ts';
import { monitorsSection } from './monitors.ts';
import { nodeSection } from './node.ts';
import { STYLE } from './style.ts';
import { summary, type Counts } from './summary.ts';

export interface PageOptions {
  readonly version: string;
  readonly localTimeIn: LocalTimeIn;
}

/** The page, and the files that it names under `assets/`. */
export function createStatusPage(options: PageOptions): StatusPage {
  return {
    html: (facts) => document(facts, options).text,
    assets: {
      'style.css': { type: 'text/css; charset=utf-8', body: STYLE },
      'icon.svg': { type: 'image/svg+xml', body: ICON },
    },
  };
}

const REFRESH_SECONDS = 5;

function document(facts: PageFacts, { version, localTimeIn }: PageOptions): Markup {
  const { view, status, now } = facts;
  const alerts = alertsSection(view.state, now, localTimeIn);
  const pending = pendingSection(view.state, now);
  const notifications = notificationsSection(view.state, now);
  const counts: Counts = {
    firing: alerts.count,
    pending: pending.count,
    owed: notifications.owedCount,
    groups: view.state.groups.size,
  };
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        ${facts.refreshes ? html`<meta http-equiv="refresh" content="${REFRESH_SECONDS}" />` : ''}
        <title>${titleOf(counts, facts)}</title>
        <link rel="icon" href="assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="assets/style.css" />
      </head>
      <body>
        <header>
          <img src="assets/icon.svg" alt="" width="36" height="36" />
          <h1>Tocsin</h1>
          <p class="where">${status.name} · ${status.role}${facts.isReady ? '' : ' · not ready'}</p>
          <p class="refresh">${refreshLink(facts)}</p>
        </header>
        <main>
          ${summary(counts, facts)} ${alerts.markup} ${pending.markup}
          ${groupsSection(view.state, now)} ${notifications.markup} ${monitorsSection(facts)}
          ${nodeSection(facts)}
        </main>
        <footer>
          <p>
            Tocsin ${version} · <a href="tocsin/v1/status">status</a> ·
            <a href="tocsin/v1/notifications">notifications</a> ·
            <a href="api/v2/alerts">alerts</a> · <a href="api/v2/silences">silences</a> ·
            <a href="metrics">metrics</a>
          </p>
        </footer>
      </body>
    </html> `;
}

/** The title says it all to whoever has the page in another tab. */
function titleOf({ firing }: Counts, { status }: PageFacts): string {
  if (status.leader === null) return 'No leader · Tocsin';
  return firing === 0 ? 'All quiet · Tocsin' : `${firing} firing · Tocsin`;
}

function refreshLink({ now, refreshes }: PageFacts): Markup {
  const at = new Date(now).toISOString().slice(11, 19);
  return refreshes
    ? html`As of ${at} UTC, refreshed every ${REFRESH_SECONDS} s ·
        <a href="?refresh=off">hold still</a>`
    : html`As of ${at} UTC, holding still · <a href="./">refresh</a>`;
}
