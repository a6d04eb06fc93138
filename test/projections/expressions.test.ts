/**
 * What a regular expression costs is known before it is taken: a silence that was replicated is on
 * all members, and each of them matches it.
 */

import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/commands/limits.ts';
import { expressionFault, listFault } from '../../src/projections/expressions.ts';
import { matches } from '../../src/projections/matching.ts';

const HOSTS = Array.from({ length: 500 }, (_, i) => `db-${(i * 7919) % 9973}.eu`).join('|');
const FEW = HOSTS.split('|').slice(0, 20).join('|');

describe('an expression that people write is taken', () => {
  it.each([
    ['one name', 'web'],
    ['a list of five hundred hosts', HOSTS],
    ['the same whatever the case of its letters', `(?i)${HOSTS}`],
    ['what holds one of some words', `.*(${FEW}).*`],
    ['what holds three words in turn', '.*a.*b.*c.*'],
    ['an address', '\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}(:\\d+)?'],
    ['an id', '[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}'],
    ['letters of all scripts', '[\\pL\\pN_-]{1,63}'],
    ['a brace that counts nothing', 'a{b}c{,5}\\{9999\\}'],
    ['digits in a class', '[{1000}]+[]{9999}x]'],
    ['quoted text', '\\Qa.b\\E.*'],
    ['nothing', ''],
  ])('%s', (_, expression) => {
    expect(expressionFault(expression)).toBeNull();
  });
});

describe('an expression that costs too much is refused with the name of what is too large', () => {
  it.each([
    ['a thousand optional letters', '(a?){1000}b', 'steps'],
    ['repeats in repeats', '(((a?){10}){10}){10}b', 'steps'],
    ['ten lists of optional letters', '(a?b?c?d?e?){300}f', 'steps'],
    ['a long look back', '.*a[ab]{1000}', 'steps'],
    ['many words after .*', `.*(${HOSTS}).*`, 'steps'],
    ['loops in loops', `(${'(a|b|c|d|e)*'.repeat(250)})*x`, 'steps'],
    ['thousands of optional letters', 'ab?'.repeat(2_500), 'instructions'],
    ['many classes of Unicode', '\\pL{1000}'.repeat(400), 'instructions'],
    ['a long text, often', `(${'x'.repeat(4_000)}){300}`, 'instructions'],
    ['a repeat of what holds a repeat', `((${'x'.repeat(100)}){30}){30}`, 'instructions'],
    ['a class of Unicode in a repeat', '([\\pL\\p{Greek}x]y){1000}', 'instructions'],
    ['eight thousand characters', 'x'.repeat(LIMITS.expression + 1), 'characters'],
  ])('%s', (_, expression, what) => {
    expect(expressionFault(expression)).toMatch(new RegExp(`over \\d+ ${what}`));
  });

  it('what RE2 does not know is refused with its own words', () => {
    expect(expressionFault('a(?=b)')).toContain('Perl syntax');
  });

  it('several that are good alone are refused together', () => {
    const matcher = { name: 'a', op: '=~', value: '.*a[ab]{200}' } as const;
    expect(listFault([matcher])).toBeNull();
    expect(listFault([matcher, { name: 'b', op: '=', value: '(a?){1000}b' }])).toBeNull();
    expect(
      listFault(Array.from({ length: 40 }, (_, i) => ({ ...matcher, name: `l${i}` }))),
    ).toMatch(/steps on a value of 4096 characters/);
  });
});

it('a silence of an earlier build that costs more still matches, again and again', () => {
  const matcher = { name: 'a', op: '=~', value: '(a?){1000}b' } as const;
  const value = `${'a'.repeat(999)}b`;
  for (let i = 0; i < 3; i++) {
    expect(matches(matcher, value)).toBe(true);
    expect(matches(matcher, value.slice(1))).toBe(true);
    expect(matches(matcher, `a${value}a`)).toBe(false);
  }
});
