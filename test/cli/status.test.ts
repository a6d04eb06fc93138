import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { status, statusCommand, type StatusArgs } from '../../src/io/cli/status.ts';
import { Captured } from './recording.ts';

const NODE = {
  name: 'node-1',
  nodeId: 'a1',
  clusterId: 'c1',
  role: 'leader',
  term: 3,
  leader: 'node-1',
  firstIndex: 1,
  lastIndex: 42,
  commitIndex: 42,
  appliedIndex: 41,
  snapshotIndex: 40,
  snapshotRoot: 'ab',
  ready: true,
  startedAt: '2026-01-05T00:00:00.000Z',
  appliedAt: '2026-01-05T00:01:00.000Z',
  configIndex: 2,
  logBytes: 1_234_567,
  members: [memberRow('node-1', 'a1', '127.0.0.1:9093')],
  tables: { series: 7, alerts: 1, groups: 1, silences: 0, notifications: 2 },
};

const TITLES =
  'NAME ROLE LEADER READY TERM COMMITTED APPLIED LAG SNAPSHOT DISK CLOCK SERIES ALERTS SILENCES'.split(
    ' ',
  );

function memberRow(name: string, nodeId: string, httpAddress: string, lag: number | null = null) {
  return { name, nodeId, httpAddress, lag, clockOffsetMs: lag ?? 0 };
}

/** A node that answers as it is told; gives back its URL. */
async function node(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answering =
  (body: unknown, prefix = ''): RequestListener =>
  (request, response) => {
    response.statusCode = request.url === `${prefix}/tocsin/v1/status` ? 200 : 404;
    response.end(JSON.stringify(body));
  };

async function asked(url: string, args: Partial<StatusArgs> = {}) {
  const [stdout, stderr] = [new Captured(), new Captured()];
  const code = await status(
    { url, timeoutMs: 5_000, format: 'table', ...args },
    { stdout, stderr },
  );
  return { code, lines: stdout.lines, talk: stderr.text };
}

describe('status', () => {
  test('prints a node as one row of a table', async () => {
    const { code, lines, talk } = await asked(await node(answering(NODE)));

    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      TITLES,
      'node-1|leader|node-1|yes|3|42|41|-|40|1.2 MB|0 ms|7|1|0'.split('|'),
    ]);
    expect(talk).toBe('');
    expect(code).toBe(0);
  });

  test('hands on all that the node said as JSON, from under a prefix too', async () => {
    const url = await node(answering({ ...NODE, news: 1 }, '/alerts'));

    const { code, lines } = await asked(`${url}/alerts/`, { format: 'json' });

    expect(JSON.parse(lines.join('\n'))).toEqual({ ...NODE, news: 1 });
    expect(code).toBe(0);
  });

  test('prints a row for each member: those that answer, and those that do not', async () => {
    const follower = { ...NODE, name: 'node-2', nodeId: 'a2', role: 'follower', appliedIndex: 30 };
    const second = await node(answering({ ...follower, members: [] }));
    const members = [
      memberRow('node-1', 'a1', '127.0.0.1:9093'),
      memberRow('node-2', 'a2', new URL(second).host, 12),
      memberRow('node-3', 'a3', '127.0.0.1:1', 42),
    ];

    const { code, lines } = await asked(await node(answering({ ...NODE, members })));

    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      TITLES,
      'node-1|leader|node-1|yes|3|42|41|-|40|1.2 MB|0 ms|7|1|0'.split('|'),
      'node-2|follower|node-1|yes|3|42|30|12|40|1.2 MB|+12 ms|7|1|0'.split('|'),
      'node-3|no answer|-|-|-|-|-|42|-|-|+42 ms|-|-|-'.split('|'),
    ]);
    expect(code).toBe(0);
  });

  test('shows a node without a leader, and ends with 4', async () => {
    const alone = { ...NODE, role: 'candidate', leader: null, ready: false };

    const { code, lines, talk } = await asked(await node(answering(alone)));

    expect(lines[1]).toMatch(/^node-1 {2}candidate {2}- +no /);
    expect(talk).toBe('error: node-1 knows no leader\n');
    expect(code).toBe(4);
  });

  test('ends with 4 and the cause when nobody listens', async () => {
    const { code, lines, talk } = await asked('http://127.0.0.1:1');

    expect(talk).toMatch(
      /^error: http:\/\/127\.0\.0\.1:1\/tocsin\/v1\/status gave no answer: .*ECONNREFUSED/,
    );
    expect(lines).toEqual([]);
    expect(code).toBe(4);
  });

  test('ends with 4 when the answer does not come', async () => {
    const { code, talk } = await asked(await node(() => undefined), { timeoutMs: 50 });

    expect(talk).toContain('gave no answer: nothing within 50 ms');
    expect(code).toBe(4);
  });

  test.each<readonly [string, RequestListener, string]>([
    ['an error', (_, response) => void response.writeHead(503).end(), 'answered 503'],
    ['a web page', (_, response) => void response.end('<html>'), 'what it answered is not JSON'],
    ['other JSON', (_, response) => void response.end('{"status":"ok"}'), 'is not a tocsin'],
  ])('ends with 4 when the answer is %s', async (_, answer, sentence) => {
    const { code, talk } = await asked(await node(answer));

    expect(talk).toContain(sentence);
    expect(code).toBe(4);
  });

  test('a node cannot command the terminal', async () => {
    const { lines } = await asked(await node(answering({ ...NODE, name: '\u001b[2J' })));

    expect(lines.join('')).not.toContain('\u001b');
  });

  test.each([
    [['--url', 'ftp://x'], 'write for example http://127.0.0.1:9093'],
    [['--timeout', '0s'], 'write for example 5s'],
    [['-o', 'jsonl'], 'Allowed choices are table, json'],
  ])('refuses %j as wrong usage', async (args, sentence) => {
    const io = { stdout: new Captured(), stderr: new Captured(), finish: () => undefined };
    const command = statusCommand(io)
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });

    await expect(command.parseAsync(args, { from: 'user' })).rejects.toThrow(sentence);
  });
});
