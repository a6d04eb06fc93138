/**
 * Configurations for scenarios, written as models: what a YAML file would say after reading, with
 * every default that Alertmanager has. No file is parsed here.
 */

import type {
  Check,
  Config,
  InhibitRule,
  Integration,
  IntervalPart,
  Receiver,
  Route,
  TimeInterval,
} from '../../src/commands/config.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import type { Matcher } from '../../src/commands/matchers.ts';

type Labels = Readonly<Record<string, string>>;

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a span such as `90s`, `5m`, `4h` or `7d`. */
export function span(text: string): number {
  const [, digits, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined) throw new Error(`'${text}' is not a span such as 5m`);
  return Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

/** A matcher from the text that people write: `severity=~"critical|page"`, quotes optional. */
export function matcher(text: string): Matcher {
  const [, name, op, value] = /^([^=!~]+)(=~|!~|!=|=)"?(.*?)"?$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new Error(`'${text}' is not a matcher`);
  return { name, op: op as Matcher['op'], value };
}

export function matchers(...texts: readonly string[]): readonly Matcher[] {
  return texts.map(matcher);
}

interface RouteSketch {
  readonly to?: string;
  readonly when?: readonly string[];
  readonly by?: readonly string[] | 'all';
  readonly wait?: string;
  readonly interval?: string;
  readonly repeat?: string;
  readonly continue?: boolean;
  readonly mute?: readonly string[];
  readonly active?: readonly string[];
  readonly routes?: readonly Route[];
}

/** A route; what is left out is Alertmanager's default, grouped by `alertname`. */
export function route(sketch: RouteSketch = {}): Route {
  const { by = ['alertname'] } = sketch;
  return {
    receiver: sketch.to ?? 'team',
    matchers: matchers(...(sketch.when ?? [])),
    groupBy: by === 'all' ? [] : by,
    groupByAll: by === 'all',
    groupWaitMs: span(sketch.wait ?? '30s'),
    groupIntervalMs: span(sketch.interval ?? '5m'),
    repeatIntervalMs: span(sketch.repeat ?? '4h'),
    continue: sketch.continue ?? false,
    muteIntervals: sketch.mute ?? [],
    activeIntervals: sketch.active ?? [],
    routes: sketch.routes ?? [],
  };
}

/** A receiver with one webhook for each flag given; the flag is `send_resolved`. */
export function receiver(name: string, ...sendResolved: readonly boolean[]): Receiver {
  const flags = sendResolved.length === 0 ? [true] : sendResolved;
  const integrations = flags.map((flag, position): Integration => ({
    type: 'webhook',
    position,
    sendResolved: flag,
    settings: '{}',
  }));
  return { name, integrations };
}

interface CheckSketch {
  readonly name?: string;
  readonly series?: string;
  readonly above?: number;
  readonly below?: number;
  readonly outside?: readonly [low: number, high: number];
  readonly missing?: string;
  readonly recover?: number;
  readonly for?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
}

/** A check; without a condition it is `above: 90`. */
export function check(sketch: CheckSketch = {}): Check {
  const name = sketch.name ?? 'HighCpu';
  return {
    name,
    series: sketch.series ?? 'servers.*.cpu',
    condition: conditionOf(sketch),
    forMs: span(sketch.for ?? '0s'),
    labels: labelsFrom(Object.entries({ alertname: name, ...sketch.labels })),
    annotations: labelsFrom(Object.entries(sketch.annotations ?? {})),
  };
}

function conditionOf({ above = 90, below, outside, missing, recover }: CheckSketch) {
  const none = { low: 0, high: 0, recoverLow: 0, recoverHigh: 0, missingMs: 0 };
  if (missing !== undefined) {
    return { ...none, kind: 'missing' as const, missingMs: span(missing) };
  }
  if (outside !== undefined) {
    const [low, high] = outside;
    return { ...none, kind: 'outside' as const, low, high, recoverLow: low, recoverHigh: high };
  }
  if (below !== undefined) {
    return { ...none, kind: 'below' as const, low: below, recoverLow: recover ?? below };
  }
  return { ...none, kind: 'above' as const, high: above, recoverHigh: recover ?? above };
}

export function inhibit(source: string, target: string, ...equal: readonly string[]): InhibitRule {
  return { sourceMatchers: matchers(source), targetMatchers: matchers(target), equal };
}

type Range = readonly [from: number, to: number];

/** A time interval of one part, each field a list of ranges. */
export function interval(
  name: string,
  part: Partial<Record<Exclude<keyof IntervalPart, 'zone'>, readonly Range[]>>,
  zone = 'UTC',
): TimeInterval {
  const ranges = (given: readonly Range[] = []) => given.map(([from, to]) => ({ from, to }));
  const { times, weekdays, daysOfMonth, months, years } = part;
  return {
    name,
    parts: [
      {
        times: ranges(times),
        weekdays: ranges(weekdays),
        daysOfMonth: ranges(daysOfMonth),
        months: ranges(months),
        years: ranges(years),
        zone,
      },
    ],
  };
}

/** A configuration that tells `team` by one webhook, unless said otherwise. */
export function config(model: Partial<Config> = {}): Config {
  return {
    resolveTimeoutMs: span('5m'),
    route: route(),
    receivers: [receiver('team')],
    inhibitRules: [],
    timeIntervals: [],
    checks: [],
    monitors: [],
    ...model,
  };
}
