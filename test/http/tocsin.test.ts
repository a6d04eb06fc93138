/** Our own API: readings in, reasons out. */

import { describe, expect, it } from 'vitest';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { entries } from '../../src/projections/table.ts';
import { check, config, receiver } from '../support/scenario-config.ts';
import { NOON, openDesk, type Desk } from './harness.ts';

function at(ms: number): string {
  return new Date(NOON + ms).toISOString();
}

describe('POST /tocsin/v1/observations', () => {
  it.each([
    ['an object', '{"readings":[{"series":"a.b","value":1},{"series":"a.c","value":-2.5}]}'],
    ['a list', '[{"series":"a.b","value":1},{"series":"a.c","value":-2.5}]'],
    ['carbon lines', 'a.b 1\na.c -2.5 1700000000\n'],
    ['carbon lines of Windows', '\r\na.b\t1.0 -1\r\na.c -25e-1\r\n\r\n'],
  ])('%s of readings is committed before the answer', async (_, body) => {
    const desk = await openDesk();
    const answer = await desk.post('/tocsin/v1/observations', body);
    expect(answer.json()).toEqual({ index: 2, at: NOON, count: 2 });
    expect(desk.node.seriesId('a.b')).toBe(0);
    expect(desk.node.seriesId('a.c')).toBe(1);
  });

  it('a reading past a check becomes an alert that every API shows', async () => {
    const desk = await openDesk({}, config({ checks: [check({ series: 'servers.*.cpu' })] }));
    await desk.post('/tocsin/v1/observations', 'servers.a.cpu 99');
    await desk.post('/tocsin/v1/observations', 'servers.b.cpu 5');
    expect((await desk.get('/api/v2/alerts')).json()).toMatchObject([
      { labels: { alertname: 'HighCpu', series: 'servers.a.cpu' } },
    ]);
  });

  it('the same new series twice in one body is one series', async () => {
    const desk = await openDesk();
    await desk.post('/tocsin/v1/observations', 'a;y=2;x=1 1\na;x=1;y=2 2\nb 3\na;x=1;y=2 4');
    expect(desk.node.seriesId('a;x=1;y=2')).toBe(0);
    expect(desk.node.seriesId('b')).toBe(1);
    expect(desk.node.view().state.facts.seriesCount).toBe(2);
  });

  it.each([
    ['[{"series":"a","value":1e999}]', 'readings[0]: value is not finite'],
    ['[{"series":"a","value":1},{"series":"b"}]', 'readings[1]: value is not a number'],
    ['[{"series":"a","value":"1"}]', 'readings[0]: value is not a number'],
    ['[{"series":7,"value":1}]', 'readings[0]: series is not text'],
    ['[{"series":"","value":1}]', 'readings[0]: nothing may be called ""'],
    ['[null]', 'readings[0]: value is not a number'],
    ['{"values":[]}', 'the body is neither a list nor {"readings": […]}'],
    ['{"readings":', 'the body is not JSON: Unexpected end of JSON input'],
    ['[]', 'the body has no reading'],
    ['', 'the body has no reading'],
    [
      'a 1\nb nan\nc',
      'line 2: value "nan" is not a finite number; line 3: is not "name value" or "name value time"',
    ],
    ['a 1 2 3', 'line 1: is not "name value" or "name value time"'],
    ['a 0x10', 'line 1: value "0x10" is not a finite number'],
    ['a 1 soon', 'line 1: time "soon" is not a number'],
    ['a 1 -7', 'line 1: time "-7" is not a time: give seconds since 1970, or -1 for now'],
    ['[{"series":"a","value":1,"time":true}]', 'readings[0]: time is not a number'],
    [
      '[{"series":"a","value":1,"time":"soon"}]',
      'readings[0]: time "soon" is not a time: give seconds since 1970, or -1 for now',
    ],
    ['[{"series":"...","value":1}]', 'readings[0]: nothing may be called "..."'],
    ['\u0000 1', 'line 1: nothing may be called "\\u0000"'],
  ])('%j is refused as a whole: %s', async (body, message) => {
    const desk = await openDesk();
    const answer = await desk.post('/tocsin/v1/observations', body);
    expect(answer.status).toBe(400);
    expect(answer.json()).toBe(message);
    expect(desk.node.view().index).toBe(1);
  });

  it('a reading that is too old is not judged, is counted, and its series is known', async () => {
    const desk = await openDesk({}, config({ checks: [check({ series: 'servers.*.cpu' })] }));
    desk.lateAfterMs = 600_000;
    const now = NOON / 1_000;
    const lines = `servers.a.cpu 99 ${now - 601}\nservers.b.cpu 99 ${now - 599}\nservers.c.cpu 99 N`;
    const answer = await desk.post('/tocsin/v1/observations', lines);
    expect(answer.json()).toEqual({ index: 2, at: NOON, count: 2, late: 1 });
    const json = [
      { series: 'servers.d.cpu', value: 99, time: now - 3_600 },
      { series: 'servers.e.cpu', value: 99, time: (now - 3_600) * 1_000 },
      { series: 'servers.f.cpu', value: 99, time: at(-3_600_000) },
      { series: 'servers.g.cpu', value: 99, time: at(3_600_000) },
    ];
    expect((await desk.post('/tocsin/v1/observations', json)).json()).toMatchObject({ late: 3 });
    const alerts = (await desk.get('/api/v2/alerts')).json() as {
      labels: Record<string, string>;
    }[];
    expect(alerts.map(({ labels }) => labels['series'] ?? '').toSorted()).toEqual([
      'servers.b.cpu',
      'servers.c.cpu',
      'servers.g.cpu',
    ]);
    expect(desk.node.seriesId('servers.a.cpu')).toBeGreaterThanOrEqual(0);
    const { text } = await desk.get('/metrics');
    expect(text).toContain('tocsin_observations_dropped_total{reason="late"} 4');
  });

  it('a series is the same however many dots its sender writes', async () => {
    const desk = await openDesk();
    await desk.post('/tocsin/v1/observations', 'n2..a.b 1\n.n2.a.b. 2');
    await desk.post('/tocsin/v1/observations', [{ series: 'n2.a...b', value: 3 }]);
    expect(desk.node.view().state.facts.seriesCount).toBe(1);
    expect(desk.node.seriesId('n2.a.b')).toBe(0);
  });

  it('what could not be committed is counted as lost', async () => {
    const desk = await openDesk();
    desk.node.refusal = { ok: false, code: 'busy', message: 'the queue is full' };
    expect(await desk.post('/tocsin/v1/observations', 'a 1\nb 2')).toMatchObject({ status: 503 });
    await desk.post('/tocsin/v1/observations', 'a 1\nb nan');
    const { text } = await desk.get('/metrics');
    expect(text).toContain('tocsin_observations_dropped_total{reason="not-committed"} 2');
    expect(text).toContain('tocsin_observations_dropped_total{reason="refused"} 2');
  });
});

describe('GET /tocsin/v1/status and members', () => {
  it('show the node and the sizes of its tables', async () => {
    const desk = await openDesk();
    await desk.post('/tocsin/v1/observations', 'a 1');
    expect((await desk.get('/tocsin/v1/status')).json()).toMatchObject({
      name: 'n1',
      role: 'leader',
      leader: 'n1',
      ready: true,
      appliedIndex: 2,
      appliedAt: at(0),
      configIndex: 1,
      tables: { series: 1, alerts: 0, groups: 0, silences: 0, notifications: 0 },
    });
    expect((await desk.get('/tocsin/v1/members')).json()).toMatchObject([
      { name: 'n1', role: 'leader', httpAddress: '127.0.0.1:9093' },
    ]);
  });
});

/** One alert that was told, one that a silence holds back, each in a group of its own. */
async function toldAndHeldBack(): Promise<Desk> {
  const desk = await openDesk({}, { receivers: [receiver('team', true, false)] });
  await desk.post('/api/v2/silences', {
    matchers: [{ name: 'alertname', value: 'Quiet', isRegex: false }],
    startsAt: at(0),
    endsAt: at(600_000),
    createdBy: 'ann',
    comment: '',
  });
  await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Loud' } }]);
  await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Quiet' } }]);
  desk.clock.advance(30_000);
  desk.node.decide();
  const notification = `${desk.node.view().index}.0`;
  desk.node.fold([{ kind: 'attempt', notification, try: 1, node: 'n1' }]);
  const outcome = { result: 'delivered', status: 200, detail: '', tookMs: 12 } as const;
  desk.node.fold([{ kind: 'outcome', notification, try: 1, ...outcome }]);
  return desk;
}

describe('GET /tocsin/v1/explain', () => {
  interface Explained {
    readonly alerts: readonly Record<string, unknown>[];
    readonly pending: readonly Record<string, unknown>[];
    readonly truncated: boolean;
    readonly memory: Readonly<
      Record<'alertsSince' | 'notificationsSince' | 'notKnown' | 'ask', string>
    >;
  }
  async function explain(desk: Desk, alert: string): Promise<Explained> {
    const answer = await desk.get(`/tocsin/v1/explain?alert=${encodeURIComponent(alert)}`);
    expect(answer).toMatchObject({ status: 200 });
    return answer.json() as Explained;
  }

  it('why I was paged: the decision, its log index, and what became of it', async () => {
    const desk = await toldAndHeldBack();
    const { alerts } = await explain(desk, 'alertname=Loud');
    expect(alerts).toMatchObject([
      {
        state: 'firing',
        silencedBy: [],
        groups: [
          {
            group: '{}:{alertname="Loud"}',
            receiver: 'team',
            nextFlush: at(330_000),
            last: {
              index: 6,
              at: at(30_000),
              mutedBy: [],
              verdicts: [
                { integration: 'team/webhook[0]', notify: true, reason: 'first notification' },
                { integration: 'team/webhook[1]', notify: true, reason: 'first notification' },
              ],
            },
            told: [
              {
                integration: 'team/webhook[0]',
                at: at(30_000),
                notification: '6.0',
                asFiring: true,
                asResolved: false,
              },
            ],
            owed: [{ integration: 'team/webhook[1]', notification: '6.1' }],
          },
        ],
        notifications: [
          { id: '6.0', status: 'delivered', tries: 1, lastResult: 'delivered 200', index: 6 },
          { id: '6.1', status: 'owed', tries: 0, nextTryAt: at(30_000) },
        ],
      },
    ]);
  });

  it('why I was not paged: the silence that held it back, by name', async () => {
    const desk = await toldAndHeldBack();
    const { alerts } = await explain(desk, '{alertname="Quiet"}');
    expect(alerts).toMatchObject([
      {
        state: 'firing',
        silencedBy: ['fresh-1'],
        groups: [
          {
            last: {
              mutedBy: ['silence:fresh-1'],
              verdicts: [
                { notify: false, reason: 'every alert is muted' },
                { notify: false, reason: 'every alert is muted' },
              ],
            },
            told: [],
            owed: [],
          },
        ],
        notifications: [],
      },
    ]);
  });

  it('a fingerprint finds one alert, an unknown one none', async () => {
    const desk = await toldAndHeldBack();
    const [alert] = (await explain(desk, 'alertname=Loud')).alerts;
    const found = await explain(desk, String(alert?.['fingerprint']));
    expect(found.alerts).toHaveLength(1);
    expect(await explain(desk, '0000000000000000')).toMatchObject({ alerts: [], pending: [] });
  });

  it('a breach that has not lasted yet is pending, with the time at which it fires', async () => {
    const desk = await openDesk({}, config({ checks: [check({ for: '5m' })] }));
    await desk.post('/tocsin/v1/observations', 'servers.a.cpu 99');
    const { alerts, pending } = await explain(desk, 'series="servers.a.cpu"');
    expect(alerts).toEqual([]);
    expect(pending).toMatchObject([
      { check: 'HighCpu', state: 'pending', value: 99, since: at(0), firesAt: at(300_000) },
    ]);
  });

  it('an alert that is forgotten is not denied: the answer says so, and which command knows', async () => {
    const desk = await toldAndHeldBack();
    await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Loud' }, endsAt: at(30_000) }]);
    for (let minute = 1; minute < 26 * 60; minute++) {
      desk.clock.advance(60_000);
      desk.node.decide();
      for (const [id, row] of entries(desk.node.view().state.notifications)) {
        if (row.status !== 'owed') continue;
        desk.node.fold([{ kind: 'attempt', notification: id, try: row.tries + 1, node: 'n1' }]);
        const outcome = { result: 'delivered', status: 200, detail: '', tookMs: 12 } as const;
        desk.node.fold([{ kind: 'outcome', notification: id, try: row.tries + 1, ...outcome }]);
      }
    }
    const { alerts, memory } = await explain(desk, 'alertname="Loud",team=~"it\'s.*"');
    expect(alerts).toEqual([]);
    const now = 30_000 + (26 * 60 - 1) * 60_000;
    expect(memory).toMatchObject({
      alertsSince: at(now - 15 * 60_000),
      notificationsSince: at(now - 24 * 3_600_000),
      ask: String.raw`tocsin replay /var/lib/tocsin --alert '{alertname="Loud", team=~"it'\''s.*"}'`,
    });
    expect(memory.notKnown).toContain(
      `One that ended before ${at(now - 15 * 60_000)} may have fired, and somebody may have been`,
    );
    // And the list of notifications says since when it is one.
    const listed = await desk.get('/tocsin/v1/notifications');
    expect(listed.headers.get('tocsin-known-since')).toBe(at(now - 24 * 3_600_000));
  });

  it('of an alert that is known, what it did before is not denied either', async () => {
    const desk = await toldAndHeldBack();
    const { memory } = await explain(desk, 'alertname=Loud');
    expect(memory.notKnown).toMatch(
      /^If it fired before and that ended before .*, it is not shown\./,
    );
    expect(memory.notKnown).toContain('all decisions about a group but the last');
    expect(memory.ask).toBe(`tocsin replay /var/lib/tocsin --alert '{alertname="Loud"}'`);
  });

  it.each([
    ['', 'alert=… is missing'],
    ['?alert=nonsense', 'bad matcher format'],
  ])('%s is refused', async (query, message) => {
    const desk = await openDesk();
    const answer = await desk.get(`/tocsin/v1/explain${query}`);
    expect(answer.status).toBe(400);
    expect(answer.json()).toContain(message);
  });
});

describe('GET /tocsin/v1/notifications', () => {
  it('newest first, by status, and as many as asked for', async () => {
    const desk = await toldAndHeldBack();
    const idsOf = async (query: string): Promise<readonly string[]> => {
      const rows = (await desk.get(`/tocsin/v1/notifications${query}`)).json() as { id: string }[];
      return rows.map(({ id }) => id);
    };
    expect(await idsOf('')).toEqual(['6.1', '6.0']);
    expect(await idsOf('?status=delivered')).toEqual(['6.0']);
    expect(await idsOf('?status=owed,trying')).toEqual(['6.1']);
    expect(await idsOf('?limit=1')).toEqual(['6.1']);
  });

  it.each(['?status=lost', '?limit=0', '?limit=many', '?limit=100000'])(
    '%s is refused',
    async (query) => {
      const desk = await openDesk();
      expect(await desk.get(`/tocsin/v1/notifications${query}`)).toMatchObject({ status: 400 });
    },
  );
});

describe('GET /tocsin/v1/events', () => {
  interface Listener {
    /** The next piece of the stream, or null at its end. */
    readonly next: () => Promise<string | null>;
    readonly leave: () => Promise<void>;
  }
  async function listen(desk: Desk): Promise<Listener> {
    const response = await fetch(`${desk.url}/tocsin/v1/events`);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = response.body?.getReader();
    if (reader === undefined) throw new Error('the stream has no body');
    const next = async (): Promise<string | null> => {
      const { done, value } = await reader.read();
      return done ? null : Buffer.from(value as Uint8Array).toString();
    };
    return { next, leave: () => reader.cancel() };
  }

  it('begins with the present, then has an event for each applied entry', async () => {
    const desk = await openDesk();
    const { next } = await listen(desk);
    expect(await next()).toMatch(/^retry: 2000\nid: 1\nevent: applied\ndata: \{"index":1,/);
    await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' } }]);
    const data = { index: 2, term: 1, at: NOON, alerts: 1, groups: 1, silences: 0 };
    const text = (await next()) ?? '';
    expect(text).toMatch(/^id: 2\nevent: applied\ndata: .*\n\n$/);
    expect(JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '')).toMatchObject(data);
  });

  it('a quiet stream shows that it lives', async () => {
    const desk = await openDesk();
    const { next } = await listen(desk);
    await next();
    desk.clock.advance(HTTP_LIMITS.heartbeatMs);
    expect(await next()).toBe(': still here\n\n');
    desk.clock.advance(HTTP_LIMITS.heartbeatMs);
    expect(await next()).toBe(': still here\n\n');
  });

  it('ends when the server closes, and the close does not wait for it', async () => {
    const desk = await openDesk();
    const { next } = await listen(desk);
    await next();
    const closing = desk.close();
    expect(await next()).toBeNull();
    await closing;
    expect(desk.node.listenerCount).toBe(0);
  });

  it('a client that leaves is forgotten', async () => {
    const desk = await openDesk();
    const { next, leave } = await listen(desk);
    await next();
    expect(desk.node.listenerCount).toBe(1);
    await leave();
    await expect.poll(() => desk.node.listenerCount).toBe(0);
  });

  it('a client that does not read is sent away, whatever is applied', async () => {
    const desk = await openDesk();
    const { next } = await listen(desk);
    await next();
    // More than the socket and the queue hold together, in one turn: nobody can read in between.
    for (let i = 0; i < 2 * HTTP_LIMITS.eventsPerClient; i++) desk.node.fold([{ kind: 'clock' }]);
    expect(desk.node.listenerCount).toBe(0);
    let ended = false;
    while (!ended) ended = (await next()) === null;
  });

  it('the sixty-fifth client has to wait; HEAD opens no stream', async () => {
    const desk = await openDesk();
    const listeners = await Promise.all(
      Array.from({ length: HTTP_LIMITS.eventClients }, () => listen(desk)),
    );
    expect(await desk.get('/tocsin/v1/events')).toMatchObject({ status: 503 });
    await listeners[0]?.leave();
    await expect.poll(() => desk.node.listenerCount).toBe(HTTP_LIMITS.eventClients - 1);
    const head = await desk.request('/tocsin/v1/events', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(desk.node.listenerCount).toBe(HTTP_LIMITS.eventClients - 1);
  });
});

describe('GET /tocsin/v1/config', () => {
  it('is the whole file, ours and comments too, without its secrets; API v2 has the rest', async () => {
    const source = [
      '# ours',
      'checks: [{name: Hi, series: a.b, above: 1}]',
      'route: {receiver: team}',
      "receivers: [{name: team, slack_configs: [{api_url: 'http://hooks/abcdef'}]}]",
      '',
    ].join('\n');
    const desk = await openDesk({}, {}, 2, source);
    expect((await desk.get('/tocsin/v1/config')).json()).toEqual({
      index: 1,
      origin: 'tocsin.yml',
      original: source.replace("'http://hooks/abcdef'", '<secret>'),
    });
    const status = (await desk.get('/api/v2/status')).json() as { config: { original: string } };
    expect(status.config.original).toBe(
      'route:\n  receiver: team\nreceivers:\n  - name: team\n    slack_configs:\n      - api_url: <secret>\n',
    );
  });
});
