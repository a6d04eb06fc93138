/** The route tree: who is responsible for an alert, and in which group it falls. */

import { describe, expect, it } from 'vitest';
import type { Route } from '../../src/commands/config.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { groupOf, routesOf, routingOf } from '../../src/projections/routing.ts';
import { config, receiver, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

const TREE = route({
  to: 'everyone',
  routes: [
    route({
      to: 'web',
      when: ['team="web"'],
      routes: [
        route({ to: 'web-pager', when: ['severity=~"critical|page"'] }),
        route({ to: 'web-archive', when: ['severity!=""'] }),
      ],
    }),
    route({ to: 'audit', when: ['severity="critical"'], continue: true }),
    route({ to: 'database', when: ['service!~"web.*"', 'team="db"'], by: ['cluster'] }),
  ],
});

function receiversOf(tree: Route, labels: Readonly<Record<string, string>>): readonly string[] {
  const routing = routingOf(config({ route: tree }));
  return routesOf(routing, labelsFrom(Object.entries(labels))).map((node) => node.route.receiver);
}

describe('an alert goes depth first to', () => {
  it.each([
    [{ alertname: 'A' }, ['everyone']],
    [{ team: 'web' }, ['web']],
    [{ team: 'web', severity: 'page' }, ['web-pager']],
    [{ team: 'web', severity: 'info' }, ['web-archive']],
    [{ severity: 'critical' }, ['audit']],
    [{ team: 'db', severity: 'critical' }, ['audit', 'database']],
    [{ team: 'db', service: 'webmail' }, ['everyone']],
    [{ team: 'db' }, ['database']],
    // A regular expression matches the whole value.
    [{ team: 'web', severity: 'pager' }, ['web-archive']],
  ])('%o → %o', (labels, receivers) => {
    expect(receiversOf(TREE, labels)).toEqual(receivers);
  });

  it('all children that match, when each of them continues', () => {
    const tree = route({
      to: 'root',
      routes: ['a', 'b', 'c'].map((to) => route({ to, when: ['x=~".*"'], continue: to !== 'b' })),
    });
    expect(receiversOf(tree, {})).toEqual(['a', 'b']);
  });
});

describe('a group', () => {
  it('is called what Alertmanager calls it', () => {
    const routing = routingOf(config({ route: TREE }));
    const labels = labelsFrom([
      ['team', 'web'],
      ['severity', 'page'],
      ['alertname', 'Say "hi"'],
    ]);
    const [node = routing.root] = routesOf(routing, labels);
    expect(groupOf(node, labels).text).toBe(
      '{}/{team="web"}/{severity=~"critical|page"}:{alertname="Say \\"hi\\""}',
    );
  });

  it('of two routes with equal matchers is two groups', () => {
    const twice = route({
      routes: [
        route({ to: 'a', when: ['x=1'], continue: true }),
        route({ to: 'b', when: ['x=1'] }),
      ],
    });
    const receivers = [receiver('team'), receiver('a'), receiver('b')];
    const desk = new Desk({ config: config({ route: twice, receivers }) });
    desk.push({ alertname: 'A', x: '1' }).at('1:00');
    expect(desk.told()).toEqual([
      '0:30 a | first notification | firing A(1)',
      '0:30 b | first notification | firing A(1)',
    ]);
  });

  it('has the times of its own route', () => {
    const tree = route({
      wait: '10s',
      routes: [route({ to: 'slow', when: ['x=1'], wait: '1m', interval: '10m' })],
    });
    const receivers = [receiver('team'), receiver('slow')];
    const desk = new Desk({ config: config({ route: tree, receivers }) });
    const until = '9:00:00';
    desk.push({ alertname: 'A' }, { until }).push({ alertname: 'A', x: '1' }, { until });
    desk.at('2:00').push({ alertname: 'A', y: '2' }, { until });
    desk.push({ alertname: 'A', x: '1', y: '2' }, { until }).at('20:00');
    expect(desk.told()).toEqual([
      '0:10 team | first notification | firing A',
      '1:00 slow | first notification | firing A(1)',
      '5:10 team | new alerts added | firing A A(2)',
      '11:00 slow | new alerts added | firing A(1) A(1,2)',
    ]);
  });

  it('an alert in two groups leaves each of them when its end is told there', () => {
    const tree = route({
      to: 'a',
      routes: [
        route({ to: 'a', when: ['x=1'], continue: true }),
        route({ to: 'b', when: ['x=1'], interval: '20m' }),
      ],
    });
    const desk = new Desk({
      config: config({ route: tree, receivers: [receiver('a'), receiver('b')] }),
    });
    desk.push({ alertname: 'A', x: '1' }, { until: '9:00:00' }).at('1:00');
    desk.push({ alertname: 'A', x: '1' }, { until: '1:00' }).at('6:00');
    expect(desk.state.groups.size).toBe(1);
    desk.at('21:00');
    expect(desk.state.groups.size).toBe(0);
    expect(desk.told().slice(2)).toEqual([
      '5:30 a | all alerts resolved | resolved A(1)',
      '20:30 b | all alerts resolved | resolved A(1)',
    ]);
  });
});
