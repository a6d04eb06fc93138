/**
 * The log directory is put back from an older copy, while what lies beside it is current: the node must
 * not take the older log for its own, and must not forget a vote that it has given since.
 */

import { beforeAll, describe, expect, test } from 'vitest';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import { GENESIS } from '../../src/log/entry.ts';
import { openLog, type Log } from '../../src/log/log.ts';
import { salvage } from '../../src/log/salvage.ts';
import { entries, hardState, on, SMALL, type Files } from './world.ts';

/** What both directories held after one step of a history. */
interface Moment {
  readonly what: string;
  readonly log: Files;
  readonly witness: Files;
  readonly vote: { readonly term: number; readonly vote: string | null };
}

const HISTORY: readonly (readonly [what: string, step: (log: Log) => Promise<unknown>])[] = [
  ['the first entries', (log) => log.append({ hardState: hardState(1), entries: entries(1, 2) })],
  ['one more entry', (log) => log.append({ entries: entries(3, 3) })],
  ['a vote', (log) => log.append({ hardState: hardState(2, 3, 'node-2'), entries: [] })],
  ['another vote', (log) => log.append({ hardState: hardState(3, 3, 'node-3'), entries: [] })],
  ['a few segments', (log) => log.append({ entries: entries(4, 20, 3) })],
  ['an entry in the last of them', (log) => log.append({ entries: entries(21, 21, 3) })],
  [
    'entries taken back',
    (log) =>
      log.append({
        truncateFrom: 15,
        entries: entries(15, 15, 4),
        hardState: hardState(4, 14, null),
      }),
  ],
  ['segments packed', (log) => log.compressClosed()],
  ['segments dropped', (log) => log.prune(12)],
  ['entries after that', (log) => log.append({ entries: entries(16, 17, 4) })],
  [
    'a snapshot of the leader',
    (log) =>
      log.append({
        restartAfter: { index: 40, term: 4, chain: new Uint8Array(32).fill(7) },
        hardState: hardState(4, 40, null),
        entries: [],
      }),
  ],
  ['entries after the snapshot', (log) => log.append({ entries: entries(41, 42, 4) })],
];

const moments: Moment[] = [];

beforeAll(async () => {
  const [disk, witness] = [createSimulatedDisk(), createSimulatedDisk()];
  const opened = await openLog(SMALL, { ...on(disk), witness });
  if (!opened.ok) throw new Error(opened.refusal.message);
  const { log } = opened;
  for (const [what, step] of HISTORY) {
    await step(log);
    // As `kill -9` leaves it: marks are written without being waited for.
    await new Promise((resolve) => setImmediate(resolve));
    const { term, vote } = log.hardState;
    moments.push({ what, log: disk.files(), witness: witness.files(), vote: { term, vote } });
  }
});

describe('a log directory of an earlier moment', () => {
  test('is refused, whatever was written since', async () => {
    for (const [older, newer] of pairs()) {
      const result = await openLog(...argumentsOf(older.log, newer.witness));
      const isMissed = result.ok ? `${older.what} passes for ${newer.what}` : null;
      expect(isMissed).toBeNull();
      if (!result.ok) expect(result.refusal.code).toBe('corrupt');
    }
  });

  test('heals as a member that has lost entries, with the vote that it gave last', async () => {
    for (const [older, newer] of pairs()) {
      const [options, modules] = argumentsOf(older.log, newer.witness);
      const salvaged = await salvage({ ...options, restartAfter: GENESIS }, modules);
      if (!salvaged.ok) throw new Error(`${older.what}: ${salvaged.refusal.message}`);
      expect(salvaged.log.isHealing).toBe(true);
      expect(salvaged.log.hardState).toMatchObject(newer.vote);
      await salvaged.log.close();
      const again = await openLog(options, modules);
      expect(again.ok && again.log.isHealing, `${older.what} for ${newer.what}`).toBe(true);
    }
  });

  test('that is gone is not begun anew', async () => {
    const newest = moments.at(-1)?.witness ?? new Map();
    const result = await openLog(...argumentsOf(new Map(), newest));
    expect(result).toMatchObject({ ok: false, refusal: { code: 'corrupt' } });
  });
});

describe('what lies beside the log', () => {
  test('of an earlier moment, or gone as after an upgrade, harms nothing and is written anew', async () => {
    for (const [older, newer] of [...pairs(), ...moments.map((each) => [null, each] as const)]) {
      const [options, modules] = argumentsOf(newer.log, older?.witness ?? new Map());
      const result = await openLog(options, modules);
      if (!result.ok)
        throw new Error(`${older?.what} for ${newer.what}: ${result.refusal.message}`);
      expect(result.repaired).toBeUndefined();
      expect(result.log.hardState).toMatchObject(newer.vote);
      // From here on an older log is missed again.
      await result.log.close();
      const put = await openLog(options, {
        ...modules,
        ...on(createSimulatedDisk({}, moments[0]?.log)),
      });
      expect(put.ok).toBe(newer === moments[0]);
    }
  });

  test('keeps a vote that the log and its own copy do not know', async () => {
    const [, , voted] = moments;
    const [, before] = moments;
    if (voted === undefined || before === undefined) throw new Error('no history');
    // The crash came between the ballots and the append, and the log was put back: it ends where it did.
    const witness = new Map(before.witness).set(
      'ballot.copy',
      voted.witness.get('ballot.copy') ?? new Uint8Array(),
    );
    const result = await openLog(...argumentsOf(before.log, witness));
    if (!result.ok) throw new Error(result.refusal.message);
    expect(result.log.hardState).toMatchObject(voted.vote);
  });
});

/** Each moment with each later one. Packing writes nothing new, so the log before it is as good. */
function pairs(): readonly (readonly [older: Moment, newer: Moment])[] {
  return moments.flatMap((newer, at) => {
    const earlier = moments.slice(0, at);
    return earlier
      .filter(({ what }) => newer.what !== 'segments packed' || what !== 'entries taken back')
      .map((older) => [older, newer] as const);
  });
}

function argumentsOf(log: Files, witness: Files): Parameters<typeof openLog> {
  const disks = { ...on(createSimulatedDisk({}, log)), witness: createSimulatedDisk({}, witness) };
  return [{ ...SMALL, create: true }, disks];
}
