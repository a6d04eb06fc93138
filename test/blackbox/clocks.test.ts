/** Wall clocks of real processes that leap, with libfaketime between them and the kernel. */

import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  command,
  configFile,
  has,
  Receiver,
  scratch,
  start,
  together,
  until,
  type Daemon,
} from './program.ts';

const CONFIG = (url: string): string => `
route: {receiver: team, group_by: [alertname], group_wait: 100ms, group_interval: 1s}
receivers: [{name: team, webhook_configs: [{url: '${url}'}]}]
checks: [{name: Hi, series: 'p.*', above: 90, for: 4s}]
`;
const HOUR_S = 3_600;
const PATIENCE_MS = 120_000;

const isThere = await has('faketime');

/** The clock of one process: the real one, and so many seconds. */
class Leaping {
  readonly #file: string;

  constructor(folder: string, name: string) {
    this.#file = path.join(folder, `${name}.offset`);
    this.leap(0);
  }

  leap(seconds: number): void {
    writeFileSync(this.#file, `${seconds < 0 ? '' : '+'}${seconds}`);
  }

  async env(): Promise<Record<string, string>> {
    return {
      LD_PRELOAD: await library(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }
}

/** Beside the program, in the folder of whatever machine this is. */
async function library(): Promise<string> {
  const { stdout } = await command('sh', '-c', 'command -v faketime');
  const lib = path.join(path.dirname(stdout.trim()), '../lib');
  const found = readdirSync(lib, { recursive: true, encoding: 'utf8' }).find((file) =>
    file.endsWith('faketime/libfaketimeMT.so.1'),
  );
  if (found === undefined) throw new Error(`no libfaketime under ${lib}`);
  return path.join(lib, found);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** By the clock of this process, which is right. */
function fromNow(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

async function push(daemon: Daemon, alertname: string, forMs: number): Promise<void> {
  const alert = { labels: { alertname }, startsAt: fromNow(0), endsAt: fromNow(forMs) };
  expect((await daemon.post('/api/v2/alerts', [alert])).status).toBe(200);
}

async function silence(daemon: Daemon, alertname: string, forMs: number): Promise<void> {
  const answer = await daemon.post('/api/v2/silences', {
    matchers: [{ name: 'alertname', value: alertname, isRegex: false }],
    startsAt: fromNow(0),
    endsAt: fromNow(forMs),
    createdBy: 'test',
    comment: '',
  });
  expect(answer.status).toBe(200);
}

async function listed(daemon: Daemon): Promise<readonly string[]> {
  const alerts = (await daemon.get('/api/v2/alerts')) as readonly {
    labels: { alertname: string };
    status: { state: string };
  }[];
  return alerts.map(({ labels, status }) => `${labels.alertname} ${status.state}`).sort();
}

function namesOf({ pages }: Receiver): readonly string[] {
  return pages.flatMap(({ alerts }) =>
    alerts.map(({ labels, status }) => `${labels['alertname']} ${status}`),
  );
}

async function nowOf(daemon: Daemon): Promise<number> {
  const { now } = (await daemon.get('/tocsin/v1/explain?alert=alertname%3D%22x%22')) as {
    now: string;
  };
  return Date.parse(now);
}

async function alone(): Promise<{ clock: Leaping; daemon: Daemon; receiver: Receiver }> {
  const folder = await scratch();
  const receiver = await Receiver.listen();
  const config = await configFile(folder, CONFIG(receiver.url));
  const clock = new Leaping(folder, 'n1');
  const daemon = await start({ config, dataDir: `${folder}/data`, env: await clock.env() });
  return { clock, daemon, receiver };
}

describe.skipIf(!isThere)('without libfaketime no clock can leap here', () => {
  test.for([HOUR_S, -HOUR_S, 30, -30])(
    'a node alone, whose clock leaps by %i s for two seconds, notifies, mutes and lists the same',
    { timeout: PATIENCE_MS },
    async (seconds) => {
      const { clock, daemon, receiver } = await alone();
      await push(daemon, 'Before', 60_000);
      await daemon.carbon('p.a 95\n');
      await sleep(500);
      clock.leap(seconds);
      await silence(daemon, 'Muted', 60_000);
      await push(daemon, 'Meanwhile', 60_000);
      await push(daemon, 'Muted', 60_000);
      await sleep(2_000);
      clock.leap(0);
      expect(namesOf(receiver)).toEqual(['Before firing', 'Meanwhile firing']);
      expect(await listed(daemon)).toEqual([
        'Before active',
        'Meanwhile active',
        'Muted suppressed',
      ]);
      await until(() => receiver.pages.length === 3);
      expect(namesOf(receiver).at(-1)).toBe('Hi firing');
      expect(Math.abs((await nowOf(daemon)) - Date.now())).toBeLessThan(1_000);
    },
  );

  test(
    'a node alone, whose clock was set for good, believes it when somebody says so, and nothing becomes due',
    { timeout: PATIENCE_MS },
    async () => {
      const { clock, daemon, receiver } = await alone();
      await push(daemon, 'Before', 600_000);
      await silence(daemon, 'Muted', 600_000);
      await push(daemon, 'Muted', 600_000);
      await until(() => receiver.pages.length === 1);
      clock.leap(HOUR_S);
      await sleep(1_000);
      expect(Math.abs((await nowOf(daemon)) - Date.now())).toBeLessThan(1_000);
      daemon.process.kill('SIGUSR2');
      await until(async () => (await nowOf(daemon)) - Date.now() > (HOUR_S - 10) * 1_000);
      await sleep(2_000);
      expect(await listed(daemon)).toEqual(['Before active', 'Muted suppressed']);
      expect(namesOf(receiver)).toEqual(['Before firing']);
      expect(daemon.log.join('\n')).toContain('log time set forward');
    },
  );

  test.for([HOUR_S, -HOUR_S])(
    'a leader of three, whose clock leaps by %i s, gives leadership up and says why; nobody else notices',
    { timeout: PATIENCE_MS },
    async (seconds) => {
      const folder = await scratch();
      const receiver = await Receiver.listen();
      const config = await configFile(folder, CONFIG(receiver.url));
      const clock = new Leaping(folder, 'n1');
      const options = (name: string) => ({ config, dataDir: `${folder}/${name}`, name });
      const n1 = await start({ ...options('n1'), env: await clock.env() });
      const joining = ['--join', n1.addresses.peer];
      const n2 = await start({ ...options('n2'), flags: joining });
      const n3 = await start({ ...options('n3'), flags: joining });
      await together([n1, n2, n3]);
      expect((await fetch(n1.url('/-/leader'))).status).toBe(200);

      clock.leap(seconds);
      await push(n1, 'Meanwhile', 60_000);
      await until(() => n1.log.join('').includes('clock differs from those of most members'));
      await until(async () => (await (await fetch(n1.url('/-/leader'))).text()).trim() !== 'n1');
      await silence(n1, 'Muted', 60_000);
      await push(n1, 'Muted', 60_000);
      await until(() => namesOf(receiver).includes('Meanwhile firing'));
      await sleep(1_000);

      for (const daemon of [n1, n2, n3]) {
        await until(async () => (await listed(daemon)).length === 2);
        expect(await listed(daemon)).toEqual(['Meanwhile active', 'Muted suppressed']);
        expect(Math.abs((await nowOf(daemon)) - Date.now())).toBeLessThan(1_000);
      }
      expect(namesOf(receiver)).toEqual(['Meanwhile firing']);
    },
  );
});
