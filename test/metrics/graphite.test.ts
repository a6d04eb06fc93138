/** The metrics of a node in Graphite: what they are called there, and what carbon may do to us. */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { graphiteLines, pathNode } from '../../src/io/metrics/graphite-lines.ts';
import { startGraphitePush } from '../../src/io/metrics/graphite-push.ts';
import type { GraphitePush, GraphitePushOptions } from '../../src/io/metrics/graphite-push.ts';
import { createMetrics } from '../../src/io/metrics/metrics.ts';
import type { Clock } from '../../src/io/ports.ts';
import { KeepingLogger, StandingClock } from '../monitors/world.ts';
import { InstantNode } from '../support/instant-node.ts';
import { Carbon, hasCarbon } from './carbon.ts';
import { until } from './until.ts';

/** When the clock of a story stands at its begin: a full ten seconds. */
const START_SECONDS = new StandingClock().now() / 1_000;

/** The metrics of a node that has just begun. */
function freshMetrics(clock: Clock) {
  const metrics = createMetrics({
    version: '0.1.0',
    revision: 'abc',
    integrations: ['webhook'],
    dropReasons: ['queue-full', 'refused'],
    limits: ['items'],
    connectionReasons: { refused: ['certificate'], closed: ['room'] },
  });
  onTestFinished(() => metrics.close());
  metrics.watch(new InstantNode(clock));
  return metrics;
}

describe('the names of metrics in Graphite', () => {
  it.each([
    ['tocsin_ready 1', 'a.ready 1'],
    ['tocsin_raft_role{role="leader"} 1', 'a.raft_role.leader 1'],
    ['tocsin_x_total{b="2",a="1"} 0.5', 'a.x_total.1.2 0.5'],
    ['tocsin_x{reason="it, \\"so\\" to say} 1"} 3', 'a.x.it____so___to_say__1 3'],
    ['tocsin_x{reason=""} 3', 'a.x._ 3'],
    ['tocsin_append_seconds_bucket{le="0.005"} 7', 'a.append_seconds_bucket.0_005 7'],
    ['tocsin_append_seconds_bucket{le="+Inf"} 7', 'a.append_seconds_bucket._Inf 7'],
    ['tocsin_append_seconds_sum 1.5e-7', 'a.append_seconds_sum 1.5e-7'],
    ['other_metric 1', 'a.other_metric 1'],
  ])('%s is %s', (figure, line) => {
    expect(graphiteLines(figure, 'a', 5)).toBe(`${line} 5\n`);
  });

  it.each(['# HELP a b', '', 'tocsin_build_info{version="1"} 1', 'tocsin_x Nan', 'tocsin_x +Inf'])(
    '%j is none',
    (figure) => expect(graphiteLines(figure, 'a', 5)).toBe(''),
  );

  it('a host name is one node', () => {
    expect(pathNode('web-1.example.com')).toBe('web-1_example_com');
  });

  it('each figure of a real node has a path of its own that Graphite can take', async () => {
    const text = await freshMetrics(new StandingClock()).text();
    const lines = graphiteLines(text, 'tocsin.c.n', START_SECONDS).trimEnd().split('\n');
    const figures = text.split('\n').filter((line) => /^(?!#|\w+_info)./.test(line));
    expect(lines).toHaveLength(figures.length);
    for (const line of lines) expect(line).toMatch(/^tocsin\.c\.n(?:\.[\w-]+)+ \d\S* 1700000000$/);
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(lines.length);
  });
});

describe('pushing to carbon', () => {
  it('sends everything every ten seconds, at full tens of seconds', async () => {
    const { clock, listener, nextPush } = await pushing({ startMs: 3_000 });
    clock.pass(6_999);
    expect(listener.connections).toBe(0);
    await nextPush(1);
    await nextPush(10_000);
    expect(listener.received).toEqual([
      `status.prod.web-1_example.ready 1 ${START_SECONDS + 10}\n`,
      `status.prod.web-1_example.ready 1 ${START_SECONDS + 20}\n`,
    ]);
  });

  it('a carbon that was away gets what it has missed, and it is said once', async () => {
    const { logger, listener, nextPush } = await pushing();
    await listener.close();
    for (let push = 1; push <= 3; push++) await nextPush();
    await listener.listen();
    await nextPush();
    expect(timesIn(listener)).toEqual([10, 20, 30, 40]);
    expect(logger.lines).toMatchObject([
      {
        level: 'warn',
        message: 'graphite away',
        fields: { error: expect.stringContaining('ECONNREFUSED') as string },
      },
      { level: 'info', message: 'graphite back', fields: { awayMs: 30_000, pushesDropped: 0 } },
    ]);
    await nextPush();
    expect(timesIn(listener)).toEqual([10, 20, 30, 40, 50]);
  });

  it('when it is away for too long the oldest pushes are dropped, and counted', async () => {
    const pushBytes = `status.prod.web-1_example.ready 1 ${START_SECONDS}\n`.length;
    const { logger, listener, nextPush } = await pushing({ waitingBytesMax: pushBytes * 2 });
    await listener.close();
    for (let push = 1; push <= 4; push++) await nextPush();
    await listener.listen();
    await nextPush();
    expect(timesIn(listener)).toEqual([40, 50]);
    expect(logger.lines[1]?.fields).toMatchObject({ pushesDropped: 3 });
  });

  it('a carbon that came back is not flooded: what waits comes in several deliveries', async () => {
    const text = `tocsin_x{a="${'b'.repeat(40_000)}"} 1\n`;
    const { listener, nextPush } = await pushing({ text });
    await listener.close();
    await nextPush();
    await listener.listen();
    await nextPush();
    expect(timesIn(listener)).toEqual([10]);
    await nextPush();
    expect(timesIn(listener)).toEqual([10, 20]);
  });

  it('a carbon that takes the connection and never reads to its end is given up, and nothing is lost', async () => {
    const { clock, logger, listener, nextPush } = await pushing();
    listener.isDeaf = true;
    clock.pass(10_000);
    await until(() => listener.connections === 1);
    clock.pass(5_000);
    await until(() => logger.lines.length === 1);
    expect(logger.lines[0]?.fields['error']).toBe('carbon has not read everything within 5 s');
    listener.isDeaf = false;
    await nextPush(5_000);
    expect(timesIn(listener)).toEqual([10, 20]);
  });

  it('a carbon that resets the connection gets the push again', async () => {
    const { logger, listener, nextPush } = await pushing();
    listener.isRude = true;
    await nextPush();
    expect(logger.lines[0]?.message).toBe('graphite away');
    listener.isRude = false;
    await nextPush();
    expect(timesIn(listener)).toEqual([10, 20]);
  });

  it('metrics that cannot be read are not the end of it', async () => {
    const { logger, listener, metrics, nextPush } = await pushing();
    metrics.fault = new Error('a collector is broken');
    await nextPush();
    expect(logger.lines[0]?.fields['error']).toBe('a collector is broken');
    metrics.fault = null;
    await nextPush();
    expect(timesIn(listener)).toEqual([20]);
  });

  it('once closed it sends nothing, finishes nothing and complains of nothing', async () => {
    const { clock, logger, listener, push } = await pushing();
    listener.isDeaf = true;
    clock.pass(10_000);
    await until(() => listener.connections === 1);
    push.close();
    // Also the limit of the delivery that was under way.
    await until(() => clock.waiting === 0);
    expect(logger.lines).toEqual([]);
  });

  it.each(['', 'a..b', 'a b', '.a', 'a/b'])('refuses the prefix %j', (prefix) => {
    const clock = new StandingClock();
    const options = { host: '127.0.0.1', port: 1, prefix, cluster: 'c', node: 'n' };
    const modules = { clock, logger: new KeepingLogger(), metrics: new Figures('') };
    expect(startGraphitePush(options, modules)).toMatchObject({
      ok: false,
      message: expect.stringContaining(`--graphite-prefix "${prefix}"`) as string,
    });
  });

  it.skipIf(!hasCarbon)('a real carbon stores every figure of a real node', async () => {
    const carbon = await Carbon.start();
    const startMs = Math.floor(Date.now() / 10_000) * 10_000 - 30_000;
    const clock = new StandingClock();
    clock.pass(startMs - clock.now());
    const logger = new KeepingLogger();
    const metrics = freshMetrics(clock);
    const { host, port } = carbon;
    const options = { host, port, prefix: 'tocsin', cluster: 'prod', node: 'web-1.example' };
    const push = started(startGraphitePush(options, { clock, logger, metrics }));
    onTestFinished(() => push.close());
    clock.pass(10_000);
    const path = 'tocsin.prod.web-1_example.raft_role.leader';
    await until(async () => (await carbon.valueAt(path, startMs / 1_000 + 10)) === 1);
    const figures = graphiteLines(await metrics.text(), 'r', 1)
      .trimEnd()
      .split('\n');
    await until(async () => (await carbon.paths()).length === figures.length);
    expect(logger.lines).toEqual([]);
  });
});

/** Figures that a story may spoil. */
class Figures {
  fault: Error | null = null;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  text(): Promise<string> {
    return this.fault === null ? Promise.resolve(this.#text) : Promise.reject(this.fault);
  }
}

/** Counts the tasks that are set, apart from those that put an end to a delivery. */
class PushClock extends StandingClock {
  pushesPlanned = 0;

  override after(delayMs: number, task: () => void): () => void {
    if (delayMs !== 5_000) this.pushesPlanned++;
    return super.after(delayMs, task);
  }
}

interface Story extends Partial<GraphitePushOptions> {
  /** How far the clock has gone since its full ten seconds. */
  readonly startMs?: number;
  readonly text?: string;
}

async function pushing({ startMs = 0, text = 'tocsin_ready 1\n', ...options }: Story = {}) {
  const listener = new Listener();
  await listener.listen();
  onTestFinished(() => listener.close());
  const clock = new PushClock();
  clock.pass(startMs);
  const logger = new KeepingLogger();
  const metrics = new Figures(text);
  const { port } = listener;
  const names = { prefix: 'status', cluster: 'prod', node: 'web-1.example' };
  const push = started(
    startGraphitePush(
      { host: '127.0.0.1', port, ...names, ...options },
      { clock, logger, metrics },
    ),
  );
  onTestFinished(() => push.close());
  /** Lets time pass until the next push, and waits until that is over. */
  const nextPush = async (ms = 10_000): Promise<void> => {
    const { pushesPlanned } = clock;
    clock.pass(ms);
    await until(() => clock.pushesPlanned > pushesPlanned);
  };
  return { clock, logger, metrics, listener, push, nextPush };
}

function started(result: ReturnType<typeof startGraphitePush>): GraphitePush {
  if (!result.ok) throw new Error(result.message);
  return result.push;
}

/** Stands where carbon would, reads, and closes when the sender has; unless it is told to be bad. */
class Listener {
  readonly received: string[] = [];
  connections = 0;
  isDeaf = false;
  isRude = false;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  get port(): number {
    return this.#port;
  }

  async listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    this.#server = server;
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    if (this.isRude) {
      socket.resetAndDestroy();
      return;
    }
    if (this.isDeaf) {
      socket.resume();
      return;
    }
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => {
      this.received.push(text);
      socket.end();
    });
  }
}

/** Seconds after noon of all lines that arrived. */
function timesIn({ received }: Listener): readonly number[] {
  const lines = received.join('').trimEnd().split('\n');
  return lines.map((line) => Number(line.split(' ').at(-1)) - START_SECONDS);
}
