/**
 * The metrics of a node, in the text format of Prometheus. Their names are a contract
 * (docs/ARCHITECTURE.md): dashboards and alerts of other people hang on them.
 *
 * Promise: every label set that can occur is there from the first scrape, with 0, so that a rate is
 * never missed; nothing is registered globally; what the state knows is read when it is asked for.
 */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { UNREADABLE_STATUS, type Outcome } from '../../commands/delivery.ts';
import type {
  AppliedEntry,
  TransferReason,
  MonitorReport,
  NodeHandle,
  NodeObserver,
  SnapshotWritten,
} from '../ports.ts';
import { connectionCounters, type ConnectionReasons } from './connection-counters.ts';
import { eventLoopLag } from './event-loop.ts';
import { monitorCounters } from './monitor-counters.ts';
import { nodeGauges } from './node-gauges.ts';

export interface MetricsOptions {
  readonly version: string;
  readonly revision: string;
  /** Types of integrations that this build can send, such as `webhook`. */
  readonly integrations: readonly string[];
  /** Reasons for which readings are dropped. */
  readonly dropReasons: readonly string[];
  /** Limits because of which requests are refused. */
  readonly limits: readonly string[];
  /** Why HTTP connections are refused and closed. */
  readonly connectionReasons: ConnectionReasons;
}

export interface Metrics extends NodeObserver {
  transferring(reason: TransferReason): void;
  readonly contentType: string;
  /** Everything as of now. */
  text(): Promise<string>;
  /** Gives the metrics that show a node their node; before it they are left out. */
  watch(node: NodeHandle): void;
  /** Gives the losses of an intake, by reason; they are asked for at each scrape. */
  watchDrops(drops: () => Readonly<Record<string, number>>): void;
  /** Gives the monitors that run on this node; they are asked at each scrape. */
  watchMonitors(read: () => readonly MonitorReport[]): void;
  readingsDropped(reason: string, count: number): void;
  alertsReceived(count: number): void;
  alertsInvalid(count: number): void;
  overLimit(limit: string): void;
  bytesInFlight(bytes: number): void;
  connectionsOpen(count: number): void;
  connectionRefused(reason: string): void;
  connectionClosed(reason: string): void;
  /** A configuration was read again: whether it was applied, and when, in epoch milliseconds. */
  configReloaded(ok: boolean, at: number): void;
  /** Stops the watch of the event loop. */
  close(): void;
}

/** karma asks for at least 0.22; this is the version whose API we answer with. */
const ALERTMANAGER_VERSION = '0.28.0';

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  buildInfo(options, registers);
  const counts = counters(options, registers);
  const drops: (() => Readonly<Record<string, number>>)[] = [];
  droppedReadings(options, counts.dropped, drops, registers);
  const connections = connectionCounters(options.connectionReasons, registers);
  const loop = eventLoopLag(registers);
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    watch: (node) => nodeGauges(node, registers),
    watchDrops: (read) => void drops.push(read),
    watchMonitors: (read) => monitorCounters(read, registers),
    readingsDropped: (reason, count) => {
      counts.dropped.set(reason, (counts.dropped.get(reason) ?? 0) + count);
    },
    alertsReceived: (count) => counts.alertsReceived.inc(count),
    alertsInvalid: (count) => counts.alertsInvalid.inc(count),
    overLimit: (limit) => counts.overLimit.inc({ limit }),
    bytesInFlight: (bytes) => counts.bytesInFlight.set(bytes),
    connectionsOpen: (count) => connections.open.set(count),
    connectionRefused: (reason) => connections.refused.inc({ reason }),
    connectionClosed: (reason) => connections.closed.inc({ reason }),
    configReloaded: (ok, at) => {
      counts.reloadOk.set(ok ? 1 : 0);
      if (ok) counts.reloadedAt.set(at / 1000);
    },
    appended: (seconds) => counts.append.observe(seconds),
    applied: (entry) => countEntry(entry, counts),
    transferring: (reason) => counts.transfers.inc({ reason }),
    snapshotTaken: ({ tookMs }: SnapshotWritten) => counts.snapshot.observe(tookMs / 1000),
    close: () => loop.disable(),
  };
}

type Registers = Registry[];

function buildInfo({ version, revision }: MetricsOptions, registers: Registers): void {
  new Gauge({
    name: 'tocsin_build_info',
    help: 'Which build runs; the value is always 1.',
    labelNames: ['version', 'revision', 'nodeversion'],
    registers,
  }).set({ version, revision, nodeversion: process.version }, 1);
  new Gauge({
    name: 'alertmanager_build_info',
    help: 'The version of Alertmanager whose API is answered; the value is always 1.',
    labelNames: ['version', 'revision', 'branch', 'goversion'],
    registers,
  }).set({ version: ALERTMANAGER_VERSION, revision, branch: '', goversion: '' }, 1);
}

const RESULTS: readonly Outcome['result'][] = ['delivered', 'retry', 'rejected', 'unknown'];

const TRANSFER_REASONS: readonly TransferReason[] = [
  'receivers',
  'descriptors',
  'disk',
  'event loop',
];

type Counters = ReturnType<typeof counters>;

function counters({ integrations, limits }: MetricsOptions, registers: Registers) {
  const notifications = new Counter({
    name: 'tocsin_notifications_total',
    help: 'Attempts to send a notification, by type of integration and by outcome.',
    labelNames: ['integration', 'outcome'],
    registers,
  });
  for (const integration of integrations) {
    for (const outcome of RESULTS) notifications.inc({ integration, outcome }, 0);
  }
  const unreadable = new Counter({
    name: 'tocsin_notifications_unreadable_total',
    help: 'Tries whose receiver answered what cannot be read: a person has to look at it.',
    labelNames: ['integration'],
    registers,
  });
  for (const integration of integrations) unreadable.inc({ integration }, 0);
  const overLimit = new Counter({
    name: 'tocsin_over_limit_total',
    help: 'Requests over HTTP, or parts of them, that were refused, by the limit that they exceed.',
    labelNames: ['limit'],
    registers,
  });
  for (const limit of limits) overLimit.inc({ limit }, 0);
  const transfers = new Counter({
    name: 'tocsin_leadership_transfers_total',
    help: 'Times that this node led, could not do its work, and began to transfer leadership, by reason.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of TRANSFER_REASONS) transfers.inc({ reason }, 0);
  return {
    notifications,
    unreadable,
    transfers,
    dropped: new Map<string, number>(),
    observations: new Counter({
      name: 'tocsin_observations_applied_total',
      help: 'Readings that were committed and applied on this node.',
      registers,
    }),
    alertsReceived: new Counter({
      name: 'tocsin_alerts_received_total',
      help: 'Alerts that were pushed to this node over API v2 and were valid.',
      registers,
    }),
    alertsInvalid: new Counter({
      name: 'tocsin_alerts_invalid_total',
      help: 'Alerts that were pushed to this node over API v2 and refused.',
      registers,
    }),
    overLimit,
    bytesInFlight: new Gauge({
      name: 'tocsin_request_bytes_in_flight',
      help: 'Bytes that the bodies of requests under way hold together, of at most 32 MiB.',
      registers,
    }),
    append: new Histogram({
      name: 'tocsin_append_seconds',
      help: 'Time until an entry of this node was durable, from its hand-over to the log.',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    snapshot: new Histogram({
      name: 'tocsin_snapshot_seconds',
      help: 'Time that a snapshot took, from its begin to its synced manifest.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    reloadOk: new Gauge({
      name: 'tocsin_config_last_reload_successful',
      help: 'Whether the last configuration that was read could be applied.',
      registers,
    }),
    reloadedAt: new Gauge({
      name: 'tocsin_config_last_reload_success_timestamp_seconds',
      help: 'When a configuration was last applied at the wish of this node.',
      registers,
    }),
  };
}

function countEntry({ batch, transitions }: AppliedEntry, counts: Counters): void {
  for (const command of batch.commands) {
    if (command.kind === 'observe') counts.observations.inc(command.ids.length);
    if (command.kind !== 'outcome') continue;
    // An outcome that the fold ignored has left no trace, and is not counted twice.
    const told = transitions.find(
      (each) => each.kind === 'notification' && each.id === command.notification,
    );
    if (told?.kind !== 'notification') continue;
    const integration = typeOf(told.integration);
    counts.notifications.inc({ integration, outcome: command.result });
    if (command.status === UNREADABLE_STATUS) counts.unreadable.inc({ integration });
  }
}

/** `webhook` out of `team-web/webhook[0]`. */
function typeOf(integrationKey: string): string {
  return /([^/]*)\[\d+\]$/.exec(integrationKey)?.[1] ?? 'unknown';
}

/** Losses come from two sides: those of an intake that counts itself, and those told to us. */
function droppedReadings(
  { dropReasons }: MetricsOptions,
  told: ReadonlyMap<string, number>,
  watched: readonly (() => Readonly<Record<string, number>>)[],
  registers: Registers,
): void {
  new Counter({
    name: 'tocsin_observations_dropped_total',
    help: 'Readings that arrived at this node and were lost, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      const totals = new Map(dropReasons.map((reason) => [reason, 0]));
      for (const counts of [Object.fromEntries(told), ...watched.map((read) => read())]) {
        for (const [reason, count] of Object.entries(counts)) {
          totals.set(reason, (totals.get(reason) ?? 0) + count);
        }
      }
      this.reset();
      for (const [reason, count] of totals) this.inc({ reason }, count);
    },
  });
}
