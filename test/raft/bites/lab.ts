/**
 * Breaks a copy of the core and sees which test notices.
 *
 * Promise: src/ is only read. Whatever a broken core does, it does in a process of its own with a
 * time limit; not coming to an end counts as noticed, too, because a test would.
 */

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { broken, compiled } from '../../support/broken-copy.ts';
import type { Bug } from './bugs.ts';
import type { Catch } from './trial.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CHAOS_FILES = ['chaos.ts', 'checker.ts', 'cluster.ts', 'scenario.ts', 'bites/trial.ts'];
const TEST_FILES = ['paper.test.ts', 'laws.test.ts', 'cluster.ts'];
/** Ten times what the whole trial of a sound core takes. */
const TRIAL_MS_MAX = 120_000;

export interface Verdict {
  readonly caught: boolean;
  /** Null if no seed of the chaos test noticed. */
  readonly chaos: Catch | null;
  readonly scenarios: readonly string[];
  /** Titles of paper tests and laws that fail; asked only when nothing else noticed. */
  readonly tests: readonly string[];
}

/** Tries the core with this bug, or as it is. */
export function tryBug(bug: Bug | null, seeds: number): Verdict {
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-bite-'));
  try {
    copySources(folder, bug);
    const { chaos, scenarios } = runTrial(folder, seeds);
    const noticed = chaos !== null || scenarios.length > 0;
    const tests = noticed || bug === null ? [] : runTests(folder);
    return { caught: noticed || tests.length > 0, chaos, scenarios, tests };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function copySources(folder: string, bug: Bug | null): void {
  for (const file of readdirSync(path.join(ROOT, 'src/raft'))) {
    const text = readFileSync(path.join(ROOT, 'src/raft', file), 'utf8');
    put(folder, `src/raft/${file}`, bug?.file === file ? broken(text, bug.name, bug) : text);
  }
  for (const file of new Set([...CHAOS_FILES, ...TEST_FILES])) {
    put(folder, `test/raft/${file}`, readFileSync(path.join(ROOT, 'test/raft', file), 'utf8'));
  }
  cpSync(path.join(ROOT, 'test/raft/scenarios'), path.join(folder, 'scenarios'), {
    recursive: true,
  });
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
}

/** The source as it is for the tests, and beside it what Node runs. */
function put(folder: string, file: string, text: string): void {
  const target = path.join(folder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  writeFileSync(target.replace(/\.ts$/, '.js'), compiled(text));
}

function runTrial(folder: string, seeds: number): Pick<Verdict, 'chaos' | 'scenarios'> {
  const program = path.join(folder, 'test/raft/bites/trial.js');
  const scenarios = path.join(folder, 'scenarios');
  const { stdout, status, signal, stderr } = spawnSync(
    process.execPath,
    [program, String(seeds), scenarios],
    { encoding: 'utf8', timeout: TRIAL_MS_MAX },
  );
  const [first, second] = stdout.split('\n');
  if (signal !== null)
    return { chaos: { seed: 0, reason: 'does not come to an end' }, scenarios: [] };
  if (status !== 0) throw new Error(stderr);
  return {
    chaos: JSON.parse(first ?? 'null') as Verdict['chaos'],
    scenarios: JSON.parse(second ?? '[]') as string[],
  };
}

function runTests(folder: string): string[] {
  const report = path.join(folder, 'report.json');
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const args = ['run', '--root', folder, '--reporter=json', `--outputFile=${report}`];
  spawnSync(process.execPath, [vitest, ...args], { cwd: folder, timeout: TRIAL_MS_MAX });
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { assertionResults: { status: string; fullName: string }[] }[];
  };
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ fullName }) => fullName);
}
