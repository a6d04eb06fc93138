/** Traces are read by people at night: one line each, with what matters. */

import { expect, test } from 'vitest';
import { EMPTY_CONFIG } from '../../src/raft/confchange.ts';
import {
  describeConfig,
  describeEffect,
  describeEntries,
  describeInput,
  describeMessage,
} from '../../src/raft/describe.ts';
import type { Entry, Input } from '../../src/raft/types.ts';

const entries: Entry[] = [1, 2, 3].map((index) => {
  return { term: 2, index, type: index === 3 ? 'config' : 'command', data: new Uint8Array(4) };
});

test('a message says who, to whom, what, and in which term', () => {
  const message = {
    type: 'append',
    from: 'a',
    to: 'b',
    term: 2,
    prevIndex: 0,
    prevTerm: 0,
    entries,
    commit: 1,
  } as const;
  const line = 'a→b append term 2 after 0/0 command+config 2/1..2/3 commit 1';
  expect(describeMessage(message)).toBe(line);
  expect(describeInput({ type: 'message', message })).toBe(line);
  expect(describeEffect({ type: 'send', messages: [message, message] })).toBe(
    `send ${line}\nsend ${line}`,
  );
});

test.each<[Input, string]>([
  [{ type: 'tick' }, 'tick'],
  [{ type: 'propose', ref: 7, data: new Uint8Array(3) }, 'propose ref 7, 3 bytes'],
  [{ type: 'readIndex', ref: 7 }, 'readIndex ref 7'],
  [{ type: 'transfer', ref: 7 }, 'transfer ref 7 to anyone'],
  [
    { type: 'confChange', ref: 7, changes: [{ op: 'join', node: 'd' }], expectedIndex: 4 },
    'confChange ref 7 on 4: join d',
  ],
  [
    { type: 'confChange', ref: 7, changes: [], expectedIndex: 4 },
    'confChange ref 7 on 4: leave joint',
  ],
  [{ type: 'persisted', id: 9 }, 'persisted #9'],
  [{ type: 'applied', index: 9 }, 'applied 9'],
  [{ type: 'entriesRead', id: 9, entries: [] }, 'entriesRead #9 no entries'],
  [
    { type: 'snapshotProgress', to: 'b', index: 5, done: 1, total: 3 },
    'snapshotProgress 5 to b: 1 of 3',
  ],
  [{ type: 'snapshotSent', to: 'b', index: 5, ok: false }, 'snapshotSent 5 to b: broke off'],
  [{ type: 'unreachable', to: 'b' }, 'unreachable b'],
])('the input %o reads "%s"', (input, line) => {
  expect(describeInput(input)).toBe(line);
});

test('a range of entries shows its ends, a single one itself, none that there is none', () => {
  expect(describeEntries(entries)).toBe('command+config 2/1..2/3');
  expect(describeEntries(entries.slice(2))).toBe('config 2/3');
  expect(describeEntries([])).toBe('no entries');
});

test('a configuration leaves out what is empty', () => {
  expect(describeConfig(EMPTY_CONFIG)).toBe('voters none');
  const joint = { ...EMPTY_CONFIG, voters: ['a', 'd'], votersOutgoing: ['a'], autoLeave: true };
  expect(describeConfig(joint)).toBe('voters a d, outgoing a, leaves by itself');
});
