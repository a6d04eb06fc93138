/**
 * Sentences of "In Search of an Understandable Consensus Algorithm" (extended version), one test
 * each. The titles are ours, the sections are the paper's.
 */

import { describe, expect, test } from 'vitest';
import { createRaft } from '../../src/raft/core.ts';
import type { Effect, Entry, Input, Message, Raft } from '../../src/raft/types.ts';
import { Cluster, Disk } from './cluster.ts';

const VOTERS = ['a', 'b', 'c'];
const ELECTION_TICKS = 10;

/** A cluster in which a leads, at rest. */
function ledByA(voters: readonly string[] = VOTERS): Cluster {
  const cluster = new Cluster(voters, {
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 1,
    seed: 1,
  });
  cluster.campaign('a');
  cluster.settle();
  return cluster;
}

/** A disk whose log has these terms, in a node that is at the last of them. */
function diskWith(terms: readonly number[], term = terms.at(-1) ?? 0): Disk {
  const disk = new Disk(VOTERS);
  const entries = terms.map((each, at): Entry => {
    return { term: each, index: at + 1, type: 'command', data: new Uint8Array(0) };
  });
  disk.write({ type: 'persist', id: 0, entries, sync: true });
  disk.hardState = { term, vote: null, commit: 0 };
  return disk;
}

function start(disk: Disk, seed = 1): Raft {
  const options = { id: 'b', electionTicks: ELECTION_TICKS, heartbeatTicks: 1, seed };
  return createRaft(options, disk.restored(false));
}

/** Steps with a disk that is done at once; gives all messages sent. */
function give(raft: Raft, input: Input): readonly Message[] {
  const effects = [...raft.step(input)];
  const done = (effect: Effect): void => {
    if (effect.type === 'persist') {
      effects.push(...raft.step({ type: 'persisted', id: effect.id }));
    }
  };
  for (const effect of effects) done(effect);
  return effects.flatMap((effect) => (effect.type === 'send' ? effect.messages : []));
}

function vote(from: string, term: number, lastIndex = 0, lastTerm = 0): Input {
  const message = {
    type: 'vote',
    from,
    to: 'b',
    term,
    lastIndex,
    lastTerm,
    transfer: false,
  } as const;
  return { type: 'message', message };
}

function heartbeat(from: string, term: number): Input {
  return {
    type: 'message',
    message: { type: 'heartbeat', from, to: 'b', term, commit: 0, round: 0 },
  };
}

function append(term: number, prevIndex: number, prevTerm: number, terms: number[]): Input {
  const entries = terms.map((each, at): Entry => {
    return { term: each, index: prevIndex + at + 1, type: 'command', data: new Uint8Array(0) };
  });
  const message = {
    type: 'append',
    from: 'a',
    to: 'b',
    term,
    prevIndex,
    prevTerm,
    entries,
    commit: 0,
  } as const;
  return { type: 'message', message };
}

function ticks(raft: Raft, count: number): readonly Message[] {
  return Array.from({ length: count }, () => give(raft, { type: 'tick' })).flat();
}

/** Ticks until it asks for pre-votes, and grants them for both others. */
function stand(raft: Raft): readonly Message[] {
  ticks(raft, 2 * ELECTION_TICKS);
  const { term } = raft.status();
  const reply = {
    type: 'preVoteReply',
    from: 'a',
    to: 'b',
    term: term + 1,
    granted: true,
  } as const;
  return give(raft, { type: 'message', message: reply });
}

describe('5.1 terms', () => {
  test('a server that sees a larger term takes it over and follows', () => {
    const cluster = ledByA();
    cluster.step('a', {
      type: 'message',
      message: { type: 'heartbeat', from: 'c', to: 'a', term: 7, commit: 0, round: 0 },
    });
    expect(cluster.status('a')).toMatchObject({ role: 'follower', term: 7, leader: 'c' });
  });

  test('a candidate that sees a larger term follows', () => {
    const raft = start(diskWith([]));
    stand(raft);
    expect(raft.status().role).toBe('candidate');
    give(raft, heartbeat('a', 5));
    expect(raft.status()).toMatchObject({ role: 'follower', term: 5 });
  });

  test('a request with a stale term is refused', () => {
    const raft = start(diskWith([1, 2]));
    give(raft, append(1, 2, 2, [1]));
    give(raft, vote('c', 1, 9, 1));
    expect(raft.status()).toMatchObject({ term: 2, lastIndex: 2, vote: null, leader: null });
  });
});

describe('5.2 leader election', () => {
  test('servers begin as followers', () => {
    expect(start(diskWith([])).status().role).toBe('follower');
  });

  test('a leader sends heartbeats to all to keep its authority', () => {
    const cluster = ledByA();
    const effects = cluster.step('a', { type: 'tick' });
    const sent = effects.flatMap((effect) => (effect.type === 'send' ? effect.messages : []));
    expect(sent.map(({ type, to }) => `${type} ${to}`)).toEqual(['heartbeat b', 'heartbeat c']);
  });

  test('a follower that hears nobody for an election timeout stands, raising its term', () => {
    const raft = start(diskWith([]));
    const asked = stand(raft);
    expect(raft.status()).toMatchObject({ role: 'candidate', term: 1, vote: 'b' });
    expect(asked.map(({ type, to }) => `${type} ${to}`)).toEqual(['vote a', 'vote c']);
  });

  test('a follower that hears its leader does not stand', () => {
    const raft = start(diskWith([]));
    for (let tick = 0; tick < 10 * ELECTION_TICKS; tick++) {
      give(raft, { type: 'tick' });
      give(raft, heartbeat('a', 1));
    }
    expect(raft.status()).toMatchObject({ role: 'follower', leader: 'a' });
  });

  test('a vote goes to the first who asks in a term, and again to the same', () => {
    const raft = start(diskWith([]));
    const granted = [vote('a', 1), vote('c', 1), vote('a', 1)].map((request) => {
      const [reply] = give(raft, request);
      return reply?.type === 'voteReply' && reply.granted;
    });
    expect(granted).toEqual([true, false, true]);
  });

  test.each([
    { voters: 1, needed: 0 },
    { voters: 2, needed: 1 },
    { voters: 3, needed: 1 },
    { voters: 5, needed: 2 },
    { voters: 7, needed: 3 },
  ])('a candidate of $voters wins with $needed votes of others', ({ voters, needed }) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, voters);
    const cluster = new Cluster(names, { electionTicks: 10, heartbeatTicks: 1, seed: 1 });
    const [, ...others] = names;
    cluster.campaign('a');
    const reply = (from: string, type: 'preVoteReply' | 'voteReply', granted: boolean): void => {
      cluster.step('a', { type: 'message', message: { type, from, to: 'a', term: 1, granted } });
    };
    for (const from of others) reply(from, 'preVoteReply', true);
    cluster.sync('a');
    for (const [at, from] of others.slice(0, needed).entries()) {
      expect(cluster.status('a').role, `after ${at}`).toBe('candidate');
      reply(from, 'voteReply', true);
    }
    expect(cluster.status('a').role).toBe('leader');
  });

  test('a candidate that hears the leader of its term follows it', () => {
    const raft = start(diskWith([]));
    stand(raft);
    give(raft, heartbeat('c', 1));
    expect(raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 'c' });
  });

  test('election timeouts are spread from one to two times the base', () => {
    const timeouts = Array.from({ length: 400 }, (_, seed) => {
      const raft = start(diskWith([]), seed);
      let tick = 0;
      while (raft.status().role === 'follower') {
        give(raft, { type: 'tick' });
        tick++;
      }
      return tick;
    });
    const kinds = new Set(timeouts);
    expect(Math.min(...timeouts)).toBe(ELECTION_TICKS);
    expect(Math.max(...timeouts)).toBe(2 * ELECTION_TICKS - 1);
    expect(kinds.size).toBe(ELECTION_TICKS);
  });
});

describe('5.3 log replication', () => {
  test('an entry is committed once a majority has it, and with it all before', () => {
    const cluster = ledByA();
    cluster.cut.add('a→c');
    cluster.step('a', { type: 'propose', ref: 1, data: new Uint8Array([1]) });
    cluster.step('a', { type: 'propose', ref: 2, data: new Uint8Array([2]) });
    cluster.settle();
    expect(cluster.status('a').commitIndex).toBe(3);
    expect(cluster.member('b').state.map(({ index }) => index)).toEqual([1, 2, 3]);
    expect(cluster.status('c').commitIndex).toBe(1);
  });

  test('a follower applies entries in log order once it knows that they are committed', () => {
    const cluster = ledByA();
    for (let ref = 1; ref <= 20; ref++) {
      cluster.step('a', { type: 'propose', ref, data: new Uint8Array([ref]) });
    }
    cluster.settle();
    for (const { state } of cluster.members.values()) {
      expect(state.map(({ data }) => data[0] ?? 0)).toEqual([...Array(21).keys()]);
    }
  });

  test.each([
    { prevIndex: 0, prevTerm: 0, taken: true },
    { prevIndex: 2, prevTerm: 2, taken: true },
    { prevIndex: 2, prevTerm: 1, taken: false },
    { prevIndex: 3, prevTerm: 2, taken: false },
  ])(
    'a log 1 2 takes entries after $prevTerm/$prevIndex: $taken',
    ({ prevIndex, prevTerm, taken }) => {
      const raft = start(diskWith([1, 2]));
      const [reply] = give(raft, append(2, prevIndex, prevTerm, []));
      expect(reply).toMatchObject({ type: 'appendReply', ok: taken });
    },
  );

  test.each([
    { name: 'a: misses one', log: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { name: 'b: misses many', log: [1, 1, 1, 4] },
    { name: 'c: has one too many', log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { name: 'd: has a term of its own', log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { name: 'e: stopped early in term 4', log: [1, 1, 1, 4, 4, 4, 4] },
    { name: 'f: two terms of its own', log: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ])('figure 7, $name: ends up with the log of the leader', ({ log }) => {
    const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const cluster = new Cluster([], { electionTicks: 10, heartbeatTicks: 1, seed: 1 });
    cluster.add('a', diskWith(leaderLog, 7));
    cluster.add('b', diskWith(log, 7));
    cluster.add('c', diskWith(leaderLog, 7));
    cluster.campaign('a');
    cluster.settle();
    expect(cluster.status('a').role).toBe('leader');
    const terms = cluster.member('b').disk.entries.map(({ term }) => term);
    expect(terms).toEqual([...leaderLog, 8]);
  });
});

describe('5.4 safety', () => {
  test.each([
    { mine: [1, 1], lastIndex: 2, lastTerm: 1, granted: true },
    { mine: [1, 1], lastIndex: 1, lastTerm: 1, granted: false },
    { mine: [1, 1], lastIndex: 1, lastTerm: 2, granted: true },
    { mine: [1, 2], lastIndex: 9, lastTerm: 1, granted: false },
    { mine: [], lastIndex: 0, lastTerm: 0, granted: true },
  ])(
    'a voter with log $mine asked by one with last $lastTerm/$lastIndex: $granted',
    ({ mine, lastIndex, lastTerm, granted }) => {
      const raft = start(diskWith(mine));
      const [reply] = give(raft, vote('c', 5, lastIndex, lastTerm));
      expect(reply).toMatchObject({ type: 'voteReply', granted });
    },
  );

  test('a leader never rewrites its own log', () => {
    const cluster = ledByA();
    const before = cluster.member('a').disk.entries;
    cluster.step('a', { type: 'propose', ref: 1, data: new Uint8Array([1]) });
    cluster.tickAll(30);
    expect(cluster.member('a').disk.entries.slice(0, before.length)).toEqual(before);
    expect(cluster.status('a').role).toBe('leader');
  });
});

describe('5.5 crashes', () => {
  test('a leader sends for ever to who does not answer, and entries taken twice count once', () => {
    const cluster = ledByA();
    cluster.crash('c');
    cluster.step('a', { type: 'propose', ref: 1, data: new Uint8Array([1]) });
    cluster.tickAll(100);
    cluster.start('c');
    cluster.tickAll(3);
    expect(cluster.member('c').state).toEqual(cluster.member('a').state);
  });
});

describe('8 clients', () => {
  test('a leader commits an empty entry at the start of its term', () => {
    const cluster = ledByA();
    expect(cluster.member('a').state).toMatchObject([{ term: 1, index: 1, type: 'noop' }]);
  });
});
