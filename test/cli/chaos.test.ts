/** What `tocsin chaos` makes of what it saw: each broken promise is found, and told from bad luck. */

import { describe, expect, test } from 'vitest';
import { FAULT_KINDS, nextFault, nextPauseMs } from '../../src/io/cli/chaos/faults.ts';
import type { ReceivedNotification } from '../../src/io/cli/chaos/inbox.ts';
import type { Push } from '../../src/io/cli/chaos/load.ts';
import { verdictLines } from '../../src/io/cli/chaos/print.ts';
import type { Replayed } from '../../src/io/cli/chaos/replays.ts';
import { exitOf, spreadOf, chaosReportOn, type Seen } from '../../src/io/cli/chaos/report.ts';
import { SeededRandom } from '../../src/io/sim/seeded-random.ts';

const END = 10_000_000;

function push(alert: string, fields: Partial<Push> = {}): Push {
  return { alert, firstAtMs: 1_000, ackedAtMs: 1_100, endsAt: END, tries: 1, ...fields };
}

function page(alert: string, fields: Partial<ReceivedNotification> = {}): ReceivedNotification {
  return { alert, key: `cluster/${alert}`, isMarked: false, atMs: 1_150, ...fields };
}

function replayed(name: string, fields: Partial<Replayed> = {}): Replayed {
  const counts = { entries: 9, compared: 1, matched: 1 };
  return { name, index: 9, root: 'aa', chain: 'bb', ...counts, problems: [], ...fields };
}

/** A run in which `a` and `b` were acknowledged, listed and paged, with what a test changes. */
function seen(fields: Partial<Seen> = {}): Seen {
  return {
    pushes: [push('a'), push('b')],
    pages: [page('a'), page('b')],
    listed: new Map([
      ['node1', new Set(['a', 'b'])],
      ['node2', new Set(['a', 'b'])],
    ]),
    listedAt: 1_000_000,
    settledAt: 9,
    terms: [2, 5, 3],
    faults: new Map([['kill', 2]]),
    ownEnds: [],
    replayed: [replayed('node1'), replayed('node2')],
    loadMs: { from: 1_000, to: 3_000 },
    readingsSent: 0,
    leftOut: 0,
    ...fields,
  };
}

function judged(fields: Partial<Seen>) {
  const verdict = chaosReportOn(seen(fields));
  return { verdict, exit: exitOf(verdict), problems: verdict.problems };
}

test('everything acknowledged is there and was told once: clean, exit 0', () => {
  const { verdict, exit } = judged({});

  expect(verdict).toMatchObject({
    isClean: true,
    problems: [],
    alerts: { acknowledged: 2, lost: [] },
    pages: { expected: 2, received: 2, lost: [] },
    twice: { alerts: 0 },
    elections: { seen: 3, firstTerm: 2, lastTerm: 5 },
    delayMs: { p50: 50, p99: 50, max: 50 },
    delayFromPushMs: { max: 150 },
  });
  expect(exit).toBe(0);
});

describe('what is lost', () => {
  test('one member lacks an acknowledged alert: exit 1, and the alert is named', () => {
    const listed = new Map([
      ['node1', new Set(['a', 'b'])],
      ['node2', new Set(['a'])],
    ]);
    const { exit, problems } = judged({ listed });

    expect(problems).toEqual(['acknowledged, and lost: b']);
    expect(exit).toBe(1);
  });

  test('an alert that ended meanwhile is in no list: its page is the proof that it was there', () => {
    const old = { endsAt: 900_000 };
    const listed = new Map([['node1', new Set(['a'])]]);

    expect(judged({ pushes: [push('a'), push('b', old)], listed }).exit).toBe(0);
    expect(
      judged({ pushes: [push('a'), push('b', old)], listed, pages: [page('a')] }),
    ).toMatchObject({
      exit: 1,
      problems: ['acknowledged, and lost: b', 'acknowledged, and nobody was paged: b'],
    });
  });

  test('nobody was paged for an acknowledged alert: exit 1', () => {
    const { exit, problems } = judged({ pages: [page('a')] });

    expect(problems).toEqual(['acknowledged, and nobody was paged: b']);
    expect(exit).toBe(1);
  });

  test('an alert that nobody acknowledged may be there or not', () => {
    const pushes = [push('a'), push('b'), push('c', { ackedAtMs: null })];

    expect(judged({ pushes }).exit).toBe(0);
    const { exit, verdict } = judged({ pushes, pages: [page('a'), page('b'), page('c')] });
    expect(exit).toBe(0);
    expect(verdict.pages.unacknowledged).toBe(1);
  });
});

describe('what is told twice', () => {
  test('the second message is marked: counted, and clean', () => {
    const pages = [page('a'), page('b'), page('b', { isMarked: true })];
    const { exit, verdict } = judged({ pages });

    expect(verdict.twice).toEqual({
      alerts: 1,
      messages: 1,
      marked: 1,
      underNewKey: 0,
      unmarked: [],
    });
    expect(exit).toBe(0);
  });

  test('the marked one comes first, because its predecessor stood still: clean', () => {
    expect(judged({ pages: [page('a'), page('b', { isMarked: true }), page('b')] }).exit).toBe(0);
  });

  test('neither is marked: exit 1, whatever their keys', () => {
    for (const key of ['cluster/b', 'cluster/other']) {
      const { exit, problems } = judged({ pages: [page('a'), page('b'), page('b', { key })] });

      expect(problems).toEqual(['paged twice, and not marked: b']);
      expect(exit).toBe(1);
    }
  });
});

describe('what the logs say', () => {
  test.each(['root', 'chain'] as const)('another %s at the same index: exit 1', (what) => {
    const { exit, problems } = judged({
      replayed: [replayed('node1'), replayed('node2', { [what]: 'cc' })],
    });

    expect(problems).toEqual(['the logs of node1 and node2 differ at index 9']);
    expect(exit).toBe(1);
  });

  test('a log that cannot be read to the index: exit 1', () => {
    const broken = replayed('node2', { root: null, problems: ['it is damaged'] });

    expect(judged({ replayed: [replayed('node1'), broken] })).toMatchObject({
      exit: 1,
      problems: ['replay of node2: it is damaged'],
    });
  });
});

test('a member that ended by itself is a fault of ours: exit 1', () => {
  const { exit, problems } = judged({ ownEnds: [{ name: 'node1', how: 'exit code 70' }] });

  expect(problems).toEqual(['ended by itself: node1: exit code 70']);
  expect(exit).toBe(1);
});

test('a cluster that does not come to rest is not clean, but nothing is proved to be lost: exit 4', () => {
  expect(judged({ settledAt: null }).exit).toBe(4);
  expect(judged({ settledAt: null, pages: [page('a')] }).exit).toBe(1);
});

test('without an acknowledged alert nothing was tested, and nothing is clean', () => {
  expect(judged({ pushes: [], pages: [] }).exit).toBe(4);
});

test('the longest silence counts from the beginning of the load, and to its end', () => {
  const at = (ackedAtMs: number) => push(`at${ackedAtMs}`, { ackedAtMs });
  const silence = (...pushes: Push[]) => chaosReportOn(seen({ pushes })).silenceMsMax;

  expect(silence(at(1_900), at(2_800))).toBe(900);
  expect(silence(at(1_100), at(1_200))).toBe(1_800);
});

test('a spread names values that were measured', () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);

  expect(spreadOf(values)).toEqual({ p50: 100, p99: 198, max: 200 });
  expect(spreadOf([])).toEqual({ p50: 0, p99: 0, max: 0 });
});

test('a seed always gives the same faults, and all kinds of them', () => {
  const plan = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 200 }, () => [
      nextPauseMs(random, 8_000),
      nextFault(random, FAULT_KINDS, 3),
    ]);
  };

  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
  const kinds = plan(7).map(([, fault]) => (fault as { kind: string }).kind);
  expect(new Set(kinds)).toEqual(new Set(FAULT_KINDS));
});

test('the table says BROKEN in the row of what broke, and why below', () => {
  const run = { nodes: 2, seed: 7, tookMs: 63_000, directory: null, index: 9 };
  const lines = verdictLines(chaosReportOn(seen({ pages: [page('a')] })), run, 'table');

  expect(lines.filter((line) => line.includes('BROKEN'))).toEqual([
    expect.stringMatching(/^pages +BROKEN +2 expected, 1 received, 1 lost$/),
  ]);
  expect(lines.join('\n')).toContain('acknowledged, and nobody was paged: b');
});
