/**
 * How a node finds its cluster: through addresses that a person gave, through etcd, and through those
 * that it remembers.
 *
 * Promise: nothing here holds up the rest of the daemon, and everything ends with the signal. Who is
 * not let in is told why in the log, and tries again: most reasons pass, and a person can fix the
 * others on either side.
 */

import type { EtcdDiscovery } from '../discovery/etcd-discovery.ts';
import { pause } from '../discovery/within.ts';
import type { TcpTransport } from '../net/transport.ts';
import type { Node } from '../node/node.ts';
import { newClusterId } from '../node/cluster-id.ts';
import type { JoinRequest, Clock, Logger, Random } from '../ports.ts';
import { StartupError } from './startup-error.ts';

export interface ClusterJoinerOptions {
  /** From `--join`. */
  readonly join: readonly string[];
  /** From `node.json`. */
  readonly remembered: readonly string[];
  /** This node as others may reach it. */
  readonly self: () => JoinRequest;
  /** Whether a cluster that this node begins has only shadows. */
  readonly isShadow: boolean;
}

export interface ClusterJoinerModules {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly transport: Pick<TcpTransport, 'askToJoin'>;
  readonly discovery: EtcdDiscovery | null;
}

/** The cluster that a node without data belongs to from now on. */
export interface FoundMember {
  readonly clusterId: string;
  /** Whether this node begins it. */
  readonly founds: boolean;
}

/** Between two rounds of asking. */
const ROUND_MS = 500;
/** How often a person is reminded of what keeps a node outside. */
const REMIND_MS = 30_000;
const LOGGED_MAX = 1_000;

export class ClusterJoiner {
  readonly #options: ClusterJoinerOptions;
  readonly #modules: ClusterJoinerModules;
  readonly #loggedAtMs = new Map<string, number>();
  /** What a member of a later epoch has said. */
  #superseded: string | null = null;

  constructor(options: ClusterJoinerOptions, modules: ClusterJoinerModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** A node that knows of nobody begins a cluster of its own. */
  get isAlone(): boolean {
    return this.#options.join.length === 0 && this.#modules.discovery === null;
  }

  /** For a node without data. Rejects with the reason of the signal. */
  async find(signal: AbortSignal): Promise<FoundMember> {
    const { clock, discovery, random } = this.#modules;
    const newId = newClusterId(this.#options.isShadow, random.uuid());
    if (this.isAlone) return { clusterId: newId, founds: true };
    if (discovery !== null) {
      const { nodeId } = this.#options.self();
      const claimed = await discovery.claim(nodeId, newId, signal);
      if (claimed.founder) return { clusterId: claimed.clusterId, founds: true };
    }
    for (;;) {
      const clusterId = await this.#askAll(await this.#addresses());
      if (clusterId !== null) return { clusterId, founds: false };
      await pause(ROUND_MS, signal, clock);
    }
  }

  /** The address of a member that knows a leader, as far as anybody can be asked. */
  async findReachableMember(): Promise<string | null> {
    const asked = (await this.#addresses()).map(async (address) => {
      const answer = await this.#modules.transport.askToJoin(address, this.#options.self());
      if (!answer.ok) throw new Error(answer.message);
      return address;
    });
    return Promise.any(asked).catch(() => null);
  }

  /**
   * For a node with data: tells the others where it is now, until somebody leads. Both sides may have
   * moved while they were apart, and then only these addresses bring them together. Rejects with a
   * {@link StartupError} when the cluster was recovered elsewhere: members of before that met again would
   * be a second cluster, and page.
   */
  async rejoin(node: Pick<Node, 'status'>, signal: AbortSignal): Promise<void> {
    while (node.status().leader === null && !signal.aborted) {
      // The log may know better than what was remembered when this process began.
      const logged = node.status().members.map(({ peerAddress }) => peerAddress);
      const addresses = await this.#addresses(logged);
      if (addresses.length > 0) await this.#askAll(addresses);
      else if (this.isAlone) return;
      if (this.#superseded !== null) throw new StartupError(this.#superseded);
      await pause(ROUND_MS, signal, this.#modules.clock).catch(() => undefined);
    }
  }

  /** Keeps this node in etcd's address book, and the node told of who else is there. */
  announce(
    node: Pick<Node, 'hint'>,
    { http, peer }: { readonly http: string; readonly peer: string },
  ): void {
    const { discovery } = this.#modules;
    if (discovery === null) return;
    const { name, nodeId } = this.#options.self();
    discovery.announce({ nodeId, name, peerAddress: peer, httpAddress: http });
    discovery.watch((announced) => {
      for (const each of announced) node.hint(each.nodeId, each.peerAddress);
    });
  }

  /** Has etcd say which cluster newcomers join: this one, if it has said nothing or an older epoch. */
  async register(clusterId: string, signal: AbortSignal): Promise<void> {
    const { discovery, logger } = this.#modules;
    if (discovery === null) return;
    const { nodeId } = this.#options.self();
    const claimed = await discovery.claim(nodeId, clusterId, signal);
    if (claimed.clusterId === clusterId) return;
    const restated = await discovery.restate({ nodeId, clusterId }, signal);
    if (!restated.ok) logger.error('etcd names another cluster', { problem: restated.message });
  }

  async #addresses(more: readonly string[] = []): Promise<readonly string[]> {
    const { join, remembered, self } = this.#options;
    const own = self();
    const announced = (await this.#modules.discovery?.addresses().catch(() => [])) ?? [];
    const others = announced.filter(({ nodeId }) => nodeId !== own.nodeId);
    const all = [...join, ...others.map(({ peerAddress }) => peerAddress), ...remembered, ...more];
    return [...new Set(all)].filter((address) => address !== '' && address !== own.peerAddress);
  }

  /** The cluster that lets this node in, or null when nobody does just now. */
  async #askAll(addresses: readonly string[]): Promise<string | null> {
    const { transport } = this.#modules;
    const asked = addresses.map(async (address) => {
      const answer = await transport.askToJoin(address, this.#options.self());
      if (answer.ok) return answer.clusterId;
      if (answer.code === 'superseded') this.#superseded = answer.message;
      this.#logRarely(address, answer.code, answer.message);
      throw new Error(answer.message);
    });
    if (asked.length === 0) this.#logRarely('', 'retry', 'nobody is announced yet');
    return Promise.any(asked).catch(() => null);
  }

  #logRarely(address: string, code: 'retry' | 'refused' | 'superseded', problem: string): void {
    const { clock, logger } = this.#modules;
    const nowMs = clock.monotonicMs();
    const key = `${address} ${problem}`;
    if (nowMs - (this.#loggedAtMs.get(key) ?? -Infinity) < REMIND_MS) return;
    // What others say can change with every round; only the newest is worth remembering.
    if (this.#loggedAtMs.size >= LOGGED_MAX) this.#loggedAtMs.clear();
    this.#loggedAtMs.set(key, nowMs);
    if (code !== 'retry') logger.error('not let into the cluster', { address, problem });
    else logger.warn('waiting for the cluster', { address, problem });
  }
}
