/**
 * How late the event loop is: the first thing to look at when a node is slow or loses its lead.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

/** How often the event loop is looked at: finer than any stall that matters here. */
const LOOP_RESOLUTION_MS = 50;

/** Watches until `disable` is called. */
export function eventLoopLag(registers: Registry[]): { disable: () => void } {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  new Gauge({
    name: 'tocsin_event_loop_lag_seconds',
    help: 'How late the event loop was since the last scrape, at some percentiles.',
    labelNames: ['percentile'],
    registers,
    collect() {
      for (const percentile of [50, 99, 100]) {
        const lagNs = delay.percentile(percentile) - LOOP_RESOLUTION_MS * 1e6;
        this.set({ percentile }, Math.max(0, lagNs) / 1e9);
      }
      delay.reset();
    },
  });
  return { disable: () => void delay.disable() };
}
