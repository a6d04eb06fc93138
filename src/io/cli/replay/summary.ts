/**
 * What a replay has to say at its end: how much it read, whether it is what happened, and where it
 * differs or could not read. As sentences for people, and as the summary of the JSON formats.
 */

import { cellText, timeText } from '../render-table.ts';
import type { Difference, Origin, RowDifference } from './proof.ts';
import type { Summary } from './print.ts';
import type { Replay } from './run.ts';

export function summaryOf(run: Replay, tookMs: number): Summary {
  const { tally, proof, takenUp, damages, unreadable, tail } = run;
  const { entries, readings, firstIndex, lastIndex } = tally;
  return {
    entries,
    readings,
    firstIndex,
    lastIndex,
    lastAt: tally.lastAt === 0 ? null : timeText(tally.lastAt),
    snapshotsTaken: takenUp,
    tookMs: Math.round(tookMs),
    roots: { compared: proof.compared, matched: proof.matched },
    differences: proof.differences.map((each) => ({ ...each, at: timeText(each.at) })),
    damages,
    unreadable,
    tail,
  };
}

/** Sentences for stderr, the verdict last. */
export function closingLines(run: Replay, tookMs: number): readonly string[] {
  const { damages, unreadable, proof, tail, takenUp } = run;
  return [
    ...damages.map((damage) => `damaged: ${damage}`),
    ...unreadable.map((problem) => `unreadable: ${problem}`),
    ...(tail === null ? [] : [`note: ${tail}: being written just now, or cut off by a crash`]),
    ...proof.differences.flatMap(differenceLines),
    ...takenUp.map((index) => `the state was taken from the snapshot at ${index}`),
    ...emptyLines(run),
    verdict(run, tookMs),
  ];
}

function emptyLines({ tally, story }: Replay): readonly string[] {
  if (tally.entries === 0) return ['note: the range holds no entry of the log'];
  return story?.size === 0 ? ['note: no alert of that description fired in what was replayed'] : [];
}

/** `replayed 12,345 entries (1,234,567 readings) in 1.2 s; 7 of 7 root hashes match` */
function verdict({ tally, proof }: Replay, tookMs: number): string {
  const { entries, readings } = tally;
  const what = `replayed ${counted(entries, 'entries')} (${counted(readings, 'readings')})`;
  const took = `${(tookMs / 1000).toFixed(1)} s`;
  return `${what} in ${took}; ${proofText(proof)}`;
}

function proofText({ compared, matched, differences }: Replay['proof']): string {
  const chains = differences.filter(({ what }) => what === 'chain').length;
  const chainText = chains === 0 ? '' : `; ${counted(chains, 'chain hashes')} differ`;
  if (compared === 0) return `there was no snapshot to compare with${chainText}`;
  return `${matched} of ${counted(compared, 'root hashes')} match${chainText}`;
}

function counted(count: number, things: string): string {
  return `${count.toLocaleString('en-US')} ${things}`;
}

function differenceLines(difference: Difference): readonly string[] {
  const { index, at, what, recorded, replayed, reducerVersion, origin } = difference;
  const place = `the snapshot of index ${index} (${timeText(at)}, fold version ${reducerVersion})`;
  const hashes = `recorded ${recorded.slice(0, 16)}, replayed ${replayed.slice(0, 16)}`;
  const line = `differs: the ${what} hash at ${place}: ${hashes}`;
  if (what === 'chain') return [line, CHAIN_LINE];
  return origin === null ? [line] : [line, ...originLines(index, origin)];
}

const CHAIN_LINE = '  the snapshot was taken of another log: do not mix folders of two directories';

function originLines(index: number, origin: Origin): readonly string[] {
  const { provenUpTo, firstWriter, rows, rowCount } = origin;
  const since = provenUpTo === 0 ? 'the beginning' : `entry ${provenUpTo}, which is proven`;
  const writer =
    firstWriter === 0
      ? 'no entry in between writes what differs: it was lost, or written by another build'
      : `entry ${firstWriter} is the first in between that writes what differs`;
  return [
    `  it came about after ${since}, and not after entry ${index}; ${writer}`,
    `  rows that differ, of those that were looked at: ${rowCount}`,
    ...rows.map(rowLine),
    ...(rows.length < rowCount ? [`  … and ${rowCount - rows.length} more`] : []),
  ];
}

function rowLine({ table, key, recorded, replayed }: RowDifference): string {
  return `  ${table} ${cellText(key)}: recorded ${valueText(recorded)}, replayed ${valueText(replayed)}`;
}

/** A row may hold thousands of fingerprints; its beginning tells what it is. */
const VALUE_CHARACTERS = 200;

function valueText(value: unknown): string {
  if (value === null) return 'nothing';
  const text = cellText(JSON.stringify(value));
  return text.length <= VALUE_CHARACTERS ? text : `${text.slice(0, VALUE_CHARACTERS)}…`;
}
