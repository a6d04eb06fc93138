/**
 * What peers send, given to the part of the node that it is for.
 *
 * Promise: a frame of a node that is not a member reaches nothing but consensus; an entry is read
 * before it can be in the log, so what is in the log can be folded. Nothing that arrives can throw.
 */

import { MalformedCommand } from '../../commands/schema.ts';
import { decodeBatch } from '../../log/codec.ts';
import type { Message, NodeId, SnapshotPosition } from '../../raft/types.ts';
import type { FrameProblem } from '../ports.ts';
import type { CatchUp } from './catch-up.ts';
import type { FitnessWatch } from './fitness-watch.ts';
import type { LatestSnapshot } from './latest-snapshot.ts';
import type { Leadership } from './leadership.ts';
import type { LogTimeKeeper } from './log-time.ts';
import type { Membership } from './membership.ts';
import type { Peers } from './peers.ts';
import type { Proposer } from './proposer.ts';
import type { RaftDriver } from './raft-driver.ts';
import type { RollbackCheck } from './rollback-check.ts';
import type { StateMachine } from './state-machine.ts';
import { LOG_TIME_LIMIT } from './wire.ts';

export interface IncomingFramesModules {
  readonly peers: Peers;
  readonly raft: RaftDriver;
  readonly machine: StateMachine;
  readonly leadership: Leadership;
  readonly logTime: LogTimeKeeper;
  readonly proposer: Proposer;
  readonly latestSnapshot: LatestSnapshot;
  readonly catchUp: CatchUp;
  readonly membership: Membership;
  readonly fitness: FitnessWatch;
  readonly rollbackCheck: RollbackCheck;
  /** Whether a node belongs to the cluster, or leads it, as this node sees it. */
  readonly isKnown: (node: NodeId) => boolean;
}

export class IncomingFrames {
  readonly #modules: IncomingFramesModules;

  constructor(modules: IncomingFramesModules) {
    this.#modules = modules;
  }

  /** Answers why the frame was not taken, or null. */
  onFrame(from: NodeId, data: Uint8Array, incarnation: number): FrameProblem | null {
    const { catchUp, fitness, leadership, logTime, membership, peers, proposer } = this.#modules;
    const frame = peers.receive(from, data, incarnation);
    if (!('kind' in frame)) return frame;
    if (frame.kind === 'raft') return this.#onMessages(from, incarnation, frame.messages);
    // Only the messages of consensus can come from a member that is not yet in the configuration here, and answers
    // to what it asked.
    if (!this.#modules.isKnown(from) && frame.kind !== 'recalled')
      return peers.refuse(`${frame.kind} of ${from}, which is not a member`, false);
    if (this.#modules.rollbackCheck.onFrame(from, incarnation, frame)) return null;
    switch (frame.kind) {
      case 'forward':
        proposer.onForward(from, incarnation, frame);
        return null;
      case 'forwarded':
        proposer.onForwarded(frame);
        return null;
      case 'root':
        this.#modules.latestSnapshot.onRoot(from, frame.index, frame.root);
        return null;
      case 'time':
        if (from === leadership.leader) logTime.clock.follow(frame.at, frame.offsetMs ?? 0);
        return null;
      default:
        if (fitness.onFrame(from, frame) || catchUp.onFrame(from, frame)) return null;
        membership.onFrame(from, frame);
        return null;
    }
  }

  #onMessages(
    from: NodeId,
    incarnation: number,
    messages: readonly Message[],
  ): FrameProblem | null {
    const { leadership, logTime, peers, raft, rollbackCheck } = this.#modules;
    for (const message of messages) {
      if (!rollbackCheck.admits(from, message)) continue;
      const problem = this.#problemOf(message);
      if (problem !== null) return peers.refuse(problem, true);
      if (message.type === 'snapshot' && !this.#hasContent(message.snapshot)) continue;
      // Who has just given leadership up is taken for the leader for a while.
      if (from === leadership.leader && isOfLeader(message)) logTime.gaps.noteLeader();
      const refused = raft.deliver(message);
      if (refused !== null) return peers.refuse(refused.problem, refused.kind === 'absurd');
      rollbackCheck.heard(from, incarnation, message);
    }
    return null;
  }

  /** What is in the entries of a leader is read before any of them is in the log: it stays there. */
  #problemOf(message: Message): string | null {
    if (message.type !== 'append') return null;
    for (const { type, index, data } of message.entries) {
      if (type !== 'command') continue;
      try {
        const batch = decodeBatch(data);
        if (batch.at >= LOG_TIME_LIMIT) return `entry ${index} is of a time that no log reaches`;
        this.#modules.machine.keepDecoded(data, batch);
      } catch (error) {
        if (!(error instanceof MalformedCommand)) throw error;
        return `entry ${index} cannot be read: ${error.message}`;
      }
    }
    return null;
  }

  /** Whether a snapshot could be installed: after a restart the leader has to offer it again. */
  #hasContent({ index, term }: SnapshotPosition): boolean {
    const { catchUp, raft } = this.#modules;
    return index <= raft.status().commitIndex || catchUp.received(index)?.manifest.term === term;
  }
}

function isOfLeader({ type }: Message): boolean {
  return type === 'append' || type === 'heartbeat';
}
