/** What a log does not hold is said to be unknown, never denied; and a range that is none is refused. */

import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { replay, replayCommand, type ReplayArgs } from '../../src/io/cli/replay.ts';
import { replayAgainst, type AgainstArgs } from '../../src/io/cli/replay-against.ts';
import { parsePoint, type Point } from '../../src/io/replay/point.ts';
import { parseAlertQuery, type AlertQuery } from '../../src/io/replay/alert-filter.ts';
import type { Unknown } from '../../src/io/replay/unknown.ts';
import { decodeBatch } from '../../src/log/codec.ts';
import { Desk } from '../support/scenario.ts';
import { check, config, route } from '../support/scenario-config.ts';
import { Captured, record, temporaryFolder } from './recording.ts';

const MODEL = config({
  checks: [check({ series: 'servers.*.cpu' })],
  route: route({ wait: '10s', interval: '1m' }),
});

/** An alert every ten minutes from 0:10 to 1:00, each over after five, and a silence until 0:45. */
function hour(): Desk {
  const desk = new Desk({ config: MODEL });
  desk.at('4:00').silence('s1', ['series=servers.x.cpu'], { until: '45:00' });
  for (const [i, host] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
    const minute = (i + 1) * 10;
    desk.at(`${minute}:00`).reading(`servers.${host}.cpu`, 99);
    desk.at(`${minute + 5}:00`).reading(`servers.${host}.cpu`, 5);
  }
  return desk.at('1:10:00');
}

interface Cut {
  readonly folder: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** The index of the first entry at or after a time. */
  readonly indexAt: (clock: string) => number;
}

/** A store whose beginning was pruned as the retention does it: before the entry of a time. */
async function cut(before: string | null, snapshotsAt: readonly string[]): Promise<Cut> {
  const folder = await temporaryFolder();
  const times = timesOf(hour());
  const indexAt = (clock: string): number => times.findIndex((at) => at >= msOf(clock)) + 1;
  const log = await record(folder, {
    batches: hour().log,
    snapshotsAt: snapshotsAt.map(indexAt),
    segmentBytesMax: 1_000,
  });
  if (before !== null) {
    await log.prune(indexAt(before));
    expect(log.firstIndex).toBeGreaterThan(1);
  }
  const { firstIndex, lastIndex } = log;
  return { folder, firstIndex, lastIndex, indexAt };
}

function timesOf(desk: Desk): readonly number[] {
  return desk.log.map((bytes) => decodeBatch(bytes).at);
}

function msOf(clock: string): number {
  const [minutes = 0, seconds = 0] = clock.split(':').map(Number);
  return Date.parse('2026-01-05T00:00:00Z') + minutes * 60_000 + seconds * 1_000;
}

function time(clock: string): Point {
  return { kind: 'time', at: msOf(clock) };
}

function alert(text: string): AlertQuery {
  const parsed = parseAlertQuery(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

/** Removes one of the segments, as a person with `rm` does. */
async function loseSegment(folder: string, which: number): Promise<void> {
  const files = await readdir(path.join(folder, 'log'));
  const names = files.filter((each) => each.endsWith('.log')).sort();
  await rm(path.join(folder, 'log', names[which % names.length] ?? ''));
}

interface Line extends Readonly<Record<string, unknown>> {
  readonly what: string;
}

async function replayed(folder: string, args: Partial<ReplayArgs> = {}) {
  const [stdout, stderr] = [new Captured(), new Captured()];
  const all = { from: null, to: null, alert: null, format: 'jsonl', color: false } as const;
  const code = await replay({ directory: folder, ...all, ...args }, { stdout, stderr });
  const lines = stdout.lines.map((line) => JSON.parse(line) as Line);
  const summary = lines.at(-1) as Line & { readonly unknown: readonly Unknown[] };
  return { code, moments: lines.slice(0, -1), unknown: summary?.unknown, talk: stderr.text };
}

describe('a log that its retention has cut', () => {
  test('asked for a time before it, across its beginning and after it: 3, 3 and 0', async () => {
    const { folder, indexAt, firstIndex } = await cut('25:00', ['35:00', '50:00']);

    const before = await replayed(folder, { from: time('10:00'), to: time('16:00') });
    const across = await replayed(folder, { from: time('10:00'), to: time('60:00') });
    const after = await replayed(folder, { from: time('36:00'), to: time('60:00') });

    expect([before.code, across.code, after.code]).toEqual([3, 3, 0]);
    expect(before.moments).toMatchObject([
      {
        what: 'gap',
        cause: 'before the log',
        at: null,
        missingFrom: 1,
        missingTo: firstIndex - 1,
        knownFrom: indexAt('35:00') + 1,
        knownAt: '2026-01-05T00:35:00.000Z',
      },
    ]);
    for (const { talk, unknown } of [before, across]) {
      expect(talk).toContain(
        `unknown: entries 1 to ${firstIndex - 1} are not in this log; up to entry`,
      );
      expect(unknown).toMatchObject([{ cause: 'before the log', from: 1, to: indexAt('35:00') }]);
    }
    expect(before.talk).toContain('note: the range holds no entry of the log');
    expect(after.unknown).toEqual([]);
    expect(after.talk).toContain('all of the range is known');
    expect(after.moments.map(({ what }) => what)).not.toContain('gap');
    expect(after.moments.filter(({ what }) => what === 'firing')).toHaveLength(3);
  });

  test('asked by index: the same, also for a range that holds none of its segments', async () => {
    const { folder, indexAt, firstIndex } = await cut('25:00', ['35:00', '50:00']);
    const index = (at: number): Point => ({ kind: 'index', index: at });
    const known = indexAt('35:00') + 1;

    const before = await replayed(folder, { from: index(2), to: index(firstIndex - 1) });
    const border = await replayed(folder, { from: index(known - 1), to: index(known + 3) });
    const after = await replayed(folder, { from: index(known), to: index(known + 3) });

    expect([before.code, border.code, after.code]).toEqual([3, 3, 0]);
    expect(before.moments.map(({ what }) => what)).toEqual(['gap']);
    expect(border.moments[0]).toMatchObject({ what: 'gap', cause: 'before the log' });
  });

  test('asked for everything: begins at what is known, and says so', async () => {
    const { folder, indexAt } = await cut('25:00', ['35:00']);

    const { code, moments, talk } = await replayed(folder);

    expect(code).toBe(3);
    expect(moments[0]).toMatchObject({ what: 'gap', cause: 'before the log' });
    expect(talk).toContain(`--from ${indexAt('35:00') + 1} begins where all is known`);
  });

  test('never denies that an alert fired before it', async () => {
    const { folder } = await cut('25:00', ['35:00']);
    const subject = alert('series=servers.a.cpu');

    const all = await replayed(folder, { alert: subject });
    const after = await replayed(folder, { alert: subject, from: time('36:00') });

    expect(all.code).toBe(3);
    expect(all.talk).not.toContain('no alert of that description fired');
    expect(all.talk).toContain(
      'no alert of that description was seen, but whether one fired in the unknown part cannot be known',
    );
    expect(all.talk).toMatch(/note: \d+ recorded decisions and tries there may be about it/);
    expect(after.code).toBe(0);
    expect(after.talk).toContain('no alert of that description fired in what was replayed');
  });

  test('shows what was recorded before its first snapshot, and that its effect is not known', async () => {
    const { folder, indexAt } = await cut('25:00', ['35:00']);

    const { moments } = await replayed(folder);

    const unknown = moments.filter(({ index }) => Number(index) <= indexAt('35:00'));
    const recorded = unknown.filter(({ what }) => what === 'notify' || what === 'outcome');
    expect(recorded.length).toBeGreaterThan(0);
    for (const each of recorded) expect(each['effectUnknown']).toBe(true);
    const known = moments.filter(({ index }) => Number(index) > indexAt('35:00'));
    for (const each of known) expect(each).not.toHaveProperty('effectUnknown');
  });

  test('without any snapshot that its entries go on from: nothing is known', async () => {
    // The snapshot is older than the first entry, and what lies between them is gone.
    const { folder } = await cut('45:00', ['12:00']);

    const { code, moments, talk } = await replayed(folder, { from: time('50:00') });

    expect(code).toBe(3);
    expect(moments[0]).toMatchObject({ what: 'gap', cause: 'before the log', knownFrom: null });
    expect(moments.map(({ what }) => what)).not.toContain('firing');
    expect(talk).toContain('and no snapshot gives the state behind');
  });

  test('does not let a silence end that it cannot know of any more', async () => {
    const { folder } = await cut('25:00', []);

    const { moments } = await replayed(folder);

    expect(moments.map(({ what }) => what)).not.toContain('expired');
  });
});

describe('the law', () => {
  test('whatever is cut and asked: with exit code 0, all that happened in the range is shown', async () => {
    const whole = await cut(null, []);
    const { lastIndex } = whole;
    const times = timesOf(hour());
    const pointIn = fc
      .tuple(fc.integer({ min: 1, max: lastIndex }), fc.integer({ min: 0, max: 2 }))
      .map(([index, kind]): Point | null => {
        if (kind === 0) return null;
        return kind === 1 ? { kind: 'index', index } : { kind: 'time', at: times[index - 1] ?? 0 };
      });
    const sketches = fc.record({
      pruneAt: fc.integer({ min: 1, max: lastIndex }),
      snapshotsAt: fc.uniqueArray(fc.integer({ min: 1, max: lastIndex }), { maxLength: 5 }),
      lost: fc.option(fc.nat(), { freq: 3 }),
      ranges: fc.array(fc.tuple(pointIn, pointIn), { minLength: 4, maxLength: 6 }),
    });
    // Chance may cut all of a dozen stores, and then nothing would have been compared.
    const everything: [Point | null, Point | null] = [null, null];
    const nothingCut = { pruneAt: 1, snapshotsAt: [], lost: null, ranges: [everything] };
    let known = 0;

    await fc.assert(
      fc.asyncProperty(sketches, async ({ pruneAt, snapshotsAt, lost, ranges }) => {
        const folder = await temporaryFolder();
        const sketch = { batches: hour().log, snapshotsAt, segmentBytesMax: 1_000 };
        await (await record(folder, sketch)).prune(pruneAt);
        if (lost !== null) await loseSegment(folder, lost);
        for (const [from, to] of ranges) {
          const truth = await replayed(whole.folder, { from, to });
          const told = await replayed(folder, { from, to });
          if (truth.code === 2) {
            // With its only segment lost there is nothing to replay at all.
            expect([1, 2, 3, 5]).toContain(told.code);
          } else if (told.code === 0) {
            known++;
            expect(told.moments).toEqual(truth.moments);
            expect(told.unknown).toEqual([]);
          } else if (told.code === 3) {
            expect(told.unknown).not.toEqual([]);
            expect(told.moments.filter(({ what }) => what === 'gap')).not.toEqual([]);
          }
        }
      }),
      { numRuns: 12, endOnFailure: true, examples: [[nothingCut]] },
    );
    expect(known).toBeGreaterThan(0);
  }, 120_000);
});

describe('another hole', () => {
  test('in the midst is unknown up to the next snapshot; damage is worse than that', async () => {
    const { folder } = await cut(null, ['10:00', '50:00']);
    const names = (await readdir(path.join(folder, 'log'))).filter((each) => each.endsWith('.log'));
    await rm(path.join(folder, 'log', names.sort()[3] ?? ''));

    const all = await replayed(folder);
    const tail = await replayed(folder, { from: time('51:00') });

    expect(all.code).toBe(5);
    expect(all.unknown).toMatchObject([{ cause: 'entries missing' }]);
    expect(all.moments.filter(({ what }) => what === 'gap')).toHaveLength(1);
    expect(tail.unknown).toEqual([]);
    expect(tail.moments.filter(({ what }) => what === 'firing')).toHaveLength(1);
  });

  test('that begins before the range is shown in it, as long as it lasts', async () => {
    const { folder } = await cut(null, []);
    const names = (await readdir(path.join(folder, 'log'))).filter((each) => each.endsWith('.log'));
    await rm(path.join(folder, 'log', names.sort()[3] ?? ''));

    const { moments, unknown } = await replayed(folder, { from: time('60:00') });

    expect(moments[0]).toMatchObject({ what: 'gap', cause: 'entries missing', knownFrom: null });
    expect(unknown).toHaveLength(1);
  });

  test('at the end: a snapshot tells of entries that the log does not hold', async () => {
    const { folder, indexAt } = await cut(null, ['20:00', '60:00']);
    const names = (await readdir(path.join(folder, 'log'))).filter((each) => each.endsWith('.log'));
    for (const name of names.sort().slice(5)) await rm(path.join(folder, 'log', name));

    const { unknown, code } = await replayed(folder);
    const early = await replayed(folder, { to: time('12:00') });

    expect(unknown).toMatchObject([{ cause: 'entries missing', missingTo: indexAt('60:00') }]);
    expect(code).toBe(5);
    expect(early.unknown).toEqual([]);
  });

  test('behind the end of the log nothing is known, and before it an empty time is', async () => {
    const { folder } = await cut(null, []);

    const beyond = await replayed(folder, { from: time('600:00') });
    const between = await replayed(folder, { from: time('5:00'), to: time('9:00') });

    expect(beyond.code).toBe(3);
    expect(beyond.moments).toMatchObject([{ what: 'gap', cause: 'after the log' }]);
    expect(beyond.talk).toContain('what happened later is not known');
    expect(between.code).toBe(0);
    expect(between.moments).toEqual([]);
    expect(between.talk).toContain('note: the range holds no entry of the log');
  });
});

describe('two logs, one of them cut', () => {
  const compared = async (a: string, b: string, args: Partial<AgainstArgs> = {}) => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const usual = {
      from: null,
      to: null,
      alert: null,
      toleranceMs: 30_000,
      format: 'jsonl',
    } as const;
    const all = { a, b, isOtherCluster: false, ...usual, ...args };
    const code = await replayAgainst(all, { stdout, stderr });
    const lines = stdout.lines.map((line) => JSON.parse(line) as Line);
    return { code, differences: lines.slice(0, -1), summary: lines.at(-1), talk: stderr.text };
  };

  test('are compared where both are known; a range that touches the rest ends with 3', async () => {
    const whole = await cut(null, ['20:00']);
    const short = await cut('25:00', ['35:00']);

    for (const sides of [
      [whole.folder, short.folder],
      [short.folder, whole.folder],
    ] as const) {
      const all = await compared(...sides);
      const before = await compared(...sides, { from: msOf('10:00'), to: msOf('20:00') });
      const after = await compared(...sides, { from: msOf('36:00') });

      expect([all.code, before.code, after.code]).toEqual([3, 3, 0]);
      for (const { differences } of [all, before, after]) expect(differences).toEqual([]);
      expect(all.talk).toContain('compared from 2026-01-05T00:35:00.001Z on\n');
      expect(before.talk).toContain('nothing was compared');
    }
  });

  test('a notification just behind what is not known is no difference, and no equality either', async () => {
    // The notification of 0:40:10 is in the range; the other log is known since 0:40.
    const short = await cut('38:00', ['40:10']);
    const other = new Desk({ config: MODEL })
      .at('41:15')
      .reading('servers.d.cpu', 99)
      .at('1:10:00');
    const folder = await temporaryFolder();
    await record(folder, { batches: other.log, snapshotsAt: [] });

    const { code, summary, talk } = await compared(short.folder, folder, {
      from: msOf('41:00'),
      to: msOf('42:30'),
      toleranceMs: 120_000,
    });

    expect(summary).toMatchObject({ undecided: 1, onlyInB: 0 });
    expect(talk).toContain('nobody can say whether it has them');
    expect(code).toBe(3);
  });
});

describe('a range that is none', () => {
  const point = (text: string): Point => {
    const parsed = parsePoint(text, 0);
    if (!parsed.ok) throw new Error(parsed.message);
    return parsed.value;
  };

  test.each([
    ['1795868000', null, '--from 1795868000 is beyond the log, which ends at entry'],
    ['1795868000', null, 'written @1795868000, in milliseconds @1795868000ms'],
    ['5', '9999', '--to 9999 is beyond the log'],
    ['2026-01-05T00:50:00Z', '3', '--to 3, which is of 2026-01-05T00:10:00.000Z, is before --from'],
    ['20', '2026-01-05T00:00:30Z', 'is after --to 2026-01-05T00:00:30.000Z'],
  ])('--from %s --to %s is refused: %s', async (from, to, sentence) => {
    const { folder } = await cut(null, ['20:00']);

    const { code, moments, talk } = await replayed(folder, {
      from: point(from),
      to: to === null ? null : point(to),
    });

    expect(talk).toMatch(/^error: /);
    expect(talk).toContain(sentence);
    expect(moments).toEqual([]);
    expect(code).toBe(2);
  });

  test('mixed points in their order are none of these', async () => {
    const { folder, lastIndex } = await cut(null, ['20:00']);

    const one = await replayed(folder, { from: point('3'), to: point('2026-01-05T00:50:00Z') });
    const other = await replayed(folder, {
      from: point('2026-01-05T00:50:00Z'),
      to: point(String(lastIndex)),
    });

    expect([one.code, other.code]).toEqual([0, 0]);
  });

  test('a time in seconds or milliseconds since 1970 is a point', () => {
    expect(point('@1767571200')).toEqual({ kind: 'time', at: 1_767_571_200_000 });
    expect(point('@1767571200.5')).toEqual({ kind: 'time', at: 1_767_571_200_500 });
    expect(point('@1767571200123ms')).toEqual({ kind: 'time', at: 1_767_571_200_123 });
  });

  const parse = async (...args: readonly string[]) => {
    const io = { stdout: new Captured(), stderr: new Captured(), codes: [] as number[] };
    const command = replayCommand({ ...io, finish: (code) => io.codes.push(code) });
    command.exitOverride().configureOutput({ writeErr: (text) => void io.stderr.write(text) });
    await command.parseAsync(args, { from: 'user' });
    return io;
  };

  test.each([
    [['--from', '1500', '--to', '1000'], '--from is after --to'],
    [['--from', '-1h', '--to', '-2h'], '--from is after --to'],
    [['--from=-1h', '--to=-2h', '--against', 'y'], '--from is after --to'],
    [['--to', '0'], 'there is no entry 0'],
    [['--from', '000'], 'there is no entry 0'],
    [['--from', '2026-02-30'], 'is no place in the log'],
    [['--from', '2026-02-30T10:00:00Z'], 'is no place in the log'],
    [['--from', '@1767571200123'], 'write @1767571200123ms for milliseconds'],
    [['--from', '@soon'], 'is no time since 1970'],
    [['--from', ''], 'is no place in the log'],
    [['--alert', '{'], 'at character 1: this brace is not closed'],
    [['--alert', '}'], 'at character 1: cannot read }'],
    [['--alert', '{}'], 'at character 2: a matcher is expected'],
    [['--alert', ''], 'at character 1: a matcher is expected'],
    [['--alert', '{a=b'], 'at character 1: this brace is not closed'],
    [['--alert', 'a=b}'], 'at character 1: cannot read a=b}'],
    [['--alert', '{{a=b}}'], 'at character 2: cannot read {a=b}'],
    [['--alert', 'a=b,,c=d'], 'at character 5: a matcher is expected'],
    [['--alert', 'a=b, c'], 'at character 6: an operator is expected after c'],
    [['--alert', 'a="b'], 'at character 1: cannot read'],
    [['--alert', 'a==b'], 'at character 1: cannot read a==b as one matcher'],
    [['--alert', "a='b'"], 'into double quotes'],
    [['--alert', 'a=~x{2}'], 'into double quotes'],
    [['--against', 'y', '--tolerance', '2h'], 'at most 1h'],
    [['--against', 'y', '--tolerance', '-5s'], 'is not a duration'],
    [['--against', 'y', '--tolerance', ''], 'is not a duration'],
    [['--other-cluster'], 'goes with --against'],
    [['-o', 'tabel'], 'Allowed choices are table, json, jsonl'],
  ])('%j is wrong usage', async (args, sentence) => {
    await expect(parse('x', ...args)).rejects.toThrow(sentence);
  });

  test.each([
    ['HighCpu', [{ name: 'alertname', op: '=', value: 'HighCpu' }]],
    [
      ' {a="}", b=~"x{2},y",} ',
      [
        { name: 'a', op: '=', value: '}' },
        { name: 'b', op: '=~', value: 'x{2},y' },
      ],
    ],
    ['"a b"=c', [{ name: 'a b', op: '=', value: 'c' }]],
    ['a=""', [{ name: 'a', op: '=', value: '' }]],
  ])('--alert %s is read', (text, matchers) => {
    expect(alert(text)).toEqual({ kind: 'matchers', matchers });
  });

  test('a fingerprint is one in capitals, too', () => {
    expect(alert('A81378AB9C173A34')).toEqual({
      kind: 'fingerprint',
      fingerprint: 'a81378ab9c173a34',
    });
  });
});
