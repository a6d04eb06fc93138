/** Label sets: their order, their text, and the fingerprint that other tools compute as well. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  annotationsFrom,
  annotationsSchema,
  fingerprint,
  labelPairs,
  labelsFrom,
  labelsSchema,
  labelsText,
  labelValue,
  sameLabels,
} from '../../src/commands/labels.ts';
import { labels, text } from './arbitraries.ts';

describe('fingerprint', () => {
  it.each([
    [{}, 'cbf29ce484222325'],
    [{ foo: 'bar' }, '3fff2c2d7595e046'],
    [{ alertname: 'alert1', severity: 'critical' }, '0223b772b51c29e1'],
  ])('of %o is that of Prometheus: %s', (set, expected) => {
    expect(fingerprint(labelsFrom(Object.entries(set)))).toBe(expected);
  });

  it('is 64-bit FNV-1a, for any labels', () => {
    fc.assert(
      fc.property(labels, (set) => {
        expect(fingerprint(set)).toBe(fnv(set));
      }),
    );
  });
});

/** The hash as its authors write it, with numbers of any size. */
function fnv(set: readonly string[]): string {
  let hash = 0xcbf29ce484222325n;
  for (const part of set) {
    for (const byte of [...Buffer.from(part, 'utf8'), 0xff]) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    }
  }
  return hash.toString(16).padStart(16, '0');
}

describe('a label set', () => {
  it('is the same list whatever the order of its pairs', () => {
    const pair = fc.tuple(
      text.filter((name) => name !== ''),
      text,
    );
    const pairs = fc.uniqueArray(pair, { selector: ([name]) => name });
    fc.assert(
      fc.property(pairs, (given) => {
        const set = labelsFrom(given);
        expect(sameLabels(set, labelsFrom(given.toReversed()))).toBe(true);
        expect(new Map(labelPairs(set))).toEqual(
          new Map(given.filter(([, value]) => value !== '')),
        );
      }),
    );
  });

  it('is in the order of UTF-8 bytes, as in Prometheus, so that fingerprints agree', () => {
    // By UTF-16 units the emoji would come first.
    const set = labelsFrom([
      ['😀', '1'],
      ['\uFF5E', '2'],
      ['a', '3'],
    ]);
    expect(set).toEqual(['a', '3', '\uFF5E', '2', '😀', '1']);
  });

  it('drops labels without a value: they are the same as absent ones', () => {
    const set = labelsFrom([
      ['a', ''],
      ['b', '1'],
    ]);
    expect(set).toEqual(['b', '1']);
    expect(labelValue(set, 'a')).toBe('');
    expect(labelValue(set, 'b')).toBe('1');
  });

  it('lets the later of two pairs win', () => {
    const pairs = [
      ['a', '1'],
      ['a', '2'],
    ] as const;
    expect(labelsFrom(pairs)).toEqual(['a', '2']);
  });

  it('prints as Prometheus prints it', () => {
    const pairs = [
      ['b', 'say "hi"\n'],
      ['a', '1'],
    ] as const;
    expect(labelsText(labelsFrom(pairs))).toBe('{a="1", b="say \\"hi\\"\\n"}');
  });

  it('differs from one that is longer, or different in one value', () => {
    expect(sameLabels(['a', '1'], ['a', '1', 'b', '2'])).toBe(false);
    expect(sameLabels(['a', '1'], ['a', '2'])).toBe(false);
  });
});

describe('annotations', () => {
  const pairs = [
    ['summary', 'disk'],
    ['runbook_url', ''],
  ] as const;

  it('keep an empty value, which labels lose', () => {
    expect(annotationsFrom(pairs)).toEqual(['runbook_url', '', 'summary', 'disk']);
    expect(labelsFrom(pairs)).toEqual(['summary', 'disk']);
    expect(annotationsFrom([...pairs, ['a', '']])).toEqual(['a', '', ...annotationsFrom(pairs)]);
  });

  it('are stored as labels are, and an empty label is still refused', () => {
    const stored = annotationsSchema.encode(annotationsFrom(pairs), 'annotations');
    expect(annotationsSchema.decode(stored, 'annotations')).toEqual(annotationsFrom(pairs));
    expect(labelsSchema.encode(['a', 'b'], 'l')).toEqual(annotationsSchema.encode(['a', 'b'], 'l'));
    expect(() => labelsSchema.decode(stored, 'labels')).toThrow('labels.runbook_url: is empty');
  });
});
