/**
 * `node scripts/mutants.mjs`: injects every known bug into a copy of the core, or of the node around
 * it, one at a time, and prints which test caught it. Fails if a mutant was not caught.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureInstalled, root, run } from './prepare.mjs';

await ensureInstalled();
const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-mutants-'));
const table = path.join(folder, 'table.tsv');
try {
  writeFileSync(table, 'mutant\tchaos or simulator, within 200 seeds\tscenarios\tother tests\n');
  const tests = ['test/raft/mutants', 'test/sim/mutants'];
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const { code, output } = await run(
    [process.execPath, vitest, 'run', '--no-file-parallelism', ...tests, ...process.argv.slice(2)],
    { env: { ...process.env, MUTANTS_TABLE: table } },
  );
  print(readFileSync(table, 'utf8').trimEnd().split('\n'));
  if (code !== 0) process.stdout.write(output);
  process.exitCode = code === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function print(lines) {
  const rows = lines.map((line) => line.split('\t'));
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}
