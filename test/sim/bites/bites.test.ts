/**
 * Breaks the node on purpose: one way in `npm test`, all of them in `node scripts/bites.mjs`, which
 * asks for a table by `BITES_TABLE=file`.
 */

import { appendFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { BUGS } from './bugs.ts';
import { Lab } from './lab.ts';

const table = process.env['BITES_TABLE'];
const SEEDS_MAX = 200;
const QUICK = ['a request of another member goes into the log without its name'];
const PATIENCE_MS = 900_000;

const lab = new Lab();

afterAll(() => lab.close());

describe('a broken node is noticed by the simulator', () => {
  for (const bug of BUGS) {
    if (table === undefined && !QUICK.includes(bug.name)) continue;
    test(bug.name, { timeout: PATIENCE_MS }, async () => {
      const found = await lab.tryBug(bug, SEEDS_MAX);
      if (table !== undefined) {
        const seen = found === null ? '–' : `seed ${found.seed}: ${found.reason.slice(0, 60)}`;
        appendFileSync(table, `node: ${bug.name}\t${seen}\t\t\n`);
      }
      expect(found, `no life within ${SEEDS_MAX} seeds noticed that ${bug.name}`).not.toBeNull();
    });
  }
});

test('every bug of the node has a name of its own, and its text is still there', () => {
  expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
  for (const bug of BUGS) expect(() => lab.apply(bug)).not.toThrow();
});
