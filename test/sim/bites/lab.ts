/**
 * Breaks a copy of the node and sees at which seed the simulator notices.
 *
 * Promise: src/ is only read. Whatever a broken node does, it does in a process of its own with a
 * time limit; not coming to an end counts as noticed, too, because a test would.
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
import type { Bug } from './bugs.ts';
import type { Catch } from './trial.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TRIAL = 'test/sim/bites/trial.ts';
/** A sound node needs less for all its seeds on a machine with nothing else to do. */
const TRIAL_MS_MAX = 600_000;

export class Lab {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'tocsin-node-bites-'));
  readonly #sound = path.join(this.#folder, 'sound');

  constructor() {
    mkdirSync(this.#sound);
    writeFileSync(path.join(this.#folder, 'package.json'), '{ "type": "module" }');
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(this.#folder, 'node_modules'));
    for (const file of reachedFrom(TRIAL)) put(this.#sound, file, readSource(file));
  }

  /** The first seed that notices this bug, if any does; null for the node as it is. */
  async tryBug(bug: Bug | null, seeds: number): Promise<Catch | null> {
    const copy = mkdtempSync(path.join(this.#folder, 'broken-'));
    cpSync(this.#sound, copy, { recursive: true });
    if (bug !== null) for (const [file, text] of this.apply(bug)) put(copy, file, text);
    const found = await runTrial(path.join(copy, TRIAL.replace(/\.ts$/, '.js')), seeds);
    rmSync(copy, { recursive: true, force: true });
    return found;
  }

  /** The sources that a bug changes, changed. Throws when the text that it replaces is gone. */
  apply({ edits, name }: Bug): ReadonlyMap<string, string> {
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

function runTrial(program: string, seeds: number): Promise<Catch | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, String(seeds)], { timeout: TRIAL_MS_MAX });
    let [answer, complaint] = ['', ''];
    child.stdout.on('data', (data) => (answer += String(data)));
    child.stderr.on('data', (data) => (complaint += String(data)));
    child.on('close', (code, signal) => {
      if (signal !== null) resolve({ seed: 0, reason: 'does not come to an end' });
      else if (code === 0) resolve(JSON.parse(answer) as Catch | null);
      else reject(new Error(complaint));
    });
  });
}
