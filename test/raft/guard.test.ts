/**
 * Messages that nobody should send: made up field by field, and given to members in the middle of
 * their work.
 */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY_CONFIG, encodeConfState } from '../../src/raft/confchange.ts';
import { CommittedConflict } from '../../src/raft/follower.ts';
import type { Message } from '../../src/raft/types.ts';
import { Cluster } from './cluster.ts';

const VOTERS = ['a', 'b', 'c'];
const LAST_TERM = 2 ** 48 - 1;

const count = fc.oneof(
  fc.nat(6),
  fc.constantFrom(LAST_TERM, 2 ** 48, 2 ** 53 - 1),
  fc.maxSafeNat(),
);
const isSo = fc.boolean();
const entryData = fc.oneof(
  fc.uint8Array({ maxLength: 4 }),
  fc.constant(encodeConfState({ ...EMPTY_CONFIG, voters: VOTERS })),
  fc.constant(encodeConfState(EMPTY_CONFIG)),
);
const entry = fc.record({
  term: count,
  index: count,
  type: fc.constantFrom('command' as const, 'noop' as const, 'config' as const),
  data: entryData,
});
const snapshot = fc.record({
  index: count,
  term: count,
  config: fc.record({
    index: count,
    confState: fc.constantFrom(EMPTY_CONFIG, { ...EMPTY_CONFIG, voters: VOTERS }),
  }),
});
const type = fc.constantFrom<Message['type']>(
  'preVote',
  'preVoteReply',
  'vote',
  'voteReply',
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'snapshot',
  'timeoutNow',
  'readIndex',
  'readIndexReply',
);

/** A message with all the fields that any has: each reads its own. */
function messageFrom(senders: readonly string[]): fc.Arbitrary<Message> {
  return fc.record({
    type,
    from: fc.constantFrom(...senders),
    to: fc.constantFrom(...VOTERS),
    term: count,
    lastIndex: count,
    lastTerm: count,
    granted: isSo,
    transfer: isSo,
    prevIndex: count,
    prevTerm: count,
    entries: fc.array(entry, { maxLength: 3 }),
    commit: count,
    ok: isSo,
    index: count,
    hintIndex: count,
    hintTerm: count,
    lost: isSo,
    round: count,
    readId: count,
    snapshot,
  });
}

/** Three members with a leader and some entries. */
function working(): Cluster {
  const cluster = new Cluster(VOTERS, { electionTicks: 10, heartbeatTicks: 1, seed: 1 });
  cluster.campaign('a');
  cluster.settle();
  cluster.step('a', { type: 'propose', ref: 1, data: new Uint8Array([1]) });
  cluster.settle();
  cluster.tickAll(2);
  return cluster;
}

function heartbeatOf(from: string, to: string, term: number): Message {
  return { type: 'heartbeat', from, to, term, commit: 0, round: 0 };
}

function leadersOf(cluster: Cluster): readonly string[] {
  return cluster.leaders().map(({ id }) => id);
}

describe('messages that nobody should send', () => {
  test('of a node that is not a member end no leader and throw nowhere', () => {
    fc.assert(
      fc.property(fc.array(messageFrom(['z']), { maxLength: 20 }), (messages) => {
        const cluster = working();
        const before = VOTERS.map((id) => cluster.status(id));
        for (const message of messages) cluster.step(message.to, { type: 'message', message });
        expect(VOTERS.map((id) => cluster.status(id))).toEqual(before);
        cluster.settle();
        cluster.tickAll(3);
        expect(leadersOf(cluster)).toEqual(['a']);
      }),
      { numRuns: 200 },
    );
  });

  test('of members throw nowhere, save where the log is said to differ below the commit index', () => {
    fc.assert(
      fc.property(messageFrom([...VOTERS, 'z']), fc.nat(12), (message, ticks) => {
        const cluster = working();
        for (let tick = 0; tick < ticks; tick++) cluster.step(message.to, { type: 'tick' });
        if (message.type === 'snapshot') return;
        expect(problemOf(() => cluster.step(message.to, { type: 'message', message }))).toBeNull();
        expect(problemOf(() => cluster.settle())).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });

  test('a cluster that was led to the last term still elects', () => {
    const cluster = working();
    for (const to of VOTERS) {
      const from = to === 'b' ? 'c' : 'b';
      cluster.step(to, { type: 'message', message: heartbeatOf(from, to, LAST_TERM) });
    }
    cluster.settle();
    cluster.tickAll(80);
    expect(cluster.leaders()).toHaveLength(1);
    const terms = VOTERS.map((id) => cluster.status(id).term);
    expect(new Set(terms).size).toBe(1);
    expect(terms[0]).toBeGreaterThan(LAST_TERM);
  });

  test('a member that was away follows, however far the terms went meanwhile', () => {
    const cluster = working();
    for (const node of VOTERS) cluster.cut.add(`${node}→c`);
    cluster.step('a', { type: 'message', message: heartbeatOf('b', 'a', 2 ** 47) });
    cluster.tickAll(80);
    cluster.cut.clear();
    cluster.tickAll(80);
    const [{ id } = { id: 'none' }] = cluster.leaders();
    expect(VOTERS.map((node) => cluster.status(node).leader)).toEqual([id, id, id]);
    expect(cluster.status('c').commitIndex).toBe(cluster.status(id).commitIndex);
  });
});

function problemOf(act: () => unknown): string | null {
  try {
    act();
    return null;
  } catch (error) {
    return error instanceof CommittedConflict ? null : (error as Error).message;
  }
}
