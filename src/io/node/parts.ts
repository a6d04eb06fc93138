/**
 * Makes the parts of a node and connects them. The parts refer to each other: one that is made later is
 * called through a closure, and nothing is called before all are made.
 */

import type { Command } from '../../commands/command.ts';
import { readableCommands } from '../../projections/audit.ts';
import { THIS_BUILD } from '../../projections/reducers.ts';
import type { State } from '../../projections/state.ts';
import type { NodeId } from '../../raft/types.ts';
import type { Proposed } from '../ports.ts';
import { Announcement } from './announcement.ts';
import { CatchUp } from './catch-up.ts';
import { ClusterView } from './cluster-view.ts';
import { Decider } from './decider.ts';
import { EffectHandler } from './effects.ts';
import { FitnessWatch } from './fitness-watch.ts';
import { Housekeeping } from './housekeeping.ts';
import { IncomingFrames } from './incoming-frames.ts';
import { LatestSnapshot } from './latest-snapshot.ts';
import { Leadership } from './leadership.ts';
import { LogTimeKeeper } from './log-time.ts';
import { LostData } from './lost-data.ts';
import { Membership } from './membership.ts';
import type { NodeModules, NodeOptions } from './options.ts';
import { Peers } from './peers.ts';
import { Proposer, type LeadershipView } from './proposer.ts';
import { RaftDriver } from './raft-driver.ts';
import { ReceiverProbes } from './receiver-probes.ts';
import type { StartPoint } from './restore.ts';
import { RollbackCheck } from './rollback-check.ts';
import { Sender } from './sender.ts';
import { StateMachine } from './state-machine.ts';
import type { Frame } from './wire.ts';

/** The course of the node, as its parts see it. */
export interface NodeCourse extends Pick<LeadershipView, 'refusal' | 'tick'> {
  /** Whether the node neither stops nor has failed. */
  readonly isRunning: () => boolean;
  /** Whether the node has stopped or failed: consensus is not stepped any more. */
  readonly isHalted: () => boolean;
  readonly fail: (error: Error) => void;
}

export interface NodeParts {
  readonly raft: RaftDriver;
  readonly machine: StateMachine;
  readonly cluster: ClusterView;
  readonly peers: Peers;
  readonly logTime: LogTimeKeeper;
  readonly proposer: Proposer;
  readonly sender: Sender;
  readonly decider: Decider;
  readonly housekeeping: Housekeeping;
  readonly latestSnapshot: LatestSnapshot;
  readonly catchUp: CatchUp;
  readonly membership: Membership;
  readonly rollbackCheck: RollbackCheck;
  readonly fitness: FitnessWatch;
  readonly announcement: Announcement;
  readonly leadership: Leadership;
  readonly incoming: IncomingFrames;
  /** Proposes commands, as far as every member can read them. */
  readonly propose: (commands: readonly Command[]) => Promise<Proposed>;
}

export function makeParts(
  options: NodeOptions,
  modules: NodeModules,
  {
    start,
    snapshot,
  }: {
    readonly start: StartPoint;
    readonly snapshot: { readonly index: number; readonly root: string };
  },
  course: NodeCourse,
): NodeParts {
  const { clock, log, transport } = modules;
  const { nodeId } = log.identity;
  const { incarnation, name } = options;
  const build = options.build ?? THIS_BUILD;
  const { fail: onFailure } = course;
  const state = (): State => machine.state;
  const proposeOwn = (commands: readonly Command[]): Promise<Proposed> =>
    proposer.proposeOwn(commands);
  const machine: StateMachine = new StateMachine(build, start, {
    ...modules,
    advanceTo: (at) => logTime.clock.advanceTo(at),
  });
  const raft: RaftDriver = new RaftDriver(start.restored, {
    ...modules,
    handle: (effect) => effects.handle(effect),
    pointOf: (index) => effects.pointOf(index),
    isHalted: course.isHalted,
    onFailure,
  });
  const step = raft.step.bind(raft);
  const cluster: ClusterView = new ClusterView(
    { nodeId, name },
    {
      ...modules,
      raft,
      state,
      appliedIndex: () => machine.appliedIndex,
      addresses: () => membership.others(),
    },
  );
  const isKnown = (node: NodeId): boolean => node === leadership.leader || cluster.isKnown(node);
  const self = { ...log.identity, incarnation };
  const peers = new Peers(self, { ...modules, isKnown });
  const logTime: LogTimeKeeper = new LogTimeKeeper(name, start.appliedAt, {
    ...modules,
    peers,
    cluster,
    state,
    step,
    proposeOwn,
  });
  const proposer: Proposer = new Proposer(self, {
    clock,
    build,
    gapDetector: logTime.gaps,
    offsetMs: () => logTime.clientOffsetMs(),
    leadership: {
      refusal: course.refusal,
      isLeader: () => leadership.isLeader(),
      isLeading: () => leadership.isLeading(),
      leader: () => leadership.leader,
      isCluster: () => cluster.isCluster(),
      tick: course.tick,
    },
    step,
    newRef: () => raft.newRef(),
    send: (to, frame, channel) => peers.send(to, frame, channel),
  });
  const propose = (commands: readonly Command[]): Promise<Proposed> =>
    proposer.propose(readableCommands(machine.state, commands));
  /** Records what became of a try, here or through the member that leads by now. */
  const report = async (outcome: Command): Promise<void> => {
    const result = await proposer.proposeOwn([outcome]);
    if (!result.ok && result.code !== 'stopping') await propose([outcome]);
  };
  const probes = new ReceiverProbes({ ...modules, state });
  const sender = new Sender(
    { node: name, clusterId: log.identity.clusterId, externalUrl: options.externalUrl },
    {
      ...modules,
      state,
      confirmLeadership: () => leadership.confirm(),
      report: (outcome) => void report(outcome),
      onConnect: (integration, isConnected) => probes.note(integration, isConnected),
    },
  );
  const decider = new Decider(
    { node: options.name, senders: new Set(modules.notifiers.keys()) },
    {
      ...modules,
      state,
      sender,
      // Calendars are those of people.
      localTimeIn: (at, zone) => modules.localTimeIn(at + logTime.clock.offsetMs(), zone),
      appliedAt: () => machine.appliedAt,
      now: () => logTime.clock.now(),
      propose: proposeOwn,
    },
  );
  const housekeeping = new Housekeeping(
    options,
    {
      ...modules,
      // A leap of the wall clock must not cut the log off.
      clock: logTime.clock,
      view: () => machine.view(),
      configAt: () => cluster.configApplied(),
      onSnapshot: (index, root) => latestSnapshot.taken(index, root),
      // Members that lack what is about to go are sent a snapshot from here on.
      onCut: (index) => step({ type: 'compacted', index }),
      onFailure,
    },
    { snapshotIndex: snapshot.index, at: start.appliedAt },
  );
  const sendControl = (to: NodeId, frame: Frame): void => peers.send(to, frame, 'control');
  const latestSnapshot: LatestSnapshot = new LatestSnapshot(snapshot, {
    step,
    others: () => cluster.others(),
    leader: () => leadership.leader,
    send: sendControl,
    onFailure,
  });
  const catchUp = new CatchUp({
    ...modules,
    clusterId: log.identity.clusterId,
    send: (to, frame) => peers.send(to, frame, 'bulk'),
    step,
    appliedIndex: () => machine.appliedIndex,
    onUnreadable: (index) => housekeeping.replace(index),
    onFailure,
  });
  const membership: Membership = new Membership(
    { nodeId, name, incarnation, build },
    {
      ...modules,
      state,
      raft: () => raft.status(),
      isLeading: () => leadership.isLeading(),
      propose: proposeOwn,
      change: (changes, expectedIndex) => proposer.changeConfig(changes, expectedIndex),
      transfer: (to) => leadership.transfer(to),
      send: sendControl,
      setPeers: (addresses) => transport.setPeers(addresses),
      onOthers: () => cluster.notifyMembers(),
    },
  );
  const lostData = new LostData({
    ...modules,
    raft,
    cluster,
    appliedIndex: () => machine.appliedIndex,
    onFailure,
  });
  const { damaged: isDamaged = false, hardState, lastIndex } = start.restored;
  const rollbackCheck = new RollbackCheck(
    { incarnation, start: { term: hardState.term, index: lastIndex }, isDamaged },
    {
      others: () => cluster.others(),
      otherVoters: () => cluster.otherVoters(),
      framesLevel: (node) => transport.framesLevel(node),
      heldAsLeader: () => lostData.heldAsLeader(),
      send: sendControl,
      onRolledBack: (place, by) => lostData.onRolledBack(place, by),
      onOver: () => step({ type: 'recovered' }),
    },
  );
  const fitness = new FitnessWatch(options, {
    ...modules,
    probes,
    raft: () => raft.status(),
    leads: () => leadership.isServing(),
    others: () => cluster.others(),
    nameOf: (node) => cluster.nameOf(node),
    framesLevel: (node) => transport.framesLevel(node),
    send: sendControl,
    transfer: (to) => leadership.transfer(to),
  });
  const announcement = new Announcement(options, {
    nodeId,
    build,
    state,
    ready: () => leadership.isReady(),
    propose,
  });
  const parts = { raft, machine, cluster, peers, logTime, proposer, sender, decider };
  const leadership: Leadership = new Leadership(options, {
    ...modules,
    ...parts,
    nodeId,
    build,
    announcement,
    isRunning: course.isRunning,
    onFailure,
  });
  const more = { leadership, latestSnapshot, catchUp, membership };
  const effects: EffectHandler = new EffectHandler({
    ...parts,
    ...more,
    logger: modules.logger,
    housekeeping,
    rollbackCheck,
    onHealed: () => lostData.onHealed(),
  });
  const incoming = new IncomingFrames({ ...parts, ...more, fitness, rollbackCheck, isKnown });
  return {
    ...parts,
    ...more,
    housekeeping,
    rollbackCheck,
    fitness,
    announcement,
    incoming,
    propose,
  };
}
