import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import type { SetSilence } from '../../src/commands/silences.ts';
import { Output } from '../../src/io/cli/render-output.ts';
import { replay, replayCommand, type ReplayArgs } from '../../src/io/cli/replay.ts';
import type { TimelineEvent } from '../../src/io/replay/timeline-event.ts';
import { linesOf } from '../../src/io/cli/replay-print.ts';
import { parseAlertQuery, type AlertQuery } from '../../src/io/replay/alert-filter.ts';
import { openSnapshotStore } from '../../src/io/disk/snapshot-store.ts';
import { toLogEntry } from '../../src/io/node/entries.ts';
import { encodeBatch } from '../../src/log/codec.ts';
import { Desk } from '../support/scenario.ts';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import { Captured, Leaving, record, temporaryFolder } from './recording.ts';

const SECRET = 'hunter2-in-the-settings';

const EVERYTHING = {
  from: null,
  to: null,
  alert: null,
  format: 'table',
  color: false,
} as const;

async function replayed(directory: string, args: Partial<ReplayArgs> = {}) {
  const stdout = new Captured();
  const stderr = new Captured();
  const code = await replay({ directory, ...EVERYTHING, ...args }, { stdout, stderr });
  return { code, lines: stdout.lines, talk: stderr.text };
}

async function moments(directory: string, args: Partial<ReplayArgs> = {}) {
  const { lines } = await replayed(directory, { ...args, format: 'jsonl' });
  return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>).slice(0, -1);
}

function alert(text: string): AlertQuery {
  const parsed = parseAlertQuery(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

/** A page that needed two tries, a silence, a push, a leader that died, and an all-clear. */
function incident(): Desk {
  const secret = receiver('team');
  const integrations = secret.integrations.map((each) => ({
    ...each,
    settings: JSON.stringify({ url: `https://example.com/${SECRET}` }),
  }));
  const desk = new Desk({
    config: config({
      checks: [check({ for: '1m', series: 'servers.*.cpu' })],
      route: route({ wait: '10s', interval: '1m' }),
      receivers: [{ ...secret, integrations }],
    }),
  });
  desk.answers('team', 503, 'ok');
  desk.reading('servers.a.cpu', 10).at('0:05').reading('servers.a.cpu', 99);
  desk.at('2:00').silence('s1', ['series=servers.b.cpu'], { until: '5:30' });
  desk.reading('servers.b.cpu', 95).at('4:00').push({ alertname: 'Pushed' });
  desk.at('5:00').reading('servers.a.cpu', 5).dies().at('6:00').leads('node-2').at('7:00');
  return desk;
}

describe('the time line', () => {
  test('tells an incident from the reading that crossed to the page, line by line', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, snapshotsAt: [4, 9, 20] });

    const { code, lines, talk } = await replayed(folder);

    const told = lines.map((line) => line.replace(/ {2,}/g, '  ').replace('2026-01-05T00:', ''));
    expect(told).toEqual([
      'INDEX  TIME  WHAT  WHO/ALERT  DETAIL',
      '1  00:00.000Z  config  tocsin.yml  1 check, 1 receiver, 1 route, 0 inhibition rules, 0 time intervals, 0 monitors, actor: unknown',
      '3  00:05.000Z  breach  HighCpu{series="servers.a.cpu"}  99 is above 90; fires at 2026-01-05T00:01:05.000Z if it lasts',
      '4  01:05.000Z  firing  HighCpu{series="servers.a.cpu"}  value 99 [a81378ab9c173a34]',
      '5  01:15.000Z  notify  team/webhook[0]  first notification; 1 firing; {}:{alertname="HighCpu"}',
      '6  01:15.000Z  attempt  team/webhook[0]  try 1 by node-1, notification 5.0',
      '7  01:15.000Z  outcome  team/webhook[0]  retry 503 (0 ms, try 1 of notification 5.0; next try at 2026-01-05T00:01:15.500Z)',
      '8  01:15.500Z  attempt  team/webhook[0]  try 2 by node-1, notification 5.0',
      '9  01:15.500Z  outcome  team/webhook[0]  delivered 200 (0 ms, try 2 of notification 5.0)',
      '10  02:00.000Z  silence  alice  series="servers.b.cpu" until 2026-01-05T00:05:30.000Z, silence s1, actor: unknown',
      '11  02:00.000Z  breach  HighCpu{series="servers.b.cpu"}  95 is above 90; fires at 2026-01-05T00:03:00.000Z if it lasts',
      '12  02:15.000Z  withhold  team/webhook[0]  nothing new, repeat interval not elapsed; 1 firing; {}:{alertname="HighCpu"}',
      '13  03:00.000Z  firing  HighCpu{series="servers.b.cpu"}  value 95 [e186961a13e78957]',
      '14  03:15.000Z  withhold  team/webhook[0]  nothing new, repeat interval not elapsed; 1 firing; 1 muted by silence:s1; {}:{alertname="HighCpu"}',
      '15  04:00.000Z  firing  Pushed  pushed by Prometheus [6fcfca35462293c7]',
      '16  04:10.000Z  notify  team/webhook[0]  first notification; 1 firing; {}:{alertname="Pushed"}',
      '17  04:10.000Z  attempt  team/webhook[0]  try 1 by node-1, notification 16.0',
      '18  04:10.000Z  outcome  team/webhook[0]  delivered 200 (0 ms, try 1 of notification 16.0)',
      '19  04:15.000Z  withhold  team/webhook[0]  nothing new, repeat interval not elapsed; 1 firing; 1 muted by silence:s1; {}:{alertname="HighCpu"}',
      '20  05:00.000Z  resolved  HighCpu{series="servers.a.cpu"}  recovered [a81378ab9c173a34]',
      '21  05:30.000Z  expired  alice  silence s1: its time was over',
      '21  06:00.000Z  gap  -  nobody listened for 1m',
      '21  06:00.000Z  leader  node-2  leads from here on, term 1',
      '22  06:00.000Z  withhold  team/webhook[0]  nothing new, repeat interval not elapsed; 1 firing; {}:{alertname="Pushed"}',
      '22  06:00.000Z  notify  team/webhook[0]  new alerts added; 1 firing; 1 resolved; {}:{alertname="HighCpu"}',
      '23  06:00.000Z  attempt  team/webhook[0]  try 1 by node-2, notification 22.0',
      '24  06:00.000Z  outcome  team/webhook[0]  delivered 200 (0 ms, try 1 of notification 22.0)',
      '25  06:10.000Z  withhold  team/webhook[0]  nothing new, repeat interval not elapsed; 1 firing; {}:{alertname="Pushed"}',
      '26  06:15.000Z  withhold  team/webhook[0]  nothing new, repeat interval not elapsed; 1 firing; {}:{alertname="HighCpu"}',
    ]);
    expect(talk).toMatch(
      /replayed 26 entries \(4 readings\) in \d+\.\d s; 3 of 3 root hashes match\n$/,
    );
    expect(code).toBe(0);
  });

  test('is the same whatever snapshot it begins with', async () => {
    const folder = await temporaryFolder();
    const { log } = incident();
    await record(folder, { batches: log, snapshotsAt: log.map((_, i) => i + 1) });
    const all = await moments(folder);

    for (let from = 2; from <= log.length; from++) {
      const range = { from: { kind: 'index', index: from } } as const;
      const { talk } = await replayed(folder, range);
      expect(talk).toContain(`the state was taken from the snapshot at ${from - 1}\n`);
      expect(talk).toContain(`replayed ${log.length - from + 1} entries`);
      const shown = await moments(folder, range);
      // A silence that is over is shown at the first entry after its end, under the time of its end.
      expect(shown).toEqual(all.filter(({ index }) => Number(index) >= from));
    }
  });

  test('is cut at times as at indexes, both ends included', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });
    const at = (text: string) => ({ kind: 'time', at: Date.parse(text) }) as const;

    const shown = await moments(folder, {
      from: at('2026-01-05T00:01:15.000Z'),
      to: at('2026-01-05T00:02:00.000Z'),
    });

    expect(shown.map(({ index, what }) => `${String(index)} ${String(what)}`)).toEqual([
      '5 notify',
      '6 attempt',
      '7 outcome',
      '8 attempt',
      '9 outcome',
      '10 silence',
      '11 breach',
    ]);
  });

  test('shows a decision that came too late as ignored, not as a page', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk({ config: config({ route: route({ wait: '10s' }) }) });
    desk.push({ alertname: 'Disk' }).dies().at('0:10');
    const twice: readonly Command[] = desk.decisions();
    desk.commit(...twice);
    desk.commit(...twice);
    await record(folder, { batches: desk.log });

    const shown = await moments(folder);

    expect(shown.map(({ index, what }) => `${String(index)} ${String(what)}`)).toEqual([
      '1 config',
      '2 firing',
      '3 notify',
      '4 ignored',
    ]);
  });

  test('names each of two pages that were decided at one instant', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk();
    desk.push({ alertname: 'A' }).push({ alertname: 'B' }).at('1:00');
    await record(folder, { batches: desk.log });

    const shown = await moments(folder);

    const ids = (what: string) => shown.filter((each) => each['what'] === what);
    expect(ids('notify').map(({ notification }) => notification)).toEqual(['4.0', '4.1']);
    expect(ids('attempt').map(({ notification }) => notification)).toEqual(['4.0', '4.1']);
    expect(new Set(ids('outcome').map(({ firing }) => JSON.stringify(firing))).size).toBe(2);
  });

  test('shows an edited silence, a replaced one and one that was ended by hand', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk();
    desk.silence('s1', ['team=web'], { until: '10:00' });
    desk.at('1:00').silence('s2', ['team=web'], { edits: 's1', from: '0:00', until: '20:00' });
    desk.at('2:00').silence('s3', ['team=db'], { edits: 's1', until: '20:00' });
    desk.at('3:00').unsilence('s3');
    await record(folder, { batches: desk.log });

    const { lines } = await replayed(folder);

    expect(lines.slice(2).map((line) => line.split(/ {2,}/).slice(2).join(' | '))).toEqual([
      'silence | alice | team="web" until 2026-01-05T00:10:00.000Z, silence s1, actor: unknown',
      'silence | alice | team="web" until 2026-01-05T00:20:00.000Z, silence s1, edited, actor: unknown',
      'expired | alice | silence s1: replaced, actor: unknown',
      'silence | alice | team="db" until 2026-01-05T00:20:00.000Z, silence s3, replaces s1, actor: unknown',
      'expired | alice | silence s3: by hand, actor: unknown',
    ]);
  });

  test('says who was proven to do something, beside what the client says of itself', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk({ reducers: 3 });
    const silence: SetSilence = {
      kind: 'silence',
      id: '',
      freshId: 's1',
      matchers: [{ name: 'team', op: '=', value: 'web' }],
      startsAt: 0,
      endsAt: Date.parse('2026-01-05T00:10:00Z'),
      createdBy: 'bob',
      comment: 'actor: user root',
      annotations: [],
      actor: { kind: 'user', name: 'ann' },
    };
    desk.at('1:00').append(silence);
    const token = { kind: 'token', name: 'deploy' } as const;
    desk.at('2:00').append({ kind: 'expireSilence', id: 's1', actor: token });
    const address = { kind: 'address', name: '10.0.0.7' } as const;
    const removal = { action: 'removeMember', subject: 'node-2', detail: 'b' } as const;
    desk.at('3:00').append({ kind: 'admin', ...removal, actor: address });
    await record(folder, { batches: desk.log });

    const { lines } = await replayed(folder);
    const shown = (await moments(folder)).slice(-3);

    expect(lines.slice(-3).map((line) => line.split(/ {2,}/).slice(2).join(' | '))).toEqual([
      'silence | bob | team="web" until 2026-01-05T00:10:00.000Z, silence s1, actor: user ann: actor: user root',
      'expired | bob | silence s1: by hand, actor: token deploy',
      'admin | address 10.0.0.7 | asked to remove a member: node-2 (b)',
    ]);
    expect(shown).toMatchObject([
      { what: 'silence', createdBy: 'bob', actor: { kind: 'user', name: 'ann' } },
      { what: 'expired', createdBy: 'bob', actor: token },
      { what: 'admin', ...removal, actor: address },
    ]);
  });

  test('shows the end of a silence when nothing else happens, under its own time', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk();
    desk.silence('s1', ['team=web'], { until: '5:00' }).at('7:00').reading('servers.a.cpu', 1);
    await record(folder, { batches: desk.log });

    const { lines } = await replayed(folder);

    expect(lines.at(-1)).toMatch(
      /^3 +2026-01-05T00:05:00\.000Z {2}expired +alice .*time was over$/,
    );
  });
});

describe('the story of one alert', () => {
  test('has its breach, its transitions, the decisions of its groups, its pages, its silences', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });
    const said = (each: readonly Readonly<Record<string, unknown>>[]) =>
      each.map(({ index, what }) => `${String(index)} ${String(what)}`);

    const byMatchers = await moments(folder, { alert: alert('series="servers.b.cpu"') });
    const byFingerprint = await moments(folder, { alert: alert('e186961a13e78957') });
    const byName = await moments(folder, { alert: alert('Pushed') });

    expect(said(byMatchers)).toEqual([
      '11 breach',
      '13 firing',
      '14 withhold',
      '19 withhold',
      '21 expired',
      '21 gap',
      '22 notify',
      '23 attempt',
      '24 outcome',
      '26 withhold',
    ]);
    expect(byFingerprint).toEqual(byMatchers);
    expect(said(byName)).toEqual([
      '15 firing',
      '16 notify',
      '17 attempt',
      '18 outcome',
      '21 gap',
      '22 withhold',
      '25 withhold',
    ]);
  });

  test('goes on from a snapshot taken in its midst', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, snapshotsAt: [15] });
    const subject = alert('series=~".*b.cpu"');
    const all = await moments(folder, { alert: subject });

    const shown = await moments(folder, { alert: subject, from: { kind: 'index', index: 16 } });

    expect(shown).toEqual(all.filter(({ index }) => Number(index) >= 16));
  });

  test('of an alert that never was is empty, and says so', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });

    const { code, lines, talk } = await replayed(folder, { alert: alert('Nobody') });

    expect(lines.filter((line) => !line.includes(' gap '))).toHaveLength(1);
    expect(talk).toContain('no alert of that description fired in what was replayed');
    expect(code).toBe(0);
  });
});

describe('the proof', () => {
  test('names the snapshots between which another fold came to another state, and the rows', async () => {
    const folder = await temporaryFolder();
    const { log } = incident();
    await record(folder, {
      batches: log,
      snapshotsAt: [4, 11, 16],
      disturb: (state, index) => {
        if (index < 11) return state;
        // A fold that forgot the second breach, which entry 11 brings.
        const { breaches: all } = state;
        const rows = { ...all[0]?.[0] };
        delete rows[1];
        return { ...state, breaches: { 0: { 0: rows } } };
      },
    });

    const { code, talk } = await replayed(folder);

    expect(code).toBe(1);
    expect(talk).toContain('differs: the root hash at the snapshot of index 11');
    expect(talk).toContain(
      'it came about after entry 4, which is proven, and not after entry 11; ' +
        'entry 11 is the first in between that writes what differs',
    );
    expect(talk).toMatch(/breaches 1: recorded nothing, replayed \{"1":\{"since":/);
    expect(talk).toContain('differs: the root hash at the snapshot of index 16');
    expect(talk).toContain('1 of 3 root hashes match');
  });

  test('shows nothing of a configuration that differs', async () => {
    const folder = await temporaryFolder();
    await record(folder, {
      batches: incident().log,
      snapshotsAt: [3],
      disturb: (state) => ({ ...state, config: state.config && { ...state.config, at: 1 } }),
    });

    const { code, talk } = await replayed(folder);

    expect(code).toBe(1);
    expect(talk).toContain('config config: recorded "<not shown>", replayed "<not shown>"');
    expect(talk).not.toContain(SECRET);
  });

  test('notices a snapshot folder that belongs to another log', async () => {
    const [here, there] = [await temporaryFolder(), await temporaryFolder()];
    await record(here, { batches: incident().log });
    const other = new Desk({ config: config({ checks: [check()] }) });
    other.reading('servers.x.cpu', 91).at('3:00');
    await record(there, { batches: other.log, snapshotsAt: [2] });
    await rm(path.join(here, 'snapshots'), { recursive: true });
    await cp(path.join(there, 'snapshots'), path.join(here, 'snapshots'), { recursive: true });

    const { code, talk } = await replayed(here);

    expect(code).toBe(1);
    expect(talk).toContain('differs: the chain hash at the snapshot of index 2');
    expect(talk).toContain('the snapshot was taken of another log');
  });

  test('says that there was nothing to compare with', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });

    const { code, talk } = await replayed(folder);

    expect(talk).toContain('there was no snapshot to compare with');
    expect(code).toBe(0);
  });
});

describe('a damaged or incomplete directory', () => {
  test('a flipped byte is named with file and offset; what stands around it is shown', async () => {
    const folder = await temporaryFolder();
    const { log } = incident();
    await record(folder, { batches: log, snapshotsAt: [15, 20], segmentBytesMax: 2_000 });
    const file = await flipByte(path.join(folder, 'log'), 1);

    const { code, lines, talk } = await replayed(folder);

    expect(code).toBe(5);
    expect(talk).toMatch(new RegExp(`damaged: .*/log/${file} at byte \\d+: `));
    const kinds = lines.slice(1).map((line) => line.split(/ {2,}/)[2]);
    expect(kinds.slice(0, 2)).toEqual(['config', 'breach']);
    expect(kinds).toContain('damage');
    expect(kinds).toContain('snapshot');
    // From the snapshot on, transitions are known again.
    expect(kinds.slice(kinds.indexOf('snapshot'))).toContain('resolved');
    expect(lines.join('\n')).toMatch(/entries \d+ to \d+ are missing/);
    expect(talk).toContain('root hashes match');
  });

  test('without any snapshot behind the damage, what was recorded is shown without transitions', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, segmentBytesMax: 2_000 });
    await flipByte(path.join(folder, 'log'), 1);

    const { code, lines } = await replayed(folder);

    const kinds = lines.slice(1).map((line) => line.split(/ {2,}/)[2] ?? '');
    const after = kinds.slice(kinds.indexOf('gap'));
    expect(after).toContain('outcome');
    expect(after).not.toContain('resolved');
    expect(code).toBe(5);
  });

  test('a log cut by retention begins with its oldest snapshot', async () => {
    const folder = await temporaryFolder();
    const log = await record(folder, {
      batches: incident().log,
      snapshotsAt: [12, 20],
      segmentBytesMax: 1_000,
    });
    await log.prune(13);
    expect(log.firstIndex).toBeGreaterThan(1);
    expect(log.firstIndex).toBeLessThanOrEqual(13);

    const { code, lines, talk } = await replayed(folder);

    expect(talk).toContain('the state was taken from the snapshot at 12');
    expect(talk).toContain('1 of 1 root hashes match');
    // Everything was asked for, and what the log does not hold any more is part of it.
    expect(lines[1]).toMatch(/^1 +- +gap +- +the log begins at entry \d+; the state is not known/);
    expect(code).toBe(3);
  });

  test('a damaged snapshot store is named, and what its files still hold is used', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, snapshotsAt: [10] });
    const snapshots = path.join(folder, 'snapshots');
    await writeFile(path.join(snapshots, 'CURRENT'), 'rotten');

    const { code, lines, talk } = await replayed(folder);

    expect(lines.join('\n')).toContain('first notification');
    expect(talk).toContain(`damaged: ${snapshots}: LevelDB's CURRENT is damaged`);
    // What the files still hold is as good as ever: it proves itself by its hashes.
    expect(talk).toContain('1 of 1 root hashes match');
    expect(code).toBe(5);
  });

  test.each([
    ['missing', async (folder: string) => path.join(folder, 'nowhere'), 'there is no log'],
    ['empty', async (folder: string) => folder, 'there is no log'],
    [
      'with an empty log folder',
      async (folder: string) => {
        await mkdir(path.join(folder, 'log'));
        return folder;
      },
      'the log is empty',
    ],
  ])('a directory that is %s is said in a sentence', async (_, make, sentence) => {
    const folder = await temporaryFolder();

    const { code, lines, talk } = await replayed(await make(folder));

    expect(talk).toContain(`${sentence}, so there is nothing to replay`);
    expect(talk).toContain('tocsin start --data-dir');
    expect(lines).toEqual([]);
    expect(code).toBe(1);
  });

  test('a log of a newer format is refused with the version', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });
    await raiseFormat(path.join(folder, 'log'));

    const { code, talk } = await replayed(folder);

    expect(talk).toContain('was written in log format 2; this program reads up to 1: use a newer');
    expect(code).toBe(5);
  });

  test('a snapshot of a newer fold is compared with, but never begun with', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, snapshotsAt: [10], reducerVersion: 7 });

    const whole = await replayed(folder);
    const part = await replayed(folder, { from: { kind: 'index', index: 12 } });

    expect(whole.talk).toContain('1 of 1 root hashes match');
    expect(whole.code).toBe(0);
    expect(part.talk).toContain('snapshot 10: it was folded by version 7, and this build has');
    expect(part.talk).toContain('use a newer tocsin');
    expect(part.lines).toHaveLength(whole.lines.length - 10);
    expect(part.code).toBe(5);
  });

  test('entries of consensus are passed over; one of an unknown type ends what is known', async () => {
    const folder = await temporaryFolder();
    const { log: batches } = incident();
    const log = await record(folder, { batches });
    const next = batches.length + 1;
    const noop = toLogEntry({ term: 2, index: next, type: 'noop', data: new Uint8Array() });
    const members = toLogEntry({
      term: 2,
      index: next + 1,
      type: 'config',
      data: new Uint8Array(),
    });
    await log.append({ entries: [noop, members] });

    const before = await replayed(folder);
    await log.append({ entries: [{ ...noop, index: next + 2, type: 9 }] });
    const after = await replayed(folder);

    expect(before.code).toBe(0);
    expect(after.code).toBe(1);
    expect(after.talk).toContain(`entry ${next + 2} cannot be folded: it has type 9`);
    const words = (lines: readonly string[]) => lines.map((line) => line.replace(/ +/g, ' '));
    expect(words(after.lines.slice(0, -2))).toEqual(words(before.lines));
  });
});

describe('beside a running node', () => {
  test('nothing is written, and what the node appends meanwhile is the tail', async () => {
    const folder = await temporaryFolder();
    const { log: batches } = incident();
    const log = await record(folder, { batches, snapshotsAt: [10] });
    const held = await openSnapshotStore({ folder: path.join(folder, 'snapshots') });
    if (!held.ok) throw new Error(held.message);
    const before = await hashOf(path.join(folder, 'log'));

    const { code, talk } = await replayed(folder);

    expect(await hashOf(path.join(folder, 'log'))).toBe(before);
    expect(talk).toContain('in place: it only ever grows');
    expect(talk).toContain('snapshots in place, as it is now');
    expect(talk).toContain('1 of 1 root hashes match');
    expect(code).toBe(0);
    const data = encodeBatch({ at: Date.parse('2026-01-05T00:08:00Z'), commands: [] });
    await log.append({ entries: [{ term: 1, index: batches.length + 1, type: 1, data }] });
    expect((await replayed(folder)).talk).toContain(`replayed ${batches.length + 1} entries`);
    await held.store.close();
  });
});

describe('output', () => {
  test('JSON is one document with all fields; JSON lines are the same moments', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, snapshotsAt: [10] });

    const { lines } = await replayed(folder, { format: 'json' });
    const document = JSON.parse(lines.join('\n')) as {
      readonly moments: readonly Readonly<Record<string, unknown>>[];
      readonly summary: unknown;
    };

    expect(document.moments).toEqual(await moments(folder));
    expect(document.moments[1]).toEqual({
      index: 3,
      at: '2026-01-05T00:00:05.000Z',
      what: 'breach',
      check: 'HighCpu',
      series: 'servers.a.cpu',
      value: 99,
      condition: 'above 90',
      firesAt: '2026-01-05T00:01:05.000Z',
      fingerprint: 'a81378ab9c173a34',
      labels: { alertname: 'HighCpu', series: 'servers.a.cpu' },
    });
    expect(document.summary).toMatchObject({
      entries: 26,
      readings: 4,
      roots: { compared: 1, matched: 1 },
      differences: [],
      damages: [],
    });
  });

  test('of an empty range is still a document', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });

    const { lines, talk } = await replayed(folder, {
      format: 'json',
      from: { kind: 'time', at: Date.parse('2026-01-05T09:00:00Z') },
    });

    expect(JSON.parse(lines.join('\n'))).toMatchObject({
      moments: [{ what: 'gap', cause: 'after the log' }],
    });
    expect(talk).not.toContain('damaged');
  });

  test('no format shows a secret of the configuration', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log, snapshotsAt: [10] });

    for (const format of ['table', 'json', 'jsonl'] as const) {
      const { lines, talk } = await replayed(folder, { format });
      expect(lines.join('\n') + talk).not.toContain(SECRET);
    }
  });

  test('a series name cannot command the terminal', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk({ config: config({ checks: [check({ series: '**' })] }) });
    desk.reading('evil\u001b[2J\nname', 99);
    await record(folder, { batches: desk.log });

    const { lines } = await replayed(folder);

    expect(lines.join('')).toContain('evil');
    expect(lines.join('')).not.toContain('\u001b');
  });

  test('ends in success when the reader leaves', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk({ config: config({ checks: [check()] }) });
    for (let i = 0; i < 2_000; i++) desk.commit(...crossing(i));
    await record(folder, { batches: desk.log });
    const stdout = new Leaving();

    const code = await replay(
      { directory: folder, ...EVERYTHING },
      { stdout, stderr: new Captured() },
    );

    expect(code).toBe(0);
    expect(stdout.pieces).toBe(2);
  });

  test('of an endless time line ends when the reader leaves', async () => {
    async function* endless(): AsyncGenerator<TimelineEvent> {
      for (let index = 1; ; index++) {
        yield { index, at: index, what: 'leader', node: 'node-1', term: index };
      }
    }
    const out = new Output(new Leaving());

    await out.lines(linesOf(endless(), () => ({}), { format: 'table', isColored: false }));

    expect(out.isGone).toBe(true);
  });

  test('a bar and colours are for terminals only', async () => {
    const folder = await temporaryFolder();
    const desk = new Desk({ config: config({ checks: [check()] }) });
    for (let i = 0; i < 200; i++) desk.commit(...crossing(i));
    await record(folder, { batches: desk.log });
    const run = async (isTTY: boolean, color: boolean) => {
      const [stdout, stderr] = [new Captured({ isTTY }), new Captured({ isTTY })];
      await replay({ directory: folder, ...EVERYTHING, color }, { stdout, stderr });
      return { stdout: stdout.text, stderr: stderr.text };
    };

    const onTerminal = await run(true, true);
    const plain = await run(true, false);
    const piped = await run(false, true);

    expect(onTerminal.stderr).toContain('\r[');
    expect(onTerminal.stdout).toContain('\u001b[31m');
    expect(plain.stdout).not.toContain('\u001b');
    for (const character of ['\r', '\u001b']) {
      expect(piped.stderr + piped.stdout).not.toContain(character);
    }
  });
});

describe('the command line', () => {
  const parse = async (...args: readonly string[]) => {
    const io = { stdout: new Captured(), stderr: new Captured(), codes: [] as number[] };
    const command = replayCommand({ ...io, finish: (code) => io.codes.push(code) });
    command.exitOverride().configureOutput({ writeErr: (text) => void io.stderr.write(text) });
    await command.parseAsync(args, { from: 'user' });
    return io;
  };

  test('takes an index, a time and a span that counts back', async () => {
    const folder = await temporaryFolder();
    await record(folder, { batches: incident().log });

    const io = await parse(folder, '--from', '-90000d', '--to', '2026-01-05T01:01:15+01:00');
    const byIndex = await parse(folder, '--from=3', '--to', '4', '-o', 'jsonl');

    expect(io.stdout.lines.at(-1)).toMatch(/^7 /);
    expect(byIndex.stdout.lines).toHaveLength(3);
    expect(byIndex.codes).toEqual([0]);
  });

  test.each([
    [['x', '--from', 'yesterday'], 'is no place in the log'],
    [['x', '--from', '2026-01-05T03:00'], 'is no place in the log'],
    [['x', '--to', '-2'], '"2" is not a duration'],
    [['x', '--alert', 'a=~"("'], 'is not a regular expression'],
    [['x', '-o', 'yaml'], 'Allowed choices are table, json, jsonl'],
    [[], "missing required argument 'data-dir'"],
  ])('refuses %j with the way to fix it', async (args, sentence) => {
    await expect(parse(...args)).rejects.toThrow(sentence);
  });
});

/** Two readings that cross, up and down. */
function crossing(i: number): readonly Command[] {
  const value = i % 2 === 0 ? 95 : 5;
  const names = i === 0 ? ['servers.a.cpu'] : [];
  const ids = Int32Array.from([i === 0 ? -1 : 0]);
  return [{ kind: 'observe', source: 'carbon', names, ids, values: Float64Array.from([value]) }];
}

/** Turns one byte in the midst of the nth segment; gives back the name of its file. */
async function flipByte(folder: string, nth: number): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  const name = names[nth];
  if (name === undefined) throw new Error(`there are only ${names.length} segments`);
  const bytes = await readFile(path.join(folder, name));
  const middle = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 0x10, middle);
  await writeFile(path.join(folder, name), bytes);
  return name;
}

/** Gives a segment the version of a format that is yet to come; version and CRC keep their places. */
async function raiseFormat(folder: string): Promise<void> {
  const name = (await readdir(folder)).find((each) => each.endsWith('.log')) ?? '';
  const bytes = await readFile(path.join(folder, name));
  bytes.writeUInt16LE(2, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 252)), 252);
  await writeFile(path.join(folder, name), bytes);
}

async function hashOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(folder)).sort()) {
    hash.update(name).update(await readFile(path.join(folder, name)));
  }
  return hash.digest('hex');
}
