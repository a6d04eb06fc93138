/** Clients that are broken, slow or hostile: each costs itself, none costs the server. */

import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { openDesk, type Desk } from './harness.ts';

const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function rawConnection(desk: Desk): Promise<Socket> {
  const { hostname, port } = new URL(desk.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** All that comes until the server closes the connection. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  await once(socket, 'close');
  return text;
}

describe('bodies', () => {
  it('a body that says it is too large is refused before it is read', async () => {
    const desk = await openDesk();
    const socket = await rawConnection(desk);
    socket.write(
      `POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${HTTP_LIMITS.bodyBytes + 1}\r\n\r\n`,
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('a body that grows too large is refused while it arrives', async () => {
    const desk = await openDesk();
    const socket = await rawConnection(desk);
    socket.write(
      'POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const megabyte = 'x'.repeat(1024 * 1024);
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    for (let i = 0; i < 64 && answer === '' && !socket.destroyed; i++) {
      if (!socket.write(`100000\r\n${megabyte}\r\n`))
        await Promise.race([once(socket, 'drain'), once(socket, 'data')]);
    }
    await expect.poll(() => answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('a small body that unpacks to a large one is refused', async () => {
    const desk = await openDesk();
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, '['));
    expect(bomb.length).toBeLessThan(100_000);
    const headers = { 'content-encoding': 'gzip' };
    const answer = await desk.request('/api/v2/alerts', { method: 'POST', headers, body: bomb });
    expect(answer.status).toBe(413);
  });

  it.each([
    ['a list that nests for ever', '['.repeat(300_000), 'it ends in the middle'],
    ['objects in objects', `[${'{"a":'.repeat(300_000)}`, 'it ends in the middle'],
    [
      'a string of escapes that never ends',
      `["${'\\u0041'.repeat(100_000)}`,
      'it ends in the middle',
    ],
    ['an alert that nests deep', `[${'['.repeat(99)}${']'.repeat(99)}]`, 'nests over 16 deep'],
    ['a number of ten million digits', `[{"labels":${'9'.repeat(1e7)}}]`, 'of over 1024 digits'],
    ['one label of 8 MB', `[{"labels":{"a":"${'x'.repeat(8e6)}"}}]`, 'has over 4194304 bytes'],
    [
      'a hundred thousand labels',
      `[{"labels":{${Array.from({ length: 1e5 }, (_, i) => `"l${i}":"1"`).join()}}}]`,
      'holds over 2048 values',
    ],
    ['one key, again and again', `[{${'"a":1,'.repeat(1e5)}"a":1}]`, 'holds over 2048 values'],
  ])('%s costs itself', async (_, body, message) => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/alerts', body);
    expect([400, answer.json()]).toEqual([answer.status, expect.stringContaining(message)]);
    // A bad alert among good ones costs no other.
    if (!body.endsWith(']')) return;
    const mixed = `${body.slice(0, -1)},{"labels":{"alertname":"Good"}}]`;
    expect((await desk.post('/api/v2/alerts', mixed)).json()).toContain(`${message}`);
    expect((await desk.get('/api/v2/alerts')).json()).toMatchObject([
      { labels: { alertname: 'Good' } },
    ]);
  });

  it.each([
    ['alerts', '/api/v2/alerts', `[${'{},'.repeat(HTTP_LIMITS.alertsPerRequest)}{}]`],
    ['lines', '/tocsin/v1/observations', 'a 1\n'.repeat(HTTP_LIMITS.readingsPerRequest + 1)],
    [
      'readings',
      '/tocsin/v1/observations',
      JSON.stringify({
        readings: Array.from({ length: HTTP_LIMITS.readingsPerRequest + 1 }, () => ({
          series: 'a',
          value: 1,
        })),
      }),
    ],
  ])('too many %s are refused whole, and counted by the limit', async (_, path, body) => {
    const desk = await openDesk();
    const answer = await desk.request(path, {
      method: 'POST',
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(body),
    });
    expect(answer.status).toBe(413);
    expect(answer.json()).toMatch(/^the body has over \d+ (items|readings): send it in parts$/);
    expect(desk.node.view().index).toBe(1);
    expect((await desk.get('/metrics')).text).toContain('tocsin_over_limit_total{limit="items"} 1');
  });

  it('a silence nests no deeper and holds no more than others', async () => {
    const desk = await openDesk();
    for (const body of [
      '['.repeat(99) + ']'.repeat(99),
      `{"matchers":[${'{},'.repeat(3_000)}{}]}`,
      `{"comment":"${'x'.repeat(1024 * 1024)}"}`,
    ]) {
      expect(await desk.post('/api/v2/silences', body)).toMatchObject({ status: 413 });
    }
    for (const body of ['', '{', '{} {}', '{},{}', '{}]']) {
      const answer = await desk.post('/api/v2/silences', body);
      expect([answer.status, answer.json()]).toEqual([
        400,
        expect.stringContaining('the body is not JSON'),
      ]);
    }
  });

  it('bodies that together hold too much are refused for now, and a usual push is not', async () => {
    const desk = await openDesk();
    const piece = 'x'.repeat(1024 * 1024);
    let answers = '';
    for (let n = 0; n < 4; n++) {
      const socket = await rawConnection(desk);
      socket.on('data', (chunk: Buffer) => (answers += chunk.toString()));
      socket.write(
        `POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${15 * piece.length}\r\n\r\n`,
      );
      for (let i = 0; i < 14; i++) socket.write(piece);
    }
    await expect.poll(() => answers).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After: 1\r\n/i);
    const usual = Array.from({ length: 256 }, (_, i) => ({ labels: { alertname: `A${i}` } }));
    expect(await desk.post('/api/v2/alerts', usual)).toMatchObject({ status: 200 });
    const { text } = await desk.get('/metrics');
    expect(text).toMatch(/tocsin_over_limit_total\{limit="bytes-in-flight"\} [1-9]/);
    for (const socket of sockets.splice(0)) socket.destroy();
    await expect
      .poll(async () => (await desk.get('/metrics')).text)
      .toContain('tocsin_request_bytes_in_flight 0');
  });

  it('what only claims to be gzip is a 400', async () => {
    const desk = await openDesk();
    const headers = { 'content-encoding': 'gzip' };
    const answer = await desk.request('/api/v2/alerts', { method: 'POST', headers, body: '[]' });
    expect(answer.status).toBe(400);
    expect(answer.json()).toContain('the body broke off');
  });

  it('an alert that no log entry can hold is refused, its neighbour is stored', async () => {
    const desk = await openDesk();
    const huge = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`l${i}`, 'x'.repeat(60_000)]),
    );
    const alert = { labels: { a: '2' }, annotations: huge };
    const answer = await desk.post('/api/v2/alerts', [alert, { labels: { a: '1' } }]);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatch(/^alerts\[0\]: all texts together have over/);
    expect((await desk.get('/api/v2/alerts')).json()).toHaveLength(1);
  });

  it.each([
    ['a name that is too long', { labels: { ['x'.repeat(1_025)]: '1' } }],
    ['a value that is too long', { labels: { a: 'x'.repeat(4_097) } }],
    [
      'too many labels',
      { labels: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`l${i}`, '1'])) },
    ],
    [
      'an annotation that is too long',
      { labels: { a: '1' }, annotations: { b: 'x'.repeat(65_537) } },
    ],
    ['labels in a list', { labels: ['a', '1'] }],
    ['a link that is a number', { labels: { a: '1' }, generatorURL: 1 }],
    ['an annotation that is an object', { labels: { a: '1' }, annotations: { b: {} } }],
  ])('an alert with %s is refused at the door', async (_, alert) => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/alerts', [alert]);
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatch(/^alerts\[0\]: /);
    expect(desk.node.view().index).toBe(1);
  });
});

describe('connections', () => {
  it('a client that never ends its headers is sent away', async () => {
    const desk = await openDesk({ connectionLimits: { headersTimeoutMs: 200 } });
    const socket = await rawConnection(desk);
    socket.write('GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('a client that never ends its body is sent away', async () => {
    const desk = await openDesk({
      connectionLimits: { headersTimeoutMs: 200, requestTimeoutMs: 400 },
    });
    const socket = await rawConnection(desk);
    socket.write('POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[');
    await untilClosed(socket);
    expect(await desk.get('/-/healthy')).toMatchObject({ status: 200 });
  });

  it('a client that leaves in the middle of its body harms nobody', async () => {
    const desk = await openDesk();
    const socket = await rawConnection(desk);
    socket.write('POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[');
    socket.destroy();
    expect(await desk.get('/-/healthy')).toMatchObject({ status: 200 });
    expect(desk.logged).toEqual([]);
  });

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['HTTP/1.0 without a Host', 'GET /-/healthy HTTP/1.0\r\n\r\n', 200],
    ['a bad Host', 'GET /-/healthy HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n', 400],
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
      431,
    ],
    [
      'a path that climbs',
      'GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      404,
    ],
    [
      'an asset that climbs',
      'GET /assets/..%2f..%2fa HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      404,
    ],
    [
      'an asset that every object has',
      'GET /assets/constructor HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      404,
    ],
    [
      'a broken escape',
      'GET /api/v2/silence/%E0%A4%A HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      404,
    ],
  ])('%s gets an answer', async (_, request, status) => {
    const desk = await openDesk();
    const socket = await rawConnection(desk);
    socket.write(request);
    expect(await untilClosed(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it('close lets an answer under way leave', async () => {
    const desk = await openDesk();
    let proceed: () => void = () => {};
    const held = new Promise<void>((resolve) => (proceed = resolve));
    const propose = desk.node.propose.bind(desk.node);
    desk.node.propose = async (commands) => {
      await held;
      return propose(commands);
    };
    const posting = desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' } }]);
    await expect
      .poll(async () => (await desk.get('/metrics')).text)
      .toContain('tocsin_alerts_received_total 1');
    const closing = desk.close();
    proceed();
    expect(await posting).toMatchObject({ status: 200 });
    await closing;
  });

  it('a fault of ours is a 500 without its details, and a line in the log', async () => {
    const desk = await openDesk();
    desk.node.propose = () => Promise.reject(new Error('secret detail'));
    const answer = await desk.post('/api/v2/alerts', [{ labels: { a: '1' } }]);
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret');
    expect(desk.logged).toEqual(['request failed']);
  });
});
