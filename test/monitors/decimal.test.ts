import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDecimal, type Cursor } from '../../src/io/monitors/decimal.ts';

function read(text: string): { readonly value: number; readonly length: number } {
  const cursor: Cursor = { at: 0 };
  const value = readDecimal(Buffer.from(`${text}\n`), cursor);
  return { value, length: cursor.at };
}

/** A decimal of any size and shape that the grammar allows. */
const decimals = fc
  .record({
    sign: fc.constantFrom('', '-', '+'),
    whole: fc.stringMatching(/^\d{0,25}$/),
    fraction: fc.option(fc.stringMatching(/^\d{0,25}$/), { nil: null }),
    exponent: fc.option(fc.stringMatching(/^[eE][+-]?\d{1,3}$/), { nil: '' }),
  })
  .filter(({ whole, fraction }) => whole + (fraction ?? '') !== '')
  .map(
    ({ sign, whole, fraction, exponent }) =>
      sign + whole + (fraction === null ? '' : `.${fraction}`) + exponent,
  );

describe('a decimal in bytes', () => {
  it('has the value that Number gives, to the last bit, and is read to its end', () => {
    fc.assert(
      fc.property(decimals, (text) => {
        const { value, length } = read(text);
        expect(value).toBe(Number(text) + 0);
        expect(length).toBe(text.length);
      }),
      { numRuns: 5_000 },
    );
  });

  it('reads back every double that was printed', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(read(String(value)).value).toBe(value + 0);
      }),
      { numRuns: 5_000 },
    );
  });

  it('stops where the number stops', () => {
    expect(read('5 1700000000')).toEqual({ value: 5, length: 1 });
    expect(read('5e')).toEqual({ value: 5, length: 1 });
    expect(read('5e+x')).toEqual({ value: 5, length: 1 });
    expect(read('1.5.2')).toEqual({ value: 1.5, length: 3 });
  });

  it('never gives a minus zero, which the log has no bytes for', () => {
    for (const zero of ['-0', '-0.0', '-0e5', '-1e-999']) expect(read(zero).value).toBe(0);
  });

  it.each(['', '-', '.', '+.', 'nan', 'inf', 'e5', '-e5', '$5'])('finds none in %j', (text) => {
    expect(read(text)).toEqual({ value: NaN, length: 0 });
  });

  it('reads only the digits of a hexadecimal number or one with underscores', () => {
    expect(read('0x10').length).toBe(1);
    expect(read('1_000').length).toBe(1);
  });
});
