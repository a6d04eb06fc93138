/** Graphite globs: what they match, what they refuse, and that they are never slow. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatches, parseGlob, type Glob } from '../../src/projections/glob.ts';

function globOf(text: string): Glob {
  const parsed = parseGlob(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.message}`);
  return parsed.glob;
}

describe('matching', () => {
  it.each([
    ['servers.*.cpu', 'servers.a.cpu', true],
    ['servers.*.cpu', 'servers..cpu', true],
    ['servers.*.cpu', 'servers.a.b.cpu', false],
    ['servers.*', 'servers', false],
    ['*', 'a.b', false],
    ['web-?.load', 'web-1.load', true],
    ['web-?.load', 'web-12.load', false],
    ['web-[0-3a].load', 'web-2.load', true],
    ['web-[0-3a].load', 'web-4.load', false],
    ['web-[!0-3].load', 'web-4.load', true],
    ['web-[^0-3].load', 'web-3.load', false],
    ['web-[a-].load', 'web--.load', true],
    ['{web,db}.{cpu,mem}', 'db.mem', true],
    ['{web,db}.{cpu,mem}', 'db.disk', false],
    ['web{,-1}.load', 'web.load', true],
    ['{a{b,c},d}e', 'ace', true],
    ['{w*b,d?}.load', 'web.load', true],
    ['a.b', 'axb', false],
    ['cpu;host=a', 'cpu;host=a', true],
    ['cpu;host=a', 'cpu;dc=eu;host=a', true],
    ['cpu;host=a', 'cpu', false],
    ['cpu', 'cpu;host=a', false],
    ['cpu;dc=eu*;host={a,b}', 'cpu;dc=eu.west;host=b', true],
    ['cpu;host=a', 'cpu;host=ab', false],
    ['cpu;host=*', 'cpu;dc=eu', false],
  ])('%s on %s: %s', (pattern, series, matches) => {
    expect(globMatches(globOf(pattern), series)).toBe(matches);
  });

  it('agrees with a naive regular expression', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      '.',
      '*',
      '?',
      '[ab]',
      '[!a]',
      '{a,b*}',
      '{,b}',
      '{a?,b}',
    );
    const pattern = fc
      .array(piece, { minLength: 1, maxLength: 8 })
      .map((pieces) => pieces.join(''));
    const name = fc.array(fc.constantFrom('a', 'b', 'c', '.'), { maxLength: 8 });
    fc.assert(
      fc.property(pattern, name, (text, letters) => {
        const parsed = parseGlob(text);
        fc.pre(parsed.ok);
        const series = letters.join('');
        expect(globMatches(parsed.glob, series)).toBe(naive(text).test(series));
      }),
      { numRuns: 2_000 },
    );
  });
});

/** The same pattern for a matcher that backtracks. */
function naive(pattern: string): RegExp {
  const source = pattern
    .replaceAll('.', '\\.')
    .replaceAll('?', '[^.]')
    .replaceAll('*', '[^.]*')
    .replaceAll('[!', '[^.')
    .replaceAll('{', '(?:')
    .replaceAll(',', '|')
    .replaceAll('}', ')');
  return new RegExp(`^${source}$`);
}

describe('a pattern without wildcards', () => {
  it.each([
    ['a.b', 'a.b'],
    ['cpu;host=a;dc=eu', 'cpu;dc=eu;host=a'],
    ['{a}.b', 'a.b'],
    ['{a,b}.c', null],
    ['a.*', null],
    ['cpu;host=*', null],
    ['web-[1].load', null],
  ])('%s names %s', (pattern, series) => {
    expect(globOf(pattern).literal).toBe(series);
  });
});

describe('refused, with the place', () => {
  it.each([
    ['', 0, 'may not be empty'],
    ['a b', 1, 'no spaces'],
    ['a..b', 2, 'part of the pattern is empty'],
    ['a.', 2, 'part of the pattern is empty'],
    ['a.{b,c', 2, "'{' is never closed"],
    ['a}b', 1, "'}' closes nothing"],
    ['a[b', 1, "'[' is never closed"],
    ['a[]', 1, "'[]' holds no character"],
    ['a[z-a]', 3, 'backwards'],
    ['a]', 1, "']' closes nothing"],
    ['cpu;host', 4, 'name=value'],
    ['cpu;=a', 4, 'name=value'],
    ['cpu;ho*t=a', 4, 'no wildcards'],
    [`${'{'.repeat(33)}a${'}'.repeat(33)}`, 32, 'over 32 deep'],
    ['{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}', 55, 'over 1024 alternatives'],
  ])('%s at %d: %s', (pattern, position, message) => {
    expect(parseGlob(pattern)).toMatchObject({
      ok: false,
      position,
      message: expect.stringContaining(message),
    });
  });

  it.each(['{', '{a,', '[', '{{}', '[a-'])('%s, four thousand times over', (bomb) => {
    expect(parseGlob(bomb.repeat(4_000)).ok).toBe(false);
  });

  it('whatever the text is, parsing ends with an answer', () => {
    const text = fc.array(fc.constantFrom(...'a b . * ? [ ] { } , ; = ! - ^'.split(' '), ' '), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(text, (letters) => {
        expect(parseGlob(letters.join('')).ok).toBeTypeOf('boolean');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('patterns that freeze a matcher which backtracks', () => {
  it.each(['*a', '*?', '?*', '*{a,aa}', '*[ab]'])(
    '(%s)×n takes steps linear in the name',
    (piece) => {
      const pattern = globOf(`${piece.repeat(8)}c`);
      // Twice the name, about twice the steps; a backtracking matcher takes 2^8 times as many.
      const [short, long] = [stepsFor(pattern, 500), stepsFor(pattern, 1_000)];
      expect(long / short).toBeLessThan(2.5);
    },
  );
});

/** How often the matcher looks at a character of a name of so many letters that does not match. */
function stepsFor(glob: Glob, length: number): number {
  let steps = 0;
  const counted = new Proxy(new String('a'.repeat(length)), {
    get(target, property) {
      if (typeof property === 'string' && /^\d+$/.test(property)) steps++;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  expect(globMatches(glob, counted as unknown as string)).toBe(false);
  return steps;
}
