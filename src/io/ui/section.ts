/** A section with a table, or with a sentence where there is nothing to show. */

import { html, type Markup } from './markup.ts';

export interface SectionParts<Item> {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly string[];
  /** What the table is about, the most important first. */
  readonly items: readonly Item[];
  /** Limit of rows; the section states how many items it leaves out. */
  readonly rowsMax: number;
  /** A row with a `data-name` on each cell, which narrow screens show in place of the header. */
  readonly row: (item: Item) => Markup;
  /** The sentence for a section without items. */
  readonly empty: string;
}

export function section<Item>(parts: SectionParts<Item>): Markup {
  const { id, title, columns, items, rowsMax, row, empty } = parts;
  const count = items.length;
  const rows = items.slice(0, rowsMax).map((item) => row(item));
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
