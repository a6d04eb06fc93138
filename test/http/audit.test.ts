/** Who did it: what a request proves is what is kept, and `GET /tocsin/v1/audit` shows it. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { OPEN, type Scope, type WebSettings } from '../../src/io/http/web-settings.ts';
import { NOON, openDesk, type Desk } from './harness.ts';

/** bcrypt of `ann-pass`, at the lowest cost there is. */
const ANN_HASH = '$2b$04$B1y7L2qTVnZ7mXgrwfn77OMd2sLWoZNL21UkJwEMm43GGDc6uVQVy';
const ANN = `Basic ${Buffer.from('ann:ann-pass').toString('base64')}`;
const tokenOf = (scope: string): string => `token-of-${scope}-0123456789`;
const bearer = (scope: string): string => `Bearer ${tokenOf(scope)}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const SCOPES: readonly Scope[] = ['read', 'push', 'silence', 'admin'];
const WEB: WebSettings = {
  ...OPEN,
  users: new Map([['ann', { hash: ANN_HASH, scopes: SCOPES }]]),
  tokens: new Map(
    SCOPES.map((scope) => [sha256(tokenOf(scope)), { name: `${scope}-bot`, scopes: [scope] }]),
  ),
};

/** A desk by the rules of this build. */
const open = (web?: WebSettings): Promise<Desk> =>
  openDesk(web === undefined ? {} : { web }, {}, 3);

async function silence(desk: Desk, headers: Record<string, string>, createdBy = 'bob') {
  const body = JSON.stringify({
    matchers: [{ name: 'job', value: 'db', isRegex: false }],
    startsAt: new Date(NOON).toISOString(),
    endsAt: new Date(NOON + 60_000).toISOString(),
    createdBy,
    comment: '',
  });
  const answer = await desk.request('/api/v2/silences', { method: 'POST', headers, body });
  expect(answer).toMatchObject({ status: 200 });
  return (answer.json() as { silenceID: string }).silenceID;
}

interface Audit {
  readonly recording: boolean;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  readonly next: number | null;
}

async function audit(desk: Desk, query = '', authorization = bearer('admin')): Promise<Audit> {
  const answer = await desk.request(`/tocsin/v1/audit${query}`, { headers: { authorization } });
  expect(answer).toMatchObject({ status: 200 });
  return answer.json() as Audit;
}

describe('who did it', () => {
  it('is the user, or the name of the token, and never what the client says of itself', async () => {
    const desk = await open(WEB);
    const claims = { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6', from: 'root' };
    const first = await silence(desk, { authorization: ANN, ...claims }, 'root');
    const second = await silence(desk, { authorization: bearer('silence') }, 'ann');
    const headers = { authorization: bearer('admin') };
    await desk.request(`/api/v2/silence/${first}`, { method: 'DELETE', headers });

    expect((await audit(desk)).events.slice(0, 3)).toEqual([
      {
        id: 4,
        index: 4,
        at: new Date(NOON).toISOString(),
        action: 'expireSilence',
        subject: first,
        detail: '',
        actor: { kind: 'token', name: 'admin-bot' },
        createdBy: 'root',
      },
      expect.objectContaining({
        action: 'createSilence',
        subject: second,
        actor: { kind: 'token', name: 'silence-bot' },
        createdBy: 'ann',
      }),
      expect.objectContaining({
        action: 'createSilence',
        subject: first,
        actor: { kind: 'user', name: 'ann' },
        createdBy: 'root',
      }),
    ]);
  });

  it('is the address of the connection where nobody has to say who they are', async () => {
    const desk = await open();
    // Credentials that nobody checks prove nothing.
    await silence(desk, { authorization: ANN, 'x-forwarded-for': '6.6.6.6' });
    const [event] = (await audit(desk)).events;
    expect(event).toMatchObject({
      actor: { kind: 'address', name: '127.0.0.1' },
      createdBy: 'bob',
    });
  });

  it('is the client that a trusted proxy names, and nobody whom the client names itself', async () => {
    const trustedProxies = [{ address: '127.0.0.1', prefix: 32 }];
    const desk = await openDesk({ trustedProxies }, {}, 3);
    await silence(desk, { 'x-forwarded-for': '6.6.6.6, 198.51.100.7' });
    const [event] = (await audit(desk)).events;
    expect(event).toMatchObject({ actor: { kind: 'address', name: '198.51.100.7' } });
  });

  it('goes with a reload, a removal and a transfer', async () => {
    const desk = await open(WEB);
    const headers = { authorization: ANN };
    await desk.request('/-/reload', { method: 'POST', headers });
    await desk.request('/tocsin/v1/members/n1', { method: 'DELETE', headers });
    for (const to of ['n1', null]) {
      const body = JSON.stringify({ to });
      await desk.request('/tocsin/v1/leader', { method: 'POST', headers, body });
    }
    const actor = { kind: 'user', name: 'ann' };
    expect(desk.reloads).toEqual([actor]);
    expect(desk.node.changes).toEqual([
      { op: 'remove', node: 'node-1', actor },
      { op: 'transfer', node: 'node-1', actor },
      { op: 'transfer', node: null, actor },
    ]);
  });

  it('goes with a backup, which holds the secrets of the configuration', async () => {
    const desk = await open(WEB);
    const headers = { authorization: bearer('admin') };
    expect(await desk.request('/tocsin/v1/backup', { headers })).toMatchObject({ status: 200 });
    expect((await audit(desk)).events[0]).toMatchObject({
      action: 'backup',
      subject: 'node-1',
      actor: { kind: 'token', name: 'admin-bot' },
      createdBy: null,
    });
  });

  it('is nobody when a foreign web page has a browser fetch a backup: the browser would send the password', async () => {
    const desk = await open(WEB);
    const before = (await audit(desk)).events.length;
    for (const page of [
      // `fetch` of a page, and an image in it, which sends no `Origin`.
      { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' },
      { origin: 'http://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const headers = { authorization: ANN, ...page };
      expect(await desk.request('/tocsin/v1/backup', { headers })).toMatchObject({ status: 403 });
    }
    expect((await audit(desk)).events).toHaveLength(before);
    const headers = { authorization: ANN, 'sec-fetch-site': 'none' };
    expect(await desk.request('/tocsin/v1/backup', { headers })).toMatchObject({ status: 200 });
  });

  it('is no secret: neither a password nor a token is in what is kept', async () => {
    const desk = await open(WEB);
    await silence(desk, { authorization: ANN });
    await silence(desk, { authorization: bearer('silence') });
    const kept = JSON.stringify(desk.node.view().state.audit);
    expect(kept).toContain('silence-bot');
    for (const secret of [
      'ann-pass',
      ANN,
      ANN_HASH,
      tokenOf('silence'),
      sha256(tokenOf('silence')),
    ])
      expect(kept).not.toContain(secret);
  });
});

describe('GET /tocsin/v1/audit', () => {
  it('needs the scope admin: it names users and addresses', async () => {
    const desk = await open(WEB);
    for (const scope of ['read', 'push', 'silence']) {
      const headers = { authorization: bearer(scope) };
      expect(await desk.request('/tocsin/v1/audit', { headers })).toMatchObject({ status: 403 });
    }
    expect((await audit(desk, '', ANN)).recording).toBe(true);
  });

  it('shows the newest first, and the rest from `next` on', async () => {
    const desk = await open();
    for (let i = 0; i < 7; i++) await silence(desk, {}, `bob-${i}`);
    const seen: unknown[] = [];
    let query = '?limit=3';
    for (;;) {
      const { events, next } = await audit(desk, query);
      seen.push(...events.map(({ id }) => id));
      if (next === null) break;
      query = `?limit=3&before=${next}`;
    }
    expect(seen).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
    expect((await audit(desk, '?before=1')).events).toEqual([]);
  });

  it.each(['limit=0', 'limit=x', `limit=${HTTP_LIMITS.auditListed + 1}`, 'before=0', 'before=x'])(
    'refuses %s',
    async (query) => {
      const desk = await open();
      expect(await desk.get(`/tocsin/v1/audit?${query}`)).toMatchObject({ status: 400 });
    },
  );

  it('says that nothing is recorded while members of an earlier build may be there', async () => {
    const desk = await openDesk({}, {}, 2);
    await silence(desk, {});
    expect(await audit(desk)).toEqual({ recording: false, events: [], next: null });
  });

  it('is not answered by a node that does not know what was committed', async () => {
    const desk = await open();
    desk.node.isReady = false;
    expect(await desk.get('/tocsin/v1/audit')).toMatchObject({ status: 503 });
  });
});
