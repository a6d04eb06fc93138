/**
 * Handles the effects of consensus, and the order in which applied entries reach the parts of the node.
 *
 * Promise: proposals are answered only after their entry is folded here; listeners and decisions come
 * after the whole group; a snapshot is installed only when its state is here.
 */

import type { LogPoint } from '../../log/entry.ts';
import type { Entry } from '../../raft/types.ts';
import type { Logger } from '../ports.ts';
import type { CatchUp } from './catch-up.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Decider } from './decider.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { LatestSnapshot } from './latest-snapshot.ts';
import type { Leadership } from './leadership.ts';
import type { Membership } from './membership.ts';
import type { Peers } from './peers.ts';
import type { Proposer } from './proposer.ts';
import type { NodeEffect, RaftDriver } from './raft-driver.ts';
import { bytesOfHex } from './restore.ts';
import type { RollbackCheck } from './rollback-check.ts';
import type { StateMachine } from './state-machine.ts';

export interface EffectHandlerModules {
  readonly logger: Logger;
  readonly raft: RaftDriver;
  readonly machine: StateMachine;
  readonly cluster: ClusterView;
  readonly leadership: Leadership;
  readonly peers: Peers;
  readonly proposer: Proposer;
  readonly decider: Decider;
  readonly housekeeping: Housekeeping;
  readonly latestSnapshot: LatestSnapshot;
  readonly catchUp: CatchUp;
  readonly membership: Membership;
  readonly rollbackCheck: RollbackCheck;
  /** The leader has brought back what this node had lost. */
  readonly onHealed: () => void;
}

export class EffectHandler {
  readonly #modules: EffectHandlerModules;

  constructor(modules: EffectHandlerModules) {
    this.#modules = modules;
  }

  handle(effect: NodeEffect): void {
    const { catchUp, cluster, leadership, membership, peers, proposer } = this.#modules;
    switch (effect.type) {
      case 'send':
        this.#modules.rollbackCheck.sent(effect.messages);
        peers.sendMessages(effect.messages);
        return;
      case 'apply':
        this.#apply(effect.entries);
        return;
      case 'readReady':
        leadership.readReady(effect.ref);
        return;
      case 'accepted':
        proposer.accepted(effect);
        return;
      case 'rejected':
        if (!leadership.rejected(effect.ref)) proposer.rejected(effect);
        return;
      case 'indeterminate':
        proposer.lost(effect.index);
        return;
      case 'roleChanged':
        leadership.roleChanged(effect);
        return;
      case 'configChanged':
        leadership.configChanged();
        cluster.configChanged();
        membership.refreshPeers();
        return;
      case 'transferEnded':
        leadership.transferEnded(effect.ref, effect.moved);
        return;
      case 'healed':
        this.#modules.onHealed();
        return;
      case 'sendSnapshot':
        void catchUp.offer(effect.to, effect.snapshot.index);
        return;
      case 'installSnapshot':
        this.#install(effect.snapshot.index, effect.snapshot.term);
        return;
      case 'cancelSnapshot':
        // The other side asks for what it wants, and stops asking by itself.
        return;
    }
  }

  #apply(entries: readonly Entry[]): void {
    const { cluster, housekeeping, leadership, machine, membership, proposer } = this.#modules;
    const { members: table } = machine.state;
    for (const entry of entries) {
      const { index, term } = entry;
      const batch = machine.apply(entry);
      proposer.folded(index, term);
      leadership.entryApplied(term);
      housekeeping.applied({ index, bytes: entry.data.length, batch });
    }
    this.#modules.raft.step({ type: 'applied', index: machine.appliedIndex });
    if (machine.state.members !== table) membership.refreshPeers();
    if (entries.some(({ type }) => type === 'config')) cluster.noteRemoval();
    this.#afterApply();
  }

  #afterApply(): void {
    const { decider, leadership, machine, proposer } = this.#modules;
    proposer.appliedUpTo(machine.appliedIndex);
    machine.notifyListeners();
    if (leadership.isLeading()) decider.wake();
  }

  /** The state of the leader takes the place of this one. */
  #install(index: number, term: number): void {
    const { catchUp, housekeeping, latestSnapshot, logger, machine, membership, raft } =
      this.#modules;
    const received = catchUp.received(index);
    if (received === null) throw new Error(`snapshot ${index} is to be installed and is not here`);
    const { manifest, state } = received;
    machine.install(index, term, manifest, state);
    latestSnapshot.installed(index, manifest.root);
    housekeeping.installed(index, manifest.at);
    raft.step({ type: 'applied', index });
    membership.refreshPeers();
    logger.info('snapshot installed', { index });
    this.#afterApply();
  }

  /** The place after which the log begins anew, with the snapshot that was received at `index`. */
  pointOf(index: number): LogPoint {
    const received = this.#modules.catchUp.received(index);
    if (received === null)
      throw new Error(`the log is to begin after ${index}, and no snapshot is here`);
    const { chain, term } = received.manifest;
    return { index, term, chain: bytesOfHex(chain) };
  }
}
