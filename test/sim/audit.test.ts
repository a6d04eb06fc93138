/** Who did it, in clusters whose leaders die, whose members join late, and whose builds differ. */

import { expect, test } from 'vitest';
import type { Command } from '../../src/commands/command.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { canRead } from '../../src/io/sim/builds.ts';
import { SimulatedCluster, type Host, type Witness } from '../../src/io/sim/cluster.ts';
import { auditEvents } from '../../src/projections/audit.ts';
import { witness } from './cluster-by-hand.ts';
import { CONFIG } from './runs.ts';

const ANN = { kind: 'user', name: 'ann' } as const;
const BOT = { kind: 'token', name: 'bot' } as const;
/** Places in the list of builds: the one before this, this one, and the one that wants its rules. */
const [BEFORE, THIS, NEXT] = [1, 2, 3];

test('what a follower is asked for is kept with who asked it, whoever leads and starts afterwards', async () => {
  const cluster = await threeMembers(THIS);
  const { time } = cluster;
  const [leader, asked, third] = inRoles(cluster);

  const made = await propose(cluster, asked, silence('s1'));
  const { nodeId } = third;
  const removed = await change(cluster, asked, { op: 'remove', node: nodeId, actor: BOT });
  expect([made, removed]).toMatchObject([{ ok: true }, { code: 'ok' }]);
  await time.run(3_000);
  const removal = ['removeMember', nodeId, 'bot'];
  const events = [removal, ['createSilence', 's1', 'ann']];
  expect(eventsOf(asked).slice(0, 2)).toEqual(events);

  // A machine that comes when the log does not reach back that far is sent a snapshot.
  for (let i = 0; i < 30; i++) await propose(cluster, leader, { kind: 'clock' });
  const late = cluster.addHost('n4');
  await time.until(cluster.admit(late, leader));
  await time.until(cluster.boot(late));
  await time.run(5_000);
  expect(late.process?.node.status().firstIndex).toBeGreaterThan(made.ok ? made.index : 0);
  expect(eventsOf(late).slice(0, 3)).toEqual([['addMember', late.nodeId, 'n4'], ...events]);

  cluster.removeHost(third);
  cluster.kill(leader);
  await time.run(5_000);
  const successor = asked.process?.node.isServing() === true ? late : asked;
  const moved = await change(cluster, asked, {
    op: 'transfer',
    node: successor.nodeId,
    actor: ANN,
  });
  expect(moved).toMatchObject({ code: 'ok' });
  await time.until(cluster.boot(leader));
  await time.run(5_000);
  const shown = [leader, asked, late].map((host) => eventsOf(host));
  expect(shown[0]?.slice(0, 4)).toEqual([
    ['transferLeadership', successor.nodeId, 'ann'],
    ['addMember', late.nodeId, 'n4'],
    ...events,
  ]);
  expect(shown).toEqual([shown[0], shown[0], shown[0]]);
});

test('while a member runs the build before, requests are served and it meets nothing that it cannot read', async () => {
  const met: Command[] = [];
  const cluster = await threeMembers(BEFORE, ({ build }, { batch }) => {
    met.push(...batch.commands.filter((command) => !canRead(build, command)));
  });
  for (const host of [...cluster.hosts.values()].slice(0, 2)) await upgrade(cluster, host, THIS);
  for (const host of cluster.living()) {
    const made = await propose(cluster, host, silence(`by-${host.name}`));
    const moved = await change(cluster, host, { op: 'transfer', node: null, actor: ANN });
    expect([made, moved]).toMatchObject([{ ok: true }, { code: 'ok' }]);
    await cluster.time.run(2_000);
  }
  expect(met).toEqual([]);
  for (const host of cluster.living()) {
    expect(host.process?.node.view().state.silences.size).toBe(3);
    expect(eventsOf(host)).toEqual([]);
  }

  // All are of this build, which does not want its rules: there is a way back.
  for (const host of cluster.hosts.values()) await upgrade(cluster, host, THIS);
  await propose(cluster, inRoles(cluster)[1], silence('still-nobody'));
  const [host] = cluster.hosts.values();
  if (host === undefined) throw new Error('no host');
  await upgrade(cluster, host, BEFORE);
  expect(met).toEqual([]);

  await upgrade(cluster, host, THIS);
  for (const each of cluster.hosts.values()) await upgrade(cluster, each, NEXT);
  await cluster.time.run(5_000);
  await propose(cluster, inRoles(cluster)[1], silence('known'));
  for (const each of cluster.living()) {
    expect(eventsOf(each)).toEqual([['createSilence', 'known', 'ann']]);
  }
});

/** What a host shows, the newest first: action, subject, name of the actor. */
function eventsOf({ process }: Host): readonly (readonly (string | undefined)[])[] {
  const state = process?.node.view().state;
  if (state === undefined) return [];
  const events = auditEvents(state, { before: Infinity, limit: 100 });
  return events.map(({ action, actor, subject }) => [action, subject, actor?.name]);
}

function silence(freshId: string): Command {
  return {
    kind: 'silence',
    id: '',
    freshId,
    matchers: [{ name: 'team', op: '=', value: 'web' }],
    startsAt: 0,
    endsAt: 4e12,
    createdBy: 'bob',
    comment: '',
    annotations: [],
    actor: ANN,
  };
}

async function propose(cluster: SimulatedCluster, { process }: Host, command: Command) {
  if (process === null) throw new Error('it does not run');
  return cluster.time.until(process.node.propose([command]));
}

type Change = Parameters<NonNullable<Host['process']>['node']['changeMembership']>[0];

async function change(cluster: SimulatedCluster, { process }: Host, asked: Change) {
  if (process === null) throw new Error('it does not run');
  return cluster.time.until(process.node.changeMembership(asked));
}

/** The leader and the others. */
function inRoles(cluster: SimulatedCluster): readonly [Host, Host, Host] {
  const living = cluster.living();
  const leader = living.find(({ process }) => process?.node.isServing() === true);
  const [asked, third] = living.filter((host) => host !== leader);
  if (leader === undefined || asked === undefined || third === undefined) {
    throw new Error('there are no three members with a leader');
  }
  return [leader, asked, third];
}

async function upgrade(cluster: SimulatedCluster, host: Host, build: number): Promise<void> {
  if (host.build === build) return;
  expect(cluster.mayInstall(host, build)).toBe(true);
  cluster.kill(host);
  cluster.install(host, build);
  await cluster.time.until(cluster.boot(host));
  await cluster.time.run(5_000);
}

async function threeMembers(
  founder: number,
  applied: Witness['applied'] = () => undefined,
): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster(
    { seed: 1, founder, config: CONFIG, snapshotEntries: 10, segmentBytesMax: 1 << 12 },
    { digest: nodeDigest, localTimeIn, witness: witness({ applied }) },
  );
  const { time } = cluster;
  const first = cluster.addHost('n1', true);
  await time.until(cluster.boot(first));
  await time.run(1_000);
  for (const name of ['n2', 'n3']) {
    const host = cluster.addHost(name);
    await time.until(cluster.admit(host, first));
    await time.until(cluster.boot(host));
    await time.run(1_000);
  }
  return cluster;
}
