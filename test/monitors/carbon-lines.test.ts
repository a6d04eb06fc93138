import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CarbonLines, LINE_BYTES_MAX } from '../../src/io/monitors/carbon-lines.ts';
import { IngestCounters } from '../../src/io/monitors/ingest-counters.ts';
import { ReadingBatch } from '../../src/io/monitors/reading-batch.ts';
import { SeriesTable } from '../../src/io/monitors/series-table.ts';
import { KeepingIntake, KeepingLogger, StandingClock } from './world.ts';

function sender({ lateAfterMs = 0 } = {}) {
  const clock = new StandingClock();
  const intake = new KeepingIntake();
  const logger = new KeepingLogger();
  const ledger = new IngestCounters({ clock, logger });
  const batch = new ReadingBatch({ source: 'carbon' }, { clock, intake, ledger });
  const table = new SeriesTable();
  const lines = new CarbonLines({ lateAfterMs }, { table, batch, ledger, clock });
  const read = (text: string): void => lines.read(Buffer.from(text));
  return { clock, intake, logger, ledger, batch, table, lines, read };
}

/** What a text gives: the readings, and the reasons for what was dropped. */
function outcomeOf(text: string) {
  const { read, batch, intake, ledger } = sender();
  read(text);
  batch.flush();
  const dropped = Object.entries(ledger.dropped).filter(([, count]) => count > 0);
  return { readings: intake.readings(), dropped: Object.fromEntries(dropped) };
}

describe('a line of carbon', () => {
  it.each([
    ['three fields', 'servers.a.cpu 99.5 1700000000\n', 'servers.a.cpu', 99.5],
    ['two fields, as Hosted Graphite takes', 'servers.a.cpu 99\n', 'servers.a.cpu', 99],
    [
      'tabs, runs of blanks and CRLF',
      ' \tservers.a.cpu \t -1.5e3\t 1700000000 \r\n',
      'servers.a.cpu',
      -1500,
    ],
    ['the time -1, which means now', 'x 1 -1\n', 'x', 1],
    ['a time with a fraction', 'x 1 1700000000.25\n', 'x', 1],
    ['a name that is not ASCII', 'größe.bücher 3 1700000000\n', 'größe.bücher', 3],
    ['tags, sorted by key', 'cpu;host=b;dc=a 1\n', 'cpu;dc=a;host=b', 1],
    ['minus zero, which is zero', 'x -0 1\n', 'x', 0],
    ['the time N, which means now', 'x 1 N\n', 'x', 1],
    ['a time in milliseconds', 'x 1 1700000000123\n', 'x', 1],
    ['a time ahead of ours', 'x 1 1800000000\n', 'x', 1],
    ['an empty path element', 'n2..a.b 5\n', 'n2.a.b', 5],
    ['dots around its name', '.n2.a...b. 5\n', 'n2.a.b', 5],
    ['dots in a tag, which is no path', 'n2..a;v=1..2;w=.x. 5\n', 'n2.a;v=1..2;w=.x.', 5],
    ['a slash, which carbon hands on as it is', 'n2/a//b 5\n', 'n2/a//b', 5],
  ])('with %s is a reading', (_story, line, name, value) => {
    expect(outcomeOf(line)).toEqual({ readings: [[name, value]], dropped: {} });
  });

  it.each([
    ['one field', 'servers.a.cpu\n', 'bad-line'],
    ['four fields', 'x 1 1700000000 extra\n', 'bad-line'],
    ['a value that is no number', 'x one 1700000000\n', 'bad-line'],
    ['letters behind the value', 'x 5ms 1700000000\n', 'bad-line'],
    ['a time that is none', 'x 5 yesterday\n', 'bad-line'],
    ['a time before 1970', 'x 5 -7\n', 'bad-line'],
    ['a time after the log ends', 'x 5 1700000000000000\n', 'bad-line'],
    ['a hexadecimal value', 'x 0x10 1700000000\n', 'bad-line'],
    ['NaN', 'x NaN 1700000000\n', 'not-a-number'],
    ['an infinity', 'x -inf 1700000000\n', 'not-a-number'],
    ['a value too large for a double', 'x 1e999 1700000000\n', 'not-a-number'],
    ['a control character in the name', 'a\u0001b 1\n', 'bad-line'],
    ['a delete character in the name', 'a\u007fb 1\n', 'bad-name'],
    ['a zero-width character in the name', 'a\u200bb 1\n', 'bad-name'],
    ['a tag twice', 'cpu;host=a;host=b 1\n', 'bad-name'],
    ['a tag without a value', 'cpu;host= 1\n', 'bad-name'],
    ['a tag without a key', 'cpu;=a 1\n', 'bad-name'],
    ['tags and no name', ';host=a 1\n', 'bad-name'],
    ['dots and no name', '... 1\n', 'bad-name'],
    ['tags and dots for a name', '..;host=a 1\n', 'bad-name'],
    ['a word behind N', 'x 1 Never\n', 'bad-line'],
    ['a time in microseconds', 'x 5 1700000000000000\n', 'bad-line'],
    ['a name over its limit', `${'a'.repeat(4_097)} 1\n`, 'bad-name'],
  ])('with %s is dropped and counted', (_story, line, reason) => {
    expect(outcomeOf(`${line}good 1\n`)).toEqual({
      readings: [['good', 1]],
      dropped: { [reason]: 1 },
    });
  });

  it('without valid UTF-8 is dropped: another name could be meant', () => {
    const { lines, batch, intake, ledger } = sender();
    lines.read(Buffer.from('gr\xf6sse 1\ngood 2\n', 'latin1'));
    batch.flush();
    expect(intake.readings()).toEqual([['good', 2]]);
    expect(ledger.dropped['bad-name']).toBe(1);
  });

  it('that is empty is nothing at all', () => {
    expect(outcomeOf('\n\r\n   \nx 1\n')).toEqual({ readings: [['x', 1]], dropped: {} });
  });

  it('may be exactly as long as the limit, and a byte more drops it and not the next', () => {
    const longest = `${'a'.repeat(4_000)} 1`.padEnd(LINE_BYTES_MAX, ' ');
    expect(outcomeOf(`${longest}\nx 2\n`).readings).toHaveLength(2);
    expect(outcomeOf(`${longest} \nx 2\n`)).toEqual({
      readings: [['x', 2]],
      dropped: { 'too-long': 1 },
    });
  });
});

describe('a stream of lines', () => {
  const texts = fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: fc.stringMatching(/^[a-c]{1,3} -?\d{1,3}(\.\d)? 1700000000$/) },
        fc.constantFrom('', '\r', 'x', 'x nan', 'x 1 2 3', 'cpu;b=1;a=2 7', 'é 1'),
        fc.constantFrom(
          `long ${'1'.repeat(LINE_BYTES_MAX)}`,
          `y 3${' '.repeat(LINE_BYTES_MAX - 3)}`,
        ),
      ),
      { maxLength: 12 },
    )
    .map((lines) => lines.map((line) => `${line}\n`).join(''));

  it('gives the same readings and losses however it is cut into chunks', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(), { maxLength: 30 }), (text, cuts) => {
        const { lines, batch, intake, ledger } = sender();
        const bytes = Buffer.from(text);
        const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        [0, ...places].forEach((start, i) => lines.read(bytes.subarray(start, places[i])));
        batch.flush();
        const whole = outcomeOf(text);
        expect(intake.readings()).toEqual(whole.readings);
        for (const [reason, count] of Object.entries(ledger.dropped)) {
          expect([reason, count]).toEqual([reason, whole.dropped[reason] ?? 0]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('survives any bytes, and reads the good line behind them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const { lines, read, batch, intake } = sender();
        lines.read(Buffer.from(bytes));
        read('\ngood 1\n');
        batch.flush();
        expect(intake.readings().at(-1)).toEqual(['good', 1]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('without a newline is one long line, however many megabytes come', () => {
    const { lines, read, batch, intake, ledger } = sender();
    const chunk = Buffer.alloc(65_536, 'a');
    for (let i = 0; i < 1_000; i++) lines.read(chunk);
    expect(ledger.dropped['too-long']).toBe(1);
    read('\nx 1\n');
    batch.flush();
    expect(intake.readings()).toEqual([['x', 1]]);
  });

  it('that ends in the middle of a line loses it: 12 may have been 1234', () => {
    const { read, lines, batch, intake, ledger } = sender();
    read('x 1\ny 12');
    lines.end();
    batch.flush();
    expect(intake.readings()).toEqual([['x', 1]]);
    expect(ledger.dropped['cut-off']).toBe(1);
  });

  it('may end a datagram without a newline: a datagram is whole', () => {
    const { lines, batch, intake } = sender();
    lines.readDatagram(Buffer.from('x 1\ny 12'));
    lines.readDatagram(Buffer.from('z 3\n'));
    batch.flush();
    expect(intake.readings()).toEqual([
      ['x', 1],
      ['y', 12],
      ['z', 3],
    ]);
  });
});

describe('a series', () => {
  it('comes by name until the node knows it, then by id, and then without asking', () => {
    const { read, batch, intake, table } = sender();
    read('b 1\na 2\nb 3\n');
    batch.flush();
    expect(intake.offered[0]).toMatchObject({ names: ['b', 'a'], ids: Int32Array.of(-1, -2, -1) });

    intake.apply();
    read('a 4\nb 5\n');
    batch.flush();
    expect(intake.offered[1]).toMatchObject({ names: [], ids: Int32Array.of(1, 0) });
    expect(table.size).toBe(2);

    const asked = intake.asked;
    read('b 6\na 7\nb 8\n');
    batch.flush();
    expect(intake.offered[2]).toMatchObject({ names: [], ids: Int32Array.of(0, 1, 0) });
    expect(intake.asked).toBe(asked);
  });

  it('is the same under two spellings of its tags', () => {
    const { read, batch, intake } = sender();
    read('cpu;a=1;b=2 1\ncpu;b=2;a=1 2\n');
    batch.flush();
    intake.apply();
    read('cpu;a=1;b=2 3\ncpu;b=2;a=1 4\n');
    batch.flush();
    read('cpu;a=1;b=2 5\ncpu;b=2;a=1 6\n');
    batch.flush();
    expect(intake.readings()).toEqual([1, 2, 3, 4, 5, 6].map((i) => ['cpu;a=1;b=2', i]));
  });
});

describe('a line with a time of its own, behind a limit of ten minutes', () => {
  /** The clock of the world stands at 1,700,000,000 seconds. */
  const limit = { lateAfterMs: 600_000 };

  it.each([
    ['now', '1700000000', true],
    ['exactly at the limit', '1699999400', true],
    ['a second behind it', '1699999399', false],
    ['half an hour ago', '1699998200', false],
    ['half an hour ago in milliseconds', '1699998200000', false],
    ['the year 1970', '0', false],
    ['ahead of ours', '1700009999', true],
    ['-1', '-1', true],
    ['N', 'N', true],
    ['none', '', true],
  ])('%s: is judged or late', (_story, time, isJudged) => {
    const { read, batch, intake, ledger } = sender(limit);
    read(`l.a 95 ${time}\n`);
    batch.flush();
    expect(intake.readings()).toEqual(isJudged ? [['l.a', 95]] : []);
    expect(ledger.dropped.late).toBe(isJudged ? 0 : 1);
  });

  it('makes its series known though it is late: it may be missing', () => {
    const { read, batch, intake, ledger } = sender(limit);
    read('l.a 95 1699998200\nl.b 5 1700000000\nl.a 95 1699998201\n');
    batch.flush();
    expect(intake.offered[0]).toMatchObject({ names: ['l.a', 'l.b'], ids: Int32Array.of(-2) });
    intake.apply();
    read('l.a 95 1699998202\n');
    batch.flush();
    expect(intake.offered).toHaveLength(1);
    expect(ledger).toMatchObject({ received: 4, dropped: { late: 3 } });
  });

  it('costs no more than others however many new names come late', () => {
    const { read, batch, intake } = sender(limit);
    for (let i = 0; i < 20_000; i++) read(`l.${i} 1 5\n`);
    batch.flush();
    expect(intake.offered.flatMap(({ names }) => names)).toHaveLength(20_000);
    for (const { names } of intake.offered) expect(names.length).toBeLessThanOrEqual(8_192);
  });

  it('is judged by the clock of the moment, not of the start', () => {
    const { read, batch, clock, intake } = sender(limit);
    clock.pass(3_600_000);
    read('l.a 95 1700000000\nl.a 5 1700003600\n');
    batch.flush();
    expect(intake.readings()).toEqual([['l.a', 5]]);
  });
});

describe('a batch', () => {
  it('leaves after a few milliseconds', () => {
    const { read, clock, intake } = sender();
    read('x 1\n');
    expect(intake.offered).toHaveLength(0);
    clock.pass(5);
    expect(intake.readings()).toEqual([['x', 1]]);
    expect(clock.waiting).toBe(0);
  });

  it('leaves when it is full', () => {
    const { read, intake } = sender();
    for (let i = 0; i < 10; i++) read('x 1\n'.repeat(1_000));
    expect(intake.offered.map(({ ids }) => ids.length)).toEqual([8_192]);
  });

  it('leaves before its new names outgrow an entry', () => {
    const { read, batch, intake } = sender();
    for (let i = 0; i < 600; i++) read(`${String(i).padStart(4_000, 'n')} 1\n`);
    batch.flush();
    expect(intake.readings()).toHaveLength(600);
    for (const { names } of intake.offered) {
      expect(names.join('').length).toBeLessThanOrEqual(1024 * 1024);
    }
  });

  it('that the node does not take is counted and shown, seldom', () => {
    const { read, batch, clock, intake, ledger, logger } = sender();
    intake.full = true;
    for (let i = 0; i < 3; i++) {
      read('x 1\nx 2\n');
      batch.flush();
    }
    expect(ledger).toMatchObject({ received: 6, dropped: { 'queue-full': 6 } });
    expect(logger.lines).toHaveLength(1);

    clock.pass(10_000);
    read('x 1\n');
    batch.flush();
    expect(logger.lines[1]?.fields).toMatchObject({ reason: 'queue-full', count: 5, total: 7 });
  });

  it('shows the start of a bad line, so that its sender can be found', () => {
    const { read, logger } = sender();
    read(`servers.a.cpu ninety ${'9'.repeat(500)}\n`);
    expect(logger.lines[0]?.fields['sample']).toMatch(/^servers\.a\.cpu ninety 9{99}$/);
  });
});
