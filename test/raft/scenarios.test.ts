/**
 * Plays every file of `scenarios/`. To record what a new or changed scenario does, run with
 * RERECORD=1 and read the difference.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseScenario, playScenario } from './scenario.ts';

const folder = fileURLToPath(new URL('./scenarios/', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

describe('raft scenarios', () => {
  for (const file of files.sort()) {
    const text = readFileSync(folder + file, 'utf8');
    const scenario = parseScenario(text);
    test(`${file}: ${scenario.title}`, () => {
      const played = playScenario(scenario);
      if (process.env['RERECORD'] === '1') writeFileSync(folder + file, played);
      else expect(played).toBe(text);
    });
  }

  test('there are scenarios at all', () => {
    expect(files.length).toBeGreaterThan(20);
  });
});
