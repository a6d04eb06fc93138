/**
 * What is decided can be stored: a decision that does not fit into an entry would stop a leader
 * for ever, and the next one as well. The desk encodes every decision, so it is enough to get there.
 */

import { expect, it } from 'vitest';
import { LIMITS } from '../../src/commands/limits.ts';
import { config, receiver, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

it('an alert that more silences match than anybody wants to read', () => {
  const desk = new Desk();
  for (let i = 0; i <= LIMITS.causesPerAlert; i++) {
    desk.silence(`s${i}`, ['alertname=A'], { until: '1:00:00' });
  }
  desk.push({ alertname: 'A' }).at('1:00');
  expect(desk.withheld()).toHaveLength(1);
});

it('a receiver with as many integrations as a configuration may have', () => {
  const flags = Array<boolean>(LIMITS.integrationsPerReceiver).fill(true);
  const model = config({ receivers: [receiver('team', ...flags)] });
  const desk = new Desk({ config: model }).push({ alertname: 'A' }).at('0:29').dies().at('0:30');
  desk.commit(...desk.decisions());
  expect(desk.state.notifications.size).toBe(LIMITS.integrationsPerReceiver);
});

it('a receiver with the longest name', () => {
  const name = 'n'.repeat(LIMITS.name);
  const model = config({ route: route({ to: name }), receivers: [receiver(name)] });
  const desk = new Desk({ config: model }).push({ alertname: 'A' });
  expect(desk.at('1:00').told()).toHaveLength(1);
});

it('an alert with the largest labels, each of which is in the name of its group', () => {
  const desk = new Desk({ config: config({ route: route({ by: 'all' }) }) });
  const long = '😀'.repeat(LIMITS.labelValue / 2);
  // They differ only where the name of the group is cut, and are two groups all the same.
  desk
    .push({ a: `${long}`, b: '1' })
    .push({ a: `${long}`, b: '2' })
    .push({ a: `x${long}`.slice(0, -2) });
  expect(desk.at('1:00').told()).toHaveLength(3);
});
