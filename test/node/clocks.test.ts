/**
 * Wall clocks that leap: for a moment or for good, by a little or by a year, on one node or on one of
 * several. What is notified, muted and listed is compared with what it would be without the leap.
 */

import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { middleOf } from '../../src/io/node/log-clock.ts';
import { EPOCH_MS, SimulatedCluster, type Host } from '../../src/io/sim/cluster.ts';
import type { Process } from '../../src/io/sim/process.ts';
import type { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import type { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import { entries, get } from '../../src/projections/table.ts';
import { Suppressions } from '../../src/projections/suppressions.ts';
import { alertView, isFiring } from '../../src/projections/views.ts';
import { check, config, route, span } from '../support/scenario-config.ts';
import { witness } from '../sim/cluster-by-hand.ts';
import { observed, silence, START, World } from './world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

const CONFIG = config({
  route: route({ by: ['alertname'], wait: '10s', interval: '30s', repeat: '105s' }),
  checks: [
    check({ series: 'servers.*.cpu', above: 90, for: '1m' }),
    check({ name: 'Silent', series: 'beats.*', missing: '1m' }),
  ],
  resolveTimeoutMs: span('90s'),
});

/** What people see: who is notified of what and when, and what is listed or muted at each look. */
interface Seen {
  readonly notified: readonly { readonly at: number; readonly what: string }[];
  readonly listed: readonly string[];
}

interface Place {
  readonly time: VirtualTime;
  readonly node: () => Process['node'];
}

/** A push as a script sends it: by the clock of its own machine, which is right. */
function push({ time, node }: Place, alertname: string, lastsMs: number): Promise<unknown> {
  const labels = labelsFrom([['alertname', alertname]]);
  const now = EPOCH_MS + Math.floor(time.nowMs);
  const alert = { labels, annotations: [], startsAt: now, endsAt: now + lastsMs, generatorUrl: '' };
  const command: Command = { kind: 'alerts', source: 'script', alerts: [alert] };
  return time.until(node().propose([command]));
}

function read({ time, node }: Place, series: string, value: number): Promise<unknown> {
  return time.until(node().propose([observed(node(), { [series]: value })]));
}

function look({ node }: Place): string {
  const { state } = node().view();
  const { at, offsetMs } = node().time();
  const zone = (ms: number, name: string) => localTimeIn(ms + offsetMs, name);
  const suppressions = new Suppressions({ state, now: at, localTimeIn: zone });
  return [...entries(state.alerts)]
    .filter(([, alert]) => isFiring(alert, at))
    .map(([key, alert]) => alertView(state, key, alert, suppressions))
    .map(
      ({ labels, causes }) =>
        `${labels['alertname']}${causes.map(({ subject }) => ` (${subject})`).join('')}`,
    )
    .toSorted()
    .join(', ');
}

/** Six minutes in which everything that has to do with time happens around the fortieth second. */
async function story(place: Place, leap: () => void): Promise<readonly string[]> {
  const { time } = place;
  const listed: string[] = [];
  const begin = time.nowMs;
  const at = async (seconds: number, what: () => unknown): Promise<void> => {
    await time.runUntil(begin + seconds * 1_000);
    await what();
  };
  const client = (): number => EPOCH_MS + Math.floor(time.nowMs);
  await read(place, 'servers.a.cpu', 95);
  await read(place, 'beats.a', 1);
  await push(place, 'Before', 4 * MINUTE_MS);
  await at(20, () =>
    time.until(
      place
        .node()
        .propose([silence('before', client(), client() + 3 * MINUTE_MS, 'alertname="Muted"')]),
    ),
  );
  await at(40, leap);
  await at(41, () => push(place, 'Meanwhile', 4 * MINUTE_MS));
  await at(41.2, () => push(place, 'Muted', 5 * MINUTE_MS));
  await at(41.4, () => push(place, 'AlsoMuted', 5 * MINUTE_MS));
  await at(41.6, () =>
    time.until(
      place
        .node()
        .propose([
          silence('meanwhile', client(), client() + 2 * MINUTE_MS, 'alertname="AlsoMuted"'),
        ]),
    ),
  );
  await at(42, () => read(place, 'servers.b.cpu', 95));
  for (let seconds = 50; seconds <= 360; seconds += 10) {
    await at(seconds + 5, () => listed.push(`${seconds} ${look(place)}`));
  }
  return listed;
}

async function alone(leap: (clock: VirtualClock, time: VirtualTime) => void): Promise<Seen> {
  const world = await new World({ config: CONFIG }).start();
  await world.wait('1m');
  const place = { time: world.time, node: () => world.node };
  const listed = await story(place, () => leap(world.clock, world.time));
  const notified = world.receivers.notifications.map(({ atMs, firing, resolved }) => {
    return { at: atMs, what: `firing ${firing.join(' ')} resolved ${resolved.join(' ')}` };
  });
  return { notified, listed };
}

/** Nothing else, and nothing sooner or later than so much. */
function expectAlike(seen: Seen, reference: Seen, toleranceMs = 1_000): void {
  expect(seen.notified.map(({ what }) => what)).toEqual(reference.notified.map(({ what }) => what));
  for (const [i, { at, what }] of seen.notified.entries()) {
    const due = reference.notified[i]?.at ?? 0;
    expect(Math.abs(at - due), `${what}: due at ${due}, came at ${at}`).toBeLessThanOrEqual(
      toleranceMs,
    );
  }
  expect(seen.listed).toEqual(reference.listed);
}

const LEAPS = [400, 3_000, 30_000, 5 * MINUTE_MS, HOUR_MS, YEAR_MS].flatMap((ms) => [ms, -ms]);

describe('the clock of a node alone', () => {
  test('decides on something in this story, and on nothing by chance', async () => {
    const reference = await alone(() => undefined);
    expect(reference.notified.length).toBeGreaterThan(10);
    expectAlike(await alone(() => undefined), reference, 0);
    expect(reference.listed[0]).toBe('50 AlsoMuted (meanwhile), Before, Meanwhile, Muted (before)');
  });

  test.for(LEAPS)('leaps by %i ms for two seconds, and nobody notices', async (ms) => {
    const seen = await alone((clock, time) => {
      clock.stepWall(ms);
      time.after(2_000, () => clock.stepWall(-ms));
    });
    expectAlike(seen, await alone(() => undefined), 0);
  });

  test.for(LEAPS)('leaps by %i ms for good, and nothing is due sooner or later', async (ms) => {
    const seen = await alone((clock) => clock.stepWall(ms));
    // A hundredth of the five minutes that are left, while log time waits for a clock that went back.
    expectAlike(seen, await alone(() => undefined), ms < 0 ? 4_000 : 1_000);
  });

  test.for(LEAPS)('leaps by %i ms for a minute and comes back', async (ms) => {
    const seen = await alone((clock, time) => {
      clock.stepWall(ms);
      time.after(60_000, () => clock.stepWall(-ms));
    });
    expectAlike(seen, await alone(() => undefined), 4_000);
  });
});

describe('log time', () => {
  const world = () => new World({ config: CONFIG }).start();
  const behind = async (one: World): Promise<number> => {
    const { ok, ...rest } = (await one.reading('x', 1)) as { ok: boolean; at?: number };
    return ok ? one.clock.now() - (rest.at ?? 0) : Number.NaN;
  };

  test('is set forward once a step has held for half a minute, and the log says so', async () => {
    const one = await world();
    one.clock.stepWall(HOUR_MS);
    await one.wait('29s');
    expect(await behind(one)).toBe(HOUR_MS);
    await one.wait('2s');
    expect(await behind(one)).toBe(0);
    const leads = (await one.entries()).flatMap(({ commands }) =>
      commands.filter(({ kind }) => kind === 'lead'),
    );
    expect(leads.at(-1)).toMatchObject({ kind: 'lead', stepMs: HOUR_MS });
  });

  test('goes on a little slower after a step back, until the clock has caught up', async () => {
    const one = await world();
    one.clock.stepWall(-MINUTE_MS);
    await one.wait('10m');
    expect(await behind(one)).toBeLessThan(-50_000);
    await one.wait('2h');
    expect(await behind(one)).toBe(0);
    const times = (await one.entries(3)).map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test('is what the operator says at once', async () => {
    const one = await world();
    one.clock.stepWall(5 * MINUTE_MS);
    await one.wait('1s');
    expect(await behind(one)).toBe(5 * MINUTE_MS);
    expect(one.node.acceptClock()).toBe(5 * MINUTE_MS);
    await one.wait('1s');
    expect(await behind(one)).toBe(0);
  });

  test('after a restart is that of before at least, and clients are understood', async () => {
    const one = await world();
    await one.wait('20m');
    const before = await one.reading('x', 1);
    one.clock.stepWall(-10 * MINUTE_MS);
    await one.kill().start();
    const after = await one.reading('x', 1);
    expect(after).toMatchObject({ ok: true, at: before.ok ? before.at : 0 });
    // By the clock of this machine, which is ten minutes behind the log.
    const now = one.clock.now();
    await one.propose(silence('s', now, now + 5 * MINUTE_MS, 'alertname="x"'));
    const row = get(one.state.silences, 's');
    expect(row).toMatchObject({ startsAt: now, endsAt: now + 5 * MINUTE_MS });
    expect(row?.offsetMs).toBeCloseTo(-10 * MINUTE_MS, -3);
  });

  test('does not count a suspension in which even the monotonic clock stood still', async () => {
    const one = await world();
    await one.reading('servers.a.cpu', 95);
    await one.wait('10s');
    one.clock.suspend(10 * MINUTE_MS);
    await one.wait('10m');
    await one.wait('40s');
    await one.reading('servers.a.cpu', 5);
    await one.wait('10m');
    expect(one.told()).toEqual([]);
    expect(await behind(one)).toBe(0);
  });

  test('by the first version of the fold, which knows no steps, is slewed', async () => {
    const cluster = await clusterOf(['n1'], 0);
    const [host] = cluster.living();
    host?.clock.stepWall(MINUTE_MS);
    await cluster.time.run(20_000);
    const node = host?.process?.node;
    expect(node?.time().offsetMs ?? 0).toBe(0);
    await cluster.time.run(40_000);
    expect(node?.time().offsetMs).toBeGreaterThan(20_000);
    await cluster.time.run(60_000);
    expect(node?.time().offsetMs).toBe(0);
  });
});

async function clusterOf(
  names: readonly string[],
  founder = 1,
  onError: (message: string) => void = () => undefined,
): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster(
    { seed: 1, config: CONFIG, snapshotEntries: 1_000, segmentBytesMax: 1 << 16, founder },
    {
      digest: nodeDigest,
      localTimeIn,
      witness: witness({
        logged: (_, level, message) => {
          if (level === 'error') onError(message);
        },
      }),
    },
  );
  const { time } = cluster;
  for (const [i, name] of names.entries()) {
    const host = cluster.addHost(name, i === 0);
    const [first] = cluster.living();
    if (first !== undefined) await time.until(cluster.admit(host, first));
    await time.until(cluster.boot(host));
    await time.run(3_000);
  }
  return cluster;
}

describe('the clock of one member of three', () => {
  type Fault = (cluster: SimulatedCluster, leader: Host, follower: Host) => void;

  const leaderOf = (cluster: SimulatedCluster): Host => {
    const found = cluster.living().find(({ process }) => process?.node.isServing() === true);
    if (found === undefined) throw new Error('nobody leads');
    return found;
  };
  const together = async (fault: Fault): Promise<Seen> => {
    const cluster = await clusterOf(['n1', 'n2', 'n3']);
    const { time } = cluster;
    await time.runUntil(60_000);
    const old = leaderOf(cluster);
    const [follower, other] = cluster.living().filter((host) => host !== old);
    if (follower === undefined || other === undefined) throw new Error('there are three');
    // Whoever is asked is neither the old leader nor the one that follows it.
    const place = { time, node: () => (other.process ?? old.process)!.node };
    const listed = await story(place, () => fault(cluster, old, follower));
    // Receivers have moods: what counts is when they were first told.
    const notified = cluster.receivers.notifications
      .filter((page) => page.try === 1)
      .map(({ atMs, firing, resolved }) => {
        return { at: atMs, what: `firing ${firing.join(' ')} resolved ${resolved.join(' ')}` };
      });
    return { notified, listed };
  };
  const reference = together(() => undefined);

  test.for(LEAPS)('the leader, leaps by %i ms for two seconds', async (ms) => {
    const seen = await together(({ time }, { clock }) => {
      clock.stepWall(ms);
      time.after(2_000, () => clock.stepWall(-ms));
    });
    expectAlike(seen, await reference);
  });

  test.for(LEAPS)('the leader, leaps by %i ms for good', async (ms) => {
    expectAlike(await together((_, { clock }) => clock.stepWall(ms)), await reference);
  });

  test.for(LEAPS)('a follower that leads later, leaps by %i ms for good', async (ms) => {
    const seen = await together((cluster, leader, follower) => {
      follower.clock.stepWall(ms);
      cluster.time.after(45_000, () => {
        void leader.process?.node.changeMembership({ op: 'transfer', node: follower.nodeId });
      });
    });
    expectAlike(seen, await reference);
  });

  test('the leader, is so far off that it gives leadership up, and says why', async () => {
    const said: string[] = [];
    const cluster = await clusterOf(['n1', 'n2', 'n3'], 1, (line) => said.push(line));
    const old = leaderOf(cluster);
    const { term } = old.process?.node.status() ?? { term: 0 };
    old.clock.stepWall(HOUR_MS);
    await cluster.time.run(1_000);
    expect(leaderOf(cluster)).not.toBe(old);
    expect(old.process?.node.status().term).toBe(term + 1);
    expect(said).toEqual([
      expect.stringMatching(/^clock differs from those of most members: this node will not lead/),
    ]);
  });
});

test('of several clocks the middle one counts, of an even number one of two', () => {
  expect(middleOf([0])).toEqual({ low: 0, high: 0 });
  expect(middleOf([0, 5_000])).toEqual({ low: 0, high: 5_000 });
  expect(middleOf([0, 6_000, 5_000])).toEqual({ low: 5_000, high: 5_000 });
  expect(middleOf([0, -3, 9])).toEqual({ low: 0, high: 0 });
  expect(middleOf([0, 7, 6, 5])).toEqual({ low: 5, high: 6 });
});

describe('a cluster that is started again while one clock is an hour ahead', () => {
  test('goes on by the others, whoever leads and whoever is still away', async () => {
    const cluster = await clusterOf(['n1', 'n2', 'n3']);
    const { time } = cluster;
    await time.runUntil(60_000);
    const hosts = cluster.living();
    for (const host of hosts) cluster.kill(host);
    const [wrong, right] = hosts;
    if (wrong === undefined || right === undefined) throw new Error('there are three');
    wrong.clock.stepWall(HOUR_MS);
    await time.until(cluster.boot(wrong));
    await time.until(cluster.boot(right));
    await time.run(60_000);
    for (const { process } of [wrong, right]) {
      const { at = 0 } = process?.node.time() ?? {};
      expect(Math.abs(at - cluster.wallMs())).toBeLessThan(1_000);
    }
  });
});

describe('nobody listened for an hour', () => {
  const missing = config({ checks: [check({ series: 'servers.*.cpu', missing: '10m' })] });
  const names = Array.from({ length: 20 }, (_, i) => `servers.h${i}.cpu`);
  /** Each series is read once a minute, one after the other. */
  const goOn = async (world: World, minutes: number): Promise<void> => {
    for (let minute = 0; minute < minutes; minute++) {
      for (const name of names) {
        await world.reading(name, 1);
        await world.wait('3s');
      }
    }
  };
  const withReadings = async (): Promise<World> => {
    const world = await new World({ config: missing }).start();
    await goOn(world, 2);
    return world;
  };

  test('because the node was down: silent series get their full time again', async () => {
    const world = await withReadings();
    world.kill();
    await world.wait('1h');
    await world.start();
    await goOn(world, 15);
    expect(world.told()).toEqual([]);
  });

  test('and what is silent afterwards is missed after its period', async () => {
    const world = await withReadings();
    world.kill();
    await world.wait('1h');
    await world.start();
    await world.wait('9m');
    expect(world.state.alerts.size).toBe(0);
    await world.wait('4m');
    expect(world.state.alerts.size).toBe(names.length);
  });

  test('because the machine was suspended, which its wall clock shows as a step', async () => {
    const world = await withReadings();
    world.clock.stepWall(60 * MINUTE_MS);
    await goOn(world, 15);
    expect(world.told()).toEqual([]);
    expect(world.state.alerts.size).toBe(0);
  });

  test('because the process was stopped, and then let go on', async () => {
    const world = await withReadings();
    world.clock.freeze(60 * MINUTE_MS);
    await world.wait('1h');
    await goOn(world, 15);
    expect(world.told()).toEqual([]);
    expect(world.state.alerts.size).toBe(0);
  });
});

test('worlds begin at one time', () => {
  expect(EPOCH_MS).toBe(START);
});
