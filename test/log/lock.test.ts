/** Two daemons on one data directory, and one that was killed. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockDataDirectory } from '../../src/io/disk/real-disk-lock.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-lock-'));
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

test('the second one is refused and told who holds the directory, until the first lets go', async () => {
  const first = await lockDataDirectory(path.join(folder, 'a'));
  if (!first.ok) throw new Error(first.message);
  const second = await lockDataDirectory(path.join(folder, 'a'));
  expect(second).toMatchObject({ ok: false, code: 'in-use' });
  expect(!second.ok && second.message).toContain(`process ${process.pid} on `);
  await first.lock.release();
  const third = await lockDataDirectory(path.join(folder, 'a'));
  expect(third.ok).toBe(true);
  if (third.ok) await third.lock.release();
});

test('the lock of another process holds, and goes away with `kill -9`', async () => {
  const directory = path.join(folder, 'b');
  const holder = await holdInAnotherProcess(directory);
  expect(await lockDataDirectory(directory)).toMatchObject({ ok: false, code: 'in-use' });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const taken = await lockDataDirectory(directory);
  expect(taken.ok).toBe(true);
  if (taken.ok) await taken.lock.release();
});

test('a lock folder that rotted is no riddle: the message says what to remove', async () => {
  const directory = path.join(folder, 'c');
  const first = await lockDataDirectory(directory);
  if (first.ok) await first.lock.release();
  await writeFile(path.join(directory, 'lock', 'CURRENT'), 'nonsense\n');
  const second = await lockDataDirectory(directory);
  expect(second).toMatchObject({ ok: false, code: 'unusable' });
  expect(!second.ok && second.message).toMatch(/remove it and start again/);
});

/** The child takes the lock as we do: by opening the same LevelDB folder. */
async function holdInAnotherProcess(directory: string): Promise<ChildProcess> {
  const first = await lockDataDirectory(directory);
  if (first.ok) await first.lock.release();
  const program = `
    import { Level } from 'level';
    await new Level(${JSON.stringify(path.join(directory, 'lock'))}).open();
    console.log('held');
    setInterval(() => {}, 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}
