/** A section with a table, or with a sentence where there is nothing to show. */

import { html, type Markup } from './markup.ts';

export interface SectionParts {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly string[];
  /** Rows with a `data-name` on each cell, which narrow screens show in place of the header. */
  readonly rows: readonly Markup[];
  /** How many there are, when not all are shown. */
  readonly count: number;
  readonly empty: string;
}

export function section({ id, title, columns, rows, count, empty }: SectionParts): Markup {
  const hidden = count - rows.length;
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title} <span class="count">${count}</span></h2>
    ${rows.length === 0 ? html`<p class="empty">${empty}</p>` : table(columns, rows)}
    ${hidden > 0 ? html`<p class="more">${hidden} more are not shown here.</p>` : ''}
  </section>`;
}

function table(columns: readonly string[], rows: readonly Markup[]): Markup {
  return html`<table>
    <thead>
      <tr>
        ${columns.map((name) => html`<th scope="col">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}
