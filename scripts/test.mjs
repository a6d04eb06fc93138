/**
 * `npm test`: installs and builds what is missing, then every check and every test.
 *
 * Promise: nothing under version control is written, the last line is `N passed, N failed` (and
 * `, N skipped` where something was), and the exit code is 0 only when nothing failed. A check counts
 * as one test. Arguments go to vitest: `npm test -- test/raft`.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureDebianTools, toolsPath } from './debian-tools.mjs';
import { ensureBuilt, ensureInstalled, root, run } from './prepare.mjs';

await ensureInstalled();
await ensureBuilt();
for (const sentence of await ensureDebianTools()) console.log(sentence);
const results = [await runChecks(), await runTests(process.argv.slice(2))];

const sum = (key) => results.reduce((total, result) => total + result[key], 0);
const skipped = sum('skipped') === 0 ? '' : `, ${sum('skipped')} skipped`;
console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
process.exitCode = sum('failed') === 0 ? 0 : 1;

/** Runs every `check:…` script of package.json side by side; prints what the failing ones say. */
async function runChecks() {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const names = Object.keys(scripts).filter((name) => name.startsWith('check:'));
  const outcomes = await Promise.all(names.map((name) => run(['npm', 'run', '--silent', name])));
  names.forEach((name, index) => {
    const { code, output } = outcomes[index];
    console.log(code === 0 ? ` ✓ ${name}` : ` ✗ ${name}\n${output}`);
  });
  const passed = outcomes.filter(({ code }) => code === 0).length;
  return { passed, failed: names.length - passed, skipped: 0 };
}

/** Runs vitest and counts from its JSON report; a file that did not load counts as one failure. */
async function runTests(args) {
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-test-'));
  const file = path.join(folder, 'report.json');
  try {
    const { code } = await run(
      [
        process.execPath,
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${file}`,
        ...args,
      ],
      { stdio: 'inherit', env: { ...process.env, PATH: `${process.env.PATH}:${toolsPath}` } },
    );
    return count(readReport(file), code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function count(report, code) {
  const unloaded = report.testResults.filter(
    (result) => result.status === 'failed' && result.assertionResults.length === 0,
  );
  const failed = report.numFailedTests + unloaded.length;
  return {
    passed: report.numPassedTests,
    // An error outside any test, or a crash before the report, fails the run without failing a test.
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [],
    };
  }
}
