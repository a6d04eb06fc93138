/**
 * Which receivers this process can connect to: what its notifications have shown, and what it tries when
 * a leader asks.
 *
 * Promise: no connection is made for it unless somebody asks, at most one round of them at once and two a
 * second; a connection is made as for a notification and closed, without a request. What is remembered
 * is bounded, and forgotten.
 */

import type { State } from '../../projections/state.ts';
import type { Clock, Notifier } from '../ports.ts';
import { integrationAt } from './integrations.ts';
import { PROBES_MAX } from './wire.ts';

export interface ReceiverProbesModules {
  readonly clock: Clock;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly state: () => State;
}

/** Integrations of which something is remembered; those used last. */
const REMEMBERED_MAX = 64;
/** Longer than the longest pause between two tries of a notification. */
const FAILURE_KEPT_MS = 60_000;
/** A way that is open takes less, also when one packet is lost. */
export const PROBE_MS_MAX = 2_000;
/** A leader asks once a second at most. */
const PROBE_PAUSE_MS = 500;

export class ReceiverProbes {
  readonly #modules: ReceiverProbesModules;
  /** When a connection failed last; null where the last one was made. Those used last come last. */
  readonly #failedAtMs = new Map<string, number | null>();
  #probing: AbortController | null = null;
  #probedAtMs = -Infinity;

  constructor(modules: ReceiverProbesModules) {
    this.#modules = modules;
  }

  /** A connection to the receiver of an integration was made, or was not. */
  note(integration: string, isReached: boolean): void {
    this.#failedAtMs.delete(integration);
    this.#failedAtMs.set(integration, isReached ? null : this.#modules.clock.monotonicMs());
    const [oldest] = this.#failedAtMs.keys();
    if (this.#failedAtMs.size > REMEMBERED_MAX && oldest !== undefined) {
      this.#failedAtMs.delete(oldest);
    }
  }

  /** Integrations that could not be connected to lately, as many as fit into a frame. */
  failing(): readonly string[] {
    const { clock, state } = this.#modules;
    const since = clock.monotonicMs() - FAILURE_KEPT_MS;
    const failing: string[] = [];
    for (const [key, atMs] of this.#failedAtMs) {
      if (atMs === null || atMs < since || failing.length === PROBES_MAX) continue;
      // A reload may have taken it out.
      if (integrationAt(state(), key) !== undefined) failing.push(key);
    }
    return failing;
  }

  /** What members are to try: what fails, and beside it what was used last and works. */
  toProbe(): readonly string[] {
    const failing = this.failing();
    const others = [...this.#failedAtMs.keys()].toReversed().filter((key) => {
      return !failing.includes(key) && integrationAt(this.#modules.state(), key) !== undefined;
    });
    return [...failing, ...others].slice(0, PROBES_MAX);
  }

  /** Connects to each of them at once. Gives those that could not be reached; null if it is too soon. */
  async probe(integrations: readonly string[]): Promise<readonly string[] | null> {
    const { clock } = this.#modules;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#probedAtMs < PROBE_PAUSE_MS) return null;
    this.#probedAtMs = nowMs;
    this.#probing?.abort(new Error('a later round has begun'));
    const probing = new AbortController();
    this.#probing = probing;
    const cancel = clock.after(PROBE_MS_MAX, () => probing.abort(new Error('it took too long')));
    const reached = await Promise.all(
      integrations.map((key) => this.#isReached(key, probing.signal)),
    );
    cancel();
    if (this.#probing !== probing) return null;
    this.#probing = null;
    integrations.forEach((key, i) => this.note(key, reached[i] === true));
    return integrations.filter((_, i) => reached[i] !== true);
  }

  async #isReached(key: string, signal: AbortSignal): Promise<boolean> {
    const { notifiers, state } = this.#modules;
    const integration = integrationAt(state(), key);
    const notifier = integration === undefined ? undefined : notifiers.get(integration.type);
    if (integration === undefined || notifier === undefined) return false;
    try {
      return await notifier.probe(integration.settings, signal);
    } catch {
      return false;
    }
  }
}
