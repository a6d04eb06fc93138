/**
 * Who is announced in etcd, as this node reads it.
 *
 * Promise: what is given has the shape that is promised, whatever is in etcd; an entry that has not
 * is skipped and named once. That somebody is missing here does not mean that it is gone: etcd may
 * have lost it, or the node may have lost etcd.
 */

import { z } from 'zod';
import type { Clock, Logger } from '../ports.ts';
import type { EtcdCalls, Entry } from './etcd-calls.ts';
import type { Activity } from './outage.ts';
import { repeat } from './repeat.ts';

/** A node, and where it listens as HOST:PORT. */
export interface Announced {
  readonly nodeId: string;
  readonly name: string;
  readonly peerAddress: string;
  readonly httpAddress: string;
}

/** More members than any cluster has; what is beyond is not read. */
const ENTRIES_MAX = 1_000;

const ADDRESS = z
  .string()
  .max(300)
  .regex(/^(?:\[[\da-fA-F:.]+\]|[^\s:/[\]@]+):[1-9]\d{0,4}$/);
const ANNOUNCED = z.object({
  nodeId: z.string().min(1).max(100),
  // A name goes into logs and on pages, so it may not move a cursor.
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^\P{Cc}*$/u),
  peerAddress: ADDRESS,
  httpAddress: ADDRESS,
});

/** A reader of the members under `prefix`. It rejects when etcd does not answer. */
export function addressBook(
  prefix: string,
  { calls, logger }: { readonly calls: EtcdCalls; readonly logger: Logger },
): () => Promise<readonly Announced[]> {
  /** What each bad key held when it was named. */
  let named = new Map<string, string>();
  return async () => {
    const found: Announced[] = [];
    const bad = new Map<string, string>();
    for (const entry of await calls.list(prefix, ENTRIES_MAX)) {
      const { key, value } = entry;
      const member = announcedIn(entry, prefix);
      if (member !== null) {
        found.push(member);
        continue;
      }
      bad.set(key, value);
      if (named.get(key) === value) continue;
      const hint = 'it is skipped; delete the key if no node of yours wrote it';
      logger.warn('entry in etcd not understood', { key, value: value.slice(0, 80), hint });
    }
    named = bad;
    return found;
  };
}

function announcedIn({ key, value }: Entry, prefix: string): Announced | null {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    return null;
  }
  const { success, data } = ANNOUNCED.safeParse(json);
  return success && key === prefix + data.nodeId ? data : null;
}

/** While a cluster assembles, somebody waits for each change; later nobody does. */
const LOOK_MS = { lively: 500, quiet: 5_000 };
const LIVELY_MS = 60_000;

/**
 * Calls `listener`, which may not throw, with who is announced: at first, and when it has changed.
 * The result ends it.
 *
 * It reads again and again instead of holding a watch open: a stream that broke without a word
 * would cost all later changes, a reading that fails costs half a second.
 */
export function watchBook(
  read: () => Promise<readonly Announced[]>,
  listener: (announced: readonly Announced[]) => void,
  { clock, activity }: { readonly clock: Clock; readonly activity: Activity },
): () => void {
  let isEnded = false;
  let last = '';
  let changedAtMs = clock.monotonicMs();

  const tell = (announced: readonly Announced[]): void => {
    const text = JSON.stringify(announced);
    if (isEnded || text === last) return;
    last = text;
    changedAtMs = clock.monotonicMs();
    listener(announced);
  };

  const rounds = repeat(async () => {
    const announced = await read().catch((error: unknown) => {
      activity.failed(error);
      return null;
    });
    if (announced !== null) {
      activity.worked();
      tell(announced);
    }
    const isLively = clock.monotonicMs() - changedAtMs < LIVELY_MS;
    return isLively ? LOOK_MS.lively : LOOK_MS.quiet;
  }, clock);

  return () => {
    isEnded = true;
    activity.ended();
    void rounds.stop();
  };
}
