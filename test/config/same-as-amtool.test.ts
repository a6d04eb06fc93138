/**
 * The reader against Debian's `amtool check-config`: generated configurations, one verdict each.
 * What differs on purpose stands in the table of its story with the reason; docs/adr/0017
 * has the reasons for people. `TOCSIN_TEST_SEED=7 npx vitest run test/config/same-as-amtool.test.ts`
 * tries other URLs.
 */

import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { problemText } from '../../src/io/config/problems.ts';
import { readConfig } from '../../src/io/config/read.ts';
import { amtoolVerdicts, hasAmtool } from './amtool.ts';
import { BASE, configOf, problemsOf, warningsOf } from './reading.ts';

interface Case {
  /** What it is about, as the tables below name it. */
  readonly at: string;
  readonly source: string;
}

/** Cases in which we differ on purpose, and why. */
type Exceptions = readonly (readonly [at: RegExp, why: string])[];

/** `at: amtool accepted, ours refused …` for each difference that no exception allows. */
function differences(cases: readonly Case[], exceptions: Exceptions): readonly string[] {
  const verdicts = amtoolVerdicts(cases.map(({ source }) => source));
  const used = new Set<RegExp>();
  const differing = cases.flatMap(({ at, source }, i) => {
    const theirs = verdicts[i]?.kind;
    // amtool 0.25 knows classic label names only.
    const read = readConfig(source, { file: 'c', localZone: 'UTC', classicNames: true });
    const ours = read.ok ? 'accepted' : 'refused';
    // A panic of amtool is no verdict; all we ask is that such a file is refused.
    if (theirs === ours || (theirs === 'crashed' && ours === 'refused')) return [];
    const allowed = exceptions.find(([pattern]) => pattern.test(at));
    if (allowed !== undefined) {
      used.add(allowed[0]);
      return [];
    }
    const why = read.ok ? '' : read.problems.map(problemText).join('; ');
    return [`${at}: amtool ${theirs ?? 'silent'}, ours ${ours} ${why}`];
  });
  const stale = exceptions.filter(([pattern]) => !used.has(pattern));
  return [...differing, ...stale.map(([pattern]) => `${pattern.source}: no difference any more`)];
}

/** They give amtool thousands of files. */
const PATIENCE = { timeout: 180_000 };

describe.skipIf(!hasAmtool)('amtool check-config and this reader agree', PATIENCE, () => {
  test('on a value that is left out, at every node of a file with every key', () => {
    const text = readFileSync('test/config/every-key.yml', 'utf8');
    const paths: (readonly (string | number)[])[] = [[]];
    const walk = (node: unknown, path: readonly (string | number)[]): void => {
      const children: [string | number, unknown][] = isMap(node)
        ? node.items.map(({ key, value }) => [isScalar(key) ? String(key.value) : '', value])
        : isSeq(node)
          ? node.items.map((item, i) => [i, item])
          : [];
      for (const [step, child] of children) {
        paths.push([...path, step]);
        walk(child, [...path, step]);
      }
    };
    walk(parseDocument(text).contents, []);
    const nulls = ['null', '~'];
    const cases = paths.flatMap((path, i) =>
      [null, ''].map((value): Case => {
        const document = parseDocument(text);
        document.setIn(path, value);
        if (path.length === 0) document.contents = document.createNode(value) as never;
        const nullStr = nulls[i % nulls.length] ?? '';
        return {
          at: `${path.join('.')} = ${JSON.stringify(value)}`,
          source: document.toString({ nullStr }),
        };
      }),
    );

    expect(cases.length).toBeGreaterThan(300);
    expect(
      differences(cases, [
        [
          /^inhibit_rules\.0 = null$/,
          'amtool takes it, and the Alertmanager that loads it ends with a nil pointer',
        ],
      ]),
    ).toEqual([]);
  });

  test('on what a scalar means, wherever one may stand', () => {
    const cases = SPOTS.flatMap(([spot, sourceOf]) =>
      WORDS.map((word): Case => ({ at: `${spot} ${word}`, source: sourceOf(word) })),
    );
    expect(
      differences(cases, [
        [/ (Null|NULL)$/, 'Go knows four spellings of null for some fields and two for others'],
        [/^matchkey null$/, 'a label called null is a label, as one called yes is'],
        [/!!binary/, 'nobody has it in a configuration; refused with a sentence'],
        [/!!null x$/, 'a tag that contradicts its text is read as text'],
        [/"\\\/"$/, 'YAML 1.2 has this escape'],
        [/^max (1\.5|\d{16,})$/, 'Go cuts fractions off; a number of alerts has none'],
        [/^(month|year) (0|-1|\d{5,})$/, 'no such month or year: it would never hold'],
      ]),
    ).toEqual([]);
  });

  test('on the form of the text itself', () => {
    const cases = FORMS.map(([at, source]): Case => ({ at, source }));
    expect(
      differences(cases, [
        [/^old Mac line ends$/, 'no editor writes them'],
        [/^two documents/, 'Go reads the first one alone, and the second would be lost in silence'],
        [/^directive of YAML 1.2$/, 'nothing in a configuration depends on the version'],
        [/^merge over an own label$/, 'the own key wins, as YAML says, in every map'],
        [/^merge twice$/, 'a key that stands twice'],
        [/^tab in flow$/, 'refused with the place'],
        [/^tab on an empty line$/, 'YAML 1.2 has no fault here'],
        [/^flow closed too far left$/, 'refused with the place'],
        [/^comment without space$/, 'refused with the place'],
        [/^question mark in flow$/, 'YAML 1.2 has no fault here'],
      ]),
    ).toEqual([]);
  });

  test('on URLs', () => {
    const seed = Number(process.env['TOCSIN_TEST_SEED'] ?? 1);
    const urls = [...URLS, ...fc.sample(someUrl, { seed, numRuns: 1_000 })];
    const cases = URL_FIELDS.flatMap(([field, sourceOf], i) =>
      urls
        .filter((_, j) => j < URLS.length || j % URL_FIELDS.length === i)
        .map((url): Case => {
          // The seam between the two parsers is one thing: whether anybody can connect to it.
          const unreachable = field !== 'proxy' && !isUrl(url);
          const quoted = JSON.stringify(url);
          return {
            at: `${field}${unreachable ? ' that nobody can connect to' : ''} ${quoted}`,
            source: sourceOf(quoted),
          };
        }),
    );
    expect(
      differences(cases, [
        [
          /nobody can connect to/,
          'Go notices a port of 99999 and brackets without an address when it sends',
        ],
      ]),
    ).toEqual([]);
  });
});

function isUrl(text: string): boolean {
  try {
    return new URL(text).host !== '';
  } catch {
    return false;
  }
}

const webhook = (field: string): string =>
  `route: {receiver: team}\nreceivers:\n- name: team\n  webhook_configs:\n  - url: 'http://x'\n    ${field}\n`;
const route = (lines: string): string =>
  `route:\n  receiver: team\n  ${lines}\nreceivers: [{name: team}]\n`;
const interval = (key: string): ((word: string) => string) => {
  return (word) =>
    `${BASE}time_intervals:\n- name: x\n  time_intervals:\n  - ${key}:\n    - ${word}\n`;
};

const SPOTS: readonly (readonly [string, (word: string) => string])[] = [
  ['duration', (word) => `${BASE}global:\n  resolve_timeout: ${word}\n`],
  ['interval', (word) => route(`group_interval: ${word}`)],
  ['flag', (word) => `${BASE}global:\n  smtp_require_tls: ${word}\n`],
  ['text', (word) => `${BASE}global:\n  smtp_from: ${word}\n`],
  ['match', (word) => route(`routes:\n  - match:\n      severity: ${word}`)],
  ['matchkey', (word) => route(`routes:\n  - match: {${word}: a}`)],
  ['matchre', (word) => route(`routes:\n  - match_re:\n      a: ${word}`)],
  ['matchers', (word) => route(`routes:\n  - matchers:\n    - ${word}`)],
  ['groupby', (word) => route(`group_by:\n  - ${word}`)],
  ['max', (word) => webhook(`max_alerts: ${word}`)],
  ['name', (word) => `${BASE}  - name: ${word}\n`],
  ['weekday', interval('weekdays')],
  ['month', interval('months')],
  ['day', interval('days_of_month')],
  ['year', interval('years')],
  ['start', (word) => interval('times')(`end_time: '24:00'\n      start_time: ${word}`)],
  ['equal', (word) => `${BASE}inhibit_rules:\n- equal:\n  - ${word}\n`],
  ['section', (word) => `${BASE}time_intervals: ${word}\n`],
  ['document', (word) => word],
  ['tls', (word) => `${BASE}global:\n  http_config: {tls_config: {min_version: ${word}}}\n`],
];

const WORDS = (
  'yes no on off y n Y TRUE True tRUE oN 1 0 007 010 0x10 0o17 0b11 1_000 1.5 1e3 .inf .nan -1 +5 ' +
  `~ null Null NULL nULL "" '' "yes" '5' 2026-01-01 = << 12:30:00 5m 1h30m 1h30 90m30s 30s1m 1d 1w ` +
  '1y 0s 1.5h -5m 1ms 100us 5M "5m" 5.0 1e400 9007199254740993 18446744073709551616 [] {} [a] @x ' +
  `%x 'a''b' "\\x41" "\\u263a" "\\/" "\\q" #x *x 292y 293y 106751d 106752d 9223372036s 1h1h 00m 1Y`
)
  .split(' ')
  .concat('!!str 5', '!!int "5"', '!!bool "yes"', '!!binary aGk=', '!foo x', '!!float 5')
  .concat('!!null x', '!!null ""', '! x', '&a 5m', 'a #b', 'a: b', '5 m', '5m\t', '"\\t"');

const FORMS: readonly (readonly [string, string])[] = [
  ['byte order mark', `\uFEFF${BASE}`],
  ['line ends of DOS', BASE.replaceAll('\n', '\r\n')],
  ['old Mac line ends', BASE.replaceAll('\n', '\r')],
  ['start and end of a document', `---\n${BASE}...\n`],
  ['nothing after ---', `${BASE}---\n# nothing\n`],
  ['nothing after ...', `${BASE}...\n---\n`],
  ['two documents', `${BASE}---\nroute: {receiver: x}\n`],
  [
    'two documents, the first of them empty',
    `---\n---\n${BASE}`.replace(/^---\n---/, '---\n{}\n---'),
  ],
  ['directive of YAML 1.1', `%YAML 1.1\n---\n${BASE}`],
  ['directive of YAML 1.2', `%YAML 1.2\n---\n${BASE}`],
  ['section twice', `${BASE}route: {receiver: team}\n`],
  ['section twice, once in quotes', `${BASE}"route": {receiver: team}\n`],
  ['label twice', route('routes: [{match: {a: b, a: c}}]')],
  ['key twice, once without a value', route('group_wait:\n  group_wait: 1s')],
  ['unknown section', `x: &x {receiver: team}\n${BASE}`],
  [
    'merge',
    route('routes: [&r {receiver: team}, {<<: *r, group_wait: 1s}, {<<: [*r, {group_wait: 2s}]}]'),
  ],
  ['merge under an own key', route('routes: [&r {group_wait: 2s}, {<<: *r, group_wait: 1s}]')],
  ['merge over an own key', route('routes: [&r {group_wait: 2s}, {group_wait: 1s, <<: *r}]')],
  ['merge over an own label', route('routes: [{match: &m {a: b}}, {match: {a: x, <<: *m}}]')],
  ['merge nothing', route('<<:')],
  ['merge twice', route('routes: [&r {receiver: team}, {<<: *r, <<: *r}]')],
  ['merge in quotes', route('"<<": {group_wait: 1s}')],
  ['merge of an unknown key', route('<<: {foo: 1s}')],
  ['anchor of nothing', route('group_wait: &x\n  group_interval: *x')],
  [
    'anchor set twice',
    route('routes: [{group_wait: &x 1s, group_interval: &x 2s, repeat_interval: *x}]'),
  ],
  ['anchor of a key', route('routes: [{match: {&k a: b, c: *k}}]')],
  [
    'alias as a key',
    'route: {receiver: &r team, routes: [{match: {*r : b}}]}\nreceivers: [{name: team}]\n',
  ],
  ['tab as indentation', 'route:\n\treceiver: team\nreceivers: [{name: team}]\n'],
  ['tab after a colon', 'route:\n  receiver:\tteam\nreceivers: [{name: team}]\n'],
  ['tab in flow', 'route: {\n\treceiver: team}\nreceivers: [{name: team}]\n'],
  ['tab at the end', 'route:\n  receiver: team\t\nreceivers: [{name: team}]\n'],
  ['tab on an empty line', 'route:\n  receiver: team\n\t\nreceivers: [{name: team}]\n'],
  ['tab after a dash', 'route:\n  receiver: team\nreceivers:\n-\tname: team\n'],
  ['null byte', `${BASE}# \u0000\n`],
  ['bell', `${BASE}# \u0007\n`],
  ['delete', `${BASE}# \u007f\n`],
  ['emoji', BASE.replaceAll('team', '🔥')],
  ['list at the indentation of its key', 'route:\n  receiver: team\nreceivers:\n- name: team\n'],
  [
    'flow with a comma at the end',
    'route: {receiver: team,\n group_wait: 1s,\n}\nreceivers: [{name: team},]\n',
  ],
  ['flow with two commas', 'route: {receiver: team,, }\nreceivers: [{name: team}]\n'],
  [
    'flow closed too far left',
    'route:\n  routes: [\n]\n  receiver: team\nreceivers: [{name: team}]\n',
  ],
  ['pair in a flow list', 'route: {receiver: team}\nreceivers: [name: team]\n'],
  ['question mark in flow', 'route: {receiver: a?b}\nreceivers: [{name: a?b}]\n'],
  ['explicit keys', '? route\n: receiver: team\nreceivers:\n- name: team\n'],
  ['text over two lines', 'route:\n  receiver: a\n    b\nreceivers: [{name: a b}]\n'],
  ['literal text', 'route:\n  receiver: |-\n    team\nreceivers: [{name: team}]\n'],
  ['comment without space', "route: {receiver: 'team'}#x\nreceivers: [{name: team}]\n"],
  ['sections without values', 'route:\nreceivers:\n'],
  ['comments alone', '# hi\n'],
  ['a list of nothing', '-\n'],
  ['keys in capitals', 'Route: {receiver: team}\nreceivers: [{name: team}]\n'],
];

const URL_FIELDS: readonly (readonly [string, (quoted: string) => string])[] = [
  ['webhook', (url) => webhook('max_alerts: 0').replace("'http://x'", url)],
  ['proxy', (url) => webhook(`http_config: {proxy_url: ${url}}`)],
  ['slack', (url) => `${BASE}global: {slack_api_url: ${url}}\n`],
  ['opsgenie', (url) => `${BASE}global: {opsgenie_api_url: ${url}}\n`],
  ['pagerduty', (url) => `${BASE}    pagerduty_configs: [{routing_key: k, url: ${url}}]\n`],
];

const URLS = [
  'http://${ALERT_HOST}:8080/hook',
  'http://host:${PORT}/',
  'http://host/${PATH}',
  'http:/host',
  'http:host',
  'http:///path',
  'http://',
  '',
  '/path',
  'host:80',
  '//host/path',
  'HTTP://host',
  'ftp://host',
  'http://ho st/',
  'http://host/a b',
  'http://host ',
  ' http://host',
  'http://host/\t',
  'http://host/\u0001',
  'http://host/%zz',
  'http://%41/',
  'http://a%C3%BC/',
  'http://host:99999/',
  'http://host:x/',
  'http://host:/',
  'http://[::1]:80/',
  'http://[::1',
  'http://[fe80::1%25eth0]/',
  'http://user:pw@host/',
  'http://us er:p{w@host/',
  'http://höst/',
  'http:\\\\host/',
];

/** Mostly right, with a piece that is odd here and there. */
const someUrl = fc
  .tuple(
    fc.constantFrom(
      'http://',
      'https://',
      'HTTP://',
      'http:/',
      'http:',
      'ftp://',
      '//',
      '',
      'h p://',
    ),
    fc.constantFrom('', '', '', 'u:p@', 'u@', 'u:%41@', 'u:%4@', 'u:{@', 'u u@', '@', 'a@b@'),
    fc.array(
      fc.constantFrom(
        ...'abc.-_~$&+,;=!*()\'"<>`^|\\{}[]% :@/?#é'.split(''),
        '%41',
        '%c3%a9',
        '%25',
        'example.com',
        '${X}',
        '[::1]',
        '127.0.0.1',
      ),
      { maxLength: 3 },
    ),
    fc.constantFrom('', '', ':80', ':', ':x', ':0x', ':-1', ':65535', ':080'),
    fc.constantFrom(
      '',
      '/',
      '/a',
      '/a b',
      '/%20',
      '/%2',
      '/{a}',
      '/${X}',
      '?a=%',
      '#%',
      '#a',
      '/é',
    ),
  )
  .map(([scheme, user, host, port, path]) => scheme + user + host.join('') + port + path);

describe('a value that is left out is the empty one, as in Go', () => {
  test('in a map of labels, in a list of matchers, and in what two alerts must share', () => {
    const { route: root, inhibitRules } = configOf(
      `${route('routes: [{match: {severity: }, matchers: [~, a=b]}]')}inhibit_rules: [{source_match: {x: ~}, equal: [~, y]}]\n`,
    );

    expect(root.routes[0]?.matchers).toEqual([
      { name: 'a', op: '=', value: 'b' },
      { name: 'severity', op: '=', value: '' },
    ]);
    expect(inhibitRules[0]).toMatchObject({
      sourceMatchers: [{ name: 'x', op: '=', value: '' }],
      equal: ['y'],
    });
  });

  test('in a time interval: no condition, Sunday, and days that never come', () => {
    const source = `${BASE}time_intervals: [{name: a, time_intervals: [~, {weekdays: [~], months: [~], location: ''}]}]\n`;

    expect(configOf(source).timeIntervals[0]?.parts).toMatchObject([
      { weekdays: [], months: [], zone: 'UTC' },
      { weekdays: [{ from: 0, to: 0 }], months: [{ from: 0, to: 0 }], zone: 'UTC' },
    ]);
    expect(warningsOf(source)).toHaveLength(3);
    expect(warningsOf(source).join()).toContain(
      'time_intervals[0].time_intervals[1].weekdays[0]: an item without a value',
    );
  });
});

describe('a URL that nobody can be reached under', () => {
  test.each([
    [
      'http://${ALERT_HOST}:8080/hook',
      'has a character in its host that no host name has (hint: variables such as ${NAME} are not filled in here: write the value itself)',
    ],
    [
      'http://host:${PORT}/',
      'has a port that is not a number (hint: variables such as ${NAME} are not filled in here: write the value itself)',
    ],
    ['http:/host', 'has no host (hint: write for example http://host:8080/path)'],
    [
      'http://host/%zz',
      'has a broken percent-encoding (hint: write %25 for a percent sign itself)',
    ],
  ])('%s', (url, problem) => {
    const quoted = `'${url}'`;

    expect(problemsOf(BASE.replace("'http://hook.example.com/'", quoted))).toEqual([
      `tocsin.yml:4:29: receivers[0].webhook_configs[0].url: ${problem}`,
    ]);
    const monitor = `${BASE}monitors: [{name: a, http: {url: ${quoted}}}]\n`;
    expect(problemsOf(monitor)).toEqual([`tocsin.yml:5:34: monitors[0].http.url: ${problem}`]);
    const graphite = `${BASE}monitors: [{name: a, graphite: {targets: [x], url: ${quoted}}}]\n`;
    expect(problemsOf(graphite)).toEqual([`tocsin.yml:5:52: monitors[0].graphite.url: ${problem}`]);
  });

  test('is a warning where Go takes the variable for a part of the path', () => {
    const source = BASE.replace('http://hook.example.com/', 'http://hook.example.com/${TOKEN}');

    expect(warningsOf(source)).toEqual([
      'tocsin.yml:4:24: receivers[0].webhook_configs[0].url: variables such as ${NAME} are not filled in here (hint: write the value)',
    ]);
  });
});
