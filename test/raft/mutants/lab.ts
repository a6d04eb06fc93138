/**
 * Applies a mutant to a copy of the core and finds the tests that catch it.
 *
 * Promise: src/ is only read. A mutant runs in a process of its own with a time limit. A mutant that
 * does not end counts as caught, because a test would fail, too.
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
import type { Mutant } from './mutants.ts';
import type { Detection } from './trial.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CHAOS_FILES = ['chaos.ts', 'checker.ts', 'cluster.ts', 'scenario.ts', 'mutants/trial.ts'];
const TEST_FILES = ['paper.test.ts', 'laws.test.ts', 'cluster.ts'];
/** Ten times what the whole trial of the unchanged core takes. */
const TRIAL_MS_MAX = 120_000;

export interface MutantResult {
  readonly caught: boolean;
  /** Null if no seed of the chaos test caught the mutant. */
  readonly chaos: Detection | null;
  readonly scenarios: readonly string[];
  /** Titles of paper tests and laws that fail; they run only when nothing else caught the mutant. */
  readonly tests: readonly string[];
}

/** Tests the core with this mutant, or unchanged when it is null. */
export function tryMutant(mutant: Mutant | null, seeds: number): MutantResult {
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-mutant-'));
  try {
    copySources(folder, mutant);
    const { chaos, scenarios } = runTrial(folder, seeds);
    const caught = chaos !== null || scenarios.length > 0;
    const tests = caught || mutant === null ? [] : runTests(folder);
    return { caught: caught || tests.length > 0, chaos, scenarios, tests };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The source of src/raft that the mutant changes, changed. Throws unless its text occurs once. */
export function mutated(mutant: Mutant): string {
  return broken(
    readFileSync(path.join(ROOT, 'src/raft', mutant.file), 'utf8'),
    mutant.name,
    mutant,
  );
}

function copySources(folder: string, mutant: Mutant | null): void {
  for (const file of readdirSync(path.join(ROOT, 'src/raft'))) {
    const text = readFileSync(path.join(ROOT, 'src/raft', file), 'utf8');
    put(folder, `src/raft/${file}`, mutant?.file === file ? mutated(mutant) : text);
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

/** The source for the tests, and beside it what Node runs. */
function put(folder: string, file: string, text: string): void {
  const target = path.join(folder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  writeFileSync(target.replace(/\.ts$/, '.js'), compiled(text));
}

function runTrial(folder: string, seeds: number): Pick<MutantResult, 'chaos' | 'scenarios'> {
  const program = path.join(folder, 'test/raft/mutants/trial.js');
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
    chaos: JSON.parse(first ?? 'null') as MutantResult['chaos'],
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
