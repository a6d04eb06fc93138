/**
 * `npm run sim -- [--seeds N] [--seed S] [--length SECONDS] [--jobs J]`: leads N lives of a simulated
 * cluster, from seed S on, each with so many simulated seconds of faults, on J cores (all of them when
 * left out). Prints what went wrong with its seed and its trace, and what was reached; exits 1 when
 * anything went wrong.
 */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { withProgram } from './compile.mjs';

/** Lives that are led at one go, one of them twice: few enough that all cores end together. */
const STRETCH = 10;
/** A world is many small things that live for a moment: with this room a tenth of the time is saved. */
const YOUNG_MIB = 96;

if (isMainThread) await leadAll();
else await serve();

async function leadAll() {
  const { seed, seeds, length, jobs } = options();
  const stretches = [];
  for (let led = 0; led < seeds; led += STRETCH) {
    stretches.push({ firstSeed: seed + led, seeds: Math.min(STRETCH, seeds - led) });
  }
  const cores = Math.min(jobs, stretches.length);
  let [broken, done, simulatedMs, startedAt] = [0, 0, 0, 0];
  let reached;

  const take = (stretch, result) => {
    for (const line of result.lines) console.log(line);
    for (const [name, count] of result.situations) reached.count(name, count);
    simulatedMs += result.simulatedMs;
    broken += result.broken.length;
    done += stretch.seeds;
    if (process.stderr.isTTY) process.stderr.write(`\r${done} lives, ${broken} broken `);
    else if (done % 100 === 0) process.stderr.write(`${done} lives, ${broken} broken\n`);
  };

  await withProgram('test/sim/main.ts', async ({ Situations }, program) => {
    reached = new Situations();
    startedAt = Date.now();
    const work = Array.from({ length: cores }, () => {
      return leadSome({ program, faultyMs: length * 1_000 }, stretches, take);
    });
    await Promise.all(work);
  });

  const seconds = (Date.now() - startedAt) / 1_000;
  console.log('\nreached');
  for (const [name, count] of reached.entries()) {
    console.log(`${String(count).padStart(10)}  ${name}`);
  }
  console.log(
    `\n${seeds} lives from seed ${seed}, ${broken} broken; ` +
      `${Math.round(simulatedMs / 1_000)} simulated seconds in ${Math.round(seconds)} s ` +
      `(${Math.round(simulatedMs / 1_000 / seconds)} × on ${cores} ${cores === 1 ? 'core' : 'cores'})`,
  );
  if (broken > 0) process.exitCode = 1;
}

/** Takes stretches from the list until none is left, and leads them on a core of its own. */
async function leadSome(data, stretches, take) {
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

/** The other thread: one stretch after the other, as they are asked for. */
async function serve() {
  const { program, faultyMs } = workerData;
  const { campaign } = await import(program);
  parentPort.on('message', async (stretch) => {
    const lines = [];
    const print = (line) => lines.push(line);
    const { situations, ...result } = await campaign({ ...stretch, faultyMs, print });
    parentPort.postMessage({ ...result, lines, situations: situations.entries() });
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
