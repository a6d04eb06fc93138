/** Connections of the real program under attack, with its real limits: pushes and probes go through. */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { afterEach, expect, it } from 'vitest';
import { destroyClients, RawClient } from '../support/raw-http.ts';
import { hasOpenssl, webCertificate } from '../support/web-certificates.ts';
import { configFile, scratch, start, until, type Daemon } from './program.ts';

const CONFIG = 'route: {receiver: team}\nreceivers: [{name: team}]\n';
const PATIENCE_MS = 120_000;
const BATCH = 50;

afterEach(destroyClients);

async function daemon(...flags: readonly string[]): Promise<Daemon> {
  const folder = await scratch();
  const config = await configFile(folder, CONFIG);
  const started = await start({ config, dataDir: `${folder}/data`, flags });
  if (!flags.includes('--web-config')) {
    await until(async () => (await fetch(started.url('/-/ready'))).status === 200);
  }
  return started;
}

/** Each on a connection of its own, from five addresses in turn; some at a time. */
async function clients(
  { addresses }: Daemon,
  count: number,
  use: (client: RawClient) => Promise<void> | void,
): Promise<RawClient[]> {
  const all: RawClient[] = [];
  while (all.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - all.length) }, async (_, i) => {
      const localAddress = `127.0.0.${1 + (i % 5)}`;
      const client = await RawClient.open(addresses.http, { localAddress });
      await use(client);
      return client;
    });
    all.push(...(await Promise.all(batch)));
  }
  return all;
}

/** A request on a new connection, as of a program that has just been started. */
async function answer(at: Daemon, path: string, body?: string): Promise<RawClient> {
  const client = await RawClient.open(at.addresses.http);
  client.send(path, body === undefined ? null : { text: body });
  await until(() => client.statuses.length > 0 || client.isClosed);
  return client;
}

const push = (name: string): string => JSON.stringify([{ labels: { alertname: name } }]);

async function namesOf(at: Daemon): Promise<string[]> {
  const alerts = (await at.get('/api/v2/alerts')) as { labels: { alertname: string } }[];
  return alerts.map(({ labels }) => labels.alertname);
}

async function metrics(at: Daemon): Promise<string> {
  return (await fetch(at.url('/metrics'))).text();
}

it(
  'more idle connections than there may be refuse no push, and cut no request under way',
  { timeout: PATIENCE_MS },
  async () => {
    const at = await daemon();
    const slow = await RawClient.open(at.addresses.http);
    slow.send('/api/v2/alerts', { text: '[', length: push('Slow').length });
    const idle = await clients(at, 1_400, async (client) => {
      client.send('/-/healthy');
      await until(() => client.statuses.length === 1 || client.isClosed);
    });
    expect((await answer(at, '/api/v2/alerts', push('New'))).statuses).toEqual([200]);
    expect((await answer(at, '/api/v2/alerts')).statuses).toEqual([200]);
    await until(() => idle[0]?.isClosed === true);
    expect(idle.at(-1)?.isClosed).toBe(false);
    expect(idle.filter(({ isClosed }) => !isClosed).length).toBeGreaterThan(900);
    slow.write(push('Slow').slice(1));
    await until(() => slow.statuses.length > 0);
    expect(slow.statuses).toEqual([200]);
    expect((await namesOf(at)).toSorted()).toEqual(['New', 'Slow']);
    expect(await metrics(at)).toMatch(
      /tocsin_http_connections_closed_total\{reason="room"\} [1-9]/,
    );
  },
);

it.each([
  ['bodies', (client: RawClient) => void client.send('/api/v2/alerts', { text: '[', length: 9 })],
  ['headers', (client: RawClient) => void client.write('GET /-/healthy HTTP/1.1\r\nX-Slow: ')],
])(
  'probes, the leader lookup and pushes do not wait for 1,400 connections with unfinished %s',
  { timeout: PATIENCE_MS },
  async (_, attack) => {
    const at = await daemon();
    await clients(at, 1_400, attack);
    for (const path of ['/-/healthy', '/-/ready', '/-/leader', '/tocsin/v1/status']) {
      expect([path, (await answer(at, path)).statuses]).toEqual([path, [200]]);
    }
    expect((await answer(at, '/api/v2/alerts', push('New'))).statuses).toEqual([200]);
    expect((await answer(at, '/tocsin/v1/observations', 'web.load 1\n')).statuses).toEqual([200]);
    destroyClients();
    await until(async () => (await answer(at, '/api/v2/alerts')).statuses[0] === 200);
    expect(await namesOf(at)).toEqual(['New']);
  },
);

it(
  'clients that do not read, and pipelined ones that leave, keep nobody else from reading',
  { timeout: PATIENCE_MS },
  async () => {
    const at = await daemon();
    for (let part = 0; part < 3; part++) {
      const alerts = Array.from({ length: 200 }, (_, i) => ({
        labels: { alertname: `A${i}`, part: `${part}` },
        annotations: { long: 'x'.repeat(60_000) },
      }));
      expect((await at.post('/api/v2/alerts', alerts)).status).toBe(200);
    }
    const piping = await clients(at, 4, async (client) => {
      client.socket.once('data', () => client.socket.pause());
      client.write('GET /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(16));
      await until(() => client.text.length > 0);
    });
    for (const { socket } of piping) socket.destroy();
    await clients(at, 32, ({ socket }) => {
      socket.once('data', () => socket.pause());
      socket.write('GET /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\n\r\n');
    });
    expect((await answer(at, '/-/healthy')).statuses).toEqual([200]);
    expect((await answer(at, '/api/v2/alerts', push('New'))).statuses).toEqual([200]);
    expect((await answer(at, '/metrics')).statuses).toEqual([200]);
    await until(async () => (await answer(at, '/api/v2/silences')).statuses[0] === 200);
  },
);

it('X-Forwarded-For counts behind --trusted-proxy only', { timeout: PATIENCE_MS }, async () => {
  const folder = await scratch();
  const web = `${folder}/web.yml`;
  await writeFile(web, `tokens: [{name: a, scopes: [read], sha256: ${'0'.repeat(64)}}]\n`);
  const last = async (at: Daemon): Promise<number> => {
    let status = 0;
    for (let i = 0; i < 11; i++) {
      const headers = { authorization: `Bearer wrong-${i}`, 'x-forwarded-for': `10.0.0.${i}` };
      ({ status } = await fetch(at.url('/metrics'), { headers }));
    }
    return status;
  };
  expect(await last(await daemon('--web-config', web))).toBe(429);
  const proxies = ['--trusted-proxy', '192.0.2.0/24', '--trusted-proxy', '127.0.0.1'];
  expect(await last(await daemon('--web-config', web, ...proxies))).toBe(401);
});

it.skipIf(!hasOpenssl)(
  'a push over HTTP/2 does not wait for 1,400 handshakes that never end',
  { timeout: PATIENCE_MS },
  async () => {
    const folder = await scratch();
    const { cert, key } = await webCertificate(folder, 'server');
    const files = { cert_file: `${folder}/web.crt`, key_file: `${folder}/web.key` };
    await writeFile(files.cert_file, cert);
    await writeFile(files.key_file, key);
    const web = `${folder}/web.yml`;
    await writeFile(web, JSON.stringify({ tls_server_config: files }));
    const at = await daemon('--web-config', web);
    await clients(at, 1_400, (client) => void client.write('\x16\x03\x01\x40\x00\x01'));
    const session = connectHttp2(`https://${at.addresses.http}`, { ca: cert });
    const stream = session.request({ ':path': '/api/v2/alerts', ':method': 'POST' });
    stream.end(push('New'));
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    session.destroy();
    expect(headers[':status']).toBe(200);
  },
);
