/** After the storm: what nobody needs any more is gone, so a node that runs for years stays small. */

import { expect, it } from 'vitest';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { entries } from '../../src/projections/table.ts';
import { check, config, receiver } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

it('a delivered notification can be looked at for a day, without its content', () => {
  const desk = new Desk().push({ alertname: 'A' }).at('5:00');
  const rows = [...entries(desk.state.notifications)].map(([, row]) => row);
  expect(rows.map(({ status, alerts }) => [status, alerts])).toEqual([['delivered', []]]);
  desk.wait('23h');
  expect(desk.state.notifications.size).toBe(2);
  desk.wait('2h');
  expect(desk.state.notifications.size).toBe(0);
});

it('a week after a bad day there are series and rules, and nothing else', () => {
  const model = config({
    checks: [
      check({ above: 90, for: '5m' }),
      check({ name: 'Silent', series: 'servers.*.up', missing: '10m' }),
    ],
    receivers: [receiver('team', true, false)],
  });
  const desk = new Desk({ config: model });
  desk.answers('team', 503, 'ok', 404, 'dies before', 503, 'dies after');
  desk.readings({ 'servers.a.cpu': 95, 'servers.b.cpu': 95, 'servers.a.up': 1 });
  desk.push({ alertname: 'A' }, { until: '3:00:00' }).push({ alertname: 'B' });
  desk.silence('s1', ['alertname=B'], { until: '2:00:00' });
  desk.at('2:00').silence('s2', ['alertname=C'], { edits: 's1', until: '48:00:00' });
  desk.at('10:00').config(model).leads('node-2');
  desk.at('20:00').readings({ 'servers.a.cpu': 50, 'servers.b.cpu': 50, 'servers.a.up': 1 });
  desk.at('1:00:00').leads('node-3').at('2:00:00').leads('node-4').reading('servers.a.up', 1);
  desk.config(config({ receivers: [receiver('team', true, false)] }));
  desk.wait('7d');
  expect(desk.pages.length).toBeGreaterThan(3);

  const { config: applied, facts, series, ...rest } = desk.state;
  const { config: _, facts: __, series: ___, ...empty } = INITIAL_STATE;
  expect(rest).toEqual(empty);
  expect(applied).not.toBeNull();
  expect(facts.seriesCount).toBe(3);
  expect(Object.keys(series)).toHaveLength(1);
});

it('and nothing is appended while nothing is due', () => {
  const desk = new Desk().push({ alertname: 'A' }).wait('2d');
  const entriesBefore = desk.log.length;
  desk.wait('7d');
  expect(desk.log).toHaveLength(entriesBefore);
});
