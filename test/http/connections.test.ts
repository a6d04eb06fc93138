/** What connections may cost: each client that waits, stalls or floods costs itself. */

import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TrustedProxies } from '../../src/io/http/client-address.ts';
import { Connections } from '../../src/io/http/connections.ts';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import type { HttpOptions } from '../../src/io/http/modules.ts';
import { OPEN, type WebSettings } from '../../src/io/http/web-settings.ts';
import { HandClock } from '../support/hand-clock.ts';
import { destroyClients, RawClient, type RawFrom } from '../support/raw-http.ts';
import { hasOpenssl, webCertificate, type WebCertificate } from '../support/web-certificates.ts';
import { openDesk, type Desk } from './harness.ts';

const sessions = new Set<ClientHttp2Session>();

afterEach(() => {
  destroyClients();
  for (const session of sessions) session.destroy();
  sessions.clear();
});

const LOCAL = [{ address: '127.0.0.0', prefix: 8 }];
const ALERT = JSON.stringify([{ labels: { alertname: 'Down' } }]);

/** Waits for a condition; the limit is for a machine that is busy with other things. */
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 20_000 });

const client = (desk: Desk, from: RawFrom = {}): Promise<RawClient> =>
  RawClient.open(new URL(desk.url).host, from);

async function clients(desk: Desk, count: number, from: RawFrom = {}): Promise<RawClient[]> {
  const all: RawClient[] = [];
  for (let i = 0; i < count; i++) all.push(await client(desk, from));
  return all;
}

/** Connects, asks once and keeps the connection, as every HTTP library does. */
async function idle(desk: Desk, from: RawFrom = {}): Promise<RawClient> {
  const opened = (await client(desk, from)).send('/-/healthy');
  await soon(() => opened.statuses).toEqual([200]);
  return opened;
}

/** A push of which the last byte is missing, and with which the server has begun. */
async function unfinished(desk: Desk): Promise<RawClient> {
  const opened = await client(desk);
  const headers = `Content-Length: ${ALERT.length}\r\nExpect: 100-continue`;
  opened.write(`POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`);
  await soon(() => opened.statuses).toEqual([100]);
  opened.text = '';
  return opened.write(ALERT.slice(0, -1));
}

/** Alerts whose list no kernel buffers whole. */
async function withManyAlerts(desk: Desk): Promise<void> {
  for (let part = 0; part < 3; part++) {
    const alerts = Array.from({ length: 200 }, (_, i) => ({
      labels: { alertname: `A${i}`, part: `${part}` },
      annotations: { long: 'x'.repeat(60_000) },
    }));
    expect((await desk.post('/api/v2/alerts', alerts)).status).toBe(200);
  }
}

/** Asks for a long list and reads nothing of it. */
async function reader(desk: Desk): Promise<RawClient> {
  const opened = await client(desk);
  const begun = once(opened.socket, 'data');
  opened.socket.once('data', () => opened.socket.pause());
  opened.send('/api/v2/alerts');
  await begun;
  return opened;
}

async function metric(desk: Desk, line: string): Promise<number> {
  const { text } = await desk.get('/metrics');
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1));
}

const closed = (desk: Desk, reason: string): Promise<number> =>
  metric(desk, `tocsin_http_connections_closed_total{reason="${reason}"}`);

function limited(
  limits: NonNullable<HttpOptions['connectionLimits']>,
  more: Partial<HttpOptions> = {},
): Promise<Desk> {
  return openDesk({ connectionLimits: limits, ...more });
}

describe('room for connections', () => {
  it('the connection that is idle for longest makes room, and none with a request under way', async () => {
    const desk = await limited({ connections: 4 }, { trustedProxies: LOCAL });
    const busy = await unfinished(desk);
    const first = await idle(desk);
    const second = await idle(desk);
    const third = await idle(desk);
    // The first one asks again, so that the second one is idle for longest.
    first.send('/-/healthy');
    await soon(() => first.statuses).toEqual([200, 200]);
    const fourth = await idle(desk);
    await soon(() => second.isClosed).toBe(true);
    expect([busy, first, third, fourth].map(({ isClosed }) => isClosed)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    busy.write(ALERT.slice(-1));
    await soon(() => busy.statuses).toEqual([200]);
    expect(await closed(desk, 'room')).toBeGreaterThan(0);
    expect(desk.logged).toContain('idle connection closed to make room');
  });

  it('connections that never end their headers make room for a push', async () => {
    const desk = await limited({ connections: 4 }, { trustedProxies: LOCAL });
    const slow = await clients(desk, 8);
    for (const each of slow) each.write('POST /api/v2/alerts HTTP/1.1\r\nX-Slow: ');
    expect((await desk.post('/api/v2/alerts', JSON.parse(ALERT))).status).toBe(200);
    // A first request has a moment to arrive; then its connection makes room for all others, too.
    desk.clock.advance(HTTP_LIMITS.freshMs);
    expect((await desk.get('/api/v2/alerts')).json()).toHaveLength(1);
    expect(slow.filter(({ isClosed }) => isClosed).length).toBeGreaterThan(0);
  });

  it('one address has its own limit, and at it closes its own idle connections', async () => {
    const desk = await limited({ connections: 100, connectionsPerAddress: 3 });
    const other = await idle(desk, { localAddress: '127.0.0.2' });
    const own: RawClient[] = [];
    for (let i = 0; i < 5; i++) own.push(await idle(desk));
    await soon(() => own.map(({ isClosed }) => isClosed)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(other.isClosed).toBe(false);
  });

  it('a trusted proxy takes no connection away from the others in its IPv6 network', () => {
    const proxy = '2001:db8::1';
    const clock = new HandClock(0);
    const connections = new Connections(
      { ...HTTP_LIMITS, connectionsPerAddress: 3 },
      {
        clock,
        counters: {
          connectionClosed: () => undefined,
          connectionRefused: () => undefined,
          connectionsOpen: () => undefined,
        },
        trusted: new TrustedProxies([{ address: proxy, prefix: 128 }]),
        warn: () => undefined,
      },
    );
    let port = 1;
    const admit = (remoteAddress: string) => {
      const ends = {
        remoteAddress,
        remotePort: port++,
        localAddress: '2001:db8::9',
        localPort: 9093,
      };
      const socket = Object.defineProperties(
        new Socket(),
        Object.fromEntries(Object.entries(ends).map(([name, value]) => [name, { value }])),
      );
      expect(connections.admit(socket, false)).toBe(true);
      return { socket, isReserved: connections.of(socket)?.isReserved };
    };
    const ofProxy = Array.from({ length: 5 }, () => admit(proxy));
    clock.advance(HTTP_LIMITS.freshMs);
    const ofOthers = Array.from({ length: 4 }, (_, i) => admit(`2001:db8::${i + 2}`));

    expect(ofProxy.map(({ socket }) => socket.destroyed)).toEqual(ofProxy.map(() => false));
    // The fourth is over the limit that the network has without its proxy, and all are still fresh.
    expect(ofOthers.map(({ isReserved }) => isReserved)).toEqual([false, false, false, true]);
  });

  it('a trusted proxy may have as many connections as there are', async () => {
    const desk = await limited(
      { connections: 100, connectionsPerAddress: 3 },
      { trustedProxies: LOCAL },
    );
    const own: RawClient[] = [];
    for (let i = 0; i < 20; i++) own.push(await idle(desk));
    expect(own.filter(({ isClosed }) => isClosed)).toEqual([]);
  });

  it('what is closed is counted no longer: a thousand clients come and go', async () => {
    const desk = await limited({ connections: 4, reservedConnections: 2 });
    for (let i = 0; i < 1_000; i++) (await client(desk)).socket.destroy();
    await soon(() => metric(desk, 'tocsin_http_connections')).toBe(1);
    await idle(desk);
    expect(await metric(desk, 'tocsin_http_connections')).toBe(2);
  });
});

describe('when each connection has a request under way', () => {
  const full = async (limits = { connections: 8, reservedConnections: 3 }) => {
    const desk = await limited(limits, { trustedProxies: LOCAL });
    const busy: RawClient[] = [];
    for (let i = 0; i < limits.connections; i++) busy.push(await unfinished(desk));
    return { desk, busy };
  };

  const answer = async (desk: Desk, path: string, body?: string): Promise<RawClient> => {
    const opened = await client(desk);
    opened.send(path, body === undefined ? null : { text: body });
    await soon(() => opened.isClosed).toBe(true);
    return opened;
  };

  it('probes, the leader lookup and pushes are served, and their connections are closed', async () => {
    const { desk, busy } = await full();
    for (const path of ['/-/healthy', '/-/ready', '/-/leader', '/tocsin/v1/status']) {
      expect([path, (await answer(desk, path)).statuses]).toEqual([path, [200]]);
    }
    expect((await answer(desk, '/api/v2/alerts', ALERT)).statuses).toEqual([200]);
    expect((await answer(desk, '/tocsin/v1/observations', 'web.load 1\n')).statuses).toEqual([200]);
    expect(busy.filter(({ isClosed }) => isClosed)).toEqual([]);
  });

  it('other requests are asked to come again', async () => {
    const { desk } = await full();
    for (const path of ['/api/v2/alerts', '/', '/-/healthy/../../x', '/tocsin/v1/events']) {
      const { statuses, text } = await answer(desk, path);
      expect([path, statuses]).toEqual([path, [503]]);
      expect(text).toMatch(/retry-after: 1/i);
      expect(text).toMatch(/connection: close/i);
    }
  });

  it('unfinished requests in the reserve make room for the next one', async () => {
    const { desk } = await full();
    for (let i = 0; i < 20; i++) await unfinished(desk);
    expect((await answer(desk, '/-/healthy')).statuses).toEqual([200]);
    expect((await answer(desk, '/api/v2/alerts', ALERT)).statuses).toEqual([200]);
  });

  it('a request in the reserve has to arrive soon', async () => {
    const { desk } = await full();
    const slow = await unfinished(desk);
    const silent = await client(desk);
    await soon(() => (desk.clock.advance(1_000), slow.isClosed && silent.isClosed)).toBe(true);
  });

  it('a push that waits for its commit in the reserve is not closed, and further ones are refused', async () => {
    const { busy, desk } = await full({ connections: 1, reservedConnections: 2 });
    let proceed: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (proceed = resolve));
    const propose = desk.node.propose.bind(desk.node);
    let proposed = 0;
    desk.node.propose = async (commands) => {
      proposed++;
      await held;
      return propose(commands);
    };
    const pushes = await clients(desk, 2);
    for (const each of pushes) each.send('/api/v2/alerts', { text: ALERT });
    await soon(() => proposed).toBe(2);
    const third = await client(desk);
    await soon(() => third.isClosed).toBe(true);
    expect(third.text).toBe('');
    desk.clock.advance(HTTP_LIMITS.reservedMs + 1_000);
    proceed();
    await soon(() => pushes.map(({ statuses }) => statuses)).toEqual([[200], [200]]);
    busy[0]?.write(ALERT.slice(-1));
    await soon(() => busy[0]?.statuses).toEqual([200]);
    const refused = 'tocsin_http_connections_refused_total{reason="reserve-full"}';
    await soon(() => metric(desk, refused)).toBe(1);
  });
});

describe('clients that do not read', () => {
  it('one that takes nothing is cut off, one that takes something is not', async () => {
    const desk = await openDesk();
    await withManyAlerts(desk);
    const stuck = await reader(desk);
    const slow = await reader(desk);
    // It reads a little each time before its time is over.
    for (let passedMs = 0; passedMs < 2 * HTTP_LIMITS.writeStallMs; passedMs += 5_000) {
      const before = slow.text.length;
      while (slow.text.length < before + 4 * 1024 * 1024) {
        slow.socket.read();
        await setImmediate();
      }
      desk.clock.advance(5_000);
    }
    slow.socket.resume();
    await soon(() => slow.text.endsWith('0\r\n\r\n')).toBe(true);
    stuck.socket.resume();
    await soon(() => stuck.isClosed).toBe(true);
    expect(stuck.text.endsWith('0\r\n\r\n')).toBe(false);
    expect(await closed(desk, 'write-timeout')).toBe(1);
  });

  it('others read soon although every place is taken by one that does not', async () => {
    const desk = await openDesk();
    await withManyAlerts(desk);
    for (let i = 0; i < HTTP_LIMITS.concurrentGets; i++) await reader(desk);
    expect((await desk.get('/-/leader')).status).toBe(200);
    expect((await desk.post('/api/v2/alerts', JSON.parse(ALERT))).status).toBe(200);
    expect((await desk.get('/metrics')).status).toBe(200);
    expect((await desk.get('/tocsin/v1/status')).status).toBe(200);
    const asked = ['/api/v2/status', '/', '/tocsin/v1/notifications'].map((path) => desk.get(path));
    const answers = Promise.all(asked);
    let isOver = false;
    void answers.then(() => (isOver = true));
    let waitedMs = 0;
    await soon(() => {
      if (!isOver) desk.clock.advance(100);
      waitedMs += isOver ? 0 : 100;
      return isOver;
    }).toBe(true);
    expect((await answers).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(waitedMs).toBeLessThanOrEqual(HTTP_LIMITS.readWaitMs);
    expect(await closed(desk, 'reader-for-room')).toBeGreaterThan(0);
  });

  it('reads that wait too long, and too many, are asked to come again, as with Alertmanager', async () => {
    const desk = await openDesk();
    // Requests whose routes never answer: nothing of them stalls, so nothing makes room.
    const never = new Promise<never>(() => undefined);
    const { metrics } = desk;
    Object.assign(metrics, { text: () => never });
    const scrapes = await clients(desk, HTTP_LIMITS.concurrentScrapes + 1);
    for (const each of scrapes) {
      each.send('/metrics');
      await desk.get('/-/healthy');
    }
    desk.clock.advance(HTTP_LIMITS.readWaitMs);
    await soon(() => scrapes.at(-1)?.statuses).toEqual([503]);
    expect(scrapes.at(-1)?.text).toMatch(/Limit of concurrent GET requests reached/);
    expect(scrapes.at(-1)?.text).toMatch(/retry-after: 1/i);
    // One that has left gives its place to the next.
    const next = (await client(desk)).send('/metrics');
    await desk.get('/-/healthy');
    Object.assign(metrics, { text: () => Promise.resolve('figures') });
    scrapes[0]?.socket.destroy();
    await soon(() => next.statuses).toEqual([200]);
  });
});

describe('requests on one connection', () => {
  it('pipelined requests whose connection breaks give back all that they held', async () => {
    const desk = await openDesk();
    await withManyAlerts(desk);
    for (let i = 0; i < 3; i++) {
      const piping = await client(desk);
      const request = 'GET /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n';
      piping.write(request.repeat(HTTP_LIMITS.pipelinedRequests));
      await soon(() => piping.text.length).toBeGreaterThan(0);
      piping.socket.destroy();
    }
    const push =
      'POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n';
    const broken = await client(desk);
    broken.write('GET /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n');
    broken.socket.pause();
    broken.write(`${push}${'['.repeat(300_000)}`);
    await soon(() => metric(desk, 'tocsin_request_bytes_in_flight')).toBeGreaterThan(0);
    broken.socket.destroy();
    await soon(() => metric(desk, 'tocsin_request_bytes_in_flight')).toBe(0);
    expect((await desk.get('/api/v2/status')).status).toBe(200);
    expect((await desk.get('/api/v2/alerts')).status).toBe(200);
  });

  it('of a thousand requests at once a few are served, and the connection is closed', async () => {
    const desk = await openDesk();
    const flood = await client(desk);
    flood.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1_000));
    await soon(() => flood.isClosed).toBe(true);
    expect(flood.statuses.length).toBeLessThanOrEqual(HTTP_LIMITS.pipelinedRequests + 1);
    expect(flood.statuses.at(-1)).toBe(503);
    const refused = 'tocsin_over_limit_total{limit="pipelined-requests"}';
    expect(await metric(desk, refused)).toBeGreaterThan(0);
  });

  it('a few pipelined requests are all answered, in their order', async () => {
    const desk = await openDesk();
    const piping = await client(desk);
    for (const path of ['/-/healthy', '/nothing', '/-/ready', '/nothing']) piping.send(path);
    await soon(() => piping.statuses).toEqual([200, 404, 200, 404]);
  });

  it.each([
    ['to a web socket', 'Connection: Upgrade\r\nUpgrade: websocket\r\n', '/-/healthy', 200],
    [
      'to HTTP/2',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
      '/nothing',
      404,
    ],
  ])(
    'an upgrade %s is an ordinary request, and the connection goes on',
    async (_, header, path, status) => {
      const desk = await openDesk();
      const opened = await client(desk);
      opened.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`);
      await soon(() => opened.statuses).toEqual([status]);
      opened.send('/-/healthy');
      await soon(() => opened.statuses).toEqual([status, 200]);
    },
  );

  it('a tunnel is refused', async () => {
    const desk = await openDesk();
    const opened = await client(desk);
    opened.write('CONNECT 127.0.0.1:9094 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await soon(() => opened.isClosed).toBe(true);
    expect(opened.text).toBe('');
  });
});

describe('half of a connection', () => {
  it('a client that ends its side after its request gets its answer', async () => {
    const desk = await openDesk();
    const opened = (await client(desk)).send('/-/healthy');
    opened.socket.end();
    await soon(() => opened.isClosed).toBe(true);
    expect(opened.statuses).toEqual([200]);
  });

  it.each([
    ['before a request', ''],
    ['in the middle of its headers', 'GET /-/healthy HTTP/1.1\r\nHost: lo'],
    [
      'in the middle of its body',
      'POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[',
    ],
  ])('a client that ends its side %s leaves nothing behind', async (_, sent) => {
    const desk = await openDesk();
    const opened = (await client(desk)).write(sent);
    opened.socket.end();
    await soon(() => opened.isClosed).toBe(true);
    // The connection that asks is the one that is left.
    await soon(() => metric(desk, 'tocsin_http_connections')).toBe(1);
  });
});

describe('clients that send nothing', () => {
  it.each([
    ['nothing at all', ''],
    ['one byte of a header', 'G'],
  ])('after %s a connection is closed when its time for headers is over', async (_, sent) => {
    const desk = await limited({ headersTimeoutMs: 200 });
    const opened = (await client(desk)).write(sent);
    await soon(() => opened.isClosed).toBe(true);
    expect(opened.statuses).toEqual([408]);
    expect(await closed(desk, 'header-timeout')).toBe(1);
  });

  it('a body that comes byte by byte is cut off as a whole', async () => {
    const desk = await limited({ headersTimeoutMs: 200, requestTimeoutMs: 400 });
    const opened = (await client(desk)).send('/api/v2/alerts', { text: '[', length: 100_000 });
    await soon(() => {
      opened.write(' ');
      return opened.isClosed;
    }).toBe(true);
    expect(await closed(desk, 'request-timeout')).toBe(1);
  });
});

describe('whose address counts', () => {
  const guess = (desk: Desk, forwarded: string, i: number) =>
    desk.request('/metrics', {
      headers: {
        authorization: `Bearer wrong-${forwarded}-${i}`,
        'x-forwarded-for': forwarded,
      },
    });
  const web = {
    ...OPEN,
    tokens: new Map([['0'.repeat(64), { name: 'a', scopes: ['read'] as const }]]),
  };

  const statuses = async (desk: Desk, forwarded: (i: number) => string): Promise<number[]> => {
    const all: number[] = [];
    for (let i = 0; i <= HTTP_LIMITS.failuresAtOnce; i++) {
      all.push((await guess(desk, forwarded(i), i)).status);
    }
    return all;
  };

  it('clients of a trusted proxy are limited each by itself', async () => {
    const desk = await openDesk({ web, trustedProxies: LOCAL });
    expect((await statuses(desk, () => '10.0.0.1')).at(-1)).toBe(429);
    expect(new Set(await statuses(desk, (i) => `10.0.1.${i}`))).toEqual(new Set([401]));
    // What a client wrote itself stands before what the proxy has appended.
    expect((await statuses(desk, (i) => `10.0.2.${i}, 10.0.0.3`)).at(-1)).toBe(429);
  });

  it('from others the header counts nothing', async () => {
    const desk = await openDesk({ web });
    expect((await statuses(desk, (i) => `10.0.1.${i}`)).at(-1)).toBe(429);
  });
});

describe.skipIf(!hasOpenssl)('over TLS', () => {
  let folder = '';
  let certificate: WebCertificate;
  beforeAll(async () => {
    folder = await mkdtemp(`${tmpdir()}/tocsin-connections-`);
    certificate = await webCertificate(folder, 'server');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const web = (): WebSettings => ({
    ...OPEN,
    http2: true,
    tls: {
      clientAuth: 'NoClientCert',
      clientSans: null,
      fingerprint: certificate.cert,
      context: { cert: certificate.cert, key: certificate.key },
    },
  });

  const secure = (
    limits: NonNullable<HttpOptions['connectionLimits']> = {},
    more: Partial<HttpOptions> = {},
  ) => openDesk({ connectionLimits: limits, web: web(), ...more });

  const session = async (desk: Desk, options: object = {}): Promise<ClientHttp2Session> => {
    const opened = connectHttp2(desk.url, { ca: certificate.cert, ...options });
    opened.on('error', () => undefined);
    sessions.add(opened);
    await once(opened, 'connect');
    return opened;
  };

  const closing = (from: ClientHttp2Session): Promise<void> =>
    new Promise((resolve) => from.once('close', () => resolve()));

  const ask = async (from: ClientHttp2Session, path: string, body?: string) => {
    const stream = from.request({
      ':path': path,
      ':method': body === undefined ? 'GET' : 'POST',
    });
    stream.end(body);
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    return { status: headers[':status'], text: (await stream.toArray()).join('') };
  };

  const figure = async (from: ClientHttp2Session, line: string): Promise<number> => {
    const { text } = await ask(from, '/metrics');
    return Number(
      text
        .split('\n')
        .find((each) => each.startsWith(`${line} `))
        ?.slice(line.length + 1),
    );
  };

  it('a handshake that never ends is cut off, also when it goes on byte by byte', async () => {
    const desk = await secure();
    const silent = await client(desk);
    const slow = await client(desk);
    for (let i = 0; i < HTTP_LIMITS.headersTimeoutMs / 1_000 + 1; i++) {
      // The beginning of a record that announces 16 kB.
      slow.write(i === 0 ? '\x16\x03\x01\x40\x00\x01' : '\x00');
      const http2 = await session(desk);
      expect((await ask(http2, '/-/healthy')).status).toBe(200);
      http2.destroy();
      desk.clock.advance(1_000);
    }
    await soon(() => [silent.isClosed, slow.isClosed]).toEqual([true, true]);
    const line = 'tocsin_http_connections_closed_total{reason="handshake-timeout"}';
    expect(await figure(await session(desk), line)).toBe(2);
  });

  it('handshakes that never end make room for a push', async () => {
    const desk = await secure({ connections: 4 }, { trustedProxies: LOCAL });
    await clients(desk, 12);
    expect((await ask(await session(desk), '/api/v2/alerts', ALERT)).status).toBe(200);
  });

  it('an idle session makes room, one with a stream under way does not', async () => {
    const desk = await secure({ connections: 2 }, { trustedProxies: LOCAL });
    const busy = await session(desk);
    const pushing = busy.request({ ':path': '/api/v2/alerts', ':method': 'POST' });
    pushing.write(ALERT.slice(0, -1));
    const unused = await session(desk);
    const gone = closing(unused);
    desk.clock.advance(HTTP_LIMITS.freshMs);
    expect((await ask(await session(desk), '/-/healthy')).status).toBe(200);
    await gone;
    pushing.end(ALERT.slice(-1));
    const [headers] = (await once(pushing, 'response')) as [Record<string, unknown>];
    expect(headers[':status']).toBe(200);
  });

  it('when all sessions are busy a probe and a push are served, a list is not', async () => {
    const desk = await secure({ connections: 2 }, { trustedProxies: LOCAL });
    for (let i = 0; i < 2; i++) {
      const busy = await session(desk);
      busy.request({ ':path': '/api/v2/alerts', ':method': 'POST' }).write('[');
      await new Promise((resolve) => busy.ping(resolve));
    }
    for (const [path, body, status] of [
      ['/-/leader', undefined, 200],
      ['/api/v2/alerts', ALERT, 200],
      ['/api/v2/alerts', undefined, 503],
    ] as const) {
      const opened = await session(desk);
      const gone = closing(opened);
      expect((await ask(opened, path, body)).status).toBe(status);
      await gone;
    }
  });

  it('a body that comes byte by byte costs its stream, and the session goes on', async () => {
    const desk = await secure();
    const http2 = await session(desk);
    const slow = http2.request({ ':path': '/api/v2/alerts', ':method': 'POST' });
    slow.on('error', () => undefined);
    const ended = once(slow, 'close');
    for (let i = 0; i <= HTTP_LIMITS.requestTimeoutMs / 1_000; i++) {
      if (!slow.destroyed) slow.write(' ');
      expect((await ask(http2, '/-/healthy')).status).toBe(200);
      desk.clock.advance(1_000);
    }
    await ended;
    const line = 'tocsin_http_connections_closed_total{reason="request-timeout"}';
    expect(await figure(http2, line)).toBe(1);
  });

  it('streams that take nothing lose their place, and the session goes on', async () => {
    const desk = await secure();
    await ask(
      await session(desk),
      '/api/v2/alerts',
      JSON.stringify(
        Array.from({ length: 20 }, (_, i) => ({
          labels: { alertname: `A${i}` },
          annotations: { long: 'x'.repeat(60_000) },
        })),
      ),
    );
    // No stream of it may be sent anything until it allows it, which it never does.
    const stuck = await session(desk, { settings: { initialWindowSize: 0 } });
    const streams = Array.from({ length: HTTP_LIMITS.concurrentGets }, () =>
      stuck.request({ ':path': '/api/v2/alerts' }),
    );
    for (const stream of streams) {
      stream.on('error', () => undefined);
      await once(stream, 'response');
    }
    const other = await session(desk);
    const asked = ask(other, '/api/v2/status');
    let status: unknown = null;
    void asked.then((answer) => (status = answer.status));
    await soon(() => {
      desk.clock.advance(500);
      return status;
    }).toBe(200);
    await soon(() => streams.some(({ destroyed }) => destroyed)).toBe(true);
    expect(stuck.destroyed).toBe(false);
  });

  it('many streams of one session hold no more than one connection may', async () => {
    const desk = await secure();
    const http2 = await session(desk);
    const held = 'x'.repeat(200 * 1024);
    const streams = Array.from({ length: 8 }, () =>
      http2.request({ ':path': '/api/v2/alerts', ':method': 'POST' }),
    );
    for (const stream of streams) stream.on('error', () => undefined).write(held);
    const other = await session(desk);
    const all = streams.length * held.length - HTTP_LIMITS.bytesOfEach;
    await soon(() => figure(other, 'tocsin_request_bytes_in_flight')).toBe(all);
    http2.destroy();
    await soon(() => figure(other, 'tocsin_request_bytes_in_flight')).toBe(0);
  });

  it('what is no HTTP/2 behind the handshake costs its connection', async () => {
    const desk = await secure();
    const http2 = await session(desk);
    http2.socket.on('error', () => undefined);
    const { connect } = await import('node:tls');
    const { hostname, port } = new URL(desk.url);
    const broken = connect({
      host: hostname,
      port: Number(port),
      ca: certificate.cert,
      ALPNProtocols: ['h2'],
    });
    broken.on('error', () => undefined).on('data', () => undefined);
    await once(broken, 'secureConnect');
    broken.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(broken, 'close');
    const line = 'tocsin_http_connections_closed_total{reason="malformed"}';
    expect(await figure(http2, line)).toBe(1);
  });
});
