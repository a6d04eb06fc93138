/**
 * Laws of the fold, for random histories. Every history also passes the numbered invariants of
 * test/support/scenario-invariants.ts after each of its entries.
 */

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { decodeBatch, encodeBatch } from '../../src/log/codec.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { Projection } from '../../src/projections/projection.ts';
import { sizesOf, stateFrom } from '../../src/projections/snapshot-pages.ts';
import { check, config } from '../support/scenario-config.ts';
import { fold, pageBytes, reloaded } from '../support/scenario-fold.ts';
import { calm, histories, people, play, rules, trouble } from '../support/scenario-histories.ts';
import { Desk } from '../support/scenario.ts';

const anyHistory = histories(calm, people, rules, trouble);

describe('the same log gives the same state', () => {
  it('page for page, however often it is folded', () => {
    fc.assert(
      fc.property(anyHistory, (actions) => {
        const desk = play(actions);
        expect(pageBytes(fold(desk.log).state)).toEqual(pageBytes(desk.state));
      }),
      { numRuns: 60 },
    );
  });

  it('page for page, when a snapshot is taken and loaded at any entry', () => {
    fc.assert(
      fc.property(anyHistory, fc.nat(), (actions, at) => {
        const { log, state } = play(actions);
        const cut = at % (log.length + 1);
        const base = reloaded(fold(log.slice(0, cut)).state);
        expect(pageBytes(fold(log, cut, base).state)).toEqual(pageBytes(state));
      }),
      { numRuns: 100 },
    );
  });

  it('page for page, in a process that has remembered nothing', async () => {
    const { log, state } = play(fc.sample(anyHistory, { numRuns: 20, seed: 7 }).flat());
    vi.resetModules();
    const fresh = await import('../support/scenario-fold.ts');
    expect(fresh.fold).not.toBe(fold);
    expect(fresh.pageBytes(fresh.fold(log).state)).toEqual(pageBytes(state));
  });

  it('when two histories go on from one state: neither leaves a trace in the other', () => {
    const watching = config({ checks: [check({ series: 'servers.*.cpu' })] });
    const base = new Desk({ config: watching }).state;
    const readings = (name: string): Uint8Array =>
      encodeBatch({
        at: 1_900_000_000_000,
        commands: [
          {
            kind: 'observe',
            source: 'carbon',
            names: [name],
            ids: Int32Array.of(-1),
            values: Float64Array.of(99),
          },
        ],
      });
    // Both names get the id 0, and only one of them is watched.
    fold([readings('something.else')], 0, base);
    expect(fold([readings('servers.a.cpu')], 0, base).state.alerts.size).toBe(1);
  });
});

describe('the state', () => {
  it('is put together again from its pages, sizes and all', () => {
    fc.assert(
      fc.property(anyHistory, (actions) => {
        const { state } = play(actions);
        const again = reloaded(state);
        expect(again).toEqual(state);
        expect(sizesOf(again)).toEqual(sizesOf(state));
      }),
      { numRuns: 30 },
    );
  });

  it.each(['alerts', 'alerts/1', 'nonsense', 'foldTimers', 'config/1', ''])(
    'has no place for a page called %o',
    (path) => {
      expect(() => stateFrom([{ path, page: {} }])).toThrow(`page ${path} belongs to no part`);
    },
  );

  it('is frozen through and through, and so a fold cannot change what it was given', () => {
    fc.assert(
      fc.property(anyHistory, (actions) => {
        expectFrozen(play(actions).state, 'state');
      }),
      { numRuns: 20 },
    );
  });

  it('folding changes no command', () => {
    fc.assert(
      fc.property(anyHistory, (actions) => {
        const projection = new Projection(INITIAL_STATE);
        play(actions).log.forEach((bytes, i) => {
          const batch = decodeBatch(bytes);
          projection.apply(i + 1, batch);
          expect(Buffer.from(encodeBatch(batch))).toEqual(Buffer.from(bytes));
        });
      }),
      { numRuns: 20 },
    );
  });
});

describe('readings', () => {
  const reading = fc.tuple(
    fc.constantFrom('servers.a.cpu', 'servers.b.cpu', 'x', 'y'),
    fc.constantFrom(10, 50, 85, 95),
  );

  it('of one time give the same state in one batch or in many', () => {
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 30 }), fc.array(fc.nat(4)), (readings, sizes) => {
        const model = config({
          checks: [
            check({ above: 90, recover: 80, for: '1m' }),
            check({ name: 'Low', below: 20 }),
            check({ name: 'Silent', missing: '10m' }),
          ],
        });
        const joined = new Desk({ config: model });
        joined.commit(observation(joined, readings));
        const split = new Desk({ config: model });
        let rest = readings;
        for (const size of [...sizes, readings.length]) {
          split.commit(observation(split, rest.slice(0, size)));
          rest = rest.slice(size);
        }
        expect(pageBytes(split.state)).toEqual(pageBytes(joined.state));
      }),
    );
  });

  it('that change nothing give back the very same state', () => {
    const desk = new Desk({
      config: config({
        checks: [check({ above: 90, recover: 80 }), check({ name: 'N', missing: '10m' })],
      }),
    });
    desk.readings({ 'servers.a.cpu': 95, 'servers.b.cpu': 50, other: 1 }).at('0:40');
    const before = desk.state;
    desk.readings({ 'servers.a.cpu': 85, 'servers.b.cpu': 89, other: 1e9 });
    expect(desk.state).toBe(before);
  });

  it('of an id that was never given out change nothing', () => {
    const desk = new Desk({ config: config({ checks: [check({ series: '*' })] }) });
    const before = desk.state;
    desk.append({
      kind: 'observe',
      source: 'carbon',
      names: [],
      ids: Int32Array.of(0, 7, 2_147_483_647),
      values: Float64Array.of(99, 99, 99),
    });
    expect(desk.state).toBe(before);
  });

  it('write one page, whatever the number of series', () => {
    const desk = new Desk({
      config: config({ checks: [check({ series: 's.*', above: 90, for: '1h' })] }),
    });
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`s.${i}`, 95]));
    desk.readings(many);
    const before = desk.state;
    desk.reading('s.3000', 50);
    const changed = Object.entries(desk.state.breaches[0] ?? {}).filter(
      ([page, rows]) => rows !== before.breaches[0]?.[Number(page)],
    );
    expect(changed.map(([page]) => page)).toEqual(['2']);
    expect(desk.state.series).toBe(before.series);
  });
});

function observation(desk: Desk, readings: readonly (readonly [string, number])[]): Command {
  const known = new Map<string, number>();
  for (const directory of Object.values(desk.state.series)) {
    for (const page of Object.values(directory)) {
      for (const [id, name] of Object.entries(page)) known.set(name, Number(id));
    }
  }
  const names = [...new Set(readings.map(([name]) => name))].filter((name) => !known.has(name));
  return {
    kind: 'observe',
    source: 'carbon',
    names,
    ids: Int32Array.from(readings.map(([name]) => known.get(name) ?? -1 - names.indexOf(name))),
    values: Float64Array.from(readings.map(([, value]) => value)),
  };
}

function expectFrozen(value: unknown, where: string): void {
  if (value === null || typeof value !== 'object') return;
  if (!Object.isFrozen(value)) throw new Error(`${where} is not frozen`);
  for (const [key, inner] of Object.entries(value)) expectFrozen(inner, `${where}.${key}`);
}
