/**
 * Who belongs to the cluster, as this node sees it: members by the configuration in force, and their
 * names by the log.
 *
 * Promise: the observer is notified of the other members when they change, and not while this node has no
 * configuration or may have lost the newest; the log of the process reports once that this node was removed.
 */

import type { State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import { members } from '../../raft/confchange.ts';
import type { ConfigAt, NodeId } from '../../raft/types.ts';
import type { Logger, NodeObserver, PeerAddress } from '../ports.ts';
import type { RaftDriver } from './raft-driver.ts';

export interface ClusterViewModules {
  readonly logger: Logger;
  readonly observer: NodeObserver;
  readonly raft: RaftDriver;
  readonly state: () => State;
  readonly appliedIndex: () => number;
  /** The other members and where they are. */
  readonly addresses: () => readonly PeerAddress[];
}

export class ClusterView {
  readonly #self: { readonly nodeId: NodeId; readonly name: string };
  readonly #modules: ClusterViewModules;
  /** Members of the configuration in force and of the one before. */
  #known: ReadonlySet<NodeId> = new Set();
  /** The other members, as the observer was notified last. */
  #othersNotified: string | null = null;
  /** Whether the configuration had this node in it when it was last looked at. */
  #isMember = false;

  constructor(
    self: { readonly nodeId: NodeId; readonly name: string },
    modules: ClusterViewModules,
  ) {
    this.#self = self;
    this.#modules = modules;
    this.configChanged();
  }

  /** Call when the configuration in force has changed. */
  configChanged(): void {
    const { raft } = this.#modules;
    const { index, confState } = raft.status().config;
    const before = raft.configAt(index - 1).confState;
    this.#known = new Set([...members(confState), ...members(before)]);
  }

  /** Whether a node is in the configuration in force or in the one before. */
  isKnown(node: NodeId): boolean {
    return this.#known.has(node);
  }

  others(): readonly NodeId[] {
    const { confState } = this.#modules.raft.status().config;
    return members(confState).filter((node) => node !== this.#self.nodeId);
  }

  voters(): readonly NodeId[] {
    return this.#modules.raft.status().config.confState.voters;
  }

  otherVoters(): readonly NodeId[] {
    return this.voters().filter((voter) => voter !== this.#self.nodeId);
  }

  isCluster(): boolean {
    return this.others().length > 0;
  }

  nameOf(node: NodeId): string {
    if (node === this.#self.nodeId) return this.#self.name;
    return get(this.#modules.state().members, node)?.name ?? node;
  }

  /** The configuration as of the last applied entry: the newest that is not beyond it. */
  configApplied(): ConfigAt {
    return this.#modules.raft.configAt(this.#modules.appliedIndex());
  }

  /** Notifies the observer of the other members. A damaged log may end before they joined: then it does not. */
  notifyMembers(): void {
    const { addresses, observer, raft } = this.#modules;
    const { config, damaged } = raft.status();
    const others = addresses();
    if (members(config.confState).length === 0 || (damaged && others.length === 0)) return;
    const text = JSON.stringify(others);
    if (text === this.#othersNotified) return;
    this.#othersNotified = text;
    observer.membersChanged?.(others);
  }

  /** Reported as an error, since nothing that this process does makes it a member again. */
  noteRemoval(): void {
    const isMember = members(this.configApplied().confState).includes(this.#self.nodeId);
    if (this.#isMember && !isMember) {
      this.#modules.logger.error('this node was removed from the cluster', {
        hint: 'stop it; to make it a member again, start it with an empty data directory and --join',
      });
    }
    this.#isMember = isMember;
  }
}
