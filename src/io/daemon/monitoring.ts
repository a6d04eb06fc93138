/**
 * Runs the monitors of the live configuration, on the member that leads: one source for each series,
 * wherever the leader is. A new leader begins where the one before has stopped.
 */

import { asyncScheduler } from 'rxjs';
import type { Monitor } from '../../commands/config.ts';
import type { IngestCounters } from '../monitors/ingest-counters.ts';
import { Monitors } from '../monitors/monitors.ts';
import { parseAddress } from '../net/addresses.ts';
import type { Logger, MonitorReport, NodeHandle } from '../ports.ts';
import { senderClock } from './sender-clock.ts';
import { realClock, realRandom } from './system-ports.ts';

export interface MonitoringOptions {
  readonly version: string;
  /** Where this node listens for carbon lines, as HOST:PORT. */
  readonly carbon: string;
  readonly lateAfterMs: number;
  readonly ledger: IngestCounters;
  readonly logger: Logger;
}

const NONE: readonly Monitor[] = [];

/** Follows the configuration and the leadership until it is stopped. */
export function runMonitors(
  node: NodeHandle,
  { carbon, lateAfterMs, ledger, logger, version }: MonitoringOptions,
): { reports(): readonly MonitorReport[]; stop(): Promise<void> } {
  const { host = '', port = 0 } = parseAddress(carbon) ?? {};
  const monitors = new Monitors(
    { version, carbon: { host: reachable(host), port }, lateAfterMs },
    {
      clock: senderClock(node, realClock),
      intake: node,
      ledger,
      logger,
      random: realRandom,
      scheduler: asyncScheduler,
    },
  );
  let running = NONE;
  const unfollow = node.onApplied(({ state }) => {
    const wanted = (node.isServing() ? state.config?.command.config.monitors : undefined) ?? NONE;
    if (wanted === running) return;
    running = wanted;
    monitors.apply(wanted);
  });
  return {
    reports: () => monitors.reports(),
    async stop() {
      unfollow();
      monitors.stop();
    },
  };
}

/** Where to send to what listens on all addresses. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
