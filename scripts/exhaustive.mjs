/**
 * `node scripts/exhaustive.mjs [--states N]`: every state of three nodes within the bounds below,
 * each checked; prints the bounds and how many states there were. Compiles into a temporary folder.
 *
 * A search that meets `--states` (default nine million, about ten gigabytes) before it is through
 * says so: it has then covered all states up to some depth, not all.
 */

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { ensureInstalled, root, run } from './prepare.mjs';

const NONE = { terms: 2, proposals: 0, crashes: 0, timeouts: 2, heartbeats: 0, writes: 1 };
const WORLDS = [
  { ...NONE },
  { ...NONE, terms: 1, timeouts: 1, crashes: 1, proposals: 1, writes: 2 },
  { ...NONE, crashes: 1 },
  { ...NONE, proposals: 1 },
  { ...NONE, proposals: 1, crashes: 1 },
];

const flag = process.argv.indexOf('--states');
const statesMax = flag === -1 ? 9_000_000 : Number(process.argv[flag + 1]);

setFlagsFromString('--max-old-space-size=16000');
await ensureInstalled();
const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-exhaustive-'));
try {
  await compile();
  const { search } = await import(
    pathToFileURL(path.join(folder, 'test/raft/exhaustive/search.js'))
  );
  for (const world of WORLDS) show(world, search);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function show(world, search) {
  const bounds = Object.entries(world).map(([name, value]) => `${value} ${name}`);
  console.log(`\n3 nodes, at most ${bounds.join(', ')}`);
  const started = Date.now();
  const found = search(world, statesMax, (count) => {
    if (count % 1000 === 0 && process.stderr.isTTY) process.stderr.write(`\r${count} states`);
  });
  const seconds = Math.round((Date.now() - started) / 1000);
  const { states, transitions, nodeStates, depth, complete, reached } = found;
  console.log(
    `  ${complete ? 'all' : 'NOT ALL:'} ${states} states, ${transitions} transitions, ` +
      `${nodeStates} states of one node, ${depth} steps deep, ${seconds} s`,
  );
  console.log(`  ${[...reached].map(([what, count]) => `${what}: ${count}`).join(' · ')}`);
}

async function compile() {
  const config = path.join(folder, 'tsconfig.json');
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(
    config,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.bench.json'),
      compilerOptions: { rootDir: root, outDir: folder, typeRoots: [], types: [] },
      include: [path.join(root, 'test/raft/exhaustive/search.ts')],
    }),
  );
  const { code, output } = await run(['npx', 'tsc', '-p', config]);
  if (code !== 0) throw new Error(output);
}
