/**
 * How fast `tocsin replay` folds a recorded log, beside the least that anybody could do with the
 * same files: read them, check their checksums and compare each value with a threshold.
 *
 * One data directory is made on the fly for each share of readings that change state. Prints a
 * table, and one JSON line a case.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Command } from '../src/commands/command.ts';
import { replay } from '../src/io/cli/replay.ts';
import { brotliCompressor } from '../src/io/disk/compressor.ts';
import { nodeDigest } from '../src/io/disk/digest.ts';
import { createRealDisk } from '../src/io/disk/real-disk.ts';
import { encodeBatch } from '../src/log/codec.ts';
import { openLog, type Log } from '../src/log/log.ts';
import { check, config, route } from '../test/support/scenario-config.ts';

const SERIES = 100_000;
/** Readings in one entry, as a busy node batches them. */
const BATCH = 4_096;
const ENTRIES = 2_000;
const ROUNDS = 3;

const THRESHOLD = 90;

console.log('CHANGING  READINGS   REPLAY/S    BARE LOOP/S  SHARE');
const results = [];
for (const changing of [0, 0.01]) {
  const folder = await mkdtemp(path.join(tmpdir(), 'tocsin-bench-'));
  try {
    await record(folder, changing);
    const readings = ENTRIES * BATCH;
    const bareMs = await fastest(() => bareLoop(path.join(folder, 'log')));
    const replayMs = await fastest(() => replayAll(folder));
    const figures = {
      bench: 'replay',
      series: SERIES,
      changing,
      readings,
      readingsPerSecond: Math.round((readings / replayMs) * 1_000),
      bareLoopPerSecond: Math.round((readings / bareMs) * 1_000),
      ratio: Math.round((bareMs / replayMs) * 1_000) / 1_000,
    };
    results.push(figures);
    console.log(
      [
        `${changing * 100} %`.padEnd(8),
        String(readings).padEnd(9),
        String(figures.readingsPerSecond).padEnd(10),
        String(figures.bareLoopPerSecond).padEnd(11),
        `${(figures.ratio * 100).toFixed(1)} %`,
      ].join('  '),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
for (const figures of results) console.log(JSON.stringify(figures));

/** A log of readings; `changing` of them cross the threshold of a check, up or down. */
async function record(folder: string, changing: number): Promise<void> {
  const log = await logIn(folder);
  const names = Array.from({ length: SERIES }, (_, i) => `servers.web-${i}.cpu.user`);
  let index = 0;
  const append = (...commands: readonly Command[]): Promise<void> => {
    index++;
    const data = encodeBatch({ at: 1_700_000_000_000 + index * 100, commands });
    return log.append({ entries: [{ term: 1, index, type: 1, data }] });
  };
  await append(configuration());
  for (let first = 0; first < SERIES; first += 10_000) {
    await append(
      readingsOf(
        names.slice(first, first + 10_000),
        (i) => -1 - i,
        10_000,
        () => 50,
      ),
    );
  }
  const isHigh = new Uint8Array(SERIES);
  const every = changing === 0 ? Infinity : Math.round(1 / changing);
  let next = 0;
  let appended: Promise<void> = Promise.resolve();
  for (let entry = 0; entry < ENTRIES; entry++) {
    const from = next;
    next += BATCH;
    const id = (i: number): number => (from + i) % SERIES;
    const value = (i: number): number => {
      if ((from + i) % every === every - 1) isHigh[id(i)] = 1 - (isHigh[id(i)] ?? 0);
      return isHigh[id(i)] === 1 ? 95 : 50 + (i % 8);
    };
    appended = append(readingsOf([], id, BATCH, value));
    if (entry % 64 === 0) await appended;
  }
  await appended;
  await log.close();
}

async function logIn(folder: string): Promise<Log> {
  const disk = await createRealDisk({ directory: path.join(folder, 'log') });
  const opened = await openLog(
    { clusterId: 'bench', nodeId: 'bench', create: true },
    { disk, digest: nodeDigest, compressor: brotliCompressor },
  );
  if (!opened.ok) throw new Error(opened.refusal.message);
  return opened.log;
}

function readingsOf(
  names: readonly string[],
  id: (i: number) => number,
  count: number,
  value: (i: number) => number,
): Command {
  return {
    kind: 'observe',
    source: 'carbon',
    names,
    ids: Int32Array.from({ length: count }, (_, i) => id(i)),
    values: Float64Array.from({ length: count }, (_, i) => value(i)),
  };
}

/** One check over all series; `for` is long, so that breaches begin and end without a page. */
function configuration(): Command {
  const model = config({
    route: route({ to: 'nobody' }),
    receivers: [{ name: 'nobody', integrations: [] }],
    checks: [check({ series: 'servers.*.cpu.user', above: THRESHOLD, for: '1h' })],
  });
  return { kind: 'config', origin: 'bench.yml', source: '', externalUrl: null, config: model };
}

async function replayAll(directory: string): Promise<void> {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
  const args = {
    directory,
    from: null,
    to: null,
    alert: null,
    format: 'table',
    color: false,
  } as const;
  const code = await replay(args, { stdout: sink, stderr: sink });
  if (code !== 0) throw new Error(`replay ended with ${code}`);
}

/** Reads, checks and compares; what is compared need not be the right bytes, only as many. */
async function bareLoop(folder: string): Promise<void> {
  let breaches = 0;
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.log'))) {
    const bytes = await readFile(path.join(folder, name));
    crc32(bytes);
    nodeDigest.sha256(bytes);
    const count = Math.floor(bytes.length / 12);
    const values = new Float64Array(bytes.buffer.slice(0, count * 8));
    const ids = new Int32Array(bytes.buffer.slice(0, count * 4));
    for (let i = 0; i < count; i++) {
      if ((values[i] ?? 0) > THRESHOLD && (ids[i] ?? 0) >= 0) breaches++;
    }
  }
  if (breaches < 0) throw new Error('the loop must not be left out');
}

/** The fastest of some rounds: neighbours only ever make it slower. */
async function fastest(run: () => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await run();
    best = Math.min(best, performance.now() - began);
  }
  return best;
}
