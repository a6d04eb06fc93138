import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UNREADABLE_STATUS } from '../../src/commands/delivery.ts';
import { createNotifiers } from '../../src/io/notify/notifiers.ts';
import type { Clock, Delivery, DeliveryResult } from '../../src/io/ports.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { notification } from './notifications.ts';

const clock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

const confirm = async () => ({ isFresh: () => true });

const closers: (() => unknown)[] = [];
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tocsin-webhook-'));
});

afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await rm(folder, { recursive: true });
});

interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function portOf(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A receiver that notes what it hears and answers as it is told. */
async function receiver(answer: RequestListener = (_, response) => response.end('ok')) {
  const heard: Heard[] = [];
  const server: Server = http.createServer(noting(heard, answer));
  const port = await portOf(server);
  closers.push(() => server.closeAllConnections());
  return { heard, port, url: `http://127.0.0.1:${port}/hook` };
}

async function secureReceiver(answer: RequestListener = (_, response) => response.end('ok')) {
  const heard: Heard[] = [];
  const server = https.createServer({ cert: CERTIFICATE, key: KEY }, noting(heard, answer));
  const port = await portOf(server);
  closers.push(() => server.closeAllConnections());
  return { heard, port, url: `https://127.0.0.1:${port}/hook` };
}

/** A receiver that answers each request in these bytes, and closes. */
async function answering(bytes: string): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined).on('data', () => socket.end(bytes));
  });
  return `http://127.0.0.1:${await portOf(server)}/hook`;
}

function noting(heard: Heard[], answer: RequestListener): RequestListener {
  return (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      heard.push({
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body,
      });
      answer(request, response);
    });
  };
}

async function send(
  settings: Record<string, unknown>,
  delivery: Partial<Delivery> = {},
  signal = new AbortController().signal,
): Promise<DeliveryResult> {
  const webhook = createNotifiers({ version: '0.1.0' }, { clock }).byType.get('webhook');
  if (webhook === undefined) throw new Error('there is no webhook');
  return webhook.send(
    {
      id: '7.0',
      notification: notification(),
      try: 1,
      idempotencyKey: 'cluster/7.0',
      settings: JSON.stringify({ max_alerts: 0, timeout_ms: 0, http_config: {}, ...settings }),
      externalUrl: 'http://tocsin.example.com',
      confirm,
      ...delivery,
    },
    signal,
  );
}

describe('a webhook', () => {
  it('is a POST with the headers by which a receiver recognises a notification that it has had', async () => {
    const { heard, url } = await receiver();
    expect(await send({ url }, { try: 3 })).toEqual({
      result: 'delivered',
      status: 200,
      detail: 'ok',
      connected: true,
    });
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({
      method: 'POST',
      path: '/hook',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Tocsin/0.1.0',
        'idempotency-key': 'cluster/7.0',
        'tocsin-attempt': '3',
      },
    });
    expect(heard[0]?.headers).not.toHaveProperty('tocsin-possible-duplicate');
    expect(JSON.parse(heard[0]?.body ?? '')).toMatchObject({ version: '4', status: 'firing' });
  });

  it('is marked when the receiver may have taken an earlier attempt', async () => {
    const { heard, url } = await receiver();
    await send({ url }, { notification: notification({ uncertain: true }) });
    expect(heard[0]?.headers['tocsin-possible-duplicate']).toBe('1');
  });

  it.each([
    [200, 'delivered'],
    [202, 'delivered'],
    [204, 'delivered'],
    [400, 'rejected'],
    [401, 'rejected'],
    [404, 'rejected'],
    [410, 'rejected'],
    [429, 'retry'],
    [500, 'retry'],
    [503, 'retry'],
  ])('that is answered %i is %s', async (status, verdict) => {
    const { url } = await receiver((_, response) => response.writeHead(status).end());
    expect(await send({ url })).toMatchObject({ result: verdict, status });
  });

  it('that finds nobody listening was certainly not taken', async () => {
    const server = net.createServer();
    const port = await portOf(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await send({ url: `http://127.0.0.1:${port}/` })).toEqual({
      result: 'retry',
      status: 0,
      detail: `cannot reach 127.0.0.1:${port}: ECONNREFUSED`,
      connected: false,
    });
  });

  it('to a host that does not exist was certainly not taken', async () => {
    expect(await send({ url: 'http://nowhere.invalid/' })).toMatchObject({
      result: 'retry',
      detail: expect.stringMatching(/^cannot reach nowhere\.invalid: E/),
    });
  });

  it('whose connection breaks before an answer is unknown: it may have been taken', async () => {
    const { heard, url, port } = await receiver((request) => request.socket.resetAndDestroy());
    expect(await send({ url })).toEqual({
      result: 'unknown',
      status: 0,
      detail: `127.0.0.1:${port} may have taken it: ECONNRESET`,
      connected: true,
    });
    expect(heard).toHaveLength(1);
  });

  it('that is received and not answered in time is unknown', async () => {
    const { url, port } = await receiver(() => {});
    expect(await send({ url, timeout_ms: 50 })).toEqual({
      result: 'unknown',
      status: 0,
      detail: `127.0.0.1:${port} may have taken it: no answer within 50 ms`,
      connected: true,
    });
  });

  it('that cannot even start its TLS in time was certainly not taken', async () => {
    const mute = net.createServer((socket) => closers.push(() => socket.destroy()));
    const port = await portOf(mute);
    const result = await send({ url: `https://127.0.0.1:${port}/`, timeout_ms: 50 });
    expect(result).toMatchObject({ result: 'retry', status: 0 });
  });

  it('whose answer has begun keeps its status though the body never ends', async () => {
    const { url } = await receiver((_, response) => response.writeHead(200).write('half'));
    expect(await send({ url, timeout_ms: 50 })).toMatchObject({ result: 'delivered', status: 200 });
  });

  it('stops when the node stops: before it was sent it is to be tried again', async () => {
    const { heard, url } = await receiver();
    const result = await send({ url }, {}, AbortSignal.abort());
    expect(result).toMatchObject({ result: 'retry', status: 0 });
    expect(heard).toHaveLength(0);
  });

  it('stops when the node stops: after it was sent it is unknown', async () => {
    const notifiers = createNotifiers({ version: '0.1.0' }, { clock });
    const { url } = await receiver(() => void notifiers.close());
    const settings = JSON.stringify({ url, timeout_ms: 0, http_config: {} });
    const delivery = { id: '1', try: 1, idempotencyKey: 'k', externalUrl: '', confirm, settings };
    const result = await notifiers.byType
      .get('webhook')
      ?.send({ ...delivery, notification: notification() }, new AbortController().signal);
    expect(result).toMatchObject({ result: 'unknown', status: 0 });
  });

  it.each([
    ['with lines that end in LF alone', 'HTTP/1.1 200 OK\n\n'],
    [
      'with 100 Continue first',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    ],
    ['without a reason and in HTTP/1.0', 'HTTP/1.0 204\r\n\r\n'],
  ])('that is answered %s is delivered', async (_story, bytes) => {
    expect(await send({ url: await answering(bytes) })).toMatchObject({ result: 'delivered' });
  });

  it('that is answered what is no HTTP is unknown, and its status differs from that of no answer', async () => {
    const url = await answering('220 mail.example.com ESMTP\r\n');
    expect(await send({ url })).toEqual({
      result: 'unknown',
      status: UNREADABLE_STATUS,
      detail: `${new URL(url).host} may have taken it: it answered what is no HTTP: 220 mail.example.com ESMTP`,
      connected: true,
    });
  });

  it('with settings of another kind is rejected, not thrown', async () => {
    expect(await send({}, { settings: '[]' })).toMatchObject({ result: 'rejected' });
    expect(await send({}, { settings: 'no json' })).toMatchObject({ result: 'rejected' });
  });
});

describe('whether a receiver can be reached', () => {
  const reach = async (settings: Record<string, unknown>, isShadow = false): Promise<boolean> => {
    const { byType } = createNotifiers({ version: '0.1.0', isShadow }, { clock });
    const text = JSON.stringify({ timeout_ms: 0, http_config: {}, ...settings });
    return (await byType.get('webhook')?.probe(text, AbortSignal.timeout(5_000))) ?? false;
  };

  it('is found out by a connection without a byte of a request', async () => {
    const received: string[] = [];
    const connections: net.Socket[] = [];
    const server = net.createServer((socket) => {
      connections.push(socket);
      socket.on('error', () => undefined).on('data', (bytes) => received.push(bytes.toString()));
    });
    const url = `http://127.0.0.1:${await portOf(server)}/hook`;
    expect(await reach({ url })).toBe(true);
    await new Promise<void>((resolve) => {
      const [socket] = connections;
      if (socket === undefined || socket.closed) resolve();
      else socket.on('close', () => resolve()).resume();
    });
    expect(received).toEqual([]);
  });

  it('includes TLS, and the files that a notification would read', async () => {
    const { heard, url } = await secureReceiver();
    expect(await reach({ url })).toBe(false);
    expect(
      await reach({
        url,
        http_config: { tls_config: { ca: CERTIFICATE, server_name: 'hook.example.com' } },
      }),
    ).toBe(true);
    const missing = path.join(folder, 'missing');
    const tls_config = { ca: CERTIFICATE, server_name: 'hook.example.com' };
    const http_config = { tls_config, bearer_token_file: missing };
    expect(await reach({ url, http_config })).toBe(false);
    expect(heard).toEqual([]);
  });

  it('is no where nobody listens, and ends as soon as nobody waits for it', async () => {
    const server = net.createServer();
    const port = await portOf(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await reach({ url: `http://127.0.0.1:${port}/` })).toBe(false);
    // It takes TCP and never begins with TLS.
    const mute = net.createServer((socket) => closers.push(() => socket.destroy()));
    const url = `https://127.0.0.1:${await portOf(mute)}/`;
    const { byType } = createNotifiers({ version: '0.1.0' }, { clock });
    const ends = new AbortController();
    const asked = byType
      .get('webhook')
      ?.probe(JSON.stringify({ url, timeout_ms: 0, http_config: {} }), ends.signal);
    ends.abort();
    expect(await asked).toBe(false);
  });

  it('is not tried by a shadow', async () => {
    let connections = 0;
    const server = net.createServer((socket) => {
      connections++;
      socket.destroy();
    });
    const url = `http://127.0.0.1:${await portOf(server)}/hook`;
    expect(await reach({ url }, true)).toBe(true);
    expect(connections).toBe(0);
  });

  it('is not known of an attempt that the end of the node cut off', async () => {
    const { url } = await receiver();
    expect(await send({ url }, {}, AbortSignal.abort())).not.toHaveProperty('connected');
  });

  it('is yes for a receiver that was connected to, and nothing was sent for want of leadership', async () => {
    const { url } = await receiver();
    const stale = async () => ({ isFresh: () => false });
    expect(await send({ url }, { confirm: stale })).toMatchObject({
      result: 'retry',
      connected: true,
    });
  });

  it('is yes for one that redirects to where nobody listens', async () => {
    const { url } = await receiver((_, response) =>
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
    );
    expect(await send({ url })).toMatchObject({ result: 'retry', connected: true });
  });
});

describe('a setting that makes no sense', () => {
  it.each([
    [
      'a certificate',
      'https://127.0.0.1:9/',
      { tls_config: { ca: 'no PEM', cert: 'x', key: 'y' } },
    ],
    ['a proxy', 'http://127.0.0.1:9/', { proxy_url: 'canary proxy' }],
    ['a header', 'http://127.0.0.1:9/', { http_headers: { 'X-Key': { values: ['canary\n'] } } }],
    ['a password in the URL', 'http://me:%zz@127.0.0.1:9/canary', {}],
  ])('such as %s is a retry, not an error, and is not quoted', async (_story, url, http_config) => {
    const { result, status, detail } = await send({ url, http_config });
    expect([result, status]).toEqual(['retry', 0]);
    expect(detail).not.toContain('canary');
  });
});

describe('a redirect', () => {
  it('that keeps the POST is followed, with the same body', async () => {
    const target = await receiver();
    const { url } = await receiver((_, response) =>
      response.writeHead(307, { location: target.url }).end(),
    );
    expect(await send({ url })).toMatchObject({ result: 'delivered' });
    expect(target.heard[0]).toMatchObject({ method: 'POST', path: '/hook' });
    expect(JSON.parse(target.heard[0]?.body ?? '')).toMatchObject({ version: '4' });
  });

  it.each([
    ['a token', { bearer_token: 'canary-token' }],
    ['a header of its own', { http_headers: { 'X-Key': { secrets: ['canary'] } } }],
    ['a client certificate', { tls_config: { cert: CERTIFICATE, key: KEY } }],
  ])(
    'to another host is not followed with %s, and the detail says where it went',
    async (_, http_config) => {
      const target = await receiver();
      const first = await receiver((_request, response) =>
        response.writeHead(308, { location: target.url }).end(),
      );
      expect(await send({ url: first.url, http_config })).toEqual({
        result: 'rejected',
        status: 308,
        detail: `redirects to 127.0.0.1:${target.port}, which is not followed with credentials: use its URL`,
        connected: true,
      });
      expect(first.heard).toHaveLength(1);
      expect(target.heard).toHaveLength(0);
    },
  );

  it('to another host is not followed with the password of the URL', async () => {
    const target = await receiver();
    const first = await receiver((_, response) =>
      response.writeHead(307, { location: target.url }).end(),
    );
    const result = await send({ url: `http://me:canary-pass@127.0.0.1:${first.port}/hook` });
    expect(result).toMatchObject({ result: 'rejected', status: 307 });
    expect(target.heard).toHaveLength(0);
  });

  it('back to the same host carries the credentials on', async () => {
    const { heard, url } = await receiver((request, response) =>
      request.url === '/hook'
        ? response.writeHead(307, { location: '/new' }).end()
        : response.end(),
    );
    expect(await send({ url, http_config: { bearer_token: 'abc' } })).toMatchObject({
      result: 'delivered',
    });
    expect(heard.map(({ headers }) => headers.authorization)).toEqual(['Bearer abc', 'Bearer abc']);
  });

  it('from TLS to none is not followed, credentials or not', async () => {
    const target = await receiver();
    const { url } = await secureReceiver((_, response) =>
      response.writeHead(307, { location: target.url }).end(),
    );
    const http_config = { tls_config: { insecure_skip_verify: true } };
    expect(await send({ url, http_config })).toMatchObject({ result: 'rejected', status: 307 });
    expect(target.heard).toHaveLength(0);
  });

  it('that would become a GET is rejected: the notification would be lost on the way', async () => {
    const target = await receiver();
    const { url } = await receiver((_, response) =>
      response.writeHead(302, { location: target.url }).end(),
    );
    expect(await send({ url })).toMatchObject({ result: 'rejected', status: 302 });
    expect(target.heard).toHaveLength(0);
  });

  it('is rejected when the configuration does not want it followed', async () => {
    const target = await receiver();
    const { url } = await receiver((_, response) =>
      response.writeHead(307, { location: target.url }).end(),
    );
    const http_config = { follow_redirects: false };
    expect(await send({ url, http_config })).toMatchObject({ result: 'rejected', status: 307 });
    expect(target.heard).toHaveLength(0);
  });

  it('in a circle ends', async () => {
    const { heard, url } = await receiver((request, response) =>
      response.writeHead(307, { location: request.url ?? '' }).end(),
    );
    expect(await send({ url })).toMatchObject({ result: 'rejected', status: 307 });
    expect(heard.length).toBeLessThan(20);
  });
});

describe('credentials', () => {
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

  it('of a file are read when they are sent, so that a new one counts at once', async () => {
    const { heard, url } = await receiver();
    const file = path.join(folder, 'password');
    const settings = { url, http_config: { basic_auth: { username: 'me', password_file: file } } };
    for (const password of ['first\n', 'second\n']) {
      await writeFile(file, password);
      await send(settings);
    }
    expect(heard.map(({ headers }) => headers.authorization)).toEqual([
      basic('me:first'),
      basic('me:second'),
    ]);
  });

  it.each([
    ['authorization', { authorization: { type: 'Token', credentials: 'abc' } }, 'Token abc'],
    ['authorization of no type', { authorization: { credentials: 'abc' } }, 'Bearer abc'],
    ['bearer_token', { bearer_token: 'abc' }, 'Bearer abc'],
    ['basic_auth', { basic_auth: { username: 'me', password: 'pä' } }, basic('me:pä')],
  ])('of %s are a header', async (_story, http_config, expected) => {
    const { heard, url } = await receiver();
    await send({ url, http_config });
    expect(heard[0]?.headers.authorization).toBe(expected);
  });

  it('of the URL are a header, and no part of the request line', async () => {
    const { heard, port } = await receiver();
    await send({ url: `http://me:p%40ss@127.0.0.1:${port}/hook?x=1` });
    expect(heard[0]).toMatchObject({
      path: '/hook?x=1',
      headers: { authorization: basic('me:p@ss') },
    });
  });

  it('in headers of one’s own are sent, from text, secrets and files', async () => {
    const { heard, url } = await receiver();
    const file = path.join(folder, 'key');
    await writeFile(file, 'three\n');
    const http_headers = { 'X-Key': { values: ['one'], secrets: ['two'], files: [file] } };
    await send({ url, http_config: { http_headers } });
    expect(heard[0]?.headers['x-key']).toBe('one, two, three');
  });

  it('that cannot be read are a retry that names the setting and the file', async () => {
    const { heard, url } = await receiver();
    const file = path.join(folder, 'missing');
    const http_config = { authorization: { credentials_file: file } };
    expect(await send({ url, http_config })).toEqual({
      result: 'retry',
      status: 0,
      detail: `cannot be sent: authorization.credentials_file: cannot read ${file} (ENOENT)`,
      connected: false,
    });
    expect(heard).toHaveLength(0);
  });

  it('of a kind that this build does not have are reported, not left out', async () => {
    const { url } = await receiver();
    const oauth2 = { client_id: 'a', token_url: 'http://127.0.0.1/' };
    expect(await send({ url, http_config: { oauth2 } })).toMatchObject({
      result: 'retry',
      detail: expect.stringContaining('oauth2'),
    });
  });
});

describe('a URL in a file', () => {
  it('is read when it is sent', async () => {
    const { heard, url } = await receiver();
    const file = path.join(folder, 'url');
    await writeFile(file, `${url}\n`);
    expect(await send({ url_file: file })).toMatchObject({ result: 'delivered' });
    expect(heard).toHaveLength(1);
  });

  it('that is no URL is a retry which does not quote it', async () => {
    const file = path.join(folder, 'url');
    await writeFile(file, 'hooks.example.com/canary');
    const result = await send({ url_file: file });
    expect(result).toEqual({
      result: 'retry',
      status: 0,
      detail: 'cannot be sent: url_file: not an http or https URL',
      connected: false,
    });
  });
});

describe('the detail of an outcome', () => {
  it('is the start of the body of the response, on one line and without control characters', async () => {
    const page = `no\r\nsuch \u001b[31mroom\u0007 ${'x'.repeat(5_000)}`;
    const { url } = await receiver((_, response) => response.writeHead(404).end(page));
    const { detail } = await send({ url });
    expect(detail).toMatch(/^no such \[31mroom x+$/);
    expect(detail.length).toBeLessThanOrEqual(512);
  });

  it.each([0, 100, 480, 505, 511])(
    'has no secret, though the page quotes the request after %i characters',
    async (before) => {
      const { port } = await receiver((request, response) => {
        const said = [request.url, request.headers.authorization, request.headers['x-key']];
        response.writeHead(500).end(`${'.'.repeat(before)}${said.join(' ')}${'.'.repeat(2_000)}`);
      });
      const { detail } = await send({
        url: `http://127.0.0.1:${port}/services/T0-canary-path?token=canary-query`,
        http_config: {
          bearer_token: 'canary-bearer',
          http_headers: { 'X-Key': { secrets: ['canary-header'] } },
        },
      });
      expect(detail).not.toContain('cana');
      expect(detail.length).toBeGreaterThan(0);
    },
  );

  it('has no half of a secret, though the body comes in pieces', async () => {
    const { url } = await receiver((request, response) => {
      const page = `${'.'.repeat(495)}${request.headers.authorization}${'.'.repeat(2_000)}`;
      // The first piece is longer than a detail, and ends inside the token.
      response.writeHead(500).write(page.slice(0, 515));
      setTimeout(() => response.end(page.slice(515)), 20);
    });
    const http_config = { bearer_token: 'canary-0123456789' };
    const { detail } = await send({ url, http_config });
    expect(detail).toMatch(/^\.{495}\*+$/);
  });

  it('has no password, though the body shows the headers of the request', async () => {
    const { port } = await receiver((request, response) =>
      response.writeHead(500).end(JSON.stringify(request.headers)),
    );
    const { detail } = await send({ url: `http://me:canary-pass@127.0.0.1:${port}/hook` });
    const pair = Buffer.from('me:canary-pass').toString('base64');
    expect(detail).not.toContain(pair.slice(0, 6));
    expect(detail).toContain('"authorization":"Basic ****');
  });

  it('has no secret of the URL when nobody answers', async () => {
    const url = 'http://canary-user:canary-password@nowhere.invalid/canary-path?q=canary-query';
    expect((await send({ url })).detail).not.toContain('canary');
  });
});

describe('TLS', () => {
  it('is refused when nobody vouches for the receiver: nothing is sent', async () => {
    const { heard, url } = await secureReceiver();
    expect(await send({ url })).toMatchObject({
      result: 'retry',
      detail: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
    });
    expect(heard).toHaveLength(0);
  });

  it('trusts the authority of a file, under the name that is given', async () => {
    const { heard, url } = await secureReceiver();
    const ca_file = path.join(folder, 'ca.pem');
    await writeFile(ca_file, CERTIFICATE);
    const http_config = { tls_config: { ca_file, server_name: 'hook.example.com' } };
    expect(await send({ url, http_config })).toMatchObject({ result: 'delivered' });
    expect(heard).toHaveLength(1);
  });

  it('does not trust it under another name', async () => {
    const { heard, url } = await secureReceiver();
    const http_config = { tls_config: { ca: CERTIFICATE, server_name: 'other.example.com' } };
    expect(await send({ url, http_config })).toMatchObject({
      result: 'retry',
      detail: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
    expect(heard).toHaveLength(0);
  });

  it('can be set to trust any certificate', async () => {
    const { url } = await secureReceiver();
    const http_config = { tls_config: { insecure_skip_verify: true } };
    expect(await send({ url, http_config })).toMatchObject({ result: 'delivered' });
  });
});

describe('a proxy', () => {
  it('gets plain HTTP as a request with the whole URL, and its own credentials', async () => {
    const proxy = await receiver();
    const proxy_url = `http://me:secret@127.0.0.1:${proxy.port}`;
    const url = 'http://hook.example.com/hook';
    expect(await send({ url, http_config: { proxy_url } })).toMatchObject({ result: 'delivered' });
    expect(proxy.heard[0]).toMatchObject({
      path: 'http://hook.example.com/hook',
      headers: { 'proxy-authorization': `Basic ${Buffer.from('me:secret').toString('base64')}` },
    });
  });

  it('that refuses the tunnel leaves the receiver without the page, which is certain', async () => {
    const proxy = http.createServer();
    proxy.on('connect', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
    const port = await portOf(proxy);
    const http_config = { proxy_url: `http://127.0.0.1:${port}` };
    expect(await send({ url: 'https://hook.example.com/', http_config })).toMatchObject({
      result: 'retry',
      status: 0,
    });
  });
});
