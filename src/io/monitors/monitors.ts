/**
 * Runs the monitors of the configuration and offers what they read to the node.
 *
 * Promise: a new configuration restarts the monitors that changed and leaves the others running;
 * a monitor that fails is logged when it starts to fail and when it is well again, not each time.
 */

import { defer, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { Agent } from 'undici';
import type { Monitor } from '../../commands/config.ts';
import type { Clock, Intake, Logger, Random } from '../ports.ts';
import { CarbonWriter, type CarbonWriterOptions } from './carbon-writer.ts';
import { graphiteMonitor } from './graphite-monitor.ts';
import { hostMonitor } from './host-monitor.ts';
import { httpMonitor } from './http-monitor.ts';
import type { IntakeLedger } from './intake-ledger.ts';
import type { PollResult, Reading } from './polling.ts';
import { ReadingBatch } from './reading-batch.ts';

export interface MonitorsOptions {
  /** For the User-Agent. */
  readonly version: string;
  /**
   * Where host monitors send their samples as carbon lines, so that they take the path of all
   * other readings; null offers them to the node directly.
   */
  readonly carbon: CarbonWriterOptions | null;
}

export interface MonitorsModules {
  readonly clock: Clock;
  readonly intake: Intake;
  readonly ledger: IntakeLedger;
  readonly logger: Logger;
  readonly random: Random;
  readonly scheduler: SchedulerLike;
}

/** What the metrics read of one monitor. */
export interface MonitorCounters {
  readonly polls: number;
  readonly failures: number;
}

interface Running {
  /** All that makes a monitor what it is: when this differs, it is started anew. */
  readonly definition: string;
  readonly stop: () => void;
}

export class Monitors {
  readonly #options: MonitorsOptions;
  readonly #modules: MonitorsModules;
  readonly #running = new Map<string, Running>();
  readonly #counters = new Map<string, { polls: number; failures: number }>();
  readonly #dispatcher = new Agent();

  constructor(options: MonitorsOptions, modules: MonitorsModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** By the name of the monitor, for those that run. */
  get counters(): ReadonlyMap<string, MonitorCounters> {
    return this.#counters;
  }

  /** Runs exactly these monitors from now on; an empty list pauses all. */
  apply(monitors: readonly Monitor[]): void {
    const wanted = new Map(monitors.map((monitor) => [monitor.name, monitor]));
    for (const [name, { definition, stop }] of this.#running) {
      const monitor = wanted.get(name);
      if (monitor !== undefined && definitionOf(monitor) === definition) continue;
      stop();
      this.#running.delete(name);
      this.#counters.delete(name);
    }
    for (const monitor of wanted.values()) {
      if (!this.#running.has(monitor.name)) this.#start(monitor);
    }
  }

  /** Stops all monitors and aborts the requests that they wait for. */
  async stop(): Promise<void> {
    this.apply([]);
    await this.#dispatcher.destroy();
  }

  #start(monitor: Monitor): void {
    const counters = { polls: 0, failures: 0 };
    const sink = this.#sinkFor(monitor);
    let problem: string | null = null;
    const subscription: Subscription = defer(() => this.#resultsOf(monitor)).subscribe({
      next: (result) => {
        counters.polls++;
        if (result.problem !== null) counters.failures++;
        this.#logChange(monitor, problem, result.problem);
        problem = result.problem;
        sink.write(result.readings);
      },
      error: (error: unknown) => {
        const { logger } = this.#modules;
        logger.error('monitor cannot run', { monitor: monitor.name, problem: String(error) });
      },
    });
    this.#counters.set(monitor.name, counters);
    this.#running.set(monitor.name, {
      definition: definitionOf(monitor),
      stop: () => {
        subscription.unsubscribe();
        sink.close();
      },
    });
  }

  #resultsOf(monitor: Monitor): Observable<PollResult> {
    const userAgent = `Tocsin/${this.#options.version}`;
    const modules = { ...this.#modules, dispatcher: this.#dispatcher, userAgent };
    switch (monitor.type) {
      case 'http':
        return httpMonitor(monitor, modules);
      case 'graphite':
        return graphiteMonitor(monitor, modules);
      case 'host':
        return hostMonitor(monitor, modules);
    }
  }

  #sinkFor(monitor: Monitor): Sink {
    const { carbon } = this.#options;
    if (monitor.type === 'host' && carbon !== null) return new CarbonWriter(carbon, this.#modules);
    const batch = new ReadingBatch({ source: monitor.name }, this.#modules);
    return {
      write: (readings) => {
        for (const [name, value] of readings) batch.addNamed(name, value);
        batch.flush();
      },
      close: () => {},
    };
  }

  #logChange({ name }: Monitor, before: string | null, now: string | null): void {
    const { logger } = this.#modules;
    if (before === null && now !== null)
      logger.warn('monitor fails', { monitor: name, problem: now });
    if (before !== null && now === null) logger.info('monitor is well again', { monitor: name });
  }
}

/** Where the readings of a monitor go. */
interface Sink {
  write(readings: readonly Reading[]): void;
  close(): void;
}

function definitionOf(monitor: Monitor): string {
  const { name, type, intervalMs, timeoutMs, settings } = monitor;
  return JSON.stringify([name, type, intervalMs, timeoutMs, settings]);
}
