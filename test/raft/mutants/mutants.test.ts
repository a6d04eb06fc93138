/**
 * Runs mutants of the core: a few in `npm test`, all of them in `node scripts/mutants.mjs`, which
 * requests a table by `MUTANTS_TABLE=file`.
 */

import { appendFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { mutated, tryMutant } from './lab.ts';
import type { MutantResult } from './lab.ts';

const table = process.env['MUTANTS_TABLE'];
const SEEDS_MAX = 200;
const QUICK = [
  'the vote is not written',
  'an entry of an older term is committed by counting',
  'entries are confirmed before they are durable',
  'every append truncates',
];

describe('the tests catch a mutant of the core', () => {
  for (const mutant of MUTANTS) {
    if (table === undefined && !QUICK.includes(mutant.name)) continue;
    test(mutant.name, { timeout: 300_000 }, () => {
      const result = tryMutant(mutant, SEEDS_MAX);
      if (table !== undefined) appendFileSync(table, `${row(mutant.name, result)}\n`);
      expect(result.caught, `no test noticed that ${mutant.name} (${mutant.file})`).toBe(true);
    });
  }
});

test('the unchanged core fails no test', { timeout: 300_000 }, () => {
  const result = tryMutant(null, 20);
  expect(result).toEqual({ caught: false, chaos: null, scenarios: [], tests: [] });
});

test('every mutant of the core has a name of its own, and its text occurs exactly once', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
  for (const mutant of MUTANTS) expect(() => mutated(mutant)).not.toThrow();
});

function row(name: string, { chaos, scenarios, tests }: MutantResult): string {
  const [scenario = '–', ...more] = scenarios.map((file) => file.replace('.txt', ''));
  const inScenarios = more.length === 0 ? scenario : `${scenario} and ${more.length} more`;
  const inChaos = chaos === null ? '–' : `seed ${chaos.seed}: ${chaos.reason.slice(0, 60)}`;
  return [name, inChaos, inScenarios, tests[0] ?? ''].join('\t');
}
