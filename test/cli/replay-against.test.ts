import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { replayCommand } from '../../src/io/cli/replay.ts';
import { replayAgainst, type AgainstArgs } from '../../src/io/cli/replay-against.ts';
import type { Config } from '../../src/commands/config.ts';
import { Desk } from '../support/scenario.ts';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import { Captured, record, temporaryFolder } from './recording.ts';

const USUAL = config({ route: route({ wait: '10s', interval: '1m' }) });

/** Records what a desk went through, and gives back the directory. */
async function recorded(desk: Desk, snapshotsAt: readonly number[] = []): Promise<string> {
  const folder = path.join(await temporaryFolder(), 'data');
  await mkdir(folder);
  await record(folder, { batches: desk.log, snapshotsAt });
  return folder;
}

const EVERYTHING = {
  from: null,
  to: null,
  alert: null,
  toleranceMs: 30_000,
  isOtherCluster: false,
  format: 'table',
} as const;

async function compared(a: string, b: string, args: Partial<AgainstArgs> = {}) {
  const [stdout, stderr] = [new Captured(), new Captured()];
  const code = await replayAgainst({ a, b, ...EVERYTHING, ...args }, { stdout, stderr });
  const lines = stdout.lines.map((line) =>
    line.replace(/ {2,}/g, ' | ').replaceAll('2026-01-05T', ''),
  );
  return { code, lines, talk: stderr.text, verdict: stderr.lines.at(-1) };
}

function at(clock: string): number {
  return Date.parse(`2026-01-05T${clock}Z`);
}

/** Two alerts, one after the other, and the first one's end. */
function evening(model: Config = USUAL, startsAt = '2026-01-05T00:00:00Z'): Desk {
  const desk = new Desk({ config: model, startsAt });
  desk.at('1:00').push({ alertname: 'Disk', host: 'a' });
  desk.at('5:00').push({ alertname: 'Load', host: 'a' });
  desk.push({ alertname: 'Load', host: 'b' }).at('6:30');
  return desk.push({ alertname: 'Disk', host: 'a' }, { until: '6:30' }).at('10:00');
}

describe('the same decisions', () => {
  test('a log differs in nothing from itself', async () => {
    const folder = await recorded(evening(), [3, 8]);

    const { code, lines, talk, verdict } = await compared(folder, folder);

    expect(lines).toEqual([]);
    expect(verdict).toBe('3 notifications the same, 0 only in A, 0 only in B, 0 later than 30s');
    expect(talk).toContain('A: replayed ');
    expect(talk).toContain('B: replayed ');
    expect(code).toBe(0);
  });

  test('a few seconds are no difference, and neither is what became of a try', async () => {
    const slow = evening(USUAL, '2026-01-05T00:00:07Z');
    const failing = new Desk({ config: USUAL });
    failing.answers('team', 503, 503, 'ok');
    failing.at('1:00').push({ alertname: 'Disk', host: 'a' });
    failing.at('5:00').push({ alertname: 'Load', host: 'a' });
    failing.push({ alertname: 'Load', host: 'b' }).at('6:30');
    failing.push({ alertname: 'Disk', host: 'a' }, { until: '6:30' }).at('10:00');

    const { code, verdict } = await compared(await recorded(slow), await recorded(failing));

    expect(verdict).toBe('3 notifications the same, 0 only in A, 0 only in B, 0 later than 30s');
    expect(code).toBe(0);
  });

  test('what one decided before the other began is not compared', async () => {
    const old = new Desk({ config: USUAL });
    old.push({ alertname: 'Ancient' }).at('3:00').push({ alertname: 'Load' }).at('5:00');
    const young = new Desk({ config: USUAL, startsAt: '2026-01-05T00:02:00Z' });
    young.at('1:00').push({ alertname: 'Load' }).at('3:00');

    const { code, talk, verdict } = await compared(await recorded(old), await recorded(young));

    expect(verdict).toBe('1 notification the same, 0 only in A, 0 only in B, 0 later than 30s');
    expect(talk).toContain('compared from 2026-01-05T00:02:00.000Z on\n');
    expect(code).toBe(0);
  });

  test('a page on the border of the range has its counterpart beyond it', async () => {
    const [a, b] = [evening(), evening(USUAL, '2026-01-05T00:00:07Z')];
    const folders = [await recorded(a), await recorded(b, [2, 5])] as const;

    const first = await compared(...folders, { from: at('00:01:15'), to: at('00:02:00') });
    const last = await compared(...folders, { to: at('00:01:12') });

    for (const { code, verdict } of [first, last]) {
      expect(verdict).toBe('1 notification the same, 0 only in A, 0 only in B, 0 later than 30s');
      expect(code).toBe(0);
    }
  });
});

describe('other decisions', () => {
  test('a silence on one side: the page is missing there, and the reason is told', async () => {
    const silenced = new Desk({ config: USUAL });
    silenced.silence('s1', ['alertname=Disk'], { until: '30:00' });
    silenced.at('1:00').push({ alertname: 'Disk', host: 'a' }).at('2:00');
    const plain = new Desk({ config: USUAL });
    plain.at('1:00').push({ alertname: 'Disk', host: 'a' }).at('2:00');
    const [a, b] = [await recorded(plain), await recorded(silenced)];

    const forth = await compared(a, b);
    const back = await compared(b, a);

    expect(forth.lines).toEqual([
      'TIME | WHAT | WHO | GROUP | ALERTS | WHY',
      '00:01:10.000Z | only in A | team/webhook[0] | {alertname="Disk"} | Disk firing | ' +
        'B withheld at 00:01:10.000Z: every alert is muted, muted by silence:s1',
    ]);
    expect(forth.verdict).toBe(
      '0 notifications the same, 1 only in A, 0 only in B, 0 later than 30s',
    );
    expect(forth.code).toBe(1);
    expect(back.lines[1]).toContain('| only in B | team/webhook[0] |');
    expect(back.lines[1]).toContain('| A withheld at 00:01:10.000Z: every alert is muted');
    expect(back.code).toBe(1);
  });

  test('another group_by: each side tells what the other does not, and each says of which group', async () => {
    const other = config({ route: route({ by: ['host'], wait: '10s', interval: '1m' }) });

    const { code, lines, verdict } = await compared(
      await recorded(evening()),
      await recorded(evening(other)),
    );

    expect(verdict).toBe('0 notifications the same, 3 only in A, 4 only in B, 0 later than 30s');
    expect(lines).toContain(
      '00:05:10.000Z | only in A | team/webhook[0] | {alertname="Load"} | Load firing, Load firing | ' +
        'B notified {host="b"} at 00:05:10.000Z: first notification',
    );
    expect(code).toBe(1);
  });

  test('another group_wait: the page comes later', async () => {
    const patient = config({ route: route({ wait: '90s', interval: '1m' }) });
    const [a, b] = [await recorded(evening()), await recorded(evening(patient))];

    const { code, lines } = await compared(a, b);
    const lenient = await compared(a, b, { toleranceMs: 120_000 });

    expect(lines[1]).toBe(
      '00:01:10.000Z | later in B | team/webhook[0] | {alertname="Disk"} | Disk firing | by 1m20s; first notification',
    );
    expect(code).toBe(1);
    expect(lenient.verdict).toBe(
      '3 notifications the same, 0 only in A, 0 only in B, 0 later than 2m',
    );
    expect(lenient.code).toBe(0);
  });

  test('another repeat_interval: the repeats that one side left out, not all that follow', async () => {
    const every = (repeat: string): Config =>
      config({ checks: [check()], route: route({ wait: '10s', interval: '1m', repeat }) });
    const [often, seldom] = [every('1h'), every('2h')];
    const night = (model: Config): Desk =>
      new Desk({ config: model }).reading('servers.a.cpu', 99).at('4:30:00');

    const { lines, verdict } = await compared(
      await recorded(night(often)),
      await recorded(night(seldom)),
    );

    expect(verdict).toBe('3 notifications the same, 2 only in A, 0 only in B, 0 later than 30s');
    expect(lines.slice(1).map((line) => line.slice(0, 8))).toEqual(['01:00:10', '03:00:10']);
    expect(lines[1]).toContain('B withheld at 00:01:10.000Z to ');
    expect(lines[1]).toContain(': nothing new, repeat interval not elapsed');
  });

  test('another receiver: the other side decided nothing about it', async () => {
    const web = config({
      route: route({ to: 'web', wait: '10s', interval: '1m' }),
      receivers: [receiver('web')],
    });
    const load = (model: Config): Desk =>
      new Desk({ config: model }).push({ alertname: 'Load' }).at('0:30');

    const { lines } = await compared(await recorded(load(USUAL)), await recorded(load(web)));

    expect(lines.slice(1).map((line) => line.split(' | ').slice(1))).toEqual([
      [
        'only in A',
        'team/webhook[0]',
        '{alertname="Load"}',
        'Load firing',
        'B decided nothing about it',
      ],
      [
        'only in B',
        'web/webhook[0]',
        '{alertname="Load"}',
        'Load firing',
        'A decided nothing about it',
      ],
    ]);
  });

  test('a log that ends early: what came after is counted, and said', async () => {
    const short = new Desk({ config: USUAL });
    short.at('1:00').push({ alertname: 'Disk', host: 'a' }).at('2:00');
    const [a, b] = [await recorded(evening()), await recorded(short)];

    const all = await compared(a, b);
    const shared = await compared(a, b, { to: at('00:01:10') });

    expect(all.verdict).toBe('1 notification the same, 2 only in A, 0 only in B, 0 later than 30s');
    expect(all.talk).toContain(
      'note: 2 of them are later than the last entry of B; --to 2026-01-05T00:01:10.000Z leaves them out\n',
    );
    expect(all.code).toBe(1);
    expect(shared.verdict).toBe(
      '1 notification the same, 0 only in A, 0 only in B, 0 later than 30s',
    );
    expect(shared.code).toBe(0);
  });

  test('a page while the other log was quiet counts, also when the replay begins in that time', async () => {
    const quiet = new Desk({ config: USUAL }).at('59:00').push({ alertname: 'Load' }).at('1:00:00');
    const loud = new Desk({ config: USUAL }).at('40:00').push({ alertname: 'Disk' });
    loud.at('59:00').push({ alertname: 'Load' }).at('1:00:00');
    const [a, b] = [await recorded(quiet, [1]), await recorded(loud, [1])];

    const { lines, verdict } = await compared(a, b, { from: at('00:30:00') });

    expect(verdict).toBe('1 notification the same, 0 only in A, 2 only in B, 0 later than 30s');
    expect(lines[1]).toContain('00:40:10.000Z | only in B | team/webhook[0] | {alertname="Disk"}');
  });

  test('the story of one alert differs in its own pages only', async () => {
    const silenced = evening();
    const other = new Desk({ config: USUAL });
    other.at('1:00').push({ alertname: 'Disk', host: 'a' }).at('10:00');
    const load = {
      kind: 'matchers',
      matchers: [{ name: 'alertname', op: '=', value: 'Load' }],
    } as const;

    const { verdict } = await compared(await recorded(silenced), await recorded(other), {
      alert: load,
    });

    expect(verdict).toBe('0 notifications the same, 1 only in A, 0 only in B, 0 later than 30s');
  });
});

describe('one notification is one message that a person gets', () => {
  const A = { alertname: 'A' };
  const LONG = { until: '99:00:00' };

  test('decided anew every minute while its receiver is down, it counts once', async () => {
    const down = new Desk({ config: USUAL }).answers('team', ...Array<number>(100).fill(503));
    down.at('1:00').push(A, LONG).at('13:00');
    const up = new Desk({ config: USUAL }).at('1:00').push(A, LONG).at('13:00');
    const silenced = new Desk({ config: USUAL }).silence('s1', ['alertname=A'], { until: '30:00' });
    silenced.at('1:00').push(A, LONG).at('13:00');
    const folder = await recorded(down);

    const same = await compared(folder, await recorded(up));
    const alone = await compared(folder, await recorded(silenced), { format: 'jsonl' });

    expect(same.verdict).toBe(
      '1 notification the same, 0 only in A, 0 only in B, 0 later than 30s',
    );
    expect(same.code).toBe(0);
    expect(alone.verdict).toBe(
      '0 notifications the same, 1 only in A, 0 only in B, 0 later than 30s',
    );
    const difference = JSON.parse(alone.lines[0] ?? '') as { a: Record<string, unknown> };
    expect(difference.a).toMatchObject({ index: 3, at: '00:01:10.000Z', until: '00:12:10.000Z' });
    expect(difference.a['times']).toBe(12);
  });

  test('rejected again and again, it counts once as well', async () => {
    const rejecting = new Desk({ config: USUAL }).answers('team', ...Array<number>(100).fill(400));
    rejecting.at('1:00').push(A, LONG).at('13:00');
    const up = new Desk({ config: USUAL }).at('1:00').push(A, LONG).at('13:00');

    const { verdict } = await compared(await recorded(rejecting), await recorded(up));

    expect(verdict).toBe('1 notification the same, 0 only in A, 0 only in B, 0 later than 30s');
  });

  test('of an alert that ended undelivered and fired again, it is another one', async () => {
    const flapping = (desk: Desk): Desk => {
      desk.at('1:00').push(A, LONG).at('2:00').push(A, { until: '2:00' });
      return desk.at('4:00').push(A, LONG).at('4:30');
    };
    const down = new Desk({ config: USUAL }).answers('team', ...Array<number>(100).fill(503));
    const up = new Desk({ config: USUAL });

    const { verdict } = await compared(
      await recorded(flapping(down)),
      await recorded(flapping(up)),
    );

    // B could also say that the first one was over.
    expect(verdict).toBe('2 notifications the same, 0 only in A, 1 only in B, 0 later than 30s');
  });

  test('that came first is paired with the first, however near a repeat is', async () => {
    const hourly = config({ route: route({ wait: '10s', interval: '1m', repeat: '10m' }) });
    const loud = new Desk({ config: hourly }).at('1:00').push(A, LONG).at('12:00');
    const quiet = new Desk({ config: hourly }).silence('s1', ['alertname=A'], { until: '11:00' });
    quiet.at('1:00').push(A, LONG).at('12:00');

    const { lines, verdict } = await compared(await recorded(loud), await recorded(quiet));

    expect(verdict).toBe('0 notifications the same, 1 only in A, 0 only in B, 1 later than 30s');
    expect(lines[1]).toContain('| later in B |');
    expect(lines[1]).toContain('| by 10m; first notification');
    expect(lines[2]).toContain('00:11:10.000Z | only in A |');
  });

  test('of one incident is not paired with that of the next one', async () => {
    const two = (desk: Desk): Desk => {
      desk.at('1:00').push(A, LONG).at('3:00').push(A, { until: '3:00' });
      return desk.at('9:00').push(A, LONG).at('10:00');
    };
    const loud = two(new Desk({ config: USUAL }));
    const quiet = new Desk({ config: USUAL }).silence('s1', ['alertname=A'], { until: '5:00' });

    const { lines } = await compared(await recorded(loud), await recorded(two(quiet)));

    expect(lines.slice(1).map((line) => line.split(' | ').slice(0, 2).join(' '))).toEqual([
      '00:01:10.000Z only in A',
      '00:03:10.000Z only in A',
    ]);
  });

  test('of before the time that is compared is not listed as late', async () => {
    const early = new Desk({ config: USUAL }).at('1:00').push(A, LONG).at('20:00');
    const late = new Desk({ config: USUAL }).silence('s1', ['alertname=A'], { until: '10:00' });
    late.at('1:00').push(A, LONG).at('20:00');

    const { lines, verdict } = await compared(await recorded(early), await recorded(late), {
      from: at('00:05:00'),
    });

    expect(lines).toEqual([]);
    expect(verdict).toBe('0 notifications the same, 0 only in A, 0 only in B, 0 later than 30s');
  });
});

describe('the clusters of the two logs', () => {
  const DISK = (): Desk => evening();
  const of = async (clusterId: string): Promise<string> => {
    const folder = path.join(await temporaryFolder(), 'data');
    await mkdir(folder);
    await record(folder, { batches: DISK().log, clusterId });
    return folder;
  };

  test.each([
    ['one cluster', 'c1', 'c1'],
    ['a cluster and its recovery as a cluster of one', 'c1', 'c1~1'],
    ['two recoveries', 'c1~2', 'c1~1'],
  ])('%s: nothing is said', async (_, a, b) => {
    const { code, talk } = await compared(await of(a), await of(b));

    expect(code).toBe(0);
    expect(talk).not.toContain('cluster');
  });

  test.each([
    ['a cluster and a shadow', 'c1', 'shadow-c2'],
    ['two shadows', 'shadow-c1', 'shadow-c2'],
  ])('%s: compared, with a note that the same input is not proven', async (_, a, b) => {
    const { code, talk } = await compared(await of(a), await of(b));

    expect(code).toBe(0);
    expect(talk).toContain(`A is of cluster ${a} and B of cluster ${b}; whether both got the same`);
  });

  test('two that are unrelated: refused, and compared only when asked for', async () => {
    const [a, b] = [await of('c1'), await of('c2')];

    const refused = await compared(a, b);
    const asked = await compared(a, b, { isOtherCluster: true });

    expect(refused.code).toBe(2);
    expect(refused.lines).toEqual([]);
    expect(refused.talk).toContain('error: A is of cluster c1 and B of cluster c2');
    expect(refused.talk).toContain('--other-cluster compares them all the same');
    expect(asked.code).toBe(0);
    expect(asked.talk).toContain('note: A is of cluster c1 and B of cluster c2');
  });

  test('two logs without a time in common: nothing was compared, which is no agreement', async () => {
    const later = evening(USUAL, '2026-01-06T00:00:00Z');

    const { code, lines, talk } = await compared(await recorded(evening()), await recorded(later));

    expect(lines).toEqual([]);
    expect(talk).toContain('0 only in A, 0 only in B');
    expect(talk).not.toContain('neither log has');
    expect(talk).toContain('unknown: there is no time in the range of which both logs know');
    expect(code).toBe(3);
  });
});

describe('the formats', () => {
  test('JSON has the difference in all its fields, and a summary', async () => {
    const silenced = new Desk({ config: USUAL });
    silenced.silence('s1', ['alertname=Disk'], { until: '30:00' });
    silenced.at('1:00').push({ alertname: 'Disk' }).at('2:00');
    const plain = new Desk({ config: USUAL }).at('1:00').push({ alertname: 'Disk' }).at('2:00');
    const [a, b] = [await recorded(plain), await recorded(silenced)];
    const out = async (format: 'json' | 'jsonl'): Promise<string> => {
      const stdout = new Captured();
      await replayAgainst({ a, b, ...EVERYTHING, format }, { stdout, stderr: new Captured() });
      return stdout.text;
    };

    const document = JSON.parse(await out('json')) as {
      differences: readonly Record<string, unknown>[];
      summary: Record<string, unknown>;
    };
    const lines = (await out('jsonl')).trimEnd().split('\n');

    const [difference] = document.differences;
    expect(difference).toMatchObject({
      what: 'only in A',
      at: '2026-01-05T00:01:10.000Z',
      integration: 'team/webhook[0]',
      group: '{alertname="Disk"}',
      alerts: [{ labels: { alertname: 'Disk' } }],
      resolved: [],
      a: { index: 3, reason: 'first notification' },
      b: null,
      instead: {
        what: 'withhold',
        reason: 'every alert is muted',
        firing: [],
        muted: [{ by: ['silence:s1'] }],
      },
    });
    expect(document.summary).toMatchObject({
      same: 0,
      onlyInA: 1,
      onlyInB: 0,
      later: 0,
      toleranceMs: 30_000,
      from: '2026-01-05T00:00:00.000Z',
      to: null,
      a: { directory: a, firstIndex: 1 },
      b: { directory: b, firstIndex: 1 },
    });
    expect(lines.map((line) => (JSON.parse(line) as { what: string }).what)).toEqual([
      'only in A',
      'summary',
    ]);
    expect(JSON.parse(lines[0] ?? '')).toEqual(difference);
  });
});

describe('wrong usage', () => {
  const parse = async (...args: readonly string[]) => {
    const io = { stdout: new Captured(), stderr: new Captured(), codes: [] as number[] };
    const command = replayCommand({ ...io, finish: (code) => io.codes.push(code) });
    command.exitOverride().configureOutput({ writeErr: (text) => void io.stderr.write(text) });
    await command.parseAsync(args, { from: 'user' });
    return io;
  };

  test('an index is refused, because it means nothing in the other log', async () => {
    const folder = await recorded(evening());

    await expect(parse(folder, '--against', folder, '--from', '3')).rejects.toThrow(
      'an index means nothing in another log',
    );
    await expect(parse(folder, '--tolerance', '5s')).rejects.toThrow('goes with --against');
    await expect(parse(folder, '--against', folder, '--tolerance', 'soon')).rejects.toThrow(
      "'soon' is invalid",
    );
    const io = await parse(folder, '--against', folder, '--tolerance', '5s', '--from=-90000d');
    expect(io.stderr.lines.at(-1)).toBe(
      '3 notifications the same, 0 only in A, 0 only in B, 0 later than 5s',
    );
    expect(io.codes).toEqual([0]);
  });

  test('a directory without a log is named before anything is folded', async () => {
    const folder = await recorded(evening());

    const { code, talk } = await compared(folder, `${folder}/nothing`);

    expect(talk).toBe(
      `error: ${folder}/nothing: there is no log, so there is nothing to replay. ` +
        'Name the directory that `tocsin start --data-dir` was given.\n',
    );
    expect(code).toBe(1);
  });
});
