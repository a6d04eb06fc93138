/** What becomes of a result that cannot be written where the shell sends it. */

import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, configFile, isReady, PROGRAM, scratch, start, until } from './program.ts';

const CONFIG = 'route: {receiver: x}\nreceivers: [{name: x}]\n';
const STORE = path.resolve(import.meta.dirname, '../../snapshots/golden/v2/store');

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

/** Runs the program in a shell that sends its result elsewhere. */
function inShell(args: readonly string[], redirection: string): Promise<Ended> {
  const line = `"$@" ${redirection}`;
  return command('sh', '-c', line, 'sh', ...PROGRAM, ...args);
}

/** Each tool that prints something, on a store and a node that are there. */
async function tools(): Promise<readonly (readonly string[])[]> {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const dataDir = `${folder}/data`;
  const daemon = await start({ config, dataDir });
  await until(() => isReady(daemon));
  const url = daemon.url('');
  return [
    ['check', 'config', config],
    ['check', 'config', config, '-o', 'json'],
    ['replay', dataDir],
    ['replay', dataDir, '-o', 'json'],
    ['replay', dataDir, '--against', dataDir, '-o', 'json'],
    ['snapshot', 'ls', STORE],
    ['snapshot', 'show', STORE],
    ['snapshot', 'show', STORE, '-o', 'jsonl'],
    ['snapshot', 'verify', STORE],
    ['status', '--url', url],
    ['status', '--url', url, '-o', 'json'],
    ['members', 'list', '--url', url],
    ['--version'],
    ['--help'],
    ['replay', '--help'],
    ['help', 'snapshot'],
  ];
}

const PATIENCE = { timeout: 120_000 };

describe('the result of a tool', PATIENCE, () => {
  it('that a full disk does not take ends the tool with 6 and one sentence', async () => {
    for (const args of await tools()) {
      const { code, stderr } = await inShell(args, '> /dev/full');

      expect(stderr, `${args.join(' ')}`).toMatch(
        /^error: the output could not be written: ENOSPC/m,
      );
      expect(stderr).not.toMatch(/^\s+at |node:internal/m);
      expect(code, `${args.join(' ')}`).toBe(6);
    }
    // Where not even the sentence can be written, the exit code says it.
    expect(await inShell(['--help'], '> /dev/full 2>&1')).toMatchObject({ code: 6 });
  });

  it('whose reader leaves ends quietly', async () => {
    for (const args of await tools()) {
      const { stderr } = await inShell(args, '| true');
      expect(stderr, `${args.join(' ')}`).not.toMatch(/^\s+at |EPIPE|error:/m);
    }
  });
});

it('an error that cannot be written keeps its exit code', PATIENCE, async () => {
  const none = `${await scratch()}/none`;
  for (const args of [
    ['start', '--config', none],
    ['start', '--config', none, '--data-dir', none, '--tls-ca', none],
    ['replay', '--nonsense'],
  ]) {
    const heard = await inShell(args, '');
    expect(heard.code, `${args.join(' ')}`).toBeGreaterThan(0);
    expect(await inShell(args, '2> /dev/full')).toMatchObject({ code: heard.code });
  }
});
