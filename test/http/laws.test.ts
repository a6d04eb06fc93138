/** Laws of what comes in: whatever is posted, nothing reaches the log that the log would refuse. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchFromWire, batchToWire, type Command } from '../../src/commands/command.ts';
import { PostedAlerts, pushCommands } from '../../src/io/http/alertmanager/posted-alerts.ts';
import { readPostedSilence } from '../../src/io/http/alertmanager/posted-silence.ts';
import { readTime, alertmanagerTime } from '../../src/io/http/alertmanager/times.ts';
import { observeCommands, Readings } from '../../src/io/http/tocsin/observations.ts';
import type { Lateness } from '../../src/io/http/modules.ts';
import { normalSeriesName } from '../../src/io/monitors/series-name.ts';
import { HandClock } from '../support/hand-clock.ts';
import { InstantNode } from '../support/instant-node.ts';
import { NOON } from './harness.ts';

const rules = {
  classicNames: false,
  keepsEmptyAnnotations: true,
  now: NOON,
  resolveTimeoutMs: 300_000,
  over: () => undefined,
};

/** Mostly what is meant, with anything at all in between. */
function mostly(meant: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: meant }, { weight: 1, arbitrary: fc.jsonValue() });
}

const word = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', '', '\ud800', 'a"b\\c\n') },
);
const date = fc.date({ min: new Date(NOON - 9e6), max: new Date(NOON + 9e6), noInvalidDate: true });
const timeish = mostly(
  fc.oneof(
    date.map((each) => each.toISOString()),
    fc.constantFrom(undefined, null, '', '0001-01-01T00:00:00.000Z', '1950-01-01T00:00:00Z'),
  ),
);
const labelsish = mostly(fc.dictionary(word, mostly(word), { maxKeys: 3 }));
const alertish = mostly(
  fc.record(
    {
      labels: labelsish,
      annotations: labelsish,
      startsAt: timeish,
      endsAt: timeish,
      generatorURL: mostly(word),
    },
    { requiredKeys: [] },
  ),
);

/** What a client sends is text before it is a value. */
function sent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? 'null') as unknown;
}

function survivesTheLog(commands: readonly Command[]): void {
  const batch = { at: NOON, commands };
  expect(batchFromWire(batchToWire(batch))).toEqual(batch);
}

describe('laws of posted things', () => {
  it('an alert is stored or named as a problem, and a stored one survives the log', () => {
    fc.assert(
      fc.property(fc.array(alertish, { maxLength: 5 }), (posted) => {
        const alerts = new PostedAlerts(rules);
        alerts.read(sent(posted) as readonly unknown[], 0);
        expect(alerts.alerts.length + alerts.problems.count).toBe(posted.length);
        survivesTheLog([...pushCommands('law', alerts.alerts)]);
      }),
      { numRuns: 500 },
    );
  });

  it('a silence is refused, or survives the log', () => {
    const matcherish = fc.record({
      name: mostly(word),
      value: mostly(word),
      isRegex: mostly(fc.boolean()),
    });
    const silenceish = fc.record({
      matchers: mostly(fc.array(matcherish, { minLength: 1, maxLength: 3 })),
      startsAt: timeish,
      endsAt: timeish,
      createdBy: mostly(word),
      comment: mostly(word),
      annotations: labelsish,
    });
    fc.assert(
      fc.property(silenceish, (posted) => {
        const silence = readPostedSilence(sent(posted), rules);
        if (!silence.ok) return;
        survivesTheLog([{ kind: 'silence', freshId: 'fresh', ...silence.value }]);
      }),
      { numRuns: 500 },
    );
  });

  it('readings are refused, or survive the log in their order', () => {
    const node = new InstantNode(new HandClock(NOON));
    const readingish = fc.record({ series: mostly(word), value: mostly(fc.double()) });
    fc.assert(
      fc.property(fc.array(readingish, { maxLength: 5 }), (posted) => {
        const names = { normalSeriesName, lateness: (): Lateness => 'on-time' };
        const readings = new Readings(names, () => undefined);
        readings.readJson(sent(posted) as readonly unknown[], 0);
        expect(readings.count).toBe(posted.length);
        const commands = [...observeCommands(node, readings.value)];
        const values = commands.flatMap((command) => [...command.values]);
        expect(values).toEqual(readings.value.map(({ value }) => value));
        survivesTheLog(commands);
      }),
    );
  });

  it('a time that was shown is read as the same time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (epochMs) => {
        expect(readTime(alertmanagerTime(epochMs))).toBe(epochMs);
      }),
    );
  });
});
