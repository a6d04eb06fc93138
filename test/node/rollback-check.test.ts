/**
 * What the others remember of a member, and what the member does before it has heard it. The whole
 * story, with disks that are put back, is in test/sim/put-back.test.ts.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeldPlaces, placeShownBy, type HeldPlace } from '../../src/io/node/held-places.ts';
import { RollbackCheck } from '../../src/io/node/rollback-check.ts';
import { encodeFrame, type Frame } from '../../src/io/node/wire.ts';
import { TERM_LIMIT } from '../../src/raft/guard.ts';
import type { Message } from '../../src/raft/types.ts';

const INCARNATION = 7;
const VOTE = message('vote');
const APPEND = message('append');

class Bench {
  readonly sent: (readonly [to: string, kind: Frame['kind']])[] = [];
  heldAsLeader: HeldPlace | null = null;
  readonly rolledBack: (readonly [place: HeldPlace, by: string])[] = [];
  readonly levels = new Map<string, number>();
  overs = 0;
  readonly check: RollbackCheck;

  readonly others: readonly string[];

  constructor(others: readonly string[], isDamaged = false) {
    this.others = others;
    for (const other of others) this.levels.set(other, 2);
    this.check = new RollbackCheck(
      { incarnation: INCARNATION, start: { term: 3, index: 40 }, isDamaged },
      {
        others: () => this.others,
        otherVoters: () => this.others,
        framesLevel: (node) => this.levels.get(node) ?? null,
        heldAsLeader: () => this.heldAsLeader,
        send: (to, frame) => {
          // As the real one does: what cannot be encoded throws.
          encodeFrame({ clusterId: 'c', nodeId: 'n', incarnation: INCARNATION }, to, 0, frame);
          this.sent.push([to, frame.kind]);
        },
        onRolledBack: (place, by) => this.rolledBack.push([place, by]),
        onOver: () => this.overs++,
      },
    );
  }

  answer(from: string, place: HeldPlace, life = INCARNATION): void {
    this.check.onFrame(from, 1, { kind: 'recalled', life, ...place });
  }

  tick(times = 1): void {
    for (let i = 0; i < times; i++) this.check.tick();
  }
}

describe('a member that has just started', () => {
  test('votes for nobody before every other voter has answered, and follows those that have', () => {
    const bench = new Bench(['a', 'b']);
    bench.tick();
    expect(bench.sent).toEqual([
      ['a', 'recall'],
      ['b', 'recall'],
    ]);
    bench.answer('a', { term: 3, index: 40 });
    expect(bench.check.admits('a', APPEND)).toBe(true);
    expect(bench.check.admits('b', APPEND)).toBe(false);
    expect(bench.check.admits('a', VOTE)).toBe(false);
    bench.tick();
    expect(bench.overs).toBe(0);
    bench.answer('b', { term: 2, index: 90 });
    bench.tick();
    expect(bench.check.admits('a', VOTE)).toBe(true);
    expect(bench.overs).toBe(1);
    expect(bench.rolledBack).toEqual([]);
  });

  test('waits an election timeout and no longer for those that are down', () => {
    const bench = new Bench(['a', 'b']);
    bench.levels.delete('b');
    bench.tick();
    bench.answer('a', { term: 0, index: 0 });
    bench.tick(8);
    expect(bench.check.admits('a', VOTE)).toBe(false);
    bench.tick();
    expect(bench.check.admits('a', VOTE)).toBe(true);
    expect(bench.overs).toBe(1);
    expect(bench.sent).toEqual([['a', 'recall']]);
  });

  test('believes an answer that comes after the wait, from a member that was away', () => {
    const bench = new Bench(['a', 'b']);
    bench.levels.delete('b');
    bench.tick(50);
    bench.levels.set('b', 2);
    bench.tick();
    bench.answer('b', { term: 3, index: 41 });
    expect(bench.rolledBack).toEqual([[{ term: 3, index: 41 }, 'b']]);
  });

  test('asks nothing of builds that do not know the question, and does not wait for them', () => {
    const bench = new Bench(['a', 'b']);
    for (const other of bench.others) bench.levels.set(other, 1);
    bench.tick();
    expect(bench.sent).toEqual([]);
    expect(bench.check.admits('a', VOTE)).toBe(true);
  });

  test('that leads in a term beyond all limits says nothing of it, and goes on', () => {
    const bench = new Bench(['a']);
    bench.tick();
    bench.answer('a', { term: 0, index: 0 });
    bench.tick(20);
    const { length } = bench.sent;
    for (const term of [TERM_LIMIT, TERM_LIMIT + 5]) {
      bench.heldAsLeader = { term, index: 41 };
      bench.tick(20);
    }
    expect(bench.sent.slice(length)).toEqual([]);
    bench.heldAsLeader = { term: TERM_LIMIT - 1, index: 41 };
    bench.tick(20);
    expect(bench.sent.slice(length)).toEqual([['a', 'held']]);
  });

  test('alone in its cluster waits for nobody', () => {
    const bench = new Bench([]);
    bench.tick();
    expect(bench.overs).toBe(1);
  });

  test('takes no answer to an earlier start, none that it did not ask for, and each only once', () => {
    const bench = new Bench(['a']);
    bench.answer('a', { term: 9, index: 9 });
    bench.tick();
    bench.answer('a', { term: 9, index: 9 }, INCARNATION - 1);
    bench.answer('stranger', { term: 9, index: 9 });
    expect(bench.rolledBack).toEqual([]);
    bench.answer('a', { term: 3, index: 40 });
    bench.answer('a', { term: 9, index: 9 });
    expect(bench.rolledBack).toEqual([]);
  });

  test('that knows of its damage already is told nothing new', () => {
    const bench = new Bench(['a'], true);
    bench.tick();
    bench.answer('a', { term: 9, index: 9 });
    expect(bench.rolledBack).toEqual([]);
  });

  test('is told of once, however many remember more, and whoever has seen a later start', () => {
    const bench = new Bench(['a', 'b']);
    bench.tick();
    bench.answer('a', { term: 4, index: 1 });
    bench.answer('b', { term: 5, index: 1 });
    bench.check.outdated('b');
    expect(bench.rolledBack).toEqual([[{ term: 4, index: 1 }, 'a']]);
  });
});

describe('what is remembered of a member', () => {
  test('is what its messages show to be on its disk, and no more', () => {
    const reply = { ...message('appendReply'), index: 12, hintIndex: 0, hintTerm: 0, lost: false };
    expect(placeShownBy({ ...reply, ok: true } as Message)).toEqual({ term: 5, index: 12 });
    expect(placeShownBy({ ...reply, ok: false } as Message)).toEqual({ term: 5, index: 0 });
    expect(placeShownBy(message('heartbeat'))).toEqual({ term: 5, index: 0 });
    // These name a term that their sender is not in.
    expect(placeShownBy(message('preVote'))).toBeNull();
    expect(placeShownBy({ ...message('preVoteReply'), granted: true } as Message)).toBeNull();
    expect(placeShownBy({ ...message('heartbeat'), term: TERM_LIMIT })).toBeNull();
  });

  test('law: the last place of all earlier starts, in whatever order they came to be known', () => {
    const place = fc.record({ term: fc.nat(3), index: fc.nat(3) });
    const note = fc.record({ incarnation: fc.nat(4), place });
    fc.assert(
      fc.property(fc.array(note), (notes) => {
        const places = new HeldPlaces();
        for (const each of notes) places.note('a', each.incarnation, each.place);
        const newest = Math.max(0, ...notes.map(({ incarnation }) => incarnation));
        for (const incarnation of [newest, newest + 1]) {
          const [last = { term: 0, index: 0 }] = notes
            .filter((each) => each.incarnation < incarnation)
            .map((each) => each.place)
            .toSorted((a, b) => b.term - a.term || b.index - a.index);
          expect(places.before('a', incarnation)).toEqual(last);
        }
      }),
    );
  });

  test('is bounded: whoever was noted first is forgotten first', () => {
    const places = new HeldPlaces();
    for (let i = 0; i <= 128; i++) places.note(`n${i}`, 1, { term: 1, index: 1 });
    expect(places.before('n0', 2)).toEqual({ term: 0, index: 0 });
    expect(places.before('n128', 2)).toEqual({ term: 1, index: 1 });
  });
});

function message(type: Message['type']): Message {
  return { type, from: 'a', to: 'me', term: 5 } as Message;
}
