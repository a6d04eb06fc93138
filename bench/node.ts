/**
 * One node under load: readings through the carbon socket of the real program, every entry synced,
 * one reading in a hundred beginning or ending a breach. For 10,000, 100,000 and 1,000,000 series:
 * readings applied a second, what a reading costs against the smallest case, memory of a series.
 *
 * Beside it, in the same run, the least that the disk could do: the same bytes appended and synced
 * in a bare loop. Prints a table and one JSON line a case. The sender is a process of its own, so
 * on two cores node and sender do not share one.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = path.resolve(process.cwd(), 'dist/io/cli/main.js');
const MEASURE_MS = 8_000;
/** Bytes of one reading in the log: an id and a value. */
const READING_BYTES = 12;
/** Readings that share a sync in the bare loop. */
const BARE_BATCH = 4_096;

const CONFIG = `
route: {receiver: nobody, group_wait: 30s}
receivers: [{name: nobody}]
checks: [{name: High, series: 'servers.*.cpu.*', above: 90, for: 1h}]
`;

interface Case {
  readonly series: number;
  readonly readingsPerSecond: number;
  readonly nsPerReading: number;
  readonly droppedShare: number;
  readonly bytesPerSeries: number;
}

const bareNs = await bareSyncNs();
console.log(`bare append and sync of ${BARE_BATCH} readings: ${bareNs.toFixed(1)} ns a reading\n`);
console.log('SERIES     READINGS/S   NS/READING  AGAINST 10,000  DROPPED  BYTES/SERIES');
const cases: Case[] = [];
for (const series of [10_000, 100_000, 1_000_000]) {
  const measured = await measure(series);
  cases.push(measured);
  const ratio = measured.nsPerReading / (cases[0]?.nsPerReading ?? 1);
  console.log(
    [
      series.toLocaleString('en').padEnd(10),
      Math.round(measured.readingsPerSecond).toLocaleString('en').padEnd(12),
      measured.nsPerReading.toFixed(0).padEnd(11),
      `${ratio.toFixed(2)} x`.padEnd(15),
      `${(measured.droppedShare * 100).toFixed(1)} %`.padEnd(8),
      Math.round(measured.bytesPerSeries),
    ].join(' '),
  );
}
for (const each of cases) console.log(JSON.stringify({ bench: 'node', bareNs, ...each }));

async function measure(series: number): Promise<Case> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-bench-'));
  const daemon = await startDaemon(folder);
  try {
    const emptyBytes = await residentBytes(daemon.child);
    const socket = connect(daemon.carbonPort, '127.0.0.1');
    await once(socket, 'connect');
    for (let known = 0; known < series; known = await daemon.metric('tocsin_series')) {
      await sendRound(socket, series, 0, Math.ceil(series / 4_096), 20);
    }
    const bytesPerSeries = ((await residentBytes(daemon.child)) - emptyBytes) / series;
    const result = await flood(socket, series, daemon);
    socket.destroy();
    return { series, bytesPerSeries, ...result };
  } finally {
    daemon.child.kill('SIGKILL');
    await once(daemon.child, 'exit');
    await rm(folder, { recursive: true });
  }
}

async function flood(
  socket: Socket,
  series: number,
  daemon: Daemon,
): Promise<Omit<Case, 'series' | 'bytesPerSeries'>> {
  const counts = async (): Promise<readonly [number, number]> => [
    await daemon.metric('tocsin_observations_applied_total'),
    await daemon.metric('tocsin_observations_dropped_total'),
  ];
  const startedAt = performance.now();
  const [applied, dropped] = await counts();
  for (let round = 1; performance.now() - startedAt < MEASURE_MS; round++) {
    await sendRound(socket, series, round, Infinity, 0, startedAt + MEASURE_MS);
  }
  const [appliedAfter, droppedAfter] = await counts();
  const seconds = (performance.now() - startedAt) / 1000;
  const readingsPerSecond = (appliedAfter - applied) / seconds;
  return {
    readingsPerSecond,
    nsPerReading: 1e9 / readingsPerSecond,
    droppedShare: (droppedAfter - dropped) / (appliedAfter - applied + droppedAfter - dropped),
  };
}

/**
 * One reading of each series. In each round another 1 of 200 series goes over its threshold and
 * those of the round before come back, so that 1 of 100 readings changes something.
 */
async function sendRound(
  socket: Socket,
  series: number,
  round: number,
  chunksBetweenPauses: number,
  pauseMs: number,
  until = Infinity,
): Promise<void> {
  let chunk: string[] = [];
  let chunks = 0;
  for (let i = 0; i < series; i++) {
    const value = (i + round) % 200 === 0 ? 99 : 20 + ((i + round) % 50);
    chunk.push(`servers.web-${i >>> 6}.cpu.core${i & 63} ${value}\n`);
    if (chunk.length < 1_024 && i < series - 1) continue;
    if (!socket.write(chunk.join(''))) await once(socket, 'drain');
    chunk = [];
    if (performance.now() > until) return;
    if (++chunks % chunksBetweenPauses === 0) await pause(pauseMs);
  }
  await pause(pauseMs);
}

interface Daemon {
  readonly child: ChildProcess;
  readonly carbonPort: number;
  metric(name: string): Promise<number>;
}

async function startDaemon(folder: string): Promise<Daemon> {
  const config = path.join(folder, 'tocsin.yml');
  await writeFile(config, CONFIG);
  const free = ['http', 'peer', 'carbon'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
  const args = [MAIN, 'start', '--config', config, '--data-dir', path.join(folder, 'data')];
  const child = spawn(process.execPath, [...args, ...free], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const listening = await new Promise<{ http: string; carbon: string }>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('"msg":"listening"')) resolve(JSON.parse(line));
    });
    child.once('exit', (code) => reject(new Error(`the node ended with ${code}`)));
  });
  return {
    child,
    carbonPort: Number(listening.carbon.split(':')[1]),
    metric: async (name) => {
      const text = await (await fetch(`http://${listening.http}/metrics`)).text();
      const lines = text.split('\n').filter((line) => new RegExp(`^${name}(\\{|\\s)`).test(line));
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
  };
}

async function residentBytes(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

async function bareSyncNs(): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-bench-'));
  const file = await open(path.join(folder, 'bare'), 'w');
  const bytes = new Uint8Array(BARE_BATCH * READING_BYTES);
  const rounds = 200;
  const startedAt = performance.now();
  for (let i = 0; i < rounds; i++) {
    await file.write(bytes);
    await file.datasync();
  }
  const ns = ((performance.now() - startedAt) * 1e6) / (rounds * BARE_BATCH);
  await file.close();
  await rm(folder, { recursive: true });
  return ns;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
