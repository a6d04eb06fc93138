/**
 * Whether a log can hold a range at all: what only the log itself can tell of two points.
 *
 * Promise: reads as little of the log as it can, and nothing for a range of times.
 */

import { decodeBatch } from '../../log/codec.ts';
import { readLog } from '../../log/read-log.ts';
import { timeText } from './time-text.ts';
import { COMMANDS } from './fold.ts';
import type { Point, Range } from './point.ts';
import type { Recording } from './recording.ts';

/** What is wrong with a range, as a sentence with a hint; null for nothing. */
export async function rangeProblem(recording: Recording, range: Range): Promise<string | null> {
  const { from, to } = range;
  const indexes = [from, to].filter((point) => point?.kind === 'index');
  if (indexes.length === 0) return null;
  const end = await endOf(recording);
  for (const [flag, point] of [
    ['--from', from],
    ['--to', to],
  ] as const) {
    if (point?.kind === 'index' && point.index > end.index) return beyond(flag, point.index, end);
  }
  if (from?.kind === 'index' && to?.kind === 'time') {
    const at = await timeFrom(recording, from.index);
    return at !== null && at > to.at ? reversed(from.index, at, to, '--from') : null;
  }
  if (from?.kind === 'time' && to?.kind === 'index') {
    const at = await timeUpTo(recording, to.index);
    return at !== null && at < from.at ? reversed(to.index, at, from, '--to') : null;
  }
  return null;
}

interface End {
  readonly index: number;
  /** 0 where the last segment has no time. */
  readonly at: number;
}

function beyond(flag: string, index: number, end: End): string {
  const ends = `${end.index}${end.at === 0 ? '' : ` (${timeText(end.at)})`}`;
  return (
    `${flag} ${index} is beyond the log, which ends at entry ${ends} ` +
    `(hint: a time in seconds since 1970 is written @${index}, in milliseconds @${index}ms)`
  );
}

function reversed(index: number, at: number, other: Point, flag: '--from' | '--to'): string {
  const entry = `${flag} ${index}, which is of ${timeText(at)},`;
  const time = other.kind === 'time' ? timeText(other.at) : String(other.index);
  return flag === '--from'
    ? `${entry} is after --to ${time}: the range would end before it begins`
    : `${entry} is before --from ${time}: the range would end before it begins`;
}

async function endOf({ segments, log }: Recording): Promise<End> {
  const from = segments.at(-1) ?? 1;
  let end: End = { index: from - 1, at: 0 };
  for await (const item of readLog({ from }, log)) {
    if (item.kind !== 'entry') continue;
    const { index, type, data } = item.entry;
    end = { index, at: type === COMMANDS ? decodeBatch(data).at : end.at };
  }
  return end;
}

/** The time of the first entry at or behind `index` that has one; null where it cannot be known. */
async function timeFrom({ segments, log }: Recording, index: number): Promise<number | null> {
  if (index < (segments[0] ?? 1)) return null;
  for await (const item of readLog({ from: index }, log)) {
    if (item.kind === 'entry' && item.entry.type === COMMANDS) {
      return decodeBatch(item.entry.data).at;
    }
  }
  return null;
}

/** The time of the last entry up to `index` that has one, as far as its own segment tells. */
async function timeUpTo({ segments, log }: Recording, index: number): Promise<number | null> {
  const to = Math.max(index, segments[0] ?? 1);
  const from = segments.findLast((first) => first <= to) ?? 1;
  let at: number | null = null;
  for await (const item of readLog({ from, to }, log)) {
    if (item.kind === 'entry' && item.entry.type === COMMANDS) {
      ({ at } = decodeBatch(item.entry.data));
    }
  }
  return at;
}
