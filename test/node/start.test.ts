/** How a node alone begins, and begins again. */

import { describe, expect, test } from 'vitest';
import { REDUCERS_MAX } from '../../src/projections/reducers.ts';
import { check, config } from '../support/scenario-config.ts';
import { START, World } from './world.ts';

describe('a node alone', () => {
  test('elects itself at once, says that it leads, and applies its configuration once', async () => {
    const world = await new World().start();

    expect(world.text()).toBe('0:00');
    expect(world.node.status()).toMatchObject({ role: 'leader', leader: 'n1', term: 2 });
    const [founding, noop, first, ...others] = await world.entries();
    // Nobody was elected to found the cluster: the term of a founder comes before all elections.
    expect(founding).toMatchObject({ index: 1, term: 1, type: 'config', voters: ['node-1'] });
    expect(noop).toMatchObject({ index: 2, term: 2, type: 'noop' });
    expect(first).toMatchObject({ index: 3, term: 2, at: START });
    expect(first?.kinds).toEqual(['lead', 'reducers', 'config', 'member']);
    expect(first?.commands[0]).toEqual({ kind: 'lead', node: 'n1', previousAt: 0 });
    expect(first?.commands[1]).toEqual({ kind: 'reducers', version: REDUCERS_MAX });
    expect(first?.commands[3]).toMatchObject({ node: 'node-1', name: 'n1', peer: 'n1:9094' });
    expect(others).toEqual([]);
  });

  test('is not ready before its configuration is applied', async () => {
    const world = new World().trouble({ takesMs: ({ kind }) => (kind === 'sync' ? 10 : 0) });
    await world.boot();
    expect(world.node.ready()).toBe(false);
    // The vote, the empty entry of the term, then the configuration: four syncs.
    await world.wait('39ms');
    expect(world.node.ready()).toBe(false);
    await world.wait('1ms');
    expect(world.node.ready()).toBe(true);
  });

  test('takes what comes before it leads, and answers once it does', async () => {
    const world = new World().trouble({ takesMs: () => 20 });
    await world.boot();
    const early = world.node.propose([world.observe({ 'servers.a.cpu': 1 })]);
    expect(world.node.status().role).not.toBe('leader');
    expect(await world.time.until(early)).toMatchObject({ ok: true, index: 4 });
  });

  test('does not apply an unchanged configuration again after a restart', async () => {
    const world = await new World().start();
    await world.wait('1h');
    await world.kill().start();

    const [, second] = await world.entries(4);
    expect(second).toMatchObject({ kinds: ['lead'], term: 3, at: START + 3_600_000 });
    expect(second?.commands[0]).toMatchObject({ previousAt: START });
    expect(world.state.config?.index).toBe(3);
  });

  test('applies a configuration that changed meanwhile in the entry that says it leads', async () => {
    const world = await new World().start();
    world.config = config({ checks: [check()] });
    await world.kill().start();

    const entries = await world.entries(4);
    // The member goes with it, since what it says of its file has changed as well.
    expect(entries.map(({ kinds }) => kinds)).toEqual([[], ['lead', 'config', 'member']]);
    expect(world.state.config?.command.config.checks).toHaveLength(1);
  });

  test('says of a clean stop and start what it says of a crash, and folds nothing twice', async () => {
    const world = await new World().start();
    await world.push({ alertname: 'Down' });
    await world.stop();
    expect(world.snapshots.indexes()).toEqual([4]);

    world.transitions.length = 0;
    await world.start();
    expect(world.transitions).toEqual([]);
    expect(world.state.alerts.size).toBe(1);
    expect(world.node.status()).toMatchObject({ snapshotIndex: 4, firstIndex: 1, lastIndex: 6 });
  });
});
