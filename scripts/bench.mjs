/**
 * `npm run bench [-- NAME … --FLAG …]`: runs the measurements of bench/ one after the other, each in
 * a process of its own, and prints their tables. JSON lines go to bench/results.jsonl, too. Flags go
 * to every measurement that is run.
 *
 * Nothing else should run on the machine meanwhile; figures are compared within one run only.
 */

import { spawn } from 'node:child_process';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ensureBenchTools, pythonPath, toolsPath } from './debian-tools.mjs';
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
const words = process.argv.slice(2);
const flags = words.filter((word) => word.startsWith('--'));
const names = words.filter((word) => !word.startsWith('--'));
const wanted = names.length > 0 ? names : known;
const unknown = wanted.find((name) => !known.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`there is no bench ${unknown}; there are ${known.join(', ')}\n`);
  process.exit(2);
}
for (const sentence of await ensureBenchTools()) process.stderr.write(`${sentence}\n`);
rmSync(results, { force: true });
for (const [place, name] of wanted.entries()) {
  process.stderr.write(`\n[${place + 1}/${wanted.length}] ${name}\n`);
  await measure(name);
}

function measure(name) {
  const file = path.join(root, 'dist-bench/bench', `${name}.js`);
  const child = spawn(process.execPath, ['--expose-gc', file, ...flags], {
    cwd: root,
    env: {
      ...process.env,
      PATH: `${process.env.PATH}:${toolsPath}`,
      PYTHONPATH: [process.env.PYTHONPATH, pythonPath].filter(Boolean).join(':'),
    },
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
