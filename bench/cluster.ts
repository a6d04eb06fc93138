/**
 * Three real processes as one cluster, every commit synced on a majority, beside other people's
 * programs on the same work. Flags after the name of the bench: `--short` for a look in some
 * minutes, `--only=readings,idle` for some of its parts.
 *
 * The cores of the machine are shared by the nodes and by whoever loads them, as on any small
 * machine. Prints a table for each part and one JSON line for each figure.
 */

import { CarbonSenders } from './cluster/carbon-senders.ts';
import { measureFailover } from './cluster/failover.ts';
import { Cluster } from './cluster/members.ts';
import {
  has,
  hasPySyncObj,
  measureAlertmanager,
  measureEtcd,
  measurePySyncObj,
  READINGS_PER_PUT,
} from './cluster/peers.ts';
import { cpuSeconds, inScratch, pause, percentile, progress } from './cluster/process.ts';
import { measurePushes, probe, type PushFigures } from './cluster/pushes.ts';
import { measureReadings } from './cluster/readings.ts';
import { measureRestart } from './cluster/restart.ts';
import { measureStages } from './cluster/stages.ts';

const isShort = process.argv.includes('--short');
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);

const SERIES = isShort ? [1_000, 100_000] : [1_000, 100_000, 1_000_000];
const MEASURE_MS = isShort ? 4_000 : 10_000;
const SETTLE_MS = 25_000;
const IDLE_MS = 20_000;
const KILLS = isShort ? 5 : 25;
const RESTART_ENTRIES = isShort ? 100_000 : 1_000_000;
const SYNCOBJ = isShort ? { tries: 3, seconds: 3 } : { tries: 6, seconds: 5 };
/** Shares of the maximum at which the way to commit is timed. */
const LOADS = [0.1, 0.5, 0.9];
const LATENCY_SERIES = 100_000;

const CHECKED = `
route: {receiver: nobody, group_wait: 30s}
receivers: [{name: nobody}]
checks: [{name: High, series: 'servers.*.cpu.*', above: 90, for: 1h}]
`;
const PUSHED = `
route: {receiver: nobody, group_by: [alertname], group_wait: 30s}
receivers: [{name: nobody}]
`;

/** What the loops of all stages allow, once they are measured: the figures of readings are shares of it. */
let limitPerSecond = NaN;

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  stages,
  readings,
  latency,
  alerts,
  failover,
  idle,
  restart,
  etcd,
  pysyncobj,
};

const wanted = only?.split(',') ?? Object.keys(PARTS);
const unknown = wanted.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  process.stderr.write(`there is no part ${unknown}; there are ${Object.keys(PARTS).join(', ')}\n`);
  process.exit(2);
}
for (const name of wanted) {
  progress(name);
  await PARTS[name]?.();
}

async function stages(): Promise<void> {
  const measured = await inScratch(measureStages);
  ({ limitPerSecond } = measured);
  row('NS A READING', 'BARE LOOP', 'OURS', 'NODES');
  for (const each of measured.stages) {
    const { stage, bareNs, oursNs, nodes } = each;
    row(stage, bareNs.toFixed(1), oursNs.toFixed(1), nodes === 0 ? 'waits' : String(nodes));
    json({ part: 'stages', ...each });
  }
  console.log(
    `the limit of this machine: ${whole(limitPerSecond)} readings/s through three nodes\n`,
  );
  json({ part: 'limit', limitPerSecond });
}

async function readings(): Promise<void> {
  row('SERIES', 'READINGS/S', 'OF LIMIT', 'DROPPED', 'CORES: LEADER', 'FOLLOWERS', 'SENDERS');
  for (const series of SERIES) {
    const measured = await withCluster(CHECKED, (cluster) =>
      measureReadings(cluster, series, MEASURE_MS),
    );
    const { cores, droppedShare, readingsPerSecond } = measured;
    const ofLimit = readingsPerSecond / limitPerSecond;
    row(
      whole(series),
      whole(readingsPerSecond),
      percent(ofLimit),
      percent(droppedShare),
      ...[cores.leader, cores.followers, cores.senders].map((each) => each.toFixed(2)),
    );
    json({ part: 'readings', ...measured, ofLimit });
  }
  console.log();
}

async function latency(): Promise<void> {
  row('LOAD', 'READINGS/S', 'COMMIT P50', 'COMMIT P99', 'WRITES');
  await withCluster(CHECKED, async (cluster) => {
    const { readingsPerSecond } = await measureReadings(cluster, LATENCY_SERIES, MEASURE_MS);
    const senders = await CarbonSenders.start(cluster, LATENCY_SERIES);
    await senders.teach();
    for (const load of LOADS) {
      senders.steady(load * readingsPerSecond);
      await pause(1_000);
      const urls = cluster.members.map(({ url }) => url);
      const tookMs = await probe(urls, MEASURE_MS);
      const [p50Ms, p99Ms] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
      const perSecond = load * readingsPerSecond;
      row(percent(load), whole(perSecond), ms(p50Ms), ms(p99Ms), whole(tookMs.length));
      json({ part: 'latency', load, perSecond, p50Ms, p99Ms, writes: tookMs.length });
    }
    await senders.stop();
  });
  console.log();
}

async function alerts(): Promise<void> {
  row('ALERTS', 'NEW/S', 'REFRESHED/S');
  const ours = await withCluster(PUSHED, ({ members }) =>
    measurePushes(
      members.map(({ url }) => url),
      MEASURE_MS,
    ),
  );
  pushRow('tocsin, on 3 disks', ours);
  const theirs = has('prometheus-alertmanager') ? await measureAlertmanager(MEASURE_MS) : null;
  if (theirs === null) skipped('prometheus-alertmanager');
  else pushRow('alertmanager, in memory', theirs);
  console.log();
}

function pushRow(name: string, { fresh, refreshed }: PushFigures): void {
  row(name, whole(fresh), whole(refreshed));
  json({ part: 'alerts', name, fresh, refreshed });
}

async function failover(): Promise<void> {
  const measured = await withCluster(CHECKED, (cluster) => measureFailover(cluster, KILLS, 50_000));
  row('KILL -9 OF THE LEADER', 'P50', 'P99', 'MAX');
  const { kills, p50Ms, p99Ms, maxMs } = measured;
  row(`${kills} kills, first commit`, ms(p50Ms), ms(p99Ms), ms(maxMs));
  json({ part: 'failover', ...measured });
  console.log();
}

async function idle(): Promise<void> {
  await withCluster(PUSHED, async (cluster) => {
    // By then joining and its snapshots are over, and V8 has given back what the start took.
    await pause(SETTLE_MS);
    const leader = await cluster.leader();
    const before = cluster.members.map(({ child }) => cpuSeconds(child));
    await pause(IDLE_MS);
    row('IDLE', 'OF A CORE');
    for (const [i, member] of cluster.members.entries()) {
      const share = (cpuSeconds(member.child) - (before[i] ?? 0)) / (IDLE_MS / 1_000);
      const role = member === leader ? 'leader' : 'follower';
      row(role, percent(share));
      json({ part: 'idle', role, share });
    }
  });
  console.log();
}

async function restart(): Promise<void> {
  const measured = await inScratch((folder) => measureRestart(folder, CHECKED, RESTART_ENTRIES));
  const { entries, withoutSnapshotSeconds, withSnapshotSeconds } = measured;
  row('RESTART', 'ENTRIES', 'READY AFTER');
  row('folds all of them', whole(entries), `${withoutSnapshotSeconds.toFixed(2)} s`);
  row('has its snapshots', whole(entries), `${withSnapshotSeconds.toFixed(2)} s`);
  json({ part: 'restart', ...measured });
  console.log();
}

async function etcd(): Promise<void> {
  if (!has('etcd')) return skipped('etcd');
  const measured = await measureEtcd(MEASURE_MS);
  const readingsPerSecond = measured.largePutsPerSecond * READINGS_PER_PUT;
  row('ETCD, 3 MEMBERS', 'PUTS/S', 'OF 4,096 READINGS/S', 'READINGS/S');
  const { putsPerSecond, largePutsPerSecond } = measured;
  row('', whole(putsPerSecond), whole(largePutsPerSecond), whole(readingsPerSecond));
  json({ part: 'etcd', ...measured, readingsPerSecond });
  console.log();
}

async function pysyncobj(): Promise<void> {
  if (!hasPySyncObj()) return skipped('python3-pysyncobj');
  const commandsPerSecond = await measurePySyncObj(SYNCOBJ.tries, SYNCOBJ.seconds);
  row('PYSYNCOBJ, IN MEMORY', 'COMMANDS/S');
  row('3 nodes', whole(commandsPerSecond));
  json({ part: 'pysyncobj', commandsPerSecond });
  console.log();
}

function withCluster<T>(config: string, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  return inScratch(async (folder) => {
    const cluster = await Cluster.start(folder, config);
    try {
      return await use(cluster);
    } finally {
      await cluster.stop();
    }
  });
}

function skipped(name: string): void {
  console.log(`${name} skipped: it is not here, or does not start`);
}

function row(first: string, ...rest: readonly string[]): void {
  console.log([first.padEnd(26), ...rest.map((each) => each.padEnd(14))].join(' ').trimEnd());
}

function json(figures: object): void {
  console.log(JSON.stringify({ bench: 'cluster', ...figures }));
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
