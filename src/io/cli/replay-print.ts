/**
 * The time line as text: a table that is printed while it grows, JSON lines, or one JSON document.
 *
 * Promise: the first lines do not wait for the last, and memory does not grow with the log.
 */

import { fingerprint } from '../../commands/labels.ts';
import { labelsObject } from '../../projections/views.ts';
import { cellText, type Format } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';
import type { TimelineEvent } from '../replay/timeline-event.ts';
import { detailText, whoText } from '../replay/timeline-event-text.ts';

/** The summary at the end of `-o json` and `-o jsonl`. */
export type Summary = Readonly<Record<string, unknown>>;

/** The lines of a replay in a format; `summary` is asked for after the last moment. */
export async function* linesOf(
  moments: AsyncIterable<TimelineEvent>,
  summary: () => Summary,
  { format, isColored }: { readonly format: Format; readonly isColored: boolean },
): AsyncGenerator<string> {
  switch (format) {
    case 'table':
      yield* tableLines(moments, isColored);
      return;
    case 'jsonl':
      for await (const moment of moments) yield JSON.stringify(jsonOf(moment));
      yield JSON.stringify({ what: 'summary', ...summary() });
      return;
    case 'json': {
      let before = '{"moments":[';
      for await (const moment of moments) {
        yield before + JSON.stringify(jsonOf(moment));
        before = ',';
      }
      yield `${before === ',' ? '' : before}],"summary":${JSON.stringify(summary())}}`;
    }
  }
}

/**
 * A moment with times as RFC 3339, null where one is not set; with labels as an object and their
 * fingerprint.
 */
function jsonOf(moment: TimelineEvent): object {
  const json = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(moment) as readonly (readonly [string, unknown])[]) {
    const isTime = typeof value === 'number' && (name === 'at' || name.endsWith('At'));
    json[name] = isTime ? (value === 0 ? null : timeText(value)) : value;
  }
  if (!('labels' in moment)) return json;
  return {
    ...json,
    fingerprint: fingerprint(moment.labels),
    labels: labelsObject(moment.labels),
  };
}

const TITLES = ['INDEX', 'TIME', 'WHAT', 'WHO/ALERT'] as const;

/** Widths are those of the rows printed first; a wider cell later only shifts its own line. */
const MEASURED_ROWS = 200;

async function* tableLines(
  moments: AsyncIterable<TimelineEvent>,
  isColored: boolean,
): AsyncGenerator<string> {
  let waiting: TimelineEvent[] | null = [];
  let widths: readonly number[] = TITLES.map((title) => title.length);
  for await (const moment of moments) {
    if (waiting === null) {
      yield rowLine(moment, widths, isColored);
    } else if (waiting.push(moment) === MEASURED_ROWS) {
      widths = widthsOf(waiting, widths);
      yield* firstLines(waiting, widths, isColored);
      waiting = null;
    }
  }
  if (waiting !== null) yield* firstLines(waiting, widthsOf(waiting, widths), isColored);
}

function* firstLines(
  moments: readonly TimelineEvent[],
  widths: readonly number[],
  isColored: boolean,
): Generator<string> {
  yield `${TITLES.map((title, i) => title.padEnd(widths[i] ?? 0)).join('  ')}  DETAIL`;
  for (const moment of moments) yield rowLine(moment, widths, isColored);
}

/** The cells but the last, whose width does not matter. */
function cellsOf(moment: TimelineEvent): readonly string[] {
  const { index, at, what } = moment;
  return [String(index), timeText(at), what, cellText(whoText(moment))];
}

function rowLine(moment: TimelineEvent, widths: readonly number[], isColored: boolean): string {
  const cells = cellsOf(moment).map((cell, i) => cell.padEnd(widths[i] ?? 0));
  const line = `${cells.join('  ')}  ${cellText(detailText(moment))}`;
  const color = isColored ? COLORS[moment.what] : undefined;
  return color === undefined ? line : `\u001b[${color}m${line}\u001b[0m`;
}

/** What a person looks for first: pages in bold, what burns in red, what is over in green. */
const COLORS: Partial<Readonly<Record<TimelineEvent['what'], string>>> = {
  firing: '31',
  resolved: '32',
  notify: '1',
  withhold: '33',
  damage: '1;31',
  unreadable: '1;31',
  gap: '35',
};

function widthsOf(moments: readonly TimelineEvent[], least: readonly number[]): readonly number[] {
  const widths = [...least];
  for (const moment of moments) {
    for (const [i, cell] of cellsOf(moment).entries()) {
      widths[i] = Math.max(widths[i] ?? 0, Math.min(cell.length, WIDTH_MAX));
    }
  }
  return widths;
}

/** A single alert with many labels must not push the details of all others off the screen. */
const WIDTH_MAX = 60;
