/**
 * A log is damaged, and its node goes on: as a member that lost entries, and never as one that forgot
 * its vote. What cannot be known is refused with a sentence.
 */

import { beforeAll, describe, expect, test } from 'vitest';
import {
  createSimulatedDisk,
  type DiskFault,
  type DiskOperation,
  type Loss,
  type SimulatedDisk,
  type SimulatedDiskOptions,
} from '../../src/io/sim/simulated-disk.ts';
import { GENESIS, type LogPoint } from '../../src/log/entry.ts';
import { openLog, type Log, type OpenLogResult } from '../../src/log/log.ts';
import { readLogIdentity } from '../../src/log/recovery.ts';
import { salvage } from '../../src/log/salvage.ts';
import {
  BESIDE_SEGMENTS,
  contentOf,
  cutAt,
  entries,
  entry,
  everyByte,
  flipped,
  hardState,
  on,
  open,
  OWNER,
  reading,
  show,
  SMALL,
  type Files,
} from './world.ts';

/** Four segments; the last vote, for node-3 in term 4, stands in the middle of the last one. */
let store: Files;
/** The store, with a flipped bit in an entry that was committed. */
let damaged: Files;
/** Where the newest snapshot ends. */
let snapshot: LogPoint;
let whole: readonly string[];

const VOTE_RECORD = 'ballot.copy';
const LAST_VOTE = { term: 4, vote: 'node-3' };
const VOTED = hardState(4, 5, 'node-3');

beforeAll(async () => {
  const disk = createSimulatedDisk();
  const log = await open(disk, { segmentBytesMax: 600 });
  await log.append({ hardState: hardState(1), entries: entries(1, 2) });
  await log.append({ hardState: hardState(1, 2), entries: entries(3, 5) });
  await log.compressClosed();
  await log.append({ hardState: hardState(2, 5, null), entries: entries(6, 8, 2) });
  await log.append({ hardState: hardState(3, 5), entries: [entry(9, 3, 8)] });
  await log.append({ hardState: VOTED, entries: [] });
  await log.append({ entries: [entry(10, 4, 8)] });
  snapshot = { index: 5, term: 1, chain: (await log.chainAt(5)) ?? new Uint8Array(0) };
  await log.close();
  store = disk.files();
  damaged = flipped(store, newestOf(store), 300, 3);
  whole = await linesOf(await open(diskOf(store)));
});

describe('a new vote', () => {
  test('is on disk twice before anybody learns of it', async () => {
    const disk = createSimulatedDisk();
    const log = await open(disk);
    await log.append({ hardState: hardState(7, 0, 'node-2'), entries: [] });
    const after = disk.afterPowerCut({ kind: 'everything' });
    const lost = new Map([...after.files()].filter(([name]) => name === VOTE_RECORD));
    const salvaged = await expectSalvaged(salvageOn(diskOf(lost), GENESIS));
    expect(salvaged.hardState).toEqual(hardState(7, 0, 'node-2'));
  });

  test('costs something; an entry, or a commit index, costs what it always did', async () => {
    const operations: string[] = [];
    const disk = createSimulatedDisk({
      fault: ({ kind, name }) => {
        operations.push(`${kind} ${name}`);
        return undefined;
      },
    });
    const log = await open(disk, { segmentBytesMax: 100_000 });
    await log.append({ hardState: hardState(1), entries: [entry(1)] });
    expect(operations.join()).toContain(VOTE_RECORD);
    await nextTurns();
    operations.length = 0;
    await log.append({ entries: [entry(2)] });
    await log.append({ hardState: hardState(1, 2), entries: [entry(3)] });
    await nextTurns();
    const [segment] = log.segments();
    const each = [`write ${segment?.file}`, `sync ${segment?.file}`, 'write durable.mark'];
    expect(operations).toEqual([...each, ...each]);
  });

  test('holds when the power fails between its two writes: the log takes it over', async () => {
    const vote = async (disk: SimulatedDisk): Promise<void> => {
      const log = await open(disk);
      await log.append({ hardState: hardState(5, 5, 'node-2'), entries: [entry(11, 5)] });
    };
    let takenOver = 0;
    for (let at = 1; ; at++) {
      const disk = diskOf(store, cutAt(at));
      if (await isDone(vote(disk), disk)) break;
      for (const loss of losses(at)) {
        const after = await open(disk.afterPowerCut(loss));
        const { term, vote: given } = after.hardState;
        expect([`4 node-3`, '5 node-2']).toContain(`${term} ${given}`);
        if (term === 5 && after.lastIndex === 10) takenOver++;
        // Entries that carry no vote follow, and the next start must not take offence.
        await after.append({ entries: entries(after.lastIndex + 1, after.lastIndex + 2, 5) });
        await after.close();
      }
    }
    expect(takenOver).toBeGreaterThan(0);
  });

  test('that was taken over goes on with entries alone, through starts and power cuts', async () => {
    const { ahead } = await cutBetweenTheWrites();
    const disk = diskOf(ahead);
    const log = await open(disk);
    expect(log.hardState).toEqual(hardState(5, 5, 'node-2'));
    await log.append({ entries: [entry(11, 5)] });
    const later = await open(disk.afterPowerCut({ kind: 'everything' }));
    expect([later.hardState, later.lastIndex]).toEqual([hardState(5, 5, 'node-2'), 11]);
  });

  test('is not taken back within its term', async () => {
    const log = await open(diskOf(store));
    for (const vote of [null, 'node-1']) {
      await expect(log.append({ hardState: hardState(4, 5, vote), entries: [] })).rejects.toThrow(
        /the vote of term 4 went to node-3 and cannot go to (no candidate|node-1)/,
      );
    }
    await log.append({ hardState: hardState(5, 5, null), entries: [] });
    await log.append({ hardState: hardState(5, 5, 'node-1'), entries: [] });
    expect(log.hardState.vote).toBe('node-1');
  });
});

describe('the voteRecord beside a log that is whole', () => {
  test('is rewritten, with a sentence, when it is missing, damaged, old or of another owner', async () => {
    const early = new Map(store);
    const disk = createSimulatedDisk();
    await (await open(disk)).append({ hardState: hardState(1), entries: [] });
    early.set(VOTE_RECORD, fileOf(disk.files(), VOTE_RECORD));
    const foreign = createSimulatedDisk();
    const theirs = await open(foreign, { nodeId: 'node-9' });
    await theirs.append({ hardState: hardState(9), entries: [] });
    const cases: readonly (readonly [Files, RegExp])[] = [
      [without(store, VOTE_RECORD), /ballot\.copy.*it is missing.*rewritten/],
      [flipped(store, VOTE_RECORD, 20, 0), /one of its two records is not readable/],
      [
        flipped(flipped(store, VOTE_RECORD, 20, 0), VOTE_RECORD, 4_200, 0),
        /neither of its records/,
      ],
      [new Map(store).set(VOTE_RECORD, new Uint8Array(0)), /neither of its records/],
      [early, /older than the log: term 1 with a vote for node-1/],
      [
        new Map(store).set(VOTE_RECORD, fileOf(foreign.files(), VOTE_RECORD)),
        /belongs to node node-9 of cluster cluster-1/,
      ],
      [new Map(store).set(VOTE_RECORD, mixed(store, early)), /its two records disagree/],
    ];
    for (const [files, sentence] of cases) {
      const mending = diskOf(files);
      const result = await openLog({ ...SMALL, create: false }, on(mending));
      expect(result).toMatchObject({ ok: true, repaired: expect.stringMatching(sentence) });
      if (!result.ok) continue;
      expect([result.log.hardState, await linesOf(result.log)]).toEqual([VOTED, whole]);
      await result.log.close();
      // From now on it can be relied upon again.
      const again = await openLog({ ...SMALL, create: false }, on(mending));
      expect(again).toMatchObject({ ok: true, repaired: undefined });
      const lost = diskOf(flipped(mending.files(), newestOf(store), 300, 3));
      expect((await expectSalvaged(salvageOn(lost))).hardState).toMatchObject(LAST_VOTE);
    }
  });

  test('is not taken for an empty directory when it is all that is left, readable or not', async () => {
    const left = new Map([...store].filter(([name]) => name === VOTE_RECORD));
    for (const files of [left, new Map(left).set(VOTE_RECORD, new Uint8Array(0))]) {
      const disk = diskOf(files);
      const result = await openLog({ ...SMALL, create: true }, on(disk));
      expect(!result.ok && result.refusal.message).toMatch(/beside a log, and no segment is there/);
      expect(disk.files()).toEqual(files);
    }
  });

  test('is nothing to speak of in a new log', async () => {
    const disk = createSimulatedDisk();
    expect(await openLog(SMALL, on(disk))).toMatchObject({ ok: true, repaired: undefined });
    expect(disk.files().has(VOTE_RECORD)).toBe(true);
  });

  test('tells that segments were put back from an old copy, which has forgotten a vote', async () => {
    const disk = diskOf(store);
    const log = await open(disk);
    await log.append({ hardState: hardState(5, 5, 'node-2'), entries: [entry(11, 5)] });
    await log.close();
    const voteRecord = fileOf(disk.files(), VOTE_RECORD);
    // The newest segment as it was one vote ago: shorter than the ballot knows it to have been.
    const shorter = new Map(without(store, 'durable.mark')).set(VOTE_RECORD, voteRecord);
    const bytes = fileOf(store, newestOf(store));
    shorter.set(newestOf(store), bytes.slice(0, 256));
    const result = await openLog(SMALL, on(diskOf(shorter)));
    expect(result).toMatchObject({ ok: false, refusal: { code: 'corrupt', file: VOTE_RECORD } });
    expect(!result.ok && result.refusal.message).toMatch(/was synced up to byte \d+ of segment 4/);
    const salvaged = await expectSalvaged(salvageOn(diskOf(shorter)));
    expect(salvaged.hardState).toEqual(hardState(5, 5, 'node-2'));
  });

  test('refuses a log that went on without the vote that it was told of', async () => {
    const { ahead } = await cutBetweenTheWrites();
    const disk = diskOf(store);
    const log = await open(disk);
    await log.append({ entries: [entry(11, 4)] });
    await log.close();
    const files = new Map(disk.files()).set(VOTE_RECORD, fileOf(ahead, VOTE_RECORD));
    const result = await openLog(SMALL, on(diskOf(files)));
    expect(!result.ok && result.refusal.message).toMatch(
      /it has term 5 with a vote for node-2, and the log goes on and has term 4 with a vote/,
    );
  });
});

describe('a damaged log', () => {
  test('is set aside, and a new one begins behind the snapshot with the vote that was given', async () => {
    const disk = diskOf(damaged);
    expect(await openLog(SMALL, on(disk))).toMatchObject({ refusal: { code: 'corrupt' } });
    const log = await expectSalvaged(salvageOn(disk));
    expect(log.identity).toEqual(OWNER);
    expect(log.hardState).toEqual({ ...LAST_VOTE, commit: 5 });
    expect([log.firstIndex, log.lastIndex, log.lastTerm]).toEqual([6, 5, 1]);
    expect([await log.chainAt(5), log.termAt(5)]).toEqual([snapshot.chain, 1]);
    expect(log.quarantined).toEqual(
      segmentsOf(damaged).map(([name, bytes]) => ({
        file: `damaged-5-${name}`,
        bytes: bytes.length,
      })),
    );
    for (const [name, bytes] of segmentsOf(damaged)) {
      expect(disk.files().get(`damaged-5-${name}`)).toEqual(bytes);
      expect(disk.files().has(name)).toBe(false);
    }
    expect(log.segments().map(({ file }) => file)).toEqual(['0000000005-0000000000000006.log']);
  });

  test('heals through starts, segments, conflicts, snapshots and pruning, until it is told', async () => {
    const disk = diskOf(damaged);
    let log = await expectSalvaged(salvageOn(disk));
    const restart = async (): Promise<void> => {
      await log.close();
      log = await open(disk, { create: false });
    };
    await restart();
    expect(log.isHealing).toBe(true);
    await log.append({ hardState: hardState(5, 5, null), entries: entries(6, 12, 5) });
    await log.append({ truncateFrom: 10, hardState: hardState(6, 9), entries: entries(10, 30, 6) });
    expect(log.segments().length).toBeGreaterThan(1);
    await log.append({ hardState: hardState(6, 20), entries: entries(31, 40, 6) });
    await log.compressClosed();
    expect(await log.prune(25)).toBeGreaterThan(0);
    await restart();
    expect([log.isHealing, log.lastIndex]).toEqual([true, 40]);
    await log.append({
      restartAfter: { index: 100, term: 6, chain: new Uint8Array(32).fill(1) },
      hardState: hardState(6, 100),
      entries: entries(101, 103, 6),
    });
    await restart();
    expect([log.isHealing, log.firstIndex, log.lastIndex]).toEqual([true, 101, 103]);

    await Promise.all([
      log.append({ entries: [entry(104, 6)] }),
      log.markHealed(),
      log.append({ entries: [entry(105, 6)] }),
    ]);
    expect(log.isHealing).toBe(false);
    await restart();
    expect([log.isHealing, log.hardState.term]).toEqual([false, 6]);
    expect(await linesOf(log)).toEqual(entries(101, 105, 6).map(show));
    // What was set aside is still there, for whoever wants to know.
    expect(log.quarantined.length).toBe(segmentsOf(damaged).length);
  });

  test('that is damaged again while it heals is set aside again, and still heals', async () => {
    const disk = diskOf(damaged);
    const first = await expectSalvaged(salvageOn(disk));
    await first.append({ hardState: hardState(8, 5, 'node-1'), entries: entries(6, 9, 8) });
    await first.close();
    disk.flipBit('0000000005-0000000000000006.log', 300, 0);
    const second = await expectSalvaged(salvageOn(disk));
    expect(second.hardState).toEqual(hardState(8, 5, 'node-1'));
    const [, ...kept] = second.quarantined.map(({ file }) => file);
    expect(kept.at(-1)).toBe('damaged-6-0000000005-0000000000000006.log');
  });

  test('begins at entry 1 when there is no snapshot, even when every segment is gone', async () => {
    const disk = diskOf(new Map([...store].filter(([name]) => BESIDE_SEGMENTS.includes(name))));
    expect(await readLogIdentity(reading(disk))).toEqual(OWNER);
    const log = await expectSalvaged(salvageOn(disk, GENESIS));
    expect([log.firstIndex, log.lastIndex, log.quarantined]).toEqual([1, 0, []]);
    expect(log.hardState).toEqual({ ...LAST_VOTE, commit: 0 });
    await log.append({ entries: entries(1, 3, 4) });
    await log.close();
    const again = await open(disk, { create: false });
    expect([again.lastIndex, again.isHealing]).toEqual([3, true]);
  });

  test('has an owner even when no header can be read', async () => {
    let files = store;
    for (const [name] of segmentsOf(store)) files = flipped(files, name, 150, 1);
    const disk = diskOf(files);
    expect(await readLogIdentity(reading(disk))).toEqual(OWNER);
    expect((await expectSalvaged(salvageOn(disk))).hardState).toMatchObject(LAST_VOTE);
  });

  test('that was never healing takes the word that it is healed, and changes nothing', async () => {
    const disk = diskOf(store);
    const log = await open(disk);
    const before = log.segments();
    await log.markHealed();
    expect(log.segments()).toEqual(before);
  });

  test('that is found to lack what it acknowledged is healing from there, over restarts, until healed', async () => {
    const disk = diskOf(store);
    const log = await open(disk);
    const [lastIndex, vote] = [log.lastIndex, log.hardState];
    await Promise.all([log.markHealing(), log.markHealing()]);
    await log.close();
    const again = await open(disk, { create: false });
    expect([again.isHealing, again.lastIndex, again.hardState]).toEqual([true, lastIndex, vote]);
    await again.markHealed();
    await again.close();
    expect((await open(disk, { create: false })).isHealing).toBe(false);
  });
});

describe('a vote that cannot be known', () => {
  test('is a refusal that says how to replace the member, and nothing changes', async () => {
    const early = createSimulatedDisk();
    await (await open(early)).append({ hardState: hardState(3), entries: [] });
    const foreign = createSimulatedDisk();
    await open(foreign, { clusterId: 'cluster-9' });
    const later = { ...snapshot, term: 6 };
    const withVoteRecordOf = (disk: SimulatedDisk): Files =>
      new Map(damaged).set(VOTE_RECORD, fileOf(disk.files(), VOTE_RECORD));
    const spoiled = flipped(flipped(damaged, VOTE_RECORD, 20, 0), VOTE_RECORD, 4_200, 0);
    const cases: readonly (readonly [Files, LogPoint, RegExp])[] = [
      [without(damaged, VOTE_RECORD), snapshot, /is missing/],
      [spoiled, snapshot, /neither of its records is readable/],
      [
        new Map(damaged).set(VOTE_RECORD, mixed(store, early.files())),
        snapshot,
        /records disagree/,
      ],
      [withVoteRecordOf(foreign), snapshot, /belongs to node node-1 of cluster cluster-9/],
      [
        withVoteRecordOf(early),
        snapshot,
        /term 3 with a vote for node-1, and \S+\.log holds term 4/,
      ],
      [damaged, later, /term 4 with a vote for node-3, and the snapshot at 5 is of term 6/],
    ];
    for (const [files, restartAfter, why] of cases) {
      const disk = diskOf(files);
      const result = await salvageOn(disk, restartAfter);
      expect(result).toMatchObject({ ok: false, refusal: { code: 'vote-unknown' } });
      const message = result.ok ? '' : result.refusal.message;
      expect(message).toMatch(why);
      expect(message).toMatch(/remove this member .* join again with an empty data directory/);
      expect(disk.files()).toEqual(new Map(files));
    }
  });

  test('is noticed by a vote in the same term, too, which an old voteRecord does not know', async () => {
    const disk = createSimulatedDisk();
    const log = await open(disk);
    await log.append({ hardState: hardState(4, 0, null), entries: [] });
    const old = fileOf(disk.files(), VOTE_RECORD);
    await log.append({ hardState: hardState(4, 0, 'node-2'), entries: [] });
    await log.append({ entries: entries(1, 2, 4) });
    const name = newestOf(disk.files());
    const files = flipped(disk.files(), name, fileOf(disk.files(), name).length - 10, 0);
    const result = await salvageOn(diskOf(new Map(files).set(VOTE_RECORD, old)), GENESIS);
    expect(result).toMatchObject({ ok: false, refusal: { code: 'vote-unknown' } });
  });
});

describe('the power fails', () => {
  test('at every operation of a salvage: it is as before, or it is done', async () => {
    const counts = { before: 0, done: 0 };
    for (let at = 1; ; at++) {
      const disk = diskOf(damaged, cutAt(at));
      if (await isDone(salvageOn(disk), disk)) break;
      for (const loss of losses(at)) {
        const after = disk.afterPowerCut(loss);
        const result = await openLog({ ...SMALL, create: false }, on(after));
        if (result.ok) {
          counts.done++;
          await expectFinished(result, after);
          continue;
        }
        counts.before++;
        expect(result.refusal.code).toBe('corrupt');
        for (const [name, bytes] of damaged) expect(after.files().get(name)).toEqual(bytes);
        await expectFinished(await salvageOn(after), after);
      }
    }
    expect(Math.min(counts.before, counts.done)).toBeGreaterThan(10);
  });

  test('again, while a start finishes the salvage', async () => {
    let started = 0;
    for (let at = 4; at < 14; at++) {
      for (let again = 1; ; again++) {
        const disk = diskOf(damaged, cutAt(at));
        if (await isDone(salvageOn(disk), disk)) break;
        const second = disk.afterPowerCut({ kind: 'random', seed: at }, cutAt(again));
        if (await isDone(openLog({ ...SMALL, create: false }, on(second)), second)) break;
        const third = second.afterPowerCut({ kind: 'random', seed: at * again });
        const result = await openLog({ ...SMALL, create: false }, on(third));
        await expectFinished(result.ok ? result : await salvageOn(third), third);
        started++;
      }
    }
    expect(started).toBeGreaterThan(20);
  });

  test('at every operation that ends the healing: a healed log is whole, the other one still heals', async () => {
    const seen = new Set<boolean>();
    const healing = await healingStore();
    for (let at = 1; ; at++) {
      const disk = diskOf(healing, cutAt(at));
      const healed = open(disk).then((log) => log.markHealed());
      if (await isDone(healed, disk)) break;
      for (const loss of losses(at)) {
        const after = await open(disk.afterPowerCut(loss), { create: false });
        seen.add(after.isHealing);
        expect(await linesOf(after)).toEqual(entries(6, 9, 5).map(show));
        expect(after.hardState).toEqual(hardState(5, 9));
      }
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  test('and an acknowledged end of the healing stays', async () => {
    const disk = diskOf(await healingStore());
    const log = await open(disk);
    await log.markHealed();
    const after = await open(disk.afterPowerCut({ kind: 'everything' }));
    expect([after.isHealing, await linesOf(after)]).toEqual([false, entries(6, 9, 5).map(show)]);
  });

  test('at any time, and the log is damaged as well: the acknowledged vote is still known', async () => {
    let salvaged = 0;
    for (let at = 1; ; at++) {
      const disk = createSimulatedDisk(cutAt(at));
      const acknowledged: { term: number; vote: string | null }[] = [{ term: 0, vote: null }];
      if (await isDone(elections(disk, acknowledged), disk)) break;
      for (const loss of losses(at)) {
        const files = disk.afterPowerCut(loss).files();
        // Before the first start was complete there was nothing to forget.
        if (!files.has(VOTE_RECORD)) {
          expect(acknowledged).toHaveLength(1);
          continue;
        }
        // Beside a log that is whole it is never found to be behind.
        const started = await openLog({ ...SMALL, create: false }, on(diskOf(files)));
        expect(started).toMatchObject({ ok: true, repaired: undefined });
        const broken = new Map([...files].filter(([name]) => name === VOTE_RECORD));
        const log = await expectSalvaged(salvageOn(diskOf(broken), GENESIS));
        const last = acknowledged.at(-1);
        const { term, vote } = log.hardState;
        expect(term).toBeGreaterThanOrEqual(last?.term ?? 0);
        if (term === last?.term && last.vote !== null) expect(vote).toBe(last.vote);
        salvaged++;
      }
    }
    expect(salvaged).toBeGreaterThan(200);
  });
});

describe('one bit changes', () => {
  test('anywhere: the log is whole, or it heals with the right vote; every byte, every bit', async () => {
    const counts = { whole: 0, salvaged: 0 };
    for (const [name, offset] of everyByte(store)) {
      for (let bit = 0; bit < 8; bit++) {
        const disk = diskOf(flipped(store, name, offset, bit));
        const result = await openLog({ ...SMALL, create: false }, on(disk));
        if (result.ok) {
          counts.whole++;
          expect(result.log.isHealing).toBe(false);
          expect(result.log.hardState).toEqual(VOTED);
          expect([name, offset, await linesOf(result.log)]).toEqual([name, offset, whole]);
        } else {
          counts.salvaged++;
          const log = await expectSalvaged(salvageOn(disk));
          expect([name, offset, log.hardState]).toEqual([name, offset, VOTED]);
        }
      }
    }
    const segmentBytes = segmentsOf(store).reduce((sum, [, { length }]) => sum + length, 0);
    expect(counts.salvaged).toBe(8 * segmentBytes);
    expect(counts.whole).toBeGreaterThan(1_000);
  }, 120_000);

  test('in the voteRecord of a log that is damaged already: the other record tells', async () => {
    for (const [name, offset] of everyByte(damaged)) {
      if (name !== VOTE_RECORD) continue;
      for (let bit = 0; bit < 8; bit++) {
        const log = await expectSalvaged(salvageOn(diskOf(flipped(damaged, name, offset, bit))));
        expect([offset, log.hardState]).toEqual([offset, VOTED]);
      }
    }
  });

  test('in a log that heals: it is not taken for one that is whole', async () => {
    const healing = await healingStore();
    for (const [name, offset] of everyByte(healing)) {
      const disk = diskOf(flipped(healing, name, offset, offset % 8));
      const result = await openLog({ ...SMALL, create: false }, on(disk));
      const log = result.ok ? result.log : await expectSalvaged(salvageOn(disk));
      expect([name, offset, log.isHealing]).toEqual([name, offset, true]);
      expect(log.hardState.term).toBe(5);
    }
  });
});

describe('a sector cannot be read', () => {
  test('in any file, at any read: the log is whole, or it heals with the right vote', async () => {
    const counts = { whole: 0, salvaged: 0 };
    for (let at = 1; ; at++) {
      const bad = badSector(at);
      const disk = diskOf(store, { fault: bad.fault });
      const result = await openLog({ ...SMALL, create: false }, on(disk));
      if (!bad.hasStruck()) break;
      if (result.ok) {
        counts.whole++;
        expect([result.log.hardState, await linesOf(result.log)]).toEqual([VOTED, whole]);
      } else {
        counts.salvaged++;
        expect(result.refusal.message).toMatch(/the disk cannot read it \(EIO\)/);
        expect((await expectSalvaged(salvageOn(disk))).hardState).toEqual(VOTED);
      }
    }
    expect(counts.whole).toBeGreaterThanOrEqual(4);
    expect(counts.salvaged).toBeGreaterThanOrEqual(segmentsOf(store).length);
  });

  test('is not what any other error says, and that one is passed on', async () => {
    const disk = diskOf(store, {
      fault: ({ kind }) => (kind === 'read' ? { kind: 'error', code: 'ENOSPC' } : undefined),
    });
    await expect(openLog(SMALL, on(disk))).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(salvageOn(disk)).rejects.toMatchObject({ code: 'ENOSPC' });
  });
});

async function salvageOn(disk: SimulatedDisk, restartAfter = snapshot): Promise<OpenLogResult> {
  return salvage({ ...OWNER, restartAfter, segmentBytesMax: 600 }, on(disk));
}

/** The salvage succeeds, and what it gives is marked. */
async function expectSalvaged(salvaging: Promise<OpenLogResult>): Promise<Log> {
  const result = await salvaging;
  if (!result.ok) throw new Error(result.refusal.message);
  expect(result.log.isHealing).toBe(true);
  return result.log;
}

/** The salvage of the damaged store is complete, whoever completed it, and can be built upon. */
async function expectFinished(result: OpenLogResult, disk: SimulatedDisk): Promise<void> {
  const log = await expectSalvaged(Promise.resolve(result));
  expect(log.hardState).toEqual(VOTED);
  expect([log.firstIndex, log.lastIndex]).toEqual([6, 5]);
  const aside = [...disk.files()].filter(([name]) => name.startsWith('damaged-'));
  const bytes = segmentsOf(damaged).map(([, each]) => each);
  expect(byName(aside).map(([, each]) => each)).toEqual(bytes);
  expect(log.quarantined.length).toBe(bytes.length);
  await log.append({ hardState: hardState(5, 6), entries: [entry(6, 5)] });
  const later = await open(disk.afterPowerCut({ kind: 'everything' }), { create: false });
  expect([later.isHealing, later.lastIndex, later.hardState]).toEqual([true, 6, hardState(5, 6)]);
}

/** A log that was salvaged and has taken in some entries since. */
async function healingStore(): Promise<Files> {
  const disk = diskOf(damaged);
  const log = await expectSalvaged(salvageOn(disk));
  await log.append({ hardState: hardState(5, 9), entries: entries(6, 9, 5) });
  await log.close();
  return new Map([...disk.files()].filter(([name]) => !name.startsWith('damaged-')));
}

/** The store after a power cut that took the group of a vote for node-2 in term 5, not its ballot. */
async function cutBetweenTheWrites(): Promise<{ readonly ahead: Files }> {
  let isVoteRecordThere = false;
  const disk = diskOf(store, {
    fault: ({ kind, name }) => {
      if (kind === 'rename' && name.startsWith(VOTE_RECORD)) isVoteRecordThere = true;
      return kind === 'write' && isVoteRecordThere ? { kind: 'power-off' } : undefined;
    },
  });
  const log = await open(disk);
  const voting = log.append({ hardState: hardState(5, 5, 'node-2'), entries: [entry(11, 5)] });
  expect(await isDone(voting, disk)).toBe(false);
  return { ahead: disk.afterPowerCut({ kind: 'everything' }).files() };
}

/** Three elections and what comes between them: groups, a full segment, a conflict, a snapshot. */
async function elections(
  disk: SimulatedDisk,
  acknowledged: { term: number; vote: string | null }[],
): Promise<void> {
  const log = await open(disk);
  const vote = async (append: Parameters<Log['append']>[0]): Promise<void> => {
    await log.append(append);
    if (append.hardState !== undefined) acknowledged.push(append.hardState);
  };
  await vote({ hardState: hardState(1), entries: entries(1, 3) });
  await vote({ hardState: hardState(2, 1, null), entries: entries(4, 9, 2) });
  await vote({ hardState: hardState(2, 1, 'node-2'), entries: [] });
  await vote({ truncateFrom: 7, hardState: hardState(3, 4), entries: entries(7, 14, 3) });
  await vote({ entries: entries(15, 25, 3) });
  await vote({
    restartAfter: { index: 50, term: 5, chain: new Uint8Array(32).fill(3) },
    hardState: hardState(6, 50, 'node-3'),
    entries: entries(51, 52, 6),
  });
}

function diskOf(files: Files, options: SimulatedDiskOptions = {}): SimulatedDisk {
  return createSimulatedDisk(options, files);
}

function losses(at: number): readonly Loss[] {
  return [
    { kind: 'everything' },
    { kind: 'nothing' },
    { kind: 'cut', bytesKept: (at * 37) % 300 },
    ...[1, 2, 3, 4].map((seed) => ({ kind: 'random', seed: at * 1_000 + seed }) as const),
  ];
}

/** Whether the work ends before the power does. */
async function isDone(work: Promise<unknown>, disk: SimulatedDisk): Promise<boolean> {
  return Promise.race([work.then(() => true), disk.whenOff.then(() => false)]);
}

/** From the read with this number on, the file that it was for fails at the same place. */
function badSector(at: number): {
  fault: (operation: DiskOperation) => DiskFault | undefined;
  hasStruck: () => boolean;
} {
  let reads = 0;
  let bad: string | undefined;
  return {
    fault: ({ kind, name }) => {
      if (kind !== 'read') return undefined;
      if (++reads === at) bad = name;
      return name === bad ? { kind: 'error', code: 'EIO' } : undefined;
    },
    hasStruck: () => bad !== undefined,
  };
}

function segmentsOf(files: Files): readonly [string, Uint8Array][] {
  return byName([...files].filter(([name]) => !BESIDE_SEGMENTS.includes(name)));
}

function byName(files: readonly [string, Uint8Array][]): readonly [string, Uint8Array][] {
  return files.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function newestOf(files: Files): string {
  return segmentsOf(files).at(-1)?.[0] ?? '';
}

function fileOf(files: Files, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined) throw new Error(`there is no ${name}`);
  return bytes;
}

function without(files: Files, name: string): Files {
  return new Map([...files].filter(([each]) => each !== name));
}

/** The first record of one ballot, and the second of another. */
function mixed(first: Files, second: Files): Uint8Array {
  const bytes = Uint8Array.from(fileOf(first, VOTE_RECORD));
  bytes.set(fileOf(second, VOTE_RECORD).subarray(4096), 4096);
  return bytes;
}

async function linesOf(log: Log): Promise<string[]> {
  return (await contentOf(log)).map(show);
}

/** Lets the mark follow. */
async function nextTurns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
