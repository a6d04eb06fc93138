/** `POST` and `GET /api/v2/alerts`: what Prometheus, amtool and scripts send, and read back. */

import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { HTTP_LIMITS } from '../../src/io/http/limits.ts';
import { matchers, receiver, route } from '../support/scenario-config.ts';
import { NOON, openDesk, type Answer, type Desk } from './harness.ts';

interface GettableAlert {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly fingerprint: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly updatedAt: string;
  readonly generatorURL: string;
  readonly receivers: readonly { readonly name: string }[];
  readonly status: Record<string, unknown>;
}

async function alertsOf(desk: Desk, query = ''): Promise<readonly GettableAlert[]> {
  const answer = await desk.get(`/api/v2/alerts${query}`);
  expect(answer).toMatchObject({ status: 200 });
  return answer.json() as readonly GettableAlert[];
}

async function namesOf(desk: Desk, query: string): Promise<readonly string[]> {
  const alerts = await alertsOf(desk, query);
  return alerts.map(({ labels }) => labels['alertname'] ?? '?').sort();
}

function at(ms: number): string {
  return new Date(NOON + ms).toISOString();
}

describe('POST /api/v2/alerts: what is an alert', () => {
  it('an alert with nothing but labels fires from now on, until resolve_timeout', async () => {
    const desk = await openDesk();
    const posted = await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' } }]);
    expect(posted).toMatchObject({ status: 200, text: '' });
    expect(await alertsOf(desk)).toEqual([
      {
        labels: { alertname: 'Down' },
        annotations: {},
        fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
        startsAt: at(0),
        endsAt: at(300_000),
        updatedAt: at(0),
        generatorURL: '',
        receivers: [{ name: 'team' }],
        status: { state: 'active', silencedBy: [], inhibitedBy: [], mutedBy: [] },
      },
    ]);
  });

  it.each([
    ['absent', {}],
    ['null', { startsAt: null, endsAt: null }],
    ['the zero time of Go', { startsAt: '0001-01-01T00:00:00Z', endsAt: '0001-01-01T00:00:00Z' }],
    ['the zero time of amtool', { startsAt: '0001-01-01T00:00:00.000Z' }],
  ])('times that are %s are not set', async (_, times) => {
    const desk = await openDesk();
    await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' }, ...times }]);
    expect(await alertsOf(desk)).toMatchObject([{ startsAt: at(0), endsAt: at(300_000) }]);
  });

  it.each([
    ['nanoseconds', '2024-03-05T11:59:59.123456789Z', '2024-03-05T11:59:59.123Z'],
    ['another zone', '2024-03-05T13:00:00+02:00', '2024-03-05T11:00:00.000Z'],
    ['a moment before 1970', '1969-07-20T20:17:40Z', '1970-01-01T00:00:00.001Z'],
  ])('a time with %s is understood', async (_, startsAt, shown) => {
    const desk = await openDesk();
    await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' }, startsAt }]);
    expect(await alertsOf(desk)).toMatchObject([{ startsAt: shown }]);
  });

  // Vectors of prometheus/common's LabelSet.Fingerprint.
  it.each([
    [{ alertname: 'alert1', severity: 'critical' }, '0223b772b51c29e1'],
    [{ severity: 'critical', alertname: 'alert1' }, '0223b772b51c29e1'],
    [{ foo: 'bar', empty: '' }, '3fff2c2d7595e046'],
  ])('the fingerprint of %o is %s', async (labels, fingerprint) => {
    const desk = await openDesk();
    await desk.post('/api/v2/alerts', [{ labels }]);
    expect(await alertsOf(desk)).toMatchObject([{ fingerprint }]);
  });

  it('an empty label is dropped whatever its name, an empty annotation is kept', async () => {
    const desk = await openDesk();
    const alert = { labels: { a: '1', b: '', '': '' }, annotations: { d: '2', c: '', b: null } };
    expect(await desk.post('/api/v2/alerts', [alert])).toMatchObject({ status: 200 });
    const [shown] = await alertsOf(desk);
    expect(shown?.labels).toEqual({ a: '1' });
    expect(shown?.annotations).toEqual({ b: '', c: '', d: '2' });
  });

  it('an empty annotation is dropped while a member of the cluster cannot read it', async () => {
    const desk = await openDesk({}, {}, 1);
    const alert = { labels: { a: '1' }, annotations: { c: '', d: '2' } };
    expect(await desk.post('/api/v2/alerts', [alert])).toMatchObject({ status: 200 });
    expect((await alertsOf(desk))[0]?.annotations).toEqual({ d: '2' });
  });

  it('null and the names of fields are read as Go reads them', async () => {
    const desk = await openDesk();
    expect(await desk.post('/api/v2/alerts', 'null')).toMatchObject({ status: 200 });
    const alert = {
      Labels: { a: '1', b: null },
      ANNOTATIONS: null,
      startsAt: null,
      endsat: null,
      generatorURL: null,
    };
    expect(await desk.post('/api/v2/alerts', [alert])).toMatchObject({ status: 200 });
    expect((await alertsOf(desk))[0]?.labels).toEqual({ a: '1' });
  });

  it('text that has no UTF-8 form is read with U+FFFD in its place', async () => {
    const desk = await openDesk();
    const half = '[{"labels":{"a\\udc00":"x\\ud800y"}}]';
    expect(await desk.post('/api/v2/alerts', half)).toMatchObject({ status: 200 });
    expect((await alertsOf(desk))[0]?.labels).toEqual({ 'a\ufffd': 'x\ufffdy' });
    const bytes = Buffer.concat([Buffer.from('[{"labels":{"b":"'), Buffer.from([0xff, 0x22])]);
    const body = Buffer.concat([bytes, Buffer.from('}}]')]);
    expect(await desk.post('/api/v2/alerts', body)).toMatchObject({ status: 200 });
  });

  it.each([
    ['2024-03-05T12:00:00.123456', '2024-03-05T12:00:00.123Z'],
    ['2024-03-05T12:00:00', '2024-03-05T12:00:00.000Z'],
    ['2024-03-05 12:00:00.5', '2024-03-05T12:00:00.500Z'],
    ['2024-03-05T12:00', '2024-03-05T12:00:00.000Z'],
    ['2024-03-05T12:00Z', '2024-03-05T12:00:00.000Z'],
    ['2024-03-05T12:00:00,25Z', '2024-03-05T12:00:00.250Z'],
    ['2024-03-05T9:00:00Z', '2024-03-05T09:00:00.000Z'],
    ['2024-03-05T14:00:00.123+0200', '2024-03-05T12:00:00.123Z'],
    ['2024-03-05T14:00:00+02:00', '2024-03-05T12:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['1969-01-01T00:00:00Z', '1970-01-01T00:00:00.001Z'],
    ['0001-01-01T00:00:00', at(0)],
    ['0000-12-31T23:00:00-01:00', at(0)],
  ])('the start %s is read as %s', async (startsAt, shown) => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/alerts', [{ labels: { a: '1' }, startsAt }]);
    expect(answer).toMatchObject({ status: 200 });
    expect(await alertsOf(desk)).toMatchObject([{ startsAt: shown }]);
  });

  it.each([
    '2024-03-05',
    '2024-03-05 12:00:00Z',
    '2024-03-05 12:00',
    '2024-03-05t12:00:00z',
    '2024-03-05T12:00:00+0100',
    '2024-03-05T12:00:00.5+0100',
    '2024-03-05T24:00:00Z',
    '2024-03-05T12:00:60Z',
    '2023-02-29T12:00:00Z',
    '1709640000',
  ])('the start %s is no time', async (startsAt) => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/alerts', [{ labels: { a: '1' }, startsAt }]);
    expect(answer).toMatchObject({ status: 400 });
  });

  it('an end of before 1970 without a start is taken, since no start is no time', async () => {
    const desk = await openDesk();
    const alert = { labels: { alertname: 'Old' }, endsAt: '1969-12-31T00:00:00Z' };
    expect(await desk.post('/api/v2/alerts', [alert])).toMatchObject({ status: 200 });
    const inverted = { ...alert, startsAt: '1970-01-01T00:00:00Z' };
    expect(await desk.post('/api/v2/alerts', [inverted])).toMatchObject({ status: 400 });
  });

  it('the good ones of a batch are stored, and the answer names the bad ones', async () => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/alerts', [
      { labels: { alertname: 'Good' } },
      { labels: { empty: '' } },
      { labels: { alertname: 'Late' }, startsAt: at(10), endsAt: at(5) },
      { labels: { alertname: 'Odd', count: 3 } },
      'nonsense',
      { labels: { alertname: 'Soon' }, startsAt: at(300_001) },
      { labels: { alertname: 'When' }, startsAt: 'yesterday' },
      { labels: { alertname: 'Never' }, startsAt: '2024-02-30T00:00:00Z' },
    ]);
    expect(answer.status).toBe(400);
    expect(answer.json()).toBe(
      [
        'alerts[1]: at least one label pair required',
        'alerts[2]: start time must be before end time',
        'alerts[3]: labels: "count" is not text',
        'alerts[4]: is not an object',
        'alerts[5]: start time must be before end time',
        'alerts[6]: startsAt is not a time such as 2024-01-31T12:00:00.000Z',
        'alerts[7]: startsAt is not a time such as 2024-01-31T12:00:00.000Z',
      ].join('; '),
    );
    expect(await namesOf(desk, '')).toEqual(['Good']);
  });

  it('a thousand bad alerts make a short answer', async () => {
    const desk = await openDesk();
    const answer = await desk.post(
      '/api/v2/alerts',
      Array.from({ length: 1000 }, () => ({})),
    );
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/alerts\[19\].*; and 980 more"$/);
  });

  it.each([
    ['not JSON', '{'],
    ['not a list', '{"labels":{}}'],
    ['an object', '{}'],
    ['empty', ''],
    ['not UTF-8', Uint8Array.of(0x5b, 0xff, 0x5d)],
    ['a million brackets', '['.repeat(1_000_000)],
  ])('a body that is %s is a 400 with a JSON string', async (_, body) => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/alerts', body);
    expect(answer.status).toBe(400);
    expect(answer.json()).toEqual(expect.any(String));
  });

  it('a name outside of ASCII is fine, but not in classic mode', async () => {
    const labels = { 'service.name': 'größe', alertname: 'Down' };
    const modern = await openDesk();
    expect(await modern.post('/api/v2/alerts', [{ labels }])).toMatchObject({ status: 200 });
    const classic = await openDesk({ classicNames: true });
    const refused = await classic.post('/api/v2/alerts', [{ labels }]);
    expect(refused.json()).toContain('"service.name" has other than ASCII letters');
  });

  it('a label called __proto__ is only a label', async () => {
    const desk = await openDesk();
    const body = '[{"labels":{"__proto__":"a","constructor":"b"},"annotations":{"__proto__":"c"}}]';
    expect(await desk.post('/api/v2/alerts', body)).toMatchObject({ status: 200 });
    const { text } = await desk.get('/api/v2/alerts');
    expect(text).toContain('"labels":{"__proto__":"a","constructor":"b"}');
  });

  it('gzip is taken, other packings are not', async () => {
    const desk = await openDesk();
    const body = gzipSync('[{"labels":{"alertname":"Packed"}}]');
    const post = (packing: string): Promise<Answer> =>
      desk.request('/api/v2/alerts', {
        method: 'POST',
        headers: { 'content-encoding': packing },
        body: new Uint8Array(body),
      });
    expect(await post('gzip')).toMatchObject({ status: 200 });
    expect(await namesOf(desk, '')).toEqual(['Packed']);
    expect(await post('br')).toMatchObject({ status: 415 });
  });

  it('five thousand alerts in one body are taken in parts', async () => {
    const desk = await openDesk();
    const index = desk.node.view().index;
    const alerts = Array.from({ length: 5_000 }, (_, i) => ({ labels: { alertname: `A${i}` } }));
    expect(await desk.post('/api/v2/alerts', alerts)).toMatchObject({ status: 200 });
    expect(desk.node.view().index - index).toBe(Math.ceil(5_000 / HTTP_LIMITS.alertsPerCommand));
    expect(await alertsOf(desk)).toHaveLength(5_000);
  });

  it('the log keeps who pushed', async () => {
    const desk = await openDesk();
    let source = '';
    const propose = desk.node.propose.bind(desk.node);
    desk.node.propose = (commands) => {
      for (const command of commands) if (command.kind === 'alerts') source = command.source;
      return propose(commands);
    };
    await desk.request('/api/v2/alerts', {
      method: 'POST',
      headers: { 'user-agent': 'Prometheus/2.42.0 (linux)' },
      body: '[{"labels":{"a":"1"}}]',
    });
    expect(source).toBe('Prometheus/2.42.0');
  });
});

describe('POST /api/v2/alerts: life of an alert', () => {
  it('a push with an end in the past resolves; a GET after it knows at once', async () => {
    const desk = await openDesk();
    const labels = { alertname: 'Down' };
    await desk.post('/api/v2/alerts', [{ labels, startsAt: at(-60_000) }]);
    expect(await namesOf(desk, '')).toEqual(['Down']);
    await desk.post('/api/v2/alerts', [{ labels, endsAt: at(-1) }]);
    expect(await alertsOf(desk)).toEqual([]);
  });

  it('an alert whose end has passed is not shown, though no command said so', async () => {
    const desk = await openDesk();
    await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' }, endsAt: at(60_000) }]);
    desk.clock.advance(59_999);
    expect(await namesOf(desk, '')).toEqual(['Down']);
    desk.clock.advance(1);
    expect(await alertsOf(desk)).toEqual([]);
  });

  it.each([
    ['busy', 503, 'not accepted, send it again: full'],
    ['stopping', 503, 'not accepted, send it again: full'],
    ['not-leader', 503, 'not accepted, send it again: full'],
    ['indeterminate', 503, 'it may or may not have happened: full'],
    ['failed', 500, 'not accepted: full'],
    ['malformed', 400, 'full'],
  ] as const)('a proposal that ends %s is a %i', async (code, status, message) => {
    const desk = await openDesk();
    desk.node.refusal = { ok: false, code, message: 'full' };
    const answer = await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down' } }]);
    expect(answer.status).toBe(status);
    expect(answer.json()).toBe(message);
    expect(answer.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
  });
});

describe('GET /api/v2/alerts: filters', () => {
  /** One alert of each kind, and one that is silenced. */
  async function zoo(): Promise<Desk> {
    const desk = await openDesk(
      {},
      {
        receivers: [receiver('team'), receiver('team-db')],
        route: route({ routes: [route({ to: 'team-db', when: ['job="db"'] })] }),
        inhibitRules: [
          {
            sourceMatchers: matchers('alertname="Source"'),
            targetMatchers: matchers('alertname="Target"'),
            equal: [],
          },
        ],
      },
    );
    await desk.post('/api/v2/silences', {
      matchers: [{ name: 'alertname', value: 'Quiet', isRegex: false }],
      startsAt: at(0),
      endsAt: at(60_000),
      createdBy: 'ann',
      comment: 'maintenance',
    });
    await desk.post('/api/v2/alerts', [
      { labels: { alertname: 'Source' } },
      { labels: { alertname: 'Target', 'service.name': 'a b' } },
      { labels: { alertname: 'Quiet', job: 'web' } },
      { labels: { alertname: 'Plain', job: 'db' } },
    ]);
    return desk;
  }

  it.each([
    ['', ['Plain', 'Quiet', 'Source', 'Target']],
    ['?active=false', ['Quiet', 'Target']],
    ['?silenced=false', ['Plain', 'Source', 'Target']],
    ['?inhibited=false', ['Plain', 'Quiet', 'Source']],
    ['?silenced=false&inhibited=false', ['Plain', 'Source']],
    ['?receiver=team', ['Quiet', 'Source', 'Target']],
    ['?receiver=team.*', ['Plain', 'Quiet', 'Source', 'Target']],
    ['?receiver=eam', []],
    ['?filter=alertname=Plain', ['Plain']],
  ])('%s', async (query, names) => {
    const desk = await zoo();
    expect(await namesOf(desk, query)).toEqual(names);
  });

  it.each([
    ['alertname=Plain', ['Plain']],
    ['alertname="Plain"', ['Plain']],
    ['{alertname="Plain"}', ['Plain']],
    ['{alertname="Plain",job="db",}', ['Plain']],
    ['alertname!=Plain', ['Quiet', 'Source', 'Target']],
    ['alertname=~"Pl.*|Qu.*"', ['Plain', 'Quiet']],
    ['alertname=~"Pl"', []],
    ['alertname!~"Pl.*"', ['Quiet', 'Source', 'Target']],
    ['job=""', ['Source', 'Target']],
    ['job!=""', ['Plain', 'Quiet']],
    ['{"service.name"="a b"}', ['Target']],
    ['"service.name"=~"a.b"', ['Target']],
    ['absent!=x', ['Plain', 'Quiet', 'Source', 'Target']],
  ])('the matcher %s', async (matcher, names) => {
    const desk = await zoo();
    expect(await namesOf(desk, `?filter=${encodeURIComponent(matcher)}`)).toEqual(names);
  });

  it.each([
    ['silenced=False&active=True', ['Plain', 'Source', 'Target']],
    ['silenced=no&inhibited=off&active=ON', ['Plain', 'Source']],
    ['active=', ['Plain', 'Quiet', 'Source', 'Target']],
    ['active', ['Plain', 'Quiet', 'Source', 'Target']],
    ['active=maybe&silenced=0&inhibited=f', []],
    ['active=false&active=selected', ['Plain', 'Quiet', 'Source', 'Target']],
    ['active=false;silenced=true', ['Plain', 'Quiet', 'Source', 'Target']],
    ['active=%zz', ['Plain', 'Quiet', 'Source', 'Target']],
    ['receiver=nobody&receiver=team', ['Quiet', 'Source', 'Target']],
    ['filter=alertname%3DPl%61in', ['Plain']],
    ['filter=alertname+=+Plain', ['Plain']],
    ['filter=alertname%3DPlain%ff', []],
  ])('the query %s is read as Go reads it', async (query, names) => {
    const desk = await zoo();
    expect(await namesOf(desk, `?${query}`)).toEqual(names);
  });

  it('a filter is one matcher, so commas and braces belong to its value', async () => {
    const desk = await openDesk();
    const values = ['a,b', 'a,b=c', 'a{1,2}', 'a}', '{a', 'a b', "'a'", 'é'];
    const alerts = values.map((path) => ({ labels: { alertname: path, path } }));
    await desk.post('/api/v2/alerts', alerts);
    for (const value of values) {
      expect(await namesOf(desk, `?filter=${encodeURIComponent(`path=${value}`)}`)).toEqual([
        value,
      ]);
    }
    const pattern = encodeURIComponent('path=~a.{1,2}');
    expect(await namesOf(desk, `?filter=${pattern}`)).toEqual(['a b', 'a,b', 'a}']);
  });

  it('several filters must all hold', async () => {
    const desk = await zoo();
    expect(await namesOf(desk, '?filter=job!=""&filter=alertname!=Plain')).toEqual(['Quiet']);
  });

  it.each([
    ['?filter=nonsense', 'bad matcher format'],
    ['?filter=a=~"("', 'bad matcher format'],
    ['?filter=a=~"(a{1000}){3}(b{1000}){3}"', 'bad matcher format'],
    ['?receiver=(', 'failed to parse receiver param'],
    [`?filter=a=~"${encodeURIComponent('(a?){1000}b')}"`, 'it takes over 2000000 steps'],
    [`?receiver=${encodeURIComponent('(a?){1000}b')}`, 'it takes over 2000000 steps'],
    [
      `?${Array.from({ length: 40 }, (_, i) => `filter=l${i}=~".*a[ab]{200}"`).join('&')}`,
      'bad matcher format: all filters: it takes over 2000000 steps',
    ],
    ['?filter={}', 'no matcher in the braces'],
    ['?filter={a=b', 'bad matcher format'],
    ['?filter=', 'bad matcher format'],
    ['?filter=a="b",c="d"', 'bad matcher format'],
  ])('%s is refused', async (query, message) => {
    const desk = await openDesk();
    const answer = await desk.get(`/api/v2/alerts${query}`);
    expect(answer.status).toBe(400);
    expect(answer.json()).toContain(message);
  });

  it('each alert says what holds it back, and arrays are never null', async () => {
    const desk = await zoo();
    const byName = new Map(
      (await alertsOf(desk)).map((alert) => [alert.labels['alertname'], alert]),
    );
    const source = byName.get('Source')?.fingerprint;
    expect(byName.get('Quiet')?.status).toEqual({
      state: 'suppressed',
      silencedBy: ['fresh-1'],
      inhibitedBy: [],
      mutedBy: [],
    });
    expect(byName.get('Target')?.status).toMatchObject({
      state: 'suppressed',
      inhibitedBy: [source],
    });
  });
});

describe('GET /api/v2/alerts/groups', () => {
  it('shows groups by labels and receiver, without those that the filter empties', async () => {
    const desk = await openDesk(
      {},
      {
        receivers: [receiver('team'), receiver('boss')],
        route: route({
          routes: [
            route({ to: 'team', continue: true, by: ['alertname'] }),
            route({ to: 'boss', when: ['severity="page"'], by: ['alertname'] }),
          ],
        }),
      },
    );
    await desk.post('/api/v2/alerts', [
      { labels: { alertname: 'B', severity: 'page' } },
      { labels: { alertname: 'A', host: '1' } },
      { labels: { alertname: 'A', host: '2' } },
    ]);
    const groupsOf = async (query: string): Promise<unknown> => {
      const groups = (await desk.get(`/api/v2/alerts/groups${query}`)).json() as {
        labels: unknown;
        receiver: { name: string };
        alerts: GettableAlert[];
      }[];
      return groups.map(({ labels, receiver: { name }, alerts }) => [labels, name, alerts.length]);
    };
    expect(await groupsOf('')).toEqual([
      [{ alertname: 'A' }, 'team', 2],
      [{ alertname: 'B' }, 'boss', 1],
      [{ alertname: 'B' }, 'team', 1],
    ]);
    expect(await groupsOf('?filter=host=2')).toEqual([[{ alertname: 'A' }, 'team', 1]]);
    expect(await groupsOf('?receiver=boss')).toEqual([
      [{ alertname: 'B' }, 'boss', 1],
      [{ alertname: 'B' }, 'team', 1],
    ]);
  });

  it('a mute interval mutes the group of its route, and muted=false hides it', async () => {
    const desk = await openDesk(
      {},
      {
        timeIntervals: [
          {
            name: 'lunch',
            parts: [
              {
                times: [{ from: 720, to: 780 }],
                weekdays: [],
                daysOfMonth: [],
                months: [],
                years: [],
                zone: 'UTC',
              },
            ],
          },
        ],
        route: route({ routes: [route({ when: ['job="db"'], mute: ['lunch'] })] }),
      },
    );
    await desk.post('/api/v2/alerts', [{ labels: { alertname: 'Down', job: 'db' } }]);
    const muted = (await desk.get('/api/v2/alerts/groups')).json();
    expect(muted).toMatchObject([
      { alerts: [{ status: { state: 'suppressed', mutedBy: ['lunch'] } }] },
    ]);
    expect((await desk.get('/api/v2/alerts/groups?muted=false')).json()).toEqual([]);
  });
});
