import { once } from 'node:events';
import http, { type RequestListener } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { VirtualTimeScheduler, asyncScheduler, type SchedulerLike } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Monitor } from '../../src/commands/config.ts';
import { listenCarbon } from '../../src/io/monitors/carbon.ts';
import { demoWave } from '../../src/io/monitors/host-monitor.ts';
import { IngestCounters } from '../../src/io/monitors/ingest-counters.ts';
import { Monitors, type MonitorsOptions } from '../../src/io/monitors/monitors.ts';
import type { Random } from '../../src/io/ports.ts';
import { KeepingIntake, KeepingLogger, realClock } from './world.ts';
import { rawServer } from '../http-client/servers.ts';

/** The first poll comes at once, and the others keep their interval. */
function steadyChance(): Random {
  const numbers = [0];
  return { next: () => numbers.pop() ?? 0.5, uuid: () => '' };
}

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function running(
  scheduler: SchedulerLike = asyncScheduler,
  carbon: MonitorsOptions['carbon'] = null,
) {
  const intake = new KeepingIntake();
  const logger = new KeepingLogger();
  const ledger = new IngestCounters({ clock: realClock, logger });
  const monitors = new Monitors(
    { version: '0.1.0', carbon },
    { clock: realClock, intake, ledger, logger, random: steadyChance(), scheduler },
  );
  closers.push(() => monitors.stop());
  return { intake, ledger, logger, monitors };
}

async function server(answer: RequestListener) {
  const asked: string[] = [];
  const target = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  closers.push(() => {
    target.closeAllConnections();
    target.close();
  });
  return { asked, url: `http://127.0.0.1:${(target.address() as AddressInfo).port}` };
}

function monitor(type: Monitor['type'], settings: object, others: Partial<Monitor> = {}): Monitor {
  const timing = { intervalMs: 400, timeoutMs: 400 };
  return { name: 'home', type, ...timing, settings: JSON.stringify(settings), ...others };
}

function httpMonitor(url: string, others: object = {}): Monitor {
  return monitor('http', { url, method: 'GET', expect_status: [], ...others });
}

describe('an http monitor', () => {
  it('observes that a target is up, its status and its latency', async () => {
    const { asked, url } = await server((_, response) => response.end('well'));
    const { intake, monitors } = running();
    monitors.apply([httpMonitor(`${url}/health`)]);
    await intake.until(3);
    expect(asked[0]).toBe('GET /health');
    expect(intake.offered[0]?.source).toBe('home');
    expect(intake.readings()).toEqual([
      ['home.up', 1],
      ['home.status', 200],
      ['home.latency_ms', expect.any(Number)],
    ]);
    expect(intake.readings()[2]?.[1]).toBeGreaterThan(0);
  });

  it('observes a target that is not well, with its status', async () => {
    const { url } = await server((_, response) => response.writeHead(503).end());
    const { intake, logger, monitors } = running();
    monitors.apply([httpMonitor(url)]);
    await intake.until(3);
    expect(intake.readings().slice(0, 2)).toEqual([
      ['home.up', 0],
      ['home.status', 503],
    ]);
    expect(monitors.counters.get('home')).toEqual({ polls: 1, failures: 1 });
    expect(logger.lines[0]).toMatchObject({
      level: 'warn',
      fields: { monitor: 'home', problem: 'answered 503' },
    });
  });

  it.each([
    ['lines that end in LF alone', 'HTTP/1.1 200 OK\n\nwell', 1],
    ['100 Continue first', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nwell', 1],
    ['a body that breaks off', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nwe', 0],
  ])('reads the status of an answer with %s', async (_title, bytes, up) => {
    const target = await rawServer((socket) => socket.end(bytes), { early: true });
    const { intake, monitors } = running();
    monitors.apply([httpMonitor(target.url.href)]);
    await intake.until(3);
    target.close();
    expect(intake.readings().slice(0, 2)).toEqual([
      ['home.up', up],
      ['home.status', 200],
    ]);
  });

  it('takes the statuses that it is told to expect for well', async () => {
    const { url } = await server((_, response) => response.writeHead(401).end());
    const { intake, monitors } = running();
    monitors.apply([httpMonitor(url, { expect_status: [401, 403] })]);
    await intake.until(3);
    expect(intake.readings()[0]).toEqual(['home.up', 1]);
  });

  it('observes a target that is not there, and says so once without its credentials', async () => {
    const { intake, logger, monitors } = running();
    monitors.apply([
      httpMonitor('http://me:canary@127.0.0.1:9/canary', {}),
      { ...httpMonitor('http://127.0.0.1:9/'), name: 'other' },
    ]);
    await intake.until(6);
    expect(intake.readings()).toContainEqual(['home.up', 0]);
    expect(intake.readings()).toContainEqual(['home.status', 0]);
    expect(intake.readings().map(([name]) => name)).not.toContain('home.latency_ms');
    const said = logger.lines.filter(({ fields }) => fields['monitor'] === 'home');
    expect(said.map(({ fields }) => fields['problem'])).toEqual(['127.0.0.1:9: ECONNREFUSED']);
    expect(JSON.stringify(logger.lines)).not.toContain('canary');
  });

  it('tries again within its interval when the first try fails', async () => {
    let tries = 0;
    const { url } = await server((request, response) => {
      tries++;
      if (tries === 1) request.socket.destroy();
      else response.end();
    });
    const { intake, monitors } = running();
    monitors.apply([{ ...httpMonitor(url), intervalMs: 60_000 }]);
    await intake.until(3);
    expect(intake.readings()[0]).toEqual(['home.up', 1]);
    expect(tries).toBe(2);
  });
});

/** Graphite's time. */
function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

describe('a graphite monitor', () => {
  const settings = (url: string) => ({ url, targets: ['servers.*.load'], from: '-5min' });

  it('observes the newest value of each series, once', async () => {
    const at = nowSeconds() - 220;
    const answers = [
      [
        {
          target: 'a.load',
          datapoints: [
            [1, at + 100],
            [2, at + 160],
            [null, at + 220],
          ],
        },
        { target: 'cpu;host=b;dc=x', datapoints: [[5, at + 160]] },
        { target: 'empty', datapoints: [[null, at + 160]] },
        { target: 'sumSeries(a.load,b.load)', datapoints: [[7, at + 160]] },
      ],
      [
        {
          target: 'a.load',
          datapoints: [
            [2, at + 160],
            [3, at + 220],
          ],
        },
        { target: 'cpu;host=b;dc=x', datapoints: [[5, at + 160]] },
      ],
    ];
    const { asked, url } = await server((_, response) => {
      response.end(JSON.stringify(answers.shift() ?? []));
    });
    const { intake, monitors } = running();
    monitors.apply([monitor('graphite', settings(`${url}/graphite/`))]);
    await intake.until(6);
    expect(asked[0]).toBe('GET /graphite/render?from=-5min&format=json&target=servers.*.load');
    expect(intake.readings().slice(0, 6)).toEqual([
      ['a.load', 2],
      ['cpu;dc=x;host=b', 5],
      ['sumSeries(a.load,b.load)', 7],
      ['home.up', 1],
      ['a.load', 3],
      ['home.up', 1],
    ]);
  });

  /** Answers every poll with a text in which NOW is the time of Graphite, in seconds. */
  async function answering(text: string, options: Partial<Monitor> = {}) {
    const { url } = await server((_, response) => {
      response.end(text.replaceAll('NOW', String(nowSeconds())));
    });
    const running_ = running();
    running_.monitors.apply([monitor('graphite', settings(url), options)]);
    return running_;
  }

  it.each<[string, string, [string, number][], Record<string, number>]>([
    [
      'an infinity, as Graphite writes it',
      '[{"target":"x.ratio","datapoints":[[1e9999,NOW]]},{"target":"x.load","datapoints":[[96,NOW]]}]',
      [['x.load', 96]],
      { 'not-a-number': 1 },
    ],
    [
      'minus infinity behind a value',
      '[{"target":"x.ratio","datapoints":[[7,NOW],[-1e9999,NOW]]},{"target":"x.load","datapoints":[[96,NOW]]}]',
      [
        ['x.ratio', 7],
        ['x.load', 96],
      ],
      { 'not-a-number': 1 },
    ],
    [
      'the words of Python for what has no size',
      '[{"target":"x.a","datapoints":[[NaN,NOW]]},{"target":"x.b","datapoints":[[-Infinity,NOW]]},{"target":"NaN","datapoints":[[96,NOW]]}]',
      [['NaN', 96]],
      { 'not-a-number': 2 },
    ],
    [
      'texts, switches and lists where a value belongs',
      '[{"target":"x.a","datapoints":[["1",NOW],[true,NOW],[[1],NOW],[{},NOW],[96,NOW]]}]',
      [['x.a', 96]],
      { 'bad-point': 4 },
    ],
    [
      'points without a time, and points that are none',
      '[{"target":"x.a","datapoints":[[1],[2,null],[3,"NOW"],[4,1e9999],5,null,[96,NOW]]}]',
      [['x.a', 96]],
      { 'bad-point': 6 },
    ],
    [
      'items that are no series beside one that is',
      '[null,5,{"target":7,"datapoints":[]},{"target":"y"},{"target":"z","datapoints":{}},{"target":"x.a","datapoints":[[96,NOW]]}]',
      [['x.a', 96]],
      { 'bad-point': 5 },
    ],
    [
      'names that nothing may have',
      `[{"target":"","datapoints":[[1,NOW]]},{"target":"a\\u0000b","datapoints":[[1,NOW]]},{"target":"${'n'.repeat(4_097)}","datapoints":[[1,NOW]]},{"target":"\\ud800","datapoints":[[1,NOW]]},{"target":"...","datapoints":[[1,NOW]]},{"target":"x.a","datapoints":[[96,NOW]]}]`,
      [['x.a', 96]],
      { 'bad-name': 5 },
    ],
    [
      'numbers at the ends of what a double holds',
      '[{"target":"x.a","datapoints":[[123456789012345678901234567890,NOW]]},{"target":"x.b","datapoints":[[-0,NOW]]},{"target":"x.c","datapoints":[[1e308,NOW]]}]',
      [
        ['x.a', 1.2345678901234568e29],
        ['x.b', -0],
        ['x.c', 1e308],
      ],
      {},
    ],
    [
      'a key twice, of which the last counts',
      '[{"target":"x.a","target":"x.b","datapoints":[[96,NOW]]}]',
      [['x.b', 96]],
      {},
    ],
    [
      'two series of one name',
      '[{"target":"x.web","datapoints":[[1,NOW]]},{"target":"x.web","datapoints":[[99,NOW]]}]',
      [['x.web', 1]],
      { 'duplicate-name': 1 },
    ],
    [
      'two series of one name, of which the first has no value',
      '[{"target":"x.web","datapoints":[[null,NOW]]},{"target":"x..web","datapoints":[[99,NOW]]}]',
      [['x.web', 99]],
      {},
    ],
    [
      'one series twice, because its targets overlap',
      '[{"target":"x.web","datapoints":[[1,NOW]]},{"target":"x.web","datapoints":[[1,NOW]]}]',
      [['x.web', 1]],
      {},
    ],
    [
      'a series that is called as what the monitor observes itself',
      '[{"target":"home.up","datapoints":[[0,NOW]]},{"target":"x.web","datapoints":[[1,NOW]]}]',
      [['x.web', 1]],
      { 'duplicate-name': 1 },
    ],
    [
      'empty path elements',
      '[{"target":"n2..a.b","datapoints":[[5,NOW]]},{"target":".n3.a.","datapoints":[[6,NOW]]}]',
      [
        ['n2.a.b', 5],
        ['n3.a', 6],
      ],
      {},
    ],
  ])(
    'that gets %s judges the rest, is up, and counts what it cannot judge',
    async (_story, text, readings, dropped) => {
      const { intake, ledger, monitors } = await answering(text);
      await intake.until(readings.length + 1);
      expect(intake.readings().slice(0, readings.length + 1)).toEqual([
        ...readings,
        ['home.up', 1],
      ]);
      const counted = Object.entries(ledger.dropped).filter(([, count]) => count > 0);
      expect(Object.fromEntries(counted)).toEqual(dropped);
      const [report] = monitors.reports();
      expect(report).toMatchObject({ name: 'home', problem: null });
      expect(
        Object.fromEntries(report?.dropped.map(({ count, reason }) => [reason, count]) ?? []),
      ).toEqual(dropped);
    },
  );

  it('survives an answer that is deep and one whose names are long, and shows little of them', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const long = 'n'.repeat(1_000_000);
    const text = `[{"target":"x.deep","datapoints":[[${deep},NOW],[1,NOW]]},{"target":${deep}},{"target":"${long}","datapoints":[[1,NOW]]}]`;
    const { intake, monitors } = await answering(text);
    await intake.until(2);
    expect(intake.readings().slice(0, 2)).toEqual([
      ['x.deep', 1],
      ['home.up', 1],
    ]);
    const samples = monitors.reports()[0]?.dropped.map(({ sample }) => sample) ?? [];
    expect(samples).toHaveLength(2);
    expect(samples.join('').length).toBeLessThan(1_000);
  });

  it('drops a name that is not UTF-8, which could be meant for another', async () => {
    const { url } = await server((_, response) => {
      const text = `[{"target":"gr\xf6sse","datapoints":[[1,${nowSeconds()}]]},{"target":"x","datapoints":[[2,${nowSeconds()}]]}]`;
      response.end(Buffer.from(text, 'latin1'));
    });
    const { intake, ledger, monitors } = running();
    monitors.apply([monitor('graphite', settings(url))]);
    await intake.until(2);
    expect(intake.readings().slice(0, 2)).toEqual([
      ['x', 2],
      ['home.up', 1],
    ]);
    expect(ledger.dropped['bad-point']).toBe(1);
  });

  it('says once that a name is not unique, and names the target, however often it polls', async () => {
    const text =
      '[{"target":"x.web","datapoints":[[1,NOW]]},{"target":"x.web","datapoints":[[99,NOW]]}]';
    const { intake, logger, monitors } = await answering(text, { intervalMs: 100, timeoutMs: 100 });
    while ((monitors.counters.get('home')?.polls ?? 0) < 4)
      await intake.until(intake.readings().length + 1);
    const said = logger.lines.filter(({ fields }) => fields['reason'] === 'duplicate-name');
    expect(said).toMatchObject([
      { level: 'warn', fields: { source: 'home', sample: 'x.web (judged: 1, not judged: 99)' } },
    ]);
  });

  it('counts a point that it cannot judge once, though Graphite gives it again', async () => {
    const at = nowSeconds();
    const text = `[{"target":"x.ratio","datapoints":[[1e9999,${at}]]},{"target":"x.web","datapoints":[[1,${at}]]},{"target":"x.web","datapoints":[[2,${at}]]}]`;
    const { intake, ledger, monitors } = await answering(text, { intervalMs: 100, timeoutMs: 100 });
    while ((monitors.counters.get('home')?.polls ?? 0) < 3)
      await intake.until(intake.readings().length + 1);
    expect(ledger.dropped).toMatchObject({ 'not-a-number': 1, 'duplicate-name': 1 });
  });

  it('does not take a point of an hour ago for a sign of life, and makes its series known', async () => {
    const { url } = await server((_, response) => {
      const at = nowSeconds();
      response.end(
        JSON.stringify([
          {
            target: 'dead',
            datapoints: [
              [5, at - 3_660],
              [5, at - 3_600],
              [null, at],
            ],
          },
          {
            target: 'daily',
            datapoints: [
              [6, at - 172_800],
              [7, at - 86_400],
            ],
          },
          { target: 'ahead', datapoints: [[8, at + 7_200]] },
        ]),
      );
    });
    const { intake, ledger, monitors } = running();
    monitors.apply([monitor('graphite', settings(url))]);
    await intake.until(3);
    expect(intake.readings().slice(0, 3)).toEqual([
      ['daily', 7],
      ['ahead', 8],
      ['home.up', 1],
    ]);
    expect(intake.offered[0]?.names).toContain('dead');
    expect(ledger.dropped.late).toBe(1);
  });

  it('learns that another monitor gives a series of the same name, and both are judged', async () => {
    const { url } = await server((_, response) => {
      response.end(`[{"target":"x.web","datapoints":[[1,${nowSeconds()}]]}]`);
    });
    const { intake, logger, monitors } = running();
    const timing = { intervalMs: 100, timeoutMs: 100 };
    monitors.apply([
      monitor('graphite', settings(url), { ...timing, name: 'a' }),
      monitor('graphite', settings(url), { ...timing, name: 'b' }),
    ]);
    const names = () => intake.readings().map(([name]) => name);
    while (names().filter((name) => name === 'x.web').length < 2 || !names().includes('b.up')) {
      await intake.until(intake.readings().length + 1);
    }
    const said = logger.lines.filter(({ message }) => message.startsWith('two monitors'));
    expect(said).toHaveLength(1);
    expect(said[0]?.fields).toMatchObject({ series: 'x.web' });
    expect(monitors.reports().filter(({ shared }) => shared !== null)).toHaveLength(1);
  });

  it('sends many targets as a form, which no server finds too long', async () => {
    let form = '';
    const { asked, url } = await server((request, response) => {
      request.setEncoding('utf8').on('data', (part: string) => (form += part));
      request.on('end', () => response.end('[]'));
    });
    const targets = Array.from({ length: 500 }, (_, i) => `servers.${i}.load`);
    const { intake, monitors } = running();
    monitors.apply([monitor('graphite', { ...settings(url), targets })]);
    await intake.until(1);
    expect(asked[0]).toBe('POST /render');
    expect(new URLSearchParams(form).getAll('target')).toEqual(targets);
  });

  it.each([
    ['an error', 500, '[]', 'answered 500'],
    ['a page', 200, '<html>', 'did not answer with a JSON list of series'],
    ['JSON of another shape', 200, '[{"target":1}]', 'did not answer with a JSON list of series'],
    ['a null among the series', 200, '[null]', 'did not answer with a JSON list of series'],
    ['a point that is none', 200, '[{"target":"a","datapoints":[5]}]', 'did not answer'],
  ])('that gets %s observes that Graphite is not up', async (_story, status, body, problem) => {
    const { url } = await server((_, response) => response.writeHead(status).end(body));
    const { intake, logger, monitors } = running();
    monitors.apply([monitor('graphite', settings(url))]);
    await intake.until(1);
    expect(intake.readings()[0]).toEqual(['home.up', 0]);
    expect(logger.lines[0]?.fields['problem']).toContain(problem);
  });
});

describe('a host monitor', () => {
  const names = ['host.load1', 'host.memory.used_percent', 'host.uptime_seconds'];

  it('samples this machine: load, memory, disk, uptime, and processors from the second time', async () => {
    const { intake, monitors } = running();
    monitors.apply([monitor('host', {}, { intervalMs: 100 })]);
    await intake.until(9);
    const [first, second] = [intake.offered[0], intake.offered[1]];
    expect(first?.names).toEqual([...names, 'host.disk.used_percent']);
    expect(second?.names).toEqual([...names, 'host.cpu.used_percent', 'host.disk.used_percent']);
    for (const [name, value] of intake.readings()) {
      expect(value).toBeGreaterThanOrEqual(0);
      if (name.endsWith('percent')) expect(value).toBeLessThanOrEqual(100);
    }
  });

  it('sends its samples as carbon lines when there is a listener to send them to', async () => {
    const logger = new KeepingLogger();
    const intake = new KeepingIntake();
    const ledger = new IngestCounters({ clock: realClock, logger });
    const modules = { clock: realClock, intake, ledger, logger };
    const started = await listenCarbon({ host: '127.0.0.1', port: 0 }, modules);
    if (!started.ok) throw new Error(started.message);
    closers.push(() => started.listener.stop());
    const port = Number(started.listener.address.split(':')[1]);
    const { intake: direct, monitors } = running(asyncScheduler, { host: '127.0.0.1', port });
    monitors.apply([monitor('host', { demo: true })]);
    await intake.until(5);
    expect(intake.offered[0]?.source).toBe('carbon');
    expect(intake.readings().map(([name]) => name)).toEqual([
      ...names,
      'host.disk.used_percent',
      'demo.wave',
    ]);
    expect(direct.offered).toEqual([]);
  });

  it('finds a listener again that was away', async () => {
    const lines: string[] = [];
    const listener = net.createServer((socket) => {
      socket.setEncoding('utf8').once('data', (part: string) => {
        lines.push(part);
        socket.destroy();
      });
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    closers.push(() => listener.close());
    const { port } = listener.address() as AddressInfo;
    const { monitors } = running(asyncScheduler, { host: '127.0.0.1', port });
    monitors.apply([monitor('host', {}, { intervalMs: 100 })]);
    await once(listener, 'connection');
    await once(listener, 'connection');
    expect(lines[0]).toMatch(/^host\.load1 [\d.]+ \d{10}\n/);
  });

  it('has a demo wave that rises for twenty seconds and falls for twenty', () => {
    expect([0, 10, 20, 30, 40, 50].map((second) => demoWave(second * 1_000))).toEqual([
      0, 50, 100, 50, 0, 50,
    ]);
  });
});

describe('a new configuration', () => {
  it('restarts the monitors that changed and leaves the others alone', () => {
    const scheduler = new VirtualTimeScheduler();
    const { monitors } = running(scheduler);
    const kept = { ...httpMonitor('http://127.0.0.1:9/'), name: 'kept' };
    const changed = { ...httpMonitor('http://127.0.0.1:9/'), name: 'changed' };
    const removed = { ...httpMonitor('http://127.0.0.1:9/'), name: 'removed' };
    monitors.apply([kept, changed, removed]);
    const before = new Map(monitors.counters);
    monitors.apply([{ ...kept }, { ...changed, intervalMs: 500 }]);
    expect([...monitors.counters.keys()].sort()).toEqual(['changed', 'kept']);
    expect(monitors.counters.get('kept')).toBe(before.get('kept'));
    expect(monitors.counters.get('changed')).not.toBe(before.get('changed'));
  });

  it('without monitors stops all, and aborts what they wait for', async () => {
    const { asked, url } = await server(() => {});
    const { intake, monitors } = running();
    monitors.apply([httpMonitor(url)]);
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    monitors.apply([]);
    monitors.stop();
    expect(monitors.counters.size).toBe(0);
    expect(intake.offered).toEqual([]);
  });

  it('with a monitor that this build cannot read says so, and runs the others', async () => {
    const { url } = await server((_, response) => response.end());
    const { intake, logger, monitors } = running();
    monitors.apply([monitor('http', { nothing: 1 }, { name: 'odd' }), httpMonitor(url)]);
    await intake.until(3);
    expect(intake.readings()[0]).toEqual(['home.up', 1]);
    expect(logger.lines[0]).toMatchObject({ level: 'error', fields: { monitor: 'odd' } });
  });
});
