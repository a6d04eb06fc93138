/** What `/api/v2/status` shows of a file: the part that Alertmanager knows, in words that it reads. */

import fc from 'fast-check';
import { parseDocument } from 'yaml';
import { describe, expect, it } from 'vitest';
import { alertmanagerConfig } from '../../src/io/config/alertmanager-text.ts';

/** By YAML 1.1, as Go reads it. */
function read(text: string): unknown {
  const document = parseDocument(text, { version: '1.1' });
  expect(document.errors).toEqual([]);
  expect(document.warnings).toEqual([]);
  return document.toJS() as unknown;
}

describe('the text for Alertmanager', () => {
  it('has no section of ours, no comment, no anchor, and every value of the others', () => {
    const source = `
# password: hunter2hunter2
monitors:
  - {name: m, interval: &every 30s, graphite: {url: 'http://g', targets: ['x.*']}}
checks: [{name: Hi, series: 'a.*', above: 1, annotations: &texts {runbook: ''}}]
route: &root
  receiver: team   # not a secret
  group_interval: *every
  repeat_interval: '4h'
  continue: off
  routes: [{<<: {group_by: ['...', "a b"]}, matchers: ['a="b, c"', "d=~\\"e|\\u00e9\\""], routes: []}]
receivers:
- name: team
  webhook_configs: [{url: 'https://u:topsecret@host/hook', send_resolved: yes}]
  slack_configs:
    - api_url: &hook http://slack/secret1
      text: >-
        two words
        and topsecret1 # no comment, token: x
      title: "line\\nbreak \\x7f"
      fields: [{title: 007, value: 'true', short: true}]
- name: &other 'yes'
  opsgenie_configs: [{api_key: topsecret1, api_url: 'http://a:b@h/?token=abcdef'}]
event_recorder: {outputs: [{type: file, path: /x}]}
`;
    const text = alertmanagerConfig(source);
    expect(read(text)).toEqual({
      route: {
        receiver: 'team',
        group_interval: '30s',
        repeat_interval: '4h',
        continue: false,
        routes: [{ group_by: ['...', 'a b'], matchers: ['a="b, c"', 'd=~"e|é"'], routes: [] }],
      },
      receivers: [
        {
          name: 'team',
          webhook_configs: [{ url: 'https://xxxxx/<secret>', send_resolved: true }],
          slack_configs: [
            {
              api_url: '<secret>',
              text: 'two words and <secret> # no comment, token: x',
              title: 'line\nbreak \x7f',
              fields: [{ title: 7, value: 'true', short: true }],
            },
          ],
        },
        {
          name: 'yes',
          opsgenie_configs: [{ api_key: '<secret>', api_url: 'http://a:xxxxx@h/?token=xxxxx' }],
        },
      ],
    });
    expect(text).not.toMatch(/#(?! no comment)|&|\*|hunter2|topsecret|secret1|checks|monitors/);
  });

  it('gives back any value, whatever characters it has', () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 });
    const leaf = fc.oneof(text, fc.constantFrom('yes', 'null', '~', '', '-', '# a', 'a: b', '1e3'));
    fc.assert(
      fc.property(
        fc.dictionary(
          leaf.filter((key) => key !== '<<'),
          fc.oneof(leaf, fc.array(leaf), fc.array(fc.array(leaf))),
          { maxKeys: 5 },
        ),
        (labels) => {
          const json = JSON.stringify({ route: { labels }, receivers: [[{ labels }]] });
          // YAML takes these only as escapes, and JSON writes them as they are.
          const source = json.replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, (char) => {
            return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
          });
          expect(read(alertmanagerConfig(source))).toEqual(JSON.parse(source));
        },
      ),
    );
  });

  it.each(['', 'a: [', '[]', 'checks: []', '--- a\n--- b'])('of %j is empty', (source) => {
    expect(alertmanagerConfig(source)).toBe('');
  });
});
