/** One list of causes: what a decision records is what people see of the same alert. */

import { expect, test } from 'vitest';
import { causeText, causeWords, causesByField, type Cause } from '../../src/commands/causes.ts';
import { get } from '../../src/projections/table.ts';
import { config, inhibit, interval, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

test('a decision records every cause that the alert shows', () => {
  const desk = new Desk({
    config: config({
      route: route({ mute: ['nights', 'always'] }),
      inhibitRules: [inhibit('alertname=Source', 'x=1')],
      timeIntervals: [interval('always', {}), interval('nights', {})],
    }),
  });
  desk.silence('s1', ['x=1'], { until: '1:00:00' }).silence('s2', ['x=2'], { until: '1:00:00' });
  desk.push({ alertname: 'Source' }).push({ alertname: 'Target', x: '1' }).at('2:00');

  const target = desk.firing().find(({ labels }) => labels['alertname'] === 'Target');
  const source = desk.firing().find(({ labels }) => labels['alertname'] === 'Source');
  if (target === undefined || source === undefined) throw new Error('both alerts must fire');
  const [group] = get(desk.state.alerts, target.fingerprint)?.groups ?? [];
  const last = get(desk.state.groups, group ?? '')?.last;
  const recorded = last?.muted.find(({ fingerprint }) => fingerprint === target.fingerprint)?.by;

  const shown = target.causes.map(causeText);
  expect(shown).toEqual([
    `inhibited:${source.fingerprint}`,
    'interval:always',
    'interval:nights',
    'silence:s1',
  ]);
  // A decision keeps the order in which the route names its intervals.
  expect(recorded?.toSorted()).toEqual(shown);
  expect(source.causes.map(causeText)).toEqual(['interval:always', 'interval:nights']);
});

test('each kind of cause has its own stored text, words and field', () => {
  const causes: readonly Cause[] = [
    { kind: 'silence', subject: 'a' },
    { kind: 'inhibition', subject: 'b' },
    { kind: 'interval', subject: 'c' },
    { kind: 'interval', subject: 'outside d' },
  ];
  expect(causes.map(causeText)).toEqual([
    'silence:a',
    'inhibited:b',
    'interval:c',
    'interval:outside d',
  ]);
  expect(causes.map(causeWords)).toEqual([
    'silence a',
    'inhibited by b',
    'interval c',
    'interval outside d',
  ]);
  expect(causesByField(causes)).toEqual({
    silencedBy: ['a'],
    inhibitedBy: ['b'],
    mutedBy: ['c', 'outside d'],
  });
});
