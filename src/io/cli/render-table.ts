/**
 * Tables for people, as kubectl prints them: titles in capitals, two spaces between columns, no
 * lines. And the formats that every listing command offers.
 */

/** `json` is one document, `jsonl` one object a line. */
export const FORMATS = ['table', 'json', 'jsonl'] as const;

export type Format = (typeof FORMATS)[number];

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
}

/** The lines of a table, its titles first. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly string[] {
  const cells = rows.map((row) => columns.map(({ text }) => cellText(text(row))));
  const lines = [columns.map(({ title }) => title), ...cells];
  const widths = columns.map((_, i) => lines.reduce((max, line) => widest(max, line[i]), 0));
  return lines.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `512 B`, `12.3 kB`, `4.5 MB`: powers of 1,000. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}

function widest(max: number, cell: string | undefined): number {
  return Math.max(max, cell?.length ?? 0);
}

/** Text of others cannot move the cursor, colour the terminal or begin a line of its own. */
export function cellText(text: string): string {
  if (text === '') return '-';
  return text.replace(CONTROL, (character) => JSON.stringify(character).slice(1, -1));
}

/** C0 and C1 controls, the line separators, and the marks that turn the direction of text. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
