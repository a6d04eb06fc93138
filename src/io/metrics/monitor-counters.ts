/**
 * What the monitors of this node do, by their names. They run on the leader: elsewhere there are none.
 *
 * Promise: a monitor that was taken out of the configuration is gone with the next scrape.
 */

import { Counter, type Registry } from 'prom-client';
import type { MonitorReport } from '../ports.ts';

export function monitorCounters(read: () => readonly MonitorReport[], registers: Registry[]): void {
  new Counter({
    name: 'tocsin_monitor_polls_total',
    help: 'Polls of a monitor on this node since it was started there, by what became of them.',
    labelNames: ['monitor', 'result'],
    registers,
    collect() {
      this.reset();
      for (const { name: monitor, polls, failures } of read()) {
        this.inc({ monitor, result: 'failed' }, failures);
        this.inc({ monitor, result: 'ok' }, polls - failures);
      }
    },
  });
  new Counter({
    name: 'tocsin_monitor_observations_dropped_total',
    help: 'Readings in answers to a monitor that could not be judged, by reason.',
    labelNames: ['monitor', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const { name: monitor, dropped } of read()) {
        for (const { count, reason } of dropped) this.inc({ monitor, reason }, count);
      }
    },
  });
}
