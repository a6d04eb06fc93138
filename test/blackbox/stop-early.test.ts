/** SIGTERM at fifty moments of the start of a new node. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { configFile, PROGRAM, scratch } from './program.ts';

const CONFIG = `
route: {receiver: x}
receivers: [{name: x}]
checks: [{name: Hi, series: 'a.*', above: 1}]
`;

/** A line of the log, and how long after it the signal comes. */
const LINES = ['new cluster', 'data opened', '"role":"candidate"', '"role":"leader"', 'listening'];
const DELAYS_MS = [0, 1, 2, 4, 8, 15, 30, 60, 120, 250];
const MOMENTS = LINES.flatMap((line) => DELAYS_MS.map((delayMs) => ({ line, delayMs })));
/** At one time; a start takes most of a core. */
const LANES = 2;

interface Stopped {
  readonly moment: string;
  readonly code: number | null;
  readonly faults: readonly string[];
}

it(
  'a new node that is stopped while it starts ends with 0, and without a word of error',
  {
    timeout: 300_000,
  },
  async () => {
    const folder = await scratch();
    const config = await configFile(folder, CONFIG);
    const stopped: Stopped[] = [];
    const waiting = MOMENTS.entries();
    const lane = async (): Promise<void> => {
      for (const [i, { line, delayMs }] of waiting) {
        const args = ['start', '--config', config, '--data-dir', `${folder}/${i}`, '--name', 'n1'];
        const free = ['http', 'peer', 'carbon'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
        const [program = '', ...rest] = [...PROGRAM, ...args, ...free];
        const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
        onTestFinished(() => void child.kill('SIGKILL'));
        const closed = once(child, 'close') as Promise<[number | null]>;
        const log: string[] = [];
        createInterface({ input: child.stderr }).on('line', (said) => {
          log.push(said);
          if (said.includes(line)) void delay(delayMs).then(() => child.kill('SIGTERM'));
        });
        const [code] = await closed;
        const faults = log.filter((said) => !/^\{"level":"(?:debug|info)"/.test(said));
        stopped.push({ moment: `${delayMs} ms after ${line}`, code, faults });
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));

    expect(stopped).toHaveLength(MOMENTS.length);
    expect(stopped.filter(({ code, faults }) => code !== 0 || faults.length > 0)).toEqual([]);
  },
);
