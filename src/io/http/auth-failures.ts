/**
 * How often one address may show wrong credentials: a token bucket for each address.
 *
 * Promise: an attempt is counted before its password is compared, so that many attempts at once
 * count as many; a bounded number of addresses is remembered.
 */

import type { Clock } from '../ports.ts';
import { networkOf } from './client-address.ts';
import { HTTP_LIMITS } from './limits.ts';

interface Bucket {
  left: number;
  atMs: number;
}

export class FailureLimit {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** Takes one attempt; false when `address` has none left. */
  take(address: string): boolean {
    const bucket = this.#bucketOf(networkOf(address));
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }

  /** Gives an attempt back: the credentials were right. */
  giveBack(address: string): void {
    const bucket = this.#bucketOf(networkOf(address));
    bucket.left = Math.min(HTTP_LIMITS.failuresAtOnce, bucket.left + 1);
  }

  #bucketOf(network: string): Bucket {
    const nowMs = this.#clock.monotonicMs();
    const { failingAddresses, failureEveryMs, failuresAtOnce } = HTTP_LIMITS;
    const entry = this.#buckets.get(network) ?? { left: failuresAtOnce, atMs: nowMs };
    entry.left = Math.min(failuresAtOnce, entry.left + (nowMs - entry.atMs) / failureEveryMs);
    entry.atMs = nowMs;
    // In the order of their last use, so that the first one is the least interesting.
    this.#buckets.delete(network);
    this.#buckets.set(network, entry);
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= failingAddresses) break;
      this.#buckets.delete(oldest);
    }
    return entry;
  }
}
