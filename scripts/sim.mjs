/**
 * `npm run sim -- [--seeds N] [--seed S] [--length SECONDS] [--jobs J]`: runs N simulated clusters,
 * from seed S on, each with so many simulated seconds of faults, on J cores (all of them when left
 * out). Prints every failed run with its seed and its trace, and the coverage; exits 1 when a run
 * failed.
 */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { withProgram } from './compile.mjs';

/** Runs that a core takes at once, one of them twice: few enough that all cores end together. */
const STRETCH = 10;
/** A run makes many short-lived objects: a young generation of this size saves a tenth of the time. */
const YOUNG_MIB = 96;

if (isMainThread) await runAll();
else await serve();

async function runAll() {
  const { seed, seeds, length, jobs } = options();
  const stretches = [];
  for (let first = 0; first < seeds; first += STRETCH) {
    stretches.push({ firstSeed: seed + first, seeds: Math.min(STRETCH, seeds - first) });
  }
  const cores = Math.min(jobs, stretches.length);
  let [failed, done, simulatedMs, startedAt] = [0, 0, 0, 0];
  let coverage;

  const take = (stretch, result) => {
    for (const line of result.lines) console.log(line);
    for (const [name, count] of result.coverage) coverage.count(name, count);
    simulatedMs += result.simulatedMs;
    failed += result.broken.length;
    done += stretch.seeds;
    if (process.stderr.isTTY) process.stderr.write(`\r${done} runs, ${failed} failed `);
    else if (done % 100 === 0) process.stderr.write(`${done} runs, ${failed} failed\n`);
  };

  await withProgram('test/sim/main.ts', async ({ Coverage }, program) => {
    coverage = new Coverage();
    startedAt = Date.now();
    const work = Array.from({ length: cores }, () => {
      return runSome({ program, faultyMs: length * 1_000 }, stretches, take);
    });
    await Promise.all(work);
  });

  const seconds = (Date.now() - startedAt) / 1_000;
  console.log('\ncoverage');
  for (const [name, count] of coverage.entries()) {
    console.log(`${String(count).padStart(10)}  ${name}`);
  }
  console.log(
    `\n${seeds} runs from seed ${seed}, ${failed} failed; ` +
      `${Math.round(simulatedMs / 1_000)} simulated seconds in ${Math.round(seconds)} s ` +
      `(${Math.round(simulatedMs / 1_000 / seconds)} × on ${cores} ${cores === 1 ? 'core' : 'cores'})`,
  );
  if (failed > 0) process.exitCode = 1;
}

/** Takes stretches from the list until none is left, and runs them on a core of its own. */
async function runSome(data, stretches, take) {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: data,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  try {
    for (let next = stretches.shift(); next !== undefined; next = stretches.shift()) {
      take(next, await answerOf(worker, next));
    }
  } finally {
    await worker.terminate();
  }
}

function answerOf(worker, stretch) {
  return new Promise((resolve, reject) => {
    worker.once('message', (answer) => {
      worker.off('error', reject);
      resolve(answer);
    });
    worker.once('error', reject);
    worker.postMessage(stretch);
  });
}

/** The other thread: runs one stretch after the other, as the main thread requests them. */
async function serve() {
  const { program, faultyMs } = workerData;
  const { campaign } = await import(program);
  parentPort.on('message', async (stretch) => {
    const lines = [];
    const print = (line) => lines.push(line);
    const { coverage, ...result } = await campaign({ ...stretch, faultyMs, print });
    parentPort.postMessage({ ...result, lines, coverage: coverage.entries() });
  });
}

function options() {
  const numbers = Object.entries(flags()).map(([name, text]) => {
    if (/^\d+$/.test(text) && (name === 'seed' || Number(text) > 0)) return [name, Number(text)];
    return refuse(`--${name} ${text} is not a whole number${name === 'seed' ? '' : ' above 0'}`);
  });
  return Object.fromEntries(numbers);
}

function flags() {
  try {
    return parseArgs({
      options: {
        seeds: { type: 'string', default: '200' },
        seed: { type: 'string', default: '1' },
        length: { type: 'string', default: '60' },
        jobs: { type: 'string', default: String(availableParallelism()) },
      },
    }).values;
  } catch (error) {
    return refuse(`${error.message}; there are --seeds, --seed, --length and --jobs`);
  }
}

function refuse(problem) {
  console.error(problem);
  process.exit(2);
}
