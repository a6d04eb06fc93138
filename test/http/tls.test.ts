/** HTTPS as the web configuration file sets it up, with real certificates. */

import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { request as httpsRequest, Agent } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { TLSSocket, SecureVersion } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { OPEN, type TlsSettings, type WebSettings } from '../../src/io/http/web-settings.ts';
import { hasOpenssl, webCertificate, type WebCertificate } from '../support/web-certificates.ts';
import { openDesk, type Desk } from './harness.ts';

describe.skipIf(!hasOpenssl)('TLS', () => {
  let folder = '';
  let server: WebCertificate;
  let rotated: WebCertificate;
  let client: WebCertificate;
  let stranger: WebCertificate;

  beforeAll(async () => {
    folder = await mkdtemp(`${tmpdir()}/tocsin-tls-`);
    const names = ['server', 'rotated', 'client', 'stranger'];
    const made = await Promise.all(names.map((name) => webCertificate(folder, name)));
    [server, rotated, client, stranger] = made as [
      WebCertificate,
      WebCertificate,
      WebCertificate,
      WebCertificate,
    ];
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const webWith = (more: Partial<TlsSettings> = {}, its = server): WebSettings => {
    const context = { cert: its.cert, key: its.key, ...more.context };
    const clients = { clientAuth: 'NoClientCert', clientSans: null } as const;
    return {
      ...OPEN,
      http2: true,
      tls: { ...clients, ...more, fingerprint: its.cert, context },
    };
  };

  interface From {
    readonly identity?: WebCertificate;
    readonly trusts?: WebCertificate;
    readonly maxVersion?: SecureVersion;
    readonly agent?: Agent;
  }

  const ask = async (desk: Desk, path: string, from: From = {}) => {
    const { agent = false, identity, maxVersion = 'TLSv1.3', trusts = server } = from;
    const { cert, key } = identity ?? {};
    const identityOptions = identity === undefined ? {} : { cert, key };
    const url = `${desk.url}${path}`;
    const sent = httpsRequest(url, {
      agent,
      ca: trusts.cert,
      maxVersion,
      ...identityOptions,
    }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    // Before the body is read: afterwards the socket may be gone.
    const by = (answer.socket as TLSSocket).getPeerCertificate().subject.CN;
    const chunks = await answer.toArray();
    return { status: answer.statusCode, text: chunks.join(''), by };
  };

  const session = async (desk: Desk): Promise<ClientHttp2Session> => {
    const opened = connectHttp2(desk.url, { ca: server.cert });
    onTestFinished(() => opened.destroy());
    await once(opened, 'connect');
    return opened;
  };

  const askHttp2 = async (from: ClientHttp2Session, headers: object, body?: string) => {
    const stream = from.request({ ...headers });
    stream.end(body);
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
    return { status: answer[':status'], text: (await stream.toArray()).join('') };
  };

  it('serves HTTP/1.1 and HTTP/2 on one port, reads and writes', async () => {
    const desk = await openDesk({ web: webWith() });
    expect(await ask(desk, '/-/healthy')).toMatchObject({ status: 200, text: 'OK\n' });
    const http2 = await session(desk);
    const push = { ':method': 'POST', ':path': '/api/v2/alerts' };
    const body = JSON.stringify([{ labels: { alertname: 'Down' } }]);
    expect(await askHttp2(http2, push, body)).toMatchObject({ status: 200 });
    const alerts = await askHttp2(http2, { ':path': '/api/v2/alerts' });
    expect(alerts.text).toContain('Down');
    expect(await askHttp2(http2, { ':path': '/nothing' })).toMatchObject({ status: 404 });
  });

  it('http2: false leaves HTTP/1.1 only', async () => {
    const desk = await openDesk({ web: { ...webWith(), http2: false } });
    expect(await ask(desk, '/-/healthy')).toMatchObject({ status: 200 });
    await expect(session(desk)).rejects.toThrow();
  });

  it('a client below the least version, and one that speaks plain HTTP, are refused', async () => {
    const desk = await openDesk({ web: webWith({ context: { minVersion: 'TLSv1.3' } }) });
    await expect(ask(desk, '/-/healthy', { maxVersion: 'TLSv1.2' })).rejects.toThrow();
    const plain = fetch(`http://${new URL(desk.url).host}/-/healthy`);
    await expect(plain).rejects.toThrow();
    expect(await ask(desk, '/-/healthy')).toMatchObject({ status: 200 });
  });

  it.each([
    ['RequestClientCert', [true, true, true]],
    ['RequireAnyClientCert', [false, true, true]],
    ['VerifyClientCertIfGiven', [true, false, true]],
    ['RequireAndVerifyClientCert', [false, false, true]],
  ] as const)('%s: without one, of a stranger, of our CA: %j', async (clientAuth, passes) => {
    const context = { ca: client.cert };
    const desk = await openDesk({ web: webWith({ clientAuth, context }) });
    for (const [i, identity] of [undefined, stranger, client].entries()) {
      const from = identity === undefined ? {} : { identity };
      const status = await ask(desk, '/-/healthy', from).then(
        (answer) => answer.status,
        () => 'refused',
      );
      expect([i, status]).toEqual([i, passes[i] === true ? 200 : 'refused']);
    }
  });

  it('a client certificate must hold one of the names that are allowed', async () => {
    const clientAuth = 'RequireAndVerifyClientCert';
    const given = { clientAuth, context: { ca: client.cert } } as const;
    const status = async (names: readonly string[]) => {
      const desk = await openDesk({ web: webWith({ ...given, clientSans: names }) });
      return ask(desk, '/-/healthy', { identity: client }).then(
        (answer) => answer.status,
        () => 'refused',
      );
    };
    expect(await status(['other', 'client'])).toBe(200);
    expect(await status(['127.0.0.1'])).toBe(200);
    expect(await status(['clien', '*'])).toBe('refused');
  });

  it('a new certificate holds for the next connection; those of before end in order', async () => {
    const desk = await openDesk({ web: webWith() });
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const http2 = await session(desk);
    expect(await ask(desk, '/-/healthy', { agent })).toMatchObject({ by: 'server' });
    const ended = once(http2, 'close');
    desk.use(webWith({}, rotated));
    await ended;
    const both = { trusts: { ...server, cert: server.cert + rotated.cert } };
    expect(await ask(desk, '/-/healthy', both)).toMatchObject({ by: 'rotated' });
    // The idle connection was closed, and a client of the old CA notices.
    await expect(ask(desk, '/-/healthy', { agent, trusts: server })).rejects.toThrow();
  });
});
