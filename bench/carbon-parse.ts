/**
 * What a reading costs on its way from the bytes of a carbon stream into an `observe` command,
 * beside a bare loop that splits text and looks names up in a Map. Prints one JSON line a case.
 *
 * The senders of the first case keep their order from round to round, as real ones do; those of
 * the second come in another order than at first, which is the worst case of the series table.
 */

import { CarbonLines } from '../src/io/monitors/carbon-lines.ts';
import { IngestCounters } from '../src/io/monitors/ingest-counters.ts';
import { ReadingBatch } from '../src/io/monitors/reading-batch.ts';
import { SeriesTable } from '../src/io/monitors/series-table.ts';
import type { Clock, Ingest, Logger } from '../src/io/ports.ts';

const SERIES = 100_000;
const ROUNDS = 10;
/** What a socket hands over at once. */
const CHUNK_BYTES = 65_536;

const names = Array.from(
  { length: SERIES },
  (_, i) => `servers.web-${i % 1_000}.cpu.core${Math.floor(i / 1_000)}.user`,
);
const inOrder = stream((i) => i);
/** A stride without a common divisor visits every series once. */
const outOfOrder = stream((i) => (i * 31_337) % SERIES);

const parser = carbonParser();
const bare = bareLoop();
parser(inOrder);
bare(inOrder);

for (const [order, chunks] of [
  ['kept', inOrder],
  ['changed', outOfOrder],
] as const) {
  const bareNs = nsPerReading(() => bare(chunks));
  const carbonNs = nsPerReading(() => parser(chunks));
  const ratio = round(bareNs / carbonNs);
  const figures = { carbonNs: round(carbonNs), bareLoopNs: round(bareNs), ratio };
  console.log(JSON.stringify({ bench: 'carbon-parse', series: SERIES, order, ...figures }));
}

/** One reading of every series, in chunks that cut lines anywhere. */
function stream(nth: (i: number) => number): readonly Buffer[] {
  const lines = names.map(
    (_, i) => `${names[nth(i)]} ${(i % 1_000) / 10} 1700000${100 + (i % 900)}\n`,
  );
  const bytes = Buffer.from(lines.join(''));
  const count = Math.ceil(bytes.length / CHUNK_BYTES);
  return Array.from({ length: count }, (_, i) =>
    bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
  );
}

function carbonParser(): (chunks: readonly Buffer[]) => void {
  const ids = new Map(names.map((name, id) => [name, id]));
  const clock: Clock = { now: () => 0, monotonicMs: () => 0, after: () => () => {} };
  const intake: Ingest = {
    seriesId: (name) => ids.get(name) ?? -1,
    propose: () => Promise.reject(new Error('nothing is proposed here')),
    offer: () => true,
  };
  const silent = (): void => {};
  const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
  const ledger = new IngestCounters({ clock, logger });
  const batch = new ReadingBatch({ source: 'carbon' }, { clock, intake, ledger });
  const lines = new CarbonLines(
    { lateAfterMs: 0 },
    { table: new SeriesTable(), batch, ledger, clock },
  );
  return (chunks) => {
    for (const chunk of chunks) lines.read(chunk);
    batch.flush();
  };
}

/** The obvious way, without any check: it sets the scale. */
function bareLoop(): (chunks: readonly Buffer[]) => void {
  const ids = new Map(names.map((name, id) => [name, id]));
  const idColumn = new Int32Array(SERIES);
  const valueColumn = new Float64Array(SERIES);
  return (chunks) => {
    let rest = '';
    let count = 0;
    for (const chunk of chunks) {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [name = '', value] = line.split(' ');
        idColumn[count] = ids.get(name) ?? -1;
        valueColumn[count] = Number(value);
        count++;
      }
    }
  };
}

/** The median of some rounds, so that neither a warm-up nor a neighbour decides. */
function nsPerReading(run: () => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const startMs = performance.now();
    run();
    return ((performance.now() - startMs) * 1e6) / SERIES;
  });
  return rounds.sort((a, b) => a - b)[ROUNDS / 2] ?? NaN;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
