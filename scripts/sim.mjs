/**
 * `npm run sim -- [--seeds N] [--seed S] [--length SECONDS]`: leads N lives of a simulated cluster,
 * from seed S on, each with so many simulated seconds of faults. Prints what went wrong with its
 * seed and its trace, and what was reached; exits 1 when anything went wrong.
 */

import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { withProgram } from './compile.mjs';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    length: { type: 'string', default: '60' },
  },
});

// A world is many small things that live for a moment; how much room they have can only be said at
// the start of a process, and saves a tenth of the time.
const ROOM = '--max-semi-space-size=32';

if (process.execArgv.includes(ROOM)) await leadLives();
else {
  const again = [ROOM, ...process.argv.slice(1)];
  process.exitCode = spawnSync(process.execPath, again, { stdio: 'inherit' }).status ?? 1;
}

async function leadLives() {
  let startedAt = 0;
  const result = await withProgram('test/sim/main.ts', ({ campaign }) => {
    startedAt = Date.now();
    return campaign({
      firstSeed: whole('seed'),
      seeds: whole('seeds'),
      faultyMs: whole('length') * 1_000,
      print: (line) => console.log(line),
      progress: (done, broken) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${done} lives, ${broken} broken `);
        else if (done % 100 === 0) process.stderr.write(`${done} lives, ${broken} broken\n`);
      },
    });
  });

  const seconds = (Date.now() - startedAt) / 1_000;
  console.log('\nreached');
  for (const [name, count] of result.situations.entries()) {
    console.log(`${String(count).padStart(10)}  ${name}`);
  }
  console.log(
    `\n${values.seeds} lives from seed ${values.seed}, ${result.broken.length} broken; ` +
      `${Math.round(result.simulatedMs / 1_000)} simulated seconds in ${Math.round(seconds)} s ` +
      `(${Math.round(result.simulatedMs / 1_000 / seconds)} ×)`,
  );
  if (result.broken.length > 0) process.exitCode = 1;
}

function whole(name) {
  const text = values[name];
  if (/^\d+$/.test(text)) return Number(text);
  console.error(`--${name} ${text} is not a whole number`);
  process.exit(2);
}
