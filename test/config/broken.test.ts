import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/commands/limits.ts';
import { readConfig } from '../../src/io/config/read.ts';
import { BASE, problemsOf } from './reading.ts';

const ROUTE_HINT =
  "add at least: route: {receiver: team} and receivers: [{name: team, webhook_configs: [{url: 'http://host/path'}]}]";

/** One check that is right but for `part`. */
const check = (part: string): string => `${BASE}checks:\n  - {name: A, series: a.b, ${part}}\n`;

/** Title, the file, and all that is printed about it. */
const stories: readonly (readonly [title: string, source: string, ...problems: string[]])[] = [
  ['an empty file', '', `1:1: the file is empty (hint: ${ROUTE_HINT})`],
  ['a file of comments', '# soon\n', `1:1: the file is empty (hint: ${ROUTE_HINT})`],
  ['a word', 'hello\n', `1:1: the file must be a map of sections (hint: ${ROUTE_HINT})`],
  [
    'a tab as indentation',
    'route:\n\treceiver: team\n',
    '2:1: a tab is used as indentation (hint: indent with spaces)',
  ],
  [
    'a key that stands twice',
    'route: {receiver: team}\nroute: {receiver: other}\n',
    '2:1: the key "route" stands twice in one map (hint: keep one of them)',
  ],
  [
    'a key that stands twice in a route',
    'route:\n  receiver: a\n  group_wait: 1s\n  receiver: b\n',
    '4:3: the key "receiver" stands twice in one map (hint: keep one of them)',
  ],
  [
    'two documents',
    `${BASE}---\nroute: {receiver: other}\n`,
    '5:1: a second document starts here (hint: a configuration is one document: remove the line --- and merge the parts)',
  ],
  [
    'a colon in a value',
    'route:\n  receiver: team: web\n',
    '2:13: a second ": " stands on one line (hint: put the value in quotes, or start a new line)',
  ],
  [
    'a bracket that is never closed',
    'route: {receiver: team\nreceivers: []\n',
    '2:1: broken YAML: flow map in block collection must be sufficiently indented and end with a } (hint: close the bracket, or indent the lines inside it)',
  ],
  [
    'a backtick',
    'route: {receiver: `team`}\n',
    '1:19: plain value cannot start with reserved character ` (hint: put the value in quotes)',
  ],
  [
    'a placeholder that nobody filled in',
    'route: {receiver: {{ team }}}\n',
    '1:20: a key must be plain text (hint: put quotes around a value that starts with { or [)',
  ],
  [
    'an alias without its anchor',
    'route: *defaults\n',
    '1:8: *defaults stands for an anchor that is not above it (hint: add &defaults)',
  ],
  [
    'an alias that holds itself',
    'route: &loop {receiver: team, routes: [*loop]}\n',
    '1:40: this alias expands to too many values (hint: write the block out)',
  ],
  [
    'an alias bomb',
    [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...['b', 'c', 'd', 'e', 'f'].map((name, i) => {
        const before = '*' + 'abcde'.charAt(i);
        return `${name}: &${name} [${Array(10).fill(before).join(',')}]`;
      }),
    ].join('\n'),
    '5:29: this alias expands to too many values (hint: write the block out)',
  ],
  ['brackets without end', '['.repeat(50_000), '1:101: values are nested over 100 deep'],

  [
    'no route',
    'receivers: [{name: team}]\n',
    `1:1: route: there is no route (hint: ${ROUTE_HINT})`,
  ],
  [
    'checks that nobody would hear of',
    'checks:\n  - {name: A, series: a.b, above: 1}\n',
    `2:3: checks: the checks have no route: nobody would be notified (hint: ${ROUTE_HINT})`,
  ],
  ['a route that is a word', 'route: team\n', '1:8: route: must be a map (key: value)'],
  [
    'receivers that are a map',
    'route: {receiver: team}\nreceivers: {name: team}\n',
    '1:19: route.receiver: there is no receiver "team" (hint: the file defines no receiver)',
    '2:12: receivers: must be a list (hint: write [a, b] or one "- item" a line)',
  ],
  [
    'an unknown section',
    `${BASE}recievers: []\n`,
    '5:1: recievers: unknown key (hint: did you mean "receivers"?)',
  ],
  [
    'an unknown key of a check, with nothing near',
    check('above: 1, wat: 2'),
    '6:38: checks[0].wat: unknown key (hint: known keys: name, series, above, below, outside, missing, recover, for, severity, labels, annotations)',
  ],

  [
    'an unknown receiver',
    BASE.replace('{receiver: team}', '{receiver: taem}'),
    '1:19: route.receiver: there is no receiver "taem" (hint: did you mean "team"?)',
  ],
  [
    'an unknown receiver deep in the tree',
    BASE.replace(
      'route: {receiver: team}',
      'route:\n  receiver: team\n  routes:\n    - routes:\n        - receiver: night-shift',
    ),
    '5:21: route.routes[0].routes[0].receiver: there is no receiver "night-shift" (hint: defined are: team)',
  ],
  [
    'a receiver without a name and one that stands twice',
    `${BASE}  - webhook_configs: []\n  - name: team\n`,
    '5:5: receivers[1].name: is missing; it must be a single value',
    '6:11: receivers[2].name: a receiver "team" stands on line 3 already (hint: names are unique: merge the two or rename one)',
  ],
  [
    'a root route that does not take everything',
    `route:
  receiver: team
  matchers: [a=b]
  continue: true
  group_by: [a, a, "..."]
  group_interval: 0s
  repeat_interval: 0
  mute_time_intervals: [x]
receivers: [{name: team}]
`,
    '3:13: route.matchers: the root route cannot have matchers (hint: it takes every alert: put the condition on a route under routes)',
    '4:13: route.continue: the root route cannot continue (hint: nothing comes after it: remove the line)',
    "5:13: route.group_by: '...' cannot stand beside other labels (hint: '...' means all labels: keep it alone, or remove it)",
    '5:17: route.group_by[1]: "a" stands twice (hint: remove one)',
    '6:19: route.group_interval: cannot be zero',
    '7:20: route.repeat_interval: cannot be zero',
    '8:24: route.mute_time_intervals: the root route cannot have mute_time_intervals (hint: put it on a route under routes)',
    '8:25: route.mute_time_intervals[0]: there is no time interval "x" (hint: the file defines no time interval)',
  ],
  [
    'a root route without a receiver',
    'route: {group_wait: 5 m}\n',
    '1:21: route.group_wait: "5 m" is not a duration (hint: write for example 30s, 5m, 1h30m or 1d, the largest unit first)',
  ],
  [
    'a root route with an empty receiver',
    "route: {receiver: ''}\n",
    '1:8: route: the root route has no receiver (hint: it receives all alerts that no other route takes)',
  ],
  [
    'matchers of all wrong kinds',
    `${BASE}inhibit_rules:
  - source_matchers: ['a=~"b["', 'c=~"(?=d)"']
    target_matchers:
      - severity: critical
      - a ==
      - 'b="c'
    equal: ['']
  - {source_matchers: a=b, target_match_re: {x: a**}}
`,
    '6:23: inhibit_rules[0].source_matchers[0]: "b[" is not a regular expression: missing closing ]: `[`',
    '6:34: inhibit_rules[0].source_matchers[1]: "(?=d)" is not a regular expression: invalid or unsupported Perl syntax: `(?=` (hint: RE2 has no look-around and no back-references)',
    `8:9: inhibit_rules[0].target_matchers[0]: is a map, not a matcher (hint: write 'severity="critical"')`,
    '10:9: inhibit_rules[0].target_matchers[2]: cannot read "c in a matcher (hint: write for example severity="critical" or service=~"web|api")',
    '11:13: inhibit_rules[0].equal[0]: a label name is empty',
    '12:23: inhibit_rules[1].source_matchers: must be a list (hint: write [a, b] or one "- item" a line)',
    '12:49: inhibit_rules[1].target_match_re.x: "a**" is not a regular expression: invalid nested repetition operator: `**`',
  ],
  [
    'expressions that take too long',
    `${BASE}inhibit_rules:
  - source_matchers: ['a=~"(a?){1000}b"']
    target_match_re: {x: '(\\pL{1000}){1}(\\pN{900}){1}'}
`,
    '6:23: inhibit_rules[0].source_matchers[0]: "(a?){1000}b" is not a regular expression: it takes over 2000000 steps on a value of 4096 characters: use smaller repeats, or fewer alternatives after .*',
    '7:26: inhibit_rules[0].target_match_re.x: "(\\pL{1000}){1}(\\pN{900}){1}" is not a regular expression: it compiles to over 16384 instructions: repeat less, or use shorter ones',
  ],
  [
    'time intervals of all wrong kinds',
    `${BASE}time_intervals:
  - name: a
    time_intervals:
      - times: [{start_time: '22:00', end_time: '06:00'}, {start_time: 9:00, end_time: 10:00}]
        weekdays: [friday:monday, mo]
        days_of_month: [0, '-1:5', 31:1]
        months: [13, feb]
        years: [2020:2019]
        location: Mars/Olympus
mute_time_intervals:
  - name: a
    time_intervals: [{weekdays: [monday]}]
  - name: a
`,
    '8:49: time_intervals[0].time_intervals[0].times[0].end_time: is not after start_time (hint: split a range over midnight: one to 24:00 and one from 00:00)',
    '8:72: time_intervals[0].time_intervals[0].times[1].start_time: "9:00" is not a time of day (hint: write HH:MM from 00:00 to 24:00)',
    '9:20: time_intervals[0].time_intervals[0].weekdays[0]: "friday:monday" ends before it starts (hint: split it into two ranges)',
    '9:35: time_intervals[0].time_intervals[0].weekdays[1]: "mo" is not a day of the week, nor a range of them (hint: write for example monday:friday)',
    '10:25: time_intervals[0].time_intervals[0].days_of_month[0]: "0" is not a day of the month, nor a range of them (hint: write for example 1:15, or -3:-1 for the last three)',
    '10:28: time_intervals[0].time_intervals[0].days_of_month[1]: "-1:5" ends before it starts (hint: split it into two ranges)',
    '10:36: time_intervals[0].time_intervals[0].days_of_month[2]: "31:1" ends before it starts (hint: split it into two ranges)',
    '11:18: time_intervals[0].time_intervals[0].months[0]: "13" is not a month, nor a range of them (hint: write for example may:august or 5:8)',
    '11:22: time_intervals[0].time_intervals[0].months[1]: "feb" is not a month, nor a range of them (hint: write for example may:august or 5:8)',
    '12:17: time_intervals[0].time_intervals[0].years[0]: "2020:2019" ends before it starts (hint: split it into two ranges)',
    '13:19: time_intervals[0].time_intervals[0].location: "Mars/Olympus" is not a time zone (hint: write an IANA name, for example Europe/Berlin)',
    '17:11: mute_time_intervals[1].name: a time interval "a" stands on line 15 already (hint: names are unique: rename one)',
  ],

  [
    'a webhook with a mistyped key',
    BASE.replace('url:', 'urll:'),
    "4:23: receivers[0].webhook_configs[0]: has neither url nor url_file (hint: add url: 'http://host:8080/path')",
    '4:24: receivers[0].webhook_configs[0].urll: unknown key (hint: did you mean "url"?)',
  ],
  [
    'a webhook with two URLs',
    BASE.replace("'http://hook.example.com/'", "'http://a/', url_file: /etc/url"),
    '4:52: receivers[0].webhook_configs[0].url_file: cannot stand beside url (hint: keep one of them)',
  ],
  [
    'a webhook whose URL has no scheme; the URL, a secret, is not repeated',
    BASE.replace('http://hook.example.com/', 'hook.example.com/s3cret'),
    '4:29: receivers[0].webhook_configs[0].url: is not a URL (hint: write for example http://host:8080/path)',
  ],
  [
    'a webhook copied from a status page',
    BASE.replace('http://hook.example.com/', '<secret>'),
    '4:29: receivers[0].webhook_configs[0].url: is a masked secret (hint: put the real URL here: this one was hidden for display)',
  ],
  [
    'an http_config that contradicts itself',
    `${BASE}global:
  resolve_timeout: on
  http_config:
    basic_auth: {username: a, password: b, password_file: c}
    authorization: {type: Basic, credentials: d}
    bearer_token: e
    follow_redirects: 'yes'
    tls_config: {min_version: 1.2}
`,
    '6:20: global.resolve_timeout: "on" is not a duration (hint: write for example 30s, 5m, 1h30m or 1d, the largest unit first)',
    '8:59: global.http_config.basic_auth.password_file: cannot stand beside password (hint: keep one of them)',
    '9:27: global.http_config.authorization.type: cannot be "basic" (hint: use basic_auth)',
    '11:23: global.http_config.follow_redirects: "yes" is not true or false (hint: write it without quotes)',
    '12:31: global.http_config.tls_config.min_version: "1.2" is not a TLS version (hint: TLS10, TLS11, TLS12 or TLS13)',
  ],
  [
    'two kinds of authorization',
    `${BASE}global: {http_config: {basic_auth: {username: a}, bearer_token: e}}\n`,
    '5:65: global.http_config.bearer_token: cannot stand beside basic_auth (hint: keep one of them)',
  ],
  [
    'an integration that does not exist',
    `${BASE}    slak_configs: []\n`,
    '5:5: receivers[0].slak_configs: unknown key (hint: did you mean "slack_configs"?)',
  ],

  [
    'a bad glob',
    `${BASE}checks:\n  - {name: A, series: 'servers.{a,b.cpu', above: 1}\n`,
    "6:23: checks[0].series: \"servers.{a,b.cpu\" is not a series pattern: '.' stands in braces: close them before it, or write two checks, at character 13 (hint: write for example 'servers.*.cpu.{user,system}' or 'cpu.user;host=web-*')",
  ],
  [
    'a negative for',
    check('above: 1, for: -5m'),
    '6:43: checks[0].for: "-5m" is not a duration (hint: a duration cannot be negative)',
  ],
  [
    'a for of two years',
    check('above: 1, for: 2y'),
    '6:43: checks[0].for: "2y" is over a year (hint: an alert would never fire: use a shorter time)',
  ],
  [
    'a for without a unit',
    check('above: 1, for: 5'),
    '6:43: checks[0].for: "5" is not a duration (hint: give it a unit, for example 5s)',
  ],
  [
    'a for with a fraction',
    check('above: 1, for: 1.5h'),
    '6:43: checks[0].for: "1.5h" is not a duration (hint: durations have no fractions: write 1h30m for 1.5h)',
  ],
  [
    'a threshold with a unit',
    check('above: 90%'),
    '6:35: checks[0].above: "90%" is not a number (hint: write 90, in the unit of the series)',
  ],
  [
    'a threshold in quotes',
    check("above: '90'"),
    '6:35: checks[0].above: "90" is text, not a number (hint: write it without quotes)',
  ],
  [
    'a threshold beyond all numbers',
    check('above: 1e999'),
    '6:35: checks[0].above: "1e999" is too large',
  ],
  [
    'a check without a condition',
    check('for: 5m'),
    '6:5: checks[0]: has no condition (hint: add one of above: 90, below: 10, outside: [10, 90] or missing: 10m)',
  ],
  [
    'a check with two conditions',
    check('above: 9, below: 3'),
    '6:45: checks[0].below: cannot stand beside above (hint: make two checks: a check has one condition)',
  ],
  [
    'a recovery on the wrong side of above',
    check('above: 5, recover: 6'),
    '6:47: checks[0].recover: 6 is in breach itself (hint: recover must be at most 5)',
  ],
  [
    'a recovery on the wrong side of below',
    check('below: 5, recover: 4'),
    '6:47: checks[0].recover: 4 is in breach itself (hint: recover must be at least 5)',
  ],
  [
    'bounds in the wrong order',
    check('outside: [6, 5]'),
    '6:37: checks[0].outside: must be two different numbers (hint: the lower bound first: outside: [10, 90])',
  ],
  [
    'a recovery outside of the bounds',
    check('outside: [5, 6], recover: [1, 2]'),
    '6:54: checks[0].recover: [1, 2] is in breach itself (hint: both must lie from 5 to 6, the lower one first)',
  ],
  [
    'one recovery for two bounds',
    check('outside: [5, 6], recover: 2'),
    '6:54: checks[0].recover: must be two numbers for outside (hint: write for example [5, 6])',
  ],
  [
    'a recovery from silence',
    check('missing: 5m, recover: 1'),
    '6:50: checks[0].recover: has no meaning for missing (hint: the next reading ends it: remove the line)',
  ],
  [
    'missing after no time',
    check('missing: 0s'),
    '6:37: checks[0].missing: cannot be zero (hint: give the time without a reading after which to alert, for example 10m)',
  ],
  [
    'labels that a check sets itself',
    check('above: 5, labels: {alertname: x, series: y, severity: a}, severity: b'),
    '6:58: checks[0].labels.alertname: alertname cannot be set: it is the name of the check (hint: remove the line)',
    '6:69: checks[0].labels.series: series cannot be set: it is the name of the series that is in breach (hint: remove the line)',
    '6:82: checks[0].labels.severity: severity is set twice (hint: keep "severity:" of the check)',
  ],
  [
    'two checks whose alerts would be one',
    `${check('above: 5')}  - {name: A, series: c.d, below: 1, annotations: {a: b}}\n`,
    '7:12: checks[1].name: has the same labels as the check on line 6: their alerts would be one (hint: give one another name, severity or label)',
  ],

  [
    'monitors of all wrong kinds',
    `${BASE}monitors:
  - {name: a, http: {url: 'http://x'}}
  - {name: a, http: {url: 'http://x', interval: 1s, timeout: 5s}}
  - {name: b}
  - {name: c, graphite: {url: 'http://x', targets: []}, host: {interval: 0s}}
  - {name: d, host: {interval: 0s}}
  - {name: e, http: {url: 'http://x', method: DELETE, expect_status: [200, 99]}}
`,
    '7:12: monitors[1].name: a monitor "a" stands on line 6 already (hint: names are unique: rename one)',
    '7:62: monitors[1].http.timeout: a timeout of 5s is not possible (hint: it must be over 0 and at most the interval, 1s)',
    '8:5: monitors[2]: has no type (hint: write one of http: {url: …}, graphite: {url: …, targets: […]} or host: {interval: 10s})',
    '9:5: monitors[3]: is graphite and host at once (hint: write one of http: {url: …}, graphite: {url: …, targets: […]} or host: {interval: 10s})',
    "9:52: monitors[3].graphite.targets: is empty (hint: write for example ['servers.*.load'])",
    '10:32: monitors[4].host.interval: an interval of 0s is not possible (hint: it must be from 100ms to 1d)',
    '11:47: monitors[5].http.method: "DELETE" is not a method for a check (hint: GET, HEAD, POST or OPTIONS)',
    '11:76: monitors[5].http.expect_status[1]: "99" is not a whole number from 100 to 599',
  ],
];

describe('a file that is wrong', () => {
  test.each(stories)('%s', (_, source, ...problems) => {
    expect(problemsOf(source).map((problem) => problem.replace('tocsin.yml:', ''))).toEqual(
      problems,
    );
  });

  test('label names are of letters only in classic mode, and of any text otherwise', () => {
    const source = check("above: 1, labels: {'größe': XL}");

    expect(problemsOf(source, { classicNames: true })).toEqual([
      'tocsin.yml:6:56: checks[0].labels["größe"]: "größe" is not a label name in classic mode (hint: use letters, digits and _)',
    ]);
    expect(() => problemsOf(source)).toThrow('accepted');
  });

  test('all problems come at once, in the order of the text', () => {
    const problems = problemsOf(`checks: [{name: A}]\nroute: {receiver: a, group_wait: 1}\nx: 1\n`);

    expect(problems.map((line) => line.split(': ')[1])).toEqual([
      'checks[0].series',
      'route.group_wait',
      'x',
    ]);
  });

  test('one that cannot be kept in the log is refused, not truncated', () => {
    const tooLong = `${BASE}# ${'x'.repeat(LIMITS.configText)}\n`;
    const tooMany = `${BASE}checks: [{name: A, series: a, above: 1, labels: {${Array.from(
      { length: LIMITS.labelsPerAlert },
      (_, i) => `l${i}: x`,
    ).join(', ')}}}]\n`;

    expect(problemsOf(tooLong)).toEqual([
      `tocsin.yml:1:1: has ${tooLong.length} characters, at most ${LIMITS.configText} fit`,
    ]);
    expect(problemsOf(tooMany)).toEqual([expect.stringContaining('has over 256 labels')]);
  });

  test('whatever the text, there is an answer and never an exception', () => {
    const words = fc.constantFrom(
      ...'route|receivers|checks|: |:\n  |- |{|}|[|]|, |\n|\t|"|\'|&a |*a|<<|!x |>\n|#'.split('|'),
      ...'__proto__|null|5m|90|é|%'.split('|'),
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), (parts) => {
        const read = readConfig(parts.join(''), { file: 'f', localZone: 'UTC' });
        return read.ok || read.problems.length > 0;
      }),
      { numRuns: 500 },
    );
  });
});
