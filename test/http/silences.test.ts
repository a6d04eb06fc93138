/** Silences over API v2, as amtool, karma and Grafana use them. */

import { describe, expect, it } from 'vitest';
import { NOON, openDesk, type Desk } from './harness.ts';

function at(ms: number): string {
  return new Date(NOON + ms).toISOString();
}

function silence(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    matchers: [{ name: 'job', value: 'db', isRegex: false }],
    startsAt: at(0),
    endsAt: at(60_000),
    createdBy: 'ann',
    comment: 'maintenance',
    ...fields,
  };
}

async function post(desk: Desk, fields: Record<string, unknown> = {}): Promise<string> {
  const answer = await desk.post('/api/v2/silences', silence(fields));
  expect(answer).toMatchObject({ status: 200 });
  return (answer.json() as { silenceID: string }).silenceID;
}

async function list(desk: Desk, query = ''): Promise<readonly Record<string, unknown>[]> {
  const answer = await desk.get(`/api/v2/silences${query}`);
  expect(answer).toMatchObject({ status: 200 });
  return answer.json() as readonly Record<string, unknown>[];
}

async function idsOf(desk: Desk, query = ''): Promise<readonly unknown[]> {
  return (await list(desk, query)).map(({ id }) => id);
}

describe('POST /api/v2/silences', () => {
  it('a new silence is there at once, with its defaults filled in', async () => {
    const desk = await openDesk();
    const id = await post(desk, { startsAt: at(-60_000) });
    expect((await desk.get(`/api/v2/silence/${id}`)).json()).toEqual({
      id,
      status: { state: 'active' },
      updatedAt: at(0),
      comment: 'maintenance',
      createdBy: 'ann',
      startsAt: at(0),
      endsAt: at(60_000),
      matchers: [{ name: 'job', value: 'db', isRegex: false, isEqual: true }],
    });
  });

  it('all four operators and annotations come back as they were posted', async () => {
    const desk = await openDesk();
    const matchers = [
      { name: 'a', value: '1', isRegex: false, isEqual: true },
      { name: 'b', value: '2', isRegex: false, isEqual: false },
      { name: 'c', value: '3|4', isRegex: true, isEqual: true },
      { name: 'd.e', value: '5.*', isRegex: true, isEqual: false },
    ];
    await post(desk, { matchers, annotations: { ticket: 'OPS-1' } });
    expect(await list(desk)).toMatchObject([{ matchers, annotations: { ticket: 'OPS-1' } }]);
  });

  it('more time under the same id keeps the id; other matchers give a new one', async () => {
    const desk = await openDesk();
    const id = await post(desk);
    expect(await post(desk, { id, endsAt: at(120_000) })).toBe(id);
    const matchers = [{ name: 'job', value: 'web', isRegex: false }];
    const other = await post(desk, { id, matchers });
    expect(other).not.toBe(id);
    const states = (await list(desk)).map(({ id: each, status }) => [each, status]);
    expect(states).toEqual([
      [other, { state: 'active' }],
      [id, { state: 'expired' }],
    ]);
  });

  it('an expired silence is brought back under a new id', async () => {
    const desk = await openDesk();
    const id = await post(desk);
    await desk.request(`/api/v2/silence/${id}`, { method: 'DELETE' });
    expect(await post(desk, { id })).not.toBe(id);
  });

  it.each([
    ['ends before it starts', { endsAt: at(-1) }, 'start time must be before end time'],
    ['ends when it starts', { endsAt: at(0) }, 'start time must be before end time'],
    ['is over already', { startsAt: at(-2), endsAt: at(-1) }, "end time can't be in the past"],
    ['has no end', { endsAt: undefined }, 'endsAt is missing or not a time'],
    ['has a zero start', { startsAt: '0001-01-01T00:00:00Z' }, 'startsAt is missing'],
    ['has no matcher', { matchers: [] }, 'at least one matcher required'],
    ['has matchers that are no list', { matchers: 'job=db' }, 'at least one matcher required'],
    [
      'matches what is absent',
      {
        matchers: [
          { name: 'a', value: '', isRegex: false },
          { name: 'b', value: '.*', isRegex: true },
          { name: 'c', value: 'x|', isRegex: true },
        ],
      },
      'must not match the empty string',
    ],
    [
      'has a wrong expression',
      { matchers: [{ name: 'a', value: '(', isRegex: true }] },
      'matchers[0]: a: not a regular expression',
    ],
    [
      'has a look-ahead',
      { matchers: [{ name: 'a', value: '(?=b)', isRegex: true }] },
      'not a regular expression',
    ],
    [
      'has an expression that takes long to compile',
      { matchers: [{ name: 'a', value: '\\pL{1000}'.repeat(400), isRegex: true }] },
      'it compiles to over 16384 instructions',
    ],
    [
      'has an expression that takes long on a long value',
      { matchers: [{ name: 'a', value: '(a?){1000}b', isRegex: true }] },
      'matchers[0]: a: not a regular expression: it takes over 2000000 steps on a value of 4096',
    ],
    [
      'has many expressions that take long together',
      {
        matchers: Array.from({ length: 40 }, (_, i) => ({
          name: `l${i}`,
          value: '.*a[ab]{200}',
          isRegex: true,
        })),
      },
      'the expressions of all matchers: it takes over 2000000 steps',
    ],
    ['has a nameless matcher', { matchers: [{ name: '', value: 'b' }] }, 'a name is empty'],
    ['has a number for a value', { matchers: [{ name: 'a', value: 1 }] }, '"a" is not text'],
    ['has an author who is no text', { createdBy: {} }, '"createdBy" is not text'],
  ])('one that %s is refused', async (_, fields, message) => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/silences', silence(fields));
    expect(answer.status).toBe(400);
    expect(answer.json()).toContain(message);
    expect(await list(desk)).toEqual([]);
  });

  it.each([
    ['what is not of a team', [{ name: 'team', value: 'web', isRegex: false, isEqual: false }]],
    ['a pattern turned round', [{ name: 'team', value: '.*', isRegex: true, isEqual: false }]],
    ['a matcher of letters of any case', [{ Name: 'a', VALUE: 'b', isregex: null, isEqual: null }]],
  ])('one for %s is taken', async (_, matchers) => {
    const desk = await openDesk();
    await post(desk, { matchers, startsAt: '', annotations: { why: '', where: 'x' } });
    expect(await list(desk)).toMatchObject([{ annotations: { why: '', where: 'x' } }]);
  });

  it('an unknown id is a 404', async () => {
    const desk = await openDesk();
    const answer = await desk.post('/api/v2/silences', silence({ id: 'nobody' }));
    expect(answer).toMatchObject({ status: 404 });
    expect(answer.json()).toBe(
      'silence nobody not found: one is forgotten 120 hours after its end',
    );
  });

  it('classic mode refuses a matcher on a name outside of ASCII', async () => {
    const desk = await openDesk({ classicNames: true });
    const matchers = [{ name: 'a.b', value: 'c', isRegex: false }];
    expect(await desk.post('/api/v2/silences', silence({ matchers }))).toMatchObject({
      status: 400,
    });
  });
});

describe('DELETE and GET /api/v2/silence/{id}', () => {
  it('expires it, twice if need be', async () => {
    const desk = await openDesk();
    const id = await post(desk);
    const path = `/api/v2/silence/${id}`;
    expect(await desk.request(path, { method: 'DELETE' })).toMatchObject({ status: 200, text: '' });
    expect(await desk.request(path, { method: 'DELETE' })).toMatchObject({ status: 200 });
    expect((await desk.get(path)).json()).toMatchObject({ status: { state: 'expired' } });
  });

  it.each(['GET', 'DELETE'])('%s of an unknown one is a 404', async (method) => {
    const desk = await openDesk();
    for (const id of ['nobody', 'constructor', '%00']) {
      const answer = await desk.request(`/api/v2/silence/${id}`, { method });
      expect(answer.status).toBe(404);
    }
  });
});

describe('GET /api/v2/silences', () => {
  it('lists active ones by end, pending ones by start, expired ones latest first', async () => {
    const desk = await openDesk();
    const late = await post(desk, { endsAt: at(90_000) });
    const soon = await post(desk, { endsAt: at(80_000) });
    const second = await post(desk, { startsAt: at(70_000), endsAt: at(200_000) });
    const first = await post(desk, { startsAt: at(65_000), endsAt: at(300_000) });
    const older = await post(desk, { endsAt: at(10_000) });
    const newer = await post(desk, { endsAt: at(20_000) });
    desk.clock.advance(30_000);
    expect(await idsOf(desk)).toEqual([soon, late, first, second, newer, older]);
    expect(await idsOf(desk, '?expired=false&pending=false')).toEqual([soon, late]);
    expect(await idsOf(desk, '?active=false&expired=false')).toEqual([first, second]);
  });

  it('a filter wants the very same matcher, not an alert that matches', async () => {
    const desk = await openDesk();
    const exact = await post(desk);
    await post(desk, { matchers: [{ name: 'job', value: 'db', isRegex: true }] });
    expect(await idsOf(desk, '?filter=job=db')).toEqual([exact]);
    expect(await idsOf(desk, '?filter=job%3D~db')).not.toContain(exact);
    expect(await idsOf(desk, '?filter=job=web')).toEqual([]);
  });
});
