/**
 * The process dies at every single operation of its disk, and the power cut takes every legal part
 * of what was not synced. Afterwards everything that was acknowledged is there, everybody is told
 * everything, and who is told twice is told so.
 */

import { describe, expect, test } from 'vitest';
import type { DiskOperation, Loss } from '../../src/io/sim/simulated-disk.ts';
import type { ReceivedNotification } from '../../src/io/sim/receivers.ts';
import { labelValue } from '../../src/commands/labels.ts';
import { entries } from '../../src/projections/table.ts';
import { openAttempts } from '../../src/projections/views.ts';
import { check, config, route, span } from '../support/scenario-config.ts';
import { pushed, World, type WorldOptions } from './world.ts';

const CPU = 'HighCpu(servers.a.cpu)';

/** Quick, so that a whole story takes seconds. */
const QUICK: WorldOptions = {
  config: config({
    route: route({ wait: '2s', interval: '7s', repeat: '1h' }),
    checks: [check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '1s' })],
    resolveTimeoutMs: span('1d'),
  }),
  tickMs: 1_000,
  snapshotEntries: 11,
  segmentBytesMax: 2_048,
};

/** What people outside know, whatever becomes of the node. */
interface Witness {
  /** Names of alerts whose push was answered with ok. */
  readonly acknowledged: Set<string>;
  /** How often the power has failed. */
  crashes: number;
}

/**
 * Six seconds over the threshold, then in order; two pushes. It goes on through crashes, as
 * monitors do.
 */
async function live(
  world: World,
  witness: Witness,
  untilMs: number,
  isOver = (): boolean => false,
): Promise<void> {
  while (world.time.nowMs < untilMs && !isOver()) {
    const second = Math.floor(world.time.nowMs / 1_000);
    void world.node.propose([world.observe({ 'servers.a.cpu': second < 6 ? 95 : 50 })]);
    if (second === 1 || second === 4) push(world, witness, `P${second}`);
    await world.time.runUntil((second + 1) * 1_000);
  }
}

function push(world: World, { acknowledged }: Witness, alertname: string): void {
  void world.node
    .propose([pushed(world.clock.now(), { alertname })])
    .then(({ ok }) => ok && acknowledged.add(alertname));
}

const STORY_MS = 13_000;
/** Long enough for what is left over: a tick of every group, and the back-off of a try. */
const AFTERMATH_MS = 12_000;

/** Operations that change something. Where power fails between them makes no difference. */
const CHANGING: ReadonlySet<DiskOperation['kind']> = new Set([
  'create',
  'rename',
  'remove',
  'syncDirectory',
  'write',
  'truncate',
  'sync',
]);

describe('a crash', () => {
  test('at every operation of the disk loses nothing acknowledged and no page', async () => {
    let crashes = 0;
    for (let at = 1; ; at++) {
      const some: Loss = at % 4 === 0 ? { kind: 'nothing' } : { kind: 'random', seed: at };
      for (const loss of [{ kind: 'everything' } as const, some]) {
        if (await survives(at, loss)) crashes++;
      }
      if (crashes < 2 * at) break;
    }
    expect(crashes).toBeGreaterThan(200);
  });

  test('between the page and the end of it gives one page and one end', async () => {
    for (const end of ['kill', 'powerCut'] as const) {
      const world = await new World(QUICK).start();
      await world.reading('servers.a.cpu', 95);
      await world.wait('5s');
      await world[end]().start();
      await world.reading('servers.a.cpu', 50);
      await world.wait('1m');
      expect(world.told()).toEqual([
        '0:03 team | first notification | firing HighCpu(servers.a.cpu)',
        '0:10 team | all alerts resolved | resolved HighCpu(servers.a.cpu)',
      ]);
    }
  });

  test('between the page and its answer repeats the page, marked, under the same key', async () => {
    const world = await new World(QUICK).start();
    await world.reading('servers.a.cpu', 95);
    await world.time.runUntil(3_000);
    expect(world.receivers.notifications).toHaveLength(1);
    await world.kill().start();
    await world.wait('1s');
    expect(world.told(1)).toEqual([
      '0:03.500 team | first notification | firing HighCpu(servers.a.cpu) | may be a duplicate',
    ]);
    expect(world.receivers.notifications.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
      'cluster-1/6.0',
      'cluster-1/6.0',
    ]);
  });

  test('and another one while the next process starts lose nothing either', async () => {
    for (let at = 20; at <= 80; at += 12) {
      for (let again = 1; again <= 16; again += 3) {
        await survives(at, { kind: 'random', seed: at }, again);
      }
    }
  });
});

/** Answers false when the story was over before the operation came. */
async function survives(at: number, loss: Loss, again?: number): Promise<boolean> {
  const story = `operation ${at}, ${JSON.stringify(loss)}${again === undefined ? '' : `, ${again}`}`;
  const world = new World(QUICK);
  const witness: Witness = { acknowledged: new Set(), crashes: 0 };
  if (!(await diesAt(at, world, witness, STORY_MS))) return false;
  world.powerCut(loss);
  if (again !== undefined && (await diesAt(again, world, witness, world.time.nowMs + 2_000))) {
    world.powerCut({ kind: 'random', seed: again });
  }
  await world.start();
  const complaints = lossesOf(world, witness);
  await live(world, witness, Math.max(world.time.nowMs, STORY_MS) + AFTERMATH_MS);
  complaints.push(...silencesOf(world, witness), ...liesOf(world.receivers.notifications, witness));
  expect({ story, complaints }).toEqual({ story, complaints: [] });
  return true;
}

/** Lives until the changing operation with this number, at which the power fails. */
async function diesAt(
  at: number,
  world: World,
  witness: Witness,
  untilMs: number,
): Promise<boolean> {
  let count = 0;
  let isDead = false;
  world.trouble({
    fault: ({ kind }) => {
      if (!CHANGING.has(kind) || ++count !== at) return undefined;
      isDead = true;
      witness.crashes++;
      world.clock.kill();
      return { kind: 'power-off' };
    },
  });
  try {
    await world.start();
  } catch (error) {
    // A process that dies while it starts leaves nothing to wait for.
    if (!isDead) throw error;
  }
  await live(world, witness, untilMs, () => isDead);
  return isDead;
}

/** Pushes that were answered with ok and that the node does not know any more. */
function lossesOf(world: World, { acknowledged }: Witness): string[] {
  const known = new Set(
    [...entries(world.state.alerts)].map(([, { labels }]) => labelValue(labels, 'alertname')),
  );
  return [...acknowledged].filter((name) => !known.has(name)).map((name) => `${name} is lost`);
}

/** What should have been told and was not. */
function silencesOf(world: World, { acknowledged }: Witness): string[] {
  const { notifications } = world.receivers;
  const told = new Set(notifications.flatMap((page) => page.firing));
  const owed = openAttempts(world.state).map(({ id }) => `notification ${id} is left open`);
  const untold = [...acknowledged, CPU].filter((name) => !told.has(name));
  const last = notifications.findLast((page) => [...page.firing, ...page.resolved].includes(CPU));
  return [
    ...owed,
    ...untold.map((name) => `nobody was told of ${name}`),
    ...(last?.resolved.includes(CPU) === true ? [] : [`nobody was told the end of ${CPU}`]),
  ];
}

/** Who is told a thing again is told so, can tell it by the key, and only after a crash. */
function liesOf(pages: readonly ReceivedNotification[], { crashes }: Witness): string[] {
  const byContent = new Map<string, ReceivedNotification[]>();
  for (const page of pages) {
    const content = JSON.stringify([page.integration, page.firing, page.resolved]);
    byContent.set(content, [...(byContent.get(content) ?? []), page]);
  }
  return [...byContent].flatMap(([content, [first, ...again]]) => [
    ...(again.length > crashes ? [`${content} was told ${again.length + 1} times`] : []),
    ...again.flatMap(({ uncertain, idempotencyKey: key }) => [
      ...(uncertain ? [] : [`${content} was told again as if it were new`]),
      ...(key === first?.idempotencyKey ? [] : [`${content} was told again under another key`]),
    ]),
  ]);
}
