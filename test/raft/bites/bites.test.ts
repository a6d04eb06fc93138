/**
 * Breaks the core on purpose: a few ways in `npm test`, all of them in `node scripts/bites.mjs`,
 * which asks for a table by `BITES_TABLE=file`.
 */

import { appendFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BUGS } from './bugs.ts';
import { tryBug } from './lab.ts';
import type { Verdict } from './lab.ts';

const table = process.env['BITES_TABLE'];
const SEEDS_MAX = 200;
const QUICK = [
  'the vote is not written',
  'an entry of an older term is committed by counting',
  'entries are confirmed before they are durable',
  'every append truncates',
];

describe('a broken core is noticed', () => {
  for (const bug of BUGS) {
    if (table === undefined && !QUICK.includes(bug.name)) continue;
    test(bug.name, { timeout: 300_000 }, () => {
      const verdict = tryBug(bug, SEEDS_MAX);
      if (table !== undefined) appendFileSync(table, `${row(bug.name, verdict)}\n`);
      expect(verdict.caught, `nothing noticed that ${bug.name} (${bug.file})`).toBe(true);
    });
  }
});

test('a sound core is not blamed', { timeout: 300_000 }, () => {
  const verdict = tryBug(null, 20);
  expect(verdict).toEqual({ caught: false, chaos: null, scenarios: [], tests: [] });
});

test('every bug has a name of its own, and there are enough of them', () => {
  expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
  expect(BUGS.length).toBeGreaterThanOrEqual(25);
});

function row(name: string, { chaos, scenarios, tests }: Verdict): string {
  const [scenario = '–', ...more] = scenarios.map((file) => file.replace('.txt', ''));
  const inScenarios = more.length === 0 ? scenario : `${scenario} and ${more.length} more`;
  const inChaos = chaos === null ? '–' : `seed ${chaos.seed}: ${chaos.reason.slice(0, 60)}`;
  return [name, inChaos, inScenarios, tests[0] ?? ''].join('\t');
}
