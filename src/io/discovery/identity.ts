/**
 * Which cluster goes by a name, and who has to found it: one key in etcd, created once.
 *
 * Promise: of all nodes that ask, exactly one is the founder, and it stays so when it asks again.
 * Nothing that is there is ever replaced by a guess: a value that cannot be read is left alone.
 */

import { z } from 'zod';
import { isLaterEpoch } from '../../log/epoch.ts';
import type { Clock, Logger } from '../ports.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import { problemOf } from './outage.ts';
import { pause, unlessAborted } from './within.ts';

export interface Claimed {
  /** True: bootstrap the cluster. False: join it. */
  readonly founder: boolean;
  readonly clusterId: string;
  /** Node id of the founder. */
  readonly founderId: string;
}

export type Restated =
  | { readonly ok: true }
  /** Somebody else has said otherwise; nothing was changed. */
  | { readonly ok: false; readonly message: string };

export interface IdentityModules {
  readonly calls: EtcdCalls;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hosts: readonly string[];
}

interface Identity {
  readonly clusterId: string;
  readonly founder: string;
}

export interface Wish {
  readonly key: string;
  readonly nodeId: string;
  readonly clusterId: string;
}

/** Creates the identity if there is none, and tells which one holds. Waits for etcd as it must. */
export function claim(
  { key, nodeId, clusterId }: Wish,
  signal: AbortSignal,
  modules: IdentityModules,
): Promise<Claimed> {
  const wish = written({ clusterId, founder: nodeId });
  return untilAnswered(
    async () => {
      const { found } = await modules.calls.replace(key, null, wish);
      const identity = read(key, found ?? '');
      const { founder: founderId } = identity;
      return { founder: founderId === nodeId, clusterId: identity.clusterId, founderId };
    },
    signal,
    modules,
  );
}

/**
 * Says that the cluster goes on under the id of a later epoch, with this node as its founder, so
 * that nodes to come join this one. Waits for etcd as it must. Another cluster's identity, one of a
 * later epoch, and one that another node has stated for this epoch stay.
 */
export function restate(
  { key, nodeId, clusterId }: Wish,
  signal: AbortSignal,
  modules: IdentityModules,
): Promise<Restated> {
  const wish = written({ clusterId, founder: nodeId });
  return untilAnswered<Restated>(
    async () => {
      const before = await modules.calls.read(key);
      if (before === wish) return { ok: true };
      if (before !== null) {
        const { clusterId: old, founder } = read(key, before);
        if (!isLaterEpoch(clusterId, old)) {
          return { ok: false, message: conflict(key, old, founder, clusterId) };
        }
      }
      const { done } = await modules.calls.replace(key, before, wish);
      if (!done) throw new Error(`${key} was changed by somebody else at the same time`);
      return { ok: true };
    },
    signal,
    modules,
  );
}

const IDENTITY = z.object({ clusterId: z.string().min(1), founder: z.string().min(1) });

function written({ clusterId, founder }: Identity): string {
  return JSON.stringify({ clusterId, founder });
}

function read(key: string, text: string): Identity {
  const parsed = IDENTITY.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new Error(
    `${key} in etcd holds ${JSON.stringify(text.slice(0, 80))}, which is no identity of a ` +
      `cluster: delete that key if no cluster of this name exists, or choose another --cluster`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function conflict(key: string, old: string, founder: string, clusterId: string): string {
  return (
    `${key} in etcd names the cluster ${old} of the node ${founder}, not ${clusterId} or its past: ` +
    `stop one of the two, or give this one a --cluster name of its own`
  );
}

/** How long to wait after a failure: so much at first, doubled each time up to the most. */
const BACK_OFF_MS = { first: 100, most: 2_000 };

/** How often to say that we are still waiting. */
const REMIND_MS = 30_000;

async function untilAnswered<T>(
  ask: () => Promise<T>,
  signal: AbortSignal,
  { clock, logger, hosts }: IdentityModules,
): Promise<T> {
  const startedMs = clock.monotonicMs();
  let remindAtMs = -Infinity;
  for (let waitMs = BACK_OFF_MS.first; ; waitMs = Math.min(waitMs * 2, BACK_OFF_MS.most)) {
    signal.throwIfAborted();
    try {
      const answer = await unlessAborted(ask(), signal);
      const waitedMs = Math.round(clock.monotonicMs() - startedMs);
      if (remindAtMs > -Infinity) logger.info('etcd answered', { urls: hosts, waitedMs });
      return answer;
    } catch (error) {
      if (signal.aborted) throw error;
      const nowMs = clock.monotonicMs();
      if (nowMs >= remindAtMs) {
        remindAtMs = nowMs + REMIND_MS;
        const waitedMs = Math.round(nowMs - startedMs);
        logger.warn('waiting for etcd', { urls: hosts, error: problemOf(error), waitedMs });
      }
    }
    await pause(waitMs, signal, clock);
  }
}
