/**
 * How a node announces itself to the cluster: its name, addresses, build and configuration file.
 *
 * Promise: what the log has of this node becomes what the node has of itself, once there is a leader
 * to take it; nothing is proposed while the log has it already, and one announcement is under way at a
 * time.
 */

import { actorOf } from '../../commands/actor.ts';
import type { Command } from '../../commands/command.ts';
import type { SetMember } from '../../commands/membership.ts';
import type { Build } from '../../projections/reducers.ts';
import type { Member, State } from '../../projections/state.ts';
import { get } from '../../projections/table.ts';
import type { NodeId } from '../../raft/types.ts';
import type { Proposed } from '../ports.ts';
import type { NodeConfiguration } from './options.ts';

export interface AnnouncementOptions {
  readonly name: string;
  /** Of the program, for people. */
  readonly version: string;
  /** Asked late, since a port of 0 is known only once it is bound. */
  readonly addresses: () => { readonly http: string; readonly peer: string };
  readonly configuration: NodeConfiguration;
}

export interface AnnouncementModules {
  readonly nodeId: NodeId;
  readonly build: Build;
  readonly state: () => State;
  /** Whether the state is that of the cluster, so that what it lacks is worth a proposal. */
  readonly ready: () => boolean;
  readonly propose: (commands: readonly Command[]) => Promise<Proposed>;
}

export class Announcement {
  readonly #options: AnnouncementOptions;
  readonly #modules: AnnouncementModules;
  #isAnnouncing = false;

  constructor(options: AnnouncementOptions, modules: AnnouncementModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** Proposes what is new about this node, once there is a leader to take it. */
  tick(): void {
    if (this.#isAnnouncing || !this.#modules.ready()) return;
    const commands = this.commands();
    if (commands.length === 0) return;
    this.#isAnnouncing = true;
    void this.#modules.propose(commands).finally(() => {
      this.#isAnnouncing = false;
    });
  }

  /**
   * What the log does not have of this node. A configuration file goes with it when the cluster has
   * none yet, or when the file was changed since this node last announced it: of two files that
   * differ, the one that was touched is meant.
   */
  commands(): readonly Command[] {
    const state = this.#modules.state();
    const { configuration, name } = this.#options;
    const facts = this.#facts();
    const row = get(state.members, facts.node);
    const isKnown = row !== undefined && isRecorded(row, facts);
    const isTouched = row !== undefined && row.configHash !== facts.configHash;
    const config = state.config === null || isTouched ? configuration.commandFor(state) : null;
    // Nobody asks for it but the node, at its start.
    const actor = actorOf('node', name);
    return [...(config === null ? [] : [{ ...config, actor }]), ...(isKnown ? [] : [facts])];
  }

  #facts(): SetMember {
    const { addresses, configuration, name, version } = this.#options;
    const { http, peer } = addresses();
    return {
      kind: 'member',
      node: this.#modules.nodeId,
      name,
      peer,
      http,
      version,
      reducersMax: this.#modules.build.reducersMax,
      configHash: configuration.hash(),
    };
  }
}

/** Whether the row of a node has all the facts of the node. Called with every tick. */
function isRecorded(row: Member, facts: SetMember): boolean {
  for (const field in facts) {
    if (field === 'kind' || field === 'node') continue;
    const said = field as Exclude<keyof SetMember, 'kind' | 'node'>;
    if (row[said] !== facts[said]) return false;
  }
  return true;
}
