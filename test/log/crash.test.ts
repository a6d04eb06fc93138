/**
 * The power fails at every single operation of a busy hour, and takes every legal part of what was
 * not synced. Whatever is left must open, hold all that was acknowledged, and go on.
 */

import { describe, expect, test } from 'vitest';
import {
  createSimulatedDisk,
  type Loss,
  type SimulatedDisk,
} from '../../src/io/sim/simulated-disk.ts';
import type { Append } from '../../src/log/append.ts';
import { FRESH_HARD_STATE, type HardState } from '../../src/log/entry.ts';
import type { Log } from '../../src/log/log.ts';
import { contentOf, cutAt, entries, entry, hardState, itemsOf, open, show } from './world.ts';

/** What a log must hold: lines of entries by index, and the hard state. */
interface Model {
  readonly lines: ReadonlyMap<number, string>;
  readonly hardState: HardState;
}

type Step =
  /** Appended in one turn: they wait for one sync. */
  | { readonly kind: 'append'; readonly appends: readonly Append[] }
  | { readonly kind: 'prune'; readonly beforeIndex: number }
  | { readonly kind: 'compact' }
  | { readonly kind: 'reopen' };

const append = (...appends: Append[]): Step => ({ kind: 'append', appends });

const BUSY_HOUR: readonly Step[] = [
  append({ hardState: hardState(1), entries: entries(1, 2) }),
  append({ entries: [entry(3)] }, { entries: [entry(4)] }, { entries: [entry(5)] }),
  append({ hardState: hardState(1, 3), entries: entries(6, 8) }),
  append({ entries: [entry(9, 1, 700)] }),
  { kind: 'compact' },
  append({ hardState: hardState(2, 8, null), entries: entries(10, 14, 2) }),
  // A new leader overwrites what the old one had not committed: within a segment, and across two.
  append({ truncateFrom: 13, hardState: hardState(3, 9), entries: entries(13, 15, 3) }),
  append({ truncateFrom: 10, entries: entries(10, 10, 3) }, { entries: entries(11, 12, 3) }),
  // What takes their place may be committed already: the commit must not come before its entries.
  append({ truncateFrom: 11, hardState: hardState(3, 12), entries: entries(11, 13, 3) }),
  append({ entries: entries(14, 15, 3) }),
  append({ truncateFrom: 13, entries: [] }),
  append({ entries: entries(13, 20, 3) }),
  append({ hardState: hardState(3, 20), entries: [] }),
  { kind: 'prune', beforeIndex: 9 },
  { kind: 'reopen' },
  append({ entries: entries(21, 26, 3) }),
  { kind: 'compact' },
  { kind: 'prune', beforeIndex: 21 },
  // A snapshot from the leader replaces the log.
  append({
    restartAfter: { index: 100, term: 5, chain: new Uint8Array(32).fill(7) },
    hardState: hardState(5, 100),
    entries: entries(101, 103, 5),
  }),
  append({ entries: entries(104, 112, 5) }),
];

describe('the power fails', () => {
  test('at every operation, and takes all, nothing, or everything behind some byte', async () => {
    let opened = 0;
    for (let at = 1; ; at++) {
      const run = await runUntil(at);
      if (!run.wasCut) break;
      const losses: Loss[] = [{ kind: 'everything' }, { kind: 'nothing' }];
      const unsynced = run.disk.unsyncedBytes();
      const stride = unsynced > 600 ? 61 : 23;
      for (let bytesKept = at % stride; bytesKept < unsynced; bytesKept += stride) {
        losses.push({ kind: 'cut', bytesKept });
      }
      for (const loss of losses) {
        await expectSurvival(run, run.disk.afterPowerCut(loss), `operation ${at}, ${asText(loss)}`);
        opened++;
      }
    }
    expect(opened).toBeGreaterThan(2_000);
  });

  test('at every operation, and leaves some names, some sectors and some length', async () => {
    let opened = 0;
    for (let at = 1; ; at++) {
      const run = await runUntil(at);
      if (!run.wasCut) break;
      for (let seed = 1; seed <= 6; seed++) {
        const loss: Loss = { kind: 'random', seed: at * 1_000 + seed };
        await expectSurvival(run, run.disk.afterPowerCut(loss), `operation ${at}, ${asText(loss)}`);
        opened++;
      }
    }
    expect(opened).toBeGreaterThan(1_000);
  });

  test('once more while the log is being recovered', async () => {
    let opened = 0;
    for (let at = 3; ; at += 7) {
      const run = await runUntil(at);
      if (!run.wasCut) break;
      for (let again = 1; ; again++) {
        const second = run.disk.afterPowerCut({ kind: 'random', seed: at }, cutAt(again));
        const wasOpened = await Promise.race([open(second), second.whenOff.then(() => undefined)]);
        if (wasOpened !== undefined) break;
        const third = second.afterPowerCut({ kind: 'random', seed: at + again });
        await expectSurvival(run, third, `operation ${at}, then ${again} while recovering`);
        opened++;
      }
    }
    expect(opened).toBeGreaterThan(100);
  });
});

interface Run {
  readonly disk: SimulatedDisk;
  readonly wasCut: boolean;
  /** What the log may hold now: all that was acknowledged, and any part of what was under way. */
  readonly allowed: readonly Model[];
  /** Nothing from here on may be gone. */
  readonly firstIndexMax: number;
}

/** Runs the busy hour until the changing operation with this number. */
async function runUntil(at: number): Promise<Run> {
  const disk = createSimulatedDisk(cutAt(at));
  const progress: Progress = { allowed: [EMPTY], firstIndexMax: 1 };
  const finished = work(disk, progress).then(() => true);
  const wasCut = !(await Promise.race([finished, disk.whenOff.then(() => false)]));
  return { disk, wasCut, ...progress };
}

interface Progress {
  allowed: Model[];
  firstIndexMax: number;
}

async function work(disk: SimulatedDisk, progress: Progress): Promise<void> {
  let log = await open(disk);
  for (const step of BUSY_HOUR) {
    switch (step.kind) {
      case 'append':
        await appendAll(log, step.appends, progress);
        break;
      case 'prune':
        progress.firstIndexMax = step.beforeIndex;
        await log.prune(step.beforeIndex);
        break;
      case 'compact':
        await log.compressClosed();
        break;
      case 'reopen':
        await log.close();
        log = await open(disk);
        break;
    }
  }
}

async function appendAll(log: Log, appends: readonly Append[], progress: Progress): Promise<void> {
  const [before] = progress.allowed;
  if (before === undefined) throw new Error('the model is lost');
  let after = before;
  for (const each of appends) {
    progress.allowed.push(...stagesOf(after, each));
    after = applied(after, each);
    if (each.restartAfter !== undefined) progress.firstIndexMax = each.restartAfter.index + 1;
  }
  await Promise.all(appends.map((each) => log.append(each)));
  progress.allowed.splice(0, progress.allowed.length, after);
}

const EMPTY: Model = { lines: new Map(), hardState: FRESH_HARD_STATE };

/**
 * A new term or vote comes before all else. A cut of the log and its hard state are one step, the
 * entries after it another; nothing is committed before it is there.
 */
function stagesOf(model: Model, each: Append): Model[] {
  const whole = applied(model, each);
  const { term, vote } = whole.hardState;
  const voted: Model = { ...model, hardState: { ...model.hardState, term, vote } };
  const isCut = each.truncateFrom !== undefined || each.restartAfter !== undefined;
  if (!isCut) return [voted, whole];
  const cut = applied(model, { ...each, entries: [] });
  const last = each.truncateFrom === undefined ? each.restartAfter?.index : each.truncateFrom - 1;
  const commit = Math.min(cut.hardState.commit, last ?? 0);
  return [voted, { ...cut, hardState: { ...cut.hardState, commit } }, whole];
}

function applied(model: Model, each: Append): Model {
  const from = each.truncateFrom ?? Infinity;
  const kept = each.restartAfter === undefined ? [...model.lines] : [];
  const lines = new Map(kept.filter(([index]) => index < from));
  for (const added of each.entries) lines.set(added.index, show(added));
  return { lines, hardState: each.hardState ?? model.hardState };
}

/** The log opens, holds one of the allowed states, reads the same for tools, and can be used. */
async function expectSurvival(run: Run, disk: SimulatedDisk, story: string): Promise<void> {
  const log = await open(disk).catch((error: unknown) => {
    throw new Error(`${story}: refused`, { cause: error });
  });
  const lines = (await contentOf(log)).map(show);
  const found = JSON.stringify({ lines, hardState: log.hardState });
  const allowed = run.allowed.map((model) => expectedOf(model, log.firstIndex));
  if (!allowed.includes(found)) expect({ story, found }).toEqual({ story, allowed });
  if (log.firstIndex > run.firstIndexMax) expect(story).toBe('nothing pruned too early');

  const items = await itemsOf(disk, log.firstIndex);
  const shown = items.map((item) => (item.kind === 'entry' ? show(item.entry) : item));
  expect({ story, lines: shown }).toEqual({ story, lines });

  const next = entry(log.lastIndex + 1, 9);
  await log.append({ entries: [next] });
  const later = await open(disk.afterPowerCut({ kind: 'everything' }));
  const laterLines = (await contentOf(later)).map(show);
  expect({ story, lines: laterLines }).toEqual({ story, lines: [...lines, show(next)] });
}

function expectedOf({ lines, hardState: hard }: Model, firstIndex: number): string {
  const kept = [...lines].filter(([index]) => index >= firstIndex).sort(([a], [b]) => a - b);
  return JSON.stringify({ lines: kept.map(([, line]) => line), hardState: hard });
}

function asText(loss: Loss): string {
  return JSON.stringify(loss);
}
