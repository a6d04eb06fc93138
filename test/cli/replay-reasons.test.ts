/** Why a notification was given up, and why a command had no effect: as the fold knows it. */

import { describe, expect, test } from 'vitest';
import { replay } from '../../src/io/cli/replay.ts';
import type { Config } from '../../src/commands/config.ts';
import { Desk } from '../support/scenario.ts';
import { check, config, receiver, route } from '../support/scenario-config.ts';
import { Captured, record, temporaryFolder } from './recording.ts';

const LONG = { until: '99:00:00' };
const TWO = [receiver('team'), receiver('other')];
const TO_TEAM = config({ route: route({ wait: '10s', interval: '1m' }), receivers: TWO });
const TO_OTHER = config({
  route: route({ to: 'other', wait: '10s', interval: '1m' }),
  receivers: TWO,
});

/** The moments of a kind, as `index cause` or the field that is asked for. */
async function told(desk: Desk, what: string, field = 'cause'): Promise<readonly string[]> {
  const folder = await temporaryFolder();
  await record(folder, { batches: desk.log });
  const stdout = new Captured();
  const args = { from: null, to: null, alert: null, format: 'jsonl', color: false } as const;
  await replay({ directory: folder, ...args }, { stdout, stderr: new Captured() });
  return stdout.lines
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    .filter((each) => each['what'] === what)
    .map((each) => `${String(each['at']).slice(14, 19)} ${String(each[field])}`);
}

async function table(desk: Desk): Promise<string> {
  const folder = await temporaryFolder();
  await record(folder, { batches: desk.log });
  const stdout = new Captured();
  const args = { from: null, to: null, alert: null, format: 'table', color: false } as const;
  await replay({ directory: folder, ...args }, { stdout, stderr: new Captured() });
  return stdout.text;
}

/** A receiver that answers no try for a long time. */
function down(model: Config = TO_TEAM): Desk {
  return new Desk({ config: model }).answers('team', ...Array<number>(40).fill(503));
}

describe('a notification that was given up', () => {
  test('because its group was decided anew while the receiver was down', async () => {
    const desk = down().push({ alertname: 'A' }, LONG).at('1:30');

    expect(await told(desk, 'replaced')).toEqual(['01:10 newer decision']);
    expect(await table(desk)).toContain('is given up: a newer decision of its group stands');
  });

  test('because a reload routed its alerts elsewhere: no decision was taken', async () => {
    const desk = down().push({ alertname: 'A' }, LONG).at('0:30').config(TO_OTHER).at('0:50');

    expect(await told(desk, 'replaced')).toEqual(['00:30 reload']);
    expect(await table(desk)).toContain(
      'is given up: the new configuration has no such group for its receiver',
    );
    expect(await table(desk)).not.toContain('a newer decision');
  });

  test('because a reload took its group while a try was under way, and the try failed', async () => {
    const desk = new Desk({ config: TO_TEAM }).answers('team', 'hangs');
    desk.push({ alertname: 'A' }, LONG).at('0:30').config(TO_OTHER).at('0:50');
    desk.answersNow('team', 503).at('0:55');

    expect(await told(desk, 'replaced')).toEqual(['00:50 group gone']);
    expect(await table(desk)).toContain('its group was gone when the try failed');
  });

  test('because a reload took its group and another brought it back, which owes nothing of before', async () => {
    const desk = new Desk({ config: TO_TEAM }).answers('team', 'hangs');
    desk.push({ alertname: 'A' }, LONG).at('0:30').config(TO_OTHER).at('0:32').config(TO_TEAM);
    desk.at('0:35').answersNow('team', 503).at('0:37');

    expect(await told(desk, 'replaced')).toEqual(['00:35 group gone']);
  });

  test('because its receiver lost the integration', async () => {
    const two = receiver('team');
    const [webhook] = two.integrations;
    if (webhook === undefined) throw new Error('a receiver has an integration');
    const second = { ...webhook, position: 1 };
    const both = config({
      route: route({ wait: '10s', interval: '1m' }),
      receivers: [{ ...two, integrations: [webhook, second] }],
    });
    const desk = new Desk({ config: both });
    desk.answers('team/webhook[1]', ...Array<number>(40).fill(503));
    desk.push({ alertname: 'A' }, LONG).at('0:30');
    desk.config(config({ route: route({ wait: '10s', interval: '1m' }) })).at('3:00');

    expect(await told(desk, 'replaced')).toEqual(['00:30 integration gone']);
    expect(await table(desk)).toContain('its receiver no longer has this integration');
  });
});

describe('a decision without effect', () => {
  test('from before a reload is not said to have used a tick twice', async () => {
    const desk = new Desk({ config: TO_TEAM }).push({ alertname: 'A' }, LONG).at('0:09').dies();
    desk.at('0:10');
    const decided = desk.decisions();
    desk.at('0:11').config(TO_TEAM);
    desk.commit(...decided);
    desk.config(config({ receivers: TWO, route: route({ routes: [route({ when: [] })] }) }));
    desk.commit(...decided);

    expect(await told(desk, 'ignored', 'why')).toEqual([
      '00:11 its tick is not the next one of its group: 0 {}:{alertname="A"}',
      '00:11 its tick is of a group that is gone: 0 {}:{alertname="A"}',
    ]);
  });
});

describe('an alert that fires', () => {
  test('because readings are missing shows no reading, and the name of its check', async () => {
    const missing = config({
      checks: [check({ name: 'Gone', series: 'a.*', missing: '1m' })],
    });
    const desk = new Desk({ config: missing }).reading('a.b', 42).at('10:00');

    expect(await told(desk, 'firing', 'value')).toEqual([expect.stringMatching(/ null$/)]);
    expect(await told(desk, 'firing', 'check')).toEqual([expect.stringMatching(/ Gone$/)]);
    expect(await table(desk)).toContain('no reading [');
    expect(await table(desk)).not.toContain('value 0');
  });
});
