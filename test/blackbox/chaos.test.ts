/** `tocsin chaos` as its users run it: real processes, which it kills, freezes and cuts apart. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { PROGRAM, scratch, tocsin, until } from './program.ts';

/** Long enough for the faults, the rest that follows them, and a machine that does other things. */
const LIMIT_MS = 120_000;

/** The seed has a kill, a kill of all, a partition and a kill of the leader within the time. */
const STORM = ['--for', '12s', '--every', '2s', '--seed', '1280'];

it(
  'three members, each killed and one cut off, under load: the verdict is clean',
  { timeout: LIMIT_MS },
  async () => {
    const { code, stdout, stderr } = await tocsin('chaos', ...STORM, '-o', 'json');

    expect(stderr).toMatch(/kill -9 all/);
    const verdict = JSON.parse(stdout) as Record<string, unknown>;
    expect(verdict).toMatchObject({
      nodes: 3,
      seed: 1280,
      isClean: true,
      problems: [],
      alerts: { lost: [] },
      pages: { lost: [] },
      twice: { unmarked: [] },
      ownEnds: [],
      directory: null,
    });
    expect(verdict['alerts']).toHaveProperty('acknowledged', expect.any(Number));
    const roots = (verdict['replays'] as { root: string }[]).map(({ root }) => root);
    expect(roots).toHaveLength(3);
    expect(new Set(roots).size).toBe(1);
    expect(code).toBe(0);
  },
);

it('Ctrl-C ends the run early, with a verdict', { timeout: LIMIT_MS }, async () => {
  const folder = await scratch();
  const command = begun('--nodes', '1', '--for', '1h', '--every', '10m', '--dir', folder);
  let stdout = '';
  command.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  // A member listens before the load begins, which is when there is something to judge.
  await until(async () => (await logOf(folder, 'node1')).includes('"msg":"listening"'));
  await until(async () => (await pagesOf(folder)) > 0);

  command.kill('SIGINT');
  const [code] = (await once(command, 'close')) as [number];

  expect(stdout).toContain('verdict: clean');
  expect(code).toBe(0);
});

it('the command is killed: its members do not outlive it', { timeout: LIMIT_MS }, async () => {
  const folder = await scratch();
  const command = begun('--nodes', '2', '--for', '1h', '--every', '10m', '--dir', folder);
  await until(async () => {
    const logs = await Promise.all(['node1', 'node2'].map((name) => logOf(folder, name)));
    return logs.every((log) => log.includes('"msg":"listening"'));
  });
  const addresses = await Promise.all(['node1', 'node2'].map((name) => httpOf(folder, name)));
  expect(await Promise.all(addresses.map(answers))).toEqual([true, true]);

  command.kill('SIGKILL');

  await until(async () => !(await Promise.all(addresses.map(answers))).includes(true));
});

it('a directory with something in it is left alone: exit 1', async () => {
  const folder = await scratch();
  const args = ['chaos', '--dir', `${folder}/..`];
  const { code, stderr } = await tocsin(...args);

  expect(stderr).toContain('is not empty: name a directory that is');
  expect(code).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});

function begun(...args: readonly string[]): ChildProcess {
  const [node = '', ...main] = PROGRAM;
  const command = spawn(node, [...main, 'chaos', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void command.kill('SIGTERM'));
  return command;
}

function logOf(folder: string, name: string): Promise<string> {
  return readFile(`${folder}/${name}.log`, 'utf8').catch(() => '');
}

async function httpOf(folder: string, name: string): Promise<string> {
  const lines = (await logOf(folder, name)).split('\n');
  const listening = lines.find((line) => line.includes('"msg":"listening"')) ?? '{}';
  return (JSON.parse(listening) as { http: string }).http;
}

/** How many notifications a lone member has decided. */
async function pagesOf(folder: string): Promise<number> {
  const answer = await fetch(`http://${await httpOf(folder, 'node1')}/tocsin/v1/notifications`);
  return ((await answer.json()) as unknown[]).length;
}

function answers(address: string): Promise<boolean> {
  return fetch(`http://${address}/-/healthy`).then(
    () => true,
    () => false,
  );
}
