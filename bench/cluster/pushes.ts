/** Clients of HTTP: alerts pushed by many at once, and single writes whose way to commit is timed. */

import { Pool } from 'undici';
import { pause } from './process.ts';

const ALERTS = 10_240;
/** Prometheus sends at most 256 in one request, and most requests hold fewer. */
const ALERTS_PER_REQUEST = 64;
export const CONNECTIONS = 24;

const JSON_BODY = { 'content-type': 'application/json' };

const bodies = Array.from({ length: ALERTS / ALERTS_PER_REQUEST }, (_, request) =>
  JSON.stringify(
    Array.from({ length: ALERTS_PER_REQUEST }, (__, i) =>
      alertOf(request * ALERTS_PER_REQUEST + i),
    ),
  ),
);

function alertOf(n: number): object {
  const alertname = `HighLatency${n % 100}`;
  return {
    labels: { alertname, instance: `web-${n}:9100`, job: 'node', severity: 'page' },
    annotations: { summary: `latency of web-${n} is high` },
    generatorURL: 'http://prometheus:9090/graph?g0.expr=x',
  };
}

export interface PushFigures {
  /** Alerts that were not there before, accepted a second. */
  readonly fresh: number;
  /** The same ones again. */
  readonly refreshed: number;
}

/** Pushes alerts over API v2 to all of `urls` at once; an alert counts once it is answered 200. */
export async function measurePushes(urls: readonly string[], ms: number): Promise<PushFigures> {
  const pools = urls.map((url) => new Pool(url, { connections: CONNECTIONS / urls.length }));
  const freshMs = await timed(() => pushAll(pools, Infinity));
  const startedAtMs = performance.now();
  let pushed = 0;
  while (performance.now() < startedAtMs + ms) pushed += await pushAll(pools, startedAtMs + ms);
  const refreshed = (pushed * 1_000) / (performance.now() - startedAtMs);
  await Promise.all(pools.map((pool) => pool.destroy()));
  return { fresh: (ALERTS * 1_000) / freshMs, refreshed };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

/** Pushes every alert once, as many requests at a time as there are connections. */
async function pushAll(pools: readonly Pool[], untilMs: number): Promise<number> {
  const left = [...bodies];
  let pushed = 0;
  const worker = async (pool: Pool): Promise<void> => {
    for (let body = left.pop(); body !== undefined; body = left.pop()) {
      if (performance.now() > untilMs) return;
      const request = { path: '/api/v2/alerts', method: 'POST', headers: JSON_BODY, body } as const;
      const answer = await pool.request(request);
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
      pushed += ALERTS_PER_REQUEST;
    }
  };
  const workers = pools.flatMap((pool) =>
    Array.from({ length: CONNECTIONS / pools.length }, () => worker(pool)),
  );
  await Promise.all(workers);
  return pushed;
}

/** Writes one reading and waits for the answer; true when it is committed. */
export async function writeOne(pool: Pool): Promise<boolean> {
  const answer = await pool.request({
    path: '/tocsin/v1/observations',
    method: 'POST',
    body: 'bench.probe 1\n',
  });
  await answer.body.dump();
  return answer.statusCode === 200;
}

/** Between two of these writes: often enough to see, seldom enough not to be a load. */
const PROBE_EVERY_MS = 20;

/** How long single writes take to be committed, in ms; each goes to another member. */
export async function probe(urls: readonly string[], ms: number): Promise<readonly number[]> {
  const pools = urls.map((url) => new Pool(url, { connections: 8 }));
  const tookMs: number[] = [];
  const probes: Promise<void>[] = [];
  const endMs = performance.now() + ms;
  for (let i = 0; performance.now() < endMs; i++) {
    const pool = pools[i % pools.length];
    if (pool === undefined) break;
    const startedAtMs = performance.now();
    probes.push(
      writeOne(pool).then((isCommitted) => {
        if (isCommitted) tookMs.push(performance.now() - startedAtMs);
      }),
    );
    await pause(PROBE_EVERY_MS);
  }
  await Promise.all(probes);
  await Promise.all(pools.map((pool) => pool.destroy()));
  return tookMs;
}
