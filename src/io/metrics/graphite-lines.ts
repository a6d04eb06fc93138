/**
 * The figures of `/metrics` as lines of carbon's plaintext protocol.
 *
 * Promise: the same metric always has the same path, and a path holds nothing but what Graphite
 * takes in one. The rules stand in docs/operating.md: dashboards hang on them.
 */

/**
 * One line for each figure in `exposition`, the text format of Prometheus, all at the same time.
 * `root` stands before every path.
 */
export function graphiteLines(exposition: string, root: string, atSeconds: number): string {
  let lines = '';
  for (const line of exposition.split('\n')) {
    const figure = figureIn(line);
    if (figure !== null) lines += `${root}.${pathOf(figure)} ${figure.value} ${atSeconds}\n`;
  }
  return lines;
}

/** Any text as one node of a path: `web-1.example` is `web-1_example`. */
export function pathNode(text: string): string {
  return text.replaceAll(/[^\w-]/g, '_') || '_';
}

interface Figure {
  readonly name: string;
  readonly labels: readonly (readonly [label: string, value: string])[];
  readonly value: string;
}

const LINE = /^([a-z]\w*)(?:\{(.*)\})? (\S+)/i;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Null for a comment, for what is no number to carbon, and for texts that pose as a figure. */
function figureIn(line: string): Figure | null {
  const [, name = '', labels = '', value = ''] = LINE.exec(line) ?? [];
  if (name === '' || name.endsWith('_info') || !Number.isFinite(Number(value))) return null;
  const pairs = [...labels.matchAll(LABEL)].map(
    ([, label = '', text = '']) => [label, text] as const,
  );
  return { name, labels: pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)), value };
}

function pathOf({ name, labels }: Figure): string {
  const nodes = [name.replace(/^tocsin_/, ''), ...labels.map(([, value]) => value)];
  return nodes.map(pathNode).join('.');
}
