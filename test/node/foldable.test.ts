/** Commands that fit their schema and cannot be folded: they must not reach the log. */

import { describe, expect, test } from 'vitest';
import type { ApplyConfig } from '../../src/commands/config.ts';
import type { Command } from '../../src/commands/command.ts';
import { check, config, inhibit, route } from '../support/scenario-config.ts';
import { World } from './world.ts';

function applied(model: Parameters<typeof config>[0]): ApplyConfig {
  return {
    kind: 'config',
    origin: 'tocsin.yml',
    source: '',
    externalUrl: null,
    config: config(model),
  };
}

const UNFOLDABLE: readonly (readonly [string, Command])[] = [
  ['a check whose series pattern is no glob', applied({ checks: [check({ series: 'a.[' })] })],
  [
    'a route whose expression does not compile',
    applied({ route: route({ routes: [route({ when: ['team=~"("'] })] }) }),
  ],
  [
    'an inhibition rule whose expression does not compile',
    applied({ inhibitRules: [inhibit('team=~"("', 'team="a"')] }),
  ],
  [
    'a silence whose expression does not compile',
    {
      kind: 'silence',
      id: '',
      freshId: '11111111-1111-4111-8111-111111111111',
      matchers: [{ name: 'team', op: '!~', value: '(' }],
      startsAt: 0,
      endsAt: 4_000_000_000_000,
      createdBy: 'an operator',
      comment: 'maintenance',
      annotations: [],
    },
  ],
  ['a version of the fold that this build does not have', { kind: 'reducers', version: 99 }],
];

describe('a command that fits its schema and cannot be folded', () => {
  test.each(UNFOLDABLE)('%s is refused, and the node runs on', async (_title, command) => {
    const world = await new World().start();
    await world.propose(world.observe({ 'servers.a.cpu': 1 }));
    const last = (await world.entries()).length;

    expect(await world.propose(command)).toMatchObject({ ok: false, code: 'malformed' });
    expect(world.process.failures).toEqual([]);
    expect((await world.entries()).slice(last)).toEqual([]);

    await world.kill().start();
    expect(await world.propose(world.observe({ 'servers.a.cpu': 2 }))).toMatchObject({ ok: true });
    expect(world.process.failures).toEqual([]);
  });

  test('costs none of the commands that were proposed with it', async () => {
    const world = await new World().start();
    const bad = world.node.propose([UNFOLDABLE[0]?.[1] as Command]);
    const good = world.node.propose([world.observe({ 'servers.a.cpu': 1 })]);
    expect(await world.time.until(bad)).toMatchObject({ ok: false, code: 'malformed' });
    expect(await world.time.until(good)).toMatchObject({ ok: true });
  });
});
