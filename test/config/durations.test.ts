import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { durationText, parseDuration, parseGoDuration } from '../../src/io/config/durations.ts';

describe('a duration', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['100ms', 100],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    ['1y', 31_536_000_000],
    ['1y1w1d1h1m1s1ms', 32_230_861_001],
    ['007s', 7_000],
  ])('%s', (text, value) => {
    expect(parseDuration(text)).toEqual({ ok: true, value });
  });

  test.each(['', '5', '-5m', '5 m', '1.5h', '30m1h', '5min', 'm', '1h1h', '５m', '293y'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toMatchObject({ ok: false });
    },
  );

  test('reads back what was printed, whatever the length', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (value) => {
        expect(parseDuration(durationText(value))).toEqual({ ok: true, value });
      }),
    );
  });

  test.each([
    ['1.5s', 1_500],
    ['1h0.5m', 3_630_000],
    ['1ns', 1],
    ['2d', 172_800_000],
  ])('in the way of Go: %s', (text, value) => {
    expect(parseGoDuration(text)).toEqual({ ok: true, value });
  });
});
