/** The bytes of a batch: what goes in comes out, equal batches are equal bytes, limits hold. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actorOf } from '../../src/commands/actor.ts';
import { COMMAND_KINDS, type Batch, type Command } from '../../src/commands/command.ts';
import type { Route } from '../../src/commands/config.ts';
import { LIMITS } from '../../src/commands/limits.ts';
import { MalformedCommand } from '../../src/commands/schema.ts';
import { decodeBatch, decodeCanonical, encodeBatch, encodeCanonical } from '../../src/log/codec.ts';
import { config, route } from '../support/scenario-config.ts';
import { batches, commandsOf, KINDS } from './arbitraries.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const clock: Command = { kind: 'clock' };

describe('a batch', () => {
  it('knows every kind of command', () => {
    expect([...COMMAND_KINDS].sort()).toEqual([...KINDS].sort());
  });

  it.each(KINDS)('with a command of kind %s comes back as it was', (kind) => {
    fc.assert(
      fc.property(commandsOf(kind), (command) => {
        const batch: Batch = { at: 1, commands: [command] };
        expect(decodeBatch(encodeBatch(batch))).toEqual(batch);
      }),
    );
  });

  it('has one encoding: after a round trip, and whatever the order of its keys', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const bytes = hex(encodeBatch(batch));
        expect(hex(encodeBatch(decodeBatch(encodeBatch(batch))))).toBe(bytes);
        expect(hex(encodeBatch(reversedKeys(batch) as Batch))).toBe(bytes);
      }),
    );
  });

  it('keeps its bytes when the next one is encoded', () => {
    const first = encodeBatch({ at: 1, commands: [clock] });
    const before = hex(first);
    encodeBatch({ at: 2, commands: [clock, clock] });
    expect(hex(first)).toBe(before);
  });

  it('is read wherever it lies in a larger buffer', () => {
    const batch: Batch = {
      at: 5,
      commands: [
        {
          kind: 'observe',
          source: 'a',
          names: ['x'],
          ids: Int32Array.of(-1, 3),
          values: Float64Array.of(0.5, 1e300),
        },
      ],
    };
    for (let offset = 0; offset < 9; offset++) {
      const frame = Buffer.concat([Buffer.alloc(offset), encodeBatch(batch), Buffer.alloc(3)]);
      expect(decodeBatch(frame.subarray(offset, frame.length - 3))).toEqual(batch);
    }
  });

  it('costs twelve bytes a reading', () => {
    const readings = (count: number): number =>
      encodeBatch({
        at: 1,
        commands: [
          {
            kind: 'observe',
            source: 'carbon',
            names: [],
            ids: new Int32Array(count),
            values: new Float64Array(count),
          },
        ],
      }).length;
    expect(readings(60_000) - readings(40_000)).toBe(20_000 * 12);
  });
});

describe('a command that has come to say more', () => {
  const labels = ['alertname', 'Down'];
  const alert = { labels, annotations: [], startsAt: 7, endsAt: 9, generatorUrl: '' };
  const fields = { id: '', freshId: 's-1', matchers: [], startsAt: 7, endsAt: 9, createdBy: 'a' };
  const said = { ...fields, comment: 'b', annotations: [] };
  const commands = (ms?: number): readonly Command[] => {
    const offset = ms === undefined ? {} : { offsetMs: ms };
    return [
      { kind: 'alerts', source: 'x', alerts: [alert], ...offset },
      { kind: 'silence', ...said, ...offset },
      { kind: 'lead', node: 'n1', previousAt: 5, ...(ms === undefined ? {} : { stepMs: ms }) },
    ];
  };
  // Written by the first build; a build of that time reads nothing else.
  const FIRST =
    '930101939302019' +
    '2a178919592a9616c6572746e616d65a4446f776e900709a0' +
    '93040198a0a3732d31900709a161a16290930a0192a26e3105';

  it('is written as before as long as it does not say it, to the byte', () => {
    expect(hex(encodeBatch({ at: 1, commands: commands() }))).toBe(FIRST);
    expect(hex(encodeBatch({ at: 1, commands: commands(0) }))).toBe(FIRST);
    expect(decodeBatch(Buffer.from(FIRST, 'hex'))).toEqual({ at: 1, commands: commands() });
  });

  it('is of its second version when it does, to the byte', () => {
    const bytes = encodeBatch({ at: 1, commands: commands(-300) });
    expect(hex(bytes)).toMatchInlineSnapshot(
      `"9301019393020293a178919592a9616c6572746e616d65a4446f776e900709a0d1fed493040299a0a3732d31900709a161a16290d1fed4930a0293a26e3105d1fed4"`,
    );
    expect(decodeBatch(bytes)).toEqual({ at: 1, commands: commands(-300) });
  });
});

describe('a command of which somebody is known to have given it', () => {
  const said = { freshId: 's-1', startsAt: 7, endsAt: 9, createdBy: 'a', comment: 'b' };
  const silence: Command = { kind: 'silence', id: '', matchers: [], annotations: [], ...said };
  const expire: Command = { kind: 'expireSilence', id: 's-1' };
  const model = config();
  const apply: Command = {
    kind: 'config',
    origin: 'a.yml',
    source: '',
    externalUrl: null,
    config: model,
  };
  const versions = (command: Command) => {
    const wire = decodeCanonical(encodeBatch({ at: 1, commands: [command] }));
    const [[tag, version, fields]] = (wire as readonly unknown[])[2] as [
      [number, number, readonly unknown[]],
    ];
    return { tag, version, fieldCount: fields.length };
  };
  const actor = { kind: 'user', name: 'ann' } as const;

  it('is written as before where nobody is known, so that earlier builds read it', () => {
    expect(versions(silence)).toEqual({ tag: 4, version: 1, fieldCount: 8 });
    expect(versions({ ...silence, actor: undefined })).toEqual(versions(silence));
    expect(versions({ ...silence, offsetMs: 5 })).toEqual({ tag: 4, version: 2, fieldCount: 9 });
    expect(versions(expire)).toEqual({ tag: 5, version: 1, fieldCount: 1 });
    expect(versions(apply)).toEqual({ tag: 3, version: 1, fieldCount: 4 });
  });

  it('is of the next version where somebody is, whether or not a clock was ahead', () => {
    expect(versions({ ...silence, actor })).toEqual({ tag: 4, version: 3, fieldCount: 10 });
    const both: Command = { ...silence, offsetMs: 5, actor };
    expect(versions(both)).toEqual({ tag: 4, version: 3, fieldCount: 10 });
    expect(versions({ ...expire, actor })).toEqual({ tag: 5, version: 2, fieldCount: 2 });
    expect(versions({ ...apply, actor })).toEqual({ tag: 3, version: 2, fieldCount: 5 });
  });

  it('keeps its bytes', () => {
    const commands: Command[] = [
      { ...expire, actor },
      { ...silence, actor },
      { kind: 'admin', action: 'removeMember', subject: 'n-2', detail: 'b', actor },
      { kind: 'admin', action: 'backup', subject: 'n-2', detail: '' },
    ];
    const bytes = encodeBatch({ at: 1, commands });
    expect(hex(bytes)).toMatchInlineSnapshot(
      `"9301019493050292a3732d3192a475736572a3616e6e9304039aa0a3732d31900709a161a162900092a475736572a3616e6e930f0194ac72656d6f76654d656d626572a36e2d32a16292a475736572a3616e6e930f0194a66261636b7570a36e2d32a0c0"`,
    );
    expect(decodeBatch(bytes)).toEqual({ at: 1, commands });
  });

  it('names one of the kinds of actors that there are, with a name that fits', () => {
    const encode = (given: object) => () =>
      encodeBatch({ at: 1, commands: [{ ...expire, actor: given as never }] });
    expect(encode({ kind: 'root', name: 'ann' })).toThrow('is none of user, token');
    const name = 'n'.repeat(LIMITS.actorName + 1);
    expect(encode({ kind: 'user', name })).toThrow(`at most ${LIMITS.actorName} fit`);
    expect(encode(actorOf('user', name))).not.toThrow();
    // A name that is cut in the middle of a character is still text.
    const split = `${'n'.repeat(LIMITS.actorName - 1)}\u{1f600}`;
    expect(encode(actorOf('user', split))).not.toThrow();
  });
});

/** The same data, every object's keys in the opposite order. */
function reversedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversedKeys);
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  const pairs = Object.entries(value).toReversed();
  return Object.fromEntries(pairs.map(([key, inner]) => [key, reversedKeys(inner)]));
}

describe('refused when it is encoded, by name and place', () => {
  const alert = { labels: [], annotations: [], startsAt: 0, endsAt: 0, generatorUrl: '' };
  const alerts = (...list: readonly object[]) =>
    ({ kind: 'alerts', source: 'x', alerts: list }) as unknown as Command;
  const readings = (
    ids: readonly number[],
    values: readonly number[],
    names: readonly string[] = [],
  ) =>
    ({
      kind: 'observe',
      source: 'x',
      names,
      ids: Int32Array.from(ids),
      values: Float64Array.from(values),
    }) as Command;
  const silence = (freshId: string) =>
    ({
      kind: 'silence',
      id: '',
      freshId,
      matchers: [],
      startsAt: 0,
      endsAt: 0,
    }) as unknown as Command;

  const member = (changed: object) =>
    ({
      kind: 'member',
      node: 'a',
      name: 'a',
      peer: '',
      http: '',
      version: '',
      reducersMax: 1,
      configHash: '',
      ...changed,
    }) as unknown as Command;

  it.each<[string, Command, string]>([
    ['a lone surrogate', alerts({ ...alert, generatorUrl: '\ud800' }), 'not valid Unicode'],
    [
      'a time before the epoch',
      alerts({ ...alert, startsAt: -1 }),
      'alerts[0].startsAt: is not a whole',
    ],
    [
      'a label in the second of two alerts',
      { ...alerts(alert), alerts: [alert, { ...alert, labels: ['job', '\ud800'] }] } as Command,
      'alerts.alerts[1].labels.job: is not valid Unicode',
    ],
    ['half a millisecond', alerts({ ...alert, endsAt: 0.5 }), 'endsAt: is not a whole number'],
    ['labels out of order', alerts({ ...alert, labels: ['b', '1', 'a', '1'] }), 'not sorted'],
    ['a label twice', alerts({ ...alert, labels: ['a', '1', 'a', '2'] }), 'a name twice'],
    ['a label without a name', alerts({ ...alert, labels: ['', '1'] }), 'without a name'],
    ['a label without a value', alerts({ ...alert, labels: ['a', ''] }), 'is empty'],
    ['half a label', alerts({ ...alert, labels: ['a'] }), 'not a list of names and values'],
    ['too many labels', alerts({ ...alert, labels: Array(514).fill('a') }), 'over 256 labels'],
    ['an endless label', alerts({ ...alert, labels: ['a', 'b'.repeat(65_537)] }), 'at most 65536'],
    ['a NaN', readings([1], [NaN]), 'observe.values[0]: is not a finite number'],
    ['an infinity', readings([1, 1], [1, -Infinity]), 'observe.values[1]: is not a finite number'],
    ['a name that is not there', readings([-2], [1], ['x']), 'observe.ids[0]: points at a name'],
    ['ids without values', readings([1, 2], [1]), '2 ids for 1 values'],
    ['an id that is no id', silence('__proto__'), 'freshId: is not an id'],
    ['no id at all', silence(''), 'freshId: is not an id'],
    ['a member without an id', member({ node: '' }), 'member.node: is not an id'],
    ['a member that can fold nothing', member({ reducersMax: 0 }), 'reducersMax: is not a whole'],
    ['a hash in capitals', member({ configHash: 'FF' }), 'is not up to 128 hexadecimal digits'],
    [
      'half a request',
      { kind: 'request', node: 'a', incarnation: 1, sequence: 0.5, settledBelow: 0 },
      'request.sequence: is not a whole number',
    ],
  ])('%s', (_name, command, message) => {
    expect(() => encodeBatch({ at: 0, commands: [command] })).toThrow(message);
    expect(() => encodeBatch({ at: 0, commands: [command] })).toThrow(MalformedCommand);
  });

  it('too many readings, too many commands, too many bytes', () => {
    const many = LIMITS.readingsPerCommand + 1;
    const command = readings(Array<number>(many).fill(0), Array<number>(many).fill(0));
    expect(() => encodeBatch({ at: 0, commands: [command] })).toThrow('over 65536 readings');

    const commands = Array<Command>(LIMITS.commandsPerBatch + 1).fill(clock);
    expect(() => encodeBatch({ at: 0, commands })).toThrow('over 4096 commands');

    const full = readings(Array<number>(65_536).fill(0), Array<number>(65_536).fill(0));
    const eleven = Array<Command>(11).fill(full);
    expect(() => encodeBatch({ at: 0, commands: eleven })).toThrow('at most 8388608 fit');
  });

  it('a route tree that is too deep', () => {
    const deep = (depth: number): Route => route({ routes: depth === 0 ? [] : [deep(depth - 1)] });
    const applied = (depth: number): Batch => ({
      at: 0,
      commands: [
        {
          kind: 'config',
          origin: '',
          source: '',
          externalUrl: null,
          config: config({ route: deep(depth) }),
        },
      ],
    });
    const deepest = applied(LIMITS.routeDepth - 1);
    expect(decodeBatch(encodeBatch(deepest))).toEqual(deepest);
    expect(() => encodeBatch(applied(LIMITS.routeDepth))).toThrow('nested over 32 deep');
    // The count of the depth is put back after a refusal.
    expect(decodeBatch(encodeBatch(deepest))).toEqual(deepest);
  });
});

describe('a page of state', () => {
  const plain = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.integer(),
      fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        tie('value'),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).value;

  it('comes back as it was, and has one encoding whatever the order of its keys', () => {
    fc.assert(
      fc.property(plain, (page) => {
        const bytes = encodeCanonical(page);
        expect(decodeCanonical(bytes)).toEqual(page);
        expect(hex(encodeCanonical(reversedKeys(page)))).toBe(hex(bytes));
      }),
    );
  });
});
