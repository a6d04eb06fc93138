/**
 * Applies a mutant to a copy of the node and finds the seed at which the simulator catches it.
 *
 * Promise: src/ is only read. A mutant runs in a process of its own with a time limit. A mutant that
 * does not end counts as caught, because a test would fail, too.
 */

import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
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
const TRIAL = 'test/sim/mutants/trial.ts';
/** The unchanged node needs less for all its seeds on an idle machine. */
const TRIAL_MS_MAX = 600_000;

export class Lab {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'tocsin-node-mutants-'));
  readonly #unchanged = path.join(this.#folder, 'unchanged');

  constructor() {
    mkdirSync(this.#unchanged);
    writeFileSync(path.join(this.#folder, 'package.json'), '{ "type": "module" }');
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(this.#folder, 'node_modules'));
    for (const file of reachedFrom(TRIAL)) put(this.#unchanged, file, readSource(file));
  }

  /** The first seed that catches this mutant, or null. A null mutant is the unchanged node. */
  async tryMutant(mutant: Mutant | null, seeds: number): Promise<Detection | null> {
    const copy = mkdtempSync(path.join(this.#folder, 'mutant-'));
    cpSync(this.#unchanged, copy, { recursive: true });
    if (mutant !== null) for (const [file, text] of this.apply(mutant)) put(copy, file, text);
    const found = await runTrial(path.join(copy, TRIAL.replace(/\.ts$/, '.js')), seeds);
    rmSync(copy, { recursive: true, force: true });
    return found;
  }

  /** The sources that a mutant changes, changed. Throws when the text that it replaces is gone. */
  apply({ edits, name }: Mutant): ReadonlyMap<string, string> {
    const texts = new Map<string, string>();
    for (const { file, ...edit } of edits) {
      texts.set(file, broken(texts.get(file) ?? readSource(file), name, edit));
    }
    return texts;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function readSource(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** The file and all that it imports from this repository, directly or not. */
function reachedFrom(first: string): ReadonlySet<string> {
  const reached = new Set([first]);
  for (const file of reached) {
    for (const [, to = ''] of readSource(file).matchAll(/from '(\.[^']+\.ts)'/g)) {
      reached.add(path.join(path.dirname(file), to));
    }
  }
  return reached;
}

function put(folder: string, file: string, text: string): void {
  const target = path.join(folder, file.replace(/\.ts$/, '.js'));
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, compiled(text));
}

function runTrial(program: string, seeds: number): Promise<Detection | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, String(seeds)], { timeout: TRIAL_MS_MAX });
    let [answer, errorText] = ['', ''];
    child.stdout.on('data', (data) => (answer += String(data)));
    child.stderr.on('data', (data) => (errorText += String(data)));
    child.on('close', (code, signal) => {
      if (signal !== null) resolve({ seed: 0, reason: 'does not come to an end' });
      else if (code === 0) resolve(JSON.parse(answer) as Detection | null);
      else reject(new Error(errorText));
    });
  });
}
