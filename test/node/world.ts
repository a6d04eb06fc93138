/**
 * A small world for stories about the node: one machine with a simulated disk, its clock, and the
 * people it pages. Processes come and go on it; what they leave is what the next one finds.
 *
 * Time is virtual and written as `m:ss` since the world began. By default a disk operation takes no
 * time (only a turn), and a receiver takes a millisecond to answer 200.
 */

import type { Command, CommandKind } from '../../src/commands/command.ts';
import type { Config } from '../../src/commands/config.ts';
import { labelsFrom } from '../../src/commands/labels.ts';
import { nodeDigest } from '../../src/io/disk/digest.ts';
import {
  createSimulatedDisk,
  type DiskFault,
  type DiskOperation,
  type Loss,
  type SimulatedDisk,
} from '../../src/io/sim/simulated-disk.ts';
import { entryTypeOf } from '../../src/io/node/entries.ts';
import type { NodeObserver, Proposed, SnapshotWritten } from '../../src/io/ports.ts';
import { MemorySnapshots } from '../../src/io/sim/memory-snapshots.ts';
import { startProcess, type Process, type ProcessOptions } from '../../src/io/sim/process.ts';
import { SimulatedNetwork } from '../../src/io/sim/network.ts';
import { Receivers, type ReceivedNotification } from '../../src/io/sim/receivers.ts';
import { SeededRandom } from '../../src/io/sim/seeded-random.ts';
import { VirtualClock } from '../../src/io/sim/virtual-clock.ts';
import { VirtualTime } from '../../src/io/sim/virtual-time.ts';
import { decodeBatch, encodeBatch } from '../../src/log/codec.ts';
import type { State } from '../../src/projections/state.ts';
import type { Transition } from '../../src/projections/transaction.ts';
import { decodeConfState } from '../../src/raft/confchange.ts';
import type { EntryType } from '../../src/raft/types.ts';
import { localTimeIn } from '../../src/io/daemon/local-time.ts';
import { config as defaultConfig, matchers, span } from '../support/scenario-config.ts';

/** When worlds begin. */
export const START = Date.parse('2026-01-05T00:00:00Z');

const IDENTITY = { clusterId: 'cluster-1', nodeId: 'node-1' } as const;

export interface WorldOptions extends Partial<
  Pick<
    ProcessOptions,
    | 'tickMs'
    | 'startDelayMs'
    | 'snapshotEntries'
    | 'snapshotMs'
    | 'segmentBytesMax'
    | 'retentionMs'
    | 'retentionBytes'
  >
> {
  readonly seed?: number;
  readonly config?: Config;
  /** What another world has left. */
  readonly disk?: SimulatedDisk;
  readonly snapshots?: MemorySnapshots;
}

/** What a disk does to its process, beside storing. */
export interface DiskTrouble {
  /** Milliseconds that an operation takes. */
  readonly takesMs?: (operation: DiskOperation) => number;
  readonly fault?: (operation: DiskOperation) => DiskFault | undefined;
}

/** One entry of the log, as a story tells it. */
export interface LoggedEntry {
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  /** Who votes from this entry on; empty for entries that do not say. */
  readonly voters: readonly string[];
  readonly at: number;
  readonly kinds: readonly CommandKind[];
  readonly commands: readonly Command[];
}

export class World {
  readonly time = new VirtualTime();
  readonly receivers = new Receivers({ answer: { status: 200 } }, { time: this.time });
  readonly snapshots: MemorySnapshots;
  /** What the folds of all processes did, in the order in which it happened. */
  readonly transitions: Transition[] = [];
  readonly written: SnapshotWritten[] = [];
  /** Disk operations so far, by kind. */
  readonly operations = new Map<DiskOperation['kind'], number>();
  readonly warnings: string[] = [];
  disk: SimulatedDisk;
  config: Config;
  readonly #options: WorldOptions;
  readonly #random: SeededRandom;
  #starts = 0;
  #trouble: DiskTrouble = {};
  #clock: VirtualClock;
  #process: Process | null = null;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed ?? 1);
    this.config = options.config ?? defaultConfig();
    this.#clock = new VirtualClock({ epochMs: START }, this);
    this.disk =
      options.disk?.afterKill(this.#diskOptions()) ?? createSimulatedDisk(this.#diskOptions());
    this.snapshots = options.snapshots ?? new MemorySnapshots({ digest: nodeDigest });
  }

  // -------------------------------------------------------------------------------------------
  // Processes

  get process(): Process {
    if (this.#process === null) throw new Error('no process runs');
    return this.#process;
  }

  get node(): Process['node'] {
    return this.process.node;
  }

  get clock(): VirtualClock {
    return this.#clock;
  }

  get state(): State {
    return this.node.view().state;
  }

  /** Starts a process and waits until it leads, or its disk lets it no more. */
  async start(): Promise<this> {
    await this.boot();
    const { node } = this.process;
    const giveUpAt = this.time.nowMs + 60_000;
    while (!node.ready() && this.process.failures.length === 0) {
      if (this.#clock.isKilled) throw new Error('the process died before it led');
      if (this.time.nowMs > giveUpAt) throw new Error('no leader after a minute');
      await this.time.runOne();
    }
    // What the new leader says of itself is committed in the same instant, if the disk is quick.
    await this.time.run(0);
    return this;
  }

  /** Starts a process without waiting for anything but its storage. Rejects if that is refused. */
  async boot(): Promise<void> {
    const clock = this.#clock;
    const observer: NodeObserver = {
      appended: () => undefined,
      applied: ({ transitions }) => this.transitions.push(...transitions),
      snapshotTaken: (written) => this.written.push(written),
    };
    const starting = startProcess(
      {
        name: 'n1',
        identity: IDENTITY,
        tickMs: 100,
        startDelayMs: 0,
        snapshotEntries: 1_000_000,
        snapshotMs: span('1d'),
        retentionMs: span('14d'),
        retentionBytes: 1e12,
        segmentBytesMax: 1 << 20,
        ...this.#options,
        founds: true,
        hasOthers: false,
        incarnation: ++this.#starts,
        configuration: {
          hash: () => this.#configHash(),
          commandFor: (state) => (this.#isApplied(state) ? null : configCommand(this.config)),
        },
      },
      {
        clock,
        random: this.#random,
        disk: this.disk,
        witnessDisk: createSimulatedDisk(),
        digest: nodeDigest,
        snapshots: this.snapshots.reopened({
          digest: nodeDigest,
          pace: (write) => this.#paceSnapshot(clock, write),
        }),
        transport: new SimulatedNetwork({ random: this.#random }).join(IDENTITY.nodeId, 1, clock),
        notifiers: [this.receivers.notifier('webhook', { clock })],
        localTimeIn,
        logger: this.#logger,
        observer,
      },
    );
    this.#process = await this.time.until(starting);
  }

  /** `kill -9`: the next process finds what the kernel held. */
  kill(): this {
    this.#end((options) => this.disk.afterKill(options));
    return this;
  }

  /** The power fails, and takes something of what was not synced. */
  powerCut(loss: Loss = { kind: 'everything' }): this {
    this.#end((options) => this.disk.afterPowerCut(loss, options));
    return this;
  }

  /** A clean stop; the log is closed as the daemon does. */
  async stop(): Promise<void> {
    await this.stopWithoutKill();
    this.kill();
  }

  /** A clean stop of a process that goes on for a while, as one that still closes its sockets. */
  async stopWithoutKill(): Promise<void> {
    await this.time.until(this.node.stop());
    await this.time.until(this.process.log.close());
  }

  /** What the disk does to its process from now on. */
  trouble(trouble: DiskTrouble): this {
    this.#trouble = trouble;
    return this;
  }

  // -------------------------------------------------------------------------------------------
  // Time

  /** Lets a span such as `30s` or `1h` pass. */
  async wait(text: string): Promise<this> {
    await this.time.run(span(text));
    return this;
  }

  /** A time of the world as stories write it: `1:05`, `1:05.250`, `2:00:00`. */
  text(ms = this.time.nowMs): string {
    const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
    const rest = ms % 1_000 === 0 ? '' : `.${String(ms % 1_000).padStart(3, '0')}`;
    const seconds = `${two((ms / 1_000) % 60)}${rest}`;
    const minutes = Math.floor(ms / 60_000) % 60;
    const hours = Math.floor(ms / 3_600_000);
    return hours === 0 ? `${minutes}:${seconds}` : `${hours}:${two(minutes)}:${seconds}`;
  }

  // -------------------------------------------------------------------------------------------
  // What happens

  /** Proposes commands and waits for the answer. */
  propose(...commands: readonly Command[]): Promise<Proposed> {
    return this.time.until(this.node.propose(commands));
  }

  reading(series: string, value: number): Promise<Proposed> {
    return this.propose(this.observe({ [series]: value }));
  }

  observe(values: Readonly<Record<string, number>>): Extract<Command, { kind: 'observe' }> {
    return observed(this.node, values);
  }

  push(...alerts: readonly Readonly<Record<string, string>>[]): Promise<Proposed> {
    return this.propose(pushed(this.clock.now(), ...alerts));
  }

  // -------------------------------------------------------------------------------------------
  // What came of it

  /** What receivers got: `0:30 team | first notification | firing HighCpu(servers.a.cpu)`. */
  told(from = 0): readonly string[] {
    return this.receivers.notifications.slice(from).map((page) => this.#line(page));
  }

  /** All commands in the log. */
  async entries(from = 1): Promise<readonly LoggedEntry[]> {
    return this.time.until(this.#readEntries(from));
  }

  async #readEntries(from: number): Promise<readonly LoggedEntry[]> {
    const { log } = this.process;
    const entries: LoggedEntry[] = [];
    for await (const entry of log.read(Math.max(from, log.firstIndex), log.lastIndex)) {
      const { index, term, data } = entry;
      const type = entryTypeOf(entry);
      const { at, commands } = type === 'command' ? decodeBatch(data) : { at: 0, commands: [] };
      const { voters } = type === 'config' ? decodeConfState(data) : { voters: [] };
      const kinds = commands.map(({ kind }) => kind);
      entries.push({ index, term, type, voters, at, commands, kinds });
    }
    return entries;
  }

  #line({ atMs, integration, reason, firing, resolved, uncertain }: ReceivedNotification): string {
    return [
      `${this.text(atMs)} ${integration.replace(/\/webhook\[0\]$/, '')}`,
      reason,
      ...(firing.length === 0 ? [] : [`firing ${firing.join(' ')}`]),
      ...(resolved.length === 0 ? [] : [`resolved ${resolved.join(' ')}`]),
      ...(uncertain ? ['may be a duplicate'] : []),
    ].join(' | ');
  }

  #isApplied({ config }: State): boolean {
    if (config === null) return false;
    const [applied, wanted] = [config.command.config, this.config].map((each) =>
      encodeBatch({ at: 0, commands: [configCommand(each)] }).join(),
    );
    return applied === wanted;
  }

  #configHash(): string {
    const bytes = encodeBatch({ at: 0, commands: [configCommand(this.config)] });
    return Buffer.from(nodeDigest.sha256(bytes)).toString('hex');
  }

  #end(next: (options: Parameters<typeof createSimulatedDisk>[0]) => SimulatedDisk): void {
    const { clock } = this;
    clock.kill();
    this.receivers.hangUp();
    this.#process = null;
    this.#clock = new VirtualClock({ epochMs: clock.now() - Math.floor(this.time.nowMs) }, this);
    this.#trouble = {};
    this.disk = next(this.#diskOptions());
  }

  #diskOptions(): Parameters<typeof createSimulatedDisk>[0] {
    const clock = this.#clock;
    return {
      pace: (operation) => {
        this.operations.set(operation.kind, (this.operations.get(operation.kind) ?? 0) + 1);
        return clock.pause(this.#trouble.takesMs?.(operation) ?? 0);
      },
      fault: (operation) => this.#trouble.fault?.(operation),
    };
  }

  /** A write of the snapshot store counts as an operation of the disk. */
  async #paceSnapshot(clock: VirtualClock, write: 'pages' | 'manifest'): Promise<void> {
    const operation = { kind: 'write', name: `snapshot ${write}`, number: 0 } as const;
    const fault = this.#trouble.fault?.(operation);
    if (fault?.kind === 'power-off') clock.kill();
    await clock.pause(this.#trouble.takesMs?.(operation) ?? 0);
    if (fault?.kind === 'error') throw new Error(`${fault.code}: snapshot ${write}`);
  }

  readonly #logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message: string) => void this.warnings.push(message),
    error: (message: string) => void this.warnings.push(message),
  };
}

export function configCommand(config: Config): Extract<Command, { kind: 'config' }> {
  return { kind: 'config', origin: 'tocsin.yml', source: '', externalUrl: null, config };
}

/** Readings as the carbon port hands them to a node: names that it knows travel as ids. */
export function observed(
  node: Process['node'],
  values: Readonly<Record<string, number>>,
): Extract<Command, { kind: 'observe' }> {
  const names: string[] = [];
  const ids = Object.keys(values).map((name) => {
    const known = node.seriesId(name);
    return known >= 0 ? known : -names.push(name);
  });
  return {
    kind: 'observe',
    source: 'carbon',
    names,
    ids: Int32Array.from(ids),
    values: Float64Array.from(Object.values(values)),
  };
}

/** A push as Prometheus sends it, of alerts that began at `at`. */
export function pushed(
  at: number,
  ...alerts: readonly Readonly<Record<string, string>>[]
): Extract<Command, { kind: 'alerts' }> {
  return {
    kind: 'alerts',
    source: 'Prometheus',
    alerts: alerts.map((labels) => ({
      labels: labelsFrom(Object.entries(labels)),
      annotations: labelsFrom([]),
      startsAt: at,
      endsAt: 0,
      generatorUrl: '',
    })),
  };
}

export function silence(
  id: string,
  from: number,
  until: number,
  ...matching: readonly string[]
): Extract<Command, { kind: 'silence' }> {
  return {
    kind: 'silence',
    id: '',
    freshId: id,
    matchers: matchers(...matching),
    startsAt: from,
    endsAt: until,
    createdBy: 'alice',
    comment: '',
    annotations: [],
  };
}
