/**
 * What hostile requests do to members: each of them alone, and then a hundred at once, against three
 * real members with a heap of 512 MB. For each: the answer, the longest stall of the event loop of the
 * member that got it, its CPU time, and how long a good push took meanwhile. At the end the elections.
 *
 * Flags: `--mb=16` for the size of the large ones, `--only=TEXT` for those whose title has the text.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { hostileRequests } from './hostile/requests.ts';
import { Cluster, type Member } from './cluster/members.ts';
import { cpuSeconds, inScratch, kill } from './cluster/process.ts';

const flag = (name: string): string | undefined =>
  process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const SIZE = Number(flag('mb') ?? 16) * 1_000_000;
const ONLY = flag('only') ?? '';
const AT_ONCE = 100;

const CONFIG = `
route: {receiver: nobody, group_by: [alertname], group_wait: 1s}
receivers: [{name: nobody}]
`;

process.env['NODE_OPTIONS'] = '--max-old-space-size=512';
const titles = hostileRequests(SIZE)
  .map(({ title }) => title)
  .filter((title) => title.includes(ONLY));
// A thread of its own, so that sending them does not delay the good pushes.
const sender = new Worker(new URL('./hostile/sender.js', import.meta.url), { workerData: SIZE });
console.log('WHAT                                   ANSWER  STALL MS    CPU MS  GOOD PUSH MS');
await inScratch(async (folder) => {
  const cluster = await Cluster.start(folder, CONFIG);
  const leader = await cluster.leader();
  const before = await termOf(leader);
  for (const title of titles) await measure(title, leader, [title]);
  const many = Array.from({ length: AT_ONCE }, (_, i) => titles[i % titles.length] ?? '');
  await measure('a hundred at once', leader, many);
  console.log(`elections: ${(await termOf(leader)) - before}`);
  for (const { child } of cluster.members) await kill(child);
  await sender.terminate();
});

async function measure(title: string, member: Member, many: readonly string[]): Promise<void> {
  // A scrape begins a new measurement of the stall.
  await member.metric('tocsin_event_loop_lag_seconds');
  const cpu = cpuSeconds(member.child);
  let isOver = false;
  let longestMs = 0;
  const pushing = (async () => {
    for (let n = 0; !isOver; n++) {
      const startedAt = performance.now();
      const body = JSON.stringify([{ labels: { alertname: 'Good', n: `${n % 10}` } }]);
      const answer = await fetch(`${member.url}/api/v2/alerts`, { method: 'POST', body });
      const tookMs = answer.status === 200 ? performance.now() - startedAt : Infinity;
      longestMs = Math.max(longestMs, tookMs);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  sender.postMessage({ url: member.url, titles: many });
  const [statuses] = (await once(sender, 'message')) as [readonly number[]];
  isOver = true;
  await pushing;
  const stall = await stallMs(member);
  const figures = {
    bench: 'hostile',
    title,
    answers: [...new Set(statuses)].join(','),
    stallMs: Math.round(stall),
    cpuMs: Math.round((cpuSeconds(member.child) - cpu) * 1_000),
    goodPushMs: Math.round(longestMs),
  };
  console.log(
    `${title.padEnd(38)} ${figures.answers.padStart(6)} ${String(figures.stallMs).padStart(9)} ` +
      `${String(figures.cpuMs).padStart(9)} ${String(figures.goodPushMs).padStart(13)}`,
  );
  console.log(JSON.stringify(figures));
}

async function stallMs(member: Member): Promise<number> {
  const text = await (await fetch(`${member.url}/metrics`)).text();
  const [, seconds] = /^tocsin_event_loop_lag_seconds\{percentile="100"\} (\S+)$/m.exec(text) ?? [];
  return Number(seconds) * 1_000;
}

async function termOf(member: Member): Promise<number> {
  const answer = await fetch(`${member.url}/tocsin/v1/status`);
  return ((await answer.json()) as { readonly term: number }).term;
}
