/**
 * Requests to Alertmanager's API as clients send them and as nobody should: switches, times, matchers,
 * nulls, paths, headers. Each is a value, so that a seed and a number give the same ones anywhere.
 */

import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Sent } from './oracle.ts';

/** One request. `{n}` in it stands for its number, `{id k}` for the id of a silence made before. */
export type Draft = Sent;

const JSON_TYPE = { 'Content-Type': 'application/json' };

const switches = fc.constantFrom(
  ...'true True TRUE tRuE 1 yes YES ok OK y Y on ON selected checked t T enabled'.split(' '),
  ...'false False FALSE 0 no off f F junk null 2 +true true+ %74rue true%00 %zz'.split(' '),
  '',
);

/** The names in which labels and matchers differ; the second part is for UTF-8 mode alone. */
const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'b', 'team', 'alertname', '_x', 'A1') },
  { weight: 1, arbitrary: fc.constantFrom('a:b', 'a.b', 'é', 'a b', '1a', '', 'a-b') },
);
const value = fc.oneof(
  fc.constantFrom(
    'b',
    'web',
    'b,c',
    'b c',
    '',
    'é',
    '{b}',
    'b}',
    '{b',
    'b"c',
    'b\\c',
    "'b'",
    'b=c',
  ),
  fc.constantFrom(
    'a,b=c',
    'b\nc',
    'b\\n',
    ' b',
    'b ',
    '\ufeffb',
    '\u00a0b',
    '*',
    '.*',
    'b|c',
    '😀',
    '%',
    '+',
  ),
);
const operator = fc.constantFrom('=', '!=', '=~', '!~', '=', ' = ', '= ', '==', '~', '>', '');
const filterText = fc.oneof(
  fc.tuple(name, operator, value).map((parts) => parts.join('')),
  fc.tuple(name, operator, value).map(([n, op, v]) => `${n}${op}"${v}"`),
  fc.tuple(name, operator, value).map(([n, op, v]) => `${n}${op}${JSON.stringify(v)}`),
  fc.tuple(name, operator, value).map(([n, op, v]) => `{${n}${op}"${v}"}`),
  fc.tuple(name, name, value, value).map(([n, m, v, w]) => `${n}="${v}",${m}="${w}"`),
  fc.constantFrom(
    '',
    ' ',
    '{}',
    '{',
    '}',
    ',',
    'a',
    '"a"="b"',
    'a=b,',
    'a=b,,',
    'a=~(',
    'a=~[',
    'a=~"b{1,2}"',
  ),
  fc.constantFrom(
    'a=~b{1,2}',
    'a=~.{2}',
    'a="b',
    'a=b"',
    '\ta=b',
    'a="\\x"',
    'a=~(?i)B',
    'a=~^b$',
    'a=b;c',
  ),
);
const receiver = fc.constantFrom(
  'team',
  'other',
  'team|other',
  'tea',
  '.*',
  '^team$',
  '(',
  'TEAM',
  '(?i)TEAM',
  '',
  '%ff',
  'x|team',
);

const parameter = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('active', 'silenced', 'inhibited', 'unprocessed', 'Active', 'nope'),
      switches,
    )
    .map(([key, text]) => `${key}=${text}`),
  filterText.map((text) => `filter=${encodeURIComponent(text)}`),
  receiver.map((text) => `receiver=${text === '%ff' ? text : encodeURIComponent(text)}`),
  fc.constantFrom(
    'active',
    'active;silenced',
    '%zz=1',
    '',
    'filter=a%3Db%2Cc',
    'filter=a+%3D+b',
    'x=%ff',
  ),
);
const query = fc
  .array(parameter, { maxLength: 3 })
  .map((parts) => (parts.length === 0 ? '' : `?${parts.join('&')}`));

const time = fc.oneof(
  fc.constantFrom(
    '2026-11-28T12:00:00Z',
    '2026-11-28T12:00:00.123456',
    '2026-11-28T12:00:00',
    '2026-11-28 12:00:00',
  ),
  fc.constantFrom(
    '2026-11-28 12:00:00.123',
    '2026-11-28T12:00:00.123456789Z',
    '2026-11-28T12:00',
    '2026-11-28T12:00Z',
  ),
  fc.constantFrom(
    '2026-11-28T12:00:00+01:00',
    '2026-11-28T12:00:00.5+01:00',
    '2026-11-28T12:00:00+0100',
  ),
  fc.constantFrom(
    '2026-11-28T12:00:00.123+0100',
    '2026-11-28T12:00:00.123456-0730',
    '2026-11-28t12:00:00z',
  ),
  fc.constantFrom(
    '2026-11-28T12:00:00,5Z',
    '2026-11-28T1:00:00Z',
    '2026-11-28',
    '2026-02-30T00:00:00Z',
    'now',
    '1795868000',
  ),
  fc.constantFrom(
    '2026-11-28T24:00:00Z',
    '2026-11-28T12:60:00Z',
    '2024-02-29T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '',
  ),
  fc.constantFrom(
    '0001-01-01T00:00:00',
    '0001-01-01T00:00:00.000Z',
    '0000-12-31T23:00:00-01:00',
    '1969-12-31T00:00:00Z',
  ),
  fc.constantFrom(
    '2026-11-28T12:00:00-23:59',
    '2026-11-28T12:00:00 +0100',
    '2026-11-28T12:00:00.Z',
    ' 2026-11-28T12:00:00Z',
  ),
  fc.constantFrom(
    '2097-01-01 00:00:00',
    '2097-01-01T00:00:00.123456',
    '2097-01-01T00:00:00.9999Z',
    '9999-12-31T23:59:59Z',
  ),
  fc
    .tuple(
      fc.date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true }),
      fc.constantFrom('T', 'T', 'T', ' ', 't', ''),
      fc.constantFrom('', '.1', '.12', '.123', '.1234', '.123456', '.123456789', ',5'),
      fc.constantFrom('Z', 'Z', '', '+02:00', '-0330', '+00:00', 'z', ' UTC', '+02', '-12:59'),
    )
    .map(([date, separator, fraction, zone]) => {
      const text = date.toISOString();
      return `${text.slice(0, 10)}${separator}${text.slice(11, 19)}${fraction}${zone}`;
    }),
);

/** Mostly what is meant; now and then something of another type, or nothing. */
function mostly(meant: fc.Arbitrary<unknown>, weight = 16): fc.Arbitrary<unknown> {
  const other = fc.constantFrom(null, 1, true, 'x', {}, [], undefined);
  return fc.oneof({ weight, arbitrary: meant }, { weight: 1, arbitrary: other });
}

const labelMap = fc
  .array(fc.tuple(name, mostly(value, 24)), { maxLength: 3 })
  .map((pairs) => ({ ...Object.fromEntries(pairs), n: '{n}' }));

/** Some fields under names in another case. */
function spelt(fields: fc.Arbitrary<object>): fc.Arbitrary<object> {
  return fc.tuple(fields, fc.nat(15)).map(([object, die]) => {
    const change = [(key: string) => key.toUpperCase(), (key: string) => key.toLowerCase()][die];
    if (change === undefined) return object;
    return Object.fromEntries(
      Object.entries(object).map(([key, each]) => [change(key), each as unknown]),
    );
  });
}

const alert = mostly(
  spelt(
    fc.record(
      {
        labels: mostly(labelMap, 24),
        annotations: mostly(labelMap, 24),
        startsAt: mostly(time),
        endsAt: mostly(time),
        generatorURL: mostly(fc.constantFrom('http://g/x', '', '/x', 'not a url', 'http://x/%zz')),
      },
      { requiredKeys: ['labels'] },
    ),
  ),
  40,
);

const matcher = mostly(
  spelt(
    fc.record(
      {
        name: mostly(name),
        value: mostly(value),
        isRegex: mostly(fc.boolean()),
        isEqual: mostly(fc.boolean()),
      },
      { requiredKeys: ['name', 'value', 'isRegex'] },
    ),
  ),
  24,
);

const silence = spelt(
  fc.record(
    {
      id: fc.constantFrom('', null, '{id 0}', '{id 1}', 'x', undefined, undefined, undefined),
      matchers: mostly(fc.array(matcher, { minLength: 1, maxLength: 2 }), 30),
      startsAt: mostly(time, 30),
      endsAt: mostly(fc.oneof(time, fc.constant('2098-01-01T00:00:00Z')), 30),
      createdBy: mostly(fc.constantFrom('ann', ''), 30),
      comment: fc.oneof(
        { weight: 30, arbitrary: fc.constant('{n}') },
        fc.constantFrom(null, 1, undefined),
      ),
      annotations: mostly(fc.constant({ k: 'v' }), 8),
      extra: fc.constantFrom(undefined, 1),
    },
    { requiredKeys: ['matchers', 'startsAt', 'endsAt', 'createdBy', 'comment'] },
  ),
);

const broken = fc.constantFrom(
  '',
  'null',
  '{}',
  '[]',
  '"x"',
  '1',
  'true',
  '[{}',
  '[{"labels":{"n":"{n}"}}] x',
  '{"labels":{"n":"{n}"}}',
  '[null]',
  '[[]]',
  '[1]',
  '\ufeff[]',
  '[{"labels":{"n":"{n}","a":"\\ud800"}}]',
  '[{"labels":{"n":"{n}","a":"\\u0000"}}]',
  '[{"labels":{"n":"{n}","a":"b"},"labels":{"n":"{n}","b":"c"}}]',
  '[{"labels":{"n":"{n}"},}]',
  ' [ ] ',
);

const type = fc.oneof(
  { weight: 20, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'application/json; charset=utf-8',
      'APPLICATION/JSON',
      'text/plain',
      '',
      'application/json;x',
    ),
  },
);

function post(path: string, body: fc.Arbitrary<string>): fc.Arbitrary<Draft> {
  return fc
    .tuple(fc.constantFrom(path, path, path, `${path}/`), type, body)
    .map(([at, contentType, text]) => ({
      method: 'POST',
      path: at,
      headers: contentType === '' ? {} : { 'Content-Type': contentType },
      body: text,
    }));
}

const API = '/api/v2';
const UUID = '00000000-0000-4000-8000-000000000000';
const ids = fc.constantFrom(
  '{id 0}',
  '{id 1}',
  '{id 2}',
  UUID,
  UUID.replaceAll('-', ''),
  'x',
  '%20',
  `${UUID}x`,
  '{id 0}/',
);

const odd: fc.Arbitrary<Draft> = fc
  .tuple(
    fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'POST'),
    fc.constantFrom(
      ...[
        'alerts',
        'alerts/groups',
        'silences',
        'status',
        'receivers',
        'nope',
        '',
        'alerts/x',
        'ALERTS',
        'silence',
      ].map((each) => `${API}/${each}`),
      `${API}//alerts`,
      `/${API}/alerts`,
      '/api//v2/receivers',
      `${API}/./alerts`,
      `${API}/x/../receivers?a=//`,
      `${API}/al%65rts`,
      `${API}/alerts%2Fgroups`,
      `${API}/alerts/groups/`,
      `${API}/silence/`,
      '/api/v1/alerts',
    ),
    fc.constantFrom<Readonly<Record<string, string>>>(
      {},
      {},
      {},
      { Accept: 'text/html' },
      { Accept: '*/*' },
    ),
  )
  .map(([method, path, headers]) => ({
    method,
    path,
    headers: method === 'POST' ? { ...headers, ...JSON_TYPE } : headers,
    body: method === 'POST' ? '[]' : null,
  }));

const get = (path: string): fc.Arbitrary<Draft> =>
  query.map((text) => ({ method: 'GET', path: `${API}/${path}${text}`, headers: {}, body: null }));

export const drafts: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 5, arbitrary: get('alerts') },
  { weight: 2, arbitrary: get('alerts/groups') },
  { weight: 3, arbitrary: get('silences') },
  {
    weight: 7,
    arbitrary: post(
      `${API}/alerts`,
      fc.array(alert, { minLength: 1, maxLength: 2 }).map((alerts) => JSON.stringify(alerts)),
    ),
  },
  {
    weight: 5,
    arbitrary: post(
      `${API}/silences`,
      silence.map((each) => JSON.stringify(each)),
    ),
  },
  { weight: 1, arbitrary: post(`${API}/alerts`, broken) },
  { weight: 1, arbitrary: post(`${API}/silences`, broken) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('GET', 'DELETE'), ids)
      .map(([method, id]) => ({ method, path: `${API}/silence/${id}`, headers: {}, body: null })),
  },
  { weight: 3, arbitrary: odd },
  {
    weight: 1,
    arbitrary: fc.constant({
      method: 'POST',
      path: `${API}/alerts`,
      headers: { ...JSON_TYPE, 'Content-Encoding': 'gzip' },
      body: gzipSync('[]'),
    }),
  },
);
