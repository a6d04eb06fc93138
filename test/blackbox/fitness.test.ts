/**
 * Real members of which one leads and cannot work: its way out is cut, its descriptors are gone, its disk
 * is slow. Another one takes over, and people are notified.
 */

import { spawn } from 'node:child_process';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  command,
  configFile,
  has,
  members,
  Receiver,
  scratch,
  start,
  together,
  until,
  type Daemon,
} from './program.ts';

/** Each member goes out through a proxy of its own, which is the receiver that notes what came by it. */
const CONFIG = `
route: { receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s }
receivers:
  - name: team
    webhook_configs:
      - url: http://receiver.example/hook
        http_config: { proxy_from_environment: true }
`;
const PATIENCE_MS = 120_000;
const PUSH_EVERY_MS = 250;

interface Seat {
  readonly daemon: Daemon;
  readonly name: string;
  readonly receiver: Receiver;
}

async function three(): Promise<readonly Seat[]> {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const seats: Seat[] = [];
  for (const name of ['n1', 'n2', 'n3']) {
    const receiver = await Receiver.listen();
    const [first] = seats;
    const flags = first === undefined ? [] : ['--join', first.daemon.addresses.peer];
    const env = { http_proxy: receiver.url, HTTP_PROXY: receiver.url, no_proxy: '', NO_PROXY: '' };
    const daemon = await start({ config, dataDir: path.join(folder, name), name, flags, env });
    seats.push({ daemon, name, receiver });
  }
  await together(seats.map(({ daemon }) => daemon));
  return seats;
}

async function leaderOf(seats: readonly Seat[]): Promise<Seat | undefined> {
  for (const { daemon } of seats) {
    const leader = (await members(daemon)).find(({ role }) => role === 'leader');
    if (leader !== undefined) return seats.find(({ name }) => name === leader.name);
  }
  return undefined;
}

/** The leader first. */
async function ranked(seats: readonly Seat[]): Promise<readonly [Seat, Seat, Seat]> {
  let leader: Seat | undefined;
  await until(async () => (leader = await leaderOf(seats)) !== undefined);
  const [a, b] = seats.filter((seat) => seat !== leader);
  if (leader === undefined || a === undefined || b === undefined) throw new Error('three');
  return [leader, a, b];
}

/** Pushes alerts through a member as long as the test lasts, or until it is told to stop. */
function pushing({ daemon }: Seat): () => void {
  let count = 0;
  let isOver = false;
  const push = async (): Promise<void> => {
    while (!isOver) {
      const alertname = `A${count++}`;
      await daemon.post('/api/v2/alerts', [{ labels: { alertname } }]).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, PUSH_EVERY_MS));
    }
  };
  void push();
  const stop = (): void => void (isOver = true);
  onTestFinished(stop);
  return stop;
}

async function metric({ daemon }: Seat, line: string): Promise<number> {
  const text = await (await fetch(daemon.url('/metrics'))).text();
  return Number(
    text
      .split('\n')
      .find((each) => each.startsWith(line))
      ?.split(' ')
      .at(-1) ?? 'NaN',
  );
}

test(
  'a leader whose way out is cut gives its place to one that can send',
  async () => {
    const seats = await three();
    const [leader, ...others] = await ranked(seats);
    const stop = pushing(others[0]);
    await until(() => leader.receiver.pages.length > 3);
    expect(others.flatMap(({ receiver }) => receiver.pages)).toEqual([]);

    const cutAtMs = performance.now();
    await leader.receiver.close();
    await until(() => others.some(({ receiver }) => receiver.pages.length > 0));
    const flowingMs = performance.now() - cutAtMs;

    const successor = await leaderOf(seats);
    expect(successor?.name).not.toBe(leader.name);
    expect(successor?.receiver.pages.length).toBeGreaterThan(0);
    expect(await metric(leader, 'tocsin_leadership_transfers_total{reason="receivers"}')).toBe(1);
    console.log(`way out cut: notifications flow again after ${Math.round(flowingMs)} ms`);

    // Everybody hears of it, and sees it: in a moment, since members say it every five seconds.
    await until(async () => {
      const seen = `tocsin_member_unreachable_integrations{member="${leader.name}"}`;
      return (await metric(others[0], seen)) === 1 || (await metric(others[1], seen)) === 1;
    });
    expect(await (await fetch(others[0].daemon.url('/'))).text()).toContain('Fitness');
    stop();
    await until(async () => (await metric(others[0], 'tocsin_notifications{status="owed"}')) === 0);
  },
  PATIENCE_MS,
);

test(
  'when nobody can reach the receiver, leadership stays where it is',
  async () => {
    const seats = await three();
    const [leader, ...others] = await ranked(seats);
    pushing(others[0]);
    await until(() => leader.receiver.pages.length > 3);

    await Promise.all(seats.map(({ receiver }) => receiver.close()));
    const unreachable = (seat: Seat): Promise<number> =>
      metric(leader, `tocsin_member_unreachable_integrations{member="${seat.name}"}`);
    // The others have been asked, and have found out the same.
    await until(
      async () => (await unreachable(others[0])) === 1 && (await unreachable(others[1])) === 1,
    );

    expect((await leaderOf(seats))?.name).toBe(leader.name);
    expect(await metric(leader, 'tocsin_leadership_transfers_total{reason="receivers"}')).toBe(0);
  },
  PATIENCE_MS,
);

const prlimit = (await has('prlimit')) ? '' : ' (skipped: there is no prlimit here)';
test.skipIf(prlimit !== '')(
  `a leader without file descriptors gives its place to one that has some${prlimit}`,
  async () => {
    const seats = await three();
    const [leader, ...others] = await ranked(seats);
    pushing(others[0]);
    await until(() => leader.receiver.pages.length > 3);

    // Fewer than are open already: nothing more can be opened.
    await command('prlimit', '--pid', String(leader.daemon.process.pid), '--nofile=20:20');
    const cutAtMs = performance.now();
    await until(() => others.some(({ receiver }) => receiver.pages.length > 0));
    console.log(
      `no descriptors: notifications flow again after ${Math.round(performance.now() - cutAtMs)} ms`,
    );

    expect((await leaderOf(others))?.name).not.toBe(leader.name);
  },
  PATIENCE_MS,
);

const strace = await whyNoStrace();
test.skipIf(strace !== '')(
  `a leader whose syncs take half a second gives its place to one whose disk is quick${strace}`,
  async () => {
    const seats = await three();
    const [leader, ...others] = await ranked(seats);
    pushing(others[0]);
    await until(() => leader.receiver.pages.length > 3);

    slowSyncs(leader, 500);
    await until(async () => (await leaderOf(others))?.name !== leader.name);
    await until(() => others.some(({ receiver }) => receiver.pages.length > 3));

    const reasons = ['disk', 'event loop'].map((reason) =>
      metric(leader, `tocsin_leadership_transfers_total{reason="${reason}"}`),
    );
    // A traced process is also late.
    expect((await Promise.all(reasons)).reduce((a, b) => a + b)).toBe(1);
  },
  PATIENCE_MS,
);

function slowSyncs({ daemon }: Seat, ms: number): void {
  const delay = `inject=fdatasync:delay_exit=${ms * 1_000}`;
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', delay];
  const child = spawn('strace', [...args, '-p', String(daemon.process.pid)], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
}

/** Why syncs cannot be slowed down here; empty when they can. */
async function whyNoStrace(): Promise<string> {
  if (!(await has('strace'))) return ' (skipped: there is no strace here)';
  const sleeping = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    const args = ['-qq', '-o', '/dev/null', '-e', 'trace=none', '-p', String(sleeping.pid)];
    const { code, stderr } = await command('timeout', '0.5', 'strace', ...args);
    return code === 124 ? '' : ` (skipped: strace may not attach here: ${stderr.trim()})`;
  } finally {
    sleeping.kill('SIGKILL');
  }
}
