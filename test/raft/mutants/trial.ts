/**
 * Runs inside a copy of the core, with or without a mutant: `trial.js SEEDS` prints as JSON which seed
 * of the chaos test and which scenarios caught it. A program of its own, because a mutant may hang.
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { runChaos } from '../chaos.ts';
import { parseScenario, playScenario } from '../scenario.ts';

/** The seed that caught the mutant, and the first line of its problem. */
export interface Detection {
  readonly seed: number;
  readonly reason: string;
}

const [, , seeds = '200', folder = '.'] = process.argv;

process.stdout.write(`${JSON.stringify(chaos(Number(seeds)))}\n`);
process.stdout.write(`${JSON.stringify(scenarios())}\n`);

function chaos(seedMax: number): Detection | null {
  for (let seed = 1; seed <= seedMax; seed++) {
    try {
      runChaos({ seed, steps: 4000 });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const [first = ''] = text.replace(/^seed \d+: /, '').split('\n');
      return { seed, reason: first };
    }
  }
  return null;
}

function scenarios(): string[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt'));
  return files.sort().filter((file) => {
    const text = readFileSync(path.join(folder, file), 'utf8');
    return playScenario(parseScenario(text)) !== text;
  });
}
