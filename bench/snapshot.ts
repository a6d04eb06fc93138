/**
 * What a snapshot costs when 1 % of 1,000,000 series changed, against a full one of the same state,
 * side by side in one run. Prints a table and one JSON line a case.
 *
 * A series changes by crossing into a breach: its row, its timer, and pages that hold both. The
 * changed ones stand together in the first case (a rack fails) and are spread over all pages in the
 * second, which is the worst case of pages.
 */

import { EMPTY_CONFIG } from '../src/raft/confchange.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import type { Command } from '../src/commands/command.ts';
import type { Config } from '../src/commands/config.ts';
import { openSnapshotStore } from '../src/io/disk/snapshot-store.ts';
import type { SnapshotStore, SnapshotWritten } from '../src/io/ports.ts';
import { INITIAL_STATE } from '../src/projections/initial.ts';
import { Projection } from '../src/projections/projection.ts';
import { REDUCER_VERSION } from '../src/projections/state.ts';
import { check, config } from '../test/support/scenario-config.ts';

const SERIES = Number(process.env['SERIES'] ?? 1_000_000);
const CHANGED = SERIES / 100;
const BATCH = 50_000;
/** Measured rounds of each case; the median counts. */
const ROUNDS = 5;
const START_MS = 1_767_571_200_000;

const CASES: readonly (readonly [name: string, series: (i: number) => number])[] = [
  ['together', (i) => i],
  ['spread', (i) => i * 100],
];

const base = new Projection(INITIAL_STATE);
let index = 0;
apply(base, {
  kind: 'config',
  origin: 'bench',
  source: '',
  externalUrl: null,
  config: configuration(),
});
for (let from = 0; from < SERIES; from += BATCH) apply(base, firstReadings(from));

for (const [name, series] of CASES) {
  const ids = Array.from({ length: CHANGED }, (_, i) => series(i));
  const rounds: Round[] = [];
  // The first round warms the compiler up and is not counted.
  for (let i = 0; i <= ROUNDS; i++) rounds.push(await round(ids));
  report(name, rounds.slice(1));
}

interface Round {
  /** The longest time for which the event loop was held during the saves. */
  readonly heldMs: number;
  readonly full: SnapshotWritten;
  readonly changed: SnapshotWritten;
}

/** A new store, a full snapshot, 1 % of changes, another snapshot. */
async function round(ids: readonly number[]): Promise<Round> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tocsin-bench-'));
  const opened = await openSnapshotStore({ folder });
  if (!opened.ok) throw new Error(opened.message);
  const projection = new Projection(base.state);
  const full = await measured(() => save(opened.store, projection));
  apply(projection, readings(ids));
  const changed = await measured(() => save(opened.store, projection));
  await opened.store.close();
  rmSync(folder, { recursive: true });
  return {
    full: full.result,
    changed: changed.result,
    heldMs: Math.max(full.heldMs, changed.heldMs),
  };
}

async function measured<T>(run: () => Promise<T>): Promise<{ result: T; heldMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  // Begins with an idle loop, so that what was done before the save is not counted.
  await setTimeout(20);
  delay.enable();
  const result = await run();
  delay.disable();
  return { result, heldMs: delay.max / 1e6 };
}

function report(name: string, rounds: readonly Round[]): void {
  const full = medianOf(rounds.map((each) => each.full));
  const changed = medianOf(rounds.map((each) => each.changed));
  const held = rounds.map((each) => each.heldMs).sort((a, b) => a - b);
  const loopHeldMs = Math.round(held[held.length >> 1] ?? 0);
  const line = (label: string, { tookMs, bytesWritten, chunksWritten }: SnapshotWritten): string =>
    [
      label.padEnd(22),
      `${tookMs.toFixed(0)} ms`.padStart(9),
      `${(bytesWritten / 1e6).toFixed(2)} MB`.padStart(10),
      `${chunksWritten} chunks`.padStart(13),
    ].join('');
  const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;
  const timeShare = percent(changed.tookMs, full.tookMs);
  const byteShare = percent(changed.bytesWritten, full.bytesWritten);
  console.log(line(`${SERIES} series, full`, full));
  console.log(line(`1 % changed, ${name}`, changed));
  console.log(
    `  of the time ${timeShare}, of the bytes ${byteShare}, event loop held ${loopHeldMs} ms at most`,
  );
  console.log(
    JSON.stringify({
      bench: 'snapshot',
      name,
      series: SERIES,
      timeShare,
      byteShare,
      loopHeldMs,
    }),
  );
}

function medianOf(written: readonly SnapshotWritten[]): SnapshotWritten {
  const sorted = written.toSorted((a, b) => a.tookMs - b.tookMs);
  const median = sorted[sorted.length >> 1];
  if (median === undefined) throw new Error('nothing was measured');
  return median;
}

function save(store: SnapshotStore, { state }: Projection): Promise<SnapshotWritten> {
  const zeros = '00'.repeat(32);
  return store.save(state, {
    reducerVersion: REDUCER_VERSION,
    clusterId: 'bench',
    index: ++index,
    term: 1,
    at: START_MS,
    chain: zeros,
    config: { index: 0, confState: { ...EMPTY_CONFIG, voters: ['node'] } },
  });
}

function apply(projection: Projection, command: Command): void {
  projection.apply(++index, { at: START_MS + index, commands: [command] });
}

function firstReadings(from: number): Command {
  const count = Math.min(BATCH, SERIES - from);
  const names = Array.from({ length: count }, (_, i) => nameOf(from + i));
  const ids = Int32Array.from(names, (_, i) => -1 - i);
  return { kind: 'observe', source: 'bench', names, ids, values: new Float64Array(count).fill(1) };
}

/** Breaches with values of their own, so that no two pages are alike. */
function readings(ids: readonly number[]): Command {
  const values = Float64Array.from(ids, (id) => 90 + (((id + 1) * 0.618_033_988_749_895) % 10));
  return { kind: 'observe', source: 'bench', names: [], ids: Int32Array.from(ids), values };
}

function nameOf(i: number): string {
  return `servers.web-${Math.floor(i / 100)}.cpu.core${i % 100}.user`;
}

function configuration(): Config {
  return config({
    receivers: [{ name: 'team', integrations: [] }],
    checks: [check({ series: 'servers.*.cpu.*.user', for: '5m' })],
  });
}
