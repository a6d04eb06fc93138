/**
 * `node scripts/exhaustive.mjs [--states N]`: every state of three nodes within the bounds below,
 * each checked; prints the bounds and how many states there were. Compiles into a temporary folder.
 *
 * A search that meets `--states` (default ten million) before it is through says so: it has then
 * covered all states up to some depth, not all.
 *
 * Not in any of these worlds: snapshots, reads, transfers, changes of membership, damaged disks,
 * three terms. Those are for the scenarios and the chaos test.
 */

import { spawnSync } from 'node:child_process';
import { withProgram } from './compile.mjs';

const NONE = { terms: 2, proposals: 0, crashes: 0, timeouts: 2, heartbeats: 0, writes: 1 };
const WORLDS = [
  { ...NONE },
  { ...NONE, terms: 1, timeouts: 1, crashes: 1, proposals: 1, writes: 2 },
  { ...NONE, crashes: 1 },
  { ...NONE, proposals: 1 },
  { ...NONE, proposals: 1, crashes: 1 },
];

const flag = process.argv.indexOf('--states');
const statesMax = flag === -1 ? 10_000_000 : Number(process.argv[flag + 1]);
if (!Number.isInteger(statesMax) || statesMax < 1) {
  console.error(`--states ${process.argv[flag + 1]} is not a whole number above 0`);
  process.exit(2);
}

// All states are kept, and the size of the heap can only be said at the start of a process.
const HEAP = '--max-old-space-size=16000';

if (process.execArgv.includes(HEAP)) await searchAll();
else {
  const again = [HEAP, ...process.argv.slice(1)];
  process.exitCode = spawnSync(process.execPath, again, { stdio: 'inherit' }).status ?? 1;
}

async function searchAll() {
  await withProgram('test/raft/exhaustive/search.ts', ({ search }) => {
    for (const world of WORLDS) show(world, search);
  });
}

function show(world, search) {
  const bounds = Object.entries(world).map(([name, value]) => `${value} ${name}`);
  console.log(`\n3 nodes, at most ${bounds.join(', ')}`);
  const started = Date.now();
  const onState = (_facts, _history, count) => {
    if (count % 1000 === 0 && process.stderr.isTTY) process.stderr.write(`\r${count} states`);
  };
  const found = search(world, { statesMax, onState });
  const seconds = Math.round((Date.now() - started) / 1000);
  const { states, transitions, nodeStates, depth, complete, reached } = found;
  console.log(
    `  ${complete ? 'all' : 'NOT ALL:'} ${states} states, ${transitions} transitions, ` +
      `${nodeStates} states of one node, ${depth} steps deep, ${seconds} s`,
  );
  console.log(`  ${[...reached].map(([what, count]) => `${what}: ${count}`).join(' · ')}`);
}
