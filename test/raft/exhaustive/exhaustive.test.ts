/**
 * Every state of a very small world. The bounds here end in seconds; `node scripts/exhaustive.mjs`
 * has wider ones, and both say what they do not cover.
 */

import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../../src/raft/types.ts';
import type { History } from './invariants.ts';
import { NODES, type Facts } from './local.ts';
import { search, type Bounds } from './search.ts';

const NONE = { terms: 1, proposals: 0, crashes: 0, timeouts: 1, heartbeats: 0, writes: 1 };

describe('all that three nodes can do, by trying it', () => {
  test('two elections, two terms, a proposal, any loss, order and doubling of messages: every promise holds', () => {
    const found = search({ ...NONE, terms: 2, timeouts: 2, proposals: 1 });
    expect(found.complete).toBe(true);
    expect([...found.reached.keys()]).toEqual(
      expect.arrayContaining(['leaders of 2 terms', '3 committed']),
    );
  });

  test('the same with a crash anywhere in place of the proposal', () => {
    const found = search({ ...NONE, terms: 2, timeouts: 2, crashes: 1 });
    expect(found.complete).toBe(true);
    expect([...found.reached.keys()]).toEqual(
      expect.arrayContaining(['leaders of 2 terms', '2 committed']),
    );
  });

  test('one election with a crash anywhere, and any loss of two writes that were not synced', () => {
    const found = search({ ...NONE, crashes: 1, writes: 2 });
    expect(found.complete).toBe(true);
    expect([...found.reached.keys()]).toEqual(
      expect.arrayContaining(['leaders of 1 terms', '1 committed']),
    );
  });
});

describe('what the search leaves out for speed', () => {
  const worlds: Bounds[] = [NONE, { ...NONE, crashes: 1 }, { ...NONE, proposals: 1 }];
  test.for(worlds)('adds nothing that is not reached without it: %j', (bounds) => {
    const [thorough, reduced] = [settled(bounds, true), settled(bounds, false)];
    expect(thorough.size).toBeGreaterThan(10);
    expect(reduced).toEqual(thorough);
  });
});

/** What the nodes are in all states in which no write is under way, by whatever names. */
function settled(bounds: Bounds, isThorough: boolean): ReadonlySet<string> {
  const found = new Set<string>();
  search(bounds, {
    isThorough,
    onState: (facts, history) => {
      if (facts.every(({ writes }) => writes === 0)) found.add(withoutNames(facts, history));
    },
  });
  return found;
}

function withoutNames(facts: readonly Facts[], { committed, leaders }: History): string {
  const texts = orders(NODES).map((order) => {
    const nameOf = (node: NodeId | null): NodeId | null =>
      node === null ? null : (NODES[order.indexOf(node)] ?? null);
    const renamed = order.map((node) => {
      const found = facts.find((each) => each.node === node);
      return { ...found, node: nameOf(node) };
    });
    return JSON.stringify([renamed, committed, leaders.map(nameOf)]);
  });
  return texts.toSorted()[0] ?? '';
}

function orders(nodes: readonly NodeId[]): readonly (readonly NodeId[])[] {
  if (nodes.length <= 1) return [nodes];
  return nodes.flatMap((first) =>
    orders(nodes.filter((node) => node !== first)).map((rest) => [first, ...rest]),
  );
}
