import { once } from 'node:events';
import http, { type RequestListener } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { VirtualTimeScheduler, asyncScheduler, type SchedulerLike } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Monitor } from '../../src/commands/config.ts';
import { listenCarbon } from '../../src/io/monitors/carbon.ts';
import { demoWave } from '../../src/io/monitors/host-monitor.ts';
import { IntakeLedger } from '../../src/io/monitors/intake-ledger.ts';
import { Monitors, type MonitorsOptions } from '../../src/io/monitors/monitors.ts';
import type { Random } from '../../src/io/ports.ts';
import { KeepingIntake, KeepingLogger, realClock } from './world.ts';

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
  const ledger = new IntakeLedger({ clock: realClock, logger });
  const monitors = new Monitors(
    { version: '0.1.0', carbon },
    { clock: realClock, intake, ledger, logger, random: steadyChance(), scheduler },
  );
  closers.push(() => monitors.stop());
  return { intake, logger, monitors };
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
    const ledger = new IntakeLedger({ clock: realClock, logger });
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
    await monitors.stop();
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
