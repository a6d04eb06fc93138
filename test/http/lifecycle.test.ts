/** Probes, reload, status: what supervisors, load balancers and dashboards ask first. */

import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { openDesk, type Desk } from './harness.ts';

describe('probes', () => {
  it('healthy and ready answer GET and HEAD', async () => {
    const desk = await openDesk();
    for (const path of ['/-/healthy', '/-/ready']) {
      expect(await desk.get(path)).toMatchObject({ status: 200, text: 'OK\n' });
      expect(await desk.request(path, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    }
  });

  it('a node that is not ready says why, and is healthy all the same', async () => {
    const desk = await openDesk();
    desk.node.isReady = false;
    expect(await desk.get('/-/ready')).toMatchObject({
      status: 503,
      text: 'not ready: applied 1 of 1 committed entries\n',
    });
    desk.node.leader = null;
    expect(await desk.get('/-/ready')).toMatchObject({
      status: 503,
      text: 'not ready: no leader is known\n',
    });
    expect(await desk.get('/-/healthy')).toMatchObject({ status: 200 });
  });

  it('the leader is a name, or a 503', async () => {
    const desk = await openDesk();
    expect(await desk.get('/-/leader')).toMatchObject({ status: 200, text: 'n1\n' });
    desk.node.leader = null;
    expect(await desk.get('/-/leader')).toMatchObject({ status: 503 });
  });

  it('reload answers with every problem of the file', async () => {
    const desk = await openDesk();
    expect(await desk.post('/-/reload', '')).toMatchObject({ status: 200 });
    desk.reloaded = { ok: false, message: 'tocsin.yml:1:2: a\ntocsin.yml:3:4: b' };
    expect(await desk.post('/-/reload', '')).toMatchObject({
      status: 400,
      text: 'tocsin.yml:1:2: a\ntocsin.yml:3:4: b\n',
    });
    expect(await desk.get('/-/reload')).toMatchObject({ status: 405 });
  });
});

describe('GET /api/v2/status', () => {
  it('a lone node is its own peer, and secrets of the file are not shown', async () => {
    const desk = await openDesk();
    const answer = await desk.get('/api/v2/status');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.json()).toMatchObject({
      cluster: {
        name: 'n1',
        status: 'ready',
        peers: [{ name: 'n1', address: '127.0.0.1:9094' }],
      },
      config: { original: expect.stringContaining('receiver: team') },
      uptime: '2023-11-14T22:13:20.000Z',
      versionInfo: { version: '0.1.0', revision: 'abc' },
    });
  });

  it('lists receivers', async () => {
    const desk = await openDesk();
    expect((await desk.get('/api/v2/receivers')).json()).toEqual([{ name: 'team' }]);
  });
});

describe('addresses', () => {
  it('API v1 is gone', async () => {
    const desk = await openDesk();
    expect(await desk.get('/api/v1/alerts')).toMatchObject({ status: 410 });
    expect(await desk.post('/api/v1/alerts', [])).toMatchObject({ status: 410 });
  });

  it('what is not there is a 404, a wrong method a 405 that names the right ones', async () => {
    const desk = await openDesk();
    expect((await desk.get('/api/v2/nothing')).json()).toBe('there is no GET /api/v2/nothing');
    const wrong = await desk.request('/api/v2/alerts', { method: 'DELETE' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('GET, POST');
  });

  it('everything stands under the prefix, and only there', async () => {
    const desk = await openDesk({ prefix: '/ops/alerts/' });
    for (const path of ['/-/ready', '/api/v2/status', '/tocsin/v1/status', '/metrics', '/']) {
      expect(await desk.get(`/ops/alerts${path}`)).toMatchObject({ status: 200 });
      if (path !== '/') expect(await desk.get(path)).toMatchObject({ status: 404 });
    }
    for (const path of ['/', '/ops/alerts']) {
      const answer = await desk.get(path);
      expect(answer.status).toBe(302);
      expect(answer.headers.get('location')).toBe('/ops/alerts/');
    }
  });
});

describe('web pages of other sites', () => {
  it('may read, as with Alertmanager', async () => {
    const desk = await openDesk();
    const headers = { origin: 'https://grafana.example' };
    const answer = await desk.request('/api/v2/alerts', { headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    const asked = await desk.request('/api/v2/silences', { method: 'OPTIONS', headers });
    expect(asked.status).toBe(200);
    expect(asked.headers.get('access-control-allow-methods')).toBe('GET, OPTIONS');
  });

  it.each([
    ['https://karma.example', 'POST', 403],
    ['https://karma.example', 'DELETE', 403],
    ['https://karma.example', 'GET', 200],
    ['null', 'POST', 403],
    ['OURS', 'POST', 200],
    ['OURS', 'DELETE', 200],
  ])('%s may ask beforehand to %s: %i, as the request itself', async (from, method, status) => {
    const desk = await openDesk();
    const origin = from === 'OURS' ? desk.url : from;
    const path = method === 'DELETE' ? '/api/v2/silence/x' : '/api/v2/silences';
    const headers = { origin, 'access-control-request-method': method };
    const asked = await desk.request(path, { method: 'OPTIONS', headers });
    expect(asked.status).toBe(status);
    const body = method === 'POST' ? { body: '{}' } : {};
    const done = await desk.request(path, { method, headers: { origin }, ...body });
    expect(done.status === 403).toBe(status === 403);
    const allowed = asked.headers.get('access-control-allow-methods')?.split(', ') ?? [];
    expect(allowed.includes(method)).toBe(status === 200);
  });

  it.each([
    ['POST', '/api/v2/alerts'],
    ['POST', '/api/v2/silences'],
    ['DELETE', '/api/v2/silence/x'],
    ['POST', '/-/reload'],
    ['POST', '/tocsin/v1/observations'],
  ])('may not %s %s', async (method, path) => {
    const desk = await openDesk();
    const foreign = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    for (const headers of foreign) {
      expect(await desk.request(path, { method, headers })).toMatchObject({ status: 403 });
    }
  });

  it('a page that this server served may change things, also behind a proxy', async () => {
    const desk = await openDesk();
    const send = (headers: Record<string, string>) =>
      desk.request('/api/v2/alerts', { method: 'POST', body: '[]', headers });
    expect(await send({ origin: desk.url })).toMatchObject({ status: 200 });
    expect(await send({ 'sec-fetch-site': 'same-origin' })).toMatchObject({ status: 200 });
  });
});

describe('names and origins', () => {
  /** `fetch` sets these headers itself. */
  const ask = async (desk: Desk, method: string, headers: Record<string, string>) => {
    const { port } = new URL(desk.url);
    const path = '/api/v2/alerts';
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers });
    request.end(method === 'POST' ? '[]' : undefined);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    return response;
  };
  const options = {
    externalUrl: 'https://alerts.example/ops',
    allowedHosts: ['tocsin.internal'],
    corsOrigins: ['https://karma.example:8443'],
  };

  it.each([
    ['127.0.0.1:9093', 200],
    ['10.0.0.7', 200],
    ['[::1]:9093', 200],
    ['localhost:1', 200],
    ['LOCALHOST', 200],
    ['alerts.example', 200],
    ['tocsin.internal:9093', 200],
    ['evil.example', 421],
    ['evil.example:9093', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost.evil.example', 421],
    ['x@evil.example', 400],
    ['a b', 400],
  ])('Host %s is answered with %i, for reads and changes', async (host, status) => {
    const desk = await openDesk(options);
    for (const method of ['GET', 'POST']) {
      expect((await ask(desk, method, { host })).statusCode).toBe(status);
    }
  });

  it.each<[string, Record<string, string>, boolean]>([
    ['no origin', {}, true],
    ['its own', { host: 'localhost:9093', origin: 'http://localhost:9093' }, true],
    ['the external URL, whatever the proxy calls us', { origin: 'https://alerts.example' }, true],
    ['allowed', { origin: 'https://karma.example:8443' }, true],
    [
      'allowed, from another site',
      { origin: 'https://karma.example:8443', 'sec-fetch-site': 'cross-site' },
      true,
    ],
    [
      'the word of the browser',
      { origin: 'https://other.example', 'sec-fetch-site': 'same-origin' },
      true,
    ],
    ['a name that was typed', { 'sec-fetch-site': 'none' }, true],
    ['another port', { host: 'localhost:9093', origin: 'http://localhost:3000' }, false],
    [
      'another port, same site',
      { host: 'localhost:9093', origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' },
      false,
    ],
    ['same site without a name', { 'sec-fetch-site': 'same-site' }, false],
    ['another port of an allowed one', { origin: 'https://karma.example' }, false],
    ['the external URL without TLS', { origin: 'http://alerts.example' }, false],
    [
      'a forwarded host that anybody can write',
      { origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' },
      false,
    ],
    ['null', { origin: 'null' }, false],
    ['no origin at all', { origin: 'evil' }, false],
  ])('%s: %j may change: %s, and the preflight says the same', async (_name, headers, may) => {
    const desk = await openDesk(options);
    expect((await ask(desk, 'POST', headers)).statusCode).toBe(may ? 200 : 403);
    expect((await ask(desk, 'GET', headers)).statusCode).toBe(200);
    const asked = { ...headers, 'access-control-request-method': 'POST' };
    const preflight = await ask(desk, 'OPTIONS', asked);
    expect(preflight.statusCode).toBe(may ? 200 : 403);
    const isAllowed = headers['origin'] === 'https://karma.example:8443';
    const names = preflight.headers['access-control-allow-origin'];
    expect(names).toBe(isAllowed ? 'https://karma.example:8443' : '*');
    expect(preflight.headers['access-control-allow-credentials']).toBe(
      isAllowed ? 'true' : undefined,
    );
  });
});

describe('paths', () => {
  /** `fetch` would tidy the path up before it sends it. */
  const ask = async (desk: Desk, path: string, method = 'GET') => {
    const { port } = new URL(desk.url);
    const request = httpRequest({ host: '127.0.0.1', port, path, method }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    return [response.statusCode, response.headers.location];
  };

  it.each(['', '/ops/alerts'])(
    'a slash at the end of API v2 means nothing, under %j',
    async (root) => {
      const desk = await openDesk({ prefix: root });
      for (const path of ['alerts', 'alerts/groups', 'silences', 'status', 'receivers']) {
        expect(await ask(desk, `${root}/api/v2/${path}/`)).toEqual([200, undefined]);
      }
      const pushed = await desk.post(`${root}/api/v2/alerts/`, []);
      expect(pushed).toMatchObject({ status: 200 });
      for (const path of ['', 'silence/', 'nothing/']) {
        expect(await ask(desk, `${root}/api/v2/${path}`)).toEqual([404, undefined]);
      }
    },
  );

  it('doubled slashes and dots lead to the path that is meant, and a change stays one', async () => {
    const desk = await openDesk();
    expect(await ask(desk, '//api/v2//alerts?a=//b')).toEqual([301, '/api/v2/alerts?a=//b']);
    expect(await ask(desk, '/api/v2/../v2/./alerts')).toEqual([301, '/api/v2/alerts']);
    expect(await ask(desk, '/api//v2/alerts', 'POST')).toEqual([308, '/api/v2/alerts']);
    expect(await ask(desk, '///evil.example/..')).toEqual([404, undefined]);
    expect(await ask(desk, '//evil.example/api/v2/alerts')).toEqual([404, undefined]);
    expect(await ask(desk, '//\\evil.example')).toEqual([400, undefined]);
  });
});
