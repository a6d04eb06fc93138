/**
 * What a replay has to say at its end: how much it read, whether it is what happened, and where it
 * differs or could not read. As sentences for people, and as the summary of the JSON formats.
 */

import { EXIT, type ExitCode } from '../daemon/exit.ts';
import { cellText } from './render-table.ts';
import { timeText } from '../replay/time-text.ts';
import type { Difference, Origin, RowDifference } from '../replay/proof.ts';
import type { Summary } from './replay-print.ts';
import type { Replay } from '../replay/run.ts';
import type { Unknown } from '../replay/unknown.ts';

export function summaryOf(run: Replay, tookMs: number): Summary {
  const { tally, proof, resumedAt, damages, unreadable, tail } = run;
  const { entries, readings, firstIndex, lastIndex } = tally;
  return {
    entries,
    readings,
    firstIndex,
    lastIndex,
    lastAt: timeOrNull(tally.lastAt),
    snapshotsTaken: resumedAt,
    unknown: run.unknown.map(({ fromAt, toAt, ...rest }) => ({
      ...rest,
      fromAt: timeOrNull(fromAt),
      toAt: timeOrNull(toAt),
    })),
    tookMs: Math.round(tookMs),
    roots: { compared: proof.compared, matched: proof.matched },
    differences: proof.differences.map((each) => ({ ...each, at: timeText(each.at) })),
    damages,
    unreadable,
    tail,
  };
}

function timeOrNull(at: number): string | null {
  return at === 0 ? null : timeText(at);
}

/** How far one replay can be believed, the worst first; `ok` where all of the range is known. */
export function exitOf({ damages, unreadable, proof, unknown }: Replay): ExitCode {
  if (damages.length > 0) return EXIT.corrupt;
  if (unreadable.length > 0 || proof.differences.length > 0) return EXIT.refused;
  return unknown.length > 0 ? EXIT.unknown : EXIT.ok;
}

/** Sentences for stderr, the verdict last. */
export function closingLines(run: Replay, tookMs: number): readonly string[] {
  const { damages, unreadable, proof, tail, resumedAt } = run;
  return [
    ...damages.map((damage) => `damaged: ${damage}`),
    ...unreadable.map((problem) => `unreadable: ${problem}`),
    ...(tail === null ? [] : [`note: ${tail}: being written just now, or cut off by a crash`]),
    ...proof.differences.flatMap(differenceLines),
    ...resumedAt.map((index) => `the state was taken from the snapshot at ${index}`),
    ...knowledgeLines(run),
    ...(run.entriesInRange === 0 ? ['note: the range holds no entry of the log'] : []),
    ...alertFilterLines(run),
    verdict(run, tookMs),
  ];
}

function knowledgeLines({ unknown, logFrom, tally }: Replay): readonly string[] {
  if (unknown.length > 0) return unknown.map((each) => unknownLine(each, tally.lastIndex));
  if (logFrom === 1) return [];
  return [`note: the log begins at entry ${logFrom}; all of the range is known`];
}

function unknownLine(unknown: Unknown, lastIndex: number): string {
  const { cause, from, fromAt, to, toAt, missingFrom, missingTo } = unknown;
  if (cause === 'after the log') {
    const ends = fromAt === 0 ? '' : ` (${timeText(fromAt)})`;
    return `unknown: nothing is recorded behind entry ${from - 1}${ends}; what happened later is not known`;
  }
  const missing = missingTo === null ? `from ${missingFrom} on` : `${missingFrom} to ${missingTo}`;
  const what =
    cause === 'entry unreadable'
      ? `entry ${from} cannot be read by this build`
      : `entries ${missing} are not in this log`;
  const effect = 'what fired or resolved is not known, and of the rest only what was recorded';
  if (to === null) return `unknown: ${what}, and no snapshot gives the state behind: ${effect}`;
  const hint = to < lastIndex ? `; --from ${to + 1} begins where all is known` : '';
  return `unknown: ${what}; up to entry ${to} (${timeText(toAt)}) ${effect}${hint}`;
}

/** Nobody may take it for proof that an alert did not fire, when it may have done so unseen. */
function alertFilterLines({ story, unknown, possiblyMatching }: Replay): readonly string[] {
  if (story === null) return [];
  const possibly =
    possiblyMatching === 0
      ? []
      : [
          `note: ${counted(possiblyMatching, 'recorded decisions and tries')} there may be about it`,
        ];
  if (unknown.length > 0) {
    const what =
      story.size === 0
        ? 'no alert of that description was seen, but whether one fired'
        : 'whether more happened to it';
    return [`note: ${what} in the unknown part cannot be known`, ...possibly];
  }
  if (story.size > 0) return [];
  return ['note: no alert of that description fired in what was replayed'];
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
