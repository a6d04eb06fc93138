/**
 * Random histories of a desk: a few series, alerts, silences and configurations, many orders of
 * events. Small pools on purpose: what meets again and again is what breaks.
 */

import fc from 'fast-check';
import type { Config } from '../../src/commands/config.ts';
import { check, config, inhibit, receiver, route } from './scenario-config.ts';
import { Desk, type Answer } from './scenario.ts';

type Alert = Readonly<Record<string, string>>;

export type Action =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'read'; readonly values: Readonly<Record<string, number>> }
  | { readonly do: 'push' | 'resolve'; readonly alert: Alert }
  | { readonly do: 'silence'; readonly id: string; readonly edits: string; readonly host: string }
  | { readonly do: 'unsilence'; readonly id: string }
  | { readonly do: 'config'; readonly model: number }
  | { readonly do: 'answer'; readonly integration: string; readonly answer: Answer }
  | { readonly do: 'fail over' };

const CHECKS = [
  check({ series: 'servers.*.cpu', above: 90, recover: 80, for: '1m' }),
  check({ name: 'Low', series: 'servers.{a,b}.cpu', below: 20 }),
  check({ name: 'Silent', series: 'servers.*.cpu', missing: '10m' }),
];

/** Two integrations that differ in send_resolved, so that each reason comes up. */
const RECEIVERS = [receiver('team', true, false), receiver('other')];

export const MODELS: readonly Config[] = [
  config({ receivers: RECEIVERS, checks: CHECKS, route: route({ repeat: '30m' }) }),
  config({
    receivers: RECEIVERS,
    checks: CHECKS.slice(0, 1),
    route: route({
      by: [],
      repeat: '30m',
      routes: [route({ to: 'other', when: ['host=b'], wait: '10s', repeat: '30m' })],
    }),
    inhibitRules: [inhibit('host=a', 'host=c')],
  }),
];

const series = fc.constantFrom('servers.a.cpu', 'servers.b.cpu', 'servers.c.cpu', 'other');
const alert: fc.Arbitrary<Alert> = fc.record({
  alertname: fc.constantFrom('Down', 'Slow'),
  host: fc.constantFrom('a', 'b', 'c'),
});
const silenceId = fc.constantFrom('s1', 's2', 's3');
const wait = fc.constantFrom(1, 700, 20_000, 61_000, 301_000, 700_000, 3_700_000);

/** What happens outside; every history starts from a desk with the first model. */
export const calm: readonly fc.Arbitrary<Action>[] = [
  wait.map((ms) => ({ do: 'wait', ms })),
  fc.dictionary(series, fc.constantFrom(10, 50, 85, 95), { minKeys: 1 }).map((values) => ({
    do: 'read',
    values,
  })),
  alert.map((each) => ({ do: 'push', alert: each })),
  alert.map((each) => ({ do: 'resolve', alert: each })),
];

/** People who hold pages back, and read the same file again. */
export const people: readonly fc.Arbitrary<Action>[] = [
  fc
    .tuple(silenceId, fc.constantFrom('', 's1', 's2'), fc.constantFrom('a', 'b'))
    .map(([id, edits, host]) => ({ do: 'silence', id, edits, host })),
  silenceId.map((id) => ({ do: 'unsilence', id })),
  fc.constant({ do: 'config', model: 0 }),
];

/** Rules that change: other groups, other receivers, fewer checks. */
export const rules: readonly fc.Arbitrary<Action>[] = [
  fc.nat(MODELS.length - 1).map((model) => ({ do: 'config', model })),
];

/** Receivers that are ill and leaders that die around a sending. */
export const trouble: readonly fc.Arbitrary<Action>[] = [
  fc
    .tuple(
      fc.constantFrom('team/webhook[0]', 'team/webhook[1]', 'other/webhook[0]'),
      fc.constantFrom<Answer>(503, 404, 'hangs', 'dies before', 'dies after'),
    )
    .map(([integration, answer]) => ({ do: 'answer', integration, answer })),
  fc.constant({ do: 'fail over' }),
];

export function histories(
  ...kinds: readonly (readonly fc.Arbitrary<Action>[])[]
): fc.Arbitrary<readonly Action[]> {
  return fc.array(fc.oneof(...kinds.flat()), { maxLength: 40 });
}

/** Plays a history; a desk whose leader died goes on without one until somebody leads. */
export function play(actions: readonly Action[]): Desk {
  const desk = new Desk({ config: MODELS[0] ?? null });
  let silences = 0;
  for (const [step, action] of actions.entries()) {
    // Two things never happen in one millisecond, so that each life of an alert has its own start.
    desk.until(desk.now + 1);
    switch (action.do) {
      case 'wait':
        desk.until(desk.now + action.ms);
        break;
      case 'read':
        desk.readings(action.values);
        break;
      case 'push':
        desk.push(action.alert, { until: desk.clock(desk.now + 99 * 3_600_000) });
        break;
      case 'resolve':
        desk.push(action.alert, { until: desk.clock() });
        break;
      case 'silence':
        desk.silence(`s${++silences}`, [`host=${action.host}`], {
          edits: action.edits,
          until: desk.clock(desk.now + 600_000),
        });
        break;
      case 'unsilence':
        desk.unsilence(action.id);
        break;
      case 'config': {
        const model = MODELS[action.model];
        if (model !== undefined) desk.config(model);
        break;
      }
      case 'answer':
        desk.answers(action.integration, action.answer);
        break;
      case 'fail over':
        desk
          .dies()
          .until(desk.now + 3_000)
          .leads(`node-${step}`);
        break;
    }
  }
  return desk;
}
