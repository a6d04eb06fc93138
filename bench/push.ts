/**
 * Alerts pushed over API v2, each request answered after its entry is on disk and folded: accepted
 * a second, new ones and refreshed ones. Beside it, in the same run, Debian's Alertmanager, which
 * keeps them in memory; it is skipped where it does not start. Prints a table and one JSON line a case.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

const ALERTS = 10_240;
/** Prometheus sends at most 256 in one request, and most requests hold fewer. */
const BATCH = 64;
const CONNECTIONS = 16;
const MEASURE_MS = 5_000;

const CONFIG = `
route: {receiver: nobody, group_by: [alertname], group_wait: 30s}
receivers: [{name: nobody}]
`;

const bodies = Array.from({ length: ALERTS / BATCH }, (_, batch) =>
  JSON.stringify(
    Array.from({ length: BATCH }, (__, i) => {
      const n = batch * BATCH + i;
      return {
        labels: {
          alertname: `HighLatency${n % 100}`,
          instance: `web-${n}:9100`,
          job: 'node',
          severity: 'page',
        },
        annotations: { summary: `latency of web-${n} is high` },
        generatorURL: 'http://prometheus:9090/graph?g0.expr=x',
      };
    }),
  ),
);

console.log('WHAT                      NEW/S      REFRESHED/S');
await report('tocsin, on disk', startTocsin);
await report('alertmanager, in memory', startAlertmanager);

async function report(
  name: string,
  start: (folder: string) => Promise<Running | null>,
): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-bench-'));
  const running = await start(folder);
  if (running === null) {
    console.log(`${name.padEnd(25)} skipped: it is not here, or does not start`);
    return;
  }
  const pool = new Pool(running.url, { connections: CONNECTIONS });
  const startedAt = performance.now();
  await pushAll(pool, Infinity);
  const fresh = (ALERTS * 1000) / (performance.now() - startedAt);
  const refreshed = await measure(pool);
  console.log(
    `${name.padEnd(25)} ${Math.round(fresh).toLocaleString('en').padEnd(10)} ` +
      Math.round(refreshed).toLocaleString('en'),
  );
  console.log(JSON.stringify({ bench: 'push', name, fresh, refreshed }));
  await pool.destroy();
  running.child.kill('SIGKILL');
  await once(running.child, 'exit');
  await rm(folder, { recursive: true });
}

async function measure(pool: Pool): Promise<number> {
  const startedAt = performance.now();
  let pushed = 0;
  while (performance.now() - startedAt < MEASURE_MS) {
    pushed += await pushAll(pool, startedAt + MEASURE_MS);
  }
  return (pushed * 1000) / (performance.now() - startedAt);
}

/** Pushes every alert once, as many requests at a time as there are connections. */
async function pushAll(pool: Pool, until: number): Promise<number> {
  const left = [...bodies];
  let pushed = 0;
  const worker = async (): Promise<void> => {
    for (let body = left.pop(); body !== undefined; body = left.pop()) {
      if (performance.now() > until) return;
      const headers = { 'content-type': 'application/json' };
      const answer = await pool.request({ path: '/api/v2/alerts', method: 'POST', headers, body });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
      pushed += BATCH;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  return pushed;
}

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

async function startTocsin(folder: string): Promise<Running> {
  const config = path.join(folder, 'tocsin.yml');
  await writeFile(config, CONFIG);
  const main = path.resolve(process.cwd(), 'dist/io/cli/main.js');
  const free = ['http', 'peer', 'carbon'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
  const args = [main, 'start', '--config', config, '--data-dir', path.join(folder, 'data')];
  const child = spawn(process.execPath, [...args, ...free], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const http = await new Promise<string>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('"listening"')) resolve((JSON.parse(line) as { http: string }).http);
    });
  });
  return { child, url: `http://${http}` };
}

async function startAlertmanager(folder: string): Promise<Running | null> {
  const config = path.join(folder, 'alertmanager.yml');
  await writeFile(config, CONFIG);
  const listen = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    'prometheus-alertmanager',
    [
      `--config.file=${config}`,
      `--storage.path=${folder}/am`,
      `--web.listen-address=${listen}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  let isGone = false;
  child.once('error', () => (isGone = true));
  child.once('exit', () => (isGone = true));
  const url = `http://${listen}`;
  while (!(await isReady(url))) {
    if (isGone) return null;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  return { child, url };
}

function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
