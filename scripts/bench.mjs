/**
 * `npm run bench [-- NAME …]`: runs the measurements of bench/ one after the other, each in a
 * process of its own, and prints their tables. JSON lines go to bench/results.jsonl, too.
 *
 * Nothing else should run on the machine meanwhile; figures are compared within one run only.
 */

import { spawn } from 'node:child_process';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ensureBuilt, ensureInstalled, root, run } from './prepare.mjs';

const results = path.join(root, 'bench/results.jsonl');

await ensureInstalled();
await ensureBuilt();
const { code, output } = await run(['npx', 'tsc', '-p', 'tsconfig.bench.json']);
if (code !== 0) {
  process.stderr.write(output);
  process.exit(1);
}
const known = readdirSync(path.join(root, 'bench'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3));
const wanted = process.argv.length > 2 ? process.argv.slice(2) : known;
const unknown = wanted.find((name) => !known.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`there is no bench ${unknown}; there are ${known.join(', ')}\n`);
  process.exit(2);
}
rmSync(results, { force: true });
for (const [place, name] of wanted.entries()) {
  process.stderr.write(`\n[${place + 1}/${wanted.length}] ${name}\n`);
  await measure(name);
}

function measure(name) {
  const file = path.join(root, 'dist-bench/bench', `${name}.js`);
  const child = spawn(process.execPath, ['--expose-gc', file], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    process.stdout.write(`${line}\n`);
    if (line.startsWith('{')) appendFileSync(results, `${line}\n`);
  });
  return new Promise((resolve) => {
    child.on('close', (code) => {
      if (code !== 0) process.exitCode = 1;
      resolve();
    });
  });
}
