/**
 * Every state of a very small world. The bounds here end in seconds; `node scripts/exhaustive.mjs`
 * has wider ones, and both say what they do not cover.
 */

import { describe, expect, test } from 'vitest';
import { search } from './search.ts';

describe('all that three nodes can do, by trying it', () => {
  test(
    'two elections, two terms, any loss and order of messages: every promise holds',
    { timeout: 120_000 },
    () => {
      const found = search({
        terms: 2,
        proposals: 0,
        crashes: 0,
        timeouts: 2,
        heartbeats: 0,
        writes: 1,
      });
      expect(found.complete).toBe(true);
      expect([...found.reached.keys()]).toEqual(
        expect.arrayContaining(['leaders of 2 terms', '2 committed']),
      );
    },
  );

  test('one election with a crash anywhere, and any loss of what was not synced', () => {
    const found = search({
      terms: 1,
      proposals: 0,
      crashes: 1,
      timeouts: 1,
      heartbeats: 0,
      writes: 2,
    });
    expect(found.complete).toBe(true);
    expect([...found.reached.keys()]).toEqual(
      expect.arrayContaining(['leaders of 1 terms', '1 committed']),
    );
  });
});
