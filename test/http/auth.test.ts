/** Who may do what: every route with every kind of credential, guesses, and changes while it runs. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ROUTE_SCOPES } from '../../src/io/http/auth-routes.ts';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { OPEN, type Scope, type WebSettings } from '../../src/io/http/web-settings.ts';
import { openDesk, type Answer, type Desk } from './harness.ts';

/** bcrypt of `ann-pass` and `bob-pass`, at the lowest cost there is. */
const ANN = '$2b$04$B1y7L2qTVnZ7mXgrwfn77OMd2sLWoZNL21UkJwEMm43GGDc6uVQVy';
const BOB = '$2b$04$PtWMJe7QrMKB.ffGNVkqqOkkCpt7pRrvEtg6LH0wZJ.50PIsKzw6e';

const SCOPES: readonly Scope[] = ['read', 'push', 'silence', 'admin'];

const tokenOf = (scope: string): string => `token-of-${scope}-0123456789`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const WEB: WebSettings = {
  ...OPEN,
  users: new Map([
    ['ann', { hash: ANN, scopes: SCOPES }],
    ['bob', { hash: BOB, scopes: ['read'] }],
  ]),
  tokens: new Map(
    SCOPES.map((scope) => [sha256(tokenOf(scope)), { name: scope, scopes: [scope] }]),
  ),
};

/** Each credential and the scopes that it has; null is refused as nobody. */
const CREDENTIALS: readonly (readonly [
  name: string,
  header: string | null,
  scopes: readonly Scope[] | null,
])[] = [
  ['no credential', null, null],
  ['a wrong password', basic('ann', 'bob-pass'), null],
  ['an unknown user', basic('eve', 'ann-pass'), null],
  ['no user name', basic('', 'ann-pass'), null],
  ['no colon', `Basic ${Buffer.from('ann').toString('base64')}`, null],
  ['an unknown token', `Bearer ${tokenOf('nobody')}`, null],
  ['the digest of a token', `Bearer ${sha256(tokenOf('admin'))}`, null],
  ['an empty token', 'Bearer', null],
  ['another scheme', `Digest ${tokenOf('admin')}`, null],
  ['a user', basic('ann', 'ann-pass'), SCOPES],
  ['a user who reads', basic('bob', 'bob-pass'), ['read']],
  ...SCOPES.map((scope) => [`a ${scope} token`, `Bearer ${tokenOf(scope)}`, [scope]] as const),
  ['a token in other case of the scheme', `bearer ${tokenOf('read')}`, ['read']],
];

async function ask(desk: Desk, route: string, authorization: string | null): Promise<Answer> {
  const [method = '', path = ''] = route.split(' ');
  const headers: Record<string, string> = authorization === null ? {} : { authorization };
  const url = path.replace(/:\w+/g, 'x');
  // The stream of events never ends.
  const verb = path.endsWith('/events') ? 'HEAD' : method;
  return desk.request(url, { method: verb, headers, ...(method === 'POST' ? { body: '[]' } : {}) });
}

describe('each route with each credential', () => {
  it.each(['', '/ops/alerts'])('each route has a scope, under %j', async (prefix) => {
    const desk = await openDesk({ prefix });
    expect(desk.routes().length).toBeGreaterThan(20);
    const known = Object.keys(ROUTE_SCOPES);
    expect([...new Set(desk.routes())].toSorted()).toEqual(known.toSorted());
  });

  it.each(CREDENTIALS)('%s', async (_name, header, scopes) => {
    const desk = await openDesk({ web: WEB });
    for (const route of desk.routes()) {
      // A clock that stands still would count the wrong passwords of all routes together.
      desk.clock.advance(HTTP_LIMITS.failuresAtOnce * HTTP_LIMITS.failureEveryMs);
      const needed = ROUTE_SCOPES[route] ?? 'admin';
      const may =
        needed === 'public' || scopes?.some((scope) => scope === needed || scope === 'admin');
      const { headers, status } = await ask(desk, route, header);
      if (may === true) expect([route, status === 401 || status === 403]).toEqual([route, false]);
      else expect([route, status]).toEqual([route, scopes === null ? 401 : 403]);
      const challenge = headers.get('www-authenticate') ?? '';
      expect([route, challenge.includes('Basic realm')]).toEqual([route, status === 401]);
    }
  });

  it('what was not granted has not happened', async () => {
    const desk = await openDesk({ web: WEB });
    const before = desk.node.view().index;
    for (const route of desk.routes()) await ask(desk, route, `Bearer ${tokenOf('nobody')}`);
    for (const route of desk.routes()) {
      if (!route.startsWith('GET')) await ask(desk, route, `Bearer ${tokenOf('read')}`);
    }
    expect(desk.node.view().index).toBe(before);
  });

  it('what is not there is told only to somebody', async () => {
    const desk = await openDesk({ web: WEB });
    for (const path of ['/nothing', '/api/v2/nothing', '/api/v1/alerts', '/tocsin/v1']) {
      expect(await desk.get(path)).toMatchObject({ status: 401 });
      const headers = { authorization: `Bearer ${tokenOf('push')}` };
      const known = await desk.request(path, { headers });
      expect([404, 410]).toContain(known.status);
    }
  });

  it('a path that is spelt otherwise needs the same scope', async () => {
    const desk = await openDesk({ web: WEB });
    const headers = { authorization: `Bearer ${tokenOf('read')}` };
    const spellings = ['/%2d/reload', '/-/%72eload', '/tocsin/v1/%6ceader', '/api/v2/silences/'];
    for (const path of spellings) {
      const refused = await desk.request(path, { method: 'POST', headers, body: '{}' });
      expect([path, refused.status]).toEqual([path, 403]);
    }
    for (const path of ['/api/v2/alerts/', '/api/v2/%61lerts']) {
      expect(await desk.get(path)).toMatchObject({ status: 401 });
    }
  });

  it('without users and tokens everybody may do everything', async () => {
    const desk = await openDesk();
    for (const route of desk.routes()) {
      expect([401, 403]).not.toContain((await ask(desk, route, null)).status);
    }
  });
});

describe('guesses', () => {
  it('an address that guesses has to wait, and then may try again', async () => {
    const desk = await openDesk({ web: WEB });
    const guess = (password: string) => ask(desk, 'GET /metrics', basic('ann', password));
    for (let i = 0; i < HTTP_LIMITS.failuresAtOnce; i++) {
      expect(await guess(`guess-${i}`)).toMatchObject({ status: 401 });
    }
    const limited = await guess('another');
    expect(limited.status).toBe(429);
    expect(limited.headers.get('retry-after')).toBe('6');
    // Nor is the right one tried, which would tell it from the wrong ones.
    expect(await guess('ann-pass')).toMatchObject({ status: 429 });
    expect(desk.logged).toContain('wrong credentials');
    desk.clock.advance(HTTP_LIMITS.failureEveryMs);
    expect(await guess('ann-pass')).toMatchObject({ status: 200 });
  });

  it('many guesses at once count as many', async () => {
    const desk = await openDesk({ web: WEB });
    const guesses = Array.from({ length: 40 }, (_, i) =>
      ask(desk, 'GET /metrics', basic('ann', `guess-${i}`)),
    );
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(HTTP_LIMITS.failuresAtOnce);
    expect(statuses.filter((status) => status === 429)).toHaveLength(
      40 - HTTP_LIMITS.failuresAtOnce,
    );
  });

  it('who was let in before is let in while its address guesses, and so is a token', async () => {
    const desk = await openDesk({ web: WEB });
    expect(await ask(desk, 'GET /metrics', basic('ann', 'ann-pass'))).toMatchObject({
      status: 200,
    });
    for (let i = 0; i < 2 * HTTP_LIMITS.failuresAtOnce; i++) {
      await ask(desk, 'GET /metrics', `Bearer guess-${i}`);
    }
    expect(await ask(desk, 'GET /metrics', basic('bob', 'bob-pass'))).toMatchObject({
      status: 429,
    });
    for (const known of [basic('ann', 'ann-pass'), `Bearer ${tokenOf('read')}`]) {
      expect(await ask(desk, 'GET /metrics', known)).toMatchObject({ status: 200 });
    }
  });

  it('a client with an old password or token locks out nobody at its address', async () => {
    const desk = await openDesk({ web: WEB });
    for (let i = 0; i < 5 * HTTP_LIMITS.failuresAtOnce; i++) {
      const answer = await ask(desk, 'GET /metrics', basic('bob', 'old-pass'));
      expect(answer.status).toBe(401);
    }
    for (let i = 0; i < 5 * HTTP_LIMITS.failuresAtOnce; i++) {
      expect((await ask(desk, 'GET /metrics', 'Bearer an-old-token')).status).toBe(401);
    }
    expect(await ask(desk, 'GET /metrics', basic('ann', 'ann-pass'))).toMatchObject({
      status: 200,
    });
  });

  it('a slow comparison does not hold the event loop, and equal ones are made once', async () => {
    // Cost 10, as htpasswd makes them: about 60 ms each, and 200 of them are 12 s.
    const hash = '$2b$10$Dbokpt62uFCA7N.wHdnc.epidMbT4RlN6ao0nwvreQNg4dR1qbpCe';
    const users = new Map([['ann', { hash, scopes: SCOPES }]]);
    const desk = await openDesk({ web: { ...WEB, users } });
    const asked = Array.from({ length: 200 }, () =>
      ask(desk, 'GET /metrics', basic('ann', 'ann-pass')),
    );
    expect(await desk.get('/-/healthy')).toMatchObject({ status: 200 });
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});

describe('changes while it runs', () => {
  it('a user and a token that are taken away are refused with the next request', async () => {
    const desk = await openDesk({ web: WEB });
    const ann = basic('ann', 'ann-pass');
    const token = `Bearer ${tokenOf('read')}`;
    for (const known of [ann, token]) {
      expect(await ask(desk, 'GET /metrics', known)).toMatchObject({ status: 200 });
    }
    desk.use({
      ...WEB,
      users: new Map([['ann', { hash: BOB, scopes: SCOPES }]]),
      tokens: new Map(),
    });
    for (const known of [ann, token]) {
      expect(await ask(desk, 'GET /metrics', known)).toMatchObject({ status: 401 });
    }
    const next = basic('ann', 'bob-pass');
    expect(await ask(desk, 'GET /metrics', next)).toMatchObject({ status: 200 });
  });

  it('a stream of events ends when its token is taken away, and goes on when another one is', async () => {
    const desk = await openDesk({ web: WEB });
    const token = `Bearer ${tokenOf('read')}`;
    const open = () => fetch(`${desk.url}/tocsin/v1/events`, { headers: { authorization: token } });
    const follow = async (response: Response) => {
      const reader = response.body?.getReader();
      if (reader === undefined) throw new Error('the stream has no body');
      await reader.read();
      return reader;
    };
    const stolen = await follow(await open());
    const others = new Map([...WEB.tokens].filter(([, { name }]) => name !== 'push'));

    desk.use({ ...WEB, tokens: others });
    desk.clock.advance(HTTP_LIMITS.heartbeatMs);
    const { value } = await stolen.read();
    expect(Buffer.from(value ?? []).toString()).toBe(': still here\n\n');

    desk.use({ ...WEB, tokens: new Map() });
    expect((await stolen.read()).done).toBe(true);
    expect((await open()).status).toBe(401);
  });

  it('a stream of events ends when its user may read no more, or has another password', async () => {
    const desk = await openDesk({ web: WEB });
    const ann = WEB.users.get('ann');
    if (ann === undefined) throw new Error('no ann');
    for (const next of [
      { ...ann, hash: BOB },
      { ...ann, scopes: ['push'] as const },
    ]) {
      desk.use(WEB);
      const headers = { authorization: basic('ann', 'ann-pass') };
      const response = await fetch(`${desk.url}/tocsin/v1/events`, { headers });
      const reader = response.body?.getReader();
      expect((await reader?.read())?.done).toBe(false);
      desk.use({ ...WEB, users: new Map([['ann', next]]) });
      expect((await reader?.read())?.done).toBe(true);
    }
  });
});

describe('headers and rate', () => {
  it('the headers of the file are on every answer, also where a route has its own', async () => {
    const headers = { 'X-Frame-Options': 'deny', 'Content-Security-Policy': "default-src 'self'" };
    const desk = await openDesk({ web: { ...WEB, headers } });
    for (const path of ['/', '/-/healthy', '/nothing', '/api/v2/alerts']) {
      for (const authorization of ['', `Bearer ${tokenOf('read')}`]) {
        const answer = await desk.request(path, { headers: { authorization } });
        expect(answer.headers.get('x-frame-options')).toBe('deny');
        expect(answer.headers.get('content-security-policy')).toBe("default-src 'self'");
      }
    }
  });

  it('rate_limit lets a burst pass, and then one request for each interval', async () => {
    const desk = await openDesk({ web: { ...OPEN, rateLimit: { intervalMs: 2_000, burst: 3 } } });
    const statuses = async (count: number): Promise<number[]> => {
      const all: number[] = [];
      for (let i = 0; i < count; i++) all.push((await desk.get('/metrics')).status);
      return all;
    };
    expect(await statuses(4)).toEqual([200, 200, 200, 429]);
    desk.clock.advance(2_000);
    expect(await statuses(2)).toEqual([200, 429]);
  });
});
