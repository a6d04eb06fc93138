/**
 * How many seconds a simulated node, or a cluster, runs in one real second: the production node on
 * virtual time, over a simulated disk, with a receiver that answers. Prints a table and one JSON line
 * a case.
 *
 * The cases of one node differ in what is asked of it in each simulated second. Ticks are those of
 * the daemon, ten a second, so a node with nothing to do shows what the driver itself costs. The
 * cases of a cluster are runs of the simulator with all its checkers, without faults and with them.
 */

import type { ApplyConfig } from '../src/commands/config.ts';
import type { Observe } from '../src/commands/observe.ts';
import { nodeDigest } from '../src/io/disk/digest.ts';
import { createSimulatedDisk } from '../src/io/sim/simulated-disk.ts';
import type { Logger, NodeObserver } from '../src/io/ports.ts';
import { MemorySnapshots } from '../src/io/sim/memory-snapshots.ts';
import { startProcess, type Process } from '../src/io/sim/process.ts';
import { Receivers } from '../src/io/sim/receivers.ts';
import { FIRST_ACTIONS } from '../src/io/sim/schedule.ts';
import { SeededRandom } from '../src/io/sim/seeded-random.ts';
import { VirtualClock } from '../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../src/io/sim/virtual-time.ts';
import { freezeStates } from '../src/projections/transaction.ts';
import { runCluster, type RunOptions } from '../test/sim/runs.ts';

const EPOCH_MS = Date.parse('2026-01-05T00:00:00Z');
/** A case runs at least so long, and is measured after as long a warm-up. */
const MEASURE_MS = 3_000;
/** Simulated seconds between two looks at the real clock. */
const STRIDE_S = 60;
/** A breach begins and ends every so many simulated seconds. */
const BREACH_S = 120;

interface Case {
  readonly name: string;
  readonly series: number;
  /** Proposals in a simulated second, each with one reading of every series. */
  readonly batchesPerSecond: number;
}

const CASES: readonly Case[] = [
  { name: 'idle', series: 0, batchesPerSecond: 0 },
  { name: 'a reading a second, a page every two minutes', series: 1, batchesPerSecond: 1 },
  { name: 'ten batches of 100 readings a second', series: 100, batchesPerSecond: 10 },
];

const CONFIG: ApplyConfig = {
  kind: 'config',
  origin: 'bench',
  source: '',
  externalUrl: null,
  config: {
    resolveTimeoutMs: 300_000,
    route: {
      receiver: 'team',
      matchers: [],
      groupBy: ['alertname'],
      groupByAll: false,
      groupWaitMs: 10_000,
      groupIntervalMs: 60_000,
      repeatIntervalMs: 3_600_000,
      continue: false,
      muteIntervals: [],
      activeIntervals: [],
      routes: [],
    },
    receivers: [
      {
        name: 'team',
        integrations: [{ type: 'webhook', position: 0, sendResolved: true, settings: '{}' }],
      },
    ],
    inhibitRules: [],
    timeIntervals: [],
    monitors: [],
    checks: [
      {
        name: 'HighCpu',
        series: 'servers.*.cpu',
        condition: {
          kind: 'above',
          low: 0,
          high: 90,
          recoverLow: 0,
          recoverHigh: 90,
          missingMs: 0,
        },
        forMs: 5_000,
        labels: ['alertname', 'HighCpu'],
        annotations: [],
      },
    ],
  },
};

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const UNMOVED: NodeObserver = {
  appended: () => undefined,
  applied: () => undefined,
  snapshotTaken: () => undefined,
};

interface ClusterCase {
  readonly name: string;
  readonly options: Omit<RunOptions, 'seed'>;
}

const CLUSTER_CASES: readonly ClusterCase[] = [
  { name: 'nobody there', options: { actionsPerTenSeconds: 0, clientPauseMsMax: Infinity } },
  {
    name: 'a command every two seconds, a fault every ten',
    options: { actionsPerTenSeconds: 1, kinds: FIRST_ACTIONS, clientPauseMsMax: 10_000 },
  },
  { name: 'as in the campaign', options: { actionsPerTenSeconds: 4 } },
];

interface Speed {
  readonly ratio: number;
  readonly tasksPerSecond: number;
}

console.log('SIMULATED/REAL  TASKS/S     CASE');
// As a daemon may, and as the campaign does; whether it is on or off changes no state.
freezeStates(false);
for (const each of CASES) print(each.name, await measure(each));
for (const each of CLUSTER_CASES) {
  print(`5 nodes, all checkers: ${each.name}`, await measureCluster(each));
}

function print(name: string, { ratio, tasksPerSecond }: Speed): void {
  const columns = [ratio, tasksPerSecond].map((figure) => Math.round(figure).toLocaleString('en'));
  console.log(`${columns[0]?.padEnd(15)} ${columns[1]?.padEnd(11)} ${name}`);
  console.log(JSON.stringify({ bench: 'sim', case: name, ratio, tasksPerSecond }));
}

/** Whole runs, one after the other, for as long as a case is measured. */
async function measureCluster({ name, options }: ClusterCase): Promise<Speed> {
  let seed = 1;
  const runClusters = async (): Promise<Speed> => {
    const startMs = performance.now();
    let simulatedMs = 0;
    let tasks = 0;
    while (performance.now() - startMs < MEASURE_MS) {
      const result = await runCluster({ ...options, seed: seed++, members: 5 });
      if (result.problem !== null) throw new Error(`${name}, seed ${seed - 1}: ${result.problem}`);
      simulatedMs += result.simulatedMs;
      tasks += result.tasks;
    }
    const realMs = performance.now() - startMs;
    return { ratio: simulatedMs / realMs, tasksPerSecond: (tasks / realMs) * 1_000 };
  };
  await runClusters();
  return runClusters();
}

async function measure(each: Case): Promise<Speed> {
  const time = new VirtualTime();
  const process = await begin(time);
  await runFor(MEASURE_MS, each, time, process);
  const [simulatedMs, tasks] = [time.nowMs, time.tasksRun];
  const realMs = await runFor(MEASURE_MS, each, time, process);
  if (process.failures.length > 0) throw new Error('the node gave up', { cause: process.failures });
  return {
    ratio: (time.nowMs - simulatedMs) / realMs,
    tasksPerSecond: ((time.tasksRun - tasks) / realMs) * 1_000,
  };
}

/** Runs for at least so many real milliseconds, and returns how many they were. */
async function runFor(
  ms: number,
  each: Case,
  time: VirtualTime,
  process: Process,
): Promise<number> {
  const startMs = performance.now();
  while (performance.now() - startMs < ms) {
    for (let second = 0; second < STRIDE_S; second++) await runOneSecond(each, time, process);
  }
  return performance.now() - startMs;
}

async function runOneSecond(each: Case, time: VirtualTime, { node }: Process): Promise<void> {
  const endMs = time.nowMs + 1_000;
  for (let batch = 0; batch < each.batchesPerSecond; batch++) {
    node.offer(readings(each.series, time.nowMs, node), () => undefined);
    await time.run(1_000 / each.batchesPerSecond);
  }
  await time.runUntil(endMs);
}

/** The first series is in breach half of the time, the others never. */
function readings(series: number, nowMs: number, node: Process['node']): Observe {
  const names: string[] = [];
  const ids = Int32Array.from({ length: series }, (_, i) => {
    const known = node.seriesId(`servers.h${i}.cpu`);
    return known >= 0 ? known : -names.push(`servers.h${i}.cpu`);
  });
  const values = new Float64Array(series).fill(50);
  values[0] = (nowMs / 1_000) % BREACH_S < BREACH_S / 2 ? 95 : 50;
  return { kind: 'observe', source: 'bench', names, ids, values };
}

async function begin(time: VirtualTime): Promise<Process> {
  const clock = new VirtualClock({ epochMs: EPOCH_MS }, { time });
  const receivers = new Receivers({ answer: { status: 200 } }, { time });
  const process = await time.until(
    startProcess(
      {
        name: 'n1',
        identity: { clusterId: 'bench', nodeId: 'n1' },
        tickMs: 100,
        startDelayMs: 0,
        snapshotEntries: 20_000,
        snapshotMs: 60_000,
        // The disk is memory: an hour of history is enough of it.
        retentionMs: 3_600_000,
        retentionBytes: 64 * 1024 * 1024,
        segmentBytesMax: 1024 * 1024,
        founds: true,
        hasOthers: false,
        incarnation: 1,
        configuration: {
          hash: () => '',
          commandFor: (state) => (state.config === null ? CONFIG : null),
        },
      },
      {
        clock,
        random: new SeededRandom(1),
        disk: createSimulatedDisk({ pace: () => clock.pause(0) }),
        witnessDisk: createSimulatedDisk(),
        digest: nodeDigest,
        snapshots: new MemorySnapshots({ digest: nodeDigest }),
        transport: {
          attach: () => undefined,
          send: () => undefined,
          setPeers: () => undefined,
          framesLevel: () => null,
        },
        notifiers: [receivers.notifier('webhook', { clock })],
        localTimeIn: () => {
          throw new Error('nothing here depends on a time zone');
        },
        logger: SILENT,
        observer: UNMOVED,
      },
    ),
  );
  await time.run(1_000);
  return process;
}
