/** Who did it: what is kept of what people did, for how long, and of what nothing is kept. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor } from '../../src/commands/actor.ts';
import { batchToWire, type Batch, type Command } from '../../src/commands/command.ts';
import { LIMITS } from '../../src/commands/limits.ts';
import type { SetSilence } from '../../src/commands/silences.ts';
import { auditEvents, oldestAudited, readableCommands } from '../../src/projections/audit.ts';
import { INITIAL_STATE } from '../../src/projections/initial.ts';
import { rowsOf } from '../../src/projections/pages.ts';
import { Projection } from '../../src/projections/projection.ts';
import { pagesOf, stateFrom } from '../../src/projections/snapshot-pages.ts';
import type { State } from '../../src/projections/state.ts';
import { batches } from '../commands/arbitraries.ts';
import { config } from '../support/scenario-config.ts';

const NOON = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const ANN: Actor = { kind: 'user', name: 'ann' };
const TOKEN: Actor = { kind: 'token', name: 'deploy' };

/** A state that folds by a version, and what is appended to it, one command in each entry. */
function folded(version: number, ...commands: readonly Command[]): State {
  const projection = new Projection({ ...INITIAL_STATE, reducers: { version } });
  for (const [i, command] of commands.entries()) {
    projection.apply(i + 1, { at: NOON + i, commands: [command] });
  }
  return projection.state;
}

const all = (state: State) => auditEvents(state, { before: Infinity, limit: Infinity });

function silence(freshId: string, over: Partial<SetSilence> = {}): SetSilence {
  return {
    kind: 'silence',
    id: '',
    freshId,
    matchers: [{ name: 'team', op: '=', value: 'web' }],
    startsAt: NOON,
    endsAt: NOON + HOUR_MS,
    createdBy: 'bob',
    comment: '',
    annotations: [],
    actor: ANN,
    ...over,
  };
}

const apply: Command = {
  kind: 'config',
  origin: 'tocsin.yml',
  source: '',
  externalUrl: null,
  config: config(),
  actor: { kind: 'signal', name: 'SIGHUP' },
};

describe('what people did', () => {
  it('is kept with who was proven to do it, beside who the client says made the silence', () => {
    const other = [{ name: 'team', op: '=', value: 'db' }] as const;
    const state = folded(
      3,
      apply,
      silence('s1'),
      silence('s2', { id: 's1', endsAt: NOON + 2 * HOUR_MS, actor: TOKEN }),
      silence('s3', { id: 's1', matchers: other, createdBy: 'eve' }),
      { kind: 'expireSilence', id: 's3', actor: TOKEN },
      { kind: 'admin', action: 'removeMember', subject: 'node-2', detail: 'b', actor: ANN },
    );

    const shown = all(state).map(({ action, actor, createdBy, index, number, subject }) => {
      return [number, index, action, subject, actor?.name, createdBy];
    });
    expect(shown).toEqual([
      [6, 6, 'removeMember', 'node-2', 'ann', null],
      [5, 5, 'expireSilence', 's3', 'deploy', 'eve'],
      [4, 4, 'updateSilence', 's1', 'ann', 'eve'],
      [3, 3, 'updateSilence', 's1', 'deploy', 'bob'],
      [2, 2, 'createSilence', 's1', 'ann', 'bob'],
      [1, 1, 'applyConfig', 'tocsin.yml', 'SIGHUP', null],
    ]);
    expect(all(state)[2]?.detail).toBe('replaced by s3');
    expect(state.silences.size).toBe(2);
  });

  it('is not kept where it took no effect: the silence was unknown, or over', () => {
    const state = folded(
      3,
      silence('s1'),
      silence('s2', { id: 'nobody' }),
      { kind: 'expireSilence', id: 'nobody', actor: ANN },
      { kind: 'expireSilence', id: 's1', actor: ANN },
      { kind: 'expireSilence', id: 's1', actor: TOKEN },
    );
    expect(all(state).map(({ action, index }) => [index, action])).toEqual([
      [4, 'expireSilence'],
      [1, 'createSilence'],
    ]);
  });

  it('is kept as done by nobody known where a command has no actor', () => {
    const { actor: _actor, ...anonymous } = silence('s1');
    expect(all(folded(3, anonymous))).toMatchObject([{ actor: null, createdBy: 'bob' }]);
  });

  it('has a text of a known length, whatever the client wrote', () => {
    const long = 'b'.repeat(LIMITS.auditText - 1);
    const [event] = all(folded(3, silence('s1', { createdBy: `${long}\u{1f600} and more` })));
    expect(event?.createdBy).toHaveLength(LIMITS.auditText);
    expect(event?.createdBy?.isWellFormed()).toBe(true);
  });

  it('is kept up to a number of events, the newest', () => {
    const projection = new Projection(folded(3, silence('s1')));
    const request = { action: 'acceptClock', subject: 'node-1', detail: '', actor: ANN } as const;
    const count = LIMITS.auditEvents + 10;
    const commands: Command[] = Array.from({ length: 1_000 }, () => ({
      kind: 'admin',
      ...request,
    }));
    for (let done = 1, index = 2; done < count; index++) {
      const part = commands.slice(0, Math.min(commands.length, count - done));
      projection.apply(index, { at: NOON + index, commands: part });
      done += part.length;
    }
    const { state } = projection;
    expect(state.facts.audited).toBe(count);
    expect([...rowsOf(state.audit)]).toHaveLength(LIMITS.auditEvents);
    expect(oldestAudited(state)).toBe(11);
    expect(all(state).at(0)?.number).toBe(count);
    expect(all(state).at(-1)?.number).toBe(11);
  });

  it('outlives a snapshot', () => {
    const state = folded(3, apply, silence('s1'), { kind: 'expireSilence', id: 's1', actor: ANN });
    expect(stateFrom([...pagesOf(state)])).toEqual(state);
  });

  it('is listed in pages that show each event once, whatever is asked for', () => {
    const state = folded(3, ...Array.from({ length: 40 }, (_, i) => silence(`s${i}`)));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 40 }), (limits) => {
        const seen: number[] = [];
        let before = Infinity;
        for (const limit of limits) {
          const events = auditEvents(state, { before, limit });
          seen.push(...events.map(({ number }) => number));
          before = events.at(-1)?.number ?? before;
        }
        expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => 40 - i));
      }),
    );
  });
});

describe('while members of an earlier build may be in the cluster', () => {
  /** The newest version of each tag that the build before reads. */
  const KNOWN = new Map([
    [1, 1],
    [2, 2],
    [3, 1],
    [4, 2],
    [5, 1],
    [6, 1],
    [7, 1],
    [8, 1],
    [9, 1],
    [10, 2],
    [11, 1],
    [12, 1],
    [13, 1],
    [14, 1],
  ]);

  it.each([1, 2])('by version %i nothing is written that they cannot read', (version) => {
    const state = { reducers: { version } };
    fc.assert(
      fc.property(batches, (batch: Batch) => {
        const commands = readableCommands(state, batch.commands);
        const wire = batchToWire({ ...batch, commands }) as [number, number, [number, number][]];
        for (const [tag, written] of wire[2]) {
          expect(written).toBeLessThanOrEqual(KNOWN.get(tag) ?? 0);
        }
      }),
    );
  });

  it('by version 3 everything is written as it was given', () => {
    fc.assert(
      fc.property(batches, ({ commands }: Batch) => {
        expect(readableCommands({ reducers: { version: 3 } }, commands)).toBe(commands);
      }),
    );
  });

  it.each([1, 2])('by version %i the fold is what it was: it keeps nothing', (version) => {
    const commands = [apply, silence('s1'), silence('s2', { id: 's1', actor: TOKEN })];
    const state = folded(version, ...commands);
    const anonymous = commands.flatMap((each) =>
      readableCommands({ reducers: { version } }, [each]),
    );
    expect(state).toEqual(folded(version, ...anonymous));
    expect(all(state)).toEqual([]);
    expect('audited' in state.facts).toBe(false);
    expect([...pagesOf(state)].some(({ path }) => path.startsWith('audit'))).toBe(false);
  });

  it('what was done before the switch is not invented after it', () => {
    const state = folded(
      2,
      silence('s1'),
      { kind: 'reducers', version: 3 },
      { kind: 'expireSilence', id: 's1', actor: TOKEN },
    );
    expect(all(state).map(({ action, index }) => [index, action])).toEqual([[3, 'expireSilence']]);
  });
});
