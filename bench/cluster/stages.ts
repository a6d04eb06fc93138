/**
 * (h) What each stage of a reading costs here, beside a bare loop that does the least which that
 * stage could be. The faster of the two of each stage, added up, say how many readings the cores of
 * this machine could take through three nodes: text is read by one; the rest is done by all three.
 */

import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { Command } from '../../src/commands/command.ts';
import type { Observe } from '../../src/commands/observe.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { CarbonLines } from '../../src/io/monitors/carbon-lines.ts';
import { IngestCounters } from '../../src/io/monitors/ingest-counters.ts';
import { ReadingBatch } from '../../src/io/monitors/reading-batch.ts';
import { SeriesTable } from '../../src/io/monitors/series-table.ts';
import type { Clock, Ingest, Logger } from '../../src/io/ports.ts';
import { decodeBatch, encodeBatch } from '../../src/log/codec.ts';
import { GENESIS } from '../../src/log/entry.ts';
import { encodeGroup } from '../../src/log/group.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { check, config, route } from '../../test/support/scenario-config.ts';

const SERIES = 100_000;
const BATCH = 4_096;
const ROUNDS = 9;
const BATCHES = 48;
const NODES = 3;
const AT = 1_767_571_200_000;

export interface StageFigures {
  readonly stage: string;
  /** Nanoseconds a reading. */
  readonly bareNs: number;
  readonly oursNs: number;
  /** How many nodes do it for one reading; 0 for waiting, which takes no core. */
  readonly nodes: number;
}

export interface Stages {
  readonly stages: readonly StageFigures[];
  /** Readings a second of three nodes on this machine, if nothing but these loops were done. */
  readonly limitPerSecond: number;
}

const names = Array.from({ length: SERIES }, (_, i) => `servers.web-${i >>> 6}.cpu.core${i & 63}`);

/** Measures all of them; `folder` is on the disk whose sync counts. */
export async function measureStages(folder: string): Promise<Stages> {
  const text = Buffer.from(names.map((name, i) => `${name} ${20 + (i % 50)}\n`).join(''));
  const batches = Array.from({ length: BATCHES }, (_, i) => readingsFrom(i * BATCH));
  const encoded = batches.map((batch, i) => encodeBatch({ at: AT + i, commands: [batch] }));
  const syncNs = await nsOfSync(folder);
  const each = BATCHES * BATCH;
  const stages: StageFigures[] = [
    {
      stage: 'parse',
      nodes: 1,
      bareNs: nsOf(SERIES, splitAndMap(text)),
      oursNs: nsOf(SERIES, ourParser(text)),
    },
    {
      stage: 'encode',
      nodes: 1,
      bareNs: nsOf(each, () => batches.forEach(copied)),
      oursNs: nsOf(each, () =>
        batches.forEach((batch) => encodeBatch({ at: AT, commands: [batch] })),
      ),
    },
    {
      stage: 'checksum and chain',
      nodes: NODES,
      bareNs: nsOf(each, () => encoded.forEach((data) => [crc32(data), nodeDigest.sha256(data)])),
      oursNs: nsOf(each, () => encoded.forEach(framed)),
    },
    { stage: 'sync, shared by a batch', nodes: 0, bareNs: syncNs, oursNs: syncNs },
    {
      stage: 'decode',
      nodes: NODES,
      bareNs: nsOf(each, () => encoded.forEach((data) => Uint8Array.from(data))),
      oursNs: nsOf(each, () => encoded.forEach((data) => decodeBatch(data))),
    },
    {
      stage: 'fold without a change',
      nodes: NODES,
      bareNs: nsOf(each, thresholds(batches)),
      oursNs: nsOf(each, ourFold(batches)),
    },
  ];
  const total = stages.reduce(
    (sum, { bareNs, oursNs, nodes }) => sum + Math.min(bareNs, oursNs) * nodes,
    0,
  );
  return { stages, limitPerSecond: (availableParallelism() * 1e9) / total };
}

/** The median of some rounds, so that neither a warm-up nor a neighbour decides. */
function nsOf(readings: number, run: () => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const startedAtMs = performance.now();
    run();
    return ((performance.now() - startedAtMs) * 1e6) / readings;
  });
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1] ?? NaN;
}

function readingsFrom(first: number): Observe {
  const at = (i: number): number => (first + i) % SERIES;
  return {
    kind: 'observe',
    source: 'carbon',
    names: [],
    ids: Int32Array.from({ length: BATCH }, (_, i) => at(i)),
    values: Float64Array.from({ length: BATCH }, (_, i) => 20 + (at(i) % 50)),
  };
}

function splitAndMap(text: Buffer): () => void {
  const ids = new Map(names.map((name, id) => [name, id]));
  const idColumn = new Int32Array(SERIES);
  const values = new Float64Array(SERIES);
  return () => {
    let count = 0;
    for (const line of text.toString().split('\n')) {
      const [name = '', value] = line.split(' ');
      idColumn[count] = ids.get(name) ?? -1;
      values[count++] = Number(value);
    }
  };
}

function ourParser(text: Buffer): () => void {
  const ids = new Map(names.map((name, id) => [name, id]));
  const clock: Clock = { now: () => 0, monotonicMs: () => 0, after: () => () => undefined };
  const intake: Ingest = {
    seriesId: (name) => ids.get(name) ?? -1,
    propose: () => Promise.reject(new Error('nothing is proposed here')),
    offer: () => true,
  };
  const silent = (): void => undefined;
  const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
  const ledger = new IngestCounters({ clock, logger });
  const batch = new ReadingBatch({ source: 'carbon' }, { clock, intake, ledger });
  const lines = new CarbonLines(
    { lateAfterMs: 0 },
    { table: new SeriesTable(), batch, ledger, clock },
  );
  return () => {
    for (let at = 0; at < text.length; at += 65_536) lines.read(text.subarray(at, at + 65_536));
    batch.flush();
  };
}

function copied({ ids, values }: Observe): Uint8Array {
  const bytes = new Uint8Array(ids.byteLength + values.byteLength);
  bytes.set(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), ids.byteLength);
  return bytes;
}

function framed(data: Uint8Array): void {
  const hardState = { term: 1, vote: null, commit: 0 };
  const tail = { ...GENESIS, hardState, keptFrom: 1 };
  const entries = [{ term: 1, index: tail.index + 1, type: 1, data }];
  encodeGroup({ entries }, { sequence: 1, offset: 4_096, tail }, nodeDigest);
}

function thresholds(batches: readonly Observe[]): () => void {
  const limits = new Float64Array(SERIES).fill(90);
  return () => {
    let over = 0;
    for (const { ids, values } of batches) {
      for (let i = 0; i < ids.length; i++) {
        if ((values[i] as number) > (limits[ids[i] as number] as number)) over++;
      }
    }
    if (over > 0) throw new Error('no value is over its limit');
  };
}

function ourFold(batches: readonly Observe[]): () => void {
  const projection = new Projection(INITIAL_STATE);
  let index = 0;
  const fold = (...commands: readonly Command[]): void => {
    index++;
    projection.apply(index, { at: AT + index, commands });
  };
  fold(configuration());
  for (let first = 0; first < SERIES; first += 10_000) {
    const part = names.slice(first, first + 10_000);
    fold({
      kind: 'observe',
      source: 'carbon',
      names: part,
      ids: Int32Array.from(part, (_, i) => -1 - i),
      values: new Float64Array(part.length).fill(50),
    });
  }
  return () => {
    for (const batch of batches) fold(batch);
  };
}

/** Breaches begin and end without a page. */
function configuration(): Command {
  const model = config({
    route: route({ to: 'nobody' }),
    receivers: [{ name: 'nobody', integrations: [] }],
    checks: [check({ name: 'High', series: 'servers.*.cpu.*', for: '1h' })],
  });
  return { kind: 'config', origin: 'bench.yml', source: '', externalUrl: null, config: model };
}

/** The bytes of a batch, appended and synced in a bare loop. */
async function nsOfSync(folder: string): Promise<number> {
  const file = await open(path.join(folder, 'bare'), 'w');
  const bytes = new Uint8Array(BATCH * 12);
  const rounds = 200;
  const startedAtMs = performance.now();
  for (let i = 0; i < rounds; i++) {
    await file.write(bytes);
    await file.datasync();
  }
  const ns = ((performance.now() - startedAtMs) * 1e6) / (rounds * BATCH);
  await file.close();
  return ns;
}
