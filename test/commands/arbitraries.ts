/** Arbitrary commands of every kind, small in size and wide in content. */

import fc from 'fast-check';
import { ACTOR_KINDS } from '../../src/commands/actor.ts';
import { ADMIN_ACTIONS } from '../../src/commands/admin.ts';
import type { Batch, Command, CommandKind } from '../../src/commands/command.ts';
import type { Check, Config, Route } from '../../src/commands/config.ts';
import { NOTIFY_REASONS, WITHHOLD_REASONS } from '../../src/commands/decisions.ts';
import { annotationsFrom, labelsFrom, type Labels } from '../../src/commands/labels.ts';
import type { Matcher } from '../../src/commands/matchers.ts';

/** Any code point that has a UTF-8 form: all but the surrogates. */
const character = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));
/** Any text, astral characters and control characters too. */
export const text = fc.oneof(
  fc.string({ unit: character, maxLength: 12 }),
  fc.constant('__proto__'),
);
const time = fc.oneof(fc.nat(2_000_000_000), fc.constantFrom(0, 1.7e12, 281_474_976_710_655));
const id = fc.stringMatching(/^[0-9A-Za-z-]{1,36}$/);
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 });
/** Minus zero is written as zero (the `finite` schema says so), so it would not come back. */
const finite = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .map((value) => (value === 0 ? 0 : value));

export const labels: fc.Arbitrary<Labels> = fc
  .array(fc.tuple(text, text), { maxLength: 4 })
  .map((pairs) => labelsFrom(pairs.filter(([name]) => name !== '')));

const annotations: fc.Arbitrary<Labels> = fc
  .array(fc.tuple(text, text), { maxLength: 4 })
  .map((pairs) => annotationsFrom(pairs.filter(([name]) => name !== '')));

const matchers: fc.Arbitrary<readonly Matcher[]> = list(
  fc.record({ name: text, op: fc.constantFrom('=', '!=', '=~', '!~'), value: text }),
);

function routes(depth: number): fc.Arbitrary<Route> {
  return fc.record({
    receiver: text,
    matchers,
    groupBy: list(text),
    groupByAll: fc.boolean(),
    groupWaitMs: time,
    groupIntervalMs: time,
    repeatIntervalMs: time,
    continue: fc.boolean(),
    muteIntervals: list(text),
    activeIntervals: list(text),
    routes: depth === 0 ? fc.constant([]) : fc.array(routes(depth - 1), { maxLength: 2 }),
  });
}

const checks: fc.Arbitrary<Check> = fc.record({
  name: text,
  series: text,
  condition: fc.record({
    kind: fc.constantFrom('above', 'below', 'outside', 'missing'),
    low: finite,
    high: finite,
    recoverLow: finite,
    recoverHigh: finite,
    missingMs: time,
  }),
  forMs: time,
  labels,
  annotations,
});

const range = fc.record({ from: fc.integer({ min: -366, max: 9_999 }), to: fc.nat(9_999) });

const config: fc.Arbitrary<Config> = fc.record({
  resolveTimeoutMs: time,
  route: routes(2),
  receivers: list(
    fc.record({
      name: text,
      integrations: list(
        fc.record({
          type: text,
          position: fc.nat(9),
          sendResolved: fc.boolean(),
          settings: text,
        }),
      ),
    }),
  ),
  inhibitRules: list(
    fc.record({ sourceMatchers: matchers, targetMatchers: matchers, equal: list(text) }),
  ),
  timeIntervals: list(
    fc.record({
      name: text,
      parts: list(
        fc.record({
          times: list(range),
          weekdays: list(range),
          daysOfMonth: list(range),
          months: list(range),
          years: list(range),
          zone: text,
        }),
      ),
    }),
  ),
  checks: list(checks),
  monitors: list(
    fc.record({
      name: text,
      type: fc.constantFrom('http', 'graphite', 'host'),
      intervalMs: time,
      timeoutMs: time,
      settings: text,
    }),
  ),
});

const observe = fc
  .record({
    names: list(text),
    readings: fc.array(fc.tuple(fc.nat(2_147_483_647), fc.boolean(), finite), { maxLength: 20 }),
    source: text,
  })
  .map(({ names, readings, source }) => ({
    source,
    names,
    ids: Int32Array.from(readings, ([each, isNew]) =>
      isNew && names.length > 0 ? -1 - (each % names.length) : each,
    ),
    values: Float64Array.from(readings, ([, , value]) => value),
  }));

const counter = fc.oneof(fc.nat(9), fc.constantFrom(2 ** 32, 281_474_976_710_655));
const foldVersion = fc.integer({ min: 1, max: 1_000_000 });

const fingerprint = fc.stringMatching(/^[0-9a-f]{16}$/);

/** How far a clock is ahead; what is zero is left out. */
const offset = fc
  .oneof(fc.integer({ min: -9, max: 9 }), fc.constantFrom(2 ** 47, -(2 ** 47)))
  .map((ms) => (ms === 0 ? undefined : ms));

/** Somebody, or nobody that is known. */
const actor = fc.option(fc.record({ kind: fc.constantFrom(...ACTOR_KINDS), name: text }), {
  nil: undefined,
});

/** The fields of each kind; a kind that is missing here does not compile. */
const FIELDS: {
  readonly [K in CommandKind]: fc.Arbitrary<Omit<Extract<Command, { kind: K }>, 'kind'>>;
} = {
  observe,
  alerts: fc.record({
    source: text,
    alerts: list(
      fc.record({ labels, annotations, startsAt: time, endsAt: time, generatorUrl: text }),
    ),
    offsetMs: offset,
  }),
  config: fc.record({ origin: text, source: text, externalUrl: fc.option(text), config, actor }),
  silence: fc.record({
    id: text,
    freshId: id,
    matchers,
    startsAt: time,
    endsAt: time,
    createdBy: text,
    comment: text,
    annotations,
    offsetMs: offset,
    actor,
  }),
  expireSilence: fc.record({ id: text, actor }),
  flush: fc.record({
    group: text,
    tick: time,
    firing: list(fingerprint),
    resolved: list(fingerprint),
    muted: list(fc.record({ fingerprint, by: list(text) })),
    verdicts: list(
      fc.record({
        integration: text,
        notify: fc.boolean(),
        reason: fc.constantFrom(...NOTIFY_REASONS, ...WITHHOLD_REASONS),
      }),
    ),
  }),
  attempt: fc.record({
    notification: text,
    try: fc.integer({ min: 1, max: 1_000_000 }),
    node: text,
  }),
  outcome: fc.record({
    notification: text,
    try: fc.integer({ min: 1, max: 1_000_000 }),
    result: fc.constantFrom('delivered', 'retry', 'rejected', 'unknown'),
    status: fc.nat(999),
    detail: text,
    tookMs: time,
  }),
  clock: fc.constant({}),
  admin: fc.record({
    action: fc.constantFrom(...ADMIN_ACTIONS),
    subject: text,
    detail: text,
    actor,
  }),
  lead: fc.record({ node: text, previousAt: time, stepMs: offset }),
  member: fc.record({
    node: id,
    name: text,
    peer: text,
    http: text,
    version: text,
    reducersMax: foldVersion,
    configHash: fc.stringMatching(/^[0-9a-f]{0,64}$/),
  }),
  forgetMember: fc.record({ node: id }),
  request: fc.record({ node: id, incarnation: counter, sequence: counter, settledBelow: counter }),
  reducers: fc.record({ version: foldVersion }),
};

/** Commands of one kind. */
export function commandsOf(kind: CommandKind): fc.Arbitrary<Command> {
  // The table says that the fields are those of the kind; the compiler cannot follow a union.
  return FIELDS[kind].map((fields) => ({ kind, ...fields }) as Command);
}

export const KINDS = Object.keys(FIELDS) as readonly CommandKind[];

export const batches: fc.Arbitrary<Batch> = fc.record({
  at: time,
  commands: fc.array(fc.oneof(...KINDS.map(commandsOf)), { maxLength: 4 }),
});
