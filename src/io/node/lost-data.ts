/**
 * What this node does when its disk lacks what it has acknowledged, and when it has it again.
 *
 * Promise: the log remembers across restarts that it is being healed, until the leader has brought
 * back what is missing; meanwhile this node neither votes nor leads.
 */

import type { Log } from '../../log/log.ts';
import type { NodeId } from '../../raft/types.ts';
import type { Logger } from '../ports.ts';
import type { ClusterView } from './cluster-view.ts';
import type { HeldPlace } from './held-places.ts';
import type { RaftDriver } from './raft-driver.ts';

export interface LostDataModules {
  readonly logger: Logger;
  readonly log: Log;
  readonly raft: RaftDriver;
  readonly cluster: ClusterView;
  readonly appliedIndex: () => number;
  readonly onFailure: (error: Error) => void;
}

export class LostData {
  readonly #modules: LostDataModules;

  constructor(modules: LostDataModules) {
    this.#modules = modules;
  }

  /** What the disk of this node is known to hold of its own term; null when it does not lead. */
  heldAsLeader(): HeldPlace | null {
    const { durableIndex, role, term } = this.#modules.raft.status();
    return role === 'leader' ? { term, index: durableIndex } : null;
  }

  /** Another member has seen this node hold more than its disk has now. */
  onRolledBack(place: HeldPlace, by: NodeId): void {
    const { cluster, log, logger, onFailure, raft } = this.#modules;
    logger.error('data folder is older than what this node has acknowledged', {
      rememberedBy: cluster.nameOf(by),
      rememberedTerm: place.term,
      rememberedIndex: place.index,
      hint: 'was it put back from a copy? This node neither votes nor leads until a leader has brought back what is missing. Where every member was put back, found the cluster anew: tocsin restore',
    });
    raft.step({ type: 'rolledBack', term: place.term });
    log.markHealing().catch((error: unknown) => onFailure(error as Error));
  }

  /** The leader has brought back what was missing. */
  onHealed(): void {
    const { appliedIndex, cluster, log, logger, onFailure } = this.#modules;
    logger.info('healed: this node votes again', { index: appliedIndex() });
    log.markHealed().catch((error: unknown) => onFailure(error as Error));
    cluster.notifyMembers();
  }
}
