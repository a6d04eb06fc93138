/** File descriptors that a process may still open, as the system says it. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { expect, onTestFinished, test } from 'vitest';
import { Descriptors } from '../../src/io/daemon/descriptors.ts';
import { HandClock } from '../support/hand-clock.ts';

const HAS_PROC = existsSync('/proc/self/fd');
const WHY = HAS_PROC ? '' : ' (skipped: this system has no /proc)';
const SOURCE = path.resolve(import.meta.dirname, '../../src/io/daemon/descriptors.ts');

/** Looks again until the number is what it must be; the test's own time-out is the limit. */
async function look(clock: HandClock, isRight: () => boolean): Promise<void> {
  while (!isRight()) {
    clock.advance(2_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test.runIf(HAS_PROC)(
  `falls by those that are opened, and rises when they are closed${WHY}`,
  async () => {
    const clock = new HandClock(0);
    const descriptors = new Descriptors(clock);
    onTestFinished(() => descriptors.stop());
    await look(clock, () => descriptors.free() !== null);
    const before = descriptors.free() ?? 0;
    const files = await Promise.all(Array.from({ length: 200 }, () => open('/dev/null')));
    await look(clock, () => (descriptors.free() ?? 0) < before - 100);
    await Promise.all(files.map((file) => file.close()));
    await look(clock, () => (descriptors.free() ?? 0) > before - 100);
  },
);

test.runIf(HAS_PROC)(`is 0 where not even the look can be opened${WHY}`, async () => {
  const source = await readFile(SOURCE, 'utf8');
  const { module, target } = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 };
  const { outputText } = transpileModule(source, { compilerOptions: { module, target } });
  const program = `${outputText}
    import { openSync } from 'node:fs';
    const clock = { now: Date.now, monotonicMs: () => performance.now(), after: (ms, task) => {
      const timer = setTimeout(task, 20);
      return () => clearTimeout(timer);
    } };
    const descriptors = new Descriptors(clock);
    const first = () => descriptors.free() === null ? setTimeout(first, 5) : exhaust();
    const exhaust = () => {
      try { for (;;) openSync('/dev/null'); } catch { /* none is left */ }
      wait();
    };
    const wait = () => {
      if (descriptors.free() !== 0) return setTimeout(wait, 5);
      console.log('free: 0');
      process.exit(0);
    };
    first();
  `;
  const node = JSON.stringify(process.execPath);
  const shell = `ulimit -n 64 && exec ${node} --input-type=module -e "$PROGRAM"`;
  const { stdout } = await promisify(execFile)('sh', ['-c', shell], {
    env: { ...process.env, PROGRAM: program },
  });
  expect(stdout).toContain('free: 0');
});
