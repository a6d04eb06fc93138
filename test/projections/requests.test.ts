/** Inputs that a node hands to the leader again because no answer came: each takes effect once. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { LIMITS } from '../../src/commands/limits.ts';
import { encodeBatch } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { isDone } from '../../src/projections/requests.ts';
import { entries, get } from '../../src/projections/table.ts';
import { fold, pageBytes } from '../support/scenario-fold.ts';
import { Desk } from '../support/scenario.ts';

const NOON = 1_900_000_000_000;

const request = (sequence: number, settledBelow = 0, incarnation = 1, node = 'b'): Command => ({
  kind: 'request',
  node,
  incarnation,
  sequence,
  settledBelow,
});

/** Names that are new show in the table of series whether an input took effect. */
const input = (name: string): Command => ({
  kind: 'observe',
  source: 'carbon',
  names: [name],
  ids: Int32Array.of(-1),
  values: Float64Array.of(1),
});

const forget: Command = { kind: 'forgetMember', node: 'b' };

const member: Command = {
  kind: 'member',
  node: 'b',
  name: 'b',
  peer: '',
  http: '',
  version: '',
  reducersMax: 1,
  configHash: '',
};

/** The inputs that took effect. */
function taken(desk: Desk): readonly string[] {
  return Object.values(desk.state.series).flatMap((directory) =>
    Object.values(directory).flatMap((page) => Object.values(page)),
  );
}

function rowOf(desk: Desk, node = 'b') {
  return get(desk.state.requests, node);
}

describe('a request', () => {
  it('that comes twice, in one entry or in two, takes effect once', () => {
    const desk = new Desk({ config: null });
    desk.append(request(1), input('x'), request(1), input('y'));
    desk.append(request(1), input('z'));
    expect(taken(desk)).toEqual(['x']);
  });

  it('that comes twice takes nothing else with it: what is before it and behind the next one holds', () => {
    const desk = new Desk({ config: null }).append(request(1), input('x'));
    desk.append(input('own'), request(1), input('x2'), input('x3'), request(2), input('y'));
    expect(taken(desk)).toEqual(['x', 'own', 'y']);
  });

  it('overtaken by a later one takes effect, and then never again', () => {
    const desk = new Desk({ config: null });
    desk.append(request(5, 3), input('five')).append(request(3, 3), input('three'));
    desk.append(request(5, 3), input('again')).append(request(3, 3), input('again'));
    desk.append(request(4, 4), input('four'));
    expect(taken(desk)).toEqual(['five', 'three', 'four']);
    expect(rowOf(desk)).toEqual({ incarnation: 1, settledBelow: 6, applied: [] });
  });

  it('for which nobody waits any more is not taken up', () => {
    const desk = new Desk({ config: null }).append(request(9, 8), input('nine'));
    desk.append(request(7, 5), input('seven'));
    expect(taken(desk)).toEqual(['nine']);
    expect(rowOf(desk)).toEqual({ incarnation: 1, settledBelow: 8, applied: [9] });
  });

  it('of an earlier life of its node is not taken up; a new life counts anew', () => {
    const desk = new Desk({ config: null }).append(request(1, 1), input('first life'));
    desk.append(request(1, 1, 2), input('second life'));
    desk.append(request(2, 1, 1), input('late'));
    expect(taken(desk)).toEqual(['first life', 'second life']);
    expect(rowOf(desk)).toEqual({ incarnation: 2, settledBelow: 2, applied: [] });
  });

  it('for which nobody waits still tells of a new life, and that the earlier one is over', () => {
    const desk = new Desk({ config: null }).append(request(1, 1), input('first life'));
    desk.append(request(4, 5, 2), input('given up')).append(request(2, 1, 1), input('late'));
    expect(taken(desk)).toEqual(['first life']);
    expect(rowOf(desk)).toEqual({ incarnation: 2, settledBelow: 5, applied: [] });
  });

  it('of one node has nothing to do with the same number of another', () => {
    const desk = new Desk({ config: null });
    desk.append(request(1, 1, 1, 'b'), input('of b'), request(1, 1, 1, 'c'), input('of c'));
    expect(taken(desk)).toEqual(['of b', 'of c']);
  });

  it('says whether it is done: once folded, or once nobody waits for it', () => {
    const desk = new Desk({ config: null }).append(request(9, 8, 2), input('nine'));
    const done = (sequence: number, incarnation: number) =>
      isDone(rowOf(desk), { sequence, incarnation });
    expect([done(7, 2), done(8, 2), done(9, 2), done(10, 2)]).toEqual([true, false, true, false]);
    expect([done(99, 1), done(1, 3)]).toEqual([true, false]);
    expect(isDone(undefined, { sequence: 1, incarnation: 1 })).toBe(false);
  });

  it('that is a repetition changes nothing at all', () => {
    const desk = new Desk({ config: null }).append(request(4, 2), input('x'));
    const before = desk.state;
    desk.append(request(4, 2), input('y'));
    desk.append(request(4, 1), input('y'));
    expect(desk.state).toBe(before);
  });
});

describe('a node that asks much at once', () => {
  it('is remembered up to a bound, from which on its oldest request counts as done', () => {
    const desk = new Desk({ config: null });
    // Number 1 is under way all the time.
    const last = LIMITS.requestsRemembered + 1;
    for (let sequence = 2; sequence <= last; sequence++) desk.append(request(sequence, 1));
    expect(rowOf(desk)?.settledBelow).toBe(1);
    expect(rowOf(desk)?.applied).toHaveLength(LIMITS.requestsRemembered);

    desk.append(request(last + 2, 1));
    expect(rowOf(desk)).toEqual({ incarnation: 1, settledBelow: last + 1, applied: [last + 2] });
    desk.append(request(1, 1), input('too late')).append(request(last + 1, 1), input('in time'));
    expect(taken(desk)).toEqual(['in time']);
  });
});

describe('a node that is removed', () => {
  it('has its requests forgotten; what it still hands over takes effect and is not remembered', () => {
    const desk = new Desk({ config: null }).append(member).append(request(1), input('x'));
    desk.append(forget).append(request(2), input('y'));
    expect(taken(desk)).toEqual(['x', 'y']);
    expect([...entries(desk.state.requests)]).toEqual([]);
  });
});

describe('whoever counts what was folded', () => {
  const fresh = () => new Projection(INITIAL_STATE);

  it('is given the very batch when nothing in it is a repetition', () => {
    const projection = fresh();
    const batch = { at: NOON, commands: [input('x'), request(1), input('y')] };
    expect(projection.fold(1, batch).batch).toBe(batch);
  });

  it('is given the batch without repetitions', () => {
    const projection = fresh();
    projection.fold(1, { at: NOON, commands: [request(1)] });
    const lead: Command = { kind: 'lead', node: 'a', previousAt: 0 };
    const commands = [lead, request(1), input('x'), request(2), input('y'), request(1), input('z')];
    expect(projection.fold(2, { at: NOON, commands }).batch).toEqual({
      at: NOON,
      commands: [lead, commands[3], commands[4]],
    });
  });
});

describe('a log with repetitions', () => {
  const alert = (host: string): Command => ({
    kind: 'alerts',
    source: 'Prometheus',
    alerts: [
      {
        labels: labelsFrom([['host', host]]),
        annotations: [],
        startsAt: 0,
        endsAt: NOON + 60_000,
        generatorUrl: '',
      },
    ],
  });
  const commands = fc.array(fc.constantFrom(input('x'), input('y'), alert('a'), alert('b')), {
    minLength: 1,
    maxLength: 3,
  });
  const requests = fc.array(fc.tuple(fc.constantFrom('b', 'c'), commands), { minLength: 1 });

  it('folds to the state of a log without them', () => {
    fc.assert(
      fc.property(requests, fc.array(fc.tuple(fc.nat(), fc.nat())), (each, repetitions) => {
        const asked = each.map(([node, inner], i): readonly Command[] => [
          request(i + 1, 1, 1, node),
          ...inner,
        ]);
        const repeated = asked.map((bundle) => [...bundle]);
        for (const [what, where] of repetitions) {
          // A repetition comes after what it repeats, into any entry.
          const from = what % asked.length;
          const to = from + (where % (asked.length - from));
          repeated[to]?.push(...(asked[from] ?? []));
        }
        const log = (entries: readonly (readonly Command[])[]) =>
          entries.map((inner, i) => encodeBatch({ at: NOON + i, commands: inner }));
        const once = fold(log(asked)).state;
        expect(pageBytes(fold(log(repeated)).state)).toEqual(pageBytes(once));
      }),
    );
  });
});
