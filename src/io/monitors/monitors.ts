/**
 * Runs the monitors of the configuration and offers what they read to the node.
 *
 * Promise: a new configuration restarts the monitors that changed and leaves the others running;
 * a monitor that fails is logged when it starts to fail and when it is well again, not each time.
 * A reading that cannot be offered costs itself, and is counted and shown.
 */

import { defer, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import type { Monitor } from '../../commands/config.ts';
import type { Clock, DroppedOfMonitor, Ingest, Logger, MonitorReport, Random } from '../ports.ts';
import { CarbonWriter, type CarbonWriterOptions } from './carbon-writer.ts';
import { graphiteMonitor } from './graphite-monitor.ts';
import { hostMonitor } from './host-monitor.ts';
import { httpMonitor } from './http-monitor.ts';
import type { IngestCounters } from './ingest-counters.ts';
import type { Fault, PollResult, Reading } from './polling.ts';
import { ReadingBatch } from './reading-batch.ts';
import { monitorSeriesName } from './series-name.ts';
import { SeriesOwners } from './series-owners.ts';

export interface MonitorsOptions {
  /** For the User-Agent. */
  readonly version: string;
  /**
   * Where host monitors send their samples as carbon lines, so that they take the path of all
   * other readings; null offers them to the node directly.
   */
  readonly carbon: CarbonWriterOptions | null;
  /** Points whose own time is further back are late; 0 for what each type has as its default. */
  readonly lateAfterMs?: number;
}

export interface MonitorsModules {
  readonly clock: Clock;
  readonly intake: Ingest;
  readonly ledger: IngestCounters;
  readonly logger: Logger;
  readonly random: Random;
  readonly scheduler: SchedulerLike;
}

interface MonitorCounters {
  readonly polls: number;
  readonly failures: number;
}

/** A monitor as {@link MonitorReport} shows it. */
interface Watched {
  readonly type: string;
  problem: string | null;
  shared: MonitorReport['shared'];
  readonly dropped: Map<string, DroppedOfMonitor>;
}

interface Running {
  readonly watched: Watched;
  /** All that makes a monitor what it is: when this differs, it is started anew. */
  readonly definition: string;
  readonly stop: () => void;
}

export class Monitors {
  readonly #options: MonitorsOptions;
  readonly #modules: MonitorsModules;
  readonly #running = new Map<string, Running>();
  readonly #counters = new Map<string, { polls: number; failures: number }>();
  readonly #owners = new SeriesOwners();

  constructor(options: MonitorsOptions, modules: MonitorsModules) {
    this.#options = options;
    this.#modules = modules;
  }

  /** By the name of the monitor, for those that run. */
  get counters(): ReadonlyMap<string, MonitorCounters> {
    return this.#counters;
  }

  /** Those that run, by name. */
  reports(): readonly MonitorReport[] {
    return [...this.#running].map(([name, { watched }]) => {
      const { dropped, ...facts } = watched;
      const { polls = 0, failures = 0 } = this.#counters.get(name) ?? {};
      return { name, polls, failures, ...facts, dropped: [...dropped.values()] };
    });
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
      this.#owners.forget(name);
    }
    for (const monitor of wanted.values()) {
      if (!this.#running.has(monitor.name)) this.#start(monitor);
    }
  }

  /** Stops all monitors and aborts the requests that they wait for. */
  stop(): void {
    this.apply([]);
  }

  #start(monitor: Monitor): void {
    const counters = { polls: 0, failures: 0 };
    const sink = this.#sinkFor(monitor);
    const watched: Watched = {
      type: monitor.type,
      problem: null,
      shared: null,
      dropped: new Map(),
    };
    const subscription: Subscription = defer(() => this.#resultsOf(monitor)).subscribe({
      next: (result) => {
        counters.polls++;
        if (result.problem !== null) counters.failures++;
        this.#logChange(monitor, watched.problem, result.problem);
        watched.problem = result.problem;
        const sound = this.#soundOf(result);
        this.#countFaults(monitor, watched, sound.faults);
        this.#noteShared(monitor, watched, sound.readings);
        sink.write(sound.readings, result.mentions ?? []);
      },
      error: (error: unknown) => {
        const { logger } = this.#modules;
        logger.error('monitor cannot run', { monitor: monitor.name, problem: String(error) });
      },
    });
    this.#counters.set(monitor.name, counters);
    this.#running.set(monitor.name, {
      watched,
      definition: definitionOf(monitor),
      stop: () => {
        subscription.unsubscribe();
        sink.close();
      },
    });
  }

  #resultsOf(monitor: Monitor): Observable<PollResult> {
    const userAgent = `Tocsin/${this.#options.version}`;
    const modules = { ...this.#modules, userAgent };
    switch (monitor.type) {
      case 'http':
        return httpMonitor(monitor, modules);
      case 'graphite':
        return graphiteMonitor({ lateAfterMs: this.#options.lateAfterMs ?? 0 }, monitor, modules);
      case 'host':
        return hostMonitor(monitor, modules);
    }
  }

  #sinkFor(monitor: Monitor): Sink {
    const { carbon } = this.#options;
    if (monitor.type === 'host' && carbon !== null) return new CarbonWriter(carbon, this.#modules);
    const batch = new ReadingBatch({ source: monitor.name }, this.#modules);
    return {
      write: (readings, mentions) => {
        for (const [name, value] of readings) batch.addNamed(name, value);
        for (const name of mentions) batch.mention(name);
        batch.flush();
      },
      close: () => {},
    };
  }

  /** What the log takes of a poll, under the one spelling of each name; the rest are faults. */
  #soundOf({ readings, faults = [] }: PollResult): Sound {
    const sound: Reading[] = [];
    const more: Fault[] = [];
    for (const [given, value] of readings) {
      const name = monitorSeriesName(given);
      const reason = name === null ? 'bad-name' : Number.isFinite(value) ? null : 'not-a-number';
      if (name !== null && reason === null) sound.push([name, value]);
      else if (reason !== null) more.push({ reason, count: 1, sample: `${given} ${value}` });
    }
    return { readings: sound, faults: [...faults, ...more] };
  }

  #countFaults({ name: monitor }: Monitor, { dropped }: Watched, faults: readonly Fault[]): void {
    const { clock, ledger } = this.#modules;
    for (const { reason, count, sample } of faults) {
      ledger.receive(count);
      ledger.drop(reason, monitor, count, () => sample);
      const before = dropped.get(reason)?.count ?? 0;
      dropped.set(reason, { reason, count: before + count, sample, at: clock.now() });
    }
  }

  /** Both are judged, since two Graphites may hold the same; but a person may not have meant it. */
  #noteShared({ name }: Monitor, watched: Watched, readings: readonly Reading[]): void {
    const shared = this.#owners.take(name, readings);
    if (shared === null) return;
    if (watched.shared?.monitor !== shared.monitor) {
      this.#modules.logger.warn('two monitors give series of one name: both are judged', {
        monitor: name,
        other: shared.monitor,
        series: shared.series,
      });
    }
    watched.shared = shared;
  }

  #logChange({ name }: Monitor, before: string | null, now: string | null): void {
    const { logger } = this.#modules;
    if (before === null && now !== null)
      logger.warn('monitor fails', { monitor: name, problem: now });
    if (before !== null && now === null) logger.info('monitor is well again', { monitor: name });
  }
}

interface Sound {
  readonly readings: readonly Reading[];
  readonly faults: readonly Fault[];
}

/** Where the readings of a monitor go. */
interface Sink {
  write(readings: readonly Reading[], mentions: readonly string[]): void;
  close(): void;
}

function definitionOf(monitor: Monitor): string {
  const { name, type, intervalMs, timeoutMs, settings } = monitor;
  return JSON.stringify([name, type, intervalMs, timeoutMs, settings]);
}
