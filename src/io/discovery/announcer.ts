/**
 * Keeps this node announced in etcd for as long as it lives.
 *
 * Promise: a lease that is lost, a key that somebody deleted or changed, an address that is new: the
 * next round repairs it, and the only thing that others see is the right entry or none. It never
 * throws; a node that dies is forgotten when its lease runs out.
 */

import type { Clock } from '../ports.ts';
import type { Announced } from './address-book.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import type { Activity } from './outage.ts';
import { repeat } from './repeat.ts';
import { within } from './within.ts';

export interface AnnouncerOptions {
  /** Keys are this and the node id. */
  readonly prefix: string;
  readonly leaseSeconds: number;
}

export interface AnnouncerModules {
  readonly calls: EtcdCalls;
  readonly clock: Clock;
  /** A new one each time that announcing begins. */
  readonly activity: () => Activity;
}

export interface Announcer {
  announce(self: Announced): void;
  /** Takes the entry out of etcd. Resolves within a bound, also when etcd does not answer. */
  withdraw(): Promise<void>;
}

/** After a failure etcd is asked again this soon. */
const RETRY_MS = 1_000;

/** How long a node that stops waits for etcd; the entry runs out by itself soon after. */
const WITHDRAW_MS_MAX = 3_000;

export function createAnnouncer(options: AnnouncerOptions, modules: AnnouncerModules): Announcer {
  let running: Running | null = null;
  return {
    announce(self) {
      if (running === null) running = keepAnnounced(self, options, modules);
      else running.announce(self);
    },
    async withdraw() {
      const ending = running;
      running = null;
      if (ending === null) return;
      await settles(within(ending.end(), WITHDRAW_MS_MAX, modules.clock));
    },
  };
}

interface Running {
  announce(self: Announced): void;
  end(): Promise<void>;
}

function keepAnnounced(
  first: Announced,
  { prefix, leaseSeconds }: AnnouncerOptions,
  { calls, clock, activity }: AnnouncerModules,
): Running {
  const { failed, worked, ended } = activity();
  let self = first;
  let lease: string | null = null;

  /** A lease that cannot be renewed is left to run out; the entry moves to a new one before that. */
  const liveLease = async (): Promise<string> => {
    const isRenewed = lease !== null && (await settles(calls.renew(lease)));
    if (lease === null || !isRenewed) lease = await calls.grant(leaseSeconds);
    return lease;
  };

  const round = async (): Promise<number> => {
    const held = await liveLease();
    await calls.keep(prefix + self.nodeId, JSON.stringify(self), held);
    worked();
    return (leaseSeconds * 1_000) / 3;
  };

  const rounds = repeat(
    () =>
      round().catch((error: unknown) => {
        failed(error);
        return RETRY_MS;
      }),
    clock,
  );

  return {
    announce(announced) {
      self = announced;
      rounds.hurry();
    },
    async end() {
      ended();
      await rounds.stop();
      if (lease !== null) await calls.revoke(lease);
    },
  };
}

/** Whether it went well. */
function settles(promise: Promise<void>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  );
}
