/** Inhibition: an alert that explains another one keeps it quiet. */

import { describe, expect, it } from 'vitest';
import { config, inhibit, route } from '../support/scenario-config.ts';
import { Desk } from '../support/scenario.ts';

const LONG = { until: '23:00:00' };
const RULE = inhibit('severity="critical"', 'severity="warning"', 'cluster');

function desk(...rules: readonly ReturnType<typeof inhibit>[]): Desk {
  return new Desk({ config: config({ route: route({ by: 'all' }), inhibitRules: rules }) });
}

const alert = (alertname: string, severity: string, cluster?: string) =>
  cluster === undefined ? { alertname, severity } : { alertname, severity, cluster };

describe('a firing source', () => {
  it('keeps a target of the same cluster quiet, names itself, and lets go when it resolves', () => {
    const d = desk(RULE);
    d.push(alert('Outage', 'critical', 'eu'), LONG).push(alert('Slow', 'warning', 'eu'), LONG);
    d.at('6:00')
      .push(alert('Outage', 'critical', 'eu'), { until: '6:00' })
      .at('20:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing Outage(eu,critical)',
      '10:30 team | all alerts resolved | resolved Outage(eu,critical)',
      '10:30 team | first notification | firing Slow(eu,warning)',
    ]);
    expect(d.withheld()[0]).toMatch(
      /^0:30 team \| every alert is muted \| inhibited:[0-9a-f]{16}$/,
    );
  });

  it('does not reach another cluster', () => {
    const d = desk(RULE);
    d.push(alert('Outage', 'critical', 'eu'), LONG).push(alert('Slow', 'warning', 'us'), LONG);
    expect(d.at('1:00').told()).toHaveLength(2);
  });

  it('reaches a target if both lack the label', () => {
    const d = desk(RULE);
    d.push(alert('Outage', 'critical'), LONG).push(alert('Slow', 'warning'), LONG).at('1:00');
    expect(d.told()).toEqual(['0:30 team | first notification | firing Outage(critical)']);
  });

  it('that is itself silenced still inhibits', () => {
    const d = desk(RULE);
    d.silence('s1', ['alertname=Outage'], { until: '1:00:00' });
    d.push(alert('Outage', 'critical', 'eu'), LONG).push(alert('Slow', 'warning', 'eu'), LONG);
    expect(d.at('1:00').told()).toEqual([]);
  });
});

describe('an alert that is source and target of one rule', () => {
  const both = inhibit('alertname=~"A|B"', 'alertname=~"A|B|C"');

  it('does not inhibit itself, nor another that is both', () => {
    const d = desk(both);
    d.push({ alertname: 'A' }, LONG).push({ alertname: 'B' }, LONG).at('1:00');
    expect(d.told()).toEqual([
      '0:30 team | first notification | firing A',
      '0:30 team | first notification | firing B',
    ]);
  });

  it('inhibits one that is only a target', () => {
    const d = desk(inhibit('alertname=~"A|B"', 'alertname=~"C"'));
    d.push({ alertname: 'A' }, LONG).push({ alertname: 'C' }, LONG).at('1:00');
    expect(d.told()).toEqual(['0:30 team | first notification | firing A']);
  });
});
