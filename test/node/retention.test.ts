/** The limits of the history, set against a real log and a store: what goes, what stays, when. */

import { describe, expect, test } from 'vitest';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { createSimulatedDisk } from '../../src/io/sim/simulated-disk.ts';
import { Housekeeping, type Applied } from '../../src/io/node/housekeeping.ts';
import { Retention } from '../../src/io/node/retention.ts';
import { SimulatedCluster, type Witness } from '../../src/io/sim/cluster.ts';
import { MemorySnapshots } from '../../src/io/sim/memory-snapshots.ts';
import { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import type { Log } from '../../src/log/log.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { EMPTY_CONFIG } from '../../src/raft/confchange.ts';
import { entries, open } from '../log/world.ts';
import { alert, witness } from '../sim/cluster-by-hand.ts';
import { CONFIG } from '../sim/runs.ts';
import { transfer } from '../snapshots/machines.ts';
import { busyDesk, metaOf } from '../snapshots/store.ts';

const SILENT = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const HOUR = 3_600_000;
/** So little room that the log is cut after a few hundred entries. */
const SMALL_HISTORY = { segmentBytesMax: 4_096, retentionBytes: 80_000 };

/** A log of so many entries in small segments. */
async function logOf(count: number): Promise<Log> {
  const log = await open(createSimulatedDisk());
  for (const each of entries(1, count)) await log.append({ entries: [each] });
  return log;
}

/** Snapshots of a small state, with the log's time of each. */
async function snapshotsAt(times: Readonly<Record<number, number>>): Promise<MemorySnapshots> {
  const snapshots = new MemorySnapshots({ digest: nodeDigest });
  const desk = busyDesk();
  for (const [index, at] of Object.entries(times)) {
    await snapshots.save(desk.state, { ...metaOf(desk), index: Number(index), at });
  }
  return snapshots;
}

interface Kept {
  readonly log: Log;
  readonly snapshots: MemorySnapshots;
  readonly newest: number;
  readonly bytes?: number;
  readonly ms?: number;
  readonly now?: number;
}

/** Enforces the limits once; gives the indexes up to which the log was cut. */
async function enforce({ log, snapshots, newest, now = 0, ...limits }: Kept): Promise<number[]> {
  const cuts: number[] = [];
  const time = new VirtualTime();
  const retention = new Retention(
    {
      snapshotEntries: 2,
      retentionBytes: limits.bytes ?? 1e12,
      retentionMs: limits.ms ?? 1e12,
    },
    {
      clock: new VirtualClock({ epochMs: now }, { time }),
      logger: SILENT,
      log,
      snapshots,
      newest: () => newest,
      takeSnapshot: () => Promise.resolve(false),
      onCut: (index) => cuts.push(index),
    },
  );
  await retention.enforce();
  return cuts;
}

function indexesOf(snapshots: MemorySnapshots): readonly number[] {
  return snapshots.indexes().toSorted((a, b) => a - b);
}

describe('a snapshot that came from the leader and is not installed yet', () => {
  async function withReceived() {
    const own = await snapshotsAt({ 10: 0, 40: HOUR });
    const leader = await snapshotsAt({ 500: 9 * HOUR });
    await transfer(leader, 500, own);
    return own;
  }

  test('is no place for the log to begin at, whatever the limit of bytes', async () => {
    const snapshots = await withReceived();
    const log = await logOf(60);
    const cuts = await enforce({ log, snapshots, newest: 40, bytes: 1 });
    expect(cuts.length).toBeGreaterThan(0);
    expect(Math.max(...cuts)).toBe(40);
    expect(indexesOf(snapshots)).toEqual([40, 500]);
    expect(log.firstIndex).toBeLessThanOrEqual(41);
  });

  test('is none either when all that is here is too old', async () => {
    const snapshots = await withReceived();
    const log = await logOf(60);
    await enforce({ log, snapshots, newest: 40, now: 90 * HOUR, ms: HOUR });
    expect(indexesOf(snapshots)).toEqual([40, 500]);
    expect(log.firstIndex).toBeLessThanOrEqual(41);
  });
});

describe('a log that an earlier build has left with few snapshots', () => {
  test('goes segment by segment for room, not down to its first snapshot at once', async () => {
    const snapshots = await snapshotsAt({ 180: 0, 190: 1, 200: 2 });
    const log = await logOf(200);
    const before = bytesOf(log);
    const limit = before / 2 + (await snapshots.bytes());
    const cuts = await enforce({ log, snapshots, newest: 200, bytes: limit });
    expect(indexesOf(snapshots)).toEqual([180, 190, 200]);
    expect(cuts.length).toBeGreaterThan(10);
    expect(bytesOf(log) + (await snapshots.bytes())).toBeLessThanOrEqual(limit);
    // No more than a segment below what had to go.
    expect(bytesOf(log)).toBeGreaterThan(before / 4);
    expect(log.firstIndex).toBeLessThan(180);
  });

  test('stays whole until its first snapshot is as old as the limit', async () => {
    const snapshots = await snapshotsAt({ 180: 10 * HOUR, 190: 11 * HOUR, 200: 12 * HOUR });
    const log = await logOf(200);
    const of = { log, snapshots, newest: 200, ms: 24 * HOUR };
    expect(await enforce({ ...of, now: 34 * HOUR - 1 })).toEqual([]);
    expect(log.firstIndex).toBe(1);
    expect(await enforce({ ...of, now: 34 * HOUR })).toEqual([180]);
    expect(log.firstIndex).toBeGreaterThan(100);
  });
});

describe('the limit of time', () => {
  test('keeps nothing longer than itself and one kept interval', async () => {
    const interval = 6 * HOUR;
    const times = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [10 * i + 10, i * interval]),
    );
    const snapshots = await snapshotsAt(times);
    const log = await logOf(200);
    const ms = 24 * HOUR;
    for (let now = 0; now < 30 * interval; now += HOUR) {
      await enforce({ log, snapshots, newest: 200, ms, now });
      const { good } = await snapshots.list();
      const [oldest, next] = good;
      expect(now - (oldest?.at ?? 0)).toBeLessThan(
        // Whatever is the newest stays.
        next === undefined ? Infinity : ms + interval,
      );
    }
    expect(indexesOf(snapshots)).toEqual([200]);
  });
});

describe('a snapshot is due', () => {
  interface Due {
    readonly each: Omit<Applied, 'index'>;
    readonly count: number;
    readonly retentionBytes?: number;
    readonly snapshots?: MemorySnapshots;
  }

  /** Indexes of the snapshots that are taken while so many equal entries are applied. */
  async function taken({
    each,
    count,
    retentionBytes = 1e12,
    snapshots = new MemorySnapshots({ digest: nodeDigest }),
  }: Due): Promise<readonly number[]> {
    const time = new VirtualTime();
    const clock = new VirtualClock({ epochMs: 0 }, { time });
    const log = await logOf(count);
    const all: number[] = [];
    let index = 0;
    const housekeeping = new Housekeeping(
      {
        snapshotEntries: 1_000_000,
        snapshotMs: 60_000,
        retentionMs: 1e12,
        retentionBytes,
      },
      {
        clock,
        logger: SILENT,
        log,
        snapshots,
        observer: {
          appended: () => undefined,
          applied: () => undefined,
          snapshotTaken: () => undefined,
        },
        view: () => ({ state: INITIAL_STATE, index, term: 1, at: 1 }),
        configAt: () => ({ index: 0, confState: EMPTY_CONFIG }),
        onSnapshot: (at) => all.push(at),
        onCut: () => undefined,
        onFailure: (error) => {
          throw error;
        },
      },
      { snapshotIndex: 0, at: 1 },
    );
    for (index = 1; index <= count; index++) {
      housekeeping.applied({ index, ...each });
      // Let it be taken before the next entry comes.
      for (let turn = 0; turn < 200; turn++) await Promise.resolve();
    }
    housekeeping.halt();
    return all;
  }

  test('after five million readings within a minute of the log, and after each five million more', async () => {
    const ids = new Int32Array(1_000_000);
    const values = new Float64Array(1_000_000);
    const commands = [{ kind: 'observe', source: 'carbon', names: [], ids, values }] as const;
    const each = { bytes: 1, batch: { at: 2, commands } };
    expect(await taken({ each, count: 12 })).toEqual([5, 10]);
  });

  test('after each eighth of what may be kept', async () => {
    const each = { bytes: 1_000, batch: { at: 2, commands: [] } };
    expect(await taken({ each, count: 9, retentionBytes: 24_000 })).toEqual([3, 6, 9]);
  });

  test('and makes others go by its own time, not by that of one which came and is not installed', async () => {
    const snapshots = new MemorySnapshots({ digest: nodeDigest });
    await transfer(await snapshotsAt({ 500: 90 * HOUR }), 500, snapshots);
    const each = { bytes: 1_000, batch: { at: 2, commands: [] } };
    await taken({ each, count: 9, retentionBytes: 24_000, snapshots });
    expect(indexesOf(snapshots)).toEqual([3, 6, 9, 500]);
  });

  test('not for a few small entries within a minute', async () => {
    expect(await taken({ each: { bytes: 1, batch: { at: 2, commands: [] } }, count: 12 })).toEqual(
      [],
    );
  });
});

describe('a member that lags behind', () => {
  test('is sent a snapshot when what the leader was just reading for it is dropped', async () => {
    const reads: { readonly by: string; readonly from: number }[] = [];
    const sent: string[] = [];
    const effect: Witness['effect'] = ({ name }, it) => {
      if (it.type === 'readEntries') reads.push({ by: name, from: it.from });
      if (it.type === 'sendSnapshot') sent.push(it.to);
    };
    const cluster = new SimulatedCluster(
      { seed: 1, config: CONFIG, snapshotEntries: 60, ...SMALL_HISTORY },
      { digest: nodeDigest, localTimeIn, witness: witness({ effect }) },
    );
    const { network, time } = cluster;
    const [n1, n2, n3] = ['n1', 'n2', 'n3'].map((name, i) => cluster.addHost(name, i === 0));
    if (n1 === undefined || n2 === undefined || n3 === undefined) throw new Error('no hosts');
    await time.until(cluster.boot(n1));
    await time.run(1_000);
    for (const joiner of [n2, n3]) {
      await time.until(cluster.admit(joiner, n1));
      await time.until(cluster.boot(joiner));
      await time.run(3_000);
    }
    let pushed = 0;
    const push = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const leader = [n1, n2].find(({ process }) => process?.node.isServing());
        void leader?.process?.node.propose([alert(`A${pushed++}`)]);
        await time.run(20);
      }
    };
    const index = (host = n1): number => host.process?.node.view().index ?? 0;
    while (index() % 60 !== 2) await push(1);
    await time.run(1_000);

    // The third lags by less than a snapshot, and the others forget what they had in memory.
    network.partition(['n3'], ['n1', 'n2']);
    await push(45);
    const lastOfN3 = n3.process?.log.lastIndex ?? 0;
    for (const host of [n1, n2]) cluster.kill(host);
    for (const host of [n1, n2]) await time.until(cluster.boot(host));
    // Segments are compressed soon after a start; that is over before the disk gets slow.
    await time.run(10_000);
    const leader = [n1, n2].find(({ process }) => process?.node.isServing());
    if (leader === undefined) throw new Error('nobody leads');
    expect(leader.process?.log.firstIndex).toBeLessThanOrEqual(lastOfN3);
    expect(index(leader) - lastOfN3).toBeGreaterThan(40);
    reads.length = 0;
    leader.trouble = { takesMs: ({ kind }) => (kind === 'read' ? 20_000 : 0) };
    network.heal();
    await time.run(500);
    expect(reads).toContainEqual({ by: leader.name, from: lastOfN3 + 1 });

    await push(300);
    expect(leader.process?.log.firstIndex).toBeGreaterThan(lastOfN3 + 1);
    await time.run(20_000);
    leader.trouble = {};
    await time.run(30_000);
    expect(sent).toContain('n3');
    expect(index(n3)).toBe(index(leader));
  });
});

function bytesOf(log: Log): number {
  return log.segments().reduce((sum, { bytes }) => sum + bytes, 0);
}
