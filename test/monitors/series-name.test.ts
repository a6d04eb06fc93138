/** One spelling for a series, whoever names it: senders, targets, and the patterns of checks. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { withPlainDots } from '../../src/commands/series-path.ts';
import { monitorSeriesName, normalSeriesName } from '../../src/io/monitors/series-name.ts';
import { globMatches, parseGlob } from '../../src/projections/glob.ts';

const part = fc.stringMatching(/^[a-c]{1,2}$/);
const dots = fc.stringMatching(/^\.{0,3}$/);
/** A path, and the same with more dots than it needs. */
const path = fc
  .tuple(fc.array(part, { minLength: 1, maxLength: 4 }), dots, dots, dots)
  .map(([parts, before, between, after]) => ({
    plain: parts.join('.'),
    dotted: before + parts.join(`.${between}`) + after,
  }));
const tags = fc.constantFrom('', ';v=1..2', ';v=.x.;w=..');

it('a name has the same spelling however many dots its sender writes', () => {
  fc.assert(
    fc.property(path, tags, ({ dotted, plain }, tagged) => {
      expect(normalSeriesName(dotted + tagged)).toBe(plain + tagged);
      expect(monitorSeriesName(dotted + tagged)).toBe(plain + tagged);
    }),
  );
});

it('a pattern with the dots of a name meets it', () => {
  fc.assert(
    fc.property(path, path, tags, ({ dotted, plain }, other, tagged) => {
      const glob = parseGlob(withPlainDots(dotted + tagged));
      if (!glob.ok) throw new Error(glob.message);
      expect(globMatches(glob.glob, normalSeriesName(dotted + tagged) ?? '')).toBe(true);
      const meets = globMatches(glob.glob, normalSeriesName(other.dotted + tagged) ?? '');
      expect(meets).toBe(plain === other.plain);
    }),
  );
});

it('a spelling is its own spelling', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (text) => {
      const name = monitorSeriesName(text);
      if (name !== null) expect(monitorSeriesName(name)).toBe(name);
    }),
    { numRuns: 1_000 },
  );
});

it('an expression that Graphite gives for a name is taken as it is, with plain dots', () => {
  expect(monitorSeriesName('sumSeries(a..b,c;x)')).toBe('sumSeries(a.b,c;x)');
  expect(monitorSeriesName('Load average')).toBe('Load average');
});
