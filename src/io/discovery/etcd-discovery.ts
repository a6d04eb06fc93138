/**
 * Finds the other nodes through etcd.
 *
 * Promise: etcd is where a cluster is founded once and where addresses stand. A cluster that has
 * formed does not need it: when etcd is away nothing here throws or waits without a bound, except
 * for the two questions that have no other answer, and those end with their signal.
 * Boundary: it knows nothing of the node; whoever has opened it decides what an address is for.
 *
 * Keys, as JSON: `/tocsin/<cluster>/identity` and, each under a lease, `/tocsin/<cluster>/members/<node id>`.
 */

import type { Clock, Logger } from '../ports.ts';
import { addressBook, watchBook, type Announced } from './address-book.ts';
import { createAnnouncer } from './announcer.ts';
import { openEtcdCalls } from './etcd-calls.ts';
import { claim, restate, type Claimed, type Restated } from './identity.ts';
import { outageLog } from './outage.ts';
import { parseClusterName, parseEtcdUrls } from './settings.ts';

export interface EtcdDiscoveryOptions {
  /** `URL[,URL]`, as a person writes it. */
  readonly urls: string;
  /** Clusters of different names do not see one another. */
  readonly cluster: string;
  /** How long a dead node stays announced. */
  readonly leaseSeconds?: number;
}

export interface EtcdDiscoveryModules {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EtcdDiscovery {
  /**
   * Creates the identity of the cluster with this node as its founder, unless there is one. Tries
   * until etcd answers or `signal` is aborted, then it rejects with the reason of the signal.
   */
  claim(nodeId: string, freshClusterId: string, signal: AbortSignal): Promise<Claimed>;
  /** After a recovery: newcomers shall join this node's cluster. Tries as `claim` does. */
  restate(
    recovered: { readonly nodeId: string; readonly clusterId: string },
    signal: AbortSignal,
  ): Promise<Restated>;
  /** Announces this node from now on; call it again when an address has changed. Never throws. */
  announce(self: Announced): void;
  /** Who is announced now, sorted by node id, this node too. Rejects when etcd does not answer. */
  addresses(): Promise<readonly Announced[]>;
  /**
   * Calls `listener` with who is announced, at first and after each change, until the result is
   * called. While etcd is away nothing is called. The listener may not throw.
   */
  watch(listener: (announced: readonly Announced[]) => void): () => void;
  /** Takes this node's entry away. Never rejects, and takes seconds at most. */
  withdraw(): Promise<void>;
  /** Withdraws and ends everything else, questions under way too. */
  close(): Promise<void>;
}

export type EtcdDiscoveryOpened =
  | { readonly ok: true; readonly discovery: EtcdDiscovery }
  | { readonly ok: false; readonly message: string };

const LEASE_SECONDS = 10;

/** Refuses what is written wrongly; whether etcd is there shows later. */
export async function openEtcdDiscovery(
  { urls, cluster, leaseSeconds = LEASE_SECONDS }: EtcdDiscoveryOptions,
  { clock, logger }: EtcdDiscoveryModules,
): Promise<EtcdDiscoveryOpened> {
  const parsed = parseEtcdUrls(urls);
  if (!parsed.ok) return parsed;
  const named = parseClusterName(cluster);
  if (!named.ok) return named;
  const { hosts } = parsed.settings;
  const opened = await openEtcdCalls(parsed.settings, clock);
  if (!opened.ok) return opened;
  const { calls } = opened;
  const identityKey = `/tocsin/${cluster}/identity`;
  const prefix = `/tocsin/${cluster}/members/`;
  const activity = outageLog(hosts, { clock, logger });
  const announcer = createAnnouncer({ prefix, leaseSeconds }, { calls, clock, activity });
  const addresses = addressBook(prefix, { calls, logger });
  const identityModules = { calls, clock, logger, hosts };
  const closed = new AbortController();
  const watches = new Set<() => void>();

  const discovery: EtcdDiscovery = {
    claim: (nodeId, freshClusterId, signal) =>
      claim(
        { key: identityKey, nodeId, clusterId: freshClusterId },
        AbortSignal.any([signal, closed.signal]),
        identityModules,
      ),
    restate: (recovered, signal) =>
      restate(
        { key: identityKey, ...recovered },
        AbortSignal.any([signal, closed.signal]),
        identityModules,
      ),
    announce: (self) => announcer.announce(self),
    addresses,
    watch(listener) {
      const end = watchBook(addresses, listener, { clock, activity: activity() });
      watches.add(end);
      return () => {
        watches.delete(end);
        end();
      };
    },
    withdraw: () => announcer.withdraw(),
    async close() {
      closed.abort(new Error('discovery is closed'));
      for (const end of watches) end();
      await announcer.withdraw();
      calls.close();
    },
  };
  return { ok: true, discovery };
}
