/**
 * Samples the machine on which the node runs, so that a first start has something real to watch:
 * `host.load1`, `host.uptime_seconds`, and in percent `host.cpu.used_percent`,
 * `host.memory.used_percent` and `host.disk.used_percent` (the disk of the working directory).
 *
 * Boundary: it is no replacement for a real collector. With `demo` it adds `demo.wave`, which is
 * made up: a triangle from 0 to 100 and back every 40 seconds, to see an alert come and go.
 */

import { statfs } from 'node:fs/promises';
import os from 'node:os';
import { from, type Observable } from 'rxjs';
import { z } from 'zod';
import type { Monitor } from '../../commands/config.ts';
import type { Clock } from '../ports.ts';
import { polling, type PollingModules, type PollResult, type Reading } from './polling.ts';

export interface HostMonitorModules extends PollingModules {
  readonly clock: Clock;
}

const settingsSchema = z.object({ demo: z.boolean().optional() });

export function hostMonitor(monitor: Monitor, modules: HostMonitorModules): Observable<PollResult> {
  const { demo = false } = settingsSchema.parse(JSON.parse(monitor.settings));
  const cpu = new CpuMeter();
  const sample = async (): Promise<PollResult> => {
    const wave: Reading[] = demo ? [['demo.wave', demoWave(modules.clock.now())]] : [];
    return { readings: [...machine(), ...cpu.read(), ...(await disk()), ...wave], problem: null };
  };
  return polling(
    monitor,
    modules,
    () => from(sample()),
    (error) => ({ readings: [], problem: error instanceof Error ? error.message : 'failed' }),
  );
}

/** The value of the demo wave: 0 at the start of each 40 seconds, 100 in the middle. */
export function demoWave(nowMs: number): number {
  const part = (nowMs % WAVE_MS) / WAVE_MS;
  return Math.round(1_000 * (1 - Math.abs(2 * part - 1))) / 10;
}

const WAVE_MS = 40_000;

function machine(): readonly Reading[] {
  return [
    ['host.load1', os.loadavg()[0] ?? 0],
    ['host.memory.used_percent', percent(os.totalmem() - os.freemem(), os.totalmem())],
    ['host.uptime_seconds', os.uptime()],
  ];
}

/** As `df` counts: the blocks that are kept for root belong to neither side. */
async function disk(): Promise<readonly Reading[]> {
  const { blocks, bfree, bavail } = await statfs(process.cwd());
  const used = blocks - bfree;
  return [['host.disk.used_percent', percent(used, used + bavail)]];
}

/** The share of processor time that was used since it was last asked; nothing the first time. */
class CpuMeter {
  #before: { readonly used: number; readonly all: number } | null = null;

  read(): readonly Reading[] {
    const times = os.cpus().map((cpu) => cpu.times);
    const all = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.irq + t.idle, 0);
    const used = all - times.reduce((sum, t) => sum + t.idle, 0);
    const before = this.#before;
    this.#before = { used, all };
    if (before === null || all === before.all) return [];
    return [['host.cpu.used_percent', percent(used - before.used, all - before.all)]];
  }
}

function percent(part: number, whole: number): number {
  return whole > 0 ? Math.round((1_000 * part) / whole) / 10 : 0;
}
