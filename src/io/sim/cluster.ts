/**
 * A simulated cluster: hosts with disks and clocks, a network between them, people who are paged.
 * Processes come and go on the hosts; what they leave is what the next one finds.
 *
 * Promise: the same seed and the same calls give the same run. Whatever a process does is told to
 * the witness before anything else happens.
 */

import type { Command } from '../../commands/command.ts';
import type { Config } from '../../commands/config.ts';
import { encodeBatch } from '../../log/codec.ts';
import { VOTE_RECORD_FILE } from '../../log/vote-record.ts';
import type { Digest } from '../../log/disk.ts';
import type { LocalTimeIn } from '../../projections/muting.ts';
import type { Effect } from '../../raft/types.ts';
import type { AppliedEntry, JoinRequest, TransferReason, Logger } from '../ports.ts';
import { buildAt, mayRun, NEWEST_BUILD } from './builds.ts';
import { SYNC_MS_MAX } from '../node/fitness.ts';
import { MemorySnapshots } from './memory-snapshots.ts';
import { SimulatedNetwork } from './network.ts';
import { startProcess, type Process } from './process.ts';
import { Receivers, type Answer, type ReceiversOptions, type Way } from './receivers.ts';
import { SeededRandom } from './seeded-random.ts';
import {
  createSimulatedDisk,
  type DiskFault,
  type DiskOperation,
  type Loss,
  type SimulatedDisk,
} from './simulated-disk.ts';
import { VirtualClock } from './virtual-clock.ts';
import { VirtualTime } from './virtual-time.ts';

/** When simulated worlds begin. */
export const EPOCH_MS = Date.parse('2026-01-05T00:00:00Z');

const CLUSTER_ID = 'cluster-1';
/** What a system usually lets a process open. */
export const DESCRIPTORS = 1_024;
const TICK_MS = 100;

/** What a disk does to its process, beside storing. */
export interface DiskTrouble {
  /** Milliseconds that an operation takes. */
  readonly takesMs?: (operation: DiskOperation) => number;
  readonly fault?: (operation: DiskOperation) => DiskFault | undefined;
}

/** Told of everything that processes do, as they do it. */
export interface Witness {
  started(host: Host): void;
  effect(host: Host, effect: Effect): void;
  applied(host: Host, entry: AppliedEntry): void;
  /** A leader finds another member fitter. */
  transferring(host: Host, reason: TransferReason): void;
  logged(host: Host, level: 'info' | 'warn' | 'error', message: string): void;
  /** A process gave up. */
  failed(host: Host, error: Error): void;
  /** A process would not start. */
  refused(host: Host, error: Error): void;
}

export interface ClusterOptions {
  readonly seed: number;
  readonly config: Config;
  readonly snapshotEntries: number;
  readonly segmentBytesMax: number;
  /** Log and snapshots of a member take no more bytes; without a limit when left out. */
  readonly retentionBytes?: number;
  /** What its first members run, as a place in the list of builds; the first build when left out. */
  readonly founder?: number;
  /** How receivers behave; some are far, slow or have trouble of their own when left out. */
  readonly receivers?: ReceiversOptions;
}

export interface ClusterModules {
  readonly digest: Digest;
  readonly localTimeIn: LocalTimeIn;
  readonly witness: Witness;
}

/** The parts of a data folder that can be put back from an older copy, each alone or all together. */
export const FOLDER_PARTS = ['log', 'ballot', 'acknowledged', 'snapshots'] as const;
export type FolderPart = (typeof FOLDER_PARTS)[number];

/** A copy of the data folder of a node, as of one moment. */
export interface FolderCopy {
  readonly nodeId: string;
  /** The log directory without the vote record. */
  readonly log: ReadonlyMap<string, Uint8Array>;
  readonly ballot: ReadonlyMap<string, Uint8Array>;
  readonly acknowledged: ReadonlyMap<string, Uint8Array>;
  readonly snapshots: MemorySnapshots;
}

/** A machine, whatever runs on it. */
export interface Host {
  readonly name: string;
  /** Another one after its disk was wiped. */
  nodeId: string;
  disk: SimulatedDisk;
  /** The directory beside the log, with what was acknowledged. */
  witnessDisk: SimulatedDisk;
  snapshots: MemorySnapshots;
  clock: VirtualClock;
  process: Process | null;
  isStarting: boolean;
  trouble: DiskTrouble;
  /** How its connections to receivers fare. */
  way: Way;
  /** File descriptors that its process may still open. */
  descriptorsFree: number;
  /** Syncs that were slow, and notifications that could not be sent, so far. */
  troubles: number;
  /** What is installed on it, as a place in the list of builds. */
  build: number;
  /** Starts so far; incarnations count them. */
  starts: number;
  /** Whether its node was one of several members when it last spoke of them; outlives its disk. */
  hasOthers: boolean;
  /** Files of its present node were put back from a copy at some time. */
  wasPutBack: boolean;
  /** Its node belongs to the cluster, or begins it: it may be started. */
  isAdmitted: boolean;
  /** Its first node begins the cluster. */
  readonly founds: boolean;
  /** Its present node is the one that began the cluster. */
  isFounder: boolean;
}

export class SimulatedCluster {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly receivers: Receivers;
  readonly hosts = new Map<string, Host>();
  readonly #options: ClusterOptions;
  readonly #modules: ClusterModules;
  readonly #configHash: string;
  readonly #nodeIds = new Set<string>();
  readonly #newcomers: SeededRandom;
  readonly #founder: number;
  #newestBuild: number;

  constructor(options: ClusterOptions, modules: ClusterModules) {
    this.#options = options;
    this.#modules = modules;
    this.#founder = options.founder ?? 0;
    this.#newestBuild = this.#founder;
    this.random = new SeededRandom(options.seed);
    this.#newcomers = new SeededRandom(options.seed ^ 0xb11d);
    this.network = new SimulatedNetwork({ random: this.random });
    const people = new SeededRandom(options.seed ^ 0x9e0);
    const ways = new SeededRandom(options.seed ^ 0x3a7);
    const usual = { answer: () => answerOf(people), connectMs: () => connectMsOf(ways) };
    this.receivers = new Receivers(options.receivers ?? usual, { time: this.time });
    const bytes = encodeBatch({ at: 0, commands: [this.#configCommand()] });
    this.#configHash = hex(modules.digest.sha256(bytes));
  }

  /** Nobody has begun to upgrade it, or everybody has the newest build. */
  isUpgraded(): boolean {
    const isOn = [...this.hosts.values()].every(({ build }) => build === NEWEST_BUILD);
    return this.#newestBuild === this.#founder || isOn;
  }

  /** Hosts with a process that runs and has not given up. */
  living(): readonly Host[] {
    return [...this.hosts.values()].filter(
      ({ process }) => process !== null && process.failures.length === 0,
    );
  }

  /** Whether one wrong clock is outvoted: a leader that is there hears of two others. */
  hasMajorityOfClocks(): boolean {
    return this.living().some(({ process }) => {
      return (
        process?.node.isServing() === true &&
        process.node.raftStatus().config.confState.voters.length > 2
      );
    });
  }

  /** Whether anybody listens: a process that leads and does not stand still. */
  isListening(): boolean {
    return this.living().some(({ clock, process }) => {
      return process?.node.isServing() === true && !clock.isFrozen;
    });
  }

  /** What a wall clock shows that was never stepped, in epoch milliseconds. */
  wallMs(): number {
    return EPOCH_MS + Math.floor(this.time.nowMs);
  }

  /** A machine with an empty disk. */
  addHost(name: string, founds = false): Host {
    const host: Host = {
      name,
      nodeId: this.#freshNodeId(name),
      disk: createSimulatedDisk(),
      witnessDisk: createSimulatedDisk(),
      snapshots: new MemorySnapshots(this.#modules),
      clock: this.#newClock(EPOCH_MS),
      process: null,
      isStarting: false,
      trouble: {},
      way: 'open',
      descriptorsFree: DESCRIPTORS,
      troubles: 0,
      build: this.#buildOfNewcomer(),
      starts: 0,
      hasOthers: false,
      wasPutBack: false,
      isAdmitted: founds,
      founds,
      isFounder: founds,
    };
    host.disk = createSimulatedDisk(this.#diskOptions(host));
    host.witnessDisk = createSimulatedDisk(this.#diskOptions(host));
    this.hosts.set(name, host);
    return host;
  }

  /** Starts the process of a host. The witness gets a refusal. */
  async boot(host: Host): Promise<void> {
    if (host.process !== null || host.isStarting) return;
    host.isStarting = true;
    const { clock } = host;
    try {
      const process = await this.#start(host);
      // The power may have failed meanwhile.
      if (host.clock !== clock || clock.isKilled) return;
      host.process = process;
      this.#modules.witness.started(host);
    } catch (error) {
      if (host.clock === clock) this.#modules.witness.refused(host, error as Error);
    } finally {
      if (host.clock === clock) host.isStarting = false;
    }
  }

  #start(host: Host): Promise<Process> {
    const { config, retentionBytes = 1e12, segmentBytesMax, snapshotEntries } = this.#options;
    const { digest, localTimeIn, witness } = this.#modules;
    const { clock, hasOthers, isFounder, name, nodeId } = host;
    const { framesLevel, version, ...build } = buildAt(host.build);
    const command = this.#configCommand();
    // As large as those of real nodes, which begin to count at the wall clock.
    const incarnation = EPOCH_MS + ++host.starts;
    return startProcess(
      {
        name,
        version,
        build,
        identity: { clusterId: CLUSTER_ID, nodeId },
        founds: isFounder,
        hasOthers,
        incarnation,
        tickMs: TICK_MS,
        startDelayMs: 0,
        snapshotEntries,
        snapshotMs: 60_000,
        retentionMs: 14 * 86_400_000,
        retentionBytes,
        segmentBytesMax,
        configuration: {
          hash: () => this.#configHash,
          commandFor: (state) => (state.config?.command.config === config ? null : command),
        },
      },
      {
        clock,
        random: new SeededRandom(this.random.next() * 2 ** 32),
        disk: host.disk,
        witnessDisk: host.witnessDisk,
        digest,
        snapshots: host.snapshots.reopened({
          digest,
          build,
          pace: (write) => this.#paceSnapshot(host, clock, write),
        }),
        transport: this.network.join(nodeId, incarnation, clock, framesLevel),
        notifiers: [
          this.receivers.notifier('webhook', {
            clock,
            way: () => host.way,
            onFailing: () => host.troubles++,
          }),
        ],
        descriptorsFree: () => host.descriptorsFree,
        localTimeIn,
        logger: loggerOf(host, witness),
        observer: {
          appended: () => undefined,
          transferring: (reason) => witness.transferring(host, reason),
          snapshotTaken: () => undefined,
          applied: (entry) => witness.applied(host, entry),
          carriedOut: (effect) => witness.effect(host, effect),
          membersChanged: (others) => {
            if (host.clock === clock) host.hasOthers = others.length > 0;
          },
        },
        onFailure: (error) => witness.failed(host, error),
      },
    );
  }

  /** Asks a member to admit the node of a host, so that it can be started. */
  async admit(host: Host, through: Host): Promise<void> {
    const { nodeId } = host;
    const answer = await through.process?.node.onJoin(candidateOf(host));
    if (answer?.ok === true && host.nodeId === nodeId) host.isAdmitted = true;
  }

  /** Whether the next process of a host may be of another build, as long as nobody else changes his. */
  mayInstall(host: Host, build: number): boolean {
    const others = [...this.hosts.values()].filter((each) => each !== host);
    const newestEver = this.#newestBuild;
    const founder = this.#founder;
    return mayRun(build, { others: others.map((each) => each.build), newestEver, founder });
  }

  /** What the next process of a host is. */
  install(host: Host, build: number): void {
    host.build = build;
    this.#newestBuild = Math.max(this.#newestBuild, build);
  }

  /** `kill -9`: the next process finds what the kernel held. */
  kill(host: Host): void {
    this.#end(host, (disk, options) => disk.afterKill(options));
  }

  /** The power fails, and takes something of what was not synced. */
  powerCut(host: Host, loss: Loss): void {
    this.#end(host, (disk, options) => disk.afterPowerCut(loss, options));
  }

  /** Copies the data folder of a host, as a person does while its process runs. */
  copyOf({ disk, nodeId, snapshots, witnessDisk }: Host): FolderCopy {
    const files = [...disk.files()];
    return {
      nodeId,
      log: new Map(files.filter(([name]) => name !== VOTE_RECORD_FILE)),
      ballot: new Map(files.filter(([name]) => name === VOTE_RECORD_FILE)),
      acknowledged: witnessDisk.files(),
      snapshots: snapshots.copied(),
    };
  }

  /** `kill -9`, and these parts of the folder are those of a copy when the next process starts. */
  putBack(host: Host, copy: FolderCopy, parts: readonly FolderPart[] = FOLDER_PARTS): void {
    const isPutBack = new Set(parts);
    const now = this.copyOf(host);
    const log = isPutBack.has('log') ? copy.log : now.log;
    const ballot = isPutBack.has('ballot') ? copy.ballot : now.ballot;
    const isOfLogDisk = isPutBack.has('log') || isPutBack.has('ballot');
    this.#end(host, (disk, options) => {
      if (disk === host.disk && isOfLogDisk) {
        return createSimulatedDisk(options, new Map([...log, ...ballot]));
      }
      if (disk === host.witnessDisk && isPutBack.has('acknowledged')) {
        return createSimulatedDisk(options, copy.acknowledged);
      }
      return disk.afterKill(options);
    });
    host.wasPutBack = true;
    if (isPutBack.has('snapshots')) host.snapshots = copy.snapshots.copied();
  }

  /** Somebody removes what lies beside the log, or it is of a build that had nothing there. */
  wipeWitness(host: Host): void {
    this.kill(host);
    host.witnessDisk = createSimulatedDisk(this.#diskOptions(host));
  }

  /** A new, empty disk; what runs on it from now on is another node. */
  wipe(host: Host): void {
    this.#end(host, (_, options) => createSimulatedDisk(options));
    host.snapshots = new MemorySnapshots(this.#modules);
    host.nodeId = this.#freshNodeId(host.name);
    host.hasOthers = false;
    host.wasPutBack = false;
    host.isAdmitted = false;
    host.isFounder = false;
    host.build = this.#buildOfNewcomer();
    host.starts = 0;
  }

  /** Switches a machine off for good. */
  removeHost(host: Host): void {
    host.clock.kill();
    host.process = null;
    this.hosts.delete(host.name);
  }

  #end(
    host: Host,
    next: (
      disk: SimulatedDisk,
      options: Parameters<typeof createSimulatedDisk>[0],
    ) => SimulatedDisk,
  ): void {
    const { clock } = host;
    clock.kill();
    host.process = null;
    host.isStarting = false;
    host.trouble = {};
    host.clock = this.#newClock(clock.now() - Math.floor(this.time.nowMs));
    host.disk = next(host.disk, this.#diskOptions(host));
    host.witnessDisk = next(host.witnessDisk, this.#diskOptions(host));
  }

  /** A newcomer gets what one of the others has, whoever is asked. */
  #buildOfNewcomer(): number {
    const builds = [...this.hosts.values()].map(({ build }) => build);
    return builds[Math.floor(this.#newcomers.next() * builds.length)] ?? this.#founder;
  }

  /** No node id is ever given twice. */
  #freshNodeId(name: string): string {
    let nodeId = name;
    for (let i = 2; this.#nodeIds.has(nodeId); i++) nodeId = `${name}-${i}`;
    this.#nodeIds.add(nodeId);
    return nodeId;
  }

  #newClock(epochMs: number): VirtualClock {
    return new VirtualClock({ epochMs }, this);
  }

  #diskOptions(host: Host): Parameters<typeof createSimulatedDisk>[0] {
    const { clock } = host;
    return {
      pace: (operation) => {
        const ms = host.trouble.takesMs?.(operation) ?? syncMs(operation);
        if (operation.kind === 'sync' && ms > SYNC_MS_MAX) host.troubles++;
        return ms === 0 ? undefined : clock.pause(ms);
      },
      fault: (operation) => host.trouble.fault?.(operation),
    };
  }

  async #paceSnapshot(host: Host, clock: VirtualClock, write: string): Promise<void> {
    const operation = { kind: 'write', name: `snapshot ${write}`, number: 0 } as const;
    const fault = host.trouble.fault?.(operation);
    await clock.pause(host.trouble.takesMs?.(operation) ?? 1);
    if (fault !== undefined) throw new Error(`snapshot ${write} failed`);
  }

  #configCommand(): Extract<Command, { kind: 'config' }> {
    const { config } = this.#options;
    return { kind: 'config', origin: 'tocsin.yml', source: '', externalUrl: null, config };
  }
}

/** Most answer at once, some are slow, and some have trouble of their own. */
function answerOf(people: SeededRandom): Answer {
  const isSlow = people.next() < 0.2;
  const afterMs = isSlow ? 1 + Math.floor(people.next() * 4_000) : 1;
  return { status: people.next() < 0.1 ? 503 : 200, afterMs };
}

/** Most receivers are near; to some it takes as long as a leader takes to be missed. */
function connectMsOf(ways: SeededRandom): number {
  return ways.next() < 0.8 ? 1 : 1 + Math.floor(ways.next() * 1_500);
}

/** A sync takes a millisecond, and everything else no time at all. */
function syncMs({ kind }: DiskOperation): number {
  return kind === 'sync' || kind === 'syncDirectory' ? 1 : 0;
}

function candidateOf({ name, nodeId }: Host): JoinRequest {
  return { nodeId, name, clusterId: '', peerAddress: `${name}:9094`, httpAddress: `${name}:9093` };
}

function loggerOf(host: Host, witness: Witness): Logger {
  return {
    debug: () => undefined,
    info: (message) => witness.logged(host, 'info', message),
    warn: (message, fields) => witness.logged(host, 'warn', `${message} ${JSON.stringify(fields)}`),
    error: (message, fields) =>
      witness.logged(host, 'error', `${message} ${JSON.stringify(fields)}`),
  };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
