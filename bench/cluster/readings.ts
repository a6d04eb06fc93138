/** (a) Readings committed and applied by all three, and what the cores did meanwhile. */

import { CarbonSenders } from './carbon-senders.ts';
import type { Cluster } from './members.ts';
import { cpuSeconds } from './process.ts';

export interface ReadingsFigures {
  readonly series: number;
  /** Of the member that applied the fewest. */
  readonly readingsPerSecond: number;
  readonly droppedShare: number;
  /** Cores that each used: the leader, the followers together, the senders together. */
  readonly cores: { readonly leader: number; readonly followers: number; readonly senders: number };
}

export async function measureReadings(
  cluster: Cluster,
  series: number,
  ms: number,
): Promise<ReadingsFigures> {
  const senders = await CarbonSenders.start(cluster, series);
  try {
    await senders.teach();
    await senders.flood(1_000);
    const leader = await cluster.leader();
    const before = await look(cluster, senders);
    await senders.flood(ms);
    const after = await look(cluster, senders);
    const seconds = (after.atMs - before.atMs) / 1_000;
    const applied = cluster.members.map(
      (_, i) => (after.applied[i] ?? 0) - (before.applied[i] ?? 0),
    );
    const dropped = after.dropped - before.dropped;
    const cores = (i: number): number => ((after.cpu[i] ?? 0) - (before.cpu[i] ?? 0)) / seconds;
    const byMember = cluster.members.map((_, i) => cores(i));
    const ofLeader = byMember[cluster.members.indexOf(leader)] ?? 0;
    return {
      series,
      readingsPerSecond: Math.min(...applied) / seconds,
      droppedShare: dropped / (Math.min(...applied) + dropped),
      cores: {
        leader: ofLeader,
        followers: byMember.reduce((sum, each) => sum + each, -ofLeader),
        senders: cores(byMember.length),
      },
    };
  } finally {
    await senders.stop();
  }
}

interface Look {
  readonly atMs: number;
  readonly applied: readonly number[];
  readonly dropped: number;
  /** Of each member, and of all senders. */
  readonly cpu: readonly number[];
}

async function look(cluster: Cluster, senders: CarbonSenders): Promise<Look> {
  const [applied, dropped] = await Promise.all([
    cluster.metrics('tocsin_observations_applied_total'),
    cluster.metrics('tocsin_observations_dropped_total'),
  ]);
  const ofSenders = senders.children.reduce((sum, child) => sum + cpuSeconds(child), 0);
  return {
    atMs: performance.now(),
    applied,
    dropped: dropped.reduce((sum, each) => sum + each, 0),
    cpu: [...cluster.members.map(({ child }) => cpuSeconds(child)), ofSenders],
  };
}
