/** The README's way from one node to three, run as it is written, on ports and folders that are free. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../discovery/etcd.ts';
import { PROGRAM, scratch, tocsin, until } from './program.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

it('"From one node to a cluster" makes a cluster of three that `tocsin status` shows', async () => {
  const folder = await scratch();
  const written = commandsIn('## From one node to a cluster');
  const starts = written.filter((line) => line.startsWith('npx tocsin start'));
  expect(starts).toHaveLength(3);
  const ports = new Map<string, string>();
  const http: string[] = [];
  for (const line of starts) {
    const args = await elsewhere(line, folder, ports);
    http.push(args[args.indexOf('--http') + 1] ?? '');
    const [node = '', main = ''] = PROGRAM;
    const child = spawn(node, [main, ...args], { cwd: ROOT, stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
  }
  const status = () => tocsin('status', '--url', http[0] ?? '');
  await until(async () => {
    const { stdout } = await status();
    return (stdout.match(/^n\d +(leader|follower) +n1 +yes /gm) ?? []).length === 3;
  });
  const { code, stdout } = await status();
  expect(code).toBe(0);
  const shown = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const [titles = ''] = stdout.split('\n');
  expect(shown.replaceAll(/ +/g, ' ')).toContain(titles.replaceAll(/ +/g, ' '));
}, 60_000);

/** The lines of the first block of code under a heading. */
function commandsIn(heading: string): readonly string[] {
  const text = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const section = text.slice(text.indexOf(heading));
  return /```\n([^`]*)```/.exec(section)?.[1]?.split('\n') ?? [];
}

/** The arguments of a line, with each port in it replaced by a free one, and `.tocsin` by a folder. */
async function elsewhere(
  line: string,
  folder: string,
  ports: Map<string, string>,
): Promise<readonly string[]> {
  const args: string[] = [];
  for (const arg of line.split(/\s+/).slice(2)) {
    const [, host, port] = /^(127\.0\.0\.1):(\d+)$/.exec(arg) ?? [];
    if (port === undefined) {
      args.push(arg.replace(/^\.tocsin/, folder));
      continue;
    }
    if (!ports.has(port)) ports.set(port, String(await freePort()));
    args.push(`${host}:${ports.get(port)}`);
  }
  return args;
}
