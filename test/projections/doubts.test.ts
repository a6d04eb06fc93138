/** Which notification may be sent under the key of one that may have arrived. */

import { describe, expect, it } from 'vitest';
import { keyOf, reusableKey } from '../../src/projections/uncertain-deliveries.ts';
import type { Notification, NotifiedAlert } from '../../src/projections/state.ts';

const MINUTE_MS = 60_000;

const alert = (startsAt: number): NotifiedAlert => ({
  fingerprint: 'a',
  labels: ['alertname', 'Down'],
  annotations: [],
  generatorUrl: '',
  startsAt,
  endsAt: 0,
  resolved: false,
  value: null,
});

const BEFORE: Notification = {
  group: '0 {}:{}',
  groupText: '{}:{}',
  groupLabels: [],
  receiver: 'team',
  integration: 'team/webhook[0]',
  reason: 'new alerts added',
  decidedAt: 10 * MINUTE_MS,
  alerts: [],
  firing: ['a', 'b'],
  resolved: ['c'],
  status: 'replaced',
  tries: 1,
  wakeAt: 0,
  uncertain: true,
  node: 'node-1',
  lastResult: 'unknown',
  lastAt: 0,
};

const SAID = {
  reason: BEFORE.reason,
  firing: BEFORE.firing,
  resolved: BEFORE.resolved,
  alerts: [alert(9 * MINUTE_MS)],
};

const DECIDED = { at: 15 * MINUTE_MS, configAt: MINUTE_MS, repeatIntervalMs: 60 * MINUTE_MS };

describe('a notification that says the same as one that may have arrived', () => {
  it('has its key', () => {
    const key = { notification: '7.0', since: BEFORE.decidedAt };
    expect(reusableKey('7.0', BEFORE, SAID, DECIDED)).toEqual(key);
    expect(keyOf('9.1', { ...BEFORE, key })).toBe('7.0');
    expect(keyOf('9.1', BEFORE)).toBe('9.1');
  });

  it('hands a key on that was handed to it', () => {
    const key = { notification: '5.0', since: 5 * MINUTE_MS };
    expect(reusableKey('7.0', { ...BEFORE, key }, SAID, DECIDED)).toEqual(key);
  });
});

describe('a notification has a key of its own', () => {
  it.each([
    ['has another reason', { reason: 'repeat interval elapsed' }, {}],
    ['says that one fires less', { firing: ['a'] }, {}],
    ['says that another one fires', { firing: ['a', 'd'] }, {}],
    ['says one more end', { resolved: ['c', 'd'] }, {}],
    ['tells of a later life of an alert', { alerts: [alert(10 * MINUTE_MS + 1)] }, {}],
    ['is due as a repetition', {}, { at: 70 * MINUTE_MS }],
    ['is sent by a later configuration', {}, { configAt: 10 * MINUTE_MS }],
  ] as const)('when it %s', (_what, said, decided) => {
    const given = [
      { ...SAID, ...said },
      { ...DECIDED, ...decided },
    ] as const;
    expect(reusableKey('7.0', BEFORE, ...given)).toBeNull();
  });
});
