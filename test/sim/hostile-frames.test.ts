/**
 * Members get frames that no correct member sends, from strangers and from each other. None may throw or
 * end a process; only a conflict with what is committed does that (ADR 20). The cluster must go on.
 */

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import { EPOCH_MS, SimulatedCluster, type Host } from '../../src/io/sim/cluster.ts';
import { encodeFrame } from '../../src/io/node/wire.ts';
import type { Wire } from '../../src/commands/schema.ts';
import { decodeCanonical, encodeWire } from '../../src/log/codec.ts';
import { freezeStates } from '../../src/projections/transaction.ts';
import { CommittedConflict } from '../../src/raft/follower.ts';
import { alert, witness } from './cluster-by-hand.ts';
import {
  mutated,
  mutation,
  readdressed,
  type CapturedFrame,
  type Mutation,
} from './hostile-frames.ts';
import { CONFIG } from './runs.ts';

/** By the number of their kind: all that there are. */
const KINDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17];
const FRAMES_OF_A_KIND = 12;
const PATIENCE_MS = 300_000;

beforeAll(() => freezeStates(false));
afterAll(() => freezeStates(true));

/** A cluster at work, with what its members have said to each other, by the kind of frame. */
interface Scene {
  readonly cluster: SimulatedCluster;
  readonly frames: ReadonlyMap<number, readonly CapturedFrame[]>;
  readonly failures: Error[];
}

interface Attack {
  readonly kind: number;
  readonly which: number;
  readonly mutation: Mutation;
  /** To whom; by default to whom it was sent. */
  readonly to: number | null;
  readonly from: 'its sender' | 'another member' | 'a stranger';
  readonly pauseMs: number;
}

function attackFrom(...from: readonly Attack['from'][]): fc.Arbitrary<Attack> {
  return fc.record({
    kind: fc.constantFrom(...KINDS),
    which: fc.nat(FRAMES_OF_A_KIND - 1),
    mutation,
    to: fc.option(fc.nat(2)),
    from: fc.constantFrom(...from),
    pauseMs: fc.constantFrom(0, 0, 0, 1, 20, 300),
  });
}

describe('frames that no correct member sends', () => {
  test(
    'from a stranger change nothing: the leader leads on',
    { timeout: PATIENCE_MS },
    async () => {
      const attacks = fc.array(attackFrom('a stranger'), { minLength: 150, maxLength: 200 });
      await fc.assert(
        fc.asyncProperty(attacks, fc.nat(1_000), async (each, seed) => {
          const scene = await workingCluster(seed);
          const [before] = leadersOf(scene);
          await strike(scene, each);
          await scene.cluster.time.run(2_000);
          expect(scene.failures).toEqual([]);
          expect(leadersOf(scene)).toEqual([before]);
          await expectService(scene);
        }),
        { numRuns: 10 },
      );
    },
  );

  test(
    'from members end none of them, and the cluster serves on',
    { timeout: PATIENCE_MS },
    async () => {
      const attack = attackFrom('its sender', 'its sender', 'another member', 'a stranger');
      const attacks = fc.array(attack, { minLength: 150, maxLength: 200 });
      await fc.assert(
        fc.asyncProperty(attacks, fc.nat(1_000), async (each, seed) => {
          const scene = await workingCluster(seed);
          await strike(scene, each);
          await scene.cluster.time.run(30_000);
          for (const error of scene.failures) expect(error).toBeInstanceOf(CommittedConflict);
          // Whoever lied of what is committed may have made one of three a liar, and one cannot lead alone.
          if (scene.failures.length === 0) await expectService(scene);
        }),
        { numRuns: 20 },
      );
    },
  );

  test('that name the end of all time move no clock, and a node hears nothing from itself', async () => {
    const scene = await workingCluster(1);
    const { cluster } = scene;
    const leader = cluster.living().find(({ process }) => process?.node.isServing());
    const [follower] = cluster.living().filter((host) => host !== leader);
    if (leader === undefined || follower === undefined) throw new Error('somebody leads');
    const { nodeId } = leader;
    const incarnation = EPOCH_MS + leader.starts;
    const sender = { clusterId: 'cluster-1', nodeId, incarnation };
    const last = { kind: 'time' as const, at: 2 ** 47 - 1, offsetMs: 0 };
    for (const { nodeId: to, process } of [follower, leader]) {
      // What a correct member would not encode: the frame is changed afterwards.
      const [sound, wire] = [encodeFrame(sender, to, 0, last), 2 ** 47];
      const beyond = withLogTime(sound, wire);
      expect(process?.node.onFrame(nodeId, beyond, incarnation)?.isAbsurd).toBe(true);
      if (to === nodeId) {
        expect(process?.node.onFrame(nodeId, sound, incarnation)?.problem).toContain('itself');
      }
      expect(process?.node.time().at).toBeLessThan(EPOCH_MS + 86_400_000);
    }
    await expectService(scene);
  });

  test('are made of every kind of frame that there is', async () => {
    const { frames } = await workingCluster(1);
    expect([...frames.keys()].toSorted((a, b) => a - b)).toEqual(KINDS);
  });
});

function withLogTime(frame: Uint8Array, at: number): Uint8Array {
  const wire = decodeCanonical(frame) as Wire[];
  const [, offsetMs = 0] = wire[7] as Wire[];
  return encodeWire([...wire.slice(0, 7), [at, offsetMs]]);
}

async function strike(scene: Scene, attacks: readonly Attack[]): Promise<void> {
  const { time } = scene.cluster;
  for (const attack of attacks) {
    const { kind, which } = attack;
    const frames = scene.frames.get(kind) ?? [];
    const frame = frames[which % Math.max(1, frames.length)];
    if (frame !== undefined) deliver(scene, attack, frame);
    await time.run(attack.pauseMs);
  }
}

/** As the transport gives a frame to its node: with the node and the start that made the connection. */
function deliver({ cluster }: Scene, attack: Attack, frame: CapturedFrame): void {
  const hosts = [...cluster.hosts.values()];
  const to = attack.to === null ? frame.to : (hosts[attack.to]?.nodeId ?? frame.to);
  const target = hosts.find(({ nodeId }) => nodeId === to);
  const [from, incarnation] = connectionOf(attack, frame, hosts);
  // One in four leaves the names of those that really sent it, and to whom.
  const isAddressed = attack.which % 4 !== 0;
  const bytes = isAddressed ? readdressed(frame.bytes, [from, incarnation], to) : frame.bytes;
  const hostile = mutated(bytes, attack.mutation);
  expect(() => target?.process?.node.onFrame(from, hostile, incarnation)).not.toThrow();
}

function connectionOf(
  { from, which }: Attack,
  { bytes }: CapturedFrame,
  hosts: readonly Host[],
): readonly [node: string, incarnation: number] {
  const [, , sender, life] = decodeCanonical(bytes) as [number, string, string, number];
  if (from === 'a stranger') return ['n9', life];
  if (from === 'its sender') return [sender, life];
  return [hosts[which % hosts.length]?.nodeId ?? sender, life];
}

function leadersOf({ cluster }: Scene): readonly string[] {
  return cluster
    .living()
    .filter(({ process }) => process?.node.isServing())
    .map(({ name }) => name);
}

/** What a client pushes to any member is committed. */
async function expectService({ cluster }: Scene): Promise<void> {
  let isCommitted = false;
  const { node } = cluster.living()[0]?.process ?? {};
  void node?.propose([alert('afterwards')]).then(({ ok }) => {
    isCommitted = ok;
  });
  await cluster.time.run(10_000);
  expect(isCommitted).toBe(true);
}

/**
 * Three members; one came last and needed a snapshot, one was started again, all were asked for something, and
 * for a while none reached a receiver.
 */
async function workingCluster(seed: number): Promise<Scene> {
  const failures: Error[] = [];
  const frames = new Map<number, CapturedFrame[]>();
  const cluster = new SimulatedCluster(
    { seed, config: CONFIG, snapshotEntries: 20, segmentBytesMax: 1 << 14, founder: 2 },
    {
      digest: nodeDigest,
      localTimeIn,
      witness: witness({ failed: (_, error) => failures.push(error) }),
    },
  );
  const { network, time } = cluster;
  network.onSent = (to, frame) => {
    const [, , , , , , kind] = decodeCanonical(frame) as number[];
    const known = frames.get(kind ?? 0) ?? [];
    // The newest are of most use: they are of the term and the start that count.
    frames.set(kind ?? 0, [...known, { to, bytes: frame.slice() }].slice(-FRAMES_OF_A_KIND));
  };
  const founder = cluster.addHost('n1', true);
  await time.until(cluster.boot(founder));
  await time.run(500);
  for (let i = 0; i < 60; i++) {
    void founder.process?.node.propose([alert(`A${i}`)]);
    await time.run(20);
  }
  for (const name of ['n2', 'n3']) {
    const host = cluster.addHost(name);
    await time.until(cluster.admit(host, founder));
    await time.until(cluster.boot(host));
    await time.run(3_000);
  }
  const [second] = [...cluster.hosts.values()].slice(1);
  if (second === undefined) throw new Error('three members were started');
  cluster.kill(second);
  await time.until(cluster.boot(second));
  await time.run(2_000);
  for (const { process } of cluster.hosts.values()) {
    const { node } = process ?? {};
    for (let i = 0; i < 15; i++) {
      void node?.propose([alert(`B${i}`)]);
      await time.run(20);
    }
    void node?.changeMembership({ op: 'remove', node: 'n7' });
  }
  // A leader that reaches no receiver asks whether another member would.
  for (const host of cluster.hosts.values()) host.way = 'refused';
  await time.run(5_000);
  for (const host of cluster.hosts.values()) host.way = 'open';
  await time.run(3_000);
  return { cluster, frames, failures };
}
