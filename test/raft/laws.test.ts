/**
 * Laws of the parts that are arithmetic, against oracles too slow or too simple to be wrong.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  changeConfig,
  decodeConfState,
  EMPTY_CONFIG,
  encodeConfState,
  leaveJoint,
} from '../../src/raft/confchange.ts';
import { LogView } from '../../src/raft/log.ts';
import { Inflights } from '../../src/raft/progress.ts';
import { quorumIndex, tally } from '../../src/raft/quorum.ts';
import type { ConfChange, ConfState, Entry, NodeId } from '../../src/raft/types.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const names = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 6 });
const sides = fc.record({ voters: names, votersOutgoing: names });

function configOf(parts: Partial<ConfState>): ConfState {
  return { ...EMPTY_CONFIG, ...parts };
}

function decides(side: readonly NodeId[], set: ReadonlySet<NodeId>): boolean {
  return side.length === 0 || side.filter((node) => set.has(node)).length * 2 > side.length;
}

/** Every set of nodes that may decide under a configuration, by trying all sets. */
function quorumsOf(config: ConfState): ReadonlySet<NodeId>[] {
  return subsets(NAMES).filter((set) => {
    const anyVoter = config.voters.length + config.votersOutgoing.length > 0;
    return anyVoter && decides(config.voters, set) && decides(config.votersOutgoing, set);
  });
}

function subsets(nodes: readonly NodeId[]): Set<NodeId>[] {
  return Array.from({ length: 2 ** nodes.length }, (_, bits) => {
    return new Set(nodes.filter((_node, at) => Math.floor(bits / 2 ** at) % 2 === 1));
  });
}

describe('quorums', () => {
  test('the quorum index is the highest index that a deciding set has reached', () => {
    const reached = fc.array(fc.nat(9), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(sides, reached, (parts, indexes) => {
        const config = configOf(parts);
        const indexOf = (node: NodeId): number => indexes[NAMES.indexOf(node)] ?? 0;
        const naive = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].find((index) => {
          const there = new Set(NAMES.filter((node) => indexOf(node) >= index));
          return quorumsOf(config).some((quorum) => isSubset(quorum, there));
        });
        expect(quorumIndex(config, indexOf)).toBe(naive ?? 0);
      }),
    );
  });

  test('votes are won when every way to go on wins, and lost when none does', () => {
    const grants = fc.array(fc.constantFrom(true, false, null), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(sides, grants, (parts, given) => {
        const config = configOf(parts);
        const votes = new Map<NodeId, boolean>();
        NAMES.forEach((node, at) => {
          const vote = given[at];
          if (vote !== null && vote !== undefined) votes.set(node, vote);
        });
        const open = NAMES.filter((node) => !votes.has(node));
        const ends = subsets(open).map((late) => {
          const granted = new Set([...late, ...NAMES.filter((node) => votes.get(node) === true)]);
          return quorumsOf(config).some((quorum) => isSubset(quorum, granted));
        });
        const all = ends.every((won) => won);
        const none = ends.every((won) => !won);
        const anyVoter = config.voters.length + config.votersOutgoing.length > 0;
        const expected = !anyVoter ? 'pending' : all ? 'won' : none ? 'lost' : 'pending';
        expect(tally(config, votes)).toBe(expected);
      }),
    );
  });
});

describe('configuration changes', () => {
  const change: fc.Arbitrary<ConfChange> = fc.record({
    op: fc.constantFrom('voter', 'join', 'learner', 'remove'),
    node: fc.constantFrom(...NAMES),
  });
  const changes = fc.array(change, { minLength: 1, maxLength: 4 });
  const leave = fc.constantFrom('auto', 'explicit');

  const someNames = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 6 });

  /** A plain configuration: disjoint voters and learners. */
  const plain = fc.tuple(someNames, names).map(([voters, others]) => {
    const learners = others.filter((node) => !voters.includes(node)).sort();
    return configOf({ voters: [...voters].sort(), learners });
  });

  test('neighbouring configurations cannot decide apart', () => {
    fc.assert(
      fc.property(plain, changes, leave, (before, wanted, how) => {
        const result = changeConfig(before, wanted, how);
        if (!result.ok) return;
        const chain = [before, result.confState];
        if (result.confState.votersOutgoing.length > 0) chain.push(leaveJoint(result.confState));
        for (const [at, older] of chain.entries()) {
          const newer = chain[at + 1];
          if (newer === undefined) continue;
          const apart = quorumsOf(older).some((one) => {
            return quorumsOf(newer).some((other) => [...one].every((node) => !other.has(node)));
          });
          expect(apart).toBe(false);
        }
      }),
    );
  });

  test('in the end everyone has the part that was asked for, and nobody else changed', () => {
    fc.assert(
      fc.property(plain, changes, leave, (before, wanted, how) => {
        const result = changeConfig(before, wanted, how);
        if (!result.ok) return;
        const { confState } = result;
        const after = confState.votersOutgoing.length > 0 ? leaveJoint(confState) : confState;
        for (const node of NAMES) {
          const asked = wanted.find((each) => each.node === node)?.op ?? null;
          const voter = asked === null ? before.voters.includes(node) : asked === 'voter';
          const learner =
            asked === null
              ? before.learners.includes(node)
              : asked === 'learner' || asked === 'join';
          expect(after.voters.includes(node)).toBe(voter);
          expect(after.learners.includes(node)).toBe(learner);
          expect(after.promote.includes(node)).toBe(asked === 'join');
        }
        expect(after).toMatchObject({ votersOutgoing: [], learnersNext: [], autoLeave: false });
      }),
    );
  });

  test('no voter is a learner before it stops voting', () => {
    fc.assert(
      fc.property(plain, changes, leave, (before, wanted, how) => {
        const result = changeConfig(before, wanted, how);
        if (!result.ok) return;
        const { voters, votersOutgoing, learners, learnersNext } = result.confState;
        for (const learner of learners) {
          expect([...voters, ...votersOutgoing]).not.toContain(learner);
        }
        for (const next of learnersNext) expect(votersOutgoing).toContain(next);
      }),
    );
  });

  test('a configuration survives its encoding, and equal ones are equal bytes', () => {
    fc.assert(
      fc.property(plain, changes, (before, wanted) => {
        const result = changeConfig(before, wanted, 'auto');
        const config = result.ok ? result.confState : before;
        expect(decodeConfState(encodeConfState(config))).toEqual(config);
      }),
    );
    expect(() => decodeConfState(new TextEncoder().encode('{"voters":[1]}'))).toThrow(/damaged/);
  });
});

describe('the log view', () => {
  type Act =
    | { readonly act: 'append'; readonly terms: readonly number[]; readonly bytes: number }
    | { readonly act: 'truncate' | 'sync' | 'compact'; readonly share: number };
  const share = fc.nat(100);
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.record({
      act: fc.constant('append' as const),
      terms: fc.array(fc.nat(2), { maxLength: 4 }),
      bytes: fc.nat(40),
    }),
    fc.record({ act: fc.constantFrom('truncate', 'sync', 'compact'), share }),
  );

  test('it answers as a plain array would, within its memory', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const windowBytesMax = 200;
        const start = { compacted: { index: 0, term: 0 }, lastIndex: 0, terms: [] };
        const log = new LogView(start, windowBytesMax);
        let model: Entry[] = [];
        let compacted = { index: 0, term: 0 };
        for (const each of acts) {
          if (each.act === 'append') {
            let term = model.at(-1)?.term ?? 1;
            const entries = each.terms.map((step, at) => {
              term += step;
              const data = new Uint8Array(each.bytes);
              return { term, index: model.length + at + 1, type: 'command', data } as const;
            });
            model.push(...entries);
            log.append(entries);
          } else if (each.act === 'truncate') {
            const from = spread(compacted.index + 1, model.length + 1, each.share);
            model = model.filter((entry) => entry.index < from);
            log.truncateFrom(from);
          } else if (each.act === 'sync') {
            log.durableIndex = spread(log.durableIndex, model.length, each.share);
            log.shrinkWindow();
          } else {
            const index = spread(compacted.index, log.durableIndex, each.share);
            if (index <= compacted.index) continue;
            compacted = { index, term: model[index - 1]?.term ?? 0 };
            log.compact(index);
          }
          expectSame(log, model, compacted, windowBytesMax);
        }
      }),
    );
  });

  function expectSame(
    log: LogView,
    model: readonly Entry[],
    compacted: { readonly index: number; readonly term: number },
    windowBytesMax: number,
  ): void {
    const last = model.at(-1);
    expect(log.lastIndex).toBe(last?.index ?? 0);
    expect(log.lastTerm).toBe(last?.term ?? 0);
    for (let index = 0; index <= model.length + 1; index++) {
      const known = index >= compacted.index && index <= model.length;
      const term = index === compacted.index ? compacted.term : model[index - 1]?.term;
      expect(log.term(index)).toBe(known ? term : undefined);
    }
    // What is not on disk is in memory; the rest is only as far as there is room.
    expect(log.windowFirst).toBeLessThanOrEqual(log.durableIndex + 1);
    if (log.windowFirst <= log.durableIndex) {
      expect(log.windowBytes).toBeLessThanOrEqual(windowBytesMax);
    }
    expect(log.slice(log.windowFirst, log.lastIndex, Infinity)).toEqual(
      model.slice(log.windowFirst - 1),
    );
    if (log.windowFirst > compacted.index + 1) {
      expect(log.slice(log.windowFirst - 1, log.lastIndex, Infinity)).toBe(undefined);
    }
    for (const term of [0, 1, 2, 3, 5, 8]) {
      const naive = model.findLast((entry) => entry.term <= term && entry.index > compacted.index);
      expect(log.lastIndexWithin(log.lastIndex, term)).toBe(naive?.index ?? compacted.index);
    }
  }

  /** A place in [low, high], by percentage. */
  function spread(low: number, high: number, percent: number): number {
    return low + Math.round(((high - low) * percent) / 100);
  }
});

describe('appends under way', () => {
  test('the count and the bytes are those of the appends not yet confirmed', () => {
    const append = fc.record({ grow: fc.integer({ min: 1, max: 3 }), bytes: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(append, { maxLength: 20 }), fc.array(fc.nat(60)), (appends, acks) => {
        const inflights = new Inflights(5, 100);
        let model: { last: number; bytes: number }[] = [];
        let last = 0;
        for (const [at, { grow, bytes }] of appends.entries()) {
          last += grow;
          inflights.add(last, bytes);
          model.push({ last, bytes });
          const ack = acks[at];
          if (ack !== undefined) {
            inflights.freeUpTo(ack);
            model = model.filter((each) => each.last > ack);
          }
          const sum = model.reduce((total, each) => total + each.bytes, 0);
          expect([inflights.messages, inflights.bytes]).toEqual([model.length, sum]);
          expect(inflights.full()).toBe(model.length >= 5 || sum >= 100);
        }
      }),
    );
  });
});

function isSubset(part: ReadonlySet<NodeId>, whole: ReadonlySet<NodeId>): boolean {
  return [...part].every((node) => whole.has(node));
}
