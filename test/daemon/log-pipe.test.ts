/** A log that nobody reads: a pager, a paused terminal multiplexer, a log shipper that hangs. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

const SYSTEM_PORTS = path.resolve(import.meta.dirname, '../../dist/io/daemon/system-ports.js');
const LINES = 20_000;

const SCRIPT = `
  const { stderrLogger } = await import(${JSON.stringify(SYSTEM_PORTS)});
  const logger = stderrLogger('info', 'n1');
  for (let i = 0; i < ${LINES}; i++) logger.info('line', { i });
  process.stdout.write('still here\\n');
  process.stdin.on('data', () => process.exit(0));
`;

test('a log that nobody reads stops no process, and what is dropped is counted', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT]);
  onTestFinished(() => void child.kill('SIGKILL'));

  // Nothing of the log is read before the process has shown that it goes on.
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  expect(said.toString()).toBe('still here\n');

  const lines: { readonly msg: string; readonly count?: number; readonly i?: number }[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(JSON.parse(line) as (typeof lines)[number]);
    if (lines.at(-1)?.msg === 'log lines dropped') break;
  }
  const count = lines.at(-1)?.count ?? 0;
  expect(count).toBeGreaterThan(0);
  expect(lines.length - 1 + count).toBe(LINES);
  expect(lines.slice(0, -1).map(({ i }) => i)).toEqual(lines.slice(0, -1).map((_, i) => i));
});

test('a reader that goes away ends no process', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT]);
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stderr.destroy();

  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  expect(said.toString()).toBe('still here\n');
  child.stdin.write('stop');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
