/**
 * Which monitor gave a series first, so that a person learns of two monitors that give series of one
 * name: a check on it would judge now the one, now the other.
 *
 * Promise: memory is bounded; beyond that bound names are forgotten, and nothing else happens.
 */

import type { Reading } from './polling.ts';

/** More than a node is built to poll. */
const NAMES_MAX = 200_000;

export class SeriesOwners {
  readonly #owners = new Map<string, string>();

  /** Notes who gave these readings; gives the first series that another one has given before. */
  take(
    monitor: string,
    readings: readonly Reading[],
  ): { readonly monitor: string; readonly series: string } | null {
    let shared: { readonly monitor: string; readonly series: string } | null = null;
    for (const [series] of readings) {
      const owner = this.#owners.get(series);
      if (owner === undefined) {
        if (this.#owners.size >= NAMES_MAX) this.#owners.clear();
        this.#owners.set(series, monitor);
      } else if (owner !== monitor) {
        shared ??= { monitor: owner, series };
      }
    }
    return shared;
  }

  /** The monitor runs no more: what it gave is free. */
  forget(monitor: string): void {
    for (const [series, owner] of this.#owners) {
      if (owner === monitor) this.#owners.delete(series);
    }
  }
}
