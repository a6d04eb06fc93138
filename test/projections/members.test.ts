/** Who is in the cluster, who was removed from it, and by which rules it folds. */

import { describe, expect, it } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { LIMITS } from '../../src/commands/limits.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import {
  UnsupportedReducerVersion,
  REDUCERS_MAX,
  reducerVersionOf,
} from '../../src/projections/reducers.ts';
import { pagesOf, sizesOf, stateFrom } from '../../src/projections/snapshot-pages.ts';
import { entries, get } from '../../src/projections/table.ts';
import { isRemoved, membersOf } from '../../src/projections/views.ts';
import { pageBytes, reloaded } from '../support/scenario-fold.ts';
import { Desk } from '../support/scenario.ts';

const member = (node: string, changed: Partial<Extract<Command, { kind: 'member' }>> = {}) =>
  ({
    kind: 'member',
    node,
    name: `name-of-${node}`,
    peer: `${node}:9095`,
    http: `${node}:9093`,
    version: '0.1.0',
    reducersMax: 1,
    configHash: 'c0ffee',
    ...changed,
  }) satisfies Command;

const forget = (node: string): Command => ({ kind: 'forgetMember', node });

describe('a member', () => {
  it('is known by what it says of itself, and since when', () => {
    const desk = new Desk({ config: null }).at('1:00').append(member('a'));
    expect(membersOf(desk.state)).toEqual([
      {
        node: 'a',
        name: 'name-of-a',
        peer: 'a:9095',
        http: 'a:9093',
        version: '0.1.0',
        reducersMax: 1,
        configHash: 'c0ffee',
        since: desk.now,
        removed: false,
        removedAt: 0,
      },
    ]);
  });

  it('that moved or was upgraded says so, and is the same member since the same time', () => {
    const desk = new Desk({ config: null }).append(member('a'));
    const { now } = desk;
    desk.at('2:00').append(member('a', { peer: 'elsewhere:9095', version: '0.2.0' }));
    expect(membersOf(desk.state)).toMatchObject([
      { node: 'a', peer: 'elsewhere:9095', version: '0.2.0', since: now },
    ]);
  });

  it('is listed by name, and by id where two have the same name', () => {
    const desk = new Desk({ config: null });
    desk.append(member('c', { name: 'x' }), member('b', { name: 'z' }), member('a', { name: 'z' }));
    expect(membersOf(desk.state).map(({ node }) => node)).toEqual(['c', 'a', 'b']);
  });
});

describe('a member that is removed', () => {
  it('is listed no more, is recognised, and does not come back under its id', () => {
    const desk = new Desk({ config: null }).append(member('a'), member('b')).at('1:00');
    desk.append(forget('a')).append(member('a', { name: 'back again' }));
    expect(membersOf(desk.state).map(({ node }) => node)).toEqual(['b']);
    expect([isRemoved(desk.state, 'a'), isRemoved(desk.state, 'b')]).toEqual([true, false]);
    expect(get(desk.state.members, 'a')).toMatchObject({ name: 'name-of-a', removedAt: desk.now });
    expect(desk.timeline('ignored')).toEqual(['1:00 ignored member: a was removed for good']);
  });

  it('twice, or without ever having been one: nothing happens', () => {
    const desk = new Desk({ config: null }).append(member('a')).append(forget('a')).at('1:00');
    const before = desk.state;
    desk.append(forget('a'), forget('nobody'));
    expect(desk.state).toBe(before);
    expect(desk.timeline('ignored')).toEqual([
      '1:00 ignored forgetMember: a was removed before',
      '1:00 ignored forgetMember: there is no nobody',
    ]);
  });

  it('is one of many: the last ones are remembered', () => {
    const desk = new Desk({ config: null });
    const nodes = Array.from({ length: LIMITS.removedMembers + 2 }, (_, i) => `node-${i}`);
    for (const node of nodes) desk.append(member(node)).wait('1s').append(forget(node));
    desk.append(member('stays'));
    expect(nodes.filter((node) => !isRemoved(desk.state, node))).toEqual(['node-0', 'node-1']);
    expect(desk.state.members.size).toBe(LIMITS.removedMembers + 1);
  });
});

describe('many members that are removed in one entry', () => {
  it('are forgotten by their ids, whatever their order', () => {
    const desk = new Desk({ config: null });
    const nodes = Array.from({ length: LIMITS.removedMembers + 1 }, (_, i) => `node-${100 + i}`);
    desk.append(...nodes.map((node) => member(node))).append(...nodes.toReversed().map(forget));
    expect(nodes.filter((node) => !isRemoved(desk.state, node))).toEqual([nodes.at(-1)]);
  });
});

describe('the version of the fold', () => {
  it('is the first one until the log says otherwise', () => {
    expect(reducerVersionOf(INITIAL_STATE)).toBe(1);
    const desk = new Desk({ config: null });
    const before = desk.state;
    desk.append({ kind: 'reducers', version: 1 });
    expect(desk.state).toBe(before);
  });

  it('that this build does not have stops the fold at the entry that asks for it, and changes nothing', () => {
    const projection = new Projection(INITIAL_STATE);
    const commands: readonly Command[] = [
      member('a'),
      { kind: 'reducers', version: REDUCERS_MAX + 1 },
    ];
    const folding = () => projection.fold(17, { at: 1, commands });
    expect(folding).toThrow(UnsupportedReducerVersion);
    expect(folding).toThrow(
      `entry 17 of the log switches to version ${REDUCERS_MAX + 1} of the fold, and this build has ` +
        `version ${REDUCERS_MAX}: start a newer build`,
    );
    expect(projection.state).toBe(INITIAL_STATE);
  });

  it('only rises, by the rules that a build has', () => {
    const next = { reducersMax: 2, reducersWanted: 1 };
    const projection = new Projection(INITIAL_STATE, next);
    projection.fold(1, { at: 1, commands: [{ kind: 'reducers', version: 2 }] });
    const { state } = projection;
    expect(reducerVersionOf(state)).toBe(2);
    projection.fold(2, { at: 1, commands: [{ kind: 'reducers', version: 1 }] });
    expect(projection.state).toBe(state);
    const beyond = () =>
      projection.fold(3, { at: 1, commands: [{ kind: 'reducers', version: 3 }] });
    expect(beyond).toThrow('version 3 of the fold, and this build has version 2');
  });
});

describe('a snapshot', () => {
  it('brings members, requests and the version back', () => {
    const desk = new Desk({ config: null }).append(member('a'), member('b'));
    desk.append({ kind: 'request', node: 'b', incarnation: 3, sequence: 9, settledBelow: 4 });
    desk.append(forget('a'));
    const state = { ...desk.state, reducers: { version: 2 } };
    const again = reloaded(state);
    expect(again).toEqual(state);
    expect(pageBytes(again)).toEqual(pageBytes(state));
    expect(sizesOf(again)).toMatchObject({ members: 2, requests: 1 });
  });

  it('of a build that knew none of them is loaded with none, and has the same pages', () => {
    const desk = new Desk().push({ alertname: 'Down' }, { until: '23:00:00' }).at('1:00');
    const pages = [...pagesOf(desk.state)];
    expect(pages.filter(({ path }) => /^(?:members|requests|reducers)/.test(path))).toEqual([]);
    const again = stateFrom(pages);
    expect([...entries(again.members), ...entries(again.requests)]).toEqual([]);
    expect(reducerVersionOf(again)).toBe(1);
    expect(Object.keys(sizesOf(again))).not.toContain('members');
  });
});
