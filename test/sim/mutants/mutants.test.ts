/**
 * Runs mutants of the node: one in `npm test`, all of them in `node scripts/mutants.mjs`, which
 * requests a table by `MUTANTS_TABLE=file`.
 */

import { appendFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { Lab } from './lab.ts';

const table = process.env['MUTANTS_TABLE'];
const SEEDS_MAX = 200;
const QUICK = ['a request of another member goes into the log without its name'];
const TRIAL_MS_MAX = 900_000;

const lab = new Lab();

afterAll(() => lab.close());

describe('the simulator catches a mutant of the node', () => {
  for (const mutant of MUTANTS) {
    if (table === undefined && !QUICK.includes(mutant.name)) continue;
    test(mutant.name, { timeout: TRIAL_MS_MAX }, async () => {
      const found = await lab.tryMutant(mutant, SEEDS_MAX);
      if (table !== undefined) {
        const seen = found === null ? '–' : `seed ${found.seed}: ${found.reason.slice(0, 60)}`;
        appendFileSync(table, `node: ${mutant.name}\t${seen}\t\t\n`);
      }
      expect(found, `no run within ${SEEDS_MAX} seeds noticed that ${mutant.name}`).not.toBeNull();
    });
  }
});

test('every mutant of the node has a name of its own, and its text occurs exactly once', () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  for (const mutant of MUTANTS) expect(() => lab.apply(mutant)).not.toThrow();
});
