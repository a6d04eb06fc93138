/** (d) kill -9 of the leader under load: how long nobody can write. */

import { Pool } from 'undici';
import { CarbonSenders } from './carbon-senders.ts';
import type { Cluster, Member } from './members.ts';
import { kill, pause, percentile, progress } from './process.ts';
import { writeOne } from './pushes.ts';

export interface FailoverFigures {
  readonly kills: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const SERIES = 10_000;
/** Long enough for a client to be answered by whoever leads next. */
const GIVE_UP_MS = 15_000;
const RETRY_MS = 10;
/** Between two kills, so that each finds a cluster in which three vote and are even. */
const CALM_MS = 1_000;

export async function measureFailover(
  cluster: Cluster,
  kills: number,
  readingsPerSecond: number,
): Promise<FailoverFigures> {
  const tookMs: number[] = [];
  for (let i = 0; i < kills; i++) {
    const senders = await CarbonSenders.start(cluster, SERIES);
    await senders.teach();
    senders.steady(readingsPerSecond);
    await pause(CALM_MS);
    const leader = await cluster.leader();
    const rest = cluster.members.filter((member) => member !== leader);
    const took = await killAndWrite(leader, rest);
    tookMs.push(took);
    progress(`kill ${i + 1} of ${kills}: ${took.toFixed(0)} ms`);
    await senders.stop();
    await cluster.restart(leader);
    await cluster.together();
  }
  return {
    kills,
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    maxMs: Math.max(...tookMs),
  };
}

/** Kills, and tries at both others until one of them says that it is committed. */
async function killAndWrite(leader: Member, rest: readonly Member[]): Promise<number> {
  const pools = rest.map((member) => new Pool(member.url, { connections: 1 }));
  const startedAtMs = performance.now();
  const gone = kill(leader.child);
  await Promise.any(
    pools.map(async (pool) => {
      while (!(await writeOne(pool).catch(() => false))) {
        if (performance.now() - startedAtMs > GIVE_UP_MS) throw new Error('nobody writes');
        await pause(RETRY_MS);
      }
    }),
  );
  const took = performance.now() - startedAtMs;
  await gone;
  await Promise.all(pools.map((pool) => pool.destroy()));
  return took;
}
